"""A diagonal matrix: unit j of one side is unit j of the other."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def build(shape: tuple[int, int], rng: np.random.Generator) -> Float[ndarray, "row column"]:
    """Give ones on the diagonal and zeros elsewhere.

    Args:
        shape: (rows, columns).
        rng: not used; every rule takes it.
    """
    return np.eye(*shape)
