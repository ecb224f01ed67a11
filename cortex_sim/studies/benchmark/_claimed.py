"""Claims of the benchmark that can fail: chance where averages are equal, invariance where a measure claims it, and order among measures."""

from collections.abc import Sequence

import numpy as np

from cortex_sim.comparison import MEASURES
from cortex_sim.report import Claim
from cortex_sim.statistics import Contrast, contrasts, holm
from cortex_sim.studies.benchmark._changes import ORTHOGONAL
from cortex_sim.studies.benchmark._ranked import ALL
from cortex_sim.studies.benchmark._results import Result
from cortex_sim.studies.benchmark._scored import FEWEST

EXACT, CHANCE, ROTATED, FOUND, SURE = 1e-6, 0.01, 0.05, 0.25, 0.05
SEARCHED = "DSA, Procrustes"
MANY = 20  # circuits from which on an order of measures is claimed


def claims(measures: Sequence[Result]) -> list[Claim]:
    """Return the claims that results of measures allow: order and chance need many circuits.

    Args:
        measures: their results.
    """
    if not measures:
        return []
    off = {result["name"]: result["numbers"]["chance"]["exact"] for result in measures}
    worst = max(off, key=lambda name: off[name])
    found = [Claim(f"largest change along a family of a measure of noise-free averages ({worst})", off[worst], 0.0, EXACT, "equal to round-off")]
    if min(result["circuits"] for result in measures) < FEWEST or any(result["smoke"] for result in measures):
        return found
    p = holm(np.array([result["numbers"]["chance"]["p"] for result in measures]))
    found.append(Claim("smallest Holm-corrected p of a measure of averages with noise against chance", float(p.min()), CHANCE, 1.0, "chance, arm 1"))
    rotations = {result["name"]: _rotation(result) for result in measures if result["name"] in MEASURES and not same_units(result)}
    if SEARCHED in rotations:
        text = f"|d′| by which rotated coordinates move {SEARCHED}"
        found.append(Claim(text, rotations.pop(SEARCHED), 0.0, FOUND, "its best rotation is found by a search"))
    if rotations:
        largest, name = max((size, name) for name, size in rotations.items())
        text = f"largest |d′| by which rotated coordinates move a measure that claims not to see them ({name})"
        found.append(Claim(text, largest, 0.0, ROTATED, "by definition; nearest states may change"))
    pair = best_and_worst(measures)
    if pair is not None and min(result["circuits"] for result in measures) >= MANY:
        best, last, contrast = pair
        text = f"Holm-corrected p of the order of partial τ given R²: {best} above {last}"
        found.append(Claim(text, contrast.p, 0.0, SURE, "sign flips over circuits, corrected for all pairs of measures"))
    return found


def best_and_worst(measures: Sequence[Result]) -> tuple[str, str, Contrast] | None:
    """Return the measures with the largest and the smallest partial τ with responses of all kinds, and their contrast; None for a single one."""
    values = {result["name"]: result["numbers"]["ranks"].get(ALL, {}).get("circuits", {}) for result in measures}
    shared = sorted(set.intersection(*(set(each) for each in values.values()))) if values else []
    if len(values) < 2 or len(shared) < FEWEST:
        return None
    each = {name: np.array([found[circuit] for circuit in shared]) for name, found in values.items()}
    ordered = sorted(each, key=lambda name: -each[name].mean())
    found = contrasts({name: each[name] for name in ordered}, over="circuits")
    return ordered[0], ordered[-1], found[ordered[0], ordered[-1]]


def same_units(result: Result) -> bool:
    """Return whether a measure of this package compares unit by unit."""
    return MEASURES[result["name"]].same_units


def _rotation(result: Result) -> float:
    """Return d' by which an orthogonal image changes a measure, the largest of all views."""
    return max((abs(changes[ORTHOGONAL]["d"]) for changes in result["numbers"]["invariance"].values()), default=0.0)
