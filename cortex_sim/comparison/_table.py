"""Scores of students by measures, each with a null and an interval: the one path that every measure takes."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.analysis import leading_components
from cortex_sim.comparison._measures import LOST, MEASURES, NO_TRIALS, NOTHING, Measure, Rates, images, reduced, scaled
from cortex_sim.runtime import stream, track, workers
from cortex_sim.statistics import LEARNED, PERMUTATION, Score, permuted_conditions, subsampled, subsets
from cortex_sim.trials import Trials

COMPONENTS = 200  # to which sides of more units are reduced once, for measures that do not compare unit by unit
MIXING = "conditions of each principal component of the student permuted"


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
    """Return scores of a student by every measure; the null permutes conditions, intervals omit conditions.

    Args:
        teacher: rates without noise, or averages.
        student: rates with the same conditions and bins, and the same units unless stated otherwise.
        dt: width of a bin, s.
        name: of the student.
        split: description of the conditions.
        nulls: number of permutations.
        seed: of the permutations.
        same_units: whether units correspond; otherwise sides are two coordinate systems, and measures unit by unit are omitted.
    """
    sides = scaled(teacher, student) if same_units else images(teacher, student)
    labels = [label for label in MEASURES if same_units or not MEASURES[label].same_units]
    lost = LOST if same_units else NOTHING
    return scores_of(labels, *sides, dt, name=name, split=split, nulls=nulls, seed=seed, lost=lost)


def tables(
    teacher: Rates,
    students: Mapping[str, Float[ndarray, "condition time other"]],
    dt: float,
    *,
    split: str,
    nulls: int = 200,
    seed: int = 0,
    same_units: bool = True,
) -> list[Score]:
    """Return scores of students by every measure, with progress; see :func:`table`.

    Args:
        teacher: rates without noise, or averages.
        students: by name, each with the same conditions and bins.
        dt: width of a bin, s.
        split: description of the conditions.
        nulls: number of permutations.
        seed: of the permutations.
        same_units: whether units correspond.
    """
    scores = []
    with track("measures") as report:
        for place, (name, student) in enumerate(students.items()):
            report(place / len(students), name)
            scores += table(teacher, student, dt, name=name, split=split, nulls=nulls, seed=seed, same_units=same_units)
    return scores


def scores_of(
    labels: Sequence[str],
    teacher: Rates,
    student: Float[ndarray, "condition time other"],
    dt: float,
    *,
    name: str,
    split: str,
    nulls: int,
    seed: int,
    lost: float = NOTHING,
) -> list[Score]:
    """Return scores of two sides, already scaled, by measures of these names, in their order.

    Sides of more than 200 units are first reduced to their 200 leading principal components, but for measures that compare unit by unit; scores
    state the fraction of the variance of each side that these hold.

    Args:
        labels: names of measures.
        teacher: (condition, time, unit), dimensionless.
        student: with the same conditions and bins.
        dt: width of a bin, s.
        name: of the student.
        split: description of the conditions.
        nulls: number of surrogates.
        seed: of the surrogates.
        lost: fraction of the variance that may be lost in the reduction to principal components.

    Raises:
        NotFound: a measure does not exist; a close name is suggested.
    """
    measures = {label: MEASURES[label] for label in labels}
    rng, count, everyone = stream(seed, "null", "orders of conditions"), len(teacher), np.arange(len(teacher))
    orders = [rng.permutation(count) for _ in range(nulls)]
    groups: dict[object, list[Measure]] = {}  # measures that share their analysis of the sides
    for label, one in measures.items():
        groups.setdefault(one.read or one.joint or label, []).append(one)
    parts = {learns: subsets(count, share=LEARNED if learns else 0.5) for learns in {one.learns for one in measures.values()}}

    few, held = zip(*(_leading(side) for side in (teacher, student)), strict=True)

    whole = cache(lambda same_units: (teacher, student) if same_units else (reduced(few[0], lost), reduced(few[1], lost)))

    def sides_of(kept: Int[ndarray, " kept"]) -> Callable[[bool], tuple[Rates, Rates]]:
        """Return both sides in some conditions, reduced to as many components as in all of them."""

        def some(same_units: bool) -> tuple[Rates, Rates]:
            if same_units:
                return teacher[kept], student[kept]
            one, other = (reduced(side[kept], axes=every.shape[2]) for side, every in zip(few, whole(False), strict=True))
            return one, other

        return cache(some)

    known = {group[0].name: group[0].analysed(*whole(group[0].same_units), dt) for group in groups.values()}
    joint = {group[0].name: group[0].joint(*whole(group[0].same_units)) for group in groups.values() if group[0].joint and known[group[0].name]}

    def apart(learns: bool, kept: Int[ndarray, " kept"]) -> dict[str, float]:
        """Return measures of some of the conditions, with their signs."""
        sides, asked = sides_of(kept), [group for group in groups.values() if group[0].learns == learns]
        analysed = [group[0].analysed(*sides(group[0].same_units), dt, whole(group[0].same_units)) for group in asked]
        return {one.name: one.difference(*found) for group, found in zip(asked, analysed, strict=True) for one in group}

    def by_chance(draw: int) -> dict[str, float]:
        """Return measures of a surrogate of the student."""
        mixed = cache(lambda: permuted_conditions(whole(False)[1], stream(seed, "null", "conditions of each axis", draw)))
        values: dict[str, float] = {}
        for group in groups.values():
            first, name = group[0], group[0].name
            if not (found := known[name]):
                analysed: tuple[Any, ...] = ()
            elif first.read:
                analysed = (found[0], first.read(mixed(), dt))
            else:
                analysed = (joint[name].at(orders[draw]),) if first.joint else (found[0], found[1][orders[draw]], dt)
            values |= {one.name: one.between(*analysed) for one in group}
        return values

    jobs: dict[Any, tuple[Any, ...]] = {(learns, n): (apart, learns, kept) for learns, each in parts.items() for n, kept in enumerate(each)}
    jobs |= {draw: (by_chance, draw) for draw in range(nulls)}
    done = workers.map("measures", lambda evaluate, *given: evaluate(*given), jobs, threads=True, workers=2)

    def score(one: Measure) -> Score:
        some = {kept.tobytes(): done[one.learns, n][one.name] for n, kept in enumerate(parts[one.learns])}
        some[everyone.tobytes()] = one.difference(*known[next(group[0].name for group in groups.values() if one in group)])
        estimate, null = some[everyone.tobytes()], np.array([done[draw][one.name] for draw in range(nulls)])
        interval = subsampled(lambda kept: some[kept.tobytes()], count, parts[one.learns], absolute=one.signed, selects=one.selects)
        return Score(
            one.name, name, split, abs(estimate) if one.signed else estimate, one.better, one.identical, null, MIXING if one.read else PERMUTATION,
            interval, "subsets of the conditions", ceiling_reason=NO_TRIALS,
            settings={} if one.same_units or min(held) == 1 else {"leading_components": COMPONENTS, "variance_kept": list(held)},
        )  # fmt: skip

    return [score(one) for one in measures.values()]


def _leading(side: Rates) -> tuple[Rates, float]:
    """Return a side reduced to its leading components, if it has more units than these, and the fraction of its variance that they hold."""
    if side.shape[2] <= COMPONENTS or not np.ptp(side, axis=(0, 1)).any():
        return side, 1.0
    few = leading_components(side, COMPONENTS)
    return few, float(few.var(axis=(0, 1)).sum() / side.var(axis=(0, 1)).sum())


def self_departures(trials: Sequence[Trials]) -> dict[str, float]:
    """Return how far a system compared with itself is from the value for identical systems, by measure; the largest over these trials."""
    return {name: max(abs(measured(side.rate, side.rate, side.bin) - measured.identical) for side in trials) for name, measured in MEASURES.items()}
