"""How long a step of a simulation takes."""

import time

from cortex_sim.cards import Model
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks import Task


def seconds_per_bin(model: Model, task: Task, *, runs: int) -> float:
    """Return the time per bin of the fastest of a few runs, s: other load on the machine makes a run slower, never faster."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        simulate(model, task)
        took.append(time.perf_counter() - began)
    return min(took) / task.bins
