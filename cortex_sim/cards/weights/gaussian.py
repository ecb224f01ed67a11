"""Independent Gaussian weights whose gain does not depend on size.

Source:
    Sompolinsky, Crisanti & Sommers (1988) Phys Rev Lett 61:259.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def build(shape: tuple[int, int], rng: np.random.Generator, *, gain: float) -> Float[ndarray, "row column"]:
    """Draw weights from N(0, gain^2 / columns): a square matrix then has spectral radius ``gain``.

    Args:
        shape: (rows, columns); a row is a target, a column a source.
        rng: draws the weights.
        gain: g, dimensionless; above 1 a tanh network at rest is chaotic.
    """
    return rng.standard_normal(shape) * (gain / np.sqrt(max(1, shape[1])))
