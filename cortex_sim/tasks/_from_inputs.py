"""Inputs that somebody has already, as a task."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float, Shaped
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.runtime import shown
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import Task
from cortex_sim.trials import BIN


@task
def from_inputs(
    inputs: Float[ndarray, "trial bin channel"],
    *,
    bin: float = BIN,
    start: float = 0.0,
    condition: Shaped[ndarray, " trial"] | Sequence[object] | None = None,
    targets: Float[ndarray, "trial bin output"] | None = None,
    names: Sequence[str] | None = None,
) -> Task:
    """Give a circuit or a network input channels that are at hand as an array.

    Args:
        inputs: channels, constant within each bin, (trial, bin, channel).
        bin: width of the bins, s.
        start: of the first bin, s.
        condition: one label a trial; every trial is a condition of its own if omitted.
        targets: outputs that a network should learn, on the same trials and bins; none if omitted.
        names: of the channels.

    Raises:
        TaskError: there are fewer than two bins, or labels, names or targets do not fit the inputs.
    """
    trials, bins, channels = inputs.shape
    if not channels:
        raise TaskError("from_inputs: inputs have no channel; they are (trial, bin, channel).")
    try:
        labels = np.arange(trials) if condition is None else np.asarray(condition)
    except ValueError:
        raise TaskError(f"from_inputs: condition should be one label a trial (got {shown(condition)}).") from None
    if labels.shape != (trials,):
        raise TaskError(f"from_inputs: condition has shape {labels.shape}; it should hold one label for each of {trials} trials.")
    called = [f"channel {number}" for number in range(channels)] if names is None else [str(name) for name in names]
    if len(called) != channels:
        raise TaskError(f"from_inputs: names has {len(called)} entries; it should hold one for each of {channels} channels.")
    if targets is not None and targets.shape[:2] != (trials, bins):
        raise TaskError(f"from_inputs: targets have {targets.shape[:2]} trials and bins; the inputs have {(trials, bins)}.")
    wanted = None
    if targets is not None:
        axes = {"time": np.round(start + bin * np.arange(bins), 9), "axis": [f"output {number}" for number in range(targets.shape[2])]}
        wanted = xr.DataArray(targets, dims=("trial", "time", "axis"), coords=axes, attrs={"units": "1"})
    heard = xr.DataArray(inputs, dims=("trial", "step", "channel"), coords={"channel": called})
    return Task("given inputs", start, start + bins * bin, labels, channels=heard, targets=wanted, bin=bin, step=bin)
