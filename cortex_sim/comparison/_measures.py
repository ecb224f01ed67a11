"""Measures by name: what each compares, and the one path from a measure to its score with a null and an interval.

A function of this folder that is decorated with :func:`measure` is a measure; no list has to be extended.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.comparison import _geometry as geometry
from cortex_sim.comparison._listed import listed
from cortex_sim.errors import NotFound, suggestion
from cortex_sim.fitting import unit_scale
from cortex_sim.runtime import doored, stream, track, workers
from cortex_sim.statistics import LEARNED, PERMUTATION, Score, permuted_conditions, subsampled, subsets
from cortex_sim.trials import Trials

Rates = Float[ndarray, "condition time unit"]
NOTHING = geometry.LOST  # of the variance, to all purposes
LOST = 0.01  # of the variance, when only principal components are compared
MIXING = "conditions of each principal component of the student permuted"
NO_TRIALS = "one noiseless or averaged trial per condition, so there is no trial noise to bound a model by"


@doored("__call__")
@dataclass(frozen=True)
class Measure:
    """A measure of the similarity of two systems in matched conditions.

    Attributes:
        name: with its unit.
        about: description in one line.
        function: takes two arrays (condition, time, unit) and the bin width in s; or the results of ``read``, or what ``joint`` returns.
        better: whether higher or lower means more similar.
        identical: value for identical rates.
        unlike: value for a student that does not vary; None if the function handles this.
        same_units: whether units are compared one by one; otherwise both sides are principal components.
        read: analysis of one array and the bin width, if sides are analysed separately, so that conditions need not be matched.
        joint: analysis of both sides, if some of it serves every order of the student's conditions; its method ``at(order)`` returns the rest.
        learns: whether it fits maps to some conditions and tests them on others. Fewer conditions lower it, so its interval uses larger subsets.
        signed: whether the function returns a difference, of which the measure is the absolute value. Its interval comes from the difference.
    """

    name: str
    about: str
    function: Callable[..., float]
    better: Literal["higher", "lower"]
    identical: float
    unlike: float | None = None
    same_units: bool = False
    read: Callable[[Any, float], Any] | None = None
    joint: Callable[[Any, Any], Any] | None = None
    learns: bool = False
    signed: bool = False

    def __call__(self, teacher: Rates, student: Rates, dt: float, training: Float[ndarray, "known time unit"] | None = None) -> float:
        """Return the measure for two sides with the same conditions, bins and units.

        Args:
            teacher: rates.
            student: rates.
            dt: width of a bin, s.
            training: the teacher's rates in training conditions, for means and scales; the compared ones if omitted.
        """
        a, b = scaled(teacher, student, training)
        if not self.same_units:
            a, b = _principal(a), _principal(b)
        return self.between(*self.analysed(a, b, dt))

    def analysed(self, a: Rates, b: Float[ndarray, "condition time other"], dt: float) -> tuple[Any, ...]:
        """Return what the function takes, of two sides that are already scaled and reduced; nothing if the student does not vary."""
        if self.unlike is not None and not np.ptp(b, axis=(0, 1)).any():
            return ()
        if self.joint:
            return (self.joint(a, b).at(np.arange(len(b))),)
        return (self.read(a, dt), self.read(b, dt)) if self.read else (a, b, dt)

    def between(self, *analysed: Any) -> float:
        """Return the measure for what :meth:`analysed` returns."""
        value = self.difference(*analysed)
        return abs(value) if self.signed else value

    def difference(self, *analysed: Any) -> float:
        """Return the measure with its sign, if it is ``signed``; otherwise the measure itself."""
        return float(self.function(*analysed)) if analysed or self.unlike is None else self.unlike

    def alike(self, value: ndarray | float) -> Any:
        """Return values with signs such that higher means more similar, to rank by several measures."""
        return value if self.better == "higher" else -value


_registered: dict[str, Measure] = {}


def measure(
    name: str,
    *,
    better: Literal["higher", "lower"],
    identical: float,
    about: str,
    unlike: float | None = None,
    same_units: bool = False,
    read: Callable[[Any, float], Any] | None = None,
    joint: Callable[[Any, Any], Any] | None = None,
    learns: bool = False,
    signed: bool = False,
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Return a decorator that makes a function a measure; see :class:`Measure`."""

    def enter(function: Callable[..., float]) -> Callable[..., float]:
        _registered[name] = Measure(name, about, function, better, identical, unlike, same_units, read, joint, learns, signed)
        return function

    return enter


class _Measures(Mapping[str, Measure]):
    """Every measure of this folder by name; those that compare unit by unit come first."""

    @cached_property
    def _all(self) -> dict[str, Measure]:
        for module, _ in listed().values():
            importlib.import_module(module)
        return dict(sorted(_registered.items(), key=lambda item: not item[1].same_units))

    def __getitem__(self, name: str) -> Measure:
        try:
            return self._all[name]
        except KeyError:
            raise NotFound(f"measure {name!r} is unknown. {suggestion(str(name), self._all)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, name: object) -> bool:
        return name in self._all


MEASURES: Mapping[str, Measure] = _Measures()


def flat(rates: Rates, most: int | None = None) -> Float[ndarray, "sample unit"]:
    """Return the samples of all conditions and times, or evenly spaced ones, at most this many."""
    every = 1 if most is None else -(-rates.shape[0] * rates.shape[1] // most)
    return rates.reshape(-1, rates.shape[2])[::every]


def departures(rates: Rates) -> Rates:
    """Return deviations from the mean over conditions at each time."""
    return rates - rates.mean(axis=0)


def scaled(teacher: Rates, student: Rates, training: Float[ndarray, "known time unit"] | None = None) -> tuple[Rates, Rates]:
    """Return both sides centred and in standard deviations (:func:`~cortex_sim.fitting.unit_scale`) of each unit of the teacher.

    Args:
        teacher: rates.
        student: rates.
        training: the teacher's rates for means and scales; the compared conditions themselves if omitted.
    """
    known = teacher if training is None else training
    mean, scale = known.mean(axis=(0, 1)), unit_scale(known)
    return (teacher - mean) / scale, (student - mean) / scale


def images(one: Rates, other: Float[ndarray, "condition time other"]) -> tuple[Rates, Float[ndarray, "condition time other"]]:
    """Return two coordinate systems, each centred and divided by the root mean square of all its units, so that relative sizes are kept."""
    first, second = ((x - x.mean(axis=(0, 1))) / x.std() for x in (one, other))
    return first, second


def _principal(rates: Rates, lost: float = LOST) -> Float[ndarray, "condition time axis"]:
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
    teacher: Rates, students: Mapping[str, ndarray], dt: float, *, split: str, nulls: int = 200, seed: int = 0, same_units: bool = True
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

    def sides_of(kept: Int[ndarray, " kept"]) -> Callable[[bool], tuple[Rates, Rates]]:
        both = (teacher[kept], student[kept])
        return cache(lambda same_units: both if same_units else (_principal(both[0], lost), _principal(both[1], lost)))

    whole = sides_of(everyone)
    known = {group[0].name: group[0].analysed(*whole(group[0].same_units), dt) for group in groups.values()}
    joint = {group[0].name: group[0].joint(*whole(group[0].same_units)) for group in groups.values() if group[0].joint and known[group[0].name]}

    def apart(learns: bool, kept: Int[ndarray, " kept"]) -> dict[str, float]:
        """Return measures of some of the conditions, with their signs."""
        sides, asked = sides_of(kept), [group for group in groups.values() if group[0].learns == learns]
        analysed = [group[0].analysed(*sides(group[0].same_units), dt) for group in asked]
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
        interval = subsampled(lambda kept: some[kept.tobytes()], count, parts[one.learns], absolute=one.signed)
        return Score(
            one.name, name, split, abs(estimate) if one.signed else estimate, one.better, one.identical, null, MIXING if one.read else PERMUTATION,
            interval, "subsets of the conditions", ceiling_reason=NO_TRIALS,
        )  # fmt: skip

    return [score(one) for one in measures.values()]


def self_departures(trials: Sequence[Trials]) -> dict[str, float]:
    """Return how far a system compared with itself is from the value for identical systems, by measure; the largest over these trials."""
    return {name: max(abs(measured(side.rate, side.rate, side.bin) - measured.identical) for side in trials) for name, measured in MEASURES.items()}
