"""Measures of how alike two sets of matched trials are, as one table: the higher the more alike, so that they compare with each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison import geometry, rotations
from cortex_sim.comparison.tangling import tangling

Rates = Float[ndarray, "condition time unit"]
AXES, TOP = 6, 90  # principal axes; percentile of the tangling that is compared
FLOOR = 1e-6  # of the largest scale, what a unit that does not vary counts as


@dataclass(frozen=True)
class Alike:
    """A measure, and its value for a system and itself.

    Attributes:
        function: of two arrays of rates in units of the teacher's standard deviations, and the bin in s.
        identical: what it gives for the same rates twice.
    """

    function: Callable[[Any, Any, float], float]
    identical: float

    def __call__(self, teacher: Rates, student: Rates, dt: float) -> float:
        """How alike they are; the higher the more.

        Args:
            teacher: rates; means and scales come from here.
            student: of the same conditions, bins and units.
            dt: bin, s.
        """
        mean, scale = teacher.mean(axis=(0, 1)), teacher.std(axis=(0, 1))
        scale = np.maximum(scale, FLOOR * scale.max())
        return float(self.function((teacher - mean) / scale, (student - mean) / scale, dt))


def _r2(a: Rates, b: Rates, _: float) -> float:
    return 1 - ((a - b) ** 2).sum() / (a**2).sum()


def _flat(measure: Callable[[Any, Any], float], sign: float, unlike: float) -> Callable[[Rates, Rates, float], float]:
    """Of samples of all conditions and times; a student that does not vary is as unlike as can be."""

    def read(a: Rates, b: Rates, _: float) -> float:
        if not np.ptp(b, axis=(0, 1)).any():
            return sign * unlike
        a, b = (geometry.reduced(x) for x in (a, b))
        return sign * measure(a.reshape(-1, a.shape[2]), b.reshape(-1, b.shape[2]))

    return read


def _turning(read: Callable[[rotations.Rotations], float]) -> Callable[[Rates, Rates, float], float]:
    """How far apart a reading of jPCA is on either side."""

    def apart(a: Rates, b: Rates, dt: float) -> float:
        a, b = (x - x.mean(axis=0) for x in (a, b))
        axes = min(AXES, *(rotations.span(x) for x in (a, b))) // 2 * 2
        if axes < 2:
            return -np.inf
        one, other = (read(rotations.jpca(rotations.principal(x, axes), dt)) for x in (a, b))
        return -abs(one - other)

    return apart


def _tangled(a: Rates, b: Rates, dt: float) -> float:
    if not np.ptp(b, axis=(0, 1)).any():
        return -np.inf
    one, other = (np.percentile(tangling(x, dt), TOP) for x in (a, b))
    return -abs(np.log(one / other)) if one > 0 and other > 0 else -np.inf


MEASURES: Mapping[str, Alike] = {
    "R² of rates": Alike(_r2, 1.0),
    "Procrustes angle": Alike(_flat(geometry.procrustes_angle, -1.0, np.pi / 2), 0.0),
    "linear CKA": Alike(_flat(geometry.linear_cka, 1.0, 0.0), 1.0),
    "jPCA R²(M_skew) apart": Alike(_turning(lambda found: found.r2_skew), 0.0),
    "jPCA frequency apart": Alike(_turning(lambda found: found.fastest), 0.0),
    "tangling apart": Alike(_tangled, 0.0),
}
