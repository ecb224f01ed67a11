"""Gaussian weights between a random fraction of the pairs of units in different regions, and none within a region."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError


def build(shape: tuple[int, int], rng: np.random.Generator, *, regions: float, gain: float, density: float) -> Float[ndarray, "row column"]:
    """Return weights from N(0, gain^2 / (density n)) with probability ``density`` for pairs in two different regions of n units, else 0.

    The input to a unit from each other region then has ``gain`` squared times the variance of that region's rates, whatever the density.

    Args:
        shape: (rows, columns), equal; the first units are the first region, and regions are as equal in size as possible.
        rng: draws which pairs are connected, and the weights.
        regions: number of regions.
        gain: of one region onto another.
        density: probability of a connection.

    Raises:
        OptionError: the shape is not square, there are more regions than units, or density is not above 0 and at most 1.
    """
    if shape[0] != shape[1] or not 1 <= regions <= shape[0] or regions != round(regions):
        raise OptionError(f"between: {regions:g} regions of shape {shape}; it should be square, with at least one unit a region.")
    if not 0 < density <= 1:
        raise OptionError(f"between: density {density:g} should lie above 0 and at most at 1.")
    member = np.repeat(np.arange(round(regions)), [len(part) for part in np.array_split(np.arange(shape[0]), round(regions))])
    weights = rng.standard_normal(shape) * (gain / np.sqrt(density * np.bincount(member)[member]))
    return np.where((member[:, None] != member) & (rng.random(shape) < density), weights, 0.0)
