"""Figures of a search: its history, what matters, and the score along each parameter."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from cortex_sim.report.figures._figures import COLOURS, GREY, STYLE, WIDTH


def history(numbers: Sequence[int], scores: Sequence[float], lost: Sequence[int], *, ylabel: str) -> Figure:
    """Draw the score of each trial and the best so far; ticks below mark trials that were pruned or failed."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.8))
        ax = figure.subplots()
        ax.plot(numbers, scores, "o", ms=4, color=COLOURS[0])
        ax.step(numbers, np.maximum.accumulate(scores), where="post", color=COLOURS[1], lw=1.2)
        for number in lost:
            ax.axvline(number, ymax=0.04, color=GREY)
        ax.set(xlabel="trial", ylabel=ylabel)
        ax.locator_params(axis="x", integer=True)
    return figure


def slices(columns: Mapping[str, Sequence[object]], scores: Sequence[float], *, log: Sequence[str], near: Sequence[bool], ylabel: str) -> Figure:
    """Draw the score along each parameter; trials near the best are filled."""
    with matplotlib.rc_context(STYLE):
        rows = -(-len(columns) // 4)
        figure = Figure(figsize=(WIDTH, 2.6 * rows))
        axes = figure.subplots(rows, min(4, len(columns)), sharey=True, squeeze=False)
        for ax in axes.flat[len(columns) :]:
            ax.set_visible(False)
        for ax, (name, values) in zip(axes.flat, columns.items(), strict=False):
            plain = [value if isinstance(value, int | float) and not isinstance(value, bool) else str(value) for value in values]
            for kept, fill in ((True, COLOURS[0]), (False, "none")):
                chosen = [place for place, one in enumerate(near) if one is kept]
                ax.scatter([plain[i] for i in chosen], [scores[i] for i in chosen], s=18, facecolors=fill, edgecolors=COLOURS[0])
            if name in log:
                ax.set_xscale("log")
                ax.tick_params(axis="x", which="minor", labelbottom=False)
            ax.set_xlabel(name)
        for row in axes:
            row[0].set_ylabel(ylabel)
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """Draw the share of the scores' variance that each parameter explains."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.3 * len(shares) + 0.9))
        ax = figure.subplots()
        ax.barh(list(shares), list(shares.values()), color=COLOURS[0], height=0.6)
        ax.invert_yaxis()
        ax.set(xlabel="share of the variance of scores")
    return figure
