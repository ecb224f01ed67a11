"""Figures that several protocols share; the only folder that imports matplotlib."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.analysis import Rotations, Spectrum
from cortex_sim.statistics import Score

STYLE = {
    "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9.5,
    "axes.titleweight": "bold", "legend.frameon": False, "svg.fonttype": "path", "svg.hashsalt": "cortex-sim", "figure.constrained_layout.use": True,
}  # fmt: skip
COLOURS = ("#2457a6", "#d1702a", "#1d8a66", "#8c4fb0", "#b8324f", "#7a6a3a", "#4b8fb8")
TEACHER, GREY = "#1c2430", "#9aa5b1"
FIXED = {"untrained": "#a9b2bd", "shuffled": "#6b7684"}
WIDTH = 10.0  # inches


def save_svg(figure: Figure, path: Path) -> None:
    """Write a figure as SVG; the same figure gives the same bytes."""
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, format="svg", metadata={"Date": None})


def svg_of(figure: Figure) -> str:
    """Give a figure as the text of an SVG."""
    written = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def colours(students: Sequence[str]) -> dict[str, str]:
    """Give each student its colour; untrained and shuffled ones are light and dark grey."""
    free = iter(COLOURS * 3)
    return {name: FIXED.get(name) or next(free) for name in students}


def example_units(
    teacher: Float[ndarray, "condition time unit"],
    students: Mapping[str, Float[ndarray, "condition time unit"]],
    time: Float[ndarray, " time"],
    units: Sequence[int],
    conditions: Sequence[int],
    *,
    ylabel: str,
    event: str,
) -> Figure:
    """Draw rates of a few units in a few held-out conditions: the teacher thick and pale, students thin.

    Args:
        teacher: rates.
        students: rates by name.
        time: s.
        units: columns of panels.
        conditions: rows of panels.
        ylabel: quantity and unit.
        event: what happens at time 0.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.55 * len(conditions) + 0.6))
        axes = figure.subplots(len(conditions), len(units), sharex=True, sharey="col", squeeze=False)
        ink = colours(list(students))
        for row, condition in enumerate(conditions):
            for column, unit in enumerate(units):
                ax = axes[row, column]
                ax.plot(time * 1e3, teacher[condition, :, unit], color=TEACHER, lw=4, alpha=0.25, label="teacher")
                for name, rates in students.items():
                    ax.plot(time * 1e3, rates[condition, :, unit], color=ink[name], lw=1.2, label=name)
                ax.axvline(0, color=GREY, lw=0.6, ls=":")
                if row == 0:
                    ax.set_title(f"unit {unit}")
                if column == 0:
                    ax.set_ylabel(f"condition {condition + 1}\n{ylabel}")
                if row == len(conditions) - 1:
                    ax.set_xlabel(f"time from {event} (ms)")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(students) + 1)
    return figure


def curves(x: Float[ndarray, " sample"], lines: Mapping[str, Float[ndarray, " sample"]], *, xlabel: str, ylabel: str) -> Figure:
    """Draw lines over one axis: the first, which is what the others should be, thick and pale.

    Args:
        x: shared by all.
        lines: by name.
        xlabel: quantity and unit.
        ylabel: quantity and unit.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.7 * WIDTH, 3.0))
        ax = figure.subplots()
        for number, ((name, values), colour) in enumerate(zip(lines.items(), (TEACHER, *COLOURS), strict=False)):
            ax.plot(x, values, color=colour, lw=1.3 if number else 4, alpha=1.0 if number else 0.25, label=name)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.legend(loc="best")
    return figure


def hand_paths(hand: Float[ndarray, "trial time 2"], wanted: Float[ndarray, "trial time 2"], condition: ndarray) -> Figure:
    """Draw paths of the hand in cm, beside both coordinates over time, a colour a condition; dashed: what was asked for."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.6))
        paths, *courses = figure.subplots(1, 3, width_ratios=(1, 1.1, 1.1))
        labels = np.unique(condition)
        shades = dict(zip(labels, matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(labels))), strict=True))
        bins = np.arange(hand.shape[1])
        for found, asked, label in zip(hand, wanted, condition, strict=True):
            paths.plot(*found.T, color=shades[label], lw=1)
            paths.plot(*asked.T, color=TEACHER, lw=0.8, ls="--", alpha=0.5)
            for axis, ax in enumerate(courses):
                ax.plot(10 * bins, found[:, axis], color=shades[label], lw=0.9)
                ax.plot(10 * bins, asked[:, axis], color=TEACHER, lw=0.8, ls="--", alpha=0.5)
        paths.set(xlabel="x (cm)", ylabel="y (cm)", aspect="equal")
        for ax, name in zip(courses, "xy", strict=True):
            ax.set(xlabel="time from the go cue (ms)", ylabel=f"{name} (cm)")
    return figure


def components(teacher: Float[ndarray, "condition time unit"], students: Mapping[str, Float[ndarray, "condition time unit"]], *, unit: str) -> Figure:
    """Draw all conditions on the teacher's first two principal components, one panel a system; dots mark the start."""
    flat = teacher.reshape(-1, teacher.shape[2])
    axes_ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:2].T if teacher.shape[2] > 1 else np.eye(1, 2)
    panels = {"teacher": teacher, **students}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(panels)) + 0.35))
        row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for ax, (name, rates) in zip(row, panels.items(), strict=True):
            _trajectories(ax, (rates - flat.mean(axis=0)) @ axes_)
            ax.set_title(name)
            ax.set_xlabel(f"PC 1 ({unit})")
        row[0].set_ylabel(f"PC 2 ({unit})")
    return figure


def rotation_planes(found: Mapping[str, Rotations]) -> Figure:
    """Draw the fastest jPCA plane of each system with its numbers."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(found)) + 0.7))
        row = figure.subplots(1, len(found), squeeze=False)[0]
        for ax, (name, rotation) in zip(row, found.items(), strict=True):
            _trajectories(ax, rotation.projection[..., :2])
            share = f"{rotation.frequency[0]:.2f} Hz, {rotation.variance[0]:.0%} var."
            ax.set_title(f"{name}\nR²(M_skew) {rotation.r2_skew:.2f}\nR²(M) {rotation.r2:.2f}\n{share}", fontsize=8)
            ax.set_aspect("equal", adjustable="datalim")
            ax.set_xlabel("jPC 1 (normalised)")
        row[0].set_ylabel("jPC 2 (normalised)")
    return figure


def spectra(teacher: Spectrum | None, students: Mapping[str, Spectrum]) -> Figure:
    """Draw eigenvalues of the flow linearised at rest, teacher as rings and each student as dots."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(students)) + 0.4))
        row = figure.subplots(1, len(students), sharex=True, sharey=True, squeeze=False)[0]
        ink = colours(list(students))
        shown = [s.eigenvalues for s in (*students.values(), *((teacher,) if teacher else ())) if len(s.eigenvalues)]
        for ax, (name, spectrum) in zip(row, students.items(), strict=True):
            if teacher:
                ax.plot(teacher.eigenvalues.real, teacher.eigenvalues.imag / (2 * np.pi), "o", mfc="none", mec=TEACHER, ms=4, mew=0.6, alpha=0.6)
            ax.plot(spectrum.eigenvalues.real, spectrum.eigenvalues.imag / (2 * np.pi), ".", color=ink[name], ms=4)
            ax.axvline(0, color=GREY, lw=0.6, ls=":")
            ax.set_title(name + ("" if spectrum.at_rest else "\n(found no rest)"))
            ax.set_xlabel("real part (1/s)")
        if shown:
            row[0].set_xlim(min(float(np.percentile(e.real, 5)) for e in shown) - 2, max(5.0, *(float(e.real.max()) for e in shown)) + 1)
            top = 1.5 * max(float(np.percentile(np.abs(e.imag), 90)) for e in shown) / (2 * np.pi)
            row[0].set_ylim(-max(top, 0.1), max(top, 0.1))
        row[0].set_ylabel("frequency (Hz)")
    return figure


def responses(
    teacher: Mapping[str, Float[ndarray, "condition time unit"]],
    students: Mapping[str, Mapping[str, Float[ndarray, "condition time unit"]]],
    time: Float[ndarray, " time"],
    spans: Mapping[str, tuple[float, float]],
    *,
    ylabel: str,
) -> Figure:
    """Draw, for each perturbation, the size of the response over time and how far each student's is from the teacher's.

    Args:
        teacher: perturbation to difference from the unperturbed run.
        students: student to the same.
        time: s.
        spans: when each perturbation acts, s.
        ylabel: quantity and unit.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.0))
        row = figure.subplots(1, 2 * len(teacher), squeeze=False)[0]
        ink = colours(list(students))
        for number, (name, wanted) in enumerate(teacher.items()):
            size, error = row[2 * number], row[2 * number + 1]
            size.plot(time * 1e3, _rms(wanted), color=TEACHER, lw=4, alpha=0.25, label="teacher")
            for student, found in students.items():
                size.plot(time * 1e3, _rms(found[name]), color=ink[student], lw=1.3, label=student)
                error.plot(time * 1e3, _rms(found[name] - wanted), color=ink[student], lw=1.3)
            error.plot(time * 1e3, _rms(wanted), color=TEACHER, lw=1, ls="--")
            top = 1.6 * float(_rms(wanted).max())
            for ax, title in ((size, f"{name}: response"), (error, f"{name}: error of it")):
                ax.axvspan(*(moment * 1e3 for moment in spans[name]), color="#f2d8a7", lw=0)
                ax.set(title=title, xlabel="time (ms)", ylim=(0, top))
        row[0].set_ylabel(ylabel)
        figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(students) + 1)
    return figure


def score_panels(scores: Sequence[Score], measures: Sequence[str], *, floor: float = -1.0) -> Figure:
    """Draw one panel a measure: each student's estimate with its interval, the null as a grey band, the value of identical systems dashed."""
    with matplotlib.rc_context(STYLE):
        names = list(dict.fromkeys(score.student for score in scores))
        figure = Figure(figsize=(WIDTH, 0.32 * len(names) + 1.1))
        row = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        ink = colours(names)
        for ax, measure in zip(row, measures, strict=True):
            for place, name in enumerate(names):
                for score in (s for s in scores if s.measure == measure and s.student == name):
                    _score(ax, score, place, ink[name], floor)
            for value in {score.identical for score in scores if score.measure == measure}:
                ax.axvline(value, color=TEACHER, lw=0.6, ls="--")
            ax.set_title(measure, fontsize=8.5)
            ax.margins(y=0.12)
        row[0].set_yticks(range(len(names)), names)
        row[0].invert_yaxis()
    return figure


def learning_curves(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, ylabel: str = "squared error / variance") -> Figure:
    """Draw loss by epoch, training dashed and validation solid; a student without epochs keeps its colour for itself and has no curve."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.6))
        ax = figure.subplots()
        ink = colours(list(curves))
        for name, (train, validation) in ((name, curve) for name, curve in curves.items() if curve[0]):
            ax.semilogy(np.arange(1, len(train) + 1), train, color=ink[name], lw=1, ls="--")
            ax.semilogy(np.arange(1, len(validation) + 1), validation, color=ink[name], lw=1.5, label=name)
        ax.set(xlabel="epoch", ylabel=ylabel)
        ax.legend(loc="upper right")
    return figure


def _score(ax: Axes, score: Score, place: int, colour: str, floor: float) -> None:
    shown = max(score.estimate, floor) if score.better == "higher" else score.estimate
    if score.null is not None and len(score.null) > 1:
        low, high = np.percentile(score.null, [2.5, 97.5])
        if high > floor or score.better != "higher":
            ax.plot([max(low, floor) if score.better == "higher" else low, high], [place, place], color="#d5dbe3", lw=7, solid_capstyle="butt")
    if score.interval and score.estimate >= floor:
        ax.plot([max(score.interval[0], floor), score.interval[1]], [place, place], color=colour, lw=1.4)
    ax.plot(shown, place, "<" if shown > score.estimate else "o", color=colour, ms=5)
    if shown > score.estimate:
        ax.annotate(f"{score.estimate:.1f}", (shown, place), (6, 4), textcoords="offset points", fontsize=7, color=colour)


def _trajectories(ax: Axes, states: Float[ndarray, "condition time 2"]) -> None:
    shades = matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(states)))
    order = np.argsort(states[:, 0, 0])
    for shade, path in zip(shades, states[order], strict=True):
        ax.plot(path[:, 0], path[:, 1], color=shade, lw=0.9)
        ax.plot(*path[0], ".", color=shade, ms=5)


def _rms(rates: Float[ndarray, "condition time unit"]) -> Float[ndarray, " time"]:
    return np.sqrt((rates**2).mean(axis=(0, 2)))
