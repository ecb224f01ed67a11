"""Reading Neurodata Without Borders: the units and trials of any trial-structured file become Trials.

The file is read with h5py alone, by the part of the NWB 2 layout that every version has kept: extensions and versions that pynwb does not know
do no harm, and only the table of trials and each unit's own spike times are ever read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cortex_sim.errors import FileProblem, TrialsError
from cortex_sim.trials._checks import LONG, SLOW, check_fits
from cortex_sim.trials._door import hdf5, reading, whole
from cortex_sim.trials._findings import noted
from cortex_sim.trials._labels import likely_radians
from cortex_sim.trials._nwb_cut import Choice, Cut, asked_of, cut_trials, note_of, said, spike_times, text, values
from cortex_sim.trials._nwb_rates import NOTED, as_written, rates_of
from cortex_sim.trials._nwb_zarr import LEFT, zarr_as_hdf5
from cortex_sim.trials._trials import Trials

POPULATIONS = ("population", "location", "brain_area", "brain_region")
EARLY, ENOUGH = 0.01, 20  # of a trial, and spikes, to say that all lie at its start
FACTORS = {1e-3: "ms", 1e-6: "µs", 1e3: "thousands of s"}


def read_nwb(
    path: str | Path,
    *,
    align: str | None = None,
    window: tuple[float, float] | None = None,
    condition: str | Sequence[str] | None = None,
    where: str | None = None,
    table: str = "trials",
    bin: float | None = None,
    unless: str | None = None,
) -> Trials:
    """Return the spikes of the units of an NWB file, cut to its trials; or the rates that :func:`write_nwb` wrote.

    Every unit is kept, silent ones too. Its population comes from the first of the columns population, location, brain_area and brain_region
    that exists, else from the location of its electrode group, else from that of its first electrode. Rows are left out if they lack the
    alignment time, an end after their start or a label, or lie in invalid_times. A unit counts as not observed in trials that its obs_intervals
    do not cover. The numbers are printed and kept in the provenance.

    Args:
        path: of the file.
        align: column of the table of trials whose time becomes 0; by default start_time, or the go cue in files of :func:`write_nwb`.
        window: start and stop around that time, s; a spike at the stop is excluded. By default up to each trial's own end, and from the first
            multiple of a bin at which all trials have started, since bins before a trial would look like silence.
        condition: column that labels the trials, or several whose combinations label them; by default the first of :data:`CONDITIONS` that
            exists, else rows are numbered.
        where: which rows are used, for example ``success == 1 and split != 'test'``; all by default. In place of a column it may name a stimulus, a
            series under ``/stimulus/presentation`` or a table of intervals: its largest size during the trial, 0 if it is off, 1 in a table.
        table: name of the table of trials, under ``/intervals``.
        bin: width of the bins, s; by default as :func:`write_nwb` wrote them, else 10 ms.
        unless: which rows are left out, such as ``opto == 1``; those that do not say are left out too.

    Raises:
        FileProblem: the file does not exist, is damaged or is not NWB 2.
        TrialsError: there is no table of units or trials, no unit has a spike, no spike lies in a trial, trials share most of their time, or
            times are not in s.
        NotFound: the table or a requested column does not exist.
        OptionError: the window does not start before it stops, or where cannot be parsed.
    """
    with opened(path) as file:
        choice = Choice(align, window, condition, where, table, bin, unless)
        note = note_of(file)
        cut = cut_trials(file, as_written(choice, note) if NOTED in note else choice)
        made = _provenance(file, cut) | {"recording": Path(path).name} | asked_of(choice)
        made = cut.note["provenance"] if cut.note and condition is None else made
        if NOTED in note:
            rates = noted(rates_of(file, cut, made), *cut.findings, *likely_radians("the condition", cut.labels))
            return rates if window is None else rates.window(*window)
        spikes, count, findings = _spikes(file, cut)
        population = _population(file, count)
        trials = Trials.from_spikes(spikes, cut.time, units=count, condition=cut.labels, stop=cut.stop, population=population, provenance=made)
        trials = Trials(trials.dataset.assign_coords(unit=values(file["units"]["id"]).reshape(-1)))
        trials, unseen = _observed(trials, file["units"], cut)
        turned = likely_radians("the condition", cut.labels)
        return noted(trials, *unseen, *cut.findings, *findings, *turned, *_early(spikes[0], cut), *_left(file))


@contextmanager
def opened(path: str | Path, series: str | None = None, *, behaviour: bool = False) -> Iterator[h5py.File]:
    """Open an NWB file, or a Zarr folder, for reading; errors inside name its path.

    Args:
        path: of the file or folder.
        series: behavioural series that is needed; all if None.
        behaviour: whether behaviour is needed.

    Raises:
        FileProblem: the file does not exist, is damaged or is not NWB 2.
    """
    path = Path(path)
    if not path.exists():
        raise FileProblem(f"{path}: there is no such file.")
    with reading(path, "NWB"), zarr_as_hdf5(path, series, behaviour=behaviour) if path.is_dir() else hdf5(path) as file:
        _check_version(file)
        yield file


def _left(file: h5py.File) -> list[str]:
    """Return a sentence for each part of a Zarr store that could not be copied."""
    return [f"{name}, and was skipped." for name in file.attrs.get(LEFT, ())]


def _check_version(file: h5py.File) -> None:
    version = text(file.attrs.get("nwb_version", ""))
    if not version:
        raise FileProblem(f"it is HDF5 but no NWB 2 (found {sorted(file)}); NWB names its version in the attribute 'nwb_version'.")
    if not version.startswith("2"):
        raise FileProblem(f"it is NWB {version}; NWB 2 is read. Convert it first, for example with pynwb.")


class Clock(NamedTuple):
    """What the spike times of one unit say about their clock.

    Attributes:
        rate: spikes over the time from the first to the last, Hz; NaN for fewer than two.
        back: how often a time is earlier than the one before.
        repeated: how many times repeat another.
    """

    rate: float
    back: int
    repeated: int


def _spikes(file: h5py.File, cut: Cut) -> tuple[tuple[ndarray, ndarray, ndarray], int, list[str]]:
    """Return the spikes of every unit in every trial, the number of units, and findings."""
    units = file.get("units")
    if units is None:
        raise TrialsError(f"there is no table of units (found {sorted(file)}); spikes are read from 'units' with 'spike_times'.")
    if not {"spike_times", "spike_times_index"} <= set(units):
        raise TrialsError(f"the table of units has columns {sorted(units)}; it should have 'spike_times' and 'spike_times_index'.")
    source, ends = spike_times(units)
    begins = np.append(0, ends[:-1])
    if not ends.size or not ends[-1]:
        raise TrialsError(f"none of the {ends.size} units has a spike; at least one should.")
    if (ends < begins).any() or ends[-1] > source.shape[0] or ends.size != len(units["id"]):
        raise FileProblem(f"'spike_times_index' runs to {ends.max()} for {source.shape[0]} spike times and {len(units['id'])} units; it is damaged.")
    check_fits(float(ends[-1]), f"{ends[-1]} spike times")
    parts = [_inside(source[begin:end], cut, unit) for unit, (begin, end) in enumerate(zip(begins, ends, strict=True))]
    findings = _clocks([clock for _, _, clock in parts], cut)
    when, trial = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:2])
    if not when.size:
        span, spiking = cut.zero + cut.time[0], source[: ends[-1]]
        found = f"spikes run from {spiking.min():g} to {spiking.max():g} s, trials from {span.min():g} to {(cut.zero + cut.stop).max():g} s"
        likely = [unit for factor, unit in FACTORS.items() if _meet(np.sort(spiking.astype(float)) * factor, cut)]
        raise TrialsError(
            f"no spike lies in a trial: {found}; both should be in s on one clock{f' (spikes may be in {likely[0]})' if likely else ''}."
        )
    return (when, np.repeat(np.arange(ends.size), [part[0].size for part in parts]), trial), ends.size, findings


def _meet(times: ndarray, cut: Cut) -> bool:
    """Return whether any of these times lies in a trial."""
    return bool((np.searchsorted(times, cut.zero + cut.time[0]) < np.searchsorted(times, cut.zero + cut.stop)).any())


def _inside(times: ndarray, cut: Cut, unit: int) -> tuple[ndarray, ndarray, Clock]:
    """Return a unit's spike times on the clock of their trial, the trials, and what the times say about their clock."""
    if not np.isfinite(times).all():
        raise TrialsError(f"unit {unit} has {int((~np.isfinite(times)).sum())} spike times that are not finite; remove them.")
    back = int((np.diff(times) < 0).sum())
    times = np.sort(times, kind="stable").astype(float)
    lasted = times[-1] - times[0] if times.size > 1 else 0.0
    clock = Clock(times.size / lasted if lasted > 0 else np.nan, back, int((np.diff(times) == 0).sum()))
    first = np.searchsorted(times, cut.zero + cut.time[0] - cut.edge)
    last = np.searchsorted(times, cut.zero + cut.stop + (cut.edge if cut.note else -cut.edge))  # written trials keep a spike at their very end
    count = np.maximum(last - first, 0)
    trial = np.repeat(np.arange(count.size), count)
    place = np.arange(trial.size) + np.repeat(first - np.cumsum(count) + count, count)
    return np.clip(times[place] - cut.zero[trial], cut.time[0], cut.stop[trial]), trial, clock


def _clocks(clocks: list[Clock], cut: Cut) -> list[str]:
    """Return findings about the units' spike times; refuse times that are not in s."""
    rates = np.array([clock.rate for clock in clocks if np.isfinite(clock.rate)])
    typical, lasts = float(np.median(rates)) if rates.size else np.nan, float(np.median(cut.stop - cut.time[0]))
    apart = float(np.median(np.diff(np.sort(cut.zero)))) if cut.zero.size > 1 else lasts
    if typical < SLOW and max(lasts, apart) > LONG:
        found = f"units fire at {typical:.2g} Hz and trials are {max(lasts, apart):g} s apart"
        raise TrialsError(f"{found}, which is not plausible; times are probably in ms ({1e3 * typical:g} Hz), and should be in s.")
    back, repeated = ([unit for unit, clock in enumerate(clocks) if getattr(clock, name)] for name in ("back", "repeated"))
    findings = []
    if back:
        where = f"spike times of {len(back)} units go back, first unit {back[0]}, {clocks[back[0]].back} times"
        findings.append(f"{where}; they were sorted. If a clock restarts there, spikes are not where they belong.")
    if repeated:
        times = sum(clocks[unit].repeated for unit in repeated)
        findings.append(f"{times} spike times of {len(repeated)} units are there more than once, first unit {repeated[0]}; each counts.")
    return findings


def _early(when: ndarray, cut: Cut) -> list[str]:
    """Return a finding if all spikes lie at the very start of their trials."""
    lasts, last = float(np.median(cut.stop)) - cut.time[0], float(when.max()) - cut.time[0]
    if when.size < ENOUGH or last > EARLY * lasts:
        return []
    return [f"all spikes lie in the first {last:g} s of trials of {lasts:g} s; trials are probably in other units than spikes, or cut elsewhere."]


def _observed(trials: Trials, units: h5py.Group, cut: Cut) -> tuple[Trials, list[str]]:
    """Return the trials with the mask of observed units that obs_intervals give, and a finding about it."""
    if not {"obs_intervals", "obs_intervals_index"} <= set(units):
        return trials, []
    intervals, ends = whole(units["obs_intervals"]).reshape(-1, 2), whole(units["obs_intervals_index"]).astype(np.int64)
    begin, end = cut.zero + cut.time[0], cut.zero + cut.stop
    parts = [intervals[first:last] for first, last in zip(np.append(0, ends[:-1]), ends, strict=True)]
    seen = np.stack([_covered(part, begin, end, cut.edge) for part in parts], axis=1)
    if seen.all():
        return trials, []
    found = f"{int((~seen).sum())} of {seen.size} pairs of trial and unit were not observed throughout (obs_intervals)"
    return trials.with_observed(seen), [f"{found}; averages leave them out."]


def _covered(intervals: Float[ndarray, "interval 2"], begin: ndarray, end: ndarray, edge: float) -> Bool[ndarray, " trial"]:
    """Return which trials a single interval covers, after touching intervals are merged; all if there are no intervals."""
    if not len(intervals):
        return np.ones(begin.size, dtype=bool)
    start, stop = intervals[np.argsort(intervals[:, 0])].T
    reach = np.maximum.accumulate(stop)
    fresh = np.append(True, start[1:] > reach[:-1] + edge)
    start, stop = start[fresh], np.append(reach[:-1][fresh[1:]], reach[-1])
    place = np.searchsorted(start, begin + edge, side="right") - 1
    return (place >= 0) & (end <= stop[np.maximum(place, 0)] + edge)


def _population(file: h5py.File, count: int) -> ndarray | None:
    units = file["units"]
    for name in POPULATIONS:
        if name in units and units[name].shape == (count,):
            return values(units[name]).astype(str)
    if "electrode_group" in units:
        return np.array([text(file[group].attrs.get("location", "")) if group else "" for group in whole(units["electrode_group"])])
    if "electrodes" not in units or "electrodes_index" not in units:
        return None
    electrodes, ends = file[units["electrodes"].attrs["table"]], whole(units["electrodes_index"]).astype(np.int64)
    if "location" not in electrodes:
        return None
    where, rows, begins = values(electrodes["location"]), whole(units["electrodes"]), np.append(0, ends[:-1])
    return np.array([where[rows[begin]] if begin < end else "" for begin, end in zip(begins, ends, strict=True)])


def _provenance(file: h5py.File, cut: Cut) -> dict[str, Any]:
    about = {name: said(file[name]) for name in ("identifier", "session_description") if name in file}
    return note_of(file).get("provenance", {}) | about | {"align": cut.event, "condition": cut.named, "trials left out": cut.left_out}
