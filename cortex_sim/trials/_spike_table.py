"""Spike tables: one entry per spike and one per trial in a ``.npz`` or ``.mat`` file, or one row per spike in a ``.csv`` file."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from cortex_sim.errors import NotFound, TrialsError, suggestion
from cortex_sim.trials._arrays import vectors
from cortex_sim.trials._checks import LONG, SLOW, check_fits
from cortex_sim.trials._findings import noted
from cortex_sim.trials._labels import absent, likely_radians
from cortex_sim.trials._nwb_cut import Choice, asked_of
from cortex_sim.trials._rows import joined, selected
from cortex_sim.trials._trials import BIN, Trials

SPIKE = ("spike_time_ms", "spike_unit", "spike_trial")
TRIAL = ("trial_condition", "trial_duration_ms")
SPIKE_TABLE = "'spike_time_ms', 'spike_unit', 'spike_trial' (spike), 'trial_condition', 'trial_duration_ms' (trial) and, for silent units, 'n_units'"
EARLY = 0.01  # of a trial: where all spikes lie before, they are in other units than the trials
ENOUGH = 20  # spikes, to say so
FEW = 6  # numbers listed
FASTEST = 1000.0  # Hz; units that fast are in another unit than ms


def from_spike_table(arrays: Mapping[str, ndarray], made: Mapping[str, object], choice: Choice) -> Trials:
    """Return the trials of a spike table; each ends after its own duration, and all start at 0, or at the bin of the earliest spike before 0.

    Args:
        arrays: spike_time_ms (ms on the clock of the trial), spike_unit and spike_trial (positions, from 0), one entry per spike;
            trial_condition and trial_duration_ms (ms from 0 to the end), one entry per trial; n_units, the number of units, if units beyond
            the last spike_unit are silent; and, if they are there, trial_start_ms, where all trials start, and bin_ms, the width of the bins.
        made: their provenance.
        choice: the columns (one entry per trial) that label and select the trials, and the width of the bins.

    Raises:
        TrialsError: an array is missing or has the wrong shape or type, there is no spike, a spike lies outside its trial, or spikes and trials
            are in different units.
        NotFound: a requested column does not exist.
    """
    arrays = vectors(arrays, *SPIKE, *TRIAL)
    _check(arrays)
    when, unit, trial = arrays["spike_time_ms"] / 1e3, *(arrays[name].astype(np.int64) for name in SPIKE[1:])
    duration = arrays["trial_duration_ms"] / 1e3
    _check_units(when, duration)
    width = choice.bin or float(arrays.get("bin_ms", np.array(1e3 * BIN)).item()) / 1e3
    first = _start(arrays, when, width)
    check_fits((duration.max() - first) / width * duration.size, f"{(duration.max() - first) / width:.3g} bins of {duration.size} trials")
    _check_pace(np.unique(unit, return_counts=True)[1], duration)
    time = first + width * np.arange(max(2, int(np.ceil((duration.max() - first) / width - 1e-6))))
    units = int(arrays["n_units"].item()) if "n_units" in arrays else int(unit.max()) + 1
    labels, named = _labels(arrays, choice.condition, duration.size)
    kept, findings = _kept(arrays, labels, named, choice)
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    if not trial.size or not 0 <= trial.min() <= trial.max() < kept.size:
        raise TrialsError(f"trials: spikes name trials {trial.min()} to {trial.max()}; there are {kept.size}, numbered from 0.")
    inside = kept[trial]
    spikes = (when[inside], unit[inside], place[trial[inside]])
    origin = dict(made) | {"condition": named} | asked_of(choice)
    trials = Trials.from_spikes(spikes, time, units=units, condition=labels[kept], stop=duration[kept], provenance=origin)
    return noted(trials, *findings, *_odd(arrays, first), *likely_radians(named, labels))


def _start(arrays: Mapping[str, ndarray], when: ndarray, width: float) -> float:
    """Return where all trials start: as the table says, else 0 or the bin of the earliest spike before 0."""
    if "trial_start_ms" not in arrays:
        return width * min(0, int(np.floor(when.min() / width + 1e-6)))
    said = np.unique(arrays["trial_start_ms"])
    if said.size != 1 or said.dtype.kind not in "iuf" or not np.isfinite(said).all():
        raise TrialsError(f"trial_start_ms is {said[:3].tolist()}; it should be one number, where all trials start.")
    return float(said[0]) / 1e3


def rows_kept(arrays: Mapping[str, ndarray], choice: Choice) -> Bool[ndarray, " trial"]:
    """Return which trials of a spike table are read."""
    labels, named = _labels(arrays, choice.condition, vectors(arrays, *TRIAL)[TRIAL[1]].size)
    return _kept(arrays, labels, named, choice)[0]


def _labels(arrays: Mapping[str, ndarray], asked: str | Sequence[str] | None, trials: int) -> tuple[ndarray, str]:
    names = [asked] if isinstance(asked, str) else list(asked) if asked is not None else ["trial_condition"]
    return joined([_column(arrays, name, trials) for name in names]), ", ".join(names)


def _column(arrays: Mapping[str, ndarray], name: str, trials: int) -> ndarray:
    known = {key: array for key, array in vectors(arrays, *arrays).items() if array.shape == (trials,)}
    if name not in known:
        raise NotFound(f"there is no column {name!r} with one entry a trial. {suggestion(name, known)}")
    return known[name]


def _kept(arrays: Mapping[str, ndarray], labels: ndarray, named: str, choice: Choice) -> tuple[Bool[ndarray, " trial"], list[str]]:
    """Return which trials are read, and why others are not."""
    lost = absent(labels)
    findings = [f"{lost.sum()} of {lost.size} trials have no label in {named}, and are left out."] if lost.any() else []
    kept = ~lost
    for why, fine in selected(choice.where, choice.unless, lambda name: _column(arrays, name, lost.size)).items():
        findings += [f"{(kept & ~fine).sum()} of {lost.size} trials {why}, and are left out."] if (kept & ~fine).any() else []
        kept &= fine
    if not kept.any():
        raise TrialsError(f"no trial is left: {' '.join(findings)} Ask for others.")
    return kept, findings


def _odd(arrays: Mapping[str, ndarray], first: float) -> list[str]:
    """Return findings about spikes and units."""
    when, unit, trial = (arrays[name] for name in SPIKE)
    findings = [f"spikes before 0: trials are taken to start at {first * 1e3:g} ms."] if first < 0 else []
    heard = np.unique(unit)
    never = np.setdiff1d(np.arange(min(heard[-1] + 1, heard.size + FEW + 1)), heard)  # the first few, however large the numbers are
    if "n_units" not in arrays and never.size:
        listed = ", ".join(map(str, never[:FEW])) + ", …" * (never.size > FEW)
        cure = "; if units are numbered from 1, subtract 1" if never.tolist() == [0] else "; 'n_units' says how many there are"
        findings.append(f"no spike is of unit {listed}, which {'are' if never.size > 1 else 'is'} taken for silent{cure}.")
    if np.setdiff1d(np.arange(len(arrays[TRIAL[1]])), trial).tolist() == [0]:
        findings.append("no spike is in trial 0, which is kept without any; if trials are numbered from 1, subtract 1.")
    order = np.lexsort((when, unit, trial))
    again = sum((np.diff(column[order]) == 0).astype(int) for column in (when, unit, trial)) == len(SPIKE)
    return findings + ([f"{int(np.sum(again))} spikes are there more than once; each counts."] if np.any(again) else [])


def _check_units(when: ndarray, duration: ndarray) -> None:
    """Refuse spikes and durations in different units."""
    typical, last = float(np.median(duration)), float(np.abs(when).max())
    if when.size >= ENOUGH and last < EARLY * typical:
        found = f"all spikes lie within {last * 1e3:g} ms of 0, in trials of {typical * 1e3:g} ms"
        raise TrialsError(f"{found}; spike_time_ms is probably in s, and should be in ms.")
    if last * EARLY > duration.max():
        raise TrialsError(
            f"spikes run to {last * 1e3:g} ms, and trials last {typical * 1e3:g} ms; trial_duration_ms is probably in s, and should be in ms."
        )


def _check_pace(counts: ndarray, duration: ndarray) -> None:
    """Refuse a table all in another unit than ms, which the rate of the units that fire gives away."""
    rate, lasts = float(np.median(counts)) / duration.sum(), float(np.median(duration))
    if rate > FASTEST or (rate < SLOW and lasts > LONG):
        wanted, factor = ("s", 1e-3) if rate > FASTEST else ("us", 1e3)
        found = f"units fire at {rate:.3g} Hz in trials of {lasts:g} s"
        raise TrialsError(f"{found}, which is not plausible; times are probably in {wanted} ({rate * factor:.3g} Hz), and should be in ms.")


def _check(arrays: Mapping[str, ndarray]) -> None:
    for name in (*SPIKE, *TRIAL):
        if name not in arrays:
            found = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
            raise TrialsError(f"array {name!r} is missing (found {found}); a spike table holds {SPIKE_TABLE}.")
    for names, of in ((SPIKE, "spike"), (TRIAL, "trial")):
        shapes = [arrays[name].shape for name in names]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1:
            raise TrialsError(f"{', '.join(names)} have shapes {', '.join(map(str, shapes))}; they should have one entry a {of}.")
        if not shapes[0][0]:
            raise TrialsError(f"there is no {of} ({names[0]} is empty); a spike table has at least one.")
    for name in ("spike_time_ms", "trial_duration_ms"):
        if arrays[name].dtype.kind not in "iuf" or not np.isfinite(arrays[name]).all():
            raise TrialsError(f"array {name!r} holds {arrays[name].dtype}, not all of it finite numbers; it should hold milliseconds.")
    for name in ("spike_unit", "spike_trial", "n_units"):
        if name in arrays and (arrays[name].dtype.kind not in "iuf" or not np.array_equal(arrays[name], np.round(arrays[name]))):
            raise TrialsError(f"array {name!r} holds {arrays[name].dtype}; it should hold whole numbers.")
    if arrays.get("n_units", np.array(1)).size != 1:
        raise TrialsError(f"n_units has shape {arrays['n_units'].shape}; it should be one number.")
    if arrays["trial_duration_ms"].min() <= 0:
        raise TrialsError(f"trial_duration_ms is {arrays['trial_duration_ms'].min():g} ms somewhere; every trial should last.")


def by_trial(columns: Mapping[str, ndarray]) -> tuple[dict[str, ndarray], list[str]]:
    """Return a spike table, and findings, from columns with one entry per spike that repeat what describes a trial in all its rows.

    Args:
        columns: those of a spike table, by name, and others whose names begin with ``trial_``.

    Raises:
        TrialsError: a column is missing, or has different values within a trial.
    """
    for name in (*SPIKE, *TRIAL):
        if name not in columns:
            raise TrialsError(
                f"column {name!r} is missing (found {', '.join(columns)}); there should be {', '.join((*SPIKE, *TRIAL))}, one row a spike."
            )
    numbers, first, place = np.unique(columns["spike_trial"], return_index=True, return_inverse=True)
    said = {name: column for name, column in columns.items() if name.startswith("trial_")}
    for name, column in said.items():
        if (same := (column == column[first][place]) | (absent(column) & absent(column)[first][place])).all():
            continue
        raise TrialsError(f"column {name!r} says different things of trial {columns['spike_trial'][np.argmin(same)]:g}; it should say one.")
    gone = int(numbers[-1] - numbers[0]) + 1 - numbers.size if numbers.dtype.kind in "iuf" else 0
    findings = [f"{gone} numbers of trials between the first and the last have no spike, so that nothing is known of them."] if gone else []
    spikes = {name: columns[name] for name in SPIKE[:2]} | {"spike_trial": place.reshape(-1)}
    more = {name: columns[name][:1] for name in ("n_units", "bin_ms") if name in columns}
    return spikes | {name: column[first] for name, column in said.items()} | more, findings
