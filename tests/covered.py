"""Whether intervals cover what they should, and are no wider than estimates spread: a share of draws alone cannot tell the second."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binom

NOMINAL = 1.96  # s.d. of the estimate on either side, of an interval of 95 %
WIDEST = 1.5  # over that; means of five members, by Student's t, have 1.33


def assert_covered(
    found: Mapping[str, Sequence[tuple[float, Any]]], *, truth: float | None = None, most: float = 0.98, widest: float = WIDEST
) -> None:
    """Nominal 95 %: 90 to 98 % are wanted, and three standard errors of the share, and of the spread of estimates, among so many draws are allowed.

    Args:
        found: by name, the estimate and the interval of each draw.
        truth: what intervals should cover, the mean estimate if omitted.
        most: share of draws that may be covered.
        widest: mean half width of intervals over that which the spread of the estimates asks for, at most.
    """
    for name, draws in found.items():
        estimates, low, high = (np.array(part) for part in zip(*((estimate, *interval) for estimate, interval in draws), strict=True))
        wanted, count = estimates.mean() if truth is None else truth, len(draws)
        covered = int(((low <= wanted) & (wanted <= high)).sum())
        assert binom.ppf(0.0013, count, 0.90) <= covered <= binom.ppf(0.9987, count, most), f"{name}: {covered} of {count}"
        wide = (high - low).mean() / 2 / (NOMINAL * estimates.std(ddof=1))
        assert wide <= widest * (1 + 3 / np.sqrt(2 * count)), f"{name}: intervals are {wide:.2f} times as wide as estimates spread"
