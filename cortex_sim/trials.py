"""Trials: what a model did or an electrode recorded, as labelled arrays that are known to be well formed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import FileProblem, TrialsError
from cortex_sim.storage import whole_file

DIMENSIONS = ("trial", "time", "unit")


class Trials:
    """Rates over (trial, time, unit) with condition labels, units and provenance.

    A thin, checked wrapper: ``dataset`` is an ordinary :class:`xarray.Dataset` with the variable ``rate`` (Hz, or the normalised
    unit that its ``units`` attribute names), the coordinate ``time`` in seconds and the coordinate ``condition`` along ``trial``.

    Args:
        dataset: to be checked; not copied.

    Raises:
        TrialsError: what is missing, misshapen, not finite or not evenly spaced.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        if "rate" not in dataset:
            raise TrialsError(f"trials: variables are {sorted(map(str, dataset.data_vars))}; one of them should be 'rate'.")
        rate = dataset["rate"]
        if rate.dims != DIMENSIONS:
            raise TrialsError(f"trials: rate has dimensions {rate.dims}; it should have {DIMENSIONS}.")
        for name, dimension in (("time", "time"), ("condition", "trial")):
            if name not in dataset.coords or dataset[name].dims != (dimension,):
                raise TrialsError(f"trials: coordinate {name!r} along {dimension!r} is missing.")
        _check_numbers(rate.values, dataset["time"].values)
        self.dataset = dataset

    @classmethod
    def from_arrays(
        cls, rate: Float[ndarray, "trial time unit"], time: Float[ndarray, " time"], *,
        condition: Sequence[Any] | ndarray | None = None, units: str = "Hz", provenance: Mapping[str, Any] | None = None,
    ) -> "Trials":
        """Build trials from plain arrays.

        Args:
            rate: activity, in ``units``.
            time: left edges of the bins, s.
            condition: a label a trial; numbered from 0 if left out.
            units: of the rates.
            provenance: anything JSON can hold: model, task, seed, versions.

        Raises:
            TrialsError: the shapes disagree, or a number is not finite.
        """
        rate, time = np.asarray(rate, dtype=float), np.asarray(time, dtype=float)
        if rate.ndim != 3:
            raise TrialsError(f"rates have shape {rate.shape}; they should be (trial, time, unit).")
        if rate.shape[1] != time.size:
            raise TrialsError(f"rates has {rate.shape[1]} samples per trial but time has {time.size}; rates is (trial, time, unit).")
        labels = np.arange(len(rate)) if condition is None else np.asarray(condition)
        if labels.shape != (len(rate),):
            raise TrialsError(f"condition has shape {labels.shape} but there are {len(rate)} trials; give one label a trial.")
        dataset = xr.Dataset(
            {"rate": (DIMENSIONS, rate, {"units": units, "long_name": "firing rate"})},
            coords={
                "time": ("time", time, {"units": "s", "long_name": "time from the go cue or movement onset"}),
                "condition": ("trial", labels),
                "unit": np.arange(rate.shape[2]),
            },
            attrs={"provenance": json.dumps(provenance or {}, sort_keys=True)},
        )
        return cls(dataset)

    @property
    def rate(self) -> Float[ndarray, "trial time unit"]:
        """Activity, in the unit that ``dataset.rate.attrs['units']`` names."""
        return self.dataset["rate"].values

    @property
    def time(self) -> Float[ndarray, " time"]:
        """Left edges of the bins, s."""
        return self.dataset["time"].values

    @property
    def bin(self) -> float:
        """Width of a bin, s."""
        return float(self.time[1] - self.time[0])

    @property
    def condition(self) -> ndarray:
        """Label of each trial."""
        return self.dataset["condition"].values

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the trials come from."""
        return json.loads(self.dataset.attrs.get("provenance", "{}"))

    def window(self, start: float, stop: float) -> "Trials":
        """Keep the bins whose left edge lies in [start, stop), in s.

        Raises:
            TrialsError: fewer than two bins would be left.
        """
        edge = self.bin / 4
        kept = (self.time >= start - edge) & (self.time < stop - edge)
        if kept.sum() < 2:
            raise TrialsError(f"window {start:g} to {stop:g} s holds {kept.sum()} bins; time runs from {self.time[0]:g} to {self.time[-1]:g} s.")
        return Trials(self.dataset.isel(time=kept))

    def select(self, trials: Sequence[int] | ndarray) -> "Trials":
        """Keep these trials, by position and in this order."""
        return Trials(self.dataset.isel(trial=np.asarray(trials, dtype=int)))

    def units(self, units: Sequence[int] | ndarray) -> "Trials":
        """Keep these units, by position and in this order."""
        return Trials(self.dataset.isel(unit=np.asarray(units, dtype=int)))

    def save(self, path: str | Path) -> None:
        """Write netCDF-4, whole or not at all.

        Raises:
            FileProblem: the folder cannot be written or the disk is full.
        """
        with whole_file(Path(path)) as temporary:
            encoding = {name: {"zlib": True, "complevel": 4} for name in self.dataset.data_vars}
            self.dataset.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)

    @classmethod
    def load(cls, path: str | Path) -> "Trials":
        """Read trials that :meth:`save` wrote; nothing in the file is executed.

        Raises:
            FileProblem: there is no such file, or it is no netCDF.
            TrialsError: it does not hold well-formed trials.
        """
        if not Path(path).is_file():
            raise FileProblem(f"{path}: there is no such file.")
        try:
            with xr.open_dataset(Path(path), engine="h5netcdf") as dataset:
                return cls(dataset.load())
        except OSError as problem:
            raise FileProblem(f"{path}: cannot be read as netCDF ({problem.strerror or problem}).") from None

    def __repr__(self) -> str:
        trials, bins, units = self.rate.shape
        span = f"{self.time[0]:g} to {self.time[-1] + self.bin:g} s"
        return f"<Trials: {trials} trials, {len(set(self.condition.tolist()))} conditions, {bins} bins ({span}), {units} units>"


def derangement(count: int, rng: np.random.Generator) -> Int[ndarray, " place"]:
    """Draw an order in which nothing stays at its own place, where there is more than one place."""
    order = rng.permutation(count)
    fixed = np.flatnonzero(order == np.arange(count))
    if fixed.size and count > 1:
        chosen = fixed if fixed.size > 1 else np.append(fixed, (fixed + 1) % count)
        order[chosen] = np.roll(order[chosen], 1)
    return order


def _check_numbers(rate: ndarray, time: ndarray) -> None:
    if 0 in rate.shape or time.size < 2:
        raise TrialsError(f"trials: rate has shape {rate.shape}; there should be at least one trial, two bins and one unit.")
    if not np.isfinite(rate).all():
        trial, sample, unit = (int(axis[0]) for axis in np.nonzero(~np.isfinite(rate)))
        count = int((~np.isfinite(rate)).sum())
        raise TrialsError(f"trials: rate is not finite at {count} places, first at trial {trial}, bin {sample}, unit {unit}; remove or fill them.")
    steps = np.diff(time)
    if not np.isfinite(time).all() or steps.min() <= 0 or np.ptp(steps) > 1e-6 * steps.max() + 1e-9:
        raise TrialsError(f"trials: time steps lie between {steps.min():g} and {steps.max():g} s; bins should be even and rising.")
