"""Condition averages: firing rates over (unit, time, condition) in a ``.npz`` or ``.mat`` file."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError, TrialsError
from cortex_sim.trials._arrays import vectors
from cortex_sim.trials._findings import more_conditions, noted
from cortex_sim.trials._labels import labels as labels_of
from cortex_sim.trials._trials import Trials

MIN_CONDITIONS, MIN_UNITS = 4, 6
DIMS = ("unit", "time", "condition")
DIRECTION = "direction of the reach (degrees)"
SHORTEST, LONGEST = 5e-4, 0.1  # s, of plausible bins
RATES = ("firing_rate", "emg")
AVERAGES = "'firing_rate' (unit, time, condition) in Hz, 'time_ms' (time) and, if there are directions, 'direction_deg' (condition)"


def from_averages(
    arrays: Mapping[str, ndarray], made: Mapping[str, object], dims: Sequence[str] | None = None, *, step: float | None = None
) -> Trials:
    """Return condition averages as trials, one per condition: of firing rates, or of muscle activity if there are no rates.

    Args:
        arrays: firing_rate (unit, time, condition) in Hz, or else emg in any unit; time_ms (time) and, if there are directions,
            direction_deg (condition).
        made: their provenance.
        dims: the axes of firing_rate, if in another order.
        step: sampling interval, s, of a file without time_ms; time then starts at the first sample.

    Raises:
        TrialsError: an array is not numeric, has the wrong shape or is not finite, or directions are in radians or occur twice.
        OptionError: dims are not unit, time and condition, or step is given beside time_ms.
    """
    name = next(key for key in RATES if key in arrays)
    arrays = vectors(arrays, "direction_deg", "time_ms")
    used = {key: arrays[key] for key in (name, "time_ms", "direction_deg") if key in arrays}
    for key, array in used.items():
        if array.dtype.kind not in "iuf":
            raise TrialsError(f"array {key!r} holds {array.dtype}; it should hold real numbers.")
    asked = DIMS if dims is None else tuple(dims)
    if sorted(asked) != sorted(DIMS):
        raise OptionError(f"dims {asked!r} should be 'unit', 'time' and 'condition', in the order in which the file has them.")
    rate, direction = used[name], used.get("direction_deg")
    time = _time(used, rate.shape[asked.index("time")] if rate.ndim == len(DIMS) else 0, step)
    if rate.ndim != 3 or time.ndim != 1 or rate.shape[asked.index("time")] != time.size:
        wanted = f"({', '.join(asked)}) and (time,)"
        raise TrialsError(f"{name} has shape {rate.shape} and time_ms {time.shape}; they should be {wanted}{_turned(rate, time, dims)}.")
    rate = np.transpose(rate, [asked.index(name) for name in ("condition", "time", "unit")])
    if direction is not None:
        _check_directions(direction, len(rate))
    origin = dict(made) | {"condition": "number" if direction is None else DIRECTION}
    origin |= {"recorded": "muscles"} if name == "emg" else {}
    origin |= {"clock": "first sample"} if "time_ms" not in arrays else {}
    stop, findings = _ends(rate, time)
    units_of = "Hz" if name == RATES[0] else "unit of the file"
    trials = noted(Trials.from_arrays(rate, time, condition=direction, stop=stop, units=units_of, provenance=origin), *findings)
    conditions, _, units = rate.shape
    cure = "If it is the other way round, give dims=('condition', 'time', 'unit')"
    return trials if dims is not None else noted(trials, *more_conditions(units, conditions, cure))


def _ends(rate: Float[ndarray, "condition time unit"], time: Float[ndarray, " time"]) -> tuple[Float[ndarray, " condition"] | None, list[str]]:
    """Return where conditions end that are NaN in every unit from some time on, and a finding; None if none is."""
    empty = np.isnan(rate).all(axis=2)
    lasts = time.size - np.cumprod(empty[:, ::-1], axis=1).sum(axis=1)
    if time.size < 2 or lasts.min() == time.size or not lasts.all():
        return None, []
    stop = np.append(time, 2 * time[-1] - time[-2])[lasts]
    short = int((lasts < time.size).sum())
    return stop, [f"{short} of {len(rate)} conditions end before the others, the first at {stop.min():g} s: they are NaN from then on."]


def _time(used: Mapping[str, ndarray], samples: int, step: float | None) -> Float[ndarray, " time"]:
    """Return the times of the samples, s."""
    if "time_ms" in used:
        if step is not None:
            raise OptionError("step does not apply where time_ms is there; leave it out.")
        return used["time_ms"].astype(float) / 1e3
    if step is None:
        raise TrialsError(f"array 'time_ms' is missing; store it, or say how far samples are apart, for example step=0.001 (s). There are {samples}.")
    return np.round(step * np.arange(samples), 12)


def _turned(rate: ndarray, time: ndarray, dims: Sequence[str] | None) -> str:
    places = [place for place, size in enumerate(rate.shape) if size == time.size]
    return f" (time is axis {places[0]}; dims=(...) names the axes)" if dims is None and len(places) == 1 and rate.ndim == 3 else ""


def _check_directions(direction: ndarray, conditions: int) -> None:
    if direction.shape != (conditions,):
        raise TrialsError(f"direction_deg has shape {direction.shape}; firing_rate has {conditions} conditions.")
    if not np.isfinite(direction).all():
        raise TrialsError(f"direction_deg {direction.tolist()} is not finite; leave it out if conditions are no directions.")
    turned = np.abs(direction.astype(float))
    if 0 < turned.max() <= 2 * np.pi * (1 + 1e-6) and not np.array_equal(turned, np.round(turned)):
        raise TrialsError(
            f"direction_deg lies between {direction.min():g} and {direction.max():g}; these are probably radians, and should be degrees."
        )
    if len(np.unique(np.round(labels_of(direction.astype(float)) % 360.0, 6) % 360.0)) < len(direction):
        raise TrialsError(f"direction_deg {direction.tolist()} names a direction more than once; give one average a condition.")


def check_averages(trials: Trials) -> None:
    """Check that averages suffice to train a network and to hold some out.

    Raises:
        TrialsError: there are too few conditions or units, nothing varies, or bins are implausibly short or long.
    """
    conditions, _, units = trials.shape
    if conditions < MIN_CONDITIONS:
        raise TrialsError(f"{conditions} conditions; at least {MIN_CONDITIONS} are needed to hold some out.")
    if units < MIN_UNITS:
        raise TrialsError(f"{units} units; at least {MIN_UNITS} are needed for six principal components.")
    there, rate = trials.observed[:, None, :] & trials.lasting[:, :, None], trials.dataset["rate"].values
    if not (rate.max(axis=(0, 1), where=there, initial=-np.inf) > rate.min(axis=(0, 1), where=there, initial=np.inf)).any():
        raise TrialsError("no unit varies over conditions and time; there is nothing to learn.")
    if not SHORTEST <= trials.bin <= LONGEST:
        wanted = f"{SHORTEST * 1e3:g} to {LONGEST * 1e3:g} ms; check that times are in the unit that their name says"
        if SHORTEST <= 1e3 * trials.bin <= LONGEST:
            wanted += " (they are probably in s)"
        raise TrialsError(f"bins are {trials.bin * 1e3:g} ms; they should be {wanted}.")
