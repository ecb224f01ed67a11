"""Finding the trials of an NWB session, and their conditions."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from cortex_sim.errors import NotFound, OptionError, TrialsError, suggestion
from cortex_sim.trials._checks import check_fits
from cortex_sim.trials._door import check_whole, in_parts, whole
from cortex_sim.trials._labels import absent
from cortex_sim.trials._labels import labels as labels_of
from cortex_sim.trials._nwb_stimuli import stimuli, stimulus_names
from cortex_sim.trials._rows import joined, selected
from cortex_sim.trials._trials import BIN

CONDITIONS = ("condition", "condition_id", "direction", "target_dir", "target_direction", "target_id", "trial_type")
LONGEST = 86400.0  # s, a day: a longer trial is a clock in other units
FEW_INTERVALS = 3  # mean intervals between spikes of any of the units looked at
LOOKED_AT = 64  # units, evenly chosen, whose first and last spikes tell how long a session lasts: each costs a block of the file
EDGE = 1e-10  # s, more than the round-off of a session clock of days
WIDE = 10.0  # s: a longer window may be meant in ms
SHORT = 0.5  # of the typical length: trials shorter than this were broken off
LETTERS = 6  # of 4 bytes, in what is allowed for a number while it is read
SHARED = 0.5  # of a trial: where neighbours share more than this, they are no trials of one clock


class Choice(NamedTuple):
    """What to read from a file; see :func:`read_nwb`."""

    align: str | None = None
    window: tuple[float, float] | None = None
    condition: str | Sequence[str] | None = None
    where: str | None = None
    table: str = "trials"
    bin: float | None = None
    unless: str | None = None


def asked_of(choice: Choice) -> dict[str, str]:
    """Return which trials were asked for, for the provenance."""
    return {name: asked for name in ("where", "unless") if (asked := getattr(choice, name)) is not None}


class Cut(NamedTuple):
    """The stretch of the session that each trial covers.

    Attributes:
        event: column whose time is 0.
        row: of each trial in the table of trials.
        zero: that time for each trial, s on the clock of the session.
        time: left edges of the bins, s from zero.
        stop: end of each trial, s from zero.
        labels: of the conditions.
        named: the column or columns that the labels come from.
        left_out: number of rows that are not used.
        findings: what was noticed, one sentence each.
        note: what :func:`write_nwb` stored with the trials, if they are cut as they were written; else empty.
    """

    event: str
    row: Int[ndarray, " trial"]
    zero: Float[ndarray, " trial"]
    time: Float[ndarray, " time"]
    stop: Float[ndarray, " trial"]
    labels: ndarray
    named: str
    left_out: int
    findings: list[str]
    note: dict[str, Any]

    @property
    def edge(self) -> float:
        """Round-off of times on the clock of the session, s."""
        return max(EDGE, 4 * float(np.spacing(np.abs(self.zero).max())))


def cut_trials(file: h5py.File, choice: Choice) -> Cut:
    """Find the trials of a file.

    Raises:
        TrialsError: no trial is left, trials share most of their time, or times are not in s.
        NotFound: a requested table or column does not exist.
        OptionError: the window does not start before it stops, or where cannot be parsed.
    """
    window, rows = choice.window, _table(file, choice.table)
    if window is not None and not (np.isfinite(window).all() and window[0] < window[1]):
        raise OptionError(f"window {window!r} should be (start, stop) in s, start before stop.")
    note = note_of(file) if choice.table == "trials" else {}
    event = choice.align or note.get("align", "start_time")
    zero = _times(rows, event)
    begin, end = (_times(rows, name) - zero for name in ("start_time", "stop_time")) if window is None else np.add.outer(window, 0 * zero)
    labels, named = _labels(rows, choice.condition)
    labels = np.arange(zero.size) if labels is None else labels
    reasons = {f"lack the moment {event!r}, or an end after their start": np.isfinite(begin + end) & (end > begin)}
    if not reasons[f"lack the moment {event!r}, or an end after their start"].any():
        raise TrialsError(f"none of the {zero.size} trials has a moment {event!r} and an end after its start; align to another column.")
    reasons |= selected(choice.where, choice.unless, lambda name: told_by(file, rows, name))
    reasons |= {f"have no label in {named}": ~absent(labels), "lie in invalid_times": _valid(file, zero + begin, zero + end)}
    if window is not None and (span := _session(file, rows)):
        inside = (zero + begin >= span[0]) & (zero + end <= span[1])
        reasons |= {"have windows that leave the session in part": inside} if inside.any() else {}
    if window is None and not note:
        reasons |= broken_off(begin, end, event, np.all(list(reasons.values()), axis=0))
    kept, findings = usable(reasons)
    begin, end, zero, labels = begin[kept], end[kept], zero[kept], labels_of(labels[kept])
    as_written = note and (choice.align, window, choice.bin) == (None, None, None)
    width = choice.bin or BIN
    first = begin[0] if window is not None else width * np.ceil(begin.max() / width - 1e-6)
    if as_written:
        check_fits(float(note["bins"]) * zero.size, f"{note['bins']} bins of {zero.size} trials")
        time = note["start"] + note["bin"] * np.arange(note["bins"])
    else:
        _check_clock(begin, end, first, event)
        findings += _check_shared(rows, begin, end, zero, window)
        check_fits((end.max() - first) / width * zero.size, f"{(end.max() - first) / width:.3g} bins of {zero.size} trials")
        time = first + width * np.arange(max(2, int(np.ceil((end.max() - first) / width - 1e-6))))
    return Cut(event, kept, zero, time, end, labels, named, len(reasons["lie in invalid_times"]) - kept.size, findings, note if as_written else {})


def _session(file: h5py.File, rows: h5py.Group) -> tuple[float, float] | None:
    """Return when the session starts and stops, by its trials, spikes and obs_intervals; None without spikes.

    A recording may go on for a few interspike intervals beyond its spikes, so these are added at both ends.
    """
    units = file.get("units", {})
    if not {"spike_times", "spike_times_index"} <= set(units):
        return None
    source, ends = spike_times(units)
    places = [(int(first), int(last) - 1) for first, last in zip(np.append(0, ends[:-1]), ends, strict=True) if last > first]
    if not places or ends[-1] > source.shape[0]:
        return None
    places = places[:: -(-len(places) // LOOKED_AT)]
    spikes = np.array([source[place] for pair in places for place in pair], dtype=float)
    known = [spikes, _times(rows, "start_time"), _times(rows, "stop_time")]
    known += [whole(units["obs_intervals"]).ravel()] if "obs_intervals" in units else []
    start, stop = (how(np.concatenate(known)) for how in (np.nanmin, np.nanmax))
    slack = FEW_INTERVALS * float(np.ptp(spikes)) / sum(last - first + 1 for first, last in places)
    return float(start) - slack - EDGE, float(stop) + slack + EDGE


def spike_times(units: h5py.Group) -> tuple[h5py.Dataset, Int[ndarray, " unit"]]:
    """Return the spike times of all units, of which parts are read, and where those of each unit end.

    Raises:
        TrialsError: the times have several axes.
    """
    source, ends = in_parts(units["spike_times"]), whole(units["spike_times_index"]).astype(np.int64)
    if source.ndim != 1:
        raise TrialsError(f"'spike_times' has shape {source.shape}; it should hold the times of all units in one row.")
    return source, ends


def broken_off(begin: ndarray, end: ndarray, event: str, kept: Bool[ndarray, " row"]) -> dict[str, Bool[ndarray, " row"]]:
    """Return which trials last at least half as long as typical before and after their event; shorter ones would shorten all trials."""
    if not kept.any():
        return {}
    before, after = float(np.median(-begin[kept])), float(np.median(end[kept]))
    return {
        f"start less than half as long before {event!r} as is typical ({before:g} s)": (-begin >= SHORT * before) | (before <= 0),
        f"end less than half as long after {event!r} as is typical ({after:g} s)": (end >= SHORT * after) | (after <= 0),
    }


def usable(reasons: dict[str, Bool[ndarray, " row"]]) -> tuple[Int[ndarray, " row"], list[str]]:
    """Return the rows that fail no criterion, and why the others are left out, each counted once."""
    kept, findings = np.ones(len(next(iter(reasons.values()))), dtype=bool), []
    for why, fine in reasons.items():
        if (lost := kept & ~fine).any():
            findings.append(f"{lost.sum()} of {kept.size} trials {why}, and are left out.")
        kept &= fine
    if not kept.any():
        raise TrialsError(f"no trial is left: {' '.join(findings)} Ask for others.")
    return np.flatnonzero(kept), findings


def _valid(file: h5py.File, begin: ndarray, end: ndarray) -> Bool[ndarray, " row"]:
    """Return which stretches lie outside the file's invalid_times."""
    if "invalid_times" not in file["intervals"] or "start_time" not in file["intervals/invalid_times"]:
        return np.ones(begin.size, dtype=bool)
    table = file["intervals/invalid_times"]
    start, stop = (_times(table, name) for name in ("start_time", "stop_time"))
    return np.asarray(~((begin[:, None] < stop) & (end[:, None] > start)).any(axis=1))


def _check_clock(begin: ndarray, end: ndarray, first: float, event: str) -> None:
    if end.max() - first > LONGEST:
        raise TrialsError(f"a trial lasts {end.max() - first:g} s, more than a day; times in NWB are in s.")
    if end.min() <= first:
        raise TrialsError(f"a trial ends {end.min():g} s from its {event!r} and another starts at {begin.max():g} s; give a window that suits all.")


def _check_shared(rows: h5py.Group, begin: ndarray, end: ndarray, zero: ndarray, window: tuple[float, float] | None) -> list[str]:
    """Refuse trials that share most of their time, as windows in ms make them do; return a finding if some share a little."""
    starts, stops = (_times(rows, name) for name in ("start_time", "stop_time"))
    lasts = np.nanmax(stops) - np.nanmin(starts)
    order = np.argsort(zero + begin, kind="stable")
    start, stop = (zero + begin)[order], (zero + end)[order]
    lasting = stop - start
    shared = (np.minimum(stop[:-1], stop[1:]) - start[1:]) / np.minimum(lasting[:-1], lasting[1:])
    if window is not None and lasts > 0 and window[1] - window[0] > lasts:
        raise TrialsError(f"window {window!r} s is longer than the session, {lasts:g} s{_in_ms(window, lasts / zero.size)}.")
    if (shared > SHARED).any():
        row = int(np.argmax(shared))
        found = f"windows overlap, {shared.max():.0%} from {start[row + 1]:g} s on, so that a spike would be counted in several trials"
        typical = float(np.median(np.diff(np.sort(zero)))) if zero.size > 1 else 0.0
        cure = _in_ms(window, typical) if window is not None else ""
        raise TrialsError(f"{found}{cure or '; spikes and trials should be on one clock, and no trial twice in the table'}.")
    return [f"{(shared > EDGE).sum()} windows overlap the one before, so that spikes there are in both."] if (shared > EDGE).any() else []


def _in_ms(window: tuple[float, float], typical: float) -> str:
    wide = window[1] - window[0]
    return f"; it is in s: ({window[0] / 1e3:g}, {window[1] / 1e3:g}) may be meant" if WIDE < wide <= 1e3 * typical else ""


def _table(file: h5py.File, name: str) -> h5py.Group:
    tables = {key: group for key, group in file.get("intervals", {}).items() if "start_time" in group}
    if name in tables and len(tables[name]["start_time"]):
        return tables[name]
    if name in tables or not tables:
        found = f"table of trials {name!r} is empty" if name in tables else f"there is no table of trials (found {sorted(file)})"
        raise TrialsError(f"{found}; trials are read from 'intervals/trials' with 'start_time' and 'stop_time'.")
    raise NotFound(f"there is no table of intervals {name!r}. {suggestion(name, tables)}")


def note_of(file: h5py.File) -> dict[str, Any]:
    """Return what :func:`write_nwb` stored with the trials; empty for files of other origin."""
    try:
        note = json.loads(said(file["general/notes"]))["cortex-sim"]
    except (KeyError, TypeError, ValueError):
        return {}
    return note if {"align", "start", "bin", "bins", "provenance"} <= set(note) else {}


def column(rows: h5py.Group, name: str) -> ndarray:
    """Return a column with one value per row.

    Raises:
        NotFound: the column does not exist.
        TrialsError: it holds several values per row.
    """
    columns = [key for key in rows if not key.endswith("_index") and isinstance(rows[key], h5py.Dataset)]
    if name not in columns:
        more = f", or the stimuli {', '.join(names)}" if (names := stimulus_names(rows.file)) else ""
        raise NotFound(f"table {rows.name!r} has no column {name!r}; choose from {', '.join(columns)}{more}.")
    if not _single(rows, name):
        raise TrialsError(f"column {name!r} of table {rows.name!r} holds several values a row; a column of one value a row is needed.")
    return values(rows[name]).reshape(-1)


def told_by(file: h5py.File, rows: h5py.Group, name: str) -> ndarray:
    """Return a column of the trials; or, if it is a stimulus of the file, its largest size during each trial, 0 where it is off.

    Raises:
        NotFound: there is neither.
    """
    known = () if name in rows else stimuli(file, name)
    if not known:
        return column(rows, name)
    begin, end, size = np.array(known).T
    start, stop = (_times(rows, edge) for edge in ("start_time", "stop_time"))
    during = (begin < stop[:, None]) & (end > start[:, None])
    return np.where(np.isfinite(start + stop), np.where(during, size, 0.0).max(axis=1), np.nan)


def _single(rows: h5py.Group, name: str) -> bool:
    shape = rows[name].shape
    return f"{name}_index" not in rows and len(shape) >= 1 and all(size == 1 for size in shape[1:])


def _times(rows: h5py.Group, name: str) -> Float[ndarray, " row"]:
    found = column(rows, name)
    if found.dtype.kind not in "iuf":
        raise TrialsError(f"column {name!r} of table {rows.name!r} holds {found.dtype}; it should hold moments in s.")
    return found.astype(float)


def _labels(rows: h5py.Group, asked: str | Sequence[str] | None) -> tuple[ndarray | None, str]:
    """Return the labels of all rows and the columns they come from; None if rows are numbered."""
    single = (key for key in CONDITIONS if key in rows and isinstance(rows[key], h5py.Dataset) and _single(rows, key))
    names = [asked] if isinstance(asked, str) else list(asked) if asked is not None else [key for key in [next(single, None)] if key]
    return (joined([column(rows, name) for name in names]), ", ".join(names)) if names else (None, "number")


def values(dataset: h5py.Dataset) -> ndarray:
    """Return all of a dataset, with texts as str."""
    if h5py.check_string_dtype(dataset.dtype) is None:
        return whole(dataset)
    check_whole(dataset)
    texts = dataset.asstr(errors="replace")[:]
    longest = max(map(len, texts.ravel()), default=0)
    check_fits(longest * texts.size / LETTERS, f"array {dataset.name!r} of {texts.size} texts of up to {longest} letters")
    return texts.astype(str)


def said(dataset: h5py.Dataset) -> str:
    """Return the one text that a dataset holds."""
    found = whole(dataset)
    return text(found.item() if found.size == 1 else found)


def text(value: Any) -> str:
    """Return the str of a text or of its bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
