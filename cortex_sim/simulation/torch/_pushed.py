"""Rates under a push, and the derivative of anything computed from them with respect to the currents of the push."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks import Drive, Task

Rates = Float[ndarray, "trial time unit"]


def pushed_rates(
    model: Model, task: Task, currents: Float[ndarray, " unit"], course: Float[ndarray, " step"]
) -> tuple[Rates, Callable[[Rates], Float[ndarray, " unit"]]]:
    """Return the observed rates under a push that is the same in every trial, and the pullback of their derivatives to its currents.

    Args:
        model: without noise; its equation text is differentiated as it stands.
        task: without the push.
        currents: into the observed units, in the unit of the observed rates.
        course: factor of the currents at every step of the task's fine grid.

    Returns:
        Rates at every bin, and a function that takes the derivative of a number by these rates and returns its derivative by the currents.

    Raises:
        TaskError: the currents are not one for each observed unit.
    """
    drive = Drive(np.tile(currents, (task.trials, 1)), course, "push")
    problem = Problem(model, model.arrays(), replace(task, drives=(*task.drives, drive)))
    twin, given = Twin(model, problem.arrays, dtype=torch.float64), torch.tensor(currents, dtype=torch.float64, requires_grad=True)
    carried = given if problem.carrier is None else twin.tensor(problem.carrier) @ given
    inputs = Inputs(twin, problem)
    inputs.push(carried.expand(task.trials, -1))
    rates = twin.observe(twin.unroll(twin.start(problem).detach(), inputs, problem).rates)

    def pulled(by_rates: Rates) -> Float[ndarray, " unit"]:
        (found,) = torch.autograd.grad(rates, given, torch.tensor(by_rates, dtype=torch.float64))
        return found.numpy()

    return rates.detach().numpy(), pulled
