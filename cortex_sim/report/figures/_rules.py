"""Figures of networks that several rules have taught: what each cost, what each learned, and where they differ."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy import ndarray

from cortex_sim.report.figures._figures import STYLE, TEACHER, WIDTH, colours
from cortex_sim.statistics import Difference

ROWS = 2  # of panels of hand paths


def error_over_cost(errors: Mapping[str, Float[ndarray, " network"]], costs: Mapping[str, Mapping[str, Float[ndarray, " network"]]]) -> Figure:
    """Draw the error of every network over what its teaching cost, one panel a currency; a ring marks the medians of a rule.

    Args:
        errors: of each rule.
        costs: label of each currency to the cost by rule; a rule that cost nothing is a line across.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.4))
        row, ink = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0], colours(list(errors))
        for ax, (label, cost) in zip(row, costs.items(), strict=True):
            for name, error in errors.items():
                if name in cost:
                    ax.loglog(cost[name], error, ".", color=ink[name], ms=5, alpha=0.7, label=name)
                    ax.loglog(np.median(cost[name]), np.median(error), "o", mfc="none", color=ink[name], ms=11, mew=1.5)
                else:
                    ax.axhspan(error.min(), error.max(), color=ink[name], alpha=0.25, lw=0, label=name)
            ax.set_xlabel(label)
            ax.xaxis.set_minor_formatter(NullFormatter())
        row[0].set_ylabel("squared error / variance")
        figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(errors))
    return figure


def hand_paths_by_rule(paths: Mapping[str, Float[ndarray, "trial time 2"]], wanted: Float[ndarray, "trial time 2"]) -> Figure:
    """Draw the hand's paths, one panel a rule, a colour a direction; dashed: what was asked for."""
    with matplotlib.rc_context(STYLE):
        columns = -(-len(paths) // ROWS)
        figure = Figure(figsize=(WIDTH, ROWS * WIDTH / columns + 0.3))
        axes = figure.subplots(ROWS, columns, sharex=True, sharey=True, squeeze=False)
        shades = matplotlib.colormaps["twilight"](np.linspace(0.1, 0.9, len(wanted)))
        for ax in axes.flat[len(paths) :]:
            ax.set_axis_off()
        for ax, (name, hand) in zip(axes.flat, paths.items(), strict=False):
            for found, asked, shade in zip(hand, wanted, shades, strict=True):
                ax.plot(*asked.T, color=TEACHER, lw=0.8, ls="--", alpha=0.5)
                ax.plot(*found.T, color=shade, lw=1.2)
            ax.set(title=name, aspect="equal")
        reach = 1.5 * float(np.abs(wanted).max())
        axes[0, 0].set(xlim=(-reach, reach), ylim=(-reach, reach))
        for ax in axes[:, 0]:
            ax.set_ylabel("y (cm)")
        for ax in axes[-1]:
            ax.set_xlabel("x (cm)")
    return figure


def learning_by_rule(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Draw the error on validation conditions over passes, a thin line a network and a thick one for the median of those still learning."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.2))
        ax, ink = figure.subplots(), colours(list(curves))
        for name, each in curves.items():
            for curve in each:
                ax.loglog(np.arange(1, len(curve) + 1), curve, color=ink[name], lw=0.5, alpha=0.35)
            passes = np.arange(max(len(curve) for curve in each))
            middle = [np.median([curve[at] for curve in each if len(curve) > at]) for at in passes.tolist()]
            ax.loglog(passes + 1, middle, color=ink[name], lw=1.8, label=name, marker="o" if len(passes) == 1 else None)
        ax.set(xlabel="passes over the trials", ylabel="squared error / variance")
        figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=len(curves))
    return figure


def pair_tables(
    tests: Mapping[str, Mapping[tuple[str, str], Difference]],
    names: Sequence[str],
    distances: Mapping[str, Float[ndarray, "rule network rule network"]],
    sure: float,
) -> Figure:
    """Draw rules against rules: a panel of differences for each measure, red where the row is larger, and a panel for each kind of distance.

    Args:
        tests: title to the difference of every pair.
        names: of the rules, in the order of rows and columns; distances are between the first of them.
        distances: title to distances between networks, (rule, network, rule, network); their means over different networks are drawn.
        sure: p below which a difference gets a star.
    """
    with matplotlib.rc_context(STYLE):
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
