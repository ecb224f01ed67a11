"""Figures of connections and currents that a fit has inferred, beside those that made the activity."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.report.figures._figures import COLOURS, GREY, STYLE, TEACHER, WIDTH, colours

DOTS = 3000  # of a cloud that are drawn


def region_tables(
    correlations: Mapping[str, Float[ndarray, "target source"]],
    shares: Mapping[str, tuple[Float[ndarray, " target"], Float[ndarray, " target"]]],
    regions: Sequence[str],
) -> Figure:
    """Draw for each setting a table of correlations of currents, sources in columns, above bars of the share of current power from other regions.

    Args:
        correlations: of true and inferred currents, by setting.
        shares: true and inferred, by setting.
        regions: their names.
    """
    with matplotlib.rc_context(STYLE):
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


def explained_by_pass(curves: Mapping[str, Float[ndarray, "network pass"]]) -> Figure:
    """Draw what is left unexplained over passes, a thin line a network and a thick one for the mean."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.7 * WIDTH, 3.2))
        ax, ink = figure.subplots(), colours(list(curves))
        for name, each in curves.items():
            passes = np.arange(1, each.shape[1] + 1)
            ax.semilogy(passes, each.T, color=ink[name], lw=0.5, alpha=0.4)
            ax.semilogy(passes, each.mean(axis=0), color=ink[name], lw=1.8, label=name)
        ax.set(xlabel="passes over the recording", ylabel="squared error / variance of each unit")
        ax.legend(fontsize=7.5)
    return figure


def clouds(panels: Mapping[str, tuple[ndarray, ndarray]], *, xlabel: str, ylabel: str) -> Figure:
    """Draw found over true values, a panel each, with the line of equality and the correlation.

    Args:
        panels: title to true and found values; of many, evenly spaced ones are drawn.
        xlabel: quantity and unit.
        ylabel: quantity and unit.
    """
    with matplotlib.rc_context(STYLE):
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
