"""Tables of numbers side by side, with the same rows and a colour scale each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._style import figure

CELL, ROW = 0.42, 0.27  # inches
DARK = 0.6  # of the colour scale, from where on numbers are written in white


@dataclass(frozen=True)
class Columns:
    """One of several tables with the same rows.

    Attributes:
        names: of the columns.
        values: numbers; cells that are not finite stay empty.
        reach: number that has the strongest colour.
        signed: whether numbers below 0 have a colour of their own; otherwise they have none.
        digits: after the point.
    """

    names: Sequence[str]
    values: Float[ndarray, "row column"]
    reach: float
    signed: bool = True
    digits: int = 1


@figure
def tables(columns: Mapping[str, Columns], rows: Sequence[str]) -> Figure:
    """Draw tables side by side; each has its title above and its own colour scale.

    Args:
        columns: tables by title.
        rows: names of the rows, which all have in common.
    """
    widths = [len(each.names) for each in columns.values()]
    figure = Figure(figsize=(3.0 + CELL * (sum(widths) + 0.6 * len(widths)), ROW * len(rows) + 2.4))
    axes = figure.subplots(1, len(columns), squeeze=False, width_ratios=widths)[0]
    for place, (ax, (title, each)) in enumerate(zip(axes, columns.items(), strict=True)):
        low = -each.reach if each.signed else 0.0
        ax.imshow(np.ma.masked_invalid(each.values), cmap="RdBu_r" if each.signed else "Blues", vmin=low, vmax=each.reach, aspect="auto")
        for row, column in np.argwhere(np.isfinite(each.values)):
            value = float(each.values[row, column])
            strong = (abs(value) if each.signed else value) > DARK * each.reach
            text = f"{value:.{each.digits if abs(value) < 100 else 0}f}".replace("-", "−")
            ax.text(column, row, text, ha="center", va="center", fontsize=6.5, color="white" if strong else "black")
        ax.set_xticks(range(len(each.names)), each.names, rotation=55, ha="right", fontsize=7)
        ax.set_yticks(range(len(rows)), rows if place == 0 else [""] * len(rows), fontsize=7.5)
        ax.set_title(title, fontsize=8)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    return figure
