"""State trajectories of a run, for when rates are not enough."""

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.simulation._dynamics import rate_of
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials


def trajectory(problem: Problem) -> Float[ndarray, "trial time state"]:
    """Integrate the model's equations in float64 and return its states at every bin, in SI units."""
    twin = Twin(problem.model, problem.arrays, dtype=torch.float64)
    with torch.no_grad():
        found = twin.step_through(twin.start(problem), Inputs(twin, problem), problem, range(problem.steps)).states
        assert found is not None
        return found.numpy()


def trajectories_from(model: Model, task: Task, states: Float[ndarray, "trial unit"]) -> Float[ndarray, "trial time unit"]:
    """Integrate a model with one state per unit from given states, and return its states at every bin, in the unit of the card.

    Args:
        model: one whose state is dimensionless.
        task: has one trial for each initial state.
        states: initial states.
    """
    found = []
    for trial, state in enumerate(states):
        begun = {model.parsed.state: {"value": state.tolist(), "unit": "1", "meaning": "where it begins"}}
        ready = model.with_arrays({}, initial_values=begun, channels=0 if task.channels is None else task.channels.shape[2])
        found.append(trajectory(Problem(ready, ready.arrays(), task.select([trial])))[0])
    return np.stack(found)


def rates_of_units(model: Model, task: Task) -> Trials:
    """Return the rates of a model's own units, rather than the outputs of its readout."""
    rates = rate_of(model, trajectory(Problem(model, model.arrays(), task)))
    return Trials.from_arrays(rates, task.time, condition=task.condition, units="1")
