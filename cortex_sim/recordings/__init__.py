"""Recordings in: condition averages become Trials by the same door as simulations."""

import zipfile
from pathlib import Path

import numpy as np
from numpy import ndarray

from cortex_sim.errors import FileProblem, TrialsError
from cortex_sim.task import BIN
from cortex_sim.trials import Trials

MIN_CONDITIONS, MIN_UNITS = 4, 6
DIRECTION = "direction of the reach (degrees)"
EXPECTED = "'firing_rate' (unit, time, condition) in Hz, 'time_ms' (time) and, if there are directions, 'direction_deg' (condition)"


def read(path: str | Path) -> Trials:
    """Read condition averages: an ``.npz`` with firing_rate, time_ms and direction_deg, or a netCDF that :meth:`Trials.save` wrote.

    Raises:
        FileProblem: there is no such file, or it is neither; nothing in it is executed.
        TrialsError: an array is missing, misshapen or not finite, the bins are not 10 ms, or there are too few conditions or units.
    """
    path = Path(path)
    if not path.is_file():
        raise FileProblem(f"{path}: there is no such file.")
    try:
        trials = Trials.load(path) if path.suffix == ".nc" else _from_npz(path)
        _check(trials)
    except TrialsError as problem:
        raise TrialsError(f"{path}: {problem}") from None
    return trials


def _from_npz(path: Path) -> Trials:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("firing_rate", "time_ms", "direction_deg") if name in file.files}
            found = ", ".join(f"{name} {file[name].shape}" for name in file.files)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, TypeError, AttributeError) as problem:
        raise FileProblem(f"{path}: cannot be read as .npz without executing anything in it ({problem}).") from None
    for name in ("firing_rate", "time_ms"):
        if name not in arrays:
            raise TrialsError(f"array {name!r} is missing (found {found}); a recording holds {EXPECTED}.")
    for name, array in arrays.items():
        if array.dtype.kind not in "iuf":
            raise TrialsError(f"array {name!r} holds {array.dtype}; it should hold real numbers.")
    return _assemble(arrays["firing_rate"], arrays["time_ms"], arrays.get("direction_deg"), path)


def _assemble(rate: ndarray, time: ndarray, direction: ndarray | None, path: Path) -> Trials:
    if rate.ndim != 3 or time.ndim != 1 or rate.shape[1] != time.size:
        raise TrialsError(f"firing_rate has shape {rate.shape} and time_ms {time.shape}; they should be (unit, time, condition) and (time,).")
    if direction is not None and direction.shape != (rate.shape[2],):
        raise TrialsError(f"direction_deg has shape {direction.shape}; firing_rate has {rate.shape[2]} conditions.")
    if direction is not None and not np.isfinite(direction).all():
        raise TrialsError(f"direction_deg {direction.tolist()} is not finite; leave it out if conditions are no directions.")
    if direction is not None and len(np.unique(direction)) < len(direction):
        raise TrialsError(f"direction_deg {direction.tolist()} names a direction more than once; give one average a condition.")
    made = {"recording": path.name, "condition": "number" if direction is None else DIRECTION}
    return Trials.from_arrays(np.moveaxis(rate, (2, 1, 0), (0, 1, 2)), time / 1e3, condition=direction, provenance=made)


def _check(trials: Trials) -> None:
    conditions, _, units = trials.rate.shape
    if conditions < MIN_CONDITIONS:
        raise TrialsError(f"{conditions} conditions; at least {MIN_CONDITIONS} are needed to hold some out.")
    if units < MIN_UNITS:
        raise TrialsError(f"{units} units; at least {MIN_UNITS} are needed for six principal components.")
    if not np.ptp(trials.rate, axis=(0, 1)).any():
        raise TrialsError("no unit varies over conditions and time; there is nothing to learn.")
    if abs(trials.bin - BIN) > 1e-6:
        raise TrialsError(f"bins are {trials.bin * 1e3:g} ms; they should be {BIN * 1e3:g} ms. Resample the rates first.")
