"""How long a step of a simulation takes."""

import time

from cortex_sim.cards import Model
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks import Task


def seconds_per_bin(model: Model, task: Task, *, runs: int) -> float:
    """Return what a bin of a run takes, s, the quickest of a few runs: whatever else the machine does makes a run slower, never quicker."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        simulate(model, task)
        took.append(time.perf_counter() - began)
    return min(took) / task.bins
