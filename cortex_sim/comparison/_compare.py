"""compare(teacher, student) -> Comparison: scores that always include a null, a ceiling and an interval; one file per family."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.analysis import (
    Rotations,
    Spectrum,
    jpca,
    leading_components,
    principal_components,
    rotation_intervals,
    shuffled_weights,
    soft_normalised,
    spectral_distance,
    spectrum,
)
from cortex_sim.cards import Model
from cortex_sim.comparison import _prediction as prediction
from cortex_sim.comparison._comparison import Comparison
from cortex_sim.comparison._geometry import leading_courses
from cortex_sim.comparison._measures import MEASURES, NO_TRIALS
from cortex_sim.comparison._table import COMPONENTS, scores_of
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream, workers
from cortex_sim.statistics import Score, condition_orders, mixed_conditions
from cortex_sim.trials import BIN, Trials

NULLS: int = 100
WEIGHT_SHUFFLES: int = 20
FEWEST = 3  # conditions, for intervals
COURSES = 30  # of time, of which the states of more than 200 units are made for surrogates
FREQUENCY = "jPCA frequency (Hz)"
AXES = ("condition", "time", "unit")
DEFAULT = ("R² of rates", "Procrustes angle (rad)", "linear CKA, debiased")


class Common(TypedDict):
    """Arguments shared by all scores of one comparison."""

    name: str
    split: str
    seed: int
    nulls: int


Activity = Trials | Float[ndarray, "_condition _time _unit"]


@threadpool_limits.wrap(limits=1)  # many small matrices, for which threads cost more than they bring
def compare(
    teacher: Activity,
    student: Activity,
    *,
    training: Activity | Sequence[Trials] | None = None,
    name: str | None = None,
    split: str | None = None,
    window: tuple[float, float] | None = None,
    spread: Float[ndarray, " unit"] | None = None,
    bin: float | None = None,
    measures: Sequence[str] = DEFAULT,
    seed: int = 0,
    nulls: int = NULLS,
) -> Comparison:
    """Return scores of the similarity of two sets of matched conditions: by measures of the catalogue, and by the rotations of each.

    If the two sides differ in their number of units, each is centred and scaled by itself, and measures that compare units with each other, such as
    the R² of rates, are omitted. The comparison's notes state every default that was used.

    Args:
        teacher: one trial per condition, of conditions not used to train the student; trials, or an array (condition, time, unit).
        student: the same conditions and bins.
        training: the teacher's rates that the student was trained on, or one such set for each condition that was held out by itself; means
            and scales come from it alone. The teacher's compared conditions if omitted.
        name: of the student; the name of its model if omitted.
        split: description of the compared conditions, for the record.
        window: start and stop in s of the window for rotations; the whole duration if omitted.
        spread: range of each unit of the teacher, for the normalisation of jPCA; if omitted, the range over training conditions.
        bin: bin width of plain arrays, s.
        measures: names of measures; ``cs.measures.MEASURES`` contains all of them.
        seed: of the surrogates.
        nulls: number of surrogates.

    Raises:
        ComparisonError: the sides do not match, or a side does not vary.
        NotFound: a measure is unknown; a close name is suggested.
    """
    check_nulls("compare", nulls)
    notes: list[str] = []
    teacher, student = _sides(teacher, student, bin, notes)
    if len(teacher.condition) < FEWEST:
        raise ComparisonError(f"compare: {len(teacher.condition)} conditions; at least {FEWEST} are needed, since intervals leave some of them out.")
    name = name or str(student.provenance.get("model") or "student")
    split = split or f"{len(teacher.condition)} conditions"
    if window is None:
        window = (float(teacher.time[0]), float(teacher.time[-1] + teacher.bin))
        notes.append(f"rotations: looked for in all of the time, {window[0]:g} to {window[1]:g} s")
    elif window[0] < teacher.time[0] - teacher.bin or window[1] > teacher.time[-1] + 2 * teacher.bin:
        span = f"{teacher.time[0]:g} to {teacher.time[-1] + teacher.bin:g} s"
        raise ComparisonError(f"compare: the window {window[0]:g} to {window[1]:g} s reaches beyond the trials, {span}; give it in s.")
    if not np.ptp(teacher.rate, axis=(0, 1)).any():
        raise ComparisonError("teacher: no unit varies over conditions and time; there is nothing to match.")
    if training is None:
        notes.append("means, scales and ranges: from the compared conditions of the teacher itself, since no training conditions were given")
    reference = teacher if training is None else _training(training, teacher)
    common = teacher.rate.shape[2] == student.rate.shape[2]
    mean, scale = prediction.training_reference(reference)
    if common:
        a, b = ((trials.rate - mean) / scale for trials in (teacher, student))
        notes += [said] if (said := prediction.said_of_quiet_units(a, b)) else []
    elif not student.rate.std():
        raise ComparisonError(f"student {name!r}: no unit varies over conditions and time, so it has no scale to be compared by.")
    else:
        a, b = ((trials.rate - trials.rate.mean(axis=(0, 1))) / trials.rate.std() for trials in (teacher, student))
        matched = ", ".join(label for label in measures if MEASURES[label].same_units)
        notes.append(
            f"{matched}: left out, since the teacher has {teacher.rate.shape[2]} units and the student {student.rate.shape[2]}; "
            "each side is centred and scaled by itself"
        )
    shared = Common(name=name, split=split, seed=seed, nulls=nulls)
    labels = [label for label in measures if common or not MEASURES[label].same_units]
    scores = scores_of(labels, a, b, teacher.bin, **shared)
    if kept := next((score.settings["variance_kept"] for score in scores if "variance_kept" in score.settings), None):
        held = " and ".join(f"{share:.2%}" for share in kept)
        notes.append(f"more than {COMPONENTS} units: measures that do not compare unit by unit are of {COMPONENTS} leading components, with {held}")
    del a, b  # of a thousand units each is a tenth of a gigabyte
    if spread is None:
        parts = [reference] if isinstance(reference, Trials) else reference
        spread = np.ptp(np.concatenate([part.rate.reshape(-1, part.rate.shape[2]) for part in parts]), axis=0)
    scores += compare_rotations(teacher, student, spread=spread, window=window, **shared)
    return Comparison(tuple(scores), tuple(notes))


def _sides(teacher: Activity, student: Activity, bin: float | None, notes: list[str]) -> tuple[Trials, Trials]:
    """Return both sides as trials; a plain array takes the bins and labels of the other side, if that has them."""
    known = next((side for side in (teacher, student) if isinstance(side, Trials)), None)
    if bin is not None and known is not None and abs(known.bin - bin) > 1e-9:
        raise ComparisonError(f"bin {bin!r} s is not that of the trials, {known.bin:g} s; leave it out.")
    found = []
    for label, side in (("teacher", teacher), ("student", student)):
        if isinstance(side, Trials):
            if len(set(side.condition.tolist())) < len(side.condition):
                cure = "conditions are compared, of which trials are no independent samples: average them first, trials.averaged()"
                raise ComparisonError(f"{label}: {len(side.condition)} trials of {len(set(side.condition.tolist()))} conditions; {cure}.")
            found.append(side)
            continue
        array = _array(side, label)
        if known is not None and known.shape[:2] == array.shape[:2]:
            found.append(Trials.from_arrays(array, known.time, condition=known.condition))
            continue
        width = bin or (BIN if known is None else known.bin)
        found.append(_as_trials(array, width))
        if bin is None and known is None:
            notes.append(f"bins of plain arrays: taken as {width * 1e3:g} ms; say otherwise with bin=")
    prediction.check_matched(*found)
    units = [str(side.dataset["rate"].attrs.get("units", "")) for side in found]
    if isinstance(teacher, Trials) and isinstance(student, Trials) and units[0] != units[1]:
        notes.append(f"units: the teacher's rates are in {units[0]}, the student's in {units[1]}; they are compared as numbers")
    return found[0], found[1]


def _array(side: Any, label: str) -> Float[ndarray, "condition time unit"]:
    if {"time", "unit"} <= set(names := getattr(side, "dims", ())) and len(names) == len(AXES):
        side = side.transpose(..., "time", "unit")
    try:
        array = np.asarray(side, dtype=float)
    except (TypeError, ValueError):
        raise ComparisonError(f"{label}: {type(side).__name__} is no array of numbers; give trials or an array (condition, time, unit).") from None
    if array.ndim != 3:
        raise ComparisonError(f"{label}: the array has shape {array.shape}; it should be (condition, time, unit).")
    return array


def _as_trials(array: Float[ndarray, "condition time unit"], bin: float) -> Trials:
    return Trials.from_arrays(array, bin * np.arange(array.shape[1]))


def _training(training: Activity | Sequence[Trials], teacher: Trials) -> Trials | list[Trials]:
    """Return the trials that means and scales come from, with as many units as the teacher."""
    if not isinstance(training, Trials) and isinstance(training, Sequence):
        parts = list(training)
        if len(parts) != len(teacher.condition):
            raise ComparisonError(f"training: {len(parts)} parts for {len(teacher.condition)} conditions; give one for each, or one for all.")
    else:
        parts = [training if isinstance(training, Trials) else _as_trials(_array(training, "training"), teacher.bin)]
    for part in parts:
        if part.rate.shape[2] != teacher.rate.shape[2]:
            raise ComparisonError(f"training: {part.rate.shape[2]} units; the teacher has {teacher.rate.shape[2]}.")
    return parts if isinstance(training, Sequence) else parts[0]


def compare_rotations(
    teacher: Trials,
    student: Trials,
    *,
    spread: Float[ndarray, " unit"],
    window: tuple[float, float],
    name: str,
    split: str,
    seed: int = 0,
    nulls: int = NULLS,
) -> tuple[Score, ...]:
    """Return scores of a student's rotations, with those of its teacher as target; empty if the states span too few axes.

    Args:
        teacher: one trial per condition.
        student: trials with the same conditions and bins.
        spread: range of each unit of the teacher over the whole recording.
        window: start and stop, s.
        name: of the student.
        split: description of the compared conditions.
        seed: of the surrogates.
        nulls: number of surrogates.
    """
    ranges = (spread, spread if student.rate.shape[2] == len(spread) else np.ptp(student.rate, axis=(0, 1)))
    prepared = [soft_normalised(side.window(*window).rate, width) for side, width in zip((teacher, student), ranges, strict=True)]
    states = [leading_components(rates) for rates in prepared]
    axes = min(side.shape[2] for side in states) // 2 * 2
    if axes < 2:
        return ()
    wanted, found = (jpca(x[..., :axes], teacher.bin) for x in states)
    rng, many = stream(seed, "null", "rotated states"), prepared[1].shape[2] > COMPONENTS
    weights, courses, held = leading_courses(prepared[1], COURSES) if many else (prepared[1], None, 1.0)
    orders = {draw: (condition_orders(weights.shape[0], weights.shape[2], rng),) for draw in range(nulls)}

    def by_chance(order: Int[ndarray, "condition unit"]) -> Rotations:
        few = principal_components(mixed_conditions(weights, order), axes)
        return jpca(few if courses is None else courses @ few, teacher.bin)

    surrogates = workers.map("rotations by chance", by_chance, orders, threads=True, workers=2).values()
    readings: dict[str, Callable[[Rotations], float]] = {
        "jPCA R²(M_skew)": lambda r: r.r2_skew,
        "jPCA R²(M)": lambda r: r.r2,
        "jPCA R²(M_skew)/R²(M)": lambda r: r.ratio,
        FREQUENCY: lambda r: r.main_frequency,
    }
    intervals = rotation_intervals(prepared[1], teacher.bin, readings, axes=axes, selecting=(FREQUENCY,))
    return tuple(
        Score(
            reading,
            name,
            split,
            read(found),
            "closer",
            read(wanted),
            np.array([read(r) for r in surrogates]),
            "conditions of each unit permuted",
            intervals[reading],
            "subsets of the conditions",
            ceiling_reason=NO_TRIALS,
            settings={"axes": axes, "window_s": list(window)}
            | ({"surrogates_of_courses": courses.shape[1], "variance_kept": held} if courses is not None else {}),
        )
        for reading, read in readings.items()
    )


def check_nulls(called: str, nulls: int) -> None:
    if nulls < 1:
        raise ComparisonError(f"{called}: nulls is {nulls}; at least 1 is needed, since no score stands without what it is by chance.")


@threadpool_limits.wrap(limits=1)
def compare_spectra(teacher: Spectrum, student: Model, *, name: str | None = None, seed: int = 0, shuffles: int = WEIGHT_SHUFFLES) -> Score:
    """Return the score of the distance between a student's slowest modes and those of its teacher.

    Args:
        teacher: spectrum of the teacher.
        student: circuit or network.
        name: of the student; the name of its model if omitted.
        seed: of the shuffled weights.
        shuffles: number of shuffles.

    Raises:
        ComparisonError: one of them has no modes, as a network whose activity vanishes within a step.
    """
    found = spectrum(student)
    if without := [label for label, side in (("the teacher", teacher), (name or student.name, found)) if not len(side.eigenvalues)]:
        raise ComparisonError(f"spectrum: {without[0]} has no modes, since its activity vanishes within a step or grows without bound.")
    rng = stream(seed, "null", "shuffled weights")
    null = [spectral_distance(teacher, spectrum(student, shuffled_weights(student, rng))) for _ in range(shuffles)]
    return Score(
        "spectrum, distance of the slowest modes (1/s)", name or student.name, "no data: linearised at rest", spectral_distance(teacher, found),
        "lower", 0.0, np.array([value for value in null if np.isfinite(value)]), "entries of the recurrent weights in random places",
        None, "one network per student; run other seeds", ceiling_reason="nothing is measured with noise",
        settings={"at_rest": found.at_rest},
    )  # fmt: skip
