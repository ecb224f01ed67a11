"""Numbers of a measure from its values on all circuits: sensitivity, invariance, and what is left of it with less data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.statistics import bootstrapped, sign_flip
from cortex_sim.studies.benchmark._families import GRADES
from cortex_sim.studies.benchmark._observed import AVERAGES, RESIDUALS, SINGLE, VIEWS
from cortex_sim.studies.benchmark._sensed import CHANGED

TOLD = 1.81  # d' at which two alternatives are told apart in 90 % of pairs: 2^(1/2) times the normal quantile of 0.9
LARGEST = 1000.0  # d' of what differs without any noise
FEWEST = 6  # circuits that an interval needs
ACTIVITY = (SINGLE, RESIDUALS)  # views that need no pushes

Readings = Mapping[str, Mapping[str, Any]]  # by circuit


def sensed(values: Float[ndarray, "grade repeat"]) -> Float[ndarray, "grade repeat"]:
    r"""Return by how much each pair at a grade is less alike than pairs of one system, in standard deviations of independent pairs.

    The mean over repeats is :math:`d' = J(m_0 - m_s)/\sigma`, with :math:`\sigma` pooled over grades and Hedges' factor :math:`J = 1 - 3/(4\nu - 1)`
    for its :math:`\nu` degrees of freedom, without which few repeats make d' too large. A value that a measure could not give (NaN) tells nothing.
    """
    if not np.isfinite(values).all():
        return np.zeros(values.shape)
    freedom = values.shape[0] * (values.shape[1] - 1)
    spread = np.sqrt(values.var(axis=1, ddof=1).mean())
    less = values[0].mean() - values
    if not spread > 0:
        return np.sign(less) * LARGEST
    return (1 - 3 / (4 * freedom - 1)) * less / spread


def sensitivity(readings: Readings, view: str) -> dict[str, Any]:
    """Return d' per unit of s with its interval over circuits, the mean curve, and the smallest s that is told from 0.

    The slope is that of the least-squares line through 0. Its interval resamples circuits, and pairs within each.

    Args:
        readings: by circuit.
        view: what was observed.
    """
    each = {name: sensed(_plain(reading["graded"][view])) for name, reading in readings.items()}
    slopes = {name: slope_of(found) for name, found in each.items()}
    samples = np.concatenate([_slopes(found) for found in each.values()])
    labels = np.repeat(np.arange(len(each)), [found.shape[1] for found in each.values()])
    curve = np.mean([found.mean(axis=1) for found in each.values()], axis=0)
    return {
        "slope": float(np.mean(list(slopes.values()))), "interval": _interval(samples, labels, np.arange(len(samples))),
        "curve": [0.0, *map(float, curve[1:])], "smallest": smallest(curve), "circuits": slopes,
    }  # fmt: skip


def slope_of(found: Float[ndarray, "grade repeat"]) -> float:
    """Return d' per unit of s."""
    return float(_slopes(found).mean())


def _slopes(found: Float[ndarray, "grade repeat"]) -> Float[ndarray, " repeat"]:
    s = np.array(GRADES)
    return s @ found / (s @ s)


def smallest(curve: Float[ndarray, " grade"]) -> float | None:
    """Return the smallest s from which on d' suffices to tell a system from s = 0 in 90 % of pairs; None if there is none up to 1."""
    if not curve[-1] >= TOLD:
        return None
    last = max(place for place in range(len(curve)) if place == 0 or curve[place] < TOLD)
    low, high = max(0.0, float(curve[last])) if last else 0.0, float(curve[last + 1])
    return float(GRADES[last] + (GRADES[last + 1] - GRADES[last]) * (TOLD - low) / (high - low))


def chance(readings: Readings) -> dict[str, float]:
    """Return how a measure of averages does, which are the same all along a family: mean d' of systems, its p, and the largest exact change."""
    each = [float(sensed(_plain(reading["graded"][AVERAGES]))[1:].mean()) for reading in readings.values()]
    exact = max(float(np.abs(_plain(reading["exact"]) - _plain(reading["exact"])[0]).max()) for reading in readings.values())
    return {"d": float(np.mean(each)), "p": sign_flip(np.array(each)) if len(each) >= FEWEST else 1.0, "exact": exact}


def invariance(readings: Readings, view: str) -> dict[str, Any]:
    """Return by how much less alike a circuit is to itself after each change of its activity, in units of the whole way to another mechanism.

    Args:
        readings: by circuit.
        view: what was observed.
    """
    whole = np.array([_difference(reading["graded"][view][0], reading["graded"][view][-1]) for reading in readings.values()])
    found: dict[str, Any] = {}
    for change in next(iter(readings.values()))["changed"][view]:
        apart = np.array([_difference(*reading["changed"][view][change]) for reading in readings.values()])
        found[change] = {"d": float(apart.mean()), "shift": _ratio(apart, whole), "interval": _ratio_interval(apart, whole)}
    return found


def _plain(values: Sequence[Any]) -> ndarray:
    """Return values as numbers, NaN where there is none."""
    return np.array(values, dtype=float)


def _difference(base: Sequence[float], other: Sequence[float]) -> float:
    """Return d' between two sets of pairs."""
    return float(sensed(_plain([base, other]))[1].mean())


def _ratio(part: Float[ndarray, " circuit"], whole: Float[ndarray, " circuit"]) -> float:
    return float(part.mean() / whole.mean()) if whole.mean() != 0 else 0.0


def _ratio_interval(part: Float[ndarray, " circuit"], whole: Float[ndarray, " circuit"]) -> list[float] | None:
    if len(part) < FEWEST or not np.isfinite(part).all():
        return None
    low, high = bootstrapped(lambda drawn: _ratio(part[drawn], whole[drawn]), np.arange(len(part)), over="circuits")
    return [low, high]


def kept_of(readings: Readings, view: str) -> dict[str, dict[str, float]]:
    """Return d' at s = 1 with few units, as a fraction of that with all of them, and of spikes of few trials, over circuits that were asked.

    Args:
        readings: by circuit.
        view: in which few units are observed.
    """
    asked = [reading for reading in readings.values() if "units" in reading]
    if not asked:
        return {}
    whole = float(np.mean([_difference(reading["graded"][view][0], reading["graded"][view][-1]) for reading in asked]))
    units = {share: float(np.mean([_difference(*reading["units"][view][share]) for reading in asked])) for share in asked[0]["units"][view]}
    spikes = {n: float(np.mean([_difference(*reading["spikes"][n]) for reading in asked])) for n in asked[0]["spikes"]}
    return {"all": {"d": whole}, "units": units, "spikes": spikes}


def summary(readings: Readings) -> dict[str, Any]:
    """Return all numbers of a measure.

    Args:
        readings: by circuit.
    """
    views = {view: sensitivity(readings, view) for view in VIEWS}
    best = max(ACTIVITY, key=lambda view: views[view]["slope"])
    calls = sum(reading["calls"] for reading in readings.values())
    return {
        "views": views, "activity": best, "chance": chance(readings), "invariance": {view: invariance(readings, view) for view in CHANGED},
        "kept": kept_of(readings, best), "seconds": sum(reading["seconds"] for reading in readings.values()),
        "milliseconds": 1e3 * sum(reading["seconds"] for reading in readings.values()) / max(calls, 1),
    }  # fmt: skip


def _interval(samples: Float[ndarray, " sample"], circuits: ndarray, within: ndarray) -> list[float] | None:
    if len(set(circuits.tolist())) < FEWEST:
        return None
    low, high = bootstrapped(lambda drawn: float(samples[drawn].mean()), circuits, over="circuits", within=within)
    return [low, high]
