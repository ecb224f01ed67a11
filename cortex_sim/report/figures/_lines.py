"""Lines over time, over settings, over training."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.fitting import Cost
from cortex_sim.report.figures._style import COLOURS, GREY, TEACHER, WIDTH, colours, figure
from cortex_sim.tasks import Task

Line = tuple[Sequence[float], Float[ndarray, "network setting"]]


@figure
def curves(x: Float[ndarray, " sample"], lines: Mapping[str, Float[ndarray, " sample"]], *, xlabel: str, ylabel: str, log: bool = False) -> Figure:
    """Draw lines over one axis; the first, which is the target of the others, is thick and pale.

    Args:
        x: shared by all.
        lines: by name.
        xlabel: quantity and unit.
        ylabel: quantity and unit.
        log: whether the y axis is logarithmic.
    """
    figure = Figure(figsize=(0.7 * WIDTH, 3.0))
    ax = figure.subplots()
    for number, ((name, values), colour) in enumerate(zip(lines.items(), (TEACHER, *COLOURS), strict=False)):
        ax.plot(x, values, color=colour, lw=1.3 if number else 4, alpha=1.0 if number else 0.25, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    ax.legend(loc="best")
    return figure


@figure
def learning_curves(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, ylabel: str = "squared error / variance") -> Figure:
    """Draw loss by epoch, training dashed and validation solid; a student without epochs keeps its own colour but has no curve."""
    figure = Figure(figsize=(WIDTH, 2.6))
    ax = figure.subplots()
    ink = colours(list(curves))
    for name, (train, validation) in ((name, curve) for name, curve in curves.items() if curve[0]):
        ax.semilogy(np.arange(1, len(train) + 1), train, color=ink[name], lw=1, ls="--")
        ax.semilogy(np.arange(1, len(validation) + 1), validation, color=ink[name], lw=1.5, label=name)
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.legend(loc="upper right")
    return figure


@figure
def over_settings(
    panels: Mapping[str, Mapping[str, Line]], *, xlabel: str, log: bool = False, even: bool = False, reference: Mapping[str, float] | None = None
) -> Figure:
    """Draw one panel per quantity: a line through the mean over networks at each setting, and a dot for each network.

    Args:
        panels: maps the label of a quantity, with its unit, and the name of a line to settings and values.
        xlabel: the varied quantity, with its unit.
        log: whether both axes are logarithmic.
        even: whether settings are drawn at equal distances.
        reference: value of a quantity to mark by a dashed line, for those that have one.
    """
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


@figure
def over_time(
    wanted: Float[ndarray, "panel time"],
    made: Mapping[str, Float[ndarray, "panel time"]],
    time: Float[ndarray, " time"],
    titles: Sequence[str],
    *,
    ylabel: str,
    xlabel: str,
) -> Figure:
    """Draw the target, thick and pale, and the output of each network, one panel per row."""
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


def costs_over_length(costs: Mapping[str, Cost], lengths: Sequence[float]) -> Figure:
    """Draw bytes and seconds of gradients and runs over sequence length, in steps of 10 ms."""
    bytes_ = {name: (lengths, np.array([cost.bytes], dtype=float)) for name, cost in costs.items()}
    seconds = {name: (lengths, np.array([cost.seconds])) for name, cost in costs.items()}
    return over_settings({"bytes held": bytes_, "seconds": seconds}, xlabel="length (steps of 10 ms)", log=True)


def strokes(task: Task, made: Mapping[str, Float[ndarray, "trial time 2"]], titles: Mapping[int, str], *, bins: int | None = None) -> Figure:
    """Draw the target velocity along x in trials of recall, and the output of each network.

    Args:
        task: of :func:`.recall`.
        made: hand velocities of each network, cm/s.
        titles: of the trials to show, by index.
        bins: number of bins to show; all if omitted.
    """
    assert task.targets is not None
    trials = list(titles)
    rows = {name: velocity[trials, :bins, 0] for name, velocity in made.items()}
    wanted, xlabel = task.targets.values[trials, :bins, 0], "time from the first stroke (s)"
    return over_time(wanted, rows, task.time[:bins], list(titles.values()), ylabel="velocity x (cm/s)", xlabel=xlabel)


@figure
def along(time: Float[ndarray, " moment"], students: Mapping[str, Float[ndarray, " moment"]], *, ylabel: str, event: str) -> Figure:
    """Draw one number per student at several times.

    Args:
        time: s.
        students: the number at each time.
        ylabel: quantity and unit.
        event: what happens at time 0.
    """
    figure = Figure(figsize=(WIDTH, 2.8))
    ax, ink = figure.subplots(), colours(list(students))
    for name, values in students.items():
        ax.plot(time * 1e3, values, "o-", color=ink[name], lw=1.4, ms=4, label=name)
    ax.set(xlabel=f"time from {event} (ms)", ylabel=ylabel, ylim=(0, None))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=len(students))
    return figure


@figure
def learning_by_rule(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Draw the validation error over passes, a thin line per network and a thick one for the median of those still learning."""
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


@figure
def explained_by_pass(curves: Mapping[str, Float[ndarray, "network pass"]]) -> Figure:
    """Draw the unexplained fraction of variance over passes, a thin line per network and a thick one for the mean."""
    figure = Figure(figsize=(0.7 * WIDTH, 3.2))
    ax, ink = figure.subplots(), colours(list(curves))
    for name, each in curves.items():
        passes = np.arange(1, each.shape[1] + 1)
        ax.semilogy(passes, each.T, color=ink[name], lw=0.5, alpha=0.4)
        ax.semilogy(passes, each.mean(axis=0), color=ink[name], lw=1.8, label=name)
    ax.set(xlabel="passes over the recording", ylabel="squared error / variance of each unit")
    ax.legend(fontsize=7.5)
    return figure


@figure
def history(numbers: Sequence[int], scores: Sequence[float], lost: Sequence[int], *, ylabel: str) -> Figure:
    """Draw the score of each trial and the best so far; ticks below mark trials that were pruned or failed."""
    figure = Figure(figsize=(WIDTH, 2.8))
    ax = figure.subplots()
    ax.plot(numbers, scores, "o", ms=4, color=COLOURS[0])
    ax.step(numbers, np.maximum.accumulate(scores), where="post", color=COLOURS[1], lw=1.2)
    for number in lost:
        ax.axvline(number, ymax=0.04, color=GREY)
    ax.set(xlabel="trial", ylabel=ylabel)
    ax.locator_params(axis="x", integer=True)
    return figure


@figure
def slices(columns: Mapping[str, Sequence[object]], scores: Sequence[float], *, log: Sequence[str], near: Sequence[bool], ylabel: str) -> Figure:
    """Draw the score along each parameter; trials near the best are filled."""
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
