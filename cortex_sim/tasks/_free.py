"""Tasks without input: a free run from given rates, and spontaneous activity of spiking circuits."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import Task
from cortex_sim.trials import BIN


@task
def free_run(initial: Float[ndarray, "trial unit"] | Float[ndarray, " unit"], duration: float, *, bin: float = BIN) -> Task:
    """Let a circuit run without input from given initial rates.

    Args:
        initial: observed rates at the start.
        duration: s.
        bin: width of the recorded bins, s.
    """
    initial = np.atleast_2d(np.asarray(initial, dtype=float))
    return Task("free run", 0.0, duration, np.arange(len(initial)), epochs={"movement": (0.0, duration)}, initial=initial, bin=bin)


@task
def spontaneous(duration: float, trials: int = 1, *, bin: float = BIN) -> Task:
    """Let a spiking circuit run without task input from its own initial states, once per trial.

    Args:
        duration: s.
        trials: number of trials, all of one condition.
        bin: width of the bins in which spikes are counted, s.

    Raises:
        TaskError: there are no trials, or no time.
    """
    if trials < 1:
        raise TaskError(f"spontaneous: {trials} trials; there should be at least 1.")
    return Task("spontaneous activity", 0.0, duration, np.zeros(trials, dtype=int), epochs={"spontaneous": (0.0, duration)}, bin=bin)
