"""Trials: what a model did or an electrode recorded, as labelled arrays that are known to be well formed."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Never

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.runtime import doored, positions, write_bytes
from cortex_sim.trials._checks import bins, check_fits, check_places, check_time, ends, numbers, one_each, three, whole_number, written
from cortex_sim.trials._door import netcdf, reading
from cortex_sim.trials._findings import noted
from cortex_sim.trials._labels import labels as labels_of
from cortex_sim.trials._labels import storable
from cortex_sim.trials._moments import smoothed_at_edges
from cortex_sim.trials._shown import shown
from cortex_sim.trials._stored import DIMENSIONS, Spikes, Stored, lasting

BIN = 10e-3  # s, width of bins where nothing says otherwise


@doored("window", "counts", "binned", "smoothed", "with_observed", "save")
class Trials(Stored):
    """Rates over (trial, time, unit), or the spikes themselves, with condition labels, units and provenance.

    A thin, checked wrapper: ``dataset`` is an ordinary :class:`xarray.Dataset` with the coordinate ``time`` (left edges of even bins, s)
    and the coordinate ``condition`` along ``trial``, and at least one of

    * ``rate`` (trial, time, unit), in Hz or the unit that its ``units`` attribute names;
    * ``spike_time`` (s), ``spike_unit`` and ``spike_trial`` (positions) along the ragged dimension ``spike``, one entry per spike, with the
      coordinate ``stop`` along ``trial``: where each trial ends, s.

    Rates may have ``stop`` too. Trials that differ in length are cut to one with ``window``, or read with ``padded`` and ``lasting``.

    The coordinate ``observed`` (trial, unit), if there is one, says which units were recorded in which trials. Unrecorded activity is not 0:
    averages leave it out, and ``rate``, ``spikes`` and ``counts`` raise an error until it is removed (:func:`.complete`).

    Args:
        dataset: to be checked; not copied. Or what other tools hold trials in, of which arrays are made as :func:`.dataset_of` says: a DataArray of
            xarray, a DataFrame of pandas, or a TsGroup, TsdFrame or TsdTensor of pynapple.
        names: of columns or axes that are called otherwise, by what they hold: ``{"rate": "firing"}``.
        epochs: pynapple: an IntervalSet, one interval a trial.
        zero: pynapple: times of the session, s, that are 0 on the clocks of the trials; the starts of the intervals if omitted.
        condition: pynapple: one label a trial; numbered from 0 if omitted.
        *arrays: refused, as are other names: arrays become trials with :meth:`from_arrays` or :meth:`from_spikes`.

    Raises:
        TrialsError: something is missing, has the wrong shape, is not finite or is not evenly spaced, or times are probably in ms.
    """

    def __init__(
        self,
        dataset: Any,
        *arrays: Never,
        names: Mapping[str, str] | None = None,
        epochs: Any = None,
        zero: Sequence[float] | ndarray | None = None,
        condition: Sequence[Any] | ndarray | None = None,
        **others: Never,
    ) -> None:
        if arrays or others:
            more = f"argument {next(iter(others))!r}" if others else f"{1 + len(arrays)} arguments"
            made = "Trials.from_arrays(rate, time) or Trials.from_spikes((times, units, trials), time, units=..., condition=...)"
            raise TrialsError(f"Trials: takes one object that holds trials (got {more}); arrays become trials with {made}.")
        how = {"names": names, "epochs": epochs, "zero": zero, "condition": condition}
        asked = {name: value for name, value in how.items() if value is not None}
        if asked or not isinstance(dataset, xr.Dataset):
            from cortex_sim.trials._given import dataset_of

            dataset = dataset_of(dataset, **asked)
        super().__init__(dataset)

    @classmethod
    def from_arrays(
        cls,
        rate: Float[ndarray, "trial time unit"],
        time: Float[ndarray, " time"],
        *,
        condition: Sequence[Any] | ndarray | None = None,
        stop: Float[ndarray, " trial"] | None = None,
        units: str = "Hz",
        provenance: Mapping[str, Any] | None = None,
    ) -> "Trials":
        """Build trials from plain arrays.

        Args:
            rate: activity, in ``units``.
            time: left edges of the bins, s.
            condition: one label per trial; numbered from 0 if omitted.
            stop: where each trial ends, s, if they differ in length; what stands in bins that do not lie within their trial is left out.
            units: of the rates.
            provenance: anything JSON can hold: model, task, seed, versions.

        Raises:
            TrialsError: the shapes disagree, a number is not finite, or times are probably in ms.
        """
        rate, time = numbers("rate", rate), bins(time)
        if not isinstance(units, str):
            raise TrialsError(f"trials: units should be the name of a unit (got {units!r}).")
        if rate.ndim != 3:
            raise TrialsError(f"rates have shape {rate.shape}; they should be (trial, time, unit).")
        if rate.shape[1] != time.size:
            raise TrialsError(f"rates has {rate.shape[1]} samples per trial but time has {time.size}; rates is (trial, time, unit).")
        labels = np.arange(len(rate)) if condition is None else labels_of(condition)
        if labels.shape != (len(rate),):
            raise TrialsError(f"condition has shape {labels.shape} but there are {len(rate)} trials; give one label a trial.")
        coordinates = {
            "time": ("time", time, {"units": "s", "long_name": "time from the go cue or movement onset"}),
            "condition": ("trial", labels),
            "unit": np.arange(rate.shape[2]),
        }
        if stop is not None:
            check_time(time)
            there = lasting(time, ended := ends(stop, labels.size))
            coordinates |= {} if there.all() else {"stop": ("trial", ended, {"units": "s"})}
            rate = np.where(there[:, :, None], rate, np.nan)
        return cls(xr.Dataset(
            {"rate": (DIMENSIONS, rate, {"units": str(storable(np.asarray(units))), "long_name": "firing rate"})},
            coords=coordinates, attrs={"provenance": written(provenance)},
        ))  # fmt: skip

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
        units = whole_number("units", units)
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
            "stop": ("trial", np.full(labels.size, end) if stop is None else ends(stop, labels.size), {"units": "s"}),
            "unit": np.arange(units),
        }
        if population is not None:
            coordinates["population"] = ("unit", one_each("population", population, units))
        variables = {"spike_time": when[order], "spike_unit": unit[order], "spike_trial": trial[order]}
        return cls(xr.Dataset(
            {name: ("spike", values, {"units": "s"} if name == "spike_time" else {}) for name, values in variables.items()},
            coords=coordinates, attrs={"provenance": written(provenance)},
        ))  # fmt: skip

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

    def window(self, start: float, stop: float, *, short: bool = False) -> "Trials":
        """Keep the bins whose left edge lies in [start, stop), in s.

        Args:
            start: s.
            stop: s.
            short: whether to keep trials that end before the last of these bins does; otherwise they are set aside, and their number is printed
                and kept in the provenance.

        Raises:
            TrialsError: fewer than two bins, or no trial, would be left.
        """
        edge = self.bin / 4
        kept = (self.time >= start - edge) & (self.time < stop - edge)
        if kept.sum() < 2:
            raise TrialsError(f"window {start:g} to {stop:g} s holds {kept.sum()} bins; time runs from {self.time[0]:g} to {self.time[-1]:g} s.")
        dataset = self.dataset.isel(time=kept)
        last, inside = dataset["time"].values[-1] + self.bin, np.flatnonzero(kept)
        if "spike_time" in dataset:
            place = self._places(dataset["spike_time"].values, self.bin)
            dataset = dataset.isel(spike=(place >= inside[0]) & (place <= inside[-1]))
        if "stop" in dataset.coords:
            dataset = dataset.assign_coords(stop=("trial", np.minimum(self.stop, last), {"units": "s"}))
        if short:
            gone = self.stop < dataset["time"].values[0] + (1 - 1e-6) * self.bin
            return Trials(dataset)._set_aside(gone, f"end before {dataset['time'].values[0]:g} s, where the window starts")
        return Trials(dataset)._set_aside(self.stop < last - 1e-6 * self.bin, f"end before {last:g} s, the end of the window")

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
            TrialsError: these are rates, the trials are not a whole number of bins long, some trial ends before the last bin does, or the
                array would not fit in memory.
        """
        self._check_complete()
        self._check_lengths()
        return self._counts(bin)

    def binned(self, bin: float | None = None) -> "Trials":
        """Return rates as spikes per bin over its width, Hz; see :meth:`counts`. They are means over the bins, not values at their left edges.

        Raises:
            TrialsError: as :meth:`counts`, or some trial ends before the last bin does.
        """
        width = self.bin if bin is None else bin
        self._check_lengths()
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
            TrialsError: these are spikes, trials differ in length, or a unit was observed in no trial of a condition.
        """
        self._check_lengths()
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
        spikes = [name for name in self.dataset.data_vars if name != "rate" and self.dataset[name].size]  # rates hardly get smaller: 3 %
        encoding = {name: {"zlib": True, "complevel": 4} for name in spikes}
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
        return shown(self)
