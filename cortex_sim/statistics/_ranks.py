"""Rank correlation, fast enough for null distributions of a million draws."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.runtime import missing_allowed


@missing_allowed("one", "other")
def kendall_tau(one: Float[ndarray, " member"], other: Float[ndarray, " member"]) -> float:
    """Return Kendall's τ-b over the pairs without NaN; 0 if all values of a side are equal.

    Source:
        Kendall (1945) Biometrika 33:239.
    """
    known = ~np.isnan(one + other)
    x, y = ((values[:, None] > values).astype(int) - (values[:, None] < values) for values in (one[known], other[known]))
    pairs = float(np.sqrt(np.abs(x).sum() * np.abs(y).sum()))
    return float((x * y).sum()) / pairs if pairs > 0 else 0.0
