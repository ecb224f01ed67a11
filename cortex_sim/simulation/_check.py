"""Checking that Brian2 accepts a card."""

import numpy as np

from cortex_sim.cards import Model
from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.tasks import Task

LASTS = 0.02  # s that a check runs for
STEPS = (4, 1000)  # fewest and most steps of it


def check(model: Model | SpikingModel) -> None:
    """Check a model in Brian2: build it, check every unit and run it for 20 ms, or for 1,000 steps if that is shorter.

    Raises:
        CardError: Brian2 refuses the model; the message says why in one sentence.
    """
    if isinstance(model, SpikingModel):
        from cortex_sim.simulation.brian import _runtime

        _runtime.check(model, _task(model.dt.si))
    else:
        from cortex_sim.simulation.brian import _rate

        _rate.check(model, _task(model.dt.si, one_step_a_bin=model.one_step_a_bin))


def _task(dt: float, *, one_step_a_bin: bool = False) -> Task:
    """Return a task of two bins, or of two steps, in which nothing happens."""
    half = dt if one_step_a_bin else dt * max(1, min(max(round(LASTS / dt), STEPS[0]), STEPS[1]) // 2)
    return Task("check", 0.0, 2 * half, np.zeros(1), bin=half, step=dt)
