"""Divergence: the first time at which a run has certainly grown without bound."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import Diverged
from cortex_sim.tasks import Task

BOUND = 1e12  # in SI; no potential, rate, current or number of a circuit is that large


def refuse_divergence(model: Model, values: Float[Any, "trial time number"], task: Task, first: int, what: str) -> None:
    """Check that values are finite and no larger than anything in a circuit; report the first time at which one is not.

    Args:
        model: named in the message.
        values: (trial, time, number), arrays or tensors, in SI units.
        task: of the run.
        first: bin of the task that the first of the times is.
        what: the numbers are, for the message.

    Raises:
        Diverged: a value is too large or not finite; the message says where, when, and what may be done.
    """
    if not values.size if isinstance(values, ndarray) else not values.numel():
        return
    if bool((abs(values) < BOUND).all()):
        return
    found = np.asarray(values, dtype=float)
    wrong = ~(np.abs(found) < BOUND)
    time = int(wrong.any(axis=(0, 2)).argmax())
    trial, number = (int(place) for place in np.argwhere(wrong[:, time])[0])
    value, when = found[trial, time, number], task.time[first + time]
    cure = "its dynamics are unstable there: weaken its connections or its input, or take a shorter dt"
    raise Diverged(f"{model.name}: diverged; {what} {number} in trial {trial} is {value:.3g} at {when:g} s; {cure}.")
