"""compare(teacher, student) -> Comparison: scores that always carry a null, a ceiling and an interval; one file per family."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cortex_sim.analysis import (
    JPCA_AXES,
    Rotations,
    Spectrum,
    jpca,
    principal_components,
    shuffled_weights,
    soft_normalised,
    spanned_axes,
    spectral_distance,
    spectrum,
)
from cortex_sim.cards import Model
from cortex_sim.comparison import _geometry as geometry
from cortex_sim.comparison import _prediction as prediction
from cortex_sim.comparison._response import response_r2
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import PERMUTATION, Measure, Rates, Score, jackknifed, permuted, permuted_conditions, remembered
from cortex_sim.trials import Trials

NULLS, WEIGHT_SHUFFLES = 100, 20
ROTATION, WEIGHT = 8, 9  # name the random streams
NO_TRIALS = "one noiseless or averaged trial per condition, so there is no trial noise to bound a model by"


@dataclass(frozen=True)
class Comparison:
    """Scores of one student or many."""

    scores: tuple[Score, ...]

    def __add__(self, other: "Comparison") -> "Comparison":
        return Comparison(self.scores + other.scores)

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    def of(self, measure: str, student: str) -> Score:
        """Find one score.

        Raises:
            ComparisonError: there is no such score.
        """
        for score in self.scores:
            if score.measure == measure and score.student == student:
                return score
        raise ComparisonError(f"no score {measure!r} of {student!r}; measures are {sorted({s.measure for s in self.scores})}.")


@dataclass(frozen=True)
class Setting:
    """What all scores of one comparison share.

    Attributes:
        student: name of the student.
        split: which conditions are compared.
        seed: of the surrogates.
        window: start and stop in s of the window in which rotations are looked for.
        spread: range of each unit over the whole recording, for the normalisation of jPCA.
        nulls: number of surrogates.
    """

    student: str
    split: str
    seed: int
    window: tuple[float, float]
    spread: Any
    nulls: int = NULLS


@threadpool_limits.wrap(limits=1)  # many small matrices, for which threads cost more than they bring
def compare(teacher: Trials, student: Trials, *, training: Trials | Sequence[Trials], setting: Setting) -> Comparison:
    """Score how alike two sets of matched trials are: prediction, geometry and rotations.

    Args:
        teacher: one trial a condition, conditions not used to train the student.
        student: the same conditions, bins and units.
        training: trials of the teacher that the student was trained on, or one such part for each condition that was held out by itself;
            means and scales come from here alone.
        setting: names, seed, windows.

    Raises:
        ComparisonError: the sides are not matched.
    """
    prediction.check_matched(teacher, student)
    if not np.ptp(teacher.rate, axis=(0, 1)).any():
        raise ComparisonError("teacher: no unit varies over conditions and time; there is nothing to match.")
    mean, scale = prediction.training_reference(training)
    a, b = ((trials.rate - mean) / scale for trials in (teacher, student))

    def r2(x: Rates, y: Rates) -> float:
        return prediction.variance_explained(x, y, mean=np.zeros(1), scale=np.ones(1))

    scores = [_matched("R² of rates", r2, a, b, setting, "higher", 1.0)]
    a, b = geometry.principal_part(a), geometry.principal_part(b)
    scores.append(_matched("Procrustes angle (rad)", _flat(geometry.procrustes_angle, np.pi / 2), a, b, setting, "lower", 0.0))
    scores.append(_matched("linear CKA, debiased", _flat(geometry.linear_cka, 0.0), a, b, setting, "higher", 1.0))
    return Comparison((*scores, *compare_rotations(teacher, student, setting=setting)))


def compare_rotations(teacher: Trials, student: Trials, *, setting: Setting) -> tuple[Score, ...]:
    """Score the rotations of a student, with those of its teacher as the value to be close to; empty if the states span too few axes."""
    window = (trials.window(*setting.window) for trials in (teacher, student))
    prepared = [soft_normalised(trials.rate, setting.spread) for trials in window]
    axes = min(JPCA_AXES, *(spanned_axes(states) for states in prepared)) // 2 * 2
    if axes < 2:
        return ()
    states = [principal_components(rates, axes) for rates in prepared]
    wanted, found = (jpca(x, teacher.bin) for x in states)
    rng = np.random.default_rng(np.random.SeedSequence((setting.seed, ROTATION)))
    mixed = [permuted_conditions(prepared[1], rng) for _ in range(setting.nulls)]
    surrogates = [jpca(principal_components(rates, axes), teacher.bin) for rates in mixed]
    without = remembered(lambda kept: jpca(states[1][kept], teacher.bin))
    readings: dict[str, Callable[[Rotations], float]] = {
        "jPCA R²(M_skew)": lambda r: r.r2_skew, "jPCA R²(M)": lambda r: r.r2, "jPCA R²(M_skew)/R²(M)": lambda r: r.ratio,
        "jPCA frequency (Hz)": lambda r: r.fastest,
    }  # fmt: skip
    return tuple(
        Score(
            name, setting.student, setting.split, read(found), "closer", read(wanted), np.array([read(r) for r in surrogates]),
            "conditions of each unit permuted", jackknifed(lambda kept, read=read: read(without(kept)), len(states[1])), "conditions",
            ceiling_reason=NO_TRIALS, settings={"axes": axes, "window_s": list(setting.window)},
        )
        for name, read in readings.items()
    )  # fmt: skip


@threadpool_limits.wrap(limits=1)
def compare_responses(name: str, teacher: Sequence[Rates], student: Sequence[Rates], *, setting: Setting) -> Score:
    """Score how a student changes under a perturbation.

    Args:
        name: of the perturbation.
        teacher: for each draw of the perturbation, rates minus those of the unperturbed run, (condition, time, unit).
        student: the same of the student.
        setting: names and seed.
    """
    a, b = (np.concatenate(list(side), axis=1) for side in (teacher, student))
    return _matched(f"response to {name}, R²", response_r2, a, b, setting, "higher", 1.0, draws=len(teacher))


@threadpool_limits.wrap(limits=1)
def compare_spectra(teacher: Spectrum, student: Model, *, setting: Setting, shuffles: int = WEIGHT_SHUFFLES) -> Score:
    """Score how close the slowest modes of a student are to those of its teacher."""
    found = spectrum(student)
    rng = np.random.default_rng(np.random.SeedSequence((setting.seed, WEIGHT)))
    null = [spectral_distance(teacher, spectrum(student, shuffled_weights(student, rng))) for _ in range(shuffles)]
    return Score(
        "spectrum, distance of the slowest modes (1/s)", setting.student, "no data: linearised at rest", spectral_distance(teacher, found),
        "lower", 0.0, np.array([value for value in null if np.isfinite(value)]), "entries of the recurrent weights in random places",
        None, "one network per student; run other seeds", ceiling_reason="nothing is measured with noise",
        settings={"at_rest": found.at_rest},
    )  # fmt: skip


def _matched(name: str, measure: Measure, a: Rates, b: Rates, setting: Setting, better: Any, identical: float, **settings: Any) -> Score:
    null = permuted(measure, a, b, seed=setting.seed, count=setting.nulls)
    interval = jackknifed(lambda kept: measure(a[kept], b[kept]), len(a))
    return Score(
        name, setting.student, setting.split, measure(a, b), better, identical, null, PERMUTATION, interval, "conditions",
        ceiling_reason=NO_TRIALS, settings=settings,
    )  # fmt: skip


def _flat(measure: Callable[[Any, Any], float], unlike: float) -> Measure:
    """Apply a measure to samples of all conditions and times; a student that does not vary is as unlike as can be."""
    return lambda a, b: measure(a.reshape(-1, a.shape[2]), b.reshape(-1, b.shape[2])) if np.ptp(b, axis=(0, 1)).any() else unlike
