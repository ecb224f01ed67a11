"""A diagonal matrix, which connects unit j of one side to unit j of the other."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def build(shape: tuple[int, int], rng: np.random.Generator) -> Float[ndarray, "row column"]:
    """Return ones on the diagonal and zeros elsewhere.

    Args:
        shape: (rows, columns).
        rng: unused; every rule takes it.
    """
    return np.eye(*shape)
