"""What predicts held-out conditions without any network: the mean of the others, cosine tuning, and a regression on the first bin."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.trials import Trials

PENALTIES = np.logspace(-6, 3, 19)  # of the ridge regression, relative to the mean squared departure of the first bin times conditions


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


def ridge_from_first_bin(training: Trials, test: Trials) -> Trials:
    """Predict every bin of test conditions by ridge regression on the first one, where students start: a linear map without dynamics.

    The penalty is the one that predicts training conditions best when they are left out one at a time.

    Args:
        training: one trial a condition.
        test: other conditions, in the same bins; only their first bin is read.
    """
    from sklearn.linear_model import RidgeCV

    start, course = training.rate[:, 0], training.rate.reshape(len(training.rate), -1)
    size = max(float(((start - start.mean(axis=0)) ** 2).sum(axis=1).mean()), np.finfo(float).tiny) * len(start) / start.shape[1]
    fitted = RidgeCV(alphas=PENALTIES * size).fit(start, course)
    return Trials.from_arrays(fitted.predict(test.rate[:, 0]).reshape(test.rate.shape), test.time, condition=test.condition)


def _left_out(trials: Trials, design: Float[ndarray, "condition regressor"]) -> Trials:
    flat, rates = trials.rate.reshape(len(design), -1), []
    for left in range(len(design)):
        kept = np.delete(np.arange(len(design)), left)
        rates.append(design[left] @ np.linalg.lstsq(design[kept], flat[kept], rcond=None)[0])
    return Trials.from_arrays(np.reshape(rates, trials.rate.shape), trials.time, condition=trials.condition)
