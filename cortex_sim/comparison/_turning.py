"""Measures of rotations and tangling: the difference of one number between the systems."""

import numpy as np

from cortex_sim.analysis import JPCA_AXES, Rotations, jpca, principal_components, spanned_axes, tangling
from cortex_sim.comparison._measures import Rates, departures, measure

TOP = 90  # percentile of the tangling that is compared


def _turning(rates: Rates, dt: float) -> Rotations | None:
    """Return jPCA of deviations from the mean over conditions; None if there is no plane."""
    x = departures(rates)
    axes = min(JPCA_AXES, spanned_axes(x)) // 2 * 2
    return jpca(principal_components(x, axes), dt) if axes >= 2 else None


def _tangled(rates: Rates, dt: float) -> float:
    return float(np.percentile(tangling(rates, dt), TOP)) if np.ptp(rates, axis=(0, 1)).any() else 0.0


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
