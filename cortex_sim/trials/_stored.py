"""What trials hold: checked on entry, read as properties."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.runtime import content_key
from cortex_sim.trials._checks import SPIKES, check_clock, check_observed, check_rate, check_spikes, check_time, provenance_of
from cortex_sim.trials._labels import check_labels

DIMENSIONS = ("trial", "time", "unit")
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


def lasting(time: Float[ndarray, " time"], stop: Float[ndarray, " trial"]) -> Bool[ndarray, "trial time"]:
    """Return which bins lie completely within their trial."""
    bin = time[1] - time[0] if time.size > 1 else 0.0
    return np.asarray(time + bin <= stop[:, None] + 1e-6 * bin)


def _in_rows(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with every array stored row by row, as after it was sent to another process: sums in another order are rounded otherwise."""
    loose = {name: part for name, part in dataset.data_vars.items() if not part.values.flags.c_contiguous}
    return dataset.assign({name: (part.dims, np.ascontiguousarray(part.values), part.attrs) for name, part in loose.items()}) if loose else dataset


class Stored:
    """The dataset of :class:`cortex_sim.trials.Trials`, which describes it."""

    def __init__(self, dataset: xr.Dataset) -> None:
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
            check_rate(dataset["rate"].values, *(self._mask(dataset, name) for name in ("observed", "stop")))
        check_time(dataset["time"].values)
        check_clock(dataset["time"].values)
        provenance_of(dataset)
        check_labels(dataset["condition"].values)
        if "spike_time" in dataset:
            check_spikes(dataset)
        self.dataset = _in_rows(dataset)
        for variable in self.dataset.data_vars.values():
            variable.values.flags.writeable = False

    @staticmethod
    def _mask(dataset: xr.Dataset, name: str) -> ndarray | None:
        """Return which units were observed or which bins lie within their trial; None if nothing says so."""
        if name not in dataset.coords:
            return None
        return dataset[name].values if name == "observed" else lasting(dataset["time"].values, dataset[name].values)

    @property
    def rate(self) -> Float[ndarray, "trial time unit"]:
        """Activity, in the unit that ``dataset.rate.attrs['units']`` names.

        Raises:
            TrialsError: these trials are spikes, some units were not observed in some of them, or they differ in length.
        """
        self._check_complete()
        self._check_lengths()
        return self._rate

    @property
    def padded(self) -> Float[ndarray, "trial time unit"]:
        """Activity of trials that may differ in length: 0 where a trial has ended, as :attr:`lasting` says.

        Raises:
            TrialsError: these trials are spikes, or some units were not observed in some of them.
        """
        self._check_complete()
        return np.where(self.lasting[:, :, None], self._rate, 0.0)

    @property
    def spikes(self) -> Spikes:
        """Every spike, in order of trial, time and unit.

        Raises:
            TrialsError: these trials are rates, or some units were not observed in some of them.
        """
        found = self._spikes
        self._check_complete()
        return found

    @property
    def observed(self) -> Bool[ndarray, "trial unit"]:
        """Which units were recorded in which trials; by default all of them."""
        trials, _, units = self.shape
        return self.dataset["observed"].values if "observed" in self.dataset.coords else np.ones((trials, units), dtype=bool)

    def _check_complete(self) -> None:
        if "observed" in self.dataset.coords and not self.observed.all():
            trial, unit = np.argwhere(~self.observed)[0]
            found = (
                f"{int((~self.observed).sum())} of {self.observed.size} pairs of trial and unit were not observed, first trial {trial}, unit {unit}"
            )
            raise TrialsError(f"trials: {found}; average them with .binned().averaged(), or leave them out with cs.trials.complete(trials).")

    def _check_lengths(self) -> None:
        if (self.stop < self.time[-1] + self.bin - 1e-9).any():
            found = f"trials end between {self.stop.min():g} and {self.stop.max():g} s"
            raise TrialsError(f"{found}; cut them to one length first, with .window(start, stop).")

    @property
    def _rate(self) -> Float[ndarray, "trial time unit"]:
        """Rates, not checked to be complete; NaN where they were not observed, and after the end of a trial."""
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
        return lasting(self.time, self.stop)

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

    def _places(self, when: Float[ndarray, " spike"], width: float) -> Int[ndarray, " spike"]:
        """Return the bin of each time; a spike at an edge, to within round-off, belongs to the bin that begins there."""
        return np.floor((when - self.time[0]) / width + 1e-7).astype(int)

    def _counts(self, bin: float | None) -> Int[ndarray, "trial time unit"]:
        width, span = self.bin if bin is None else bin, self.time.size * self.bin
        bins = round(span / width) if width > 0 else 0
        if bins < 1 or abs(bins * width - span) > 1e-6 * span:
            raise TrialsError(f"bins of {width * 1e3:g} ms do not divide {span * 1e3:g} ms; choose a width that does.")
        trials, _, units = self.shape
        if trials * bins * units > CELLS:
            raise TrialsError(f"{trials} trials x {bins} bins x {units} units do not fit in memory; keep fewer units first, with .units([...]).")
        when, unit, trial = self._spikes
        place = np.minimum(self._places(when, width), bins - 1)
        flat = np.ravel_multi_index((trial, place, unit), (trials, bins, units))
        return np.bincount(flat, minlength=trials * bins * units).reshape(trials, bins, units)

    def __repr__(self) -> str:
        trials, bins, units = self.shape
        span = f"{self.time[0]:g} to {self.time[-1] + self.bin:g} s"
        spikes = f", {self.dataset.sizes['spike']} spikes" if "spike_time" in self.dataset else ""
        return f"<Trials: {trials} trials, {len(set(self.condition.tolist()))} conditions, {bins} bins ({span}), {units} units{spikes}>"
