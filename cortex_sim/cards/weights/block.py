"""Gaussian weights in one block of a matrix, and none elsewhere: some channels to some units, or some units to the output."""

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError

SLACK = 1e-4  # of a row: written fractions such as 0.333333 are meant to be thirds


def build(
    shape: tuple[int, int], rng: np.random.Generator, *, gain: float, row_start: float, row_stop: float, column_start: float, column_stop: float
) -> Float[ndarray, "row column"]:
    """Return weights from N(0, gain^2 / columns of the block) in the rows and columns that overlap a span of each axis, else 0.

    The axes run from 0 to 1. A span includes everything it overlaps: a span from 0.99 to 1 is the last of fewer than 100 channels.

    Args:
        shape: (rows, columns); a row is a target, a column a source.
        rng: draws the weights.
        gain: scale, independent of the size of the block.
        row_start: start of the block along the rows, from 0.
        row_stop: its end, at most 1.
        column_start: start of the block along the columns.
        column_stop: its end.

    Raises:
        OptionError: a span does not increase, or is not within 0 to 1.
    """
    rows, columns = _touched("row", row_start, row_stop, shape[0]), _touched("column", column_start, column_stop, shape[1])
    weights = np.zeros(shape)
    block = weights[rows, columns]
    block[:] = rng.standard_normal(block.shape) * (gain / np.sqrt(max(1, block.shape[1])))
    return weights


def _touched(axis: str, start: float, stop: float, size: int) -> slice:
    if not 0 <= start < stop <= 1:
        raise OptionError(f"block: {axis}_start {start:g} and {axis}_stop {stop:g} should run forward from 0 to 1.")
    return slice(math.floor(start * size + SLACK), math.ceil(stop * size - SLACK))
