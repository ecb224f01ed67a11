"""Behaviour recorded with the spikes: positions, velocities and other series of an NWB file, on the bins of its trials."""

from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import NotFound, TrialsError, suggestion
from cortex_sim.trials._checks import check_fits
from cortex_sim.trials._door import in_parts, whole
from cortex_sim.trials._nwb import opened
from cortex_sim.trials._nwb_cut import Choice, Cut, cut_trials

KINDS = {"TimeSeries", "SpatialSeries"}
Clock = Callable[[float, float], tuple[ndarray, int]]
AXES = 10  # more axes than this, and a hundred times fewer samples, are hardly a movement
PAUSE = 2.5  # median steps between samples; what lies in a longer pause is not interpolated


def nwb_series(path: str | Path, name: str | None, choice: Choice) -> xr.DataArray:
    """Return one series of an NWB file at the left edges of the bins of its trials; see :func:`.behaviour`.

    Only the samples of the trials are read.

    Args:
        path: of the file.
        name: of the series, alone or with its folders; may be omitted if there is only one.
        choice: as for :func:`.read_nwb`.

    Raises:
        NotFound: no series has this name, or several match; the message lists them.
        FileProblem: as :func:`read_nwb`.
        TrialsError: the series is not an array over time, does not have one time per sample, or has no sample in any trial.
    """
    with opened(path, name, behaviour=True) as file:
        series, cut = _series(file, name), cut_trials(file, choice)
        data = in_parts(series["data"])
        if data.ndim not in {1, 2} or data.dtype.kind not in "iuf":
            raise TrialsError(f"series {series.name!r} holds {data.dtype} of shape {data.shape}; numbers over (time,) or (time, axis) are read.")
        _check_axes(series)
        axes = data.size // max(1, len(data))
        check_fits(float(axes) * cut.time.size * cut.zero.size, f"{axes} axes of series {series.name!r} in {cut.zero.size} trials")
        clock = _clock(series, cut)
        trials = np.stack([_sampled(data, clock, cut, trial) for trial in range(cut.zero.size)])
        if np.isnan(trials).all():
            span = f"trials run from {(cut.zero + cut.time[0]).min():g} to {(cut.zero + cut.stop).max():g} s"
            raise TrialsError(f"series {series.name!r} has no sample in any trial, or none that is a number; {span}, on the clock of the session.")
        trials = trials * data.attrs.get("conversion", 1.0) + data.attrs.get("offset", 0.0)
        about = {"units": str(data.attrs.get("unit", "")), "series": series.name}
        return xr.DataArray(trials, dims=("trial", "time", "axis"), coords={"time": cut.time}, attrs=about)


def _series(file: h5py.File, name: str | None) -> h5py.Group:
    found: dict[str, h5py.Group] = {}

    def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group) and item.attrs.get("neurodata_type") in KINDS and "data" in item:
            found[item.name[1:]] = item

    for folder in ("processing", "acquisition"):
        if folder in file:
            file[folder].visititems(visit)
    chosen = [key for key in found if name is None or name in {key, key.rsplit("/", 1)[-1]}]
    if len(chosen) != 1:
        asked = "which series is meant" if name is None else f"there is no series {name!r}" if not chosen else f"{name!r} names {len(chosen)} series"
        raise NotFound(f"{asked}? {suggestion(name or '', found)}")
    return found[chosen[0]]


def _check_axes(series: h5py.Group) -> None:
    """Check that time is the first axis, as NWB requires, and that each sample has a timestamp."""
    shape, times = series["data"].shape, len(series["timestamps"]) if "timestamps" in series else None
    turned = len(shape) == 2 and (times == shape[1] != shape[0] or (times is None and shape[0] < AXES < shape[1] / AXES))
    if turned:
        raise TrialsError(f"series {series.name!r} has shape {shape}, which seems to be (axis, time); NWB has (time, axis). Write it the other way.")
    if times is not None and series["timestamps"].ndim != 1:
        raise TrialsError(f"timestamps of series {series.name!r} have shape {series['timestamps'].shape}; there should be one after the other.")
    if times is not None and times != shape[0]:
        raise TrialsError(f"series {series.name!r} has {times} timestamps for {shape[0]} samples; there should be one each.")


def _clock(series: h5py.Group, cut: Cut) -> Clock:
    """Return a function that gives, for a stretch of the session, the times of the samples around it and the index of the first."""
    size, low, high = len(series["data"]), (cut.zero + cut.time[0]).min(), (cut.zero + cut.time[-1]).max()
    if "timestamps" in series:
        stamps = in_parts(series["timestamps"])
        first, last = max(bisect_left(stamps, low) - 1, 0), bisect_left(stamps, high) + 2
        check_fits(float(last - first), f"{last - first} timestamps of series {series.name!r}")
        known = stamps[first:last]
        if not (known[1:] > known[:-1]).all():
            raise TrialsError(f"timestamps of series {series.name!r} do not rise throughout; sort them and remove what is not finite.")
        return lambda begin, end: _listed(known, first, begin, end)
    if "starting_time" not in series or not series["starting_time"].attrs.get("rate", 0) > 0:
        raise TrialsError(f"series {series.name!r} has neither timestamps nor a starting_time with a rate; it needs one of them.")
    start, rate = float(whole(series["starting_time"]).item()), float(series["starting_time"].attrs["rate"])
    return lambda begin, end: _regular(start, rate, size, begin, end)


def _listed(known: ndarray, first: int, begin: float, end: float) -> tuple[ndarray, int]:
    place = max(int(np.searchsorted(known, begin)) - 1, 0)
    return known[place : int(np.searchsorted(known, end)) + 2], first + place


def _regular(start: float, rate: float, size: int, begin: float, end: float) -> tuple[ndarray, int]:
    place, stop = max(int(np.floor((begin - start) * rate)) - 1, 0), min(int(np.ceil((end - start) * rate)) + 2, size)
    check_fits(float(stop - place), f"{stop - place} samples of one trial")
    return start + np.arange(place, stop) / rate, place


def _sampled(data: h5py.Dataset, clock: Clock, cut: Cut, trial: int) -> Float[ndarray, "time axis"]:
    """Return the samples of one trial, interpolated to its bins."""
    asked = cut.zero[trial] + cut.time
    times, place = clock(asked[0], asked[-1])
    if times.size < 2:
        return np.full((asked.size, 1 if data.ndim == 1 else data.shape[1]), np.nan)
    check_fits(float(times.size) * (data.size // len(data)), f"{times.size} samples of one trial, of shape {data.shape[1:]} each,")
    samples = data[place : place + times.size].reshape(times.size, -1).astype(float)
    before = np.clip(np.searchsorted(times, asked, side="right") - 1, 0, times.size - 2)
    nearest = np.minimum(np.abs(asked - times[before]), np.abs(asked - times[before + 1]))
    steps = np.diff(times)
    known = (steps[before] <= PAUSE * np.median(steps)) & (asked >= times[0]) & (asked <= times[-1]) | (nearest <= cut.edge)
    known &= cut.time < cut.stop[trial] - cut.edge
    return np.where(known[:, None], np.stack([np.interp(asked, times, axis) for axis in samples.T], axis=1), np.nan)
