"""Sets of pictures shared by several protocols."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Rotations, Spectrum, Told, rotations_of
from cortex_sim.errors import Undetermined
from cortex_sim.fitting import Fitted
from cortex_sim.report._report import Picture
from cortex_sim.report.figures._lines import learning_curves
from cortex_sim.report.figures._matrices import confusion
from cortex_sim.report.figures._rates import components, example_units, responses
from cortex_sim.report.figures._scores import score_panels
from cortex_sim.report.figures._spectra import rotation_planes, spectra
from cortex_sim.statistics import Score
from cortex_sim.trials import Trials

EXAMPLE_UNITS, EXAMPLE_CONDITIONS, MOST = 4, 2, 5


def activity_pictures(
    scores: Sequence[Score],
    teacher: Trials,
    students: Mapping[str, Trials],
    *,
    measures: Sequence[str],
    spread: Float[ndarray, " unit"],
    window: tuple[float, float],
    event: str,
) -> dict[str, Picture]:
    """Return pictures of scores, example units, principal components and jPCA planes.

    Args:
        scores: of all students.
        teacher: held-out trials.
        students: the same trials of each student.
        measures: measures that get a panel.
        spread: range of each unit, for jPCA.
        window: window for rotations, s.
        event: the event at time 0.
    """
    shown = dict(list(students.items())[:MOST])
    rates = {name: trials.rate for name, trials in shown.items()}
    unit = str(teacher.dataset["rate"].attrs["units"])
    conditions = np.linspace(0, len(teacher.rate) - 1, EXAMPLE_CONDITIONS + 1, dtype=int)[:-1]
    busy = np.argsort(-teacher.rate.std(axis=(0, 1)))
    units = sorted(int(u) for u in busy[: max(1, len(busy) // 2)][:: max(1, len(busy) // 2 // EXAMPLE_UNITS)][:EXAMPLE_UNITS])
    turning = _rotations({"teacher": teacher} | shown, spread, window)
    found = {
        "scores": Picture(
            score_panels(scores, measures), "Similarity of each student to its teacher",
            "Dots: estimate; lines: 95 % interval over conditions; grey bands: 95 % of the surrogates that the table names; dashed: "
            "value of two identical systems. An arrow marks a score below the axis, with its value.",
        ),
        "units": Picture(
            example_units(teacher.rate, rates, teacher.time, units, list(conditions), ylabel=f"rate ({unit})", event=event),
            "Rates of example units in held-out conditions",
            f"{len(units)} of the more active half of the units; none of these conditions was trained on. Dotted: {event}.",
        ),
        "components": Picture(
            components(teacher.rate, rates, unit=unit), "State space",
            "Every held-out condition on the first two principal components of the teacher; the same axes for all. Dots mark the start.",
        ),
    }  # fmt: skip
    if turning:
        caption = f"The plane of most rotation, {window[0] * 1e3:g} to {window[1] * 1e3:g} ms from {event}. R²(M_skew): share of the flow "
        caption += "that is rotation; R²(M): share that any linear flow explains. Never read the first without the second."
        found["rotations"] = Picture(rotation_planes(turning), "Rotations (jPCA)", caption)
    return found


def mechanism_pictures(
    teacher: Mapping[str, Sequence[Float[ndarray, "condition time unit"]]],
    students: Mapping[str, Mapping[str, Sequence[Float[ndarray, "condition time unit"]]]],
    flows: Mapping[str, Spectrum],
    time: Float[ndarray, " time"],
    spans: Mapping[str, tuple[float, float]],
) -> dict[str, Picture]:
    """Return pictures of responses to perturbations and of the spectra of the linearised flows.

    Args:
        teacher: maps a perturbation to differences from the unperturbed run, one array (condition, time, unit) per draw.
        students: maps a student to the same.
        flows: spectra, including that of ``"teacher"``.
        time: s.
        spans: when each perturbation acts, s.
    """
    shown = {name: {kind: np.concatenate(draws) for kind, draws in found.items()} for name, found in list(students.items())[:MOST]}
    wanted = {kind: np.concatenate(draws) for kind, draws in teacher.items()}
    others = {name: flows[name] for name in shown}
    return {
        "responses": Picture(
            responses(wanted, shown, time, spans, ylabel="r.m.s. over units (Hz)"), "Responses to perturbations that no student was trained on",
            "Left of each pair: size of the difference from the unperturbed run; right: size of the student's error in it, where the dashed line "
            "is the error of predicting no response at all. Shaded: when the perturbation acts.",
        ),
        "spectra": Picture(
            spectra(flows["teacher"], others), "Modes of the flow at rest",
            "Eigenvalues of the flow linearised at the state each system settles to; rings: teacher. Right of the dotted line modes grow; the "
            "fastest twentieth of the decaying ones lies left of the axis, and a mode that alternates from step to step above it.",
        ),
    }  # fmt: skip


def learning_pictures(fitted: Mapping[str, Fitted]) -> dict[str, Picture]:
    """Return learning curves of the students that were trained by gradient descent; empty if there are none."""
    curves = {name: (one.train, one.validation) for name, one in fitted.items()}
    if not any(train for train, _ in curves.values()):
        return {}
    caption = "Loss of the free-running rates, relative to the variance of each unit; dashed: conditions trained on, solid: validation conditions."
    return {"learning": Picture(learning_curves(curves), "Learning curves", caption)}


def decoding_pictures(told: Told) -> dict[str, Picture]:
    """Return confusion matrices of each decoder, and learning curves of the networks of all folds."""
    labels, key = np.unique(told.condition), told.question.replace(" ", "_")
    tables = {name: np.array([[(taken[told.condition == a] == b).mean() for b in labels] for a in labels]) for name, taken in told.taken.items()}
    courses = {f"fold {number + 1}": (network.train, network.validation) for number, network in enumerate(told.fitted)}
    return {
        f"confusion_{key}": Picture(
            confusion(tables, [str(label) for label in labels]), f"Confusions, {told.question}",
            "Every trial was classified by decoders trained on the other folds.",
        ),
        f"learning_{key}": Picture(
            learning_curves(courses, ylabel="cross-entropy (nat)"), f"Learning curves of the LSTM, {told.question}",
            "Dashed: training trials; solid: a fifth of them that is set aside. One LSTM a fold.",
        ),
    }  # fmt: skip


def _rotations(systems: Mapping[str, Trials], spread: Float[ndarray, " unit"], window: tuple[float, float]) -> dict[str, Rotations]:
    found = {}
    for name, trials in systems.items():
        try:
            found[name] = rotations_of(trials, spread=spread, window=window)
        except Undetermined:
            continue
    return {name: rotations for name, rotations in found.items() if rotations.frequency.size}
