"""Measures of rotations and tangling: the difference of one number between the systems."""

import numpy as np

from cortex_sim.analysis import Rotations, jpca, leading_components, tangling
from cortex_sim.comparison._measures import Rates, departures, every, measure
from cortex_sim.statistics import order_by_content

TOP, STATES = 90, 2500  # percentile of the tangling that is compared, of at most so many states, each among all


def _turning(rates: Rates, dt: float) -> Rotations | None:
    """Return jPCA of deviations from the mean over conditions; None if there is no plane."""
    few = leading_components(departures(rates))
    return jpca(few[..., : few.shape[2] // 2 * 2], dt) if few.shape[2] > 1 else None


def _tangled(rates: Rates, dt: float) -> float:
    if not np.ptp(rates, axis=(0, 1)).any():
        return 0.0
    rates = rates[order_by_content(rates)]
    return float(np.nanpercentile(tangling(rates, dt, every=every(rates.shape[0] * rates.shape[1], STATES)), TOP))


@measure("jPCA R²(M_skew) apart", better="lower", identical=0.0, read=_turning, signed=True, about="difference of how well a skew flow fits")
def _skew_apart(one: Rotations | None, other: Rotations | None) -> float:
    return one.r2_skew - other.r2_skew if one and other else np.inf


@measure("jPCA frequency apart (Hz)", better="lower", identical=0.0, read=_turning, signed=True, selects=True,
         about="difference of the frequency of the plane of most rotation")  # fmt: skip
def _frequency_apart(one: Rotations | None, other: Rotations | None) -> float:
    return one.main_frequency - other.main_frequency if one and other else np.inf


@measure("tangling apart", better="lower", identical=0.0, read=_tangled, signed=True,
         about="difference of the log of the 90th percentile of tangling")  # fmt: skip
def _tangling_apart(one: float, other: float) -> float:
    return float(np.log(one / other)) if one > 0 and other > 0 else np.inf
