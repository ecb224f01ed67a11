"""A prepared state, held while the recurrent input is shut off and then released: for circuits whose own noise would otherwise move the state."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import Task

HELD, MOVING = 0.3, 0.5  # s


@task
def released(
    states: Float[ndarray, "condition unit"], *, time_constant: float, preparation: float = HELD, movement: float = MOVING, repeats: int = 1
) -> Task:
    r"""Make trials in which a state is held with the recurrent input shut off, then released at the go cue.

    The constant current :math:`x/(1-e^{-T/\tau})` brings a leaky unit from 0 to x in the time T of preparation.

    Args:
        states: states to hold, in the unit of the drive.
        time_constant: tau of the driven units, s.
        preparation: T, s before the go cue.
        movement: s after it.
        repeats: trials of each condition.

    Returns:
        A task whose drives go into the inputs ``drive`` and ``hold`` of the circuit; the latter is 1 until the go cue.

    Raises:
        TaskError: a time or repeats is not above 0.
    """
    if min(time_constant, preparation, movement) <= 0 or repeats < 1:
        raise TaskError(f"released: {time_constant=!r}, {preparation=!r}, {movement=!r} and {repeats=!r} should be above 0.")
    bare = replace(centre_out(len(states), preparation=preparation, movement=movement), channels=None, targets=None)
    before = (bare.fine_time < -bare.step / 2).astype(float)
    current = Drive(states / (1 - np.exp(-preparation / time_constant)), before)
    hold = Drive(np.ones_like(states), before, "hold", into="hold")
    return replace(bare, drives=(current, hold)).select(np.repeat(np.arange(len(states)), repeats))
