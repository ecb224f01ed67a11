"""Spike tables: one entry a spike and one entry a trial, in an ``.npz``."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.trials._trials import BIN, Trials

SPIKE = ("spike_time_ms", "spike_unit", "spike_trial")
TRIAL = ("trial_condition", "trial_duration_ms")
SPIKE_TABLE = "'spike_time_ms', 'spike_unit', 'spike_trial' (spike), 'trial_condition', 'trial_duration_ms' (trial) and, for silent units, 'n_units'"


def from_spike_table(arrays: Mapping[str, ndarray], path: Path, bin: float = BIN) -> Trials:
    """Make trials of a spike table; each starts at 0 and ends after its own duration.

    Args:
        arrays: spike_time_ms (ms from the start of the trial), spike_unit and spike_trial (positions, from 0), one entry a spike;
            trial_condition and trial_duration_ms, one entry a trial; n_units, a number, where units beyond the last spike_unit are silent.
        path: where they come from.
        bin: width of the bins that rates are counted in on request, s.

    Raises:
        TrialsError: an array is missing, misshapen or of another type, there is no spike, or a spike lies outside its trial.
    """
    _check(arrays)
    when, unit, trial = (arrays[name] for name in SPIKE)
    duration = arrays["trial_duration_ms"] / 1e3
    time = bin * np.arange(max(2, int(np.ceil(duration.max() / bin - 1e-6))))
    units = int(arrays["n_units"]) if "n_units" in arrays else int(unit.max()) + 1
    made = {"recording": path.name, "condition": "trial_condition"}
    spikes = (when / 1e3, unit, trial)
    return Trials.from_spikes(spikes, time, units=units, condition=arrays["trial_condition"], stop=duration, provenance=made)


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
        if name in arrays and arrays[name].dtype.kind not in "iu":
            raise TrialsError(f"array {name!r} holds {arrays[name].dtype}; it should hold whole numbers.")
    if arrays.get("n_units", np.array(1)).size != 1:
        raise TrialsError(f"n_units has shape {arrays['n_units'].shape}; it should be one number.")
    if arrays["trial_duration_ms"].min() <= 0:
        raise TrialsError(f"trial_duration_ms is {arrays['trial_duration_ms'].min():g} ms somewhere; every trial should last.")
