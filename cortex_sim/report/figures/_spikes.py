"""Raster plots, population rates and distributions over units."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from cortex_sim.analysis import SpikeStatistics
from cortex_sim.report.figures._style import COLOURS, GREY, TEACHER, WIDTH, figure, inked
from cortex_sim.runtime import stream
from cortex_sim.trials import Trials

EACH, SPIKES = 25, 6000  # most units of a population, and most spikes, in a raster

PANELS = {
    "rate": "rate (Hz)", "cv2": "CV2 of intervals (1)", "fano": "Fano factor of counts (1)", "correlation": "correlation of counts (1)",
}  # fmt: skip

POISSON = {"cv2": 1.0, "fano": 1.0, "correlation": 0.0}

OUTER = 1.0  # percent of the values at either end that the axis of a distribution leaves out


@figure
def raster(trials: Trials, *, trial: int = 0, each: int = EACH, spikes: int = SPIKES, seed: int = 0) -> Figure:
    """Draw the spikes of one trial: one row per unit, equal numbers of units from every population, coloured by population.

    Args:
        trials: spikes.
        trial: index of the trial.
        each: maximum number of units per population, drawn at random.
        spikes: maximum number of spikes; fewer units are drawn if there would be more.
        seed: of the draw.
    """
    one = trials.select([trial])
    groups = _drawn(one, each, spikes, seed)
    figure = Figure(figsize=(WIDTH, float(np.clip(0.03 * sum(map(len, groups.values())) + 0.9, 2.2, 5.5))))
    ax = figure.subplots()
    row, ticks = 0, []
    for (_, units), colour in zip(groups.items(), _cycled(len(groups)), strict=True):
        when, unit, _ = one.units(units).spikes
        ax.plot(when * 1e3, row + unit, "|", color=colour, ms=2.6, mew=0.8, rasterized=True)
        ticks.append(row + (len(units) - 1) / 2)
        row += len(units)
        ax.axhline(row - 0.5, color="#e3e7ec", lw=0.5, zorder=0)
    ax.set(xlim=(one.time[0] * 1e3, one.stop[0] * 1e3), ylim=(row - 0.5, -0.5), xlabel="time (ms)")
    ax.set_yticks(ticks, [name or "units" for name in groups])
    ax.tick_params(axis="y", length=0)
    for label, colour in zip(ax.get_yticklabels(), _cycled(len(groups)), strict=True):
        label.set_color(colour)
    counts = {len(units) for units in groups.values()}
    ax.set_ylabel(f"population ({f'{min(counts)} to ' if len(counts) > 1 else ''}{max(counts)} units each)")
    return figure


@figure
def rate_bars(
    found: Mapping[str, float], *, reference: Mapping[str, float] | None = None, tolerance: float = 0.0, spread: float = 0.0,
    source: str = "reference",
) -> Figure:  # fmt: skip
    """Draw the mean rate of every population beside its reference.

    Args:
        found: mean rate by population, Hz.
        reference: rates to compare with, of some or all of the populations, Hz.
        tolerance: relative deviation from the reference within which a rate counts as equal; drawn as a band.
        spread: minimum half-width of the band, Hz.
        source: of the reference, for the legend.
    """
    names, reference = list(found), reference or {}
    figure = Figure(figsize=(WIDTH, 2.8))
    ax = figure.subplots()
    ax.bar(range(len(names)), [found[name] for name in names], width=0.62, color=_cycled(len(names)), label="_")
    for place, name in enumerate(names):
        top = found[name]
        if name in reference:
            wanted, half = reference[name], max(tolerance * reference[name], spread)
            top = max(top, wanted + half)
            ax.add_patch(Rectangle((place - 0.42, wanted - half), 0.84, 2 * half, facecolor=TEACHER, alpha=0.16, lw=0, zorder=3))
            ax.plot([place - 0.42, place + 0.42], [wanted, wanted], color=TEACHER, lw=1.2, zorder=4)
        ax.annotate(f"{found[name]:.2g}", (place, top), (0, 2), textcoords="offset points", ha="center", fontsize=7, color=TEACHER)
    if reference:
        least = f", at least {spread:g} Hz" if spread else ""
        band = f"; shaded: ± {tolerance:.0%}{least}" if tolerance or spread else ""
        ax.plot([], [], color=TEACHER, lw=1.2, label=source + band)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center")
    ax.set_xticks(range(len(names)), [name or "units" for name in names], rotation=0 if len(names) < 17 else 45)
    ax.set(ylabel="mean rate (Hz)", xlabel="population", xlim=(-0.6, len(names) - 0.4))
    ax.margins(y=0.12)
    return figure


@figure
def distributions(systems: Mapping[str, SpikeStatistics], measures: Sequence[str] = tuple(PANELS)) -> Figure:
    """Draw, for each statistic, the cumulative fraction of units (or of pairs), one line per system; dots mark medians.

    Args:
        systems: statistics by name; systems whose name says surrogate are grey.
        measures: statistics that get a panel: ``"rate"``, ``"cv2"``, ``"fano"``, ``"correlation"``.
    """
    figure = Figure(figsize=(WIDTH, 3.0))
    row = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    ink = inked(systems)
    for ax, measure in zip(row, measures, strict=True):
        shown = {name: _values(found, measure) for name, found in systems.items()}
        for name, values in shown.items():
            _cumulative(ax, values, ink[name], name)
        if measure in POISSON:
            ax.axvline(POISSON[measure], color=GREY, lw=0.6, ls=":", zorder=0)
        _limit(ax, measure, [values for values in shown.values() if values.size])
        ax.set_xlabel(PANELS[measure])
    row[0].set(ylabel="share of units or pairs below", ylim=(0, 1.02))
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(systems))
    return figure


def _drawn(one: Trials, each: int, spikes: int, seed: int) -> dict[str, ndarray]:
    """Return the indices of the units to show, by population."""
    rng, fired = stream(seed, "analysis", "neurons of a raster"), np.bincount(one.spikes.unit, minlength=one.shape[2])
    groups = {}
    for name in dict.fromkeys(one.population.tolist()):
        members = np.flatnonzero(one.population == name)
        groups[name] = rng.permutation(members)[:each]
    total = sum(int(fired[units].sum()) for units in groups.values())
    share = min(1.0, spikes / max(1, total))
    return {name: np.sort(units[: max(1, int(share * len(units)))]) for name, units in groups.items()}


def _cycled(count: int) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(count)]


def _values(found: SpikeStatistics, measure: str) -> ndarray:
    """Return every value of a statistic; each pair of units once."""
    values = found.correlation[np.triu_indices(len(found.correlation), 1)] if measure == "correlation" else np.ravel(getattr(found, measure))
    return np.sort(values[np.isfinite(values)])


def _cumulative(ax: Axes, values: ndarray, colour: str, name: str) -> None:
    ax.step(values, np.arange(1, len(values) + 1) / max(1, len(values)), where="post", color=colour, lw=1.4, label=name)
    if len(values):
        ax.plot(np.median(values), 0.5, "o", color=colour, ms=4.5, mec="white", mew=0.6)


def _limit(ax: Axes, measure: str, shown: Sequence[ndarray]) -> None:
    """Set the limits without the outermost values, and give rates a logarithmic axis."""
    positive = [values[values > 0] for values in shown] if measure == "rate" else shown
    ends = [np.percentile(values, [OUTER, 100 - OUTER]) for values in positive if values.size]
    if not ends:
        return
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    if measure == "rate":
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlim(low / 1.15, high * 1.15)
    elif high > low:
        ax.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
