"""Response to a perturbation: does a student change under a push as its teacher does?"""

from collections.abc import Iterable

from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Task


def responses(model: Model, task: Task, pushed: Iterable[Task], *, seed: int = 0) -> list[Float[ndarray, "trial time unit"]]:
    """Return the rates under each perturbation minus those without, in the unit of the rates.

    Args:
        model: circuit or network.
        task: without the perturbation.
        pushed: draws of it.
        seed: of the noise, the same with and without.

    Raises:
        TaskError: a task does not fit the model.
    """
    still = simulate(model, task, seed=seed).rate
    return [simulate(model, draw, seed=seed).rate - still for draw in pushed]


def response_r2(teacher: Float[ndarray, "condition time unit"], student: Float[ndarray, "condition time unit"]) -> float:
    r"""Explained share of the teacher's response, :math:`1 - \sum(\Delta - \hat\Delta)^2/\sum\Delta^2`.

    Both arguments are differences from the same system's unperturbed run, in the unit of the rates. Predicting no response at all
    scores 0; a response of the wrong sign or size scores less.
    """
    return float(1 - ((teacher - student) ** 2).sum() / (teacher**2).sum())
