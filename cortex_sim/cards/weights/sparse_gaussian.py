"""Gaussian weights between a random fraction of the pairs, whose gain is independent of size and of that fraction.

Source:
    Sussillo & Abbott (2009) Neuron 63:544.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError


def build(shape: tuple[int, int], rng: np.random.Generator, *, gain: float, density: float) -> Float[ndarray, "row column"]:
    """Return weights from N(0, gain^2 / (density columns)) with probability ``density``, else 0: a spectral radius of about ``gain``.

    Args:
        shape: (rows, columns); a row is a target, a column a source.
        rng: draws which pairs are connected, and the weights.
        gain: g, dimensionless; above 1 a tanh network at rest is chaotic.
        density: p, probability of a connection.

    Raises:
        OptionError: density is not above 0 and at most 1.
    """
    if not 0 < density <= 1:
        raise OptionError(f"sparse_gaussian: density {density:g} should lie above 0 and at most at 1.")
    weights = rng.standard_normal(shape) * (gain / np.sqrt(density * max(1, shape[1])))
    return np.where(rng.random(shape) < density, weights, 0.0)
