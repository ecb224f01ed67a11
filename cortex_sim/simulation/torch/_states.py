"""The states that a run goes through, where rates are not enough."""

import torch
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Twin


def trajectory(schedule: Problem) -> Float[ndarray, "trial time state"]:
    """Integrate the model's equations in float64 and return its states at every bin, in SI."""
    twin = Twin(schedule.model, schedule.arrays, dtype=torch.float64)
    with torch.no_grad():
        found = twin.step_through(twin.start(schedule), Inputs(twin, schedule), schedule, range(schedule.steps)).states
        assert found is not None
        return found.numpy()
