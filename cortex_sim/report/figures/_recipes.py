"""How well networks answer pushes, against what the data that taught them cost."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._style import COLOURS, GREY, WIDTH, figure

APART = 0.16  # of a decade, by which recipes of one cost are drawn apart
SHOWN = (-1.1, 1.05)  # R²
STYLES = (":", "-.", "--", "-")
Ends = Float[ndarray, " bound"]


@figure
def answers_by_cost(
    found: Mapping[str, Mapping[str, Ends]],
    trials: Mapping[str, float],
    sites: Mapping[str, float],
    *,
    others: Sequence[str],
    levels: Sequence[str],
) -> Figure:
    """Draw a row of panels for each kind of push: R² with its interval over trials, over pushed sites, and by name where recipes cost neither.

    Args:
        found: by kind of push and recipe: the mean and the ends of its interval.
        trials: by recipe; those of one number are drawn beside each other.
        sites: by recipe; a line joins them.
        others: recipes that are shown by name.
        levels: baselines and ceilings, lines across all panels.
    """
    figure = Figure(figsize=(WIDTH, 2.7 * len(found) + 2.9))
    axes = figure.subplots(len(found), 3, sharey=True, sharex="col", squeeze=False, gridspec_kw={"width_ratios": [1.5, 0.9, 1.5]})
    places = _apart(list(trials.values()))
    for row, (kind, values) in zip(axes, found.items(), strict=True):
        _intervals(row[0], places, [values[name] for name in trials])
        _intervals(row[1], list(sites.values()), [values[name] for name in sites])
        row[1].plot(list(sites.values()), [values[name][0] for name in sites], color=COLOURS[0], lw=0.8)
        _intervals(row[2], range(len(others)), [values[name] for name in others])
        for ax in row:
            for name, style in zip(levels, STYLES, strict=False):
                ax.axhline(values[name][0], color=GREY, lw=1.0, ls=style, zorder=0, label=name)
        row[0].set_ylabel(f"R², {kind}")
    ticks = sorted(set(trials.values()))
    axes[0, 0].set(xscale="log", xlim=(min(places) / 1.3, max(places) * 1.3), ylim=SHOWN)
    axes[0, 0].set_xticks(ticks, [f"{each:g}" for each in ticks])
    axes[0, 0].minorticks_off()
    axes[0, 1].set_xticks(list(sites.values()))
    axes[0, 2].set_xticks(range(len(others)), [""] * len(others))
    for ax, label in zip(axes[-1], ("trials", "sites that are pushed", "no more trials or sites"), strict=True):
        ax.set_xlabel(label)
    for ax, at, names in ((axes[0, 0], places, trials), (axes[0, 2], range(len(others)), others)):
        for x, name in zip(at, names, strict=True):
            ax.annotate(name, (x, 1.02), xycoords=("data", "axes fraction"), rotation=50, ha="left", va="bottom", fontsize=8, rotation_mode="anchor")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(levels))
    return figure


def _apart(costs: Sequence[float]) -> list[float]:
    """Return where recipes are drawn on a logarithmic axis: at their cost, those of one cost beside each other."""
    same = [[place for place, each in enumerate(costs) if each == cost] for cost in costs]
    return [cost * 10 ** (APART * (group.index(place) - (len(group) - 1) / 2)) for place, (cost, group) in enumerate(zip(costs, same, strict=True))]


def _intervals(ax: Axes, at: Sequence[float], values: Sequence[Ends]) -> None:
    for x, (mean, low, high) in zip(at, values, strict=True):
        if np.isfinite([low, high]).all():
            ax.plot([x, x], [low, high], color=COLOURS[0], lw=1.6)
        ax.plot(x, mean, "o", color=COLOURS[0], ms=5)
