"""Figures of what was decoded: which condition was taken for which."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._figures import STYLE, WIDTH


def confusion(tables: Mapping[str, Float[ndarray, "true taken"]], names: Sequence[str]) -> Figure:
    """Draw one table a decoder: the share of the trials of each condition (rows) that was taken for each condition (columns)."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, WIDTH / max(2, len(tables)) + 0.4))
        row = figure.subplots(1, len(tables), squeeze=False)[0]
        for number, (ax, (title, table)) in enumerate(zip(row, tables.items(), strict=True)):
            image = ax.imshow(table, cmap="Blues", vmin=0, vmax=1)
            for true, taken in np.argwhere(table > 0):
                ax.text(
                    taken, true, f"{100 * table[true, taken]:.0f}", ha="center", va="center", fontsize=8,
                    color="white" if table[true, taken] > 0.6 else "black",
                )  # fmt: skip
            ax.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
            ax.set_yticks(range(len(names)), names if number == 0 else [""] * len(names), fontsize=8)
            ax.set(title=title, xlabel="taken for")
        row[0].set_ylabel("condition")
        figure.colorbar(image, ax=list(row), label="share of the trials (numbers: %)", shrink=0.8)
    return figure
