"""Stimuli of an NWB file: when light or current was on, by the series under /stimulus/presentation and the tables of intervals."""

import h5py
import numpy as np
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.trials._door import whole

ON = 0.1  # of the largest size: what a series exceeds while its stimulus is on
TRIALS = ("trials", "invalid_times")  # tables of intervals that are no stimuli


def stimulus_names(file: h5py.File) -> list[str]:
    """Return the names of the series and tables that say when a stimulus was on."""
    series = file.get("stimulus/presentation", {})
    tables = file.get("intervals", {})
    timed = [name for name, one in series.items() if isinstance(one, h5py.Group) and "data" in one and ({"timestamps", "starting_time"} & set(one))]
    return timed + [name for name, one in tables.items() if name not in TRIALS and {"start_time", "stop_time"} <= set(one)]


def stimuli(file: h5py.File, name: str) -> list[tuple[float, float, float]]:
    """Return when a stimulus was on: start and stop, s, and the largest absolute value meanwhile, in the unit of the series; 1 in a table.

    A series, such as an OptogeneticSeries in watts or one of a current, is on while its absolute value exceeds a tenth of its largest, from a
    sample to the next; of several columns the largest counts. The list is empty if the file has no such stimulus.

    Raises:
        TrialsError: its data are no numbers, or do not go with its times.
    """
    if name not in stimulus_names(file):
        return []
    if (series := file.get(f"stimulus/presentation/{name}")) is None:
        table = file["intervals"][name]
        return [(float(a), float(b), 1.0) for a, b in zip(whole(table["start_time"]), whole(table["stop_time"]), strict=True) if b > a]
    size, time = _sizes(series, name), _times(series)
    if time.size != size.size + 1:
        raise TrialsError(f"stimulus {name!r} has {size.size} samples and {time.size - 1} times; there should be one for each.")
    on = np.concatenate([[False], size > ON * size.max(initial=0.0), [False]])
    first, last = np.flatnonzero(on[1:] & ~on[:-1]), np.flatnonzero(on[:-1] & ~on[1:])
    return [(float(time[a]), float(time[b]), float(size[a:b].max())) for a, b in zip(first, last, strict=True)]


def _sizes(series: h5py.Group, name: str) -> ndarray:
    data = whole(series["data"])
    if data.dtype.kind not in "biuf" or data.ndim not in (1, 2):
        raise TrialsError(f"stimulus {name!r} holds {data.dtype} of shape {data.shape}; it should hold numbers, (sample,) or (sample, column).")
    size = np.nan_to_num(np.abs(data.astype(float))).reshape(len(data), -1)
    return np.asarray(size.max(axis=1, initial=0.0) * float(series["data"].attrs.get("conversion", 1.0)))


def _times(series: h5py.Group) -> ndarray:
    """Return the time of every sample, s, and when the last one ends."""
    count = len(series["data"])
    if "timestamps" in series:
        time = whole(series["timestamps"]).astype(float)
        return np.append(time, time[-1:] + (np.median(np.diff(time)) if time.size > 1 else 0.0))
    rate = float(series["starting_time"].attrs["rate"])
    return np.asarray(float(series["starting_time"][()]) + np.arange(count + 1) / rate)
