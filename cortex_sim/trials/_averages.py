"""Condition averages: firing rates over (unit, time, condition) in an ``.npz``."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.trials._trials import Trials

MIN_CONDITIONS, MIN_UNITS = 4, 6
DIRECTION = "direction of the reach (degrees)"
SHORTEST, LONGEST = 5e-4, 0.1  # s, of plausible bins
AVERAGES = "'firing_rate' (unit, time, condition) in Hz, 'time_ms' (time) and, if there are directions, 'direction_deg' (condition)"


def from_averages(arrays: Mapping[str, ndarray], path: Path) -> Trials:
    """Make trials of condition averages, one trial a condition.

    Args:
        arrays: firing_rate (unit, time, condition) in Hz, time_ms (time) and, if there are directions, direction_deg (condition).
        path: where they come from.

    Raises:
        TrialsError: an array is no array of numbers, misshapen or not finite, or a direction is named twice.
    """
    used = {name: arrays[name] for name in ("firing_rate", "time_ms", "direction_deg") if name in arrays}
    for name, array in used.items():
        if array.dtype.kind not in "iuf":
            raise TrialsError(f"array {name!r} holds {array.dtype}; it should hold real numbers.")
    rate, time, direction = used["firing_rate"], used["time_ms"], used.get("direction_deg")
    if rate.ndim != 3 or time.ndim != 1 or rate.shape[1] != time.size:
        raise TrialsError(f"firing_rate has shape {rate.shape} and time_ms {time.shape}; they should be (unit, time, condition) and (time,).")
    if direction is not None:
        _check_directions(direction, rate.shape[2])
    made = {"recording": path.name, "condition": "number" if direction is None else DIRECTION}
    return Trials.from_arrays(np.moveaxis(rate, (2, 1, 0), (0, 1, 2)), time / 1e3, condition=direction, provenance=made)


def hand_of(arrays: Mapping[str, ndarray], path: Path) -> Float[ndarray, "condition time 2"]:
    """Give positions of the hand beside condition averages, in the unit of the file.

    Args:
        arrays: xhandposition and yhandposition (condition, time).
        path: where they come from.

    Raises:
        TrialsError: there are none, or they do not fit the averages.
    """
    names = ("xhandposition", "yhandposition")
    if missing := [name for name in names if name not in arrays]:
        raise TrialsError(f"{path}: has no {' and '.join(missing)} (condition, time), so there is no movement to decode.")
    x, y = (np.asarray(arrays[name], dtype=float) for name in names)
    expected = arrays["firing_rate"].shape[:0:-1]
    if x.shape != expected or y.shape != expected or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise TrialsError(f"{path}: positions of the hand have shapes {x.shape} and {y.shape}; they should be finite, {expected} (condition, time).")
    return np.stack([x, y], axis=2)


def _check_directions(direction: ndarray, conditions: int) -> None:
    if direction.shape != (conditions,):
        raise TrialsError(f"direction_deg has shape {direction.shape}; firing_rate has {conditions} conditions.")
    if not np.isfinite(direction).all():
        raise TrialsError(f"direction_deg {direction.tolist()} is not finite; leave it out if conditions are no directions.")
    if len(np.unique(direction)) < len(direction):
        raise TrialsError(f"direction_deg {direction.tolist()} names a direction more than once; give one average a condition.")


def check_averages(trials: Trials) -> None:
    """Check that averages can teach a network and be held out.

    Raises:
        TrialsError: there are too few conditions or units, nothing varies, or bins are too short or long to be bins.
    """
    conditions, _, units = trials.rate.shape
    if conditions < MIN_CONDITIONS:
        raise TrialsError(f"{conditions} conditions; at least {MIN_CONDITIONS} are needed to hold some out.")
    if units < MIN_UNITS:
        raise TrialsError(f"{units} units; at least {MIN_UNITS} are needed for six principal components.")
    if not np.ptp(trials.rate, axis=(0, 1)).any():
        raise TrialsError("no unit varies over conditions and time; there is nothing to learn.")
    if not SHORTEST <= trials.bin <= LONGEST:
        wanted = f"{SHORTEST * 1e3:g} to {LONGEST * 1e3:g} ms; check that times are in the unit that their name says"
        raise TrialsError(f"bins are {trials.bin * 1e3:g} ms; they should be {wanted}.")
