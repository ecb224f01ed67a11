"""Divergence: the first moment at which a run has certainly left all bounds."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import Diverged

BOUND = 1e12  # in SI; no potential, rate, current or number of a circuit is that large


def refuse_divergence(model: Model, values: Float[Any, "trial time number"], times: Float[ndarray, " time"], what: str) -> None:
    """Refuse values that are not finite or are larger than anything a circuit has, at the first time at which one is.

    Args:
        model: named in the message.
        values: (trial, time, number), arrays or tensors, in SI.
        times: s.
        what: the numbers are, in one word.

    Raises:
        Diverged: where and when, and what may be done.
    """
    if not values.size if isinstance(values, ndarray) else not values.numel():
        return
    if bool((abs(values) < BOUND).all()):
        return
    found = np.asarray(values, dtype=float)
    wrong = ~(np.abs(found) < BOUND)
    time = int(wrong.any(axis=(0, 2)).argmax())
    trial, number = (int(place) for place in np.argwhere(wrong[:, time])[0])
    cure = "its dynamics are unstable there: weaken its connections or its input, or take a shorter dt"
    raise Diverged(f"{model.name}: diverged; {what} {number} in trial {trial} is {found[trial, time, number]:.3g} at {times[time]:g} s; {cure}.")
