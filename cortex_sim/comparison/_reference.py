"""Predictions of held-out conditions without a network: the mean of the others, cosine tuning, and regression on the first bin."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.trials import Trials

PENALTIES = np.logspace(-6, 3, 19)  # of the ridge regression, relative to the mean squared departure of the first bin times conditions


def mean_of_others(trials: Trials) -> Trials:
    """Return a prediction of each held-out condition as the mean of the others in every bin."""
    return _left_out(trials, np.ones((len(trials.rate), 1)))


def cosine_tuning(trials: Trials, directions: Float[ndarray, " condition"]) -> Trials:
    """Return a prediction of each held-out condition from the others, by cosine tuning of every unit in every bin (Georgopoulos et al. 1982).

    Args:
        trials: one per condition.
        directions: of the reaches, rad.
    """
    return _left_out(trials, np.stack([np.ones_like(directions), np.cos(directions), np.sin(directions)], axis=1))


def ridge_from_first_bin(training: Trials, test: Trials) -> Trials:
    """Return a prediction of test conditions by ridge regression on the first bin, where students start: a linear map without dynamics.

    The penalty minimises the leave-one-out error over training conditions.

    Args:
        training: one trial per condition.
        test: other conditions, in the same bins; only their first bin is used.
    """
    from sklearn.linear_model import RidgeCV

    start, course = training.rate[:, 0], training.rate.reshape(len(training.rate), -1)
    size = max(float(((start - start.mean(axis=0)) ** 2).sum(axis=1).mean()), np.finfo(float).tiny) * len(start) / start.shape[1]
    mean = course.mean(axis=0)
    axes, weights = np.linalg.qr((course - mean).T)  # all of the course within as many axes as there are conditions: the errors are the same
    fitted = RidgeCV(alphas=PENALTIES * size).fit(start, weights.T)
    predicted = fitted.predict(test.rate[:, 0]) @ axes.T + mean
    return Trials.from_arrays(predicted.reshape(test.rate.shape), test.time, condition=test.condition)


def _left_out(trials: Trials, design: Float[ndarray, "condition regressor"]) -> Trials:
    flat, rates = trials.rate.reshape(len(design), -1), []
    for left in range(len(design)):
        kept = np.delete(np.arange(len(design)), left)
        rates.append(design[left] @ np.linalg.lstsq(design[kept], flat[kept], rcond=None)[0])
    return Trials.from_arrays(np.reshape(rates, trials.rate.shape), trials.time, condition=trials.condition)
