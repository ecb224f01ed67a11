"""Rank correlation, fast enough for null distributions of a million draws."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.runtime import missing_allowed

ROUND_OFF = 1e-12


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


@missing_allowed("one", "other", "given")
def partial_tau(one: Float[ndarray, " member"], other: Float[ndarray, " member"], given: Float[ndarray, " member"]) -> float:
    r"""Return Kendall's partial τ of two rankings given a third, :math:`(\tau_{xy} - \tau_{xz}\tau_{yz})/\sqrt{(1-\tau_{xz}^2)(1-\tau_{yz}^2)}`.

    It is 0 if one of the two ranks as the third does, so that it tells nothing beyond that; members with NaN are left out.

    Source:
        Kendall & Gibbons (1990) Rank Correlation Methods, 5th edition, on partial rank correlation.
    """
    known = ~np.isnan(one + other + given)
    x, y, z = one[known], other[known], given[known]
    along, across, beside = kendall_tau(x, y), kendall_tau(x, z), kendall_tau(y, z)
    left = (1 - across**2) * (1 - beside**2)
    return float((along - across * beside) / np.sqrt(left)) if left > ROUND_OFF else 0.0
