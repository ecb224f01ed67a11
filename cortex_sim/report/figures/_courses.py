"""Figures of a quantity over what was dialled: delays, lengths of sequences; and of what was made over time beside what was wanted."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._figures import GREY, STYLE, TEACHER, WIDTH, colours

Line = tuple[Sequence[float], Float[ndarray, "network setting"]]


def over_settings(
    panels: Mapping[str, Mapping[str, Line]], *, xlabel: str, log: bool = False, even: bool = False, reference: Mapping[str, float] | None = None
) -> Figure:
    """Draw one panel a quantity: a line through the mean of the networks at each setting, and a dot for each network.

    Args:
        panels: label of the quantity with its unit, to the name of a line, to its settings and values.
        xlabel: what was dialled, with its unit.
        log: both axes are logarithmic.
        even: settings stand at even distances.
        reference: value of each quantity that a dashed line marks, where it has one.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.5))
        row = figure.subplots(1, len(panels), squeeze=False)[0]
        ink = colours(list(dict.fromkeys(name for lines in panels.values() for name in lines)))
        for ax, (label, lines) in zip(row, panels.items(), strict=True):
            for place, (name, (settings, values)) in enumerate(lines.items()):
                x = np.arange(len(settings), dtype=float) if even else np.asarray(settings, dtype=float)
                ax.plot(x, values.mean(axis=0), color=ink[name], lw=1.5, marker="o", ms=3.5, label=name)
                shift = 0.03 * (place - (len(lines) - 1) / 2) if even else 0.0
                if len(values) > 1:
                    ax.plot(x + shift, values.T, ".", color=ink[name], ms=3.5, alpha=0.5)
                if even:
                    ax.set_xticks(x, [f"{setting:g}" for setting in settings])
            if log:
                ax.set(xscale="log", yscale="log")
            if reference and label in reference:
                ax.axhline(reference[label], color=TEACHER, lw=0.8, ls="--")
            ax.set(xlabel=xlabel, ylabel=label)
        handles = {text: line for ax in row for line, text in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=min(len(handles), 6))
    return figure


def over_time(
    wanted: Float[ndarray, "panel time"],
    made: Mapping[str, Float[ndarray, "panel time"]],
    time: Float[ndarray, " time"],
    titles: Sequence[str],
    *,
    ylabel: str,
    xlabel: str,
) -> Figure:
    """Draw what was wanted, thick and pale, and what each network made of it, a panel a row."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.35 * len(titles) + 0.8))
        axes = figure.subplots(len(titles), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        ink = colours(list(made))
        for ax, title, row in zip(axes, titles, range(len(titles)), strict=True):
            ax.plot(time, wanted[row], color=TEACHER, lw=4, alpha=0.25, label="wanted")
            for name, values in made.items():
                ax.plot(time, values[row], color=ink[name], lw=1.1, label=name)
            ax.axhline(0, color=GREY, lw=0.5, ls=":")
            ax.set_title(title, loc="left")
        axes[len(titles) // 2].set_ylabel(ylabel)
        axes[-1].set_xlabel(xlabel)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(made) + 1)
    return figure
