"""Channels and targets of a task as labelled arrays."""

from collections.abc import Sequence

import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.tasks._task import Task


def channels(task: Task, values: Float[ndarray, "trial step channel"], names: Sequence[str]) -> xr.DataArray:
    """Return channels on the fine grid as a labelled array."""
    coordinates = {"step": ("step", task.fine_time, {"units": "s"}), "channel": list(names)}
    return xr.DataArray(values, dims=("trial", "step", "channel"), coords=coordinates, attrs={"units": "1"})


def targets(task: Task, values: Float[ndarray, "trial time axis"], axes: Sequence[str], *, units: str, what: str) -> xr.DataArray:
    """Return targets on the bins as a labelled array."""
    coordinates = {"time": ("time", task.time, {"units": "s"}), "axis": list(axes)}
    return xr.DataArray(values, dims=("trial", "time", "axis"), coords=coordinates, attrs={"units": units, "long_name": what})
