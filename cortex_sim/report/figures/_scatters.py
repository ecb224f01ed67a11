"""Scatter plots of one quantity against another."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy import ndarray

from cortex_sim.report.figures._style import ABREAST, COLOURS, GREY, WIDTH, colours, figure

DOTS = 3000  # of a scatter, at most


@figure
def grouped_scatters(
    panels: Mapping[str, Mapping[str, tuple[Float[ndarray, " point"], Float[ndarray, " point"]]]], *, ylabel: str, columns: int = 4
) -> Figure:
    """Draw one small scatter plot per quantity, one colour per group.

    Args:
        panels: maps the quantity on the x axis and the name of a group to x and y of its points.
        ylabel: the y quantity, with its unit.
        columns: number of panels per row.
    """
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


@figure
def scatters(truth: Float[ndarray, " sample"], found: Mapping[str, Float[ndarray, " sample"]], *, quantity: str, said: Mapping[str, str]) -> Figure:
    """Draw one panel per student: its values against those of the teacher, with the line of equality.

    Args:
        truth: values of the teacher.
        found: values of each student, sample by sample.
        quantity: the quantity, with its unit.
        said: a line of text under each student's name.
    """
    figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(found)) + 0.5))
    row = figure.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    ink, chosen = colours(list(found)), np.linspace(0, len(truth) - 1, min(DOTS, len(truth)), dtype=int)
    edge = 1.1 * float(np.abs(truth).max())
    for ax, (name, values) in zip(row, found.items(), strict=True):
        ax.plot([-edge, edge], [-edge, edge], color=GREY, lw=0.8, ls="--")
        ax.plot(truth[chosen], np.clip(values[chosen], -edge, edge), ".", color=ink[name], ms=3, alpha=0.5, mew=0)
        ax.set(xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal", title=f"{name}\n{said[name]}")
    row[0].set_ylabel("student")
    figure.supxlabel(f"teacher: {quantity}; the student's in the same unit", fontsize=9)
    return figure


@figure
def against(panels: Mapping[str, tuple[Float[ndarray, " sample"], Float[ndarray, " sample"]]], *, xlabel: str, ylabel: str) -> Figure:
    """Draw two positive quantities on logarithmic axes, one panel per system, with the line of equality and the fraction of samples below it.

    Args:
        panels: maps the name of a system to both quantities, sample by sample.
        xlabel: the first quantity, with its unit.
        ylabel: the second quantity, with its unit.
    """
    rows = -(-len(panels) // ABREAST)
    figure = Figure(figsize=(WIDTH, rows * (WIDTH / ABREAST + 0.3) + 0.3))
    axes, ink = figure.subplots(rows, ABREAST, sharex=True, sharey=True, squeeze=False), colours(list(panels))
    drawn = np.concatenate([np.ravel(pair) for pair in panels.values()])
    edges = drawn[drawn > 0].min() / 2, drawn.max() * 2
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (name, (x, y)) in zip(axes.flat, panels.items(), strict=False):
        chosen = np.linspace(0, len(x) - 1, min(DOTS, len(x)), dtype=int)
        ax.loglog(edges, edges, color=GREY, lw=0.8, ls="--")
        ax.plot(x[chosen], y[chosen], ".", color=ink[name], ms=2.5, alpha=0.4, mew=0, rasterized=True)
        ax.set(xlim=edges, ylim=edges, aspect="equal", title=f"{name}\n{(y < x).mean():.0%} below")
    figure.supxlabel(xlabel, fontsize=9)
    figure.supylabel(ylabel, fontsize=9)
    return figure


@figure
def clouds(panels: Mapping[str, tuple[Float[ndarray, "..."], Float[ndarray, "..."]]], *, xlabel: str, ylabel: str) -> Figure:
    """Draw estimated against true values, one panel each, with the line of equality and the correlation.

    Args:
        panels: maps a title to true and estimated values; of many values, evenly spaced ones are drawn.
        xlabel: quantity and unit.
        ylabel: quantity and unit.
    """
    figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(panels)) + 0.4))
    for ax, (title, (true, found)) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        kept = slice(None, None, max(1, true.size // DOTS))
        reach = 1.05 * float(max(np.abs(true.ravel()[kept]).max(), np.abs(found.ravel()[kept]).max()))
        ax.plot([-reach, reach], [-reach, reach], color=GREY, lw=0.8, ls="--")
        ax.plot(true.ravel()[kept], found.ravel()[kept], ".", color=COLOURS[0], ms=2, alpha=0.4, rasterized=True)
        ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        both = true.std() > 0 and found.std() > 0
        ax.set_title(f"{title}: r = {np.corrcoef(true.ravel(), found.ravel())[0, 1]:.2f}" if both else f"{title}: none", fontsize=8)
    return figure


@figure
def error_over_cost(errors: Mapping[str, Float[ndarray, " network"]], costs: Mapping[str, Mapping[str, Float[ndarray, " network"]]]) -> Figure:
    """Draw each network's error against the cost of its training, one panel per kind of cost; a ring marks the medians of a rule.

    Args:
        errors: errors by rule.
        costs: maps the label of a kind of cost to the costs by rule; a rule without a cost is a horizontal line.
    """
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
