"""Dependence of an output on past input."""

from dataclasses import replace

import numpy as np

from cortex_sim.cards import Model
from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Task


def told_by_the_past(model: Model, task: Task, seed: int) -> float:
    """Return how much an output changes when all input before the last bin is replaced by noise.

    It is the root mean square over trials and outputs, half-way through the task, relative to the largest target: 0 if and only if
    earlier input has no effect.

    Args:
        model: network that receives the task's channels.
        task: a task with channels and targets.
        seed: of the noise.

    Raises:
        TaskError: the task lacks channels or targets.
    """
    if task.channels is None or task.targets is None:
        raise TaskError(f"task {task.name!r}: has no {'channels' if task.channels is None else 'targets'}; what the past tells needs both.")
    values, half = task.channels.values.copy(), task.bins // 2
    past = slice(round(task.bin / task.step) * (half - 1))
    values[:, past] = stream(seed, "analysis", "replaced past").normal(size=values[:, past].shape)
    other = replace(task, channels=task.channels.copy(data=values))
    apart = simulate(model, task).rate[:, half] - simulate(model, other).rate[:, half]
    return float(np.sqrt((apart**2).mean() / (task.targets.values**2).max()))
