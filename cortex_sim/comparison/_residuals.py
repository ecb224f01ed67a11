"""Single trials minus the average of their condition."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.trials import Trials


def residuals_of(trials: Trials) -> Float[ndarray, "trial time unit"]:
    """Return single trials minus the average of their condition; minus the average of all where every condition has one trial."""
    labels, place, counts = np.unique(trials.condition, return_inverse=True, return_counts=True)
    if counts.max() == 1:
        return trials.rate - trials.rate.mean(axis=0)
    return trials.rate - np.stack([trials.rate[trials.condition == label].mean(axis=0) for label in labels])[place]


def in_one_order(a: Trials, b: Trials) -> tuple[Trials, Trials]:
    """Return both with conditions in one order of first trials, that of the first, if they have the same labels; otherwise as they are."""
    first, second = (list(dict.fromkeys(one.condition.tolist())) for one in (a, b))
    if first == second or set(first) != set(second):
        return a, b
    return a, b.select(np.argsort([first.index(label) for label in b.condition.tolist()], kind="stable"))
