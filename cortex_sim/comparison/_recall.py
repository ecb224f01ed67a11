"""How well networks recall, compared with outputs in other trials."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.statistics import Score, mean_over
from cortex_sim.tasks import Task, recall_error, recall_floor

NULLS = 100


def recall_score(
    student: str,
    task: Task,
    made: Sequence[Float[ndarray, "trial time 2"]],
    delay: float,
    *,
    rng: np.random.Generator,
    called: str = "trials",
    otherwise: str | None = None,
) -> Score:
    """Return the mean error of recall after a delay over networks; the null gives every trial the output in another trial with this delay.

    Args:
        student: name of the networks.
        task: of :func:`.recall`.
        made: hand velocities of each network, cm/s.
        delay: one of the task's delays, s.
        rng: of the permutations.
        called: name of the trials.
        otherwise: why there is no interval if there are fewer than three networks; see :func:`.mean_over`.
    """
    errors, floors = np.array([recall_error(task, rates)[delay] for rates in made]), recall_floor(task)
    return Score(
        f"error of recall after {delay:g} s (squared, relative)", student, f"{task.notes['delay_s'].count(delay)} {called} not taught",
        better="lower", identical=0.0, null=permuted_recall(task, made, delay, rng=rng, count=NULLS),
        surrogate=f"outputs of other {called}{' of this delay' * (len(floors) > 1)}", **mean_over("networks", errors, otherwise=otherwise),
        ceiling=0.0, settings={"ceiling": "a delay line", "floor_without_memory": floors[delay], "networks": errors.tolist()},
    )  # fmt: skip


def permuted_recall(
    task: Task, made: Sequence[Float[ndarray, "trial time 2"]], delay: float, *, rng: np.random.Generator, count: int
) -> Float[ndarray, " surrogate"]:
    """Return mean errors of recall over networks with every trial given their outputs in another trial with this delay, the same for all networks.

    Networks that answer alike, as those do that hear the same, are as alike in surrogates.

    Args:
        task: of :func:`.recall`.
        made: hand velocities of each network, cm/s.
        delay: one of the task's delays, s.
        rng: of the permutations.
        count: number of surrogates.
    """
    chosen = np.flatnonzero(np.array(task.notes["delay_s"]) == delay)
    part = replace(task.select(chosen), notes={**task.notes, "delay_s": [delay] * len(chosen)})
    orders = [rng.permutation(len(chosen)) for _ in range(count)]
    return np.array([np.mean([recall_error(part, rates[chosen][order])[delay] for rates in made]) for order in orders])
