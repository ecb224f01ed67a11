"""Measures of how alike two sets of matched trials are, as one table: the higher the more alike, so that they compare with each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Float
from joblib import Parallel, cpu_count, delayed
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.analysis import Rotations, jpca, principal_components, spanned_axes, tangling
from cortex_sim.comparison import _dsa as dsa
from cortex_sim.comparison import _geometry as geometry
from cortex_sim.comparison._kernels import rbf_cka, rsa
from cortex_sim.comparison._local_flow import local_flow
from cortex_sim.comparison._predictivity import canonical_correlation, cycle_consistency, predictivity
from cortex_sim.comparison._shape import shape_distance
from cortex_sim.runtime import stream
from cortex_sim.statistics import PERMUTATION, Score, jackknifed, permuted_conditions, remembered
from cortex_sim.trials import derangement

Rates = Float[ndarray, "condition time unit"]
AXES, TOP = 6, 90  # principal axes; percentile of the tangling that is compared
DELAYS, RANK = 3, 10  # of the delay embedding, and axes kept of it
LOST = 0.01  # of the variance, when only principal components are compared
MIXING = "conditions of each principal component of the student permuted"
STARTS, SEARCH = 16, 200  # of the search for the best rotation of an operator: fewer than where it is the only measure
SAMPLES = 400  # of which kernels are made, evenly over conditions and time
LONG = ("cycle consistency", "DSA, Procrustes", "predicts the circuit", "is predicted", "SVCCA, held out")  # begun first, so that no core idles
FLOOR = 1e-6  # of the largest scale, what a unit that does not vary counts as


@dataclass(frozen=True)
class Alike:
    """A measure, and its value for a system and itself.

    Attributes:
        function: of two arrays of rates in units of the teacher's standard deviations, and the bin in s; or of what was read off either.
        identical: what it gives for the same rates twice.
        whole: it is given every unit, the same on both sides; else principal components that hold all but a hundredth of the variance of either.
        read: of one array and the bin, if sides are read by themselves, so that it does not matter which condition of one is which of the other.
    """

    function: Callable[..., float]
    identical: float
    whole: bool = False
    read: Callable[[Any, float], Any] | None = None

    def __call__(self, teacher: Rates, student: Rates, dt: float) -> float:
        """How alike they are; the higher the more.

        Args:
            teacher: rates; means and scales come from here.
            student: of the same conditions, bins and units.
            dt: bin, s.
        """
        a, b = scaled(teacher, student)
        return self.of(a, b, dt) if self.whole else self.of(_principal(a), _principal(b), dt)

    def of(self, a: Any, b: Any, dt: float) -> float:
        """The same of sides that are scaled and reduced."""
        return float(self.function(self.read(a, dt), self.read(b, dt)) if self.read else self.function(a, b, dt))


def scaled(teacher: Rates, student: Rates) -> tuple[Rates, Rates]:
    """Either side about the mean and in standard deviations of each unit of the teacher."""
    mean, scale = teacher.mean(axis=(0, 1)), teacher.std(axis=(0, 1))
    scale = np.maximum(scale, FLOOR * scale.max())
    return (teacher - mean) / scale, (student - mean) / scale


def images(one: Rates, other: Float[ndarray, "condition time other"]) -> tuple[Rates, Float[ndarray, "condition time other"]]:
    """Two coordinate systems: either about its mean, and over the root mean square of all its units, so that no unit is given weight."""
    first, second = ((x - x.mean(axis=(0, 1))) / x.std() for x in (one, other))
    return first, second


def _principal(rates: Rates, lost: float = LOST) -> Rates:
    return geometry.principal_part(rates, lost) if np.ptp(rates, axis=(0, 1)).any() else rates


def table(
    teacher: Rates,
    student: Float[ndarray, "condition time other"],
    dt: float,
    *,
    name: str,
    split: str,
    nulls: int = 200,
    seed: int = 0,
    same_units: bool = True,
) -> list[Score]:
    """Score a student by every measure, with the conditions of the student permuted as the null and leaving out conditions as the interval.

    Args:
        teacher: rates without noise, or averages.
        student: of the same conditions and bins, and units unless said otherwise.
        dt: bin, s.
        name: of the student.
        split: which conditions these are.
        nulls: permutations.
        seed: of them.
        same_units: each unit is compared with itself; else sides are two coordinate systems, and measures of unit by unit are left out.
    """
    sides = scaled(teacher, student) if same_units else images(teacher, student)
    few = [_principal(x, LOST if same_units else geometry.LOST) for x in sides]
    labels = [label for label in MEASURES if same_units or not MEASURES[label].whole]
    rng = stream(seed, "null", "orders of conditions")
    orders = [derangement(len(teacher), rng) for _ in range(nulls)]

    def scored(group: Sequence[str]) -> list[Score]:
        """Measures that read the same off either side, which is read once for all of them."""
        read, (a, b) = MEASURES[group[0]].read, sides if MEASURES[group[0]].whole else few
        everyone = np.arange(len(a))
        if read:
            pair = remembered(lambda kept: (read(a[kept], dt), read(b[kept], dt)))
            known = pair(everyone)[0]
            drawn = [(known, read(permuted_conditions(b, stream(seed, "null", "conditions of each axis", draw)), dt)) for draw in range(nulls)]
        else:
            pair = lambda kept: (a[kept], b[kept], dt)  # noqa: E731
            drawn = [(a, b[order], dt) for order in orders]
        return [
            Score(
                label, name, split, float(measure(*pair(everyone))), "higher", MEASURES[label].identical,
                np.array([measure(*sides_) for sides_ in drawn]), MIXING if read else PERMUTATION,
                jackknifed(lambda kept, measure=measure: float(measure(*pair(kept))), len(a)), "conditions",
                ceiling_reason="one noiseless or averaged trial per condition",
            )
            for label, measure in ((label, MEASURES[label].function) for label in group)
        ]  # fmt: skip

    groups: dict[object, list[str]] = {}
    for label in sorted(labels, key=lambda label: label not in LONG):
        groups.setdefault(MEASURES[label].read or label, []).append(label)
    with threadpool_limits(limits=1):  # many small matrices, for which threads cost more than they bring
        done = Parallel(n_jobs=min(2, cpu_count()), prefer="threads")(delayed(scored)(group) for group in groups.values())
    return sorted(chain(*done), key=lambda score: labels.index(score.measure))


def _r2(a: Rates, b: Rates, _: float) -> float:
    return 1 - ((a - b) ** 2).sum() / (a**2).sum()


def _flat(measure: Callable[[Any, Any], float], sign: float, unlike: float, most: int | None = None) -> Callable[[Rates, Rates, float], float]:
    """Of samples of all conditions and times, or evenly of so many."""

    def read(a: Rates, b: Rates) -> float:
        every = 1 if most is None else -(-a.shape[0] * a.shape[1] // most)
        return measure(*(x.reshape(-1, x.shape[2])[::every] for x in (a, b)))

    return _whole(read, sign, unlike)


def _whole(measure: Callable[[Any, Any], float], sign: float, unlike: float) -> Callable[[Rates, Rates, float], float]:
    """Of conditions and times as they are; a student that does not vary is as unlike as can be."""
    return lambda a, b, _: sign * (measure(a, b) if np.ptp(b, axis=(0, 1)).any() else unlike)


def _departures(rates: Rates) -> Rates:
    return rates - rates.mean(axis=0)


def _turning(rates: Rates, dt: float) -> Rotations | None:
    """JPCA of the departure from the mean over conditions; None where there is no plane."""
    x = _departures(rates)
    axes = min(AXES, spanned_axes(x)) // 2 * 2
    return jpca(principal_components(x, axes), dt) if axes >= 2 else None


def _apart(read: Callable[[Rotations], float]) -> Callable[[Rotations | None, Rotations | None], float]:
    return lambda one, other: -abs(read(one) - read(other)) if one and other else -np.inf


def _tangled(rates: Rates, dt: float) -> float:
    return float(np.percentile(tangling(rates, dt), TOP)) if np.ptp(rates, axis=(0, 1)).any() else 0.0


def _operator(rates: Rates, _: float) -> Float[ndarray, "axis axis"] | None:
    """Of delay embeddings of the departure from the mean over conditions."""
    x = _departures(rates)
    return dsa.delay_operator(x, delays=DELAYS, rank=RANK) if np.ptp(x, axis=(0, 1)).any() else None


def _operators_apart(distance: Callable[[ndarray, ndarray], float]) -> Callable[[ndarray | None, ndarray | None], float]:
    """Of as many leading axes as both operators have."""

    def apart(one: ndarray | None, other: ndarray | None) -> float:
        if one is None or other is None:
            return -np.inf
        size = min(len(one), len(other))
        return -distance(one[:size, :size], other[:size, :size])

    return apart


def _procrustes(one: ndarray, other: ndarray) -> float:
    return dsa.procrustes_distance(one, other, restarts=STARTS, steps=SEARCH)


MEASURES: Mapping[str, Alike] = {
    "R² of rates": Alike(_r2, 1.0, whole=True),
    "Procrustes angle": Alike(_flat(geometry.procrustes_angle, -1.0, np.pi / 2), 0.0),
    "shape, half whitened": Alike(_flat(lambda a, b: shape_distance(a, b, alpha=0.5), -1.0, np.pi / 2), 0.0),
    "shape, whitened": Alike(_flat(lambda a, b: shape_distance(a, b, alpha=0.0), -1.0, np.pi / 2), 0.0),
    "linear CKA": Alike(_flat(geometry.linear_cka, 1.0, 0.0), 1.0),
    "Gaussian CKA": Alike(_flat(rbf_cka, 1.0, 0.0, SAMPLES), 1.0),
    "RSA": Alike(lambda a, b, _: rsa(a, b) if np.ptp(b, axis=0).any() else 0.0, 1.0),
    "SVCCA, held out": Alike(_whole(partial(canonical_correlation, reduce=False), 1.0, 0.0), 1.0),
    "predicts the circuit": Alike(_whole(lambda a, b: predictivity(b, a, reduce=False), 1.0, 0.0), 1.0),
    "is predicted": Alike(_whole(partial(predictivity, reduce=False), 1.0, 0.0), 1.0),
    "cycle consistency": Alike(_whole(partial(cycle_consistency, reduce=False), 1.0, 0.0), 1.0),
    "jPCA R²(M_skew) apart": Alike(_apart(lambda found: found.r2_skew), 0.0, read=_turning),
    "jPCA frequency apart": Alike(_apart(lambda found: found.fastest), 0.0, read=_turning),
    "tangling apart": Alike(lambda one, other: -abs(np.log(one / other)) if one > 0 and other > 0 else -np.inf, 0.0, read=_tangled),
    "local flow": Alike(lambda a, b, dt: local_flow(a, b, dt, reduce=False) if np.ptp(b, axis=(0, 1)).any() else 0.0, 1.0),
    "DSA, eigenvalues": Alike(_operators_apart(dsa.eigenvalue_distance), 0.0, read=_operator),
    "DSA, Procrustes": Alike(_operators_apart(_procrustes), 0.0, read=_operator),
}
