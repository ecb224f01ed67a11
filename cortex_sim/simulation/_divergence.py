"""Divergence: the first time at which a run has certainly grown without bound."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import Diverged

BOUND = 1e12  # in SI; no potential, rate, current or number of a circuit is that large


def bounded(values: Float[Any, "..."]) -> bool:
    """Return whether values, an array or a tensor, are finite and no larger than anything in a circuit."""
    return bool((abs(values) < BOUND).all())


def refuse_divergence(name: str, values: Float[Any, "trial time number"], times: Float[ndarray, " time"], what: str) -> None:
    """Check that values are finite and no larger than anything in a circuit; report the first time at which one is not.

    Args:
        name: of the model, for the message.
        values: (trial, time, number), arrays or tensors, in SI units.
        times: s.
        what: the numbers are, for the message.

    Raises:
        Diverged: a value is too large or not finite; the message says where, when, and what may be done.
    """
    if bounded(values):
        return
    found = np.asarray(values, dtype=float)
    wrong = ~(np.abs(found) < BOUND)
    time = int(wrong.any(axis=(0, 2)).argmax())
    trial, number = (int(place) for place in np.argwhere(wrong[:, time])[0])
    value, when = found[trial, time, number], times[time]
    cure = "its dynamics are unstable there: weaken its connections or its input, or take a shorter dt"
    raise Diverged(f"{name}: diverged; {what} {number} in trial {trial} is {value:.3g} at {when:.6g} s; {cure}.")
