"""Scores with their nulls and intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cortex_sim.report.figures._matrices import annotated
from cortex_sim.report.figures._style import ABREAST, COLOURS, GREY, TEACHER, WIDTH, broken, colours, figure
from cortex_sim.statistics import Score, estimates


@figure
def score_panels(scores: Sequence[Score], measures: Sequence[str], *, floor: float = -1.0) -> Figure:
    """Draw one panel per measure: each student's estimate with its interval, the null as a grey band, the value of identical systems dashed."""
    names = list(dict.fromkeys(score.student for score in scores))
    figure = Figure(figsize=(WIDTH, 0.32 * len(names) + 1.1 + 0.15 * max(broken(measure, len(measures)).count("\n") for measure in measures)))
    row = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    ink = colours(names)
    for ax, measure in zip(row, measures, strict=True):
        for place, name in enumerate(names):
            for score in (s for s in scores if s.measure == measure and s.student == name):
                _score(ax, score, place, ink[name], floor)
        for value in {score.identical for score in scores if score.measure == measure}:
            ax.axvline(value, color=TEACHER, lw=0.6, ls="--")
        ax.set_title(broken(measure, len(measures)), fontsize=8.5)
        ax.margins(y=0.12)
    row[0].set_yticks(range(len(names)), names)
    row[0].invert_yaxis()
    return figure


def score_table(scores: Sequence[Score]) -> Figure:
    """Draw the estimates as a table, measures in rows and students in columns; distances are negative."""
    names, measures = list(dict.fromkeys(score.student for score in scores)), list(dict.fromkeys(score.measure for score in scores))
    value = estimates(scores)
    table = np.array([[value.get((measure, name), np.nan) for name in names] for measure in measures])
    return annotated(table, measures, names, label="value; distances are negative")


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


@figure
def importance(shares: Mapping[str, float]) -> Figure:
    """Draw the fraction of the scores' variance that each parameter explains."""
    figure = Figure(figsize=(WIDTH, 0.3 * len(shares) + 0.9))
    ax = figure.subplots()
    ax.barh(list(shares), list(shares.values()), color=COLOURS[0], height=0.6)
    ax.invert_yaxis()
    ax.set(xlabel="share of the variance of scores")
    return figure


@figure
def rows_beside_bands(
    rows: Sequence[tuple[str, float, tuple[float, float] | None, float | None, float | None, float | None, bool]],
) -> Figure:
    """Draw a panel a row: where a number should lie, the published value, and the number with its span.

    Args:
        rows: name, number, smallest and largest over seeds, ends of the band (None: open), published value (None: none), whether it holds.
    """
    lines = -(-len(rows) // ABREAST)
    drawn = Figure(figsize=(WIDTH, 0.75 * lines + 0.3))
    panels = np.atleast_1d(drawn.subplots(lines, ABREAST, squeeze=False)).ravel()
    for ax in panels[len(rows) :]:
        ax.axis("off")
    for ax, (name, found, span, low, high, value, holds) in zip(panels, rows, strict=False):
        marks = [mark for mark in (found, *(span or ()), low, high, value) if mark is not None and np.isfinite(mark)]
        reach = (max(marks) - min(marks)) or abs(marks[0]) or 1.0
        left, right = min(marks) - 0.15 * reach, max(marks) + 0.15 * reach
        ax.axvspan(left if low is None else low, right if high is None else high, color=GREY, alpha=0.35, lw=0)
        if value is not None:
            ax.axvline(value, color=TEACHER, lw=1.2)
        if span:
            ax.plot(span, (0, 0), color=COLOURS[0] if holds else COLOURS[4], lw=1.5)
        ax.plot([found], [0], "o", ms=5, color=COLOURS[0] if holds else COLOURS[4], clip_on=False)
        ax.set(xlim=(left, right), ylim=(-1, 1), yticks=[])
        ax.spines["left"].set_visible(False)
        ax.set_title(name, fontsize=6.5, fontweight="normal", pad=2)
        ax.tick_params(labelsize=6, length=2)
        ax.locator_params(axis="x", nbins=4)
        ax.xaxis.get_offset_text().set_fontsize(6)
    return drawn
