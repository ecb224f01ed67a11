"""A constant preparatory input until the go cue, and a common input to all units after it."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import BIN, DT, Task

Course = Callable[[Float[ndarray, " step"]], Float[ndarray, " step"]]


def held_then_moving(holding: Float[ndarray, "trial unit"], *, preparation: float, movement: float, course: Course, hold: bool = False) -> Task:
    """Return a task that holds each trial by its own input and then drives all units by a common input.

    Args:
        holding: input to every unit until the go cue, in the unit of the circuit's input.
        preparation: s before the go cue, to the nearest bin.
        movement: s after it.
        course: function that gives the common input at every step, given the times of the steps from the go cue, s.
        hold: whether to add a channel that is 1 until the go cue and 0 after it.
    """
    bare = Task("movement", -round(preparation / BIN) * BIN, movement, np.arange(len(holding)))
    before = (bare.fine_time < -DT / 2).astype(float)
    drives = Drive(holding, before, "preparatory input"), Drive(np.ones_like(holding), course(bare.fine_time), "movement input")
    shown = xr.DataArray(np.tile(before[None, :, None], (bare.trials, 1, 1)), dims=("trial", "step", "channel"), attrs={"units": "1"})
    return Task(bare.name, bare.start, bare.stop, bare.condition, drives=drives, channels=shown if hold else None)
