"""Trials at a glance: peristimulus time histograms of a few units by condition, above them the spikes if there are any."""

from collections.abc import Mapping, Sequence
from colorsys import hls_to_rgb

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.report.figures._style import COLOURS, GREY, figure
from cortex_sim.runtime import positions
from cortex_sim.trials import Trials

SHOWN, ABREAST = 6, 3  # units, and units in a row
CONDITIONS, NAMED = 48, 10  # most conditions that are drawn, and that a legend names
SMOOTHED = 0.025  # s
PANEL, TALLER = (3.3, 2.1), 1.5  # inches of a unit, and how many times as high with its spikes
LIGHT = 0.18  # of bands of the standard error
HUE, TONE = 0.6, (0.42, 0.62)  # of the first condition on the circle of colours; lightness and saturation of all
LINE = 1.3, 0.7  # points, of few and of many conditions
SPACE, LETTER, ROW = 0.6, 0.07, 0.18  # inches of a legend: an entry without its name, a letter, and a further row
Ink = tuple[float, float, float]


class Shown(Figure):
    """A figure that notebooks show."""

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        written = BytesIO()
        self.savefig(written, format="png", dpi=110)
        return written.getvalue()


@figure
def plot(trials: Trials, *, units: Sequence[int] | Int[ndarray, " shown"] | None = None, smoothing: float = SMOOTHED) -> Figure:
    """Draw trials: the mean of each condition over time, a panel a unit, and above it the spikes of every trial if there are any.

    Bands are the standard error of the mean over the trials of a condition, where ten conditions or fewer are shown. Conditions that are numbers, as
    directions are, have colours that turn once around a circle. Notebooks show the figure; ``cs.plot(trials).savefig("psth.png")`` writes it.

    Args:
        trials: rates or spikes, simulated or recorded.
        units: positions of the units; the six whose mean varies most over conditions and time if omitted.
        smoothing: standard deviation of the Gaussian that makes rates of spikes, s.

    Raises:
        TrialsError: a unit was not observed in some trials, or trials have less than two bins in common.
        OptionError: a unit does not exist.
    """
    spiking = "spike_time" in trials.dataset
    known, labels, rates = _smoothed(trials, smoothing), _labels(trials), {}
    for label in labels:
        rates[label] = known.dataset["rate"].values[known.condition == label]
    chosen = _varying(rates) if units is None else positions(units, trials.shape[2], "units of these trials")
    drawn = [labels[place] for place in np.unique(np.linspace(0, len(labels) - 1, min(CONDITIONS, len(labels))).round().astype(int))]
    ink, across = _inks(drawn), min(ABREAST, len(chosen))
    down = -(-len(chosen) // across)
    made = Shown(figsize=(PANEL[0] * across + 0.4, PANEL[1] * (TALLER if spiking else 1) * down + 0.6))
    grid = made.add_gridspec(down, across)
    first = None
    for place, unit in enumerate(chosen):
        cell = grid[place // across, place % across]
        if spiking:
            split = GridSpecFromSubplotSpec(2, 1, cell, hspace=0.05)
            above, ax = made.add_subplot(split[0]), made.add_subplot(split[1])
            _raster(above, trials, int(unit), ink, left=place % across == 0)
            ax.sharex(above)
        else:
            above = ax = made.add_subplot(cell)
        for label in drawn:
            _line(
                ax,
                known.time,
                rates[label][:, :, unit],
                colour=ink[label],
                label=f"{label:g}" if isinstance(label, float) else str(label),
                few=len(drawn) <= NAMED,
            )
        above.set_title(f"unit {trials.dataset['unit'].values[unit]}")
        _axes(ax, trials, left=place % across == 0, low=place + across >= len(chosen))
        first = first or ax
    _legend(made, first, len(drawn), len(labels))
    return made


def _smoothed(trials: Trials, sd: float) -> Trials:
    """Return rates as they are; of spikes, smoothed ones at the times to which every trial lasts."""
    if "rate" in trials.dataset:
        return trials
    stop = float(trials.stop.min())
    if (trials.time < stop - trials.bin / 2).sum() < 2:
        raise TrialsError(
            f"plot: the shortest of {len(trials.stop)} trials ends at {stop:g} s; leave out what was aborted: trials.window(start, stop)."
        )
    return trials.window(float(trials.time[0]), stop).smoothed(sd)


def _varying(rates: Mapping[object, Float[ndarray, "trial time unit"]]) -> Int[ndarray, " shown"]:
    """Return the positions of the units whose means vary most, in ascending order."""
    means = np.stack([_mean(part) for part in rates.values()])
    spread = np.nan_to_num(np.nanstd(means, axis=(0, 1)))
    return np.sort(np.argsort(-spread, kind="stable")[:SHOWN])


def _mean(part: Float[ndarray, "trial ..."]) -> Float[ndarray, "..."]:
    """Return the mean over trials, those that have ended left out; NaN where none lasts."""
    there = np.isfinite(part)
    return np.where(there, part, 0.0).sum(axis=0) / np.where(there.any(axis=0), there.sum(axis=0), np.nan)


def _labels(trials: Trials) -> list[object]:
    """Return the conditions, ascending if they are numbers."""
    labels = list(dict.fromkeys(trials.condition.tolist()))
    return sorted(labels) if _numbers(labels) else labels


def _numbers(labels: Sequence[object]) -> bool:
    return all(isinstance(label, int | float) for label in labels)


def _inks(labels: Sequence[object]) -> dict[object, Ink]:
    """Return the colour of each condition: around a circle if they are numbers or more than there are colours."""
    if len(labels) <= (2 if _numbers(labels) else len(COLOURS)):
        return dict(zip(labels, map(to_rgb, COLOURS), strict=False))
    return {label: hls_to_rgb(HUE + place / len(labels), *TONE) for place, label in enumerate(labels)}


def _raster(ax: Axes, trials: Trials, unit: int, ink: Mapping[object, Ink], *, left: bool) -> None:
    """Draw the spikes of a unit, a row a trial, trials of a condition together."""
    when, _, trial = trials.units([unit]).spikes
    rows = [place for label in ink for place in np.flatnonzero(trials.condition == label)]
    height = min(4.0, 90.0 / max(1, len(rows)))
    row = np.full(len(trials.condition), -1)
    row[rows] = np.arange(len(rows))
    for label, colour in ink.items():
        own = np.isin(trial, np.flatnonzero(trials.condition == label))
        ax.plot(when[own] * 1e3, row[trial[own]], "|", color=colour, ms=max(1.2, height), mew=0.7, rasterized=True)
    ax.set(ylim=(len(rows) - 0.4, -0.6), yticks=[], ylabel=f"{len(rows)} trials" if left else "")
    ax.tick_params(labelbottom=False, bottom=False)
    ax.spines[["bottom", "left"]].set_visible(False)


def _line(ax: Axes, time: Float[ndarray, " time"], part: Float[ndarray, "trial time"], *, colour: Ink, label: object, few: bool) -> None:
    """Draw the mean over trials, and its standard error if there are several."""
    mean, count = _mean(part), np.isfinite(part).sum(axis=0)
    ax.plot(time * 1e3, mean, color=colour, lw=LINE[not few], label=f"{label:g}" if isinstance(label, float) else str(label))
    if len(part) > 1 and few:
        error = np.sqrt(_mean((part - mean) ** 2) / np.maximum(count - 1, 1))
        ax.fill_between(time * 1e3, mean - error, mean + error, color=colour, alpha=LIGHT, lw=0)


def _axes(ax: Axes, trials: Trials, *, left: bool, low: bool) -> None:
    start, stop = trials.time[0] * 1e3, (trials.time[-1] + trials.bin) * 1e3
    ax.set_xlim(start, stop)
    if start < 0 < stop:
        ax.axvline(0, color=GREY, lw=0.6, ls=":", zorder=0)
    unit = trials.dataset["rate"].attrs.get("units", "Hz") if "rate" in trials.dataset else "Hz"
    if left:
        ax.set_ylabel("rate" if unit in ("", "1") else f"rate ({unit})")
    if low:
        ax.set_xlabel("time (ms)")


def _legend(made: Figure, ax: Axes | None, drawn: int, conditions: int) -> None:
    """Name the conditions if they are few, else three of them and how many there are."""
    if ax is None or conditions == 1:
        return
    handles, labels = ax.get_legend_handles_labels()
    shown, title = tuple(range(drawn)), "condition"
    if drawn > NAMED:
        shown, title = (0, drawn // 2, drawn - 1), f"{conditions if drawn == conditions else f'{drawn} of {conditions}'} conditions, among them"
    widest = SPACE + LETTER * max(len(labels[place]) for place in shown)
    width, height = made.get_size_inches()
    columns = max(1, min(len(shown), int(width / widest)))
    made.set_size_inches(width, height + ROW * (-(-len(shown) // columns) - 1))
    kept = [handles[place] for place in shown], [labels[place] for place in shown]
    made.legend(*kept, loc="outside upper center", ncols=columns, title=title, title_fontsize="medium")
