"""The torch twin: the same equation text as Brian2 runs, as a differentiable step."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.backends.pytorch.pieces import outputs
from cortex_sim.backends.pytorch.twin import Twin
from cortex_sim.dynamics import check_state
from cortex_sim.model import Model
from cortex_sim.schedule import Schedule


def run(schedule: Schedule) -> Float[ndarray, "trial time observed"]:
    """Integrate the model's equations in float64 and return the observed rates at every bin; nothing else is kept for longer than a piece."""
    twin = Twin(schedule.model, schedule.arrays, dtype=torch.float64)
    with torch.no_grad():
        found = np.empty((schedule.task.trials, schedule.task.bins, schedule.model.size("observed")))
        for span, rates in outputs(twin, schedule):
            found[:, span] = rates.numpy()
    return found


def linearise(model: Model, arrays: Mapping[str, ndarray], state: Float[ndarray, " state"]) -> Float[ndarray, "state state"]:
    """Derivative by the state of one undriven step of the model's own integrator, in float64; dimensionless.

    Of several variables, all units of the first come first; entries between variables have the ratio of their SI units.

    Raises:
        TaskError: the state does not have as many numbers as the model.
    """
    check_state(model, state)
    twin = Twin(model, arrays, dtype=torch.float64)
    with torch.no_grad():
        return twin.jacobian(torch.tensor(state, dtype=torch.float64)).numpy()


def use_one_thread() -> None:
    """Keep this process to one thread: for workers that train side by side."""
    torch.set_num_threads(1)
