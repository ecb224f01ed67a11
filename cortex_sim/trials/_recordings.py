"""Reading and writing recordings: condition averages, spike tables and NWB become Trials, as simulations do."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy import ndarray

from cortex_sim.errors import FileProblem, NotFound, OptionError, TrialsError, suggestion
from cortex_sim.trials._arrays import SUFFIXES, Named, named_arrays
from cortex_sim.trials._averages import AVERAGES, DIRECTION, RATES, check_averages, from_averages
from cortex_sim.trials._behaviour_table import with_behaviour
from cortex_sim.trials._door import reading
from cortex_sim.trials._findings import more_conditions, noted
from cortex_sim.trials._long_table import from_long_table, is_long, trial_numbers
from cortex_sim.trials._nwb import read_nwb
from cortex_sim.trials._nwb_cut import Choice
from cortex_sim.trials._nwb_writing import write_nwb
from cortex_sim.trials._source import Recording, Source
from cortex_sim.trials._spike_table import SPIKE, SPIKE_TABLE, TRIAL, by_trial, from_spike_table, rows_kept
from cortex_sim.trials._trial_table import SPIKES, TRIAL_TABLE, from_trial_table
from cortex_sim.trials._trials import BIN, Trials

__all__ = ["DIRECTION", "EXPECTED", "is_nwb", "opened_arrays", "read", "read_nwb", "read_window", "write_nwb"]

SMOOTHED = 0.025  # s, standard deviation of the Gaussian by which spikes become averages
EXPECTED = f"{AVERAGES}; or spikes: {SPIKE_TABLE}; or, in a .mat, {TRIAL_TABLE}"
TAKES = {
    "NWB": ("align", "window", "condition", "where", "unless", "table", "bin"), "a spike table": ("window", "condition", "where", "unless", "bin"),
    "a spike table in .csv": ("window", "condition", "where", "unless", "bin", "behaviour"),
    "a table of trials": ("align", "window", "condition", "where", "unless", "table", "bin", "area"),
    "condition averages": ("window", "dims", "step"), "a long table of rates": ("window", "behaviour"), "saved trials": ("window",),
}  # fmt: skip
"""Which options apply to which kind of file."""


def read(
    path: Source,
    *,
    align: str | None = None,
    window: tuple[float, float] | None = None,
    condition: str | Sequence[str] | None = None,
    where: str | None = None,
    table: str = "trials",
    bin: float | None = None,
    dims: Sequence[str] | None = None,
    area: str | Sequence[str] | None = None,
    step: float | None = None,
    unless: str | None = None,
    behaviour: str | Path | None = None,
) -> Trials:
    """Return the trials of a recording, or of a simulation that was saved.

    =====================  ===========================================================================  ======
    file                   content                                                                      trials
    =====================  ===========================================================================  ======
    ``.npz``, ``.mat``     firing_rate, time_ms, direction_deg: see :func:`.from_averages`              rates
    ``.npz``, ``.mat``     spike_time_ms, spike_unit, spike_trial, ...: see :func:`.from_spike_table`   spikes
    ``.mat``               an array of structs, as PyalData has: see :func:`.from_trial_table`          spikes
    ``.csv``               a spike table with one row per spike: see :func:`.by_trial`                  spikes
    ``.csv``               one row per trial, time and unit: see :func:`.from_long_table`               rates
    ``.nc``                what :meth:`Trials.save` wrote                                               either
    ``.nwb``               units and trials: see :func:`read_nwb`; also HDF5 with another suffix, and   spikes
                           a folder, as NWB in Zarr (extra nwb). Of :func:`write_nwb`:                  either
    =====================  ===========================================================================  ======

    What is odd but may be right (units that never fire, more conditions than units, trials without a label, ...) is printed once and kept in
    the provenance, under "findings".

    Args:
        path: of the file; or a :class:`Recording`, which brings its own options, so that none may be given here.
        align: NWB: column of the table of trials whose time becomes 0; table of trials: the event, such as ``idx_go_cue``.
        window: start and stop around that time, s.
        condition: NWB and tables: the column that labels the trials, or several whose combinations label them.
        where: NWB and tables: which trials are read, for example ``success == 1 and target != 'left'``.
        table: NWB and ``.mat``: name of the table of trials.
        bin: NWB and tables: width of the bins in which spikes are counted on request, s; 10 ms if omitted.
        dims: averages: the axes of firing_rate, by default ("unit", "time", "condition").
        area: table of trials: the area whose spikes are read, such as "M1", or several; may be omitted if there is only one.
        step: averages without time_ms: sampling interval, s; time then starts at the first sample.
        unless: NWB and tables: which trials are left out, such as ``opto == 1``, with those that do not say.
        behaviour: ``.csv``: a second ``.csv`` with the hand, muscles and other series, a row for each trial and time: see :func:`.with_behaviour`.

    Raises:
        FileProblem: the file does not exist or has none of these formats; nothing in it is executed.
        TrialsError: something is missing, has the wrong shape, is not finite or is in another unit; or averages have too few conditions or units.
        OptionError: an option does not apply to this kind of file.
        NotFound: a requested column or table is not in the file.
    """
    given = {"align": align, "window": window, "condition": condition, "where": where, "table": None if table == "trials" else table, "bin": bin,
             "dims": dims, "area": area, "step": step, "unless": unless, "behaviour": behaviour}  # fmt: skip
    if isinstance(path, Recording):
        if twice := [name for name, value in given.items() if value is not None]:
            raise OptionError(f"{path}: {', '.join(twice)} is given beside a Recording, which has options of its own; give it there.")
        return read(path.path, **path.options)
    path = Path(path)
    for name, width in (("bin", bin), ("step", step)):
        if width is not None and not width > 0:
            raise OptionError(f"{name} {width!r} s should be above 0.")
    if not path.exists():
        raise FileProblem(f"{path}: there is no such file.")
    if is_nwb(path):
        with reading(path, "NWB"):
            _check_options("NWB", given)
            found = read_nwb(path, align=align, window=window, condition=condition, where=where, table=table, bin=bin, unless=unless)
            return _plausible(found)
    with reading(path, "a recording"):
        return _plausible(_saved(path, given) if path.suffix == ".nc" else _of_arrays(path, given))


def _plausible(trials: Trials) -> Trials:
    """Return trials that were checked for what is not plausible, with findings about what is odd.

    Raises:
        TrialsError: averages have too few conditions or units, or bins of another unit.
    """
    if "rate" in trials.dataset:
        check_averages(trials)
    if "rate" in trials.dataset or (column := trials.provenance.get("condition")) in (None, "number"):
        return trials
    conditions = len(set(trials.condition.tolist()))
    cure = f"If {column} is another for every trial, condition=... names the column of what trials have in common"
    cure += "; or units and trials are exchanged" if conditions == trials.shape[0] else ""
    return noted(trials, *more_conditions(trials.shape[2], conditions, cure))


def is_nwb(path: Path) -> bool:
    """Return whether a path is read as NWB: by its suffix, as HDF5 with a suffix of no other format, or as a folder, which is taken for Zarr."""
    return path.suffix == ".nwb" or path.is_dir() or (path.suffix not in {".nc", *SUFFIXES} and path.is_file() and h5py.is_hdf5(path))


def _check_options(kind: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value is not None and name not in TAKES[kind]:
            raise OptionError(f"{name} does not apply to {kind}; it takes {', '.join(TAKES[kind])}.")


def _saved(path: Path, given: dict[str, Any]) -> Trials:
    _check_options("saved trials", given)
    return _windowed(Trials.load(path), given)


def _windowed(trials: Trials, given: dict[str, Any]) -> Trials:
    return trials if given["window"] is None else trials.window(*given["window"])


def _of_arrays(path: Path, given: dict[str, Any]) -> Trials:
    named = named_arrays(path)
    arrays, made, findings = named.arrays, {"recording": path.name}, named.findings()
    if path.suffix == ".csv" and is_long(arrays):
        _check_options("a long table of rates", given)
        trials = from_long_table(arrays, made)
        return _windowed(_beside(trials, lambda: trial_numbers(arrays), given), given)
    columns = arrays
    if path.suffix == ".csv":
        arrays, more = by_trial(arrays)
        findings += more
    if (name := _table_of(named, given["table"])) is not None:
        _check_options("a table of trials", given)
        choice = Choice(given["align"], given["window"], given["condition"], given["where"], bin=given["bin"], unless=given["unless"])
        return noted(from_trial_table(named.tables[name], made | {"table": name}, choice, given["area"]), *named.findings(name))
    if "spike_time_ms" in arrays:
        _check_options("a spike table in .csv" if path.suffix == ".csv" else "a spike table", given)
        _check_plain(path, named, *SPIKE, *TRIAL)
        choice = Choice(condition=given["condition"], where=given["where"], bin=given["bin"], unless=given["unless"])
        trials = noted(from_spike_table(arrays, made, choice), *findings)
        return _windowed(_beside(trials, lambda: np.unique(columns["spike_trial"])[rows_kept(arrays, choice)], given), given)
    _check_plain(path, named, *RATES, "time_ms", "direction_deg")
    for name in ("firing_rate", *(["time_ms"] if given["step"] is None and "emg" not in arrays else [])):
        if name not in arrays and not (name == RATES[0] and RATES[1] in arrays):
            found = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
            raise TrialsError(f"array {name!r} is missing (found {found}); a recording holds {EXPECTED}.")
    _check_options("condition averages", given)
    return _windowed(noted(from_averages(arrays, made, given["dims"], step=given["step"]), *findings), given)


def _beside(trials: Trials, numbers: Callable[[], ndarray], given: dict[str, Any]) -> Trials:
    """Return the trials with the series of the table of behaviour that was asked for."""
    if given["behaviour"] is None:
        return trials
    path = Path(given["behaviour"])
    if path.suffix != ".csv":
        raise OptionError(f"behaviour {str(path)!r} should be a .csv, as the table of activity is.")
    return with_behaviour(trials, numbers(), path)


def opened_arrays(source: Recording) -> tuple[Named, str | None]:
    """Return the arrays of a file, and the name of the table of trials to read from it, if any.

    Raises:
        FileProblem: the file cannot be read.
        NotFound: the requested table does not exist, or several could be meant.
    """
    named = named_arrays(source.path)
    return named, _table_of(named, source.options.get("table"))


def _table_of(named: Named, asked: str | None) -> str | None:
    """Return the name of the table of trials to read, if any.

    Raises:
        NotFound: no table has the requested name, or there are several and none is requested.
    """
    if not named.tables or (asked is None and {"spike_time_ms", *RATES} & set(named.arrays)):
        return None
    known = [name for name, columns in named.tables.items() if any(field.endswith(SPIKES) for field in columns)]
    choices = known if asked is None else [name for name in named.tables if name == asked]
    if len(choices) == 1:
        return choices[0]
    if asked is None and not known:
        return None
    asks = "which table of trials is meant (table=...)" if asked is None else f"there is no table of trials {asked!r}"
    raise NotFound(f"{asks}? {suggestion(asked or '', known or named.tables)}")


def _check_plain(path: Path, named: Named, *names: str) -> None:
    """Check that the named arrays could be read."""
    for name in names:
        if name in named.left:
            why = f"array {name!r} {named.left[name]}; save it as plain numbers or texts"
            raise FileProblem(f"{path}: cannot be read as {path.suffix} without executing anything in it ({why}).")


def read_window(path: Source, start: float, stop: float, *, bin: float = BIN) -> Trials:
    """Return condition averages that cover all of a window around movement onset.

    Args:
        path: of the file.
        start: of the window, s.
        stop: of the window, s.
        bin: required width of the bins, s.

    Raises:
        FileProblem: the file cannot be read.
        TrialsError: it holds no averages, they do not cover the window to within half a bin, or bins have another width.
        OptionError: the recording asks for another window.
    """
    source = Recording.of(path)
    if np.abs(np.subtract(source.window((start, stop)), (start, stop))).max() > 1.01 * bin:
        raise OptionError(f"window does not apply: {start * 1e3:g} to {stop * 1e3:g} ms are looked at. Leave it out.")
    trials = averages(source, start, stop)
    if "rate" in trials.dataset and abs(trials.bin - bin) > 1e-6:
        raise TrialsError(f"{source}: bins are {trials.bin * 1e3:g} ms; {bin * 1e3:g} ms are needed beside what is simulated in such bins.")
    edge = trials.bin / 2
    if "rate" not in trials.dataset or trials.time[0] > start + edge or trials.time[-1] + trials.bin < stop - edge:
        raise TrialsError(f"{source}: should hold condition averages from {start * 1e3:g} to {stop * 1e3:g} ms about movement onset.")
    return trials


def averages(source: Source, start: float, stop: float) -> Trials:
    """Return condition averages of a recording: all that a file of averages holds, or those of spikes, smoothed by a Gaussian, in the window.

    Args:
        source: averages, or spikes of single trials, smoothed with a standard deviation of 25 ms.
        start: of the window that spikes are read in, s; trials that do not cover it are left out.
        stop: of that window, s.

    Raises:
        FileProblem: the file cannot be read.
        TrialsError: no trial covers the window, or a condition has no trial in which some unit was observed.
    """
    path = Recording.of(source)
    trials = read(path.whole)
    if "rate" in trials.dataset:
        return trials
    spikes = read(Recording(path.path, {**path.options, "window": (start, stop)}))
    made = spikes.smoothed(SMOOTHED).averaged()
    return noted(made, f"spikes of {spikes.shape[0]} trials in {made.shape[0]} conditions became averages, smoothed by {SMOOTHED * 1e3:g} ms.")


def binned_and_averaged(source: Source, usual: tuple[float, float], sd: float) -> tuple[Trials, Trials]:
    """Return single trials of a recording as rates in its bins, not smoothed, and their averages over trials, smoothed, in the same window.

    Args:
        source: spikes, or rates of single trials, which are not smoothed any more.
        usual: start and stop, s, if the recording asks for no window.
        sd: standard deviation of the Gaussian that spikes are smoothed with, s.

    Raises:
        FileProblem: the file cannot be read.
        TrialsError: it does not cover the window.
        OptionError: it holds condition averages: no condition has two trials.
    """
    path = Recording.of(source)
    whole = read(path).window(*path.window(usual))
    if len(set(whole.condition.tolist())) == whole.shape[0]:
        raise OptionError(f"{path}: no condition has two trials; single trials, such as spikes, are needed for the noise.")
    single, smoothed = (whole, whole) if "rate" in whole.dataset else (whole.binned(), whole.smoothed(sd))
    return single, smoothed.averaged()
