"""Recordings in and out: condition averages, spike tables and NWB become Trials by the same door as simulations."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import FileProblem, OptionError, TrialsError
from cortex_sim.trials._averages import AVERAGES, DIRECTION, check_averages, from_averages, hand_of
from cortex_sim.trials._nwb import read_nwb
from cortex_sim.trials._nwb_behaviour import behaviour
from cortex_sim.trials._nwb_writing import write_nwb
from cortex_sim.trials._spike_table import SPIKE_TABLE, from_spike_table
from cortex_sim.trials._trials import BIN, Trials

__all__ = ["DIRECTION", "EXPECTED", "behaviour", "hand", "read", "read_nwb", "read_window", "write_nwb"]

EXPECTED = f"{AVERAGES}; or spikes: {SPIKE_TABLE}"


def read(
    path: str | Path,
    *,
    align: str | None = None,
    window: tuple[float, float] | None = None,
    condition: str | Sequence[str] | None = None,
    where: str | None = None,
    table: str = "trials",
    bin: float | None = None,
) -> Trials:
    """Read a recording, or a simulation that was written.

    ========  ===========================================================================  ======
    file      content                                                                      trials
    ========  ===========================================================================  ======
    ``.npz``  firing_rate, time_ms, direction_deg: see :func:`.from_averages`              rates
    ``.npz``  spike_time_ms, spike_unit, spike_trial, ...: see :func:`.from_spike_table`   spikes
    ``.nc``   what :meth:`Trials.save` wrote                                               either
    ``.nwb``  units and trials: see :func:`read_nwb`; so is HDF5 of another name           spikes
    ========  ===========================================================================  ======

    Args:
        path: of the file.
        align: NWB only: column of the table of trials whose moment becomes 0.
        window: NWB only: from where to where about that moment, s.
        condition: NWB only: column that labels the trials.
        where: NWB only: which rows of it are trials, for example ``success == 1``.
        table: NWB only: name of the table of trials.
        bin: NWB and spike tables: width of the bins that spikes are counted in on request, s; 10 ms if left out.

    Raises:
        FileProblem: there is no such file, or it is none of these; nothing in it is executed.
        TrialsError: something is missing, misshapen or not finite; or averages are of too few conditions or units.
        OptionError: an option of NWB is given for another file.
        NotFound: a column or table that is not in the file.
    """
    path = Path(path)
    if bin is not None and not (np.isfinite(bin) and bin > 0):
        raise OptionError(f"bin {bin!r} s should be above 0.")
    if not path.is_file():
        raise FileProblem(f"{path}: there is no such file.")
    if path.suffix == ".nwb" or (path.suffix not in {".nc", ".npz"} and h5py.is_hdf5(path)):
        return read_nwb(path, align=align, window=window, condition=condition, where=where, table=table, bin=bin)
    if (align, window, condition, table) != (None, None, None, "trials"):
        raise OptionError(f"{path}: align, window, condition and table choose from an NWB file; leave them out for {path.suffix or 'this file'}.")
    try:
        trials = Trials.load(path) if path.suffix == ".nc" else _from_npz(path, bin)
        if bin is not None and (path.suffix == ".nc" or "rate" in trials.dataset):
            raise OptionError(f"{path}: bin applies to spikes that are cut into trials; these have bins of {trials.bin * 1e3:g} ms already.")
        if "rate" in trials.dataset:
            check_averages(trials)
    except TrialsError as problem:
        raise TrialsError(f"{path}: {problem}") from None
    return trials


def hand(path: str | Path) -> Float[ndarray, "condition time 2"]:
    """Read positions of the hand that lie beside condition averages in an ``.npz``, in the unit of the file.

    Raises:
        FileProblem: the file cannot be read.
        TrialsError: there are none.
    """
    return hand_of(_arrays(Path(path)), Path(path))


def read_window(path: str | Path, start: float, stop: float) -> Trials:
    """Read condition averages that cover a window about movement onset, whole.

    Args:
        path: of the file.
        start: of the window, s.
        stop: of the window, s.

    Raises:
        FileProblem: the file cannot be read.
        TrialsError: it holds no averages, or they do not cover the window; by half a bin they may miss it.
    """
    trials = read(path)
    edge = trials.bin / 2
    if "rate" not in trials.dataset or trials.time[0] > start + edge or trials.time[-1] + trials.bin < stop - edge:
        raise TrialsError(f"{path}: should hold condition averages from {start * 1e3:g} to {stop * 1e3:g} ms about movement onset.")
    return trials


def _from_npz(path: Path, bin: float | None = None) -> Trials:
    arrays = _arrays(path)
    if "spike_time_ms" in arrays:
        return from_spike_table(arrays, path, bin or BIN)
    for name in ("firing_rate", "time_ms"):
        if name not in arrays:
            found = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
            raise TrialsError(f"array {name!r} is missing (found {found}); a recording holds {EXPECTED}.")
    return from_averages(arrays, path)


def _arrays(path: Path) -> dict[str, ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, TypeError, AttributeError) as problem:
        raise FileProblem(f"{path}: cannot be read as .npz without executing anything in it ({problem}).") from None
