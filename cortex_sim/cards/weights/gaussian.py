"""Independent Gaussian weights whose gain is independent of size.

Source:
    Sompolinsky, Crisanti & Sommers (1988) Phys Rev Lett 61:259.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def build(shape: tuple[int, int], rng: np.random.Generator, *, gain: float) -> Float[ndarray, "row column"]:
    """Return weights from N(0, gain^2 / columns): a large square matrix then has a spectral radius of about ``gain``.

    Args:
        shape: (rows, columns); a row is a target, a column a source.
        rng: draws the weights.
        gain: g, dimensionless; above 1 a tanh network at rest is chaotic.
    """
    return rng.standard_normal(shape) * (gain / np.sqrt(max(1, shape[1])))
