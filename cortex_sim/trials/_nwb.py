"""Neurodata Without Borders in: the units and trials of any trial-structured file become Trials.

The file is read with h5py alone, along the layout of NWB 2 that every version has kept: extensions and versions that pynwb does not know do
no harm, and only the table of trials and each unit's own stretch of the spike times are ever read.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import CortexSimError, FileProblem, NotFound, OptionError, TrialsError, suggestion
from cortex_sim.trials._trials import BIN, Trials

CONDITIONS = ("condition", "condition_id", "direction", "target_dir", "target_direction", "target_id", "trial_type")
POPULATIONS = ("population", "location", "brain_area", "brain_region")
LONGEST = 86400.0  # s, a day: a longer trial is a clock in other units
EDGE = 1e-10  # s, more than the round-off of a session clock of days


class Cut(NamedTuple):
    """Which stretch of the session each trial is.

    Attributes:
        event: column whose moment is 0.
        row: of each trial in the table of trials.
        zero: that moment, s on the clock of the session.
        time: left edges of the bins, s from zero.
        stop: end of each trial, s from zero.
        left_out: number of rows that have no such moment, or no end after their start.
        note: what :func:`write_nwb` wrote beside the trials if they are cut as they were written, else nothing.
    """

    event: str
    row: Int[ndarray, " trial"]
    zero: Float[ndarray, " trial"]
    time: Float[ndarray, " time"]
    stop: Float[ndarray, " trial"]
    left_out: int
    note: dict[str, Any]


def read_nwb(
    path: str | Path,
    *,
    align: str | None = None,
    window: tuple[float, float] | None = None,
    condition: str | None = None,
    table: str = "trials",
    bin: float | None = None,
) -> Trials:
    """Read the spikes of the units of an NWB file, cut to its trials.

    Every unit is kept, silent ones too. Its population is the first of the columns population, location, brain_area and brain_region that is
    there, else the location of its electrode group, else that of its first electrode. Rows without the moment, or without an end after their
    start, are left out, and the provenance says how many.

    Args:
        path: of the file.
        align: column of the table of trials whose moment becomes 0; by default start_time, or the go cue where :func:`write_nwb` wrote it.
        window: from where to where about that moment, s; a spike at its end is out. By default up to each trial's own end, and from the
            first multiple of a bin at which all trials have started, since a bin before its trial would pass for silence.
        condition: column that labels the trials; by default the first of :data:`CONDITIONS` that is there, else rows are numbered.
        table: name of the table of trials, under ``/intervals``.
        bin: width of the bins, s; as :func:`write_nwb` wrote them, else 10 ms.

    Raises:
        FileProblem: there is no such file, it is damaged, or no NWB 2.
        TrialsError: there is no table of units or trials, no unit has a spike, or none lies in a trial.
        NotFound: the table or a column that is asked for.
        OptionError: the window does not rise.
    """
    with opened(path) as file:
        cut = cut_trials(file, align, window, table, bin)
        spikes, count = _spikes(file, cut)
        labels, named = _labels(file["intervals"][table], condition, cut)
        made = _provenance(file, cut, named) | {"recording": Path(path).name}
        made = cut.note["provenance"] if cut.note and condition is None else made
        population = _population(file, count)
        trials = Trials.from_spikes(spikes, cut.time, units=count, condition=labels, stop=cut.stop, population=population, provenance=made)
        return Trials(trials.dataset.assign_coords(unit=values(file["units"]["id"])))


@contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """Open an NWB file for reading; what goes wrong inside is said with its path.

    Raises:
        FileProblem: there is no such file, it is damaged, or no NWB 2.
    """
    path = Path(path)
    if not path.is_file():
        raise FileProblem(f"{path}: there is no such file.")
    try:
        with h5py.File(path, "r") as file:
            _check_version(file)
            yield file
    except CortexSimError as problem:
        raise type(problem)(f"{path}: {problem}") from None
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, MemoryError) as problem:  # flipped bytes
        raise FileProblem(f"{path}: cannot be read as NWB ({problem}); it is damaged or something else. Fetch or write it again.") from problem


def _check_version(file: h5py.File) -> None:
    version = _text(file.attrs.get("nwb_version", ""))
    if not version:
        raise FileProblem(f"it is HDF5 but no NWB 2 (found {sorted(file)}); NWB names its version in the attribute 'nwb_version'.")
    if not version.startswith("2"):
        raise FileProblem(f"it is NWB {version}; NWB 2 is read. Convert it first, for example with pynwb.")


def cut_trials(file: h5py.File, align: str | None, window: tuple[float, float] | None, table: str, bin: float | None = None) -> Cut:
    """Find the trials of a file; the arguments are those of :func:`read_nwb`."""
    if window is not None and not (np.isfinite(window).all() and window[0] < window[1]):
        raise OptionError(f"window {window!r} should be (start, stop) in s, start before stop.")
    rows, note = _table(file, table), _note(file) if table == "trials" else {}
    event = align or note.get("align", "start_time")
    zero = _times(rows, event)
    begin, end = (_times(rows, name) - zero for name in ("start_time", "stop_time")) if window is None else np.add.outer(window, 0 * zero)
    usable = np.flatnonzero(np.isfinite(begin + end) & (end > begin))
    if not usable.size:
        raise TrialsError(f"none of the {zero.size} trials has a moment {event!r} and an end after its start; align to another column.")
    begin, end, left_out = begin[usable], end[usable], zero.size - usable.size
    if note and align is None and window is None and bin is None:
        time = note["start"] + note["bin"] * np.arange(note["bins"])
        return Cut(event, usable, zero[usable], time, end, left_out, note)
    width = bin or BIN
    first = begin[0] if window is not None else width * np.ceil(begin.max() / width - 1e-6)
    if end.max() - first > LONGEST:
        raise TrialsError(f"a trial lasts {end.max() - first:g} s, more than a day; times in NWB are in s.")
    if end.min() <= first:
        raise TrialsError(f"a trial ends {end.min():g} s from its {event!r} and another starts at {begin.max():g} s; give a window that suits all.")
    time = first + width * np.arange(max(2, int(np.ceil((end.max() - first) / width - 1e-6))))
    return Cut(event, usable, zero[usable], time, end, left_out, {})


def _table(file: h5py.File, name: str) -> h5py.Group:
    tables = {key: group for key, group in file.get("intervals", {}).items() if "start_time" in group}
    if name in tables and len(tables[name]["start_time"]):
        return tables[name]
    if name in tables or not tables:
        found = f"table of trials {name!r} is empty" if name in tables else f"there is no table of trials (found {sorted(file)})"
        raise TrialsError(f"{found}; trials are read from 'intervals/trials' with 'start_time' and 'stop_time'.")
    raise NotFound(f"there is no table of intervals {name!r}. {suggestion(name, tables)}")


def _note(file: h5py.File) -> dict[str, Any]:
    """What :func:`write_nwb` wrote beside the trials; nothing in a file of another origin."""
    try:
        note = json.loads(_text(file["general/notes"][()]))["cortex-sim"]
    except (KeyError, TypeError, ValueError):
        return {}
    return note if {"align", "start", "bin", "bins", "provenance"} <= set(note) else {}


def _column(rows: h5py.Group, name: str) -> ndarray:
    columns = [key for key in rows if not key.endswith("_index") and isinstance(rows[key], h5py.Dataset)]
    if name not in columns:
        raise NotFound(f"table {rows.name!r} has no column {name!r}; choose from {', '.join(columns)}.")
    if f"{name}_index" in rows or rows[name].ndim != 1:
        raise TrialsError(f"column {name!r} of table {rows.name!r} holds several values a row; a column of one value a row is needed.")
    return values(rows[name])


def _times(rows: h5py.Group, name: str) -> Float[ndarray, " row"]:
    column = _column(rows, name)
    if column.dtype.kind not in "iuf":
        raise TrialsError(f"column {name!r} of table {rows.name!r} holds {column.dtype}; it should hold moments in s.")
    return column.astype(float)


def _labels(rows: h5py.Group, name: str | None, cut: Cut) -> tuple[ndarray, str]:
    single = (key for key in CONDITIONS if key in rows and f"{key}_index" not in rows and rows[key].ndim == 1)
    name = name or next(single, None)
    return (cut.row, "number") if name is None else (_column(rows, name)[cut.row], name)


def _spikes(file: h5py.File, cut: Cut) -> tuple[tuple[ndarray, ndarray, ndarray], int]:
    """Spikes of every unit in every trial, and the number of units."""
    units = file.get("units")
    if units is None:
        raise TrialsError(f"there is no table of units (found {sorted(file)}); spikes are read from 'units' with 'spike_times'.")
    if not {"spike_times", "spike_times_index"} <= set(units):
        raise TrialsError(f"the table of units has columns {sorted(units)}; it should have 'spike_times' and 'spike_times_index'.")
    source, ends = units["spike_times"], units["spike_times_index"][:].astype(np.int64)
    begins = np.append(0, ends[:-1])
    if not ends.size or not ends[-1]:
        raise TrialsError(f"none of the {ends.size} units has a spike; at least one should.")
    if (ends < begins).any() or ends[-1] > source.shape[0] or ends.size != len(units["id"]):
        raise FileProblem(f"'spike_times_index' runs to {ends.max()} for {source.shape[0]} spike times and {len(units['id'])} units; it is damaged.")
    parts = [_inside(source[begin:end], cut, unit) for unit, (begin, end) in enumerate(zip(begins, ends, strict=True))]
    when, trial = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not when.size:
        span, spiking = cut.zero + cut.time[0], source[: ends[-1]]
        found = f"spikes run from {spiking.min():g} to {spiking.max():g} s, trials from {span.min():g} to {(cut.zero + cut.stop).max():g} s"
        raise TrialsError(f"no spike lies in a trial: {found}; both should be in s on one clock.")
    return (when, np.repeat(np.arange(ends.size), [part[0].size for part in parts]), trial), ends.size


def _inside(times: ndarray, cut: Cut, unit: int) -> tuple[ndarray, ndarray]:
    """Moments of a unit's spikes on the clock of their trial, and the trials."""
    if not np.isfinite(times).all():
        raise TrialsError(f"unit {unit} has {int((~np.isfinite(times)).sum())} spike times that are not finite; remove them.")
    times = np.sort(times, kind="stable").astype(float)
    first = np.searchsorted(times, cut.zero + cut.time[0] - EDGE)
    last = np.searchsorted(times, cut.zero + cut.stop + (EDGE if cut.note else -EDGE))  # written trials keep a spike at their very end
    count = np.maximum(last - first, 0)
    trial = np.repeat(np.arange(count.size), count)
    place = np.arange(trial.size) + np.repeat(first - np.cumsum(count) + count, count)
    return times[place] - cut.zero[trial], trial


def _population(file: h5py.File, count: int) -> ndarray | None:
    units = file["units"]
    for name in POPULATIONS:
        if name in units and units[name].shape == (count,):
            return values(units[name]).astype(str)
    if "electrode_group" in units:
        return np.array([_text(file[group].attrs.get("location", "")) if group else "" for group in units["electrode_group"][:]])
    if "electrodes" not in units or "electrodes_index" not in units:
        return None
    electrodes, ends = file[units["electrodes"].attrs["table"]], units["electrodes_index"][:].astype(np.int64)
    if "location" not in electrodes:
        return None
    where, rows, begins = values(electrodes["location"]), units["electrodes"][:], np.append(0, ends[:-1])
    return np.array([where[rows[begin]] if begin < end else "" for begin, end in zip(begins, ends, strict=True)])


def _provenance(file: h5py.File, cut: Cut, condition: str) -> dict[str, Any]:
    said = {name: _text(file[name][()]) for name in ("identifier", "session_description") if name in file}
    return _note(file).get("provenance", {}) | said | {"align": cut.event, "condition": condition, "trials left out": cut.left_out}


def values(dataset: h5py.Dataset) -> ndarray:
    """Give all of a dataset; text as text."""
    if h5py.check_string_dtype(dataset.dtype) is None:
        return dataset[:]
    return dataset.asstr(errors="replace")[:].astype(str)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
