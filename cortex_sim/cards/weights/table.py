"""A matrix written out in the card: one row per target, with one weight per source."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import CardError


def build(shape: tuple[int, int], rng: np.random.Generator, *, values: Float[ndarray, "row column"]) -> Float[ndarray, "row column"]:
    """Return the table as written.

    Raises:
        CardError: it does not have one row per target and one column per source.
    """
    if np.shape(values) != shape:
        found = " x ".join(map(str, np.shape(values))) or "one number"
        raise CardError(f"values are {found}; the projection asks for {shape[0]} x {shape[1]}, a row for each target.")
    return np.array(values)
