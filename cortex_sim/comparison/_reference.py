"""What predicts held-out conditions without any network: the mean of the others, and cosine tuning."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.trials import Trials


def mean_of_others(trials: Trials) -> Trials:
    """Predict each condition, held out by itself, as the mean of the others in every bin."""
    return _left_out(trials, np.ones((len(trials.rate), 1)))


def cosine_tuning(trials: Trials, directions: Float[ndarray, " condition"]) -> Trials:
    """Predict each condition, held out by itself, from the others by cosine tuning of every unit in every bin (Georgopoulos et al. 1982).

    Args:
        trials: one a condition.
        directions: of the reaches, rad.
    """
    return _left_out(trials, np.stack([np.ones_like(directions), np.cos(directions), np.sin(directions)], axis=1))


def _left_out(trials: Trials, design: Float[ndarray, "condition regressor"]) -> Trials:
    flat, rates = trials.rate.reshape(len(design), -1), []
    for left in range(len(design)):
        kept = np.delete(np.arange(len(design)), left)
        rates.append(design[left] @ np.linalg.lstsq(design[kept], flat[kept], rcond=None)[0])
    return Trials.from_arrays(np.reshape(rates, trials.rate.shape), trials.time, condition=trials.condition)
