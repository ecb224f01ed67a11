"""Trials from objects of xarray, pandas and pynapple; their packages are never imported, but known by the objects that are given."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError, TrialsError, suggestion
from cortex_sim.trials._checks import check_time, numbers
from cortex_sim.trials._long_table import from_long_table
from cortex_sim.trials._stored import DIMENSIONS
from cortex_sim.trials._trials import BIN, Trials

TAKES = {"DataArray": ("names",), "DataFrame": ("names",), "TsGroup": ("epochs", "zero", "condition"), "TsdFrame": ("epochs", "zero", "condition"),
         "TsdTensor": ("condition",)}  # fmt: skip
EDGE = 1e-9  # s, that a sample may lie before the start of its interval


def dataset_of(given: Any, **how: Any) -> xr.Dataset:
    """Return the dataset of trials that an object of another tool holds.

    ==========================  =============================================================================================================
    object                      content
    ==========================  =============================================================================================================
    xarray.DataArray            rates over trial, time (s) and unit, axes in any order; the coordinate ``condition`` and the attribute ``units``
    pandas.DataFrame            a long table of rates, rows and columns in any order: see :func:`.from_long_table`
    pynapple.TsGroup            spikes of a session, with ``epochs``
    pynapple.TsdFrame           rates of a session over (time, unit), with ``epochs``
    pynapple.TsdTensor          rates of aligned trials over (time, trial, unit)
    ==========================  =============================================================================================================

    Args:
        given: the object.
        **how: ``names``, ``epochs``, ``zero`` and ``condition`` of :class:`Trials`, where they apply.

    Raises:
        TrialsError: it is none of these, or does not hold trials.
        OptionError: an argument does not apply to it.
    """
    kind = _kind(given)
    for name in how:
        if name not in TAKES[kind]:
            raise OptionError(f"{name} does not apply to a {kind}; it takes {', '.join(TAKES[kind])}.")
    if kind in ("TsGroup", "TsdFrame"):
        epochs = how.get("epochs")
        if epochs is None or not (hasattr(epochs, "start") and hasattr(epochs, "end")):
            raise OptionError(f"a {kind} is a whole session; epochs= should be an IntervalSet of pynapple, one interval a trial.")
        zero, labels = _zeros(epochs, how.get("zero")), how.get("condition")
        made = (_of_spikes if kind == "TsGroup" else _of_session)(given, np.asarray(epochs.start), np.asarray(epochs.end), zero, labels)
    elif kind == "TsdTensor":
        made = Trials.from_arrays(np.moveaxis(_full(given), 0, 1), np.asarray(given.t), condition=how.get("condition"), provenance={"from": kind})
    else:
        made = (_of_array if kind == "DataArray" else _of_frame)(given, how.get("names") or {})
    return made.dataset


def _kind(given: Any) -> str:
    for kind in type(given).__mro__:
        package = kind.__module__.partition(".")[0]
        if kind.__name__ in TAKES and package in ("xarray", "pandas", "pynapple"):
            return kind.__name__
    others = "a DataArray of xarray, a DataFrame of pandas, or a TsGroup, TsdFrame or TsdTensor of pynapple"
    raise TrialsError(
        f"trials: {type(given).__name__} is no xarray.Dataset; make trials with Trials.from_arrays or Trials.from_spikes, or give {others}."
    )


def _of_frame(frame: Any, names: Mapping[str, str]) -> Trials:
    """Return the trials of a long table of pandas; levels of its index are columns like any other."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    if len(set(frame.columns)) < len(frame.columns):
        twice = next(name for name in frame.columns if list(frame.columns).count(name) > 1)
        raise TrialsError(f"column {twice!r} is there more than once; give each a name of its own.")
    columns = {name: _entries(frame[name]) for name in frame.columns}
    return from_long_table(columns, {"from": "DataFrame"}, names)


def _entries(series: Any) -> ndarray:
    """Return a column as numbers or texts; what is missing becomes NaN or an empty text."""
    plain = series.to_numpy()
    if plain.dtype.kind in "biuf":
        return plain
    try:
        return np.asarray(series.to_numpy(dtype=float, na_value=np.nan), dtype=float)
    except (TypeError, ValueError):
        return np.where(series.isna().to_numpy(), "", series.astype(str).to_numpy()).astype(str)


def _of_array(array: xr.DataArray, names: Mapping[str, str]) -> Trials:
    if unknown := [role for role in names if role not in DIMENSIONS]:
        raise OptionError(f"names: {unknown[0]!r} is no axis of trials. {suggestion(unknown[0], DIMENSIONS)}")
    known = {axis: role for role, axis in names.items()}
    if gone := [axis for axis in known if axis not in array.dims]:
        raise OptionError(f"names: there is no axis {gone[0]!r}. {suggestion(str(gone[0]), map(str, array.dims))}")
    array = array.rename(known)
    if sorted(map(str, array.dims)) != sorted(DIMENSIONS):
        found, wanted = ", ".join(map(str, array.dims)), ", ".join(DIMENSIONS)
        raise TrialsError(f"the array has the axes {found}; it should have {wanted}, in any order; names={{'trial': ...}} names others.")
    if "time" not in array.coords:
        raise TrialsError("the array has no coordinate 'time'; it should say the left edges of the bins, s: array.assign_coords(time=...).")
    array = array.transpose(*DIMENSIONS)
    labels = array["condition"].values if "condition" in array.coords else array["trial"].values if "trial" in array.coords else None
    units = str(array.attrs.get("units", "Hz"))
    made = Trials.from_arrays(_full(array), array["time"].values, condition=labels, units=units, provenance={"from": "DataArray"})
    return Trials(made.dataset.assign_coords(unit=array["unit"].values)) if "unit" in array.coords else made


def _full(given: Any) -> Float[ndarray, "..."]:
    """Return rates without a gap."""
    rates = numbers("rates", given)
    if rates.ndim != len(DIMENSIONS):
        raise TrialsError(f"rates have shape {rates.shape}; they should have three axes, for trials, times and units.")
    if (gone := ~np.isfinite(rates)).any():
        place = tuple(map(int, np.argwhere(gone)[0]))
        raise TrialsError(
            f"rates are not finite in {gone.sum()} places, first at {place}; remove or fill them, or give a long table without those rows."
        )
    return rates


def _zeros(epochs: Any, zero: Sequence[float] | ndarray | None) -> Float[ndarray, " trial"]:
    start = np.asarray(epochs.start, dtype=float)
    found = start if zero is None else numbers("zero", zero)
    if found.shape != start.shape:
        raise TrialsError(f"zero has shape {found.shape}; it should hold one time for each of {start.size} intervals.")
    return found


def _of_spikes(group: Any, start: ndarray, end: ndarray, zero: ndarray, labels: Any) -> Trials:
    """Return the spikes of a session that lie in intervals; the clocks of all trials start with the earliest."""
    keys = list(group.keys())
    parts = []
    for place, key in enumerate(keys):
        when = np.asarray(group[key].t, dtype=float)  # in order, as pynapple keeps them
        for trial, (begin, stop) in enumerate(zip(np.searchsorted(when, start), np.searchsorted(when, end), strict=True)):
            inside = when[begin:stop] - zero[trial]
            parts.append((inside, np.full(inside.size, place), np.full(inside.size, trial)))
    first, last = (start - zero).min(), end - zero
    if np.ptp(start - zero) > EDGE:
        raise TrialsError(f"intervals start {(start - zero).min():g} to {(start - zero).max():g} s from zero; all should start equally long from it.")
    bins = max(2, int(np.ceil((last.max() - first) / BIN - 1e-6)))
    condition = np.arange(start.size) if labels is None else labels
    spikes = tuple(np.concatenate(column) for column in zip(*parts, strict=True)) if parts else (np.zeros(0),) * 3
    time = first + BIN * np.arange(bins)
    made = Trials.from_spikes(spikes, time, units=len(keys), condition=condition, stop=last, provenance={"from": "TsGroup"})
    return Trials(made.dataset.assign_coords(unit=np.asarray(keys)))


def _of_session(frame: Any, start: ndarray, end: ndarray, zero: ndarray, labels: Any) -> Trials:
    """Return the samples of a session that lie in intervals, on the clock of the first."""
    time, values = np.asarray(frame.t, dtype=float), np.asarray(frame.values, dtype=float)
    check_time(time)
    step = float(time[1] - time[0])
    first = np.searchsorted(time, start - EDGE)
    many = np.searchsorted(time, end - EDGE) - first
    if many.min() < 2:
        raise TrialsError(f"interval {int(np.argmin(many))} holds {many.min()} samples; each trial should have two at least.")
    clock = time[first] - zero
    if np.ptp(clock) > step * (1 + 1e-6):
        raise TrialsError(f"first samples lie {clock.min():g} to {clock.max():g} s from zero; all intervals should start equally long from it.")
    grid = float(np.median(clock)) + step * np.arange(many.max())
    rate = np.full((start.size, many.max(), values.shape[1]), np.nan)
    for trial, (begin, count) in enumerate(zip(first, many, strict=True)):
        rate[trial, :count] = values[begin : begin + count]
    whole = np.where(np.arange(many.max())[None, :, None] < many[:, None, None], rate, 0.0)
    stop = None if np.ptp(many) == 0 else np.append(grid, grid[-1] + step)[many]
    made = Trials.from_arrays(_full(whole), grid, condition=labels, stop=stop, provenance={"from": "TsdFrame"})
    return Trials(made.dataset.assign_coords(unit=np.asarray(frame.columns)))
