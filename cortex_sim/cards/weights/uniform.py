"""Independent weights, uniform between minus and plus a bound, at any size."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def build(shape: tuple[int, int], rng: np.random.Generator, *, bound: float) -> Float[ndarray, "row column"]:
    """Return weights drawn from U(-bound, bound).

    Args:
        shape: (rows, columns); a row is a target, a column a source.
        rng: draws the weights.
        bound: largest absolute weight.
    """
    return rng.uniform(-bound, bound, shape)
