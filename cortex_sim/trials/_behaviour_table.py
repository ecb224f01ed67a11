"""A table of behaviour beside a table of spikes or rates: a row for each trial and time, a column for each axis of each series."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.trials._arrays import named_arrays
from cortex_sim.trials._findings import noted
from cortex_sim.trials._long_table import Column, numbers_of, places_of, role_of, seconds_of
from cortex_sim.trials._trials import Trials

BEHAVIOUR_TABLE = "columns trial, time (s, or time (ms)) and one for each axis of a series, such as hand_x and hand_y, or emg_biceps"
HEADER = re.compile(r"(?P<name>.*?)\s*(?:\((?P<unit>[^()]*)\)|\[(?P<bracket>[^\[\]]*)\])?\s*")
SPLIT = re.compile(r"(?P<series>.+)[_.\s](?P<axis>[^_.\s]+)")
WHOLE = {"xhandposition": ("hand", "x"), "yhandposition": ("hand", "y")}
PLANE = ("x", "y", "z")
SCALE, EDGE = 100.0, 1e-9  # times in another unit are so many times too long or short; s


class Axis(NamedTuple):
    """A column of a table of behaviour: the series it is an axis of, the axis, its unit and its entries."""

    series: str
    axis: str
    unit: str
    column: Column


def with_behaviour(trials: Trials, numbers: ndarray, path: Path) -> Trials:
    """Return trials with the series of a table of behaviour, interpolated linearly to the left edges of their bins.

    Columns whose names differ in their last part are axes of one series: ``hand_x`` and ``hand_y`` of ``hand``, ``emg biceps`` of ``emg``. Units
    stand behind, as in ``hand_x (cm)``. Rows and columns stand in any order. A series is NaN where a trial has no row around a time, or has ended.

    Args:
        trials: whole, not cut to a window.
        numbers: of the trials, as the table calls them.
        path: of the table, a ``.csv``.

    Raises:
        FileProblem: the table cannot be read.
        TrialsError: a column is missing or holds what it cannot, a row is there twice, or no row is of any trial and time.
    """
    columns = named_arrays(path).arrays
    found, axes, texts = _columns(columns, path.name)
    known, place = places_of(found["trial"])
    time = numbers_of(found["time"]) * seconds_of(found["time"])
    rows, missing, others = _of_trials(known, numbers)
    _check_once(known, place, time, path.name)
    order = np.lexsort((time, place))
    begins = np.searchsorted(place[order], np.arange(known.size + 1))
    spans = [order[begins[row] : begins[row + 1]] if row >= 0 else order[:0] for row in rows]
    _check_clock(trials, [time[span] for span in spans], path.name)
    series: dict[str, xr.DataArray] = {}
    for name, parts in axes.items():
        made = np.stack([_at_bins(trials, [(time[span], numbers_of(part.column)[span]) for span in spans]) for part in parts], axis=2)
        units = {part.unit for part in parts}
        series[name] = xr.DataArray(
            made, dims=("trial", "time", f"axis of {name}"), coords={f"axis of {name}": [part.axis for part in parts]},
            attrs={"units": units.pop() if len(units) == 1 else ""},
        )  # fmt: skip
    findings = [f"{path.name} has no row of {missing.size} trials, first trial {_shown(missing[0])}."] if missing.size else []
    findings += (
        [f"{path.name} has rows of {others.size} trials of which there is no activity, first trial {_shown(others[0])}."] if others.size else []
    )
    findings += [f"columns {', '.join(texts)} of {path.name} hold texts, and were skipped."] if texts else []
    whole = Trials(trials.dataset.assign(series).assign_attrs(trials.dataset.attrs))
    return noted(whole, *findings)


def _columns(columns: Mapping[str, ndarray], file: str) -> tuple[dict[str, Column], dict[str, list[Axis]], list[str]]:
    """Return the columns that say trial and time, the axes of each series, and the names of columns of texts."""
    found: dict[str, Column] = {}
    axes: dict[str, list[Axis]] = {}
    texts = []
    for name, entries in columns.items():
        role, unit = role_of(name)
        if role in ("trial", "time"):
            if role in found:
                raise TrialsError(f"columns {found[role].name!r} and {name!r} of {file} both say {role}; leave one out.")
            found[role] = Column(name, unit, entries)
        elif entries.dtype.kind not in "biuf":
            texts.append(repr(name))
        else:
            axis = _axis(name, entries)
            if same := [other.column.name for other in axes.get(axis.series, []) if other.axis == axis.axis]:
                raise TrialsError(f"columns {same[0]!r} and {name!r} of {file} are the same axis of {axis.series!r}; leave one out.")
            axes.setdefault(axis.series, []).append(axis)
    for role in ("trial", "time"):
        if role not in found:
            raise TrialsError(f"column {role!r} is missing in {file} (found {', '.join(columns)}); a table of behaviour has {BEHAVIOUR_TABLE}.")
    if not axes:
        raise TrialsError(f"{file} has no column of numbers beside trial and time; a table of behaviour has {BEHAVIOUR_TABLE}.")
    for parts in axes.values():
        if all(part.axis in PLANE for part in parts):
            parts.sort(key=lambda part: part.axis)
    return found, axes, texts


def _axis(name: str, entries: ndarray) -> Axis:
    """Return the series and the axis that a column's name says."""
    match = HEADER.fullmatch(name)
    bare, unit = (match["name"], match["unit"] or match["bracket"] or "") if match else (name, "")
    split = SPLIT.fullmatch(bare)
    series, axis = WHOLE.get(bare.lower()) or ((split["series"], split["axis"]) if split else (bare, ""))
    return Axis(series, axis.lower() if axis.lower() in PLANE else axis, unit.strip(), Column(name, unit, entries))


def _of_trials(known: ndarray, numbers: ndarray) -> tuple[Int[ndarray, " trial"], ndarray, ndarray]:
    """Return the place of each trial in the table (-1 if it is not there), the trials that are not, and those that are in the table alone."""
    place = {_plain(number): row for row, number in enumerate(known)}
    rows = np.array([place.get(_plain(number), -1) for number in numbers], dtype=int)
    left = {_plain(number) for number in numbers}
    return rows, numbers[rows < 0], np.array([number for number in known if _plain(number) not in left])


def _plain(number: object) -> object:
    """Return a number, or a text that is one, as a number; other texts as they are."""
    try:
        return float(str(number))
    except ValueError:
        return str(number)


def _shown(number: object) -> str:
    plain = _plain(number)
    return f"{plain:.15g}" if isinstance(plain, float) else str(plain)


def _check_once(known: ndarray, place: Int[ndarray, " row"], time: Float[ndarray, " row"], file: str) -> None:
    order = np.lexsort((time, place))
    again = (np.diff(place[order]) == 0) & (np.diff(time[order]) <= EDGE)
    if again.any():
        row = order[int(np.argmax(again))]
        raise TrialsError(f"{file} has more than one row of trial {_shown(known[place[row]])} at {time[row]:g} s; it should have one.")


def _check_clock(trials: Trials, times: list[Float[ndarray, " row"]], file: str) -> None:
    """Refuse a table that shares no time with any trial, or whose times are in another unit."""
    lasts = float(trials.time[-1] + trials.bin - trials.time[0])
    spans = np.array([time[-1] - time[0] for time in times if time.size > 1])
    if not spans.size:
        raise TrialsError(f"{file} has two rows of no trial; trials are numbered as in the table of activity, and each needs two rows or more.")
    typical = float(np.median(spans))
    if not lasts / SCALE < typical < lasts * SCALE:
        likely = "ms" if typical > lasts else "s"
        found = f"rows of a trial of {file} span {typical:g} s, and trials last {lasts:g} s"
        raise TrialsError(f"{found}; its times are probably in {likely}, which the name of the column should say: time ({likely}).")
    if not any(_seen(trials, time, row).any() for row, time in enumerate(times)):
        first, last = min(time[0] for time in times if time.size), max(time[-1] for time in times if time.size)
        clock = f"{trials.time[0]:g} to {trials.time[-1] + trials.bin:g} s"
        raise TrialsError(f"rows of {file} lie from {first:g} to {last:g} s, trials from {clock}; both should be on the clock of the trial.")


def _seen(trials: Trials, time: Float[ndarray, " row"], row: int) -> Bool[ndarray, " time"]:
    """Return at which bins of a trial there are rows before and after."""
    if time.size < 2:
        return np.zeros(trials.time.size, dtype=bool)
    stop = trials.stop[row] if "stop" in trials.dataset.coords else np.inf
    return np.asarray((trials.time >= time[0] - EDGE) & (trials.time <= time[-1] + EDGE) & (trials.time < stop - EDGE))


def _at_bins(trials: Trials, rows: list[tuple[Float[ndarray, " row"], Float[ndarray, " row"]]]) -> Float[ndarray, "trial time"]:
    made = np.full((len(rows), trials.time.size), np.nan)
    for trial, (time, values) in enumerate(rows):
        seen = _seen(trials, time, trial)
        made[trial, seen] = np.interp(trials.time[seen], time, values) if seen.any() else np.nan
    return made
