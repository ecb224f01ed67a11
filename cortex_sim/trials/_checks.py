"""Checks that arrays are well-formed trials; errors say what is wrong."""

import json
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.runtime import hidden, read_only, shown, too_large
from cortex_sim.trials._labels import storable

SPIKES = ("spike_time", "spike_unit", "spike_trial")
SLOW, LONG = 0.1, 100.0  # Hz, s: units that slow in trials that long are in another unit of time than is asked for
NUMBER = 24  # bytes of one while it is read: itself, and copies that are made to check and turn it
COARSE, COARSEST = 0.5, 5.0  # s: bins so wide, in trials longer than LONG or whatever they last, are probably meant in ms


def check_fits(numbers: float, what: str) -> None:
    """Check, before anything is allocated, that what a file or an option asks for fits in memory.

    Args:
        numbers: how many numbers there would be.
        what: they are, for the message.

    Raises:
        TrialsError: they would take more than the share of memory allowed for one object.
    """
    if problem := too_large(NUMBER * numbers, what):
        raise TrialsError(f"{problem}.")


def fits(numbers: float) -> bool:
    """Whether :func:`check_fits` takes so many."""
    return too_large(NUMBER * numbers, "") is None


def check_rate(
    rate: Float[ndarray, "trial time unit"], observed: Bool[ndarray, "trial unit"] | None = None, lasting: Bool[ndarray, "trial time"] | None = None
) -> None:
    """Check that rates are finite wherever they were observed and their trial lasts.

    Raises:
        TrialsError: one is not, or there are too few trials, bins or units.
    """
    if 0 in rate.shape or rate.shape[1] < 2:
        raise TrialsError(f"trials: rate has shape {rate.shape}; there should be at least one trial, two bins and one unit.")
    wrong = ~np.isfinite(rate)
    if observed is not None:
        wrong &= observed[:, None, :]
    if lasting is not None:
        wrong &= lasting[:, :, None]
    if wrong.any():
        trial, sample, unit = np.argwhere(wrong)[0]
        where = f"{int(wrong.sum())} places, first at trial {trial}, bin {sample}, unit {unit}"
        raise TrialsError(f"trials: rate is not finite at {where}; remove or fill them.")


def provenance_of(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the provenance of trials, which an attribute holds as JSON.

    Raises:
        TrialsError: it is not JSON, or not an object.
    """
    text = dataset.attrs.get("provenance", "{}")
    try:
        said = json.loads(text)
    except (TypeError, ValueError, RecursionError) as problem:
        raise TrialsError(f"trials: attribute 'provenance' is no JSON ({problem}); it should be an object.") from None
    if not isinstance(said, dict):
        raise TrialsError(f"trials: attribute 'provenance' holds {shown(said)}; it should be an object.")
    return said


def check_observed(dataset: xr.Dataset) -> None:
    """Check the mask of observed units.

    Raises:
        TrialsError: its axes are not (trial, unit), or it is not boolean.
    """
    mask = dataset["observed"]
    if mask.dims != ("trial", "unit") or mask.dtype != bool:
        raise TrialsError(f"trials: 'observed' holds {mask.dtype} along {mask.dims}; it should hold True and False along ('trial', 'unit').")


def check_time(time: Float[ndarray, " time"], coarse: float = 0.0) -> None:
    """Check that bins are evenly spaced and increasing, to within the round-off of numbers of their size.

    Args:
        time: left edges, s.
        coarse: one unit in the last place of the numbers that the times were made from, s, if larger than that of the times.

    Raises:
        TrialsError: they are not, or there are fewer than two.
    """
    if time.size < 2:
        raise TrialsError(f"trials: time has {time.size} bins; there should be at least one trial, two bins and one unit.")
    steps = np.diff(time)
    if np.isfinite(time).all():
        allowed = 1e-6 * steps.max() + 1e-9 + 2 * max(coarse, float(np.spacing(np.abs(time).max())))
    if not np.isfinite(time).all() or steps.min() <= 0 or np.ptp(steps) > allowed:
        raise TrialsError(f"trials: time steps lie between {steps.min():g} and {steps.max():g} s; bins should be even and rising.")


def check_clock(time: Float[ndarray, " time"]) -> None:
    """Check that times, which are in s, were not given in ms.

    Raises:
        TrialsError: bins are 5 s wide or wider, or half a second or more in trials of 100 s or more.
    """
    step, lasts = float(time[1] - time[0]), float(2 * time[-1] - time[-2] - time[0])
    if step >= COARSEST or (step >= COARSE and lasts >= LONG):
        found = f"trials: bins of {step:g} s in trials of {lasts:g} s"
        raise TrialsError(f"{found} are not plausible; times are probably in ms ({step:g} ms), and should be in s: divide them by 1000.")


def bins(found: Any) -> Float[ndarray, " time"]:
    """Return left edges of even bins in float64; if given in lower precision (float32), with its round-off removed.

    Raises:
        TrialsError: they are not numbers or, in lower precision, are uneven or not increasing.
    """
    time = numbers("time", found)
    if time.ndim != 1:
        raise TrialsError(f"trials: time has shape {time.shape}; it should be one left edge a bin.")
    given = np.asarray(found)
    if given.dtype.kind != "f" or given.dtype.itemsize >= 8 or time.ndim != 1 or time.size < 2 or not np.isfinite(time).all():
        return time
    coarse = float(np.spacing(np.abs(given).max()))
    check_time(time, coarse)
    step = (time[-1] - time[0]) / (time.size - 1)
    digits = int(np.ceil(-np.log10(coarse)))  # a step of 0.01 is not 0.0099999993
    return read_only(np.round(time[0], digits) + np.round(step, digits) * np.arange(time.size))


def check_spikes(dataset: xr.Dataset) -> None:
    """Check that spikes lie within their trials and belong to existing units.

    Raises:
        TrialsError: a spike does not, or a variable is missing.
    """
    for name in SPIKES:
        if name not in dataset or dataset[name].dims != ("spike",):
            raise TrialsError(f"trials: variable {name!r} along 'spike' is missing; spikes have {', '.join(SPIKES)}.")
    if "unit" not in dataset.sizes or "stop" not in dataset.coords or dataset["stop"].dims != ("trial",):
        raise TrialsError("trials: spikes need the coordinates 'unit' along 'unit' and 'stop' along 'trial'.")
    trials, units = dataset.sizes["trial"], dataset.sizes["unit"]
    if not trials or not units:
        raise TrialsError(f"trials: {trials} trials and {units} units; there should be at least one of each.")
    when, unit, trial = (dataset[name].values for name in SPIKES)
    check_places(unit, "unit", units)
    check_places(trial, "trial", trials)
    start, stop = dataset["time"].values[0], dataset["stop"].values
    edge = 1e-9 + 4 * float(np.spacing(max(abs(start), np.abs(stop).max())))
    inside = (when >= start - edge) & (when <= stop[trial] + edge)
    if not inside.all():
        worst = int(np.argmin(inside))
        where = f"trial {trial[worst]}, {start:g} to {stop[trial[worst]]:g} s"
        raise TrialsError(f"trials: a spike of unit {unit[worst]} at {when[worst]:g} s lies outside its {where}.")


def check_places(places: ndarray, what: str, count: int) -> None:
    """Check that spikes belong to existing units or trials.

    Raises:
        TrialsError: a spike does not.
    """
    if places.size and (wrong := places != np.round(places)).any():
        raise TrialsError(f"trials: spikes name {what} {places[wrong][0]:g}; {what}s are numbered from 0, in whole numbers.")
    if places.size and not (places.min() >= 0 and places.max() < count):
        raise TrialsError(f"trials: spikes name {what}s {places.min():.15g} to {places.max():.15g}; there are {count}, numbered from 0.")


def numbers(name: str, found: Any) -> Float[ndarray, "..."]:
    """Return a value as an array of numbers.

    Raises:
        TrialsError: it is not an array of numbers.
    """
    if masked := int(hidden(found).sum()):
        raise TrialsError(f"{name}: {masked} entries are masked; what is missing is no number. Leave it out.")
    try:
        plain = np.asarray(found)
        if plain.dtype.kind in "cUSV":
            raise ValueError(plain.dtype)
        return read_only(np.asarray(plain, dtype=float))
    except (TypeError, ValueError):
        raise TrialsError(f"{name}: should be a full array of numbers, rows of one length (got {shown(found)}).") from None


def one_each(name: str, found: Any, count: int) -> ndarray:
    """Return one text for each of so many units.

    Raises:
        TrialsError: there are more or fewer.
    """
    texts = np.asarray(found, dtype=str)
    if texts.shape != (count,):
        raise TrialsError(f"trials: {name} has shape {texts.shape}; it should hold one name for each of {count} units.")
    return storable(texts)


def written(provenance: Mapping[str, Any] | None) -> str:
    """Return provenance as JSON.

    Raises:
        TrialsError: JSON cannot hold it.
    """
    try:
        return json.dumps(provenance or {}, sort_keys=True)
    except (TypeError, ValueError) as problem:
        raise TrialsError(f"trials: provenance should be what JSON can hold ({problem}).") from None


def whole_number(name: str, found: Any) -> int:
    """Return a whole number.

    Raises:
        TrialsError: it is none.
    """
    if not isinstance(found, Integral) or isinstance(found, bool):
        raise TrialsError(f"trials: {name} should be a whole number (got {shown(found)}).")
    return int(found)


def ends(found: Any, trials: int) -> Float[ndarray, " trial"]:
    """Return where trials end, s.

    Raises:
        TrialsError: it is not one finite number a trial.
    """
    stop = numbers("stop", found)
    if stop.shape != (trials,) or not np.isfinite(stop).all():
        raise TrialsError(f"trials: stop should hold a finite number for each of {trials} trials, s (got {shown(found)}).")
    return stop


def three(spikes: Any) -> Any:
    """Return the times, units and trials of spikes.

    Raises:
        TrialsError: they are not a sequence of three.
    """
    if not isinstance(spikes, Sequence) or isinstance(spikes, str) or len(spikes) != 3:
        raise TrialsError(f"spikes: should be times, units and trials (got {shown(spikes)}).")
    return spikes
