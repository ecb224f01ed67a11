"""Tables as pictures: a number in every cell, a colour for its size; and many small scatters."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._figures import GREY, STYLE, WIDTH, colours

FEW = 8  # columns, whose names have room beside each other
DARK = 0.6  # of the colour scale, from where on numbers are written in white


def annotated(
    values: Float[ndarray, "row column"], rows: Sequence[str], columns: Sequence[str], *, label: str, low: float = -1.0, high: float = 1.0
) -> Figure:
    """Draw a table whose cells are coloured by their numbers; what is not finite stays empty.

    Args:
        values: numbers.
        rows: names.
        columns: names.
        label: what the numbers are, with their unit.
        low: end of the colour scale.
        high: end of the colour scale.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.32 * len(rows) + 1.5))
        ax = figure.subplots()
        image = ax.imshow(np.ma.masked_invalid(values), cmap="RdBu_r" if low < 0 else "Blues", vmin=low, vmax=high, aspect="auto")
        for row, column in np.argwhere(np.isfinite(values)):
            strong = abs(values[row, column] - (low + high) / 2) > DARK * (high - low) / 2
            dark = strong if low < 0 else values[row, column] > low + DARK * (high - low)
            text = f"{values[row, column]:.2f}".replace("-", "−")
            ax.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
        ax.set_xticks(range(len(columns)), columns, rotation=20 if len(columns) <= FEW else 50, ha="right")
        ax.set_yticks(range(len(rows)), rows)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        figure.colorbar(image, ax=ax, label=label, shrink=0.9)
    return figure


def scatters(
    panels: Mapping[str, Mapping[str, tuple[Float[ndarray, " point"], Float[ndarray, " point"]]]], *, ylabel: str, columns: int = 4
) -> Figure:
    """Draw one small scatter a quantity, a colour a group.

    Args:
        panels: quantity on the x axis, to the name of a group, to x and y of its points.
        ylabel: what y is, with its unit.
        columns: panels beside each other.
    """
    with matplotlib.rc_context(STYLE):
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(WIDTH, 2.3 * rows + 0.5))
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
        ink = colours(list(dict.fromkeys(name for groups in panels.values() for name in groups)))
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for ax, (label, groups) in zip(axes.flat, panels.items(), strict=False):
            for name, (x, y) in groups.items():
                ax.plot(x, y, "o", ms=3, alpha=0.7, color=ink[name], label=name, mew=0)
            ax.axhline(0, color=GREY, lw=0.5, ls=":")
            ax.set_xlabel(label, fontsize=8)
        for ax in axes[:, 0]:
            ax.set_ylabel(ylabel, fontsize=8)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=min(6, len(ink)))
    return figure
