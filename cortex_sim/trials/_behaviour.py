"""Behaviour recorded with neural activity: the hand, muscles and other series of any recording, on the bins of its trials."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import NotFound, TrialsError, suggestion
from cortex_sim.trials._arrays import vectors
from cortex_sim.trials._averages import DIMS, RATES
from cortex_sim.trials._door import reading
from cortex_sim.trials._nwb_behaviour import nwb_series
from cortex_sim.trials._nwb_cut import Choice
from cortex_sim.trials._recordings import is_nwb, opened_arrays, read
from cortex_sim.trials._source import Recording, Source
from cortex_sim.trials._spike_table import rows_kept
from cortex_sim.trials._trial_table import table_series
from cortex_sim.trials._trials import Trials

HAND, MUSCLES = ("hand", "hand_pos", "pos"), ("emg", "muscles")
X, Y = "xhandposition", "yhandposition"
SERIES = ("trial", "time", "axis")
ALONE = (
    "a table of spikes or rates holds no series; behaviour='hand.csv' (--behaviour) names a second table, a row for each trial and time, "
    "with the columns trial, time and one for each axis, such as hand_x and hand_y."
)


def behaviour(path: Source, name: str | None = None, **options: Any) -> xr.DataArray:
    """Return one behavioural series of a recording, at the left bin edges of the trials that :func:`read` gives for the same options.

    =============================  =================================================================================================
    file                           series
    =============================  =================================================================================================
    NWB                            every TimeSeries and SpatialSeries, interpolated linearly
    table of trials (``.mat``)     columns over (time, axis), with as many bins as the spikes
    ``.npz``, ``.mat``, averages   ``hand``, of xhandposition and yhandposition (condition, time); arrays with the axes of firing_rate
    ``.npz``, ``.mat``, spikes     the same, (trial, time) and (axis, time, trial), at the times ``time_ms`` of every trial
    ``.csv``                       those of a second table, ``behaviour="hand.csv"``: see :func:`.with_behaviour`
    ``.nc``                        variables over (trial, time, another axis) of the dataset
    =============================  =================================================================================================

    Times without samples around them, and those after the end of a trial, are NaN.

    Args:
        path: of the file.
        name: of the series; may be omitted if there is only one.
        **options: of :func:`read`.

    Returns:
        The series (trial, time, axis), in the unit that its attribute ``units`` names.

    Raises:
        NotFound: no series has this name, or several match; the message lists them.
        FileProblem: as :func:`read`.
        TrialsError: the series is not an array over time, does not have one time per sample, or has no sample in any trial.
    """
    source = Recording.of(path)
    source = Recording(source.path, {**source.options, **{key: value for key, value in options.items() if value is not None}})
    asked = source.options
    choice = Choice(**{key: asked[key] for key in Choice._fields if key in asked})
    with reading(source.path, "a recording"):
        return nwb_series(source.path, name, choice) if is_nwb(source.path) else _of_file(source, name, choice)


def hand(path: Source, *, series: str | None = None, **options: Any) -> Float[ndarray, "trial time 2"]:
    """Return the hand positions of a recording, in the unit of the file; see :func:`behaviour`.

    Args:
        path: of the file.
        series: name of the series that holds them; ``hand``, ``hand_pos`` or ``pos`` if omitted.
        **options: of :func:`read`.

    Raises:
        NotFound: the file has none, or no series of this name; the message lists those that it has.
        FileProblem: the file cannot be read.
        TrialsError: they do not have two axes.
    """
    found = _named(path, HAND if series is None else (series,), "positions of the hand", options)
    if found.shape[2] != 2:
        raise TrialsError(f"{path}: the hand{'' if series is None else f', {series!r},'} has {found.shape[2]} axes; positions in the plane have two.")
    return found


def averaged_hand(path: Source, start: float, stop: float, *, series: str | None = None) -> Float[ndarray, "condition time 2"]:
    """Return hand positions beside the condition averages that :func:`.averages` gives for the same window.

    Args:
        path: of the file.
        start: of the window, s.
        stop: of the window, s.
        series: as of :func:`hand`.

    Raises:
        NotFound: as :func:`hand`.
        FileProblem: the file cannot be read.
        TrialsError: they do not have two axes, or a bin of a condition has a position in no trial.
    """
    source = Recording.of(path)
    if "rate" in read(source.whole).dataset:
        return hand(source.whole, series=series)
    source = Recording(source.path, {**source.options, "window": (start, stop)})
    place, condition = hand(source, series=series), read(source).condition
    parts = [np.ma.masked_invalid(place[condition == label]).mean(axis=0) for label in dict.fromkeys(condition.tolist())]
    averages = np.ma.stack(parts)
    if np.ma.getmaskarray(averages).any():
        number = int(np.argwhere(np.ma.getmaskarray(averages))[0][0])
        raise TrialsError(f"{path}: the hand has no position in any trial of condition {number} for a part of {start:g} to {stop:g} s.")
    return averages.filled(np.nan)


def muscles(path: Source, **options: Any) -> Float[ndarray, "trial time muscle"]:
    """Return the muscle activity of a recording, in the unit of the file; see :func:`behaviour`.

    Args:
        path: of the file.
        **options: of :func:`read`.

    Raises:
        NotFound: the file has none.
        FileProblem: the file cannot be read.
    """
    return _named(path, MUSCLES, "activity of muscles", options)


def _named(path: Source, names: tuple[str, ...], what: str, options: dict[str, Any]) -> Float[ndarray, "trial time axis"]:
    said = ""
    for name in names:
        try:
            return np.asarray(behaviour(path, name, **options).values, dtype=float)
        except NotFound as problem:
            said = str(problem)
    if len(names) == 1 or said.endswith(ALONE):
        raise NotFound(said)
    cure = " Another series is named by --hand of a protocol (hand= in Python)." if names == HAND else ""
    raise NotFound(f"{path}: has no {what} ({', '.join(names)}{f'; or {X} and {Y}' if names == HAND else ''}).{cure}")


def _of_file(source: Recording, name: str | None, choice: Choice) -> xr.DataArray:
    if source.path.suffix == ".csv" and source.options.get("behaviour") is None:
        raise NotFound(ALONE)
    if source.path.suffix in (".nc", ".csv"):
        trials = read(source)
        return _chosen(dict(trials.dataset.data_vars), name, trials)
    named, table = opened_arrays(source)
    if table is not None:
        return table_series(named.tables[table], choice, name)
    trials, options = read(source.whole), source.options
    arrays = vectors(named.arrays, "time_ms")
    series = _beside_spikes(arrays, trials, choice) if "spike_time_ms" in arrays else _beside_averages(arrays, options.get("dims") or DIMS, trials)
    whole = Trials(trials.dataset.assign({key: ((*SERIES[:2], f"axis of {key}"), value) for key, value in series.items()}))
    cut = whole if choice.window is None else whole.window(*choice.window)
    return _chosen({key: cut.dataset[key] for key in series}, name, cut)


def _chosen(series: Mapping[Any, xr.DataArray], name: str | None, trials: Trials) -> xr.DataArray:
    known = {str(key): value for key, value in series.items() if value.dims[:2] == SERIES[:2] and value.ndim == 3 and key != "rate"}
    found = [key for key in known if name in (None, key)]
    if len(found) != 1:
        asked = "which series is meant" if name is None else f"there is no series {name!r} beside the activity"
        raise NotFound(f"{asked}? {suggestion(name or '', known)}")
    values = np.asarray(known[found[0]].values, dtype=float)
    return xr.DataArray(
        values, dims=SERIES, coords={"time": trials.time}, attrs={"units": known[found[0]].attrs.get("units", ""), "series": found[0]}
    )


def _beside_averages(arrays: Mapping[str, ndarray], dims: tuple[str, ...], trials: Trials) -> dict[str, ndarray]:
    """Return series on the bins of averages, (condition, time, axis); NaN after the end of a condition."""
    order = [dims.index(axis) for axis in ("condition", "time", "unit")]
    activity = next(name for name in RATES if name in arrays)
    sizes = [arrays[activity].shape[place] for place in order[:2]]
    known = {name: array.transpose(order) for name, array in arrays.items() if array.ndim == 3 and array.dtype.kind in "iuf" and name != activity}
    found = {name: array for name, array in known.items() if list(array.shape[:2]) == sizes} | _plane(arrays, tuple(sizes))
    there = trials.lasting[:, :, None]
    found = _finite({name: np.where(there, array, 0.0) for name, array in found.items()})
    return {name: np.where(there, array, np.nan) for name, array in found.items()}


def _beside_spikes(arrays: Mapping[str, ndarray], trials: Trials, choice: Choice) -> dict[str, ndarray]:
    """Return series (trial, time, axis), interpolated linearly from their own times to the bins of the trials; NaN where they have none."""
    total = arrays["trial_duration_ms"].size
    if not {X, Y} & set(arrays) and not any(array.ndim == 3 and array.dtype.kind in "iuf" for array in arrays.values()):
        return {}
    if "time_ms" not in arrays:
        raise TrialsError("has no time_ms, so that nothing says when a series beside the spikes was taken; it should hold one moment a sample, ms.")
    moments = arrays["time_ms"].astype(float) / 1e3
    if moments.size < 2 or not (np.diff(moments) > 0).all():
        raise TrialsError(
            f"time_ms has {moments.size} moments that do not rise throughout; there should be one a sample, ms on the clock of the trial."
        )
    sizes = (total, moments.size)
    known = {name: array.transpose(2, 1, 0) for name, array in arrays.items() if array.ndim == 3 and array.dtype.kind in "iuf"}
    known = _finite({name: array for name, array in known.items() if array.shape[:2] == sizes} | _plane(arrays, sizes))
    rows, edge = np.flatnonzero(rows_kept(arrays, choice)), 1e-9
    seen = (trials.time >= moments[0] - edge) & (trials.time <= moments[-1] + edge)
    inside = seen & (trials.time < trials.stop[:, None] - edge)

    def at_bins(series: ndarray) -> ndarray:
        made = [[np.interp(trials.time, moments, axis) for axis in series[row].T] for row in rows]
        return np.where(inside[:, :, None], np.array(made).transpose(0, 2, 1), np.nan)

    return {name: at_bins(series) for name, series in known.items()}


def _plane(arrays: Mapping[str, ndarray], sizes: tuple[int, ...]) -> dict[str, ndarray]:
    """Return the hand as one series, if its x and y positions are there."""
    if not {X, Y} & set(arrays):
        return {}
    for name in (X, Y):
        if name not in arrays:
            raise TrialsError(f"has no {name}, but the other position of the hand.")
        if arrays[name].shape != sizes or arrays[name].dtype.kind not in "iuf":
            raise TrialsError(
                f"{name} holds {arrays[name].dtype} of shape {arrays[name].shape}; it should hold numbers, {sizes} (condition or trial, time)."
            )
    return {HAND[0]: np.stack([arrays[X], arrays[Y]], axis=2)}


def _finite(series: dict[str, ndarray]) -> dict[str, ndarray]:
    for name, array in series.items():
        if not np.isfinite(array).all():
            place = np.argwhere(~np.isfinite(array))[0]
            raise TrialsError(f"series {name!r} is not finite, first at trial {place[0]}, time {place[1]}, axis {place[2]}; remove or fill it.")
    return series
