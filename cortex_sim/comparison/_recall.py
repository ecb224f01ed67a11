"""Recall against outputs of other trials."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.tasks import Task, recall_error
from cortex_sim.trials import derangement


def permuted_recall(
    task: Task, made: Sequence[Float[ndarray, "trial time 2"]], delay: float, *, rng: np.random.Generator, count: int
) -> Float[ndarray, " surrogate"]:
    """Return errors of recall after a delay where every trial gets the output of another one of that delay, networks by turns.

    Args:
        task: of :func:`.recall`.
        made: velocities of the hand of each network, cm/s.
        delay: s, one of the task's.
        rng: of the permutations.
        count: number of surrogates.
    """
    chosen = np.flatnonzero(np.array(task.notes["delay_s"]) == delay)
    part = replace(task.select(chosen), notes=task.notes | {"delay_s": [delay] * len(chosen)})
    orders = [derangement(len(chosen), rng) for _ in range(count)]
    return np.array([recall_error(part, made[k % len(made)][chosen][order])[delay] for k, order in enumerate(orders)])
