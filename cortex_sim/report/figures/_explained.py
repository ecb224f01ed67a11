"""Figures that set the explanation of a student beside that of its teacher."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._figures import GREY, STYLE, TEACHER, WIDTH, colours

DOTS = 3000  # of a scatter, at most
ABREAST = 4  # panels in a row


def scatters(truth: Float[ndarray, " sample"], found: Mapping[str, Float[ndarray, " sample"]], *, quantity: str, said: Mapping[str, str]) -> Figure:
    """Draw one panel a student: what holds for it against what holds for the teacher, with the line of equality.

    Args:
        truth: of the teacher.
        found: of each student, sample by sample.
        quantity: what is drawn, with its unit.
        said: a line under each student's name.
    """
    with matplotlib.rc_context(STYLE):
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


def against(panels: Mapping[str, tuple[Float[ndarray, " sample"], Float[ndarray, " sample"]]], *, xlabel: str, ylabel: str) -> Figure:
    """Draw two positive quantities against each other on logarithmic axes, one panel a system, with the line of equality and the share below it.

    Args:
        panels: name of a system to both quantities, sample by sample.
        xlabel: the first, with its unit.
        ylabel: the second, with its unit.
    """
    with matplotlib.rc_context(STYLE):
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


def along(time: Float[ndarray, " moment"], students: Mapping[str, Float[ndarray, " moment"]], *, ylabel: str, event: str) -> Figure:
    """Draw one number of each student at a few moments.

    Args:
        time: s.
        students: the number at each moment.
        ylabel: quantity and unit.
        event: what happens at time 0.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.8))
        ax, ink = figure.subplots(), colours(list(students))
        for name, values in students.items():
            ax.plot(time * 1e3, values, "o-", color=ink[name], lw=1.4, ms=4, label=name)
        ax.set(xlabel=f"time from {event} (ms)", ylabel=ylabel, ylim=(0, None))
        figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=len(students))
    return figure


def portraits(
    paths: Mapping[str, Float[ndarray, "condition time unit"]], points: Mapping[str, Sequence[tuple[ndarray, int]]], *, unit: str
) -> Figure:
    """Draw each system's trajectories and fixed points on the first two principal components of the first system.

    Args:
        paths: rates.
        points: rates at each fixed point and the number of directions in which the flow leads away from it.
        unit: of the rates.
    """
    first = next(iter(paths.values()))
    flat = first.reshape(-1, first.shape[2])
    middle, axes = flat.mean(axis=0), np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:2].T
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, WIDTH / max(3, len(paths)) + 0.7))
        row = figure.subplots(1, len(paths), sharex=True, sharey=True, squeeze=False)[0]
        for ax, (name, rates) in zip(row, paths.items(), strict=True):
            for path in (rates - middle) @ axes:
                ax.plot(path[:, 0], path[:, 1], color=GREY, lw=0.6)
            for place, unstable in points[name]:
                x, y = (place - middle) @ axes
                ax.plot(x, y, "o", mfc="none" if unstable else TEACHER, mec=TEACHER, ms=6)
            stable = sum(not unstable for _, unstable in points[name])
            ax.set_title(f"{name}\n{stable} stable, {len(points[name]) - stable} unstable")
            ax.set_xlabel(f"PC 1 ({unit})")
        reach = 1.4 * np.abs((flat - middle) @ axes).max(axis=0)
        row[0].set(xlim=(-reach[0], reach[0]), ylim=(-reach[1], reach[1]), ylabel=f"PC 2 ({unit})")
    return figure
