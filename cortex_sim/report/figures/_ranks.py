"""Pictures of how measures rank students."""

from collections.abc import Mapping, Sequence

import numpy as np

from cortex_sim.comparison import ALONE, CURRENTS, EXPLORED, FIXED, FLOW, INSIDE, MODES, POINTS, PUSHES, WORST, Reading
from cortex_sim.report._report import Picture
from cortex_sim.report.figures._lines import Line, over_settings
from cortex_sim.report.figures._matrices import annotated
from cortex_sim.report.figures._scatters import grouped_scatters
from cortex_sim.statistics import Score

SLOW, MORE, TAU = "decay, network − circuit (1/s)", "stable fixed points, network − circuit", "Kendall's τ"

CAPTIONS = {
    PUSHES: "Mean τ over networks of each kind, all units seen. 1: as the responses to unseen pushes rank them; 0: at chance.",
    INSIDE: "The same with pushes within the leading components of the rates, where activity goes by itself.",
    MODES: "The same with the distance of the slowest modes about rest as the truth.",
    FLOW: f"The same with the distance of the flow, linearised at {len(POINTS)} points of the reaches in the {EXPLORED} axes they explore most.",
    FIXED: "The same with the distance of the rates at fixed points.",
    CURRENTS: "The same with the correlation of currents between halves of the units, among students that have a unit for each observed one.",
}


def rank_pictures(found: Sequence[Reading], ranked: Mapping[tuple[str, str], Sequence[Score]], counted: str) -> dict[str, Picture]:
    """Return tables of τ by known mechanism, circuit and view, explained fractions of responses to pushes, and slowest modes of students.

    Args:
        found: results for every cell; those of the first view observe all units.
        ranked: by known mechanism and view, one score per measure, whose settings contain τ for each circuit.
        counted: the student whose slowest mode and stable fixed points are shown.
    """
    views = [view for truth, view in ranked if truth == PUSHES]
    full = [one for one in found if one.cell.view == views[0]]
    truths = {truth: scores for (truth, view), scores in ranked.items() if view == views[0]}
    names, circuits = [score.student for score in truths[PUSHES]], list(dict.fromkeys(one.cell.circuit for one in full))
    each = {circuit: [one for one in full if one.cell.circuit == circuit] for circuit in circuits}
    students = list(dict.fromkeys(name for one in full for name in one.students))
    points = {name: {circuit: (np.concatenate([one.alike[name] for one in some]), np.concatenate([one.truths[PUSHES] for one in some]))
                     for circuit, some in each.items()} for name in names}  # fmt: skip
    means = np.array([[score.estimate for score in scores] for scores in truths.values()]).T
    seen = np.array([[score.estimate for score in ranked[PUSHES, view]] for view in views]).T
    return {
        "truths": Picture(
            annotated(means, names, list(truths), label=TAU), "Which measure ranks students by which part of the mechanism",
            "Mean τ over all circuits and networks of each kind, all units seen. 1: as the truth ranks them; 0: at chance.",
        ),
        **{f"by_{place}": Picture(
            annotated(np.array([list(score.settings["circuits"].values()) for score in scores]), names, circuits, label=TAU),
            f"How well measures rank students by their {truth}, circuit by circuit", CAPTIONS[truth],
        ) for place, (truth, scores) in enumerate(truths.items())},
        "observed": Picture(
            annotated(seen, names, views, label=TAU), "The same with few units observed, or spikes",
            "Mean τ with the responses to pushes, over all circuits and networks, by the share of units seen, as rates and as smoothed spikes.",
        ),
        "attractors": Picture(
            over_settings(_attractors(found, circuits, counted), xlabel="share of the units seen", even=True, reference={SLOW: 0.0, MORE: 0.0}),
            "Spurious attractors", f"Students {counted!r} minus their circuits, by the share of units seen: rate at which the slowest mode about "
            "rest decays, below 0 where a network is slower than its circuit, and number of stable fixed points (Qian et al. 2024), "
            "of which a ring has as many as searches end at. Dots: networks.",
        ),
        **{name: Picture(
            annotated(np.array([[_mean_of(student, some, truth) for some in each.values()] for student in (*students, ALONE)]),
                      [*students, ALONE], circuits, label="explained share of the responses"), f"{where} that none was trained on",
            f"Explained share of the change of rates, at least {WORST:g}; 0: no response at all is predicted as well. {ALONE.capitalize()}: the "
            "circuit's own units.",
        ) for name, truth, where in (("students", PUSHES, "Responses of students to pushes of units, and silencing,"),
                                     ("inside", INSIDE, "Responses of students to pushes within the leading components"))},
        "scatters": Picture(
            grouped_scatters(points, ylabel="responses explained"), "Every student",
            "All units seen. Abscissa: the measure, oriented so that right is more alike.",
        ),
    }  # fmt: skip


def _mean_of(student: str, found: Sequence[Reading], truth: str) -> float:
    """Return the mean explained fraction of the responses; NaN if the circuit has no such student."""
    if student == ALONE:
        return float(np.mean([one.cell.alone[truth] for one in found]))
    values = [one.truths[truth][one.students.index(student)] for one in found if student in one.students]
    return float(np.mean(values)) if values else float("nan")


def _attractors(found: Sequence[Reading], circuits: Sequence[str], counted: str) -> dict[str, dict[str, Line]]:
    """Return the decay rate of the slowest mode and the number of stable fixed points, students minus circuits."""
    rates = [one for one in found if not one.cell.electrodes]
    shares, seeds = (list(dict.fromkeys(getattr(one.cell, name) for one in rates)) for name in ("share", "seed"))
    off = {
        SLOW: lambda one: one.slowest[one.students.index(counted)] + one.cell.modes.eigenvalues[0].real,
        MORE: lambda one: float(one.stable[counted] - one.cell.stable),
    }
    values = {label: {(one.cell.circuit, one.cell.share, one.cell.seed): value(one) for one in rates} for label, value in off.items()}
    return {label: {name: (shares, np.array([[some[name, share, seed] for share in shares] for seed in seeds])) for name in circuits}
            for label, some in values.items()}  # fmt: skip
