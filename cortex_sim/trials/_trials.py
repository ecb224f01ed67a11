"""Trials: what a model did or an electrode recorded, as labelled arrays that are known to be well formed."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.runtime import content_key, html_facts, html_heat, positions, read_only, write_bytes
from cortex_sim.trials._checks import (
    SPIKES,
    bins,
    check_fits,
    check_labels,
    check_observed,
    check_places,
    check_rate,
    check_spikes,
    check_time,
    numbers,
    provenance_of,
    storable,
    three,
)
from cortex_sim.trials._checks import labels as labels_of
from cortex_sim.trials._door import netcdf, reading
from cortex_sim.trials._findings import noted
from cortex_sim.trials._moments import smoothed_at_edges

DIMENSIONS = ("trial", "time", "unit")
BIN = 10e-3  # s, width of bins where nothing says otherwise
FEW, ROWS = 6, 80  # conditions named and units drawn in a notebook
CELLS = 1 << 28  # entries of a dense array of rates beyond which binning is refused: 2 GiB


class Spikes(NamedTuple):
    """Every spike once, in order of trial, time and unit.

    Attributes:
        time: s, on the clock of the trial.
        unit: position of the unit that fired.
        trial: position of the trial.
    """

    time: Float[ndarray, " spike"]
    unit: Int[ndarray, " spike"]
    trial: Int[ndarray, " spike"]


class Trials:
    """Rates over (trial, time, unit), or the spikes themselves, with condition labels, units and provenance.

    A thin, checked wrapper: ``dataset`` is an ordinary :class:`xarray.Dataset` with the coordinate ``time`` (left edges of even bins, s)
    and the coordinate ``condition`` along ``trial``, and at least one of

    * ``rate`` (trial, time, unit), in Hz or the unit that its ``units`` attribute names;
    * ``spike_time`` (s), ``spike_unit`` and ``spike_trial`` (positions) along the ragged dimension ``spike``, one entry per spike, with the
      coordinate ``stop`` along ``trial``: where each trial ends, s.

    The coordinate ``observed`` (trial, unit), if there is one, says which units were recorded in which trials. Unrecorded activity is not 0:
    averages leave it out, and ``rate``, ``spikes`` and ``counts`` raise an error until it is removed (:func:`.complete`).

    Args:
        dataset: to be checked; not copied.

    Raises:
        TrialsError: something is missing, has the wrong shape, is not finite or is not evenly spaced.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        if not isinstance(dataset, xr.Dataset):
            raise TrialsError(f"trials: {type(dataset).__name__} is no xarray.Dataset; make trials with Trials.from_arrays or Trials.from_spikes.")
        if "rate" not in dataset and "spike_time" not in dataset:
            raise TrialsError(f"trials: variables are {sorted(map(str, dataset.data_vars))}; one of them should be 'rate' or 'spike_time'.")
        for name, dimension in (("time", "time"), ("condition", "trial")):
            if name not in dataset.coords or dataset[name].dims != (dimension,):
                raise TrialsError(f"trials: coordinate {name!r} along {dimension!r} is missing.")
        if "observed" in dataset.coords:
            check_observed(dataset)
        if "rate" in dataset:
            if dataset["rate"].dims != DIMENSIONS:
                raise TrialsError(f"trials: rate has dimensions {dataset['rate'].dims}; it should have {DIMENSIONS}.")
            check_rate(dataset["rate"].values, dataset["observed"].values if "observed" in dataset.coords else None)
        check_time(dataset["time"].values)
        provenance_of(dataset)
        check_labels(dataset["condition"].values)
        if "spike_time" in dataset:
            check_spikes(dataset)
        for variable in dataset.data_vars.values():
            variable.values.flags.writeable = False
        self.dataset = dataset

    @classmethod
    def from_arrays(
        cls,
        rate: Float[ndarray, "trial time unit"],
        time: Float[ndarray, " time"],
        *,
        condition: Sequence[Any] | ndarray | None = None,
        units: str = "Hz",
        provenance: Mapping[str, Any] | None = None,
    ) -> "Trials":
        """Build trials from plain arrays.

        Args:
            rate: activity, in ``units``.
            time: left edges of the bins, s.
            condition: one label per trial; numbered from 0 if omitted.
            units: of the rates.
            provenance: anything JSON can hold: model, task, seed, versions.

        Raises:
            TrialsError: the shapes disagree, or a number is not finite.
        """
        rate, time = numbers("rate", rate), bins(time)
        if rate.ndim != 3:
            raise TrialsError(f"rates have shape {rate.shape}; they should be (trial, time, unit).")
        if rate.shape[1] != time.size:
            raise TrialsError(f"rates has {rate.shape[1]} samples per trial but time has {time.size}; rates is (trial, time, unit).")
        labels = np.arange(len(rate)) if condition is None else labels_of(condition)
        if labels.shape != (len(rate),):
            raise TrialsError(f"condition has shape {labels.shape} but there are {len(rate)} trials; give one label a trial.")
        dataset = xr.Dataset(
            {"rate": (DIMENSIONS, rate, {"units": str(storable(np.asarray(units))), "long_name": "firing rate"})},
            coords={
                "time": ("time", time, {"units": "s", "long_name": "time from the go cue or movement onset"}),
                "condition": ("trial", labels),
                "unit": np.arange(rate.shape[2]),
            },
            attrs={"provenance": json.dumps(provenance or {}, sort_keys=True)},
        )
        return cls(dataset)

    @classmethod
    def from_spikes(
        cls,
        spikes: Spikes | tuple[ndarray, ndarray, ndarray],
        time: Float[ndarray, " time"],
        *,
        units: int,
        condition: Sequence[Any] | ndarray,
        stop: Float[ndarray, " trial"] | None = None,
        population: Sequence[str] | ndarray | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> "Trials":
        """Build trials from spikes: times (s), units and trials, one entry per spike, in any order.

        Args:
            spikes: times on the clock of the trial, positions of units, positions of trials.
            time: left edges of the bins in which spikes are counted on request, s; the last bin ends one bin width later.
            units: number of units, silent ones included.
            condition: one label per trial.
            stop: where each trial ends, s; the end of the last bin if omitted.
            population: name of the population of each unit.
            provenance: anything JSON can hold: model, task, seed, versions.

        Raises:
            TrialsError: a spike lies outside its trial, or belongs to no unit or trial.
        """
        time, labels = bins(time), labels_of(condition)
        check_time(time)
        when, unit, trial = (numbers(name, part) for name, part in zip(("times", "units", "trials"), three(spikes), strict=True))
        if not when.shape == unit.shape == trial.shape == (when.size,):
            raise TrialsError(f"spikes have {when.shape} times, {unit.shape} units and {trial.shape} trials; give one of each a spike.")
        check_fits(units, f"{units:.3g} units")
        check_fits(labels.size * time.size, f"{time.size:.3g} bins of {labels.size} trials")
        check_places(unit, "unit", units)
        check_places(trial, "trial", labels.size)
        unit, trial = unit.astype(np.int32), trial.astype(np.int32)
        order = np.lexsort((unit, when, trial))
        end = float(2 * time[-1] - time[-2])
        coordinates: dict[str, Any] = {
            "time": ("time", time, {"units": "s", "long_name": "time from the go cue or movement onset"}),
            "condition": ("trial", labels),
            "stop": ("trial", np.full(labels.size, end) if stop is None else read_only(np.asarray(stop, dtype=float)), {"units": "s"}),
            "unit": np.arange(units),
        }
        if population is not None:
            coordinates["population"] = ("unit", storable(np.asarray(population, dtype=str)))
        variables = {"spike_time": when[order], "spike_unit": unit[order], "spike_trial": trial[order]}
        return cls(xr.Dataset(
            {name: ("spike", values, {"units": "s"} if name == "spike_time" else {}) for name, values in variables.items()},
            coords=coordinates, attrs={"provenance": json.dumps(provenance or {}, sort_keys=True)},
        ))  # fmt: skip

    @property
    def rate(self) -> Float[ndarray, "trial time unit"]:
        """Activity, in the unit that ``dataset.rate.attrs['units']`` names.

        Raises:
            TrialsError: these trials are spikes, or some units were not observed in some of them.
        """
        self._check_complete()
        return self._rate

    @property
    def spikes(self) -> Spikes:
        """Every spike, in order of trial, time and unit.

        Raises:
            TrialsError: these trials are rates, or some units were not observed in some of them.
        """
        self._check_complete()
        return self._spikes

    @property
    def observed(self) -> Bool[ndarray, "trial unit"]:
        """Which units were recorded in which trials; by default all of them."""
        trials, _, units = self.shape
        return self.dataset["observed"].values if "observed" in self.dataset.coords else np.ones((trials, units), dtype=bool)

    def with_observed(self, observed: Bool[ndarray, "trial unit"]) -> "Trials":
        """Return these trials with a mask of the units that were recorded.

        Args:
            observed: True where a unit was recorded throughout the trial.

        Raises:
            TrialsError: it is not a boolean array of that shape.
        """
        mask, (trials, _, units) = np.asarray(observed), self.shape
        if mask.shape != (trials, units) or mask.dtype != bool:
            raise TrialsError(f"observed holds {mask.dtype} of shape {mask.shape}; it should be True and False, {(trials, units)} (trial, unit).")
        return Trials(self.dataset.assign_coords(observed=(("trial", "unit"), mask)))

    def _check_complete(self) -> None:
        if "observed" in self.dataset.coords and not self.observed.all():
            trial, unit = np.argwhere(~self.observed)[0]
            found = (
                f"{int((~self.observed).sum())} of {self.observed.size} pairs of trial and unit were not observed, first trial {trial}, unit {unit}"
            )
            raise TrialsError(f"trials: {found}; average them with .binned().averaged(), or leave them out with cs.trials.complete(trials).")

    @property
    def _rate(self) -> Float[ndarray, "trial time unit"]:
        """Rates, not checked to be complete; NaN where they were not observed."""
        if "rate" not in self.dataset:
            raise TrialsError("trials hold spikes, not rates; count or smooth them first with .binned() or .smoothed(sd).")
        return self.dataset["rate"].values

    @property
    def _spikes(self) -> Spikes:
        """Spikes, not checked to be complete."""
        if "spike_time" not in self.dataset:
            raise TrialsError("trials hold rates, not spikes; what was asked needs the time of every spike.")
        return Spikes(*(self.dataset[name].values for name in SPIKES))

    @property
    def stop(self) -> Float[ndarray, " trial"]:
        """Where each trial ends, s."""
        return self.dataset["stop"].values if "stop" in self.dataset.coords else np.full(self.condition.size, self.time[-1] + self.bin)

    @property
    def lasting(self) -> Bool[ndarray, "trial time"]:
        """Which bins lie completely within their trial; analyses of movements of unequal length (``cs.analysis.tangling``, ``jpca``) take it."""
        return np.asarray(self.time + self.bin <= self.stop[:, None] + 1e-6 * self.bin)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of trials, bins and units."""
        return self.condition.size, self.time.size, int(self.dataset.sizes["unit"])

    @property
    def population(self) -> ndarray:
        """Name of the population of each unit; empty strings if there are none."""
        return self.dataset["population"].values if "population" in self.dataset.coords else np.full(self.shape[2], "")

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
        return provenance_of(self.dataset)

    @property
    def key(self) -> str:
        """Hash of the activity, its time, units, conditions and populations, but not of its provenance."""
        known = {str(name): self.dataset[name] for name in (*self.dataset.data_vars, *self.dataset.coords)}
        return content_key(
            "trials", {name: [list(map(str, part.dims)), part.values, str(part.attrs.get("units", ""))] for name, part in known.items()}
        )

    def window(self, start: float, stop: float) -> "Trials":
        """Keep the bins whose left edge lies in [start, stop), in s.

        Trials of spikes that end before the last of these bins does are set aside; their number is printed and kept in the provenance.

        Raises:
            TrialsError: fewer than two bins, or no trial, would be left.
        """
        edge = self.bin / 4
        kept = (self.time >= start - edge) & (self.time < stop - edge)
        if kept.sum() < 2:
            raise TrialsError(f"window {start:g} to {stop:g} s holds {kept.sum()} bins; time runs from {self.time[0]:g} to {self.time[-1]:g} s.")
        dataset = self.dataset.isel(time=kept)
        if "spike_time" in dataset:
            last, inside = dataset["time"].values[-1] + self.bin, np.flatnonzero(kept)
            place = self._places(dataset["spike_time"].values, self.bin)
            dataset = dataset.isel(spike=(place >= inside[0]) & (place <= inside[-1])).assign_coords(stop=("trial", np.minimum(self.stop, last)))
            return Trials(dataset)._set_aside(self.stop < last - 1e-6 * self.bin, f"end before {last:g} s, the end of the window")
        return Trials(dataset)

    def _set_aside(self, short: Bool[ndarray, " trial"], why: str) -> "Trials":
        """Return the trials that are not too short, and report the others."""
        if short.all():
            raise TrialsError(f"all {short.size} trials {why}; the longest ends at {self.stop.max():g} s. Ask for less.")
        return noted(self.select(~short), f"{short.sum()} of {short.size} trials {why}, and are set aside.") if short.any() else self

    def select(self, trials: Sequence[int] | Sequence[bool] | ndarray) -> "Trials":
        """Keep these trials: positions from 0, in this order, or True and False for each.

        Raises:
            OptionError: they are neither, or a position does not exist.
        """
        return self._kept("trial", trials)

    def units(self, units: Sequence[int] | Sequence[bool] | ndarray) -> "Trials":
        """Keep these units: positions from 0, in this order, or True and False for each.

        Raises:
            OptionError: they are neither, or a position does not exist.
        """
        return self._kept("unit", units)

    def _kept(self, axis: str, asked: Sequence[int] | Sequence[bool] | ndarray) -> "Trials":
        chosen = positions(asked, self.dataset.sizes[axis], f"{axis}s of these trials")
        dataset = self.dataset.isel({axis: chosen})
        if "spike_time" not in dataset:
            return Trials(dataset)
        if len(np.unique(chosen)) < len(chosen):
            raise TrialsError(f"{axis}s {chosen.tolist()} name one more than once; spikes belong to one {axis} each.")
        place = np.full(self.dataset.sizes[axis], -1, dtype=np.int32)
        place[chosen] = np.arange(len(chosen))
        moved = place[self.dataset[f"spike_{axis}"].values]
        dataset = dataset.isel(spike=moved >= 0).assign({f"spike_{axis}": ("spike", moved[moved >= 0])})
        keys = (dataset["spike_unit"].values, dataset["spike_time"].values, dataset["spike_trial"].values)
        return Trials(dataset.isel(spike=np.lexsort(keys)))

    def counts(self, bin: float | None = None) -> Int[ndarray, "trial time unit"]:
        """Count the spikes in bins of even width; by default the trials' own.

        Args:
            bin: width in s; the last bin ends where the trials do.

        Raises:
            TrialsError: these are rates, the trials are not a whole number of bins long, or the array would not fit in memory.
        """
        self._check_complete()
        return self._counts(bin)

    def _places(self, when: Float[ndarray, " spike"], width: float) -> Int[ndarray, " spike"]:
        """Return the bin of each time; a spike at an edge, to within round-off, belongs to the bin that begins there."""
        return np.floor((when - self.time[0]) / width + 1e-7).astype(int)

    def _counts(self, bin: float | None) -> Int[ndarray, "trial time unit"]:
        width, span = bin or self.bin, self.time.size * self.bin
        bins = round(span / width)
        if bins < 1 or abs(bins * width - span) > 1e-6 * span:
            raise TrialsError(f"bins of {width * 1e3:g} ms do not divide {span * 1e3:g} ms; choose a width that does.")
        trials, _, units = self.shape
        if trials * bins * units > CELLS:
            raise TrialsError(f"{trials} trials x {bins} bins x {units} units do not fit in memory; keep fewer units first, with .units([...]).")
        when, unit, trial = self._spikes
        place = np.minimum(self._places(when, width), bins - 1)
        flat = np.ravel_multi_index((trial, place, unit), (trials, bins, units))
        return np.bincount(flat, minlength=trials * bins * units).reshape(trials, bins, units)

    def binned(self, bin: float | None = None) -> "Trials":
        """Return rates as spikes per bin over its width, Hz; see :meth:`counts`. They are means over the bins, not values at their left edges.

        Raises:
            TrialsError: as :meth:`counts`, or some trial ends before the last bin does.
        """
        width = bin or self.bin
        if (self.stop < self.time[-1] + self.bin - 1e-9).any():
            found = f"trials end between {self.stop.min():g} and {self.stop.max():g} s"
            raise TrialsError(f"{found}; cut them to one length first, with .window(start, stop).")
        counts = self._counts(width)
        return self._rates(np.where(self.observed[:, None, :], counts / width, np.nan), self.time[0] + width * np.arange(counts.shape[1]))

    def smoothed(self, sd: float, bin: float | None = None) -> "Trials":
        """Return rates from spikes smoothed with a Gaussian, truncated near the ends of the trial and renormalised to unit area.

        They are estimated at the left edges of the bins, where a simulation gives its rates (:mod:`cortex_sim.trials._moments`).

        Args:
            sd: standard deviation of the Gaussian, s.
            bin: width of the bins, s.

        Raises:
            TrialsError: as :meth:`binned`, or sd is not positive.
        """
        if not sd > 0:
            raise TrialsError(f"smoothing: sd {sd!r} s should be positive.")
        plain = self.binned(bin)
        return self._rates(smoothed_at_edges(plain._rate, sd / plain.bin), plain.time)

    def averaged(self) -> "Trials":
        """Return rates averaged over the trials of each condition in which a unit was observed, conditions in order of first appearance.

        Raises:
            TrialsError: these are spikes, or a unit was observed in no trial of a condition.
        """
        labels = list(dict.fromkeys(self.condition.tolist()))
        parts = [self.condition == label for label in labels]
        seen = np.array([self.observed[part].sum(axis=0) for part in parts])
        if not seen.all():
            condition, unit = np.argwhere(seen == 0)[0]
            raise TrialsError(
                f"unit {unit} was observed in no trial of condition {labels[condition]!r}; leave it out with cs.trials.complete(trials)."
            )
        whole = self.observed.all()
        means = [self._rate[part].mean(axis=0) if whole else np.nanmean(self._rate[part], axis=0) for part in parts]
        return self._rates(np.stack(means), self.time, np.array(labels))

    def _rates(self, rate: ndarray, time: ndarray, condition: ndarray | None = None) -> "Trials":
        units = self.dataset["rate"].attrs.get("units", "Hz") if "rate" in self.dataset else "Hz"
        labels, known = self.condition if condition is None else condition, np.nan_to_num(rate)
        made = Trials.from_arrays(known, time, condition=labels, units=units, provenance=self.provenance).dataset
        made = made.assign_coords({name: self.dataset[name] for name in ("unit", "population") if name in self.dataset.coords})
        if condition is not None or self.observed.all():
            return Trials(made)
        seen = np.where(self.observed[:, None, :], rate, np.nan)
        return Trials(made.assign(rate=(DIMENSIONS, seen, made["rate"].attrs)).assign_coords(observed=(("trial", "unit"), self.observed)))

    def save(self, path: str | Path) -> None:
        """Write netCDF-4, whole or not at all.

        Raises:
            FileProblem: the folder cannot be written or the disk is full.
        """
        encoding = {name: {"zlib": True, "complevel": 4} for name in self.dataset.data_vars if self.dataset[name].size}
        content = io.BytesIO()
        self.dataset.to_netcdf(content, engine="h5netcdf", encoding=encoding)
        write_bytes(Path(path), content.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> "Trials":
        """Read trials that :meth:`save` wrote; nothing in the file is executed.

        Raises:
            FileProblem: the file does not exist, or is not netCDF.
            TrialsError: it does not hold well-formed trials.
        """
        with reading(Path(path), "netCDF"), netcdf(Path(path)) as dataset:
            return cls(dataset.load())

    def _repr_html_(self) -> str:
        trials, bins, units = self.shape
        named = [str(label) for label in dict.fromkeys(self.condition.tolist())]
        facts: dict[str, object] = {
            "trials": f"{trials}, of {len(named)} conditions ({', '.join(named[:FEW])}{', …' * (len(named) > FEW)})",
            "time": f"{self.time[0]:g} to {self.time[-1] + self.bin:g} s, {bins} bins of {self.bin * 1e3:g} ms",
            "units": units,
        } | {name: self.provenance[name] for name in ("model", "task", "seed") if name in self.provenance}
        if "rate" in self.dataset:
            mean, what = np.nan_to_num(self._rate).mean(axis=0), f"mean over trials ({self.dataset['rate'].attrs.get('units', 'Hz')})"
        else:
            facts["spikes"] = self.dataset.sizes["spike"]
            first = self.select([0])
            mean, what = first._counts(None)[0].astype(float), "spikes of the first trial in each bin"
        shown = mean.T[np.linspace(0, units - 1, min(units, ROWS)).astype(int)]
        return html_facts("Trials", facts, html_heat(shown, f"Units from above ({len(shown)} of {units}), time from left to right; {what}"))

    def __repr__(self) -> str:
        trials, bins, units = self.shape
        span = f"{self.time[0]:g} to {self.time[-1] + self.bin:g} s"
        spikes = f", {self.dataset.sizes['spike']} spikes" if "spike_time" in self.dataset else ""
        return f"<Trials: {trials} trials, {len(set(self.condition.tolist()))} conditions, {bins} bins ({span}), {units} units{spikes}>"


def derangement(count: int, rng: np.random.Generator) -> Int[ndarray, " place"]:
    """Draw a random order in which nothing stays in its own place, if there is more than one place."""
    order = rng.permutation(count)
    fixed = np.flatnonzero(order == np.arange(count))
    if fixed.size and count > 1:
        chosen = fixed if fixed.size > 1 else np.append(fixed, (fixed + 1) % count)
        order[chosen] = np.roll(order[chosen], 1)
    return order
