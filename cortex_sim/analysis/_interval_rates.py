"""Rates from interspike intervals."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.trials import Trials


def interval_rates(trials: Trials) -> Float[ndarray, " unit"]:
    """Return 1 over the mean interspike interval of every unit in one trial, Hz; 0 for units with fewer than two spikes.

    Unlike a spike count, it does not depend on when the trial begins and ends relative to the spikes.
    """
    when, unit, _ = trials.spikes
    return np.array([1 / np.diff(when[unit == k]).mean() if (unit == k).sum() > 1 else 0.0 for k in range(trials.shape[2])])
