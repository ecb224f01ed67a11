"""Tables of numbers with colours."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._style import COLOURS, TEACHER, WIDTH, figure
from cortex_sim.statistics import Difference

FEW = 8  # columns, whose names have room beside each other

DARK = 0.6  # of the colour scale, from where on numbers are written in white


@figure
def annotated(
    values: Float[ndarray, "row column"], rows: Sequence[str], columns: Sequence[str], *, label: str, low: float = -1.0, high: float = 1.0
) -> Figure:
    """Draw a table whose cells are coloured by their numbers; cells that are not finite stay empty.

    Args:
        values: numbers.
        rows: names.
        columns: names.
        label: quantity, with its unit.
        low: lower end of the colour scale.
        high: upper end of the colour scale.
    """
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


@figure
def confusion(tables: Mapping[str, Float[ndarray, "true taken"]], names: Sequence[str]) -> Figure:
    """Draw one table per decoder: the fraction of each condition's trials (rows) assigned to each condition (columns)."""
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


@figure
def region_tables(
    correlations: Mapping[str, Float[ndarray, "target source"]],
    shares: Mapping[str, tuple[Float[ndarray, " target"], Float[ndarray, " target"]]],
    regions: Sequence[str],
) -> Figure:
    """Draw for each setting a table of correlations of currents, sources in columns, above bars of the current power from other regions.

    Args:
        correlations: of true and inferred currents, by setting.
        shares: true and inferred fractions of power, by setting.
        regions: their names.
    """
    figure = Figure(figsize=(WIDTH, 5.2))
    tables, bars = figure.subplots(2, len(correlations), squeeze=False, height_ratios=(1.3, 1))
    places = np.arange(len(regions))
    for table, bar, (name, values) in zip(tables, bars, correlations.items(), strict=True):
        table.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, alpha=0.75)
        for (i, j), value in np.ndenumerate(values):
            table.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8)
        table.set_title(name.replace(", ", ",\n"), fontsize=8.5)
        table.set_xticks(places, [f"from {one}" for one in regions])
        table.set_yticks(places, [f"into {one}" for one in regions])
        table.spines[:].set_visible(False)
        for shift, colour, label, share in zip((-0.2, 0.2), (TEACHER, COLOURS[1]), ("true", "inferred"), shares[name], strict=True):
            bar.bar(places + shift, 100 * share, width=0.36, color=colour, label=label)
            for x, value in zip(places + shift, 100 * share, strict=True):
                bar.text(x, value + 1, f"{value:.0f}" if value >= 0.5 else "< 0.5", ha="center", fontsize=7)
        bar.set(xticks=places, xticklabels=[f"into {one}" for one in regions], ylim=(0, 100))
    bars[0].set_ylabel("current power from\nother regions (%)")
    figure.legend(*bars[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@figure
def pair_tables(
    tests: Mapping[str, Mapping[tuple[str, str], Difference]],
    names: Sequence[str],
    distances: Mapping[str, Float[ndarray, "rule network rule network"]],
    sure: float,
) -> Figure:
    """Draw rules against rules: a panel of differences for each measure, red where the row is larger, and a panel for each kind of distance.

    Args:
        tests: maps a title to the difference of every pair.
        names: of the rules, in the order of rows and columns; distances are between the first of these.
        distances: maps a title to distances between networks, (rule, network, rule, network); means over different networks are drawn.
        sure: p-value below which a difference is marked by a star.
    """
    rows = -(-(len(tests) + len(distances)) // 2)
    figure = Figure(figsize=(WIDTH, rows * (1.3 + 0.28 * len(names))))
    row = figure.subplots(rows, 2, squeeze=False).ravel()
    for ax, (title, each) in zip(row, tests.items(), strict=False):
        table, texts = np.zeros((len(names), len(names))), np.full((len(names), len(names)), "", dtype=object)
        for (a, b), test in each.items():
            i, j = names.index(a), names.index(b)
            table[i, j], table[j, i] = test.median, -test.median
            star = "*" if test.p < sure else ""
            texts[i, j], texts[j, i] = f"{test.median:+.2f}{star}", f"{-test.median:+.2f}{star}"
        reach = max(float(np.abs(table).max()), np.finfo(float).tiny)
        ax.imshow(table, aspect="auto", cmap="RdBu_r", vmin=-reach, vmax=reach, alpha=0.75)
        _table(ax, title, names, texts)
    for ax, (title, distance) in zip(row[len(tests) :], distances.items(), strict=False):
        different = ~np.eye(distance.shape[1], dtype=bool)
        table = np.array([[block[:, other][different].mean() for other in range(len(distance))] for block in distance])
        ax.imshow(table, aspect="auto", cmap="Blues", vmin=2 * table.min() - table.max(), vmax=table.max(), alpha=0.75)
        _table(ax, title, names[: len(table)], np.vectorize("{:.2f}".format)(table))
    return figure


def _table(ax: Axes, title: str, names: Sequence[str], texts: ndarray) -> None:
    for (i, j), text in np.ndenumerate(texts):
        ax.text(j, i, text, ha="center", va="center", fontsize=7)
    ax.set_title(title, fontsize=8.5)
    ax.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=7.5)
    ax.set_yticks(range(len(names)), names, fontsize=7.5)
    ax.spines[:].set_visible(False)
