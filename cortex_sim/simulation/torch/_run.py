"""The torch twin: the same equation text as Brian2 runs, as a differentiable step."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.simulation._dynamics import check_state
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._pieces import runs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks.body import BodyTrajectory


def run(schedule: Problem) -> tuple[Float[ndarray, "trial time observed"], BodyTrajectory | None]:
    """Integrate the model's equations in float64; nothing else is kept for longer than a piece.

    Returns:
        Observed rates at every bin, and what the task's body went through, where there is one.
    """
    twin, task = Twin(schedule.model, schedule.arrays, dtype=torch.float64), schedule.task
    found = np.empty((task.trials, task.bins, schedule.model.size("observed")))
    courses: list[BodyTrajectory] = []
    with torch.no_grad():
        for span, piece in runs(twin, schedule):
            found[:, span] = twin.observe(piece.rates).numpy()
            courses += [piece.course] if piece.course else []
    if not courses:
        return found, None
    return found, BodyTrajectory(*(torch.cat(parts, dim=1).numpy() for parts in zip(*courses, strict=True)))


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
