r"""The ceiling: the score of a perfect model, given the noise of condition averages, which is estimated from halves of the trials.

With the averages A and B of two random halves of :math:`n_1 + n_2 = n` trials, :math:`\tfrac{n_1 n_2}{n^2}(A-B)^2` has the expectation
:math:`s^2/n`, the variance of the average of all n. A model that knows the true course y has this error and no less. Written with
:math:`r = (D-E)/(D+E)`, the intraclass correlation of the halves, where D is the variance of the average over conditions and time and E that of
its noise, :math:`1 - E/D = 2r/(1+r)` is the Spearman-Brown formula; for a signal of variance 1 it is :math:`1/(1+s^2/n)`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import helmert
from scipy.special import stdtrit

from cortex_sim.comparison import _prediction as prediction
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream
from cortex_sim.trials import Trials

SPLITS = 20


def noise_ceiling(trials: Trials, *, training: Trials | Sequence[Trials] | None = None, splits: int = SPLITS, seed: int = 0) -> float:
    """Return the R² that a model with the true rates would reach on the condition averages of these trials.

    It is computed by :func:`cortex_sim.comparison._prediction.variance_explained`, with units weighted as there, and so is the ceiling of the "R² of
    rates" of a student whose teacher is ``trials.averaged()``. It is an estimate: with few trials a good student may score slightly above it.

    Args:
        trials: rates of single trials in the predicted conditions, at least two per condition.
        training: condition averages for the mean and scale of each unit, see :func:`.training_reference`; those of ``trials`` if omitted.
        splits: number of random halvings to average over.
        seed: of the splits.

    Raises:
        ComparisonError: a condition has one trial, or nothing varies.
    """
    average = trials.averaged()
    mean, scale = prediction.training_reference(average if training is None else training)
    noise = noise_variance(trials, splits=splits, seed=seed)
    _check_varying(average)
    return prediction.variance_explained(average.rate, average.rate + np.sqrt(noise), mean=mean, scale=scale)


def score_of_truth(trials: Trials, *, training: Trials | None = None, told: bool = True) -> tuple[float, tuple[float, float]]:
    r"""Return the R² that the truth reaches on condition averages if it is measured as a student is, and its 95 % interval.

    The truth is what the averages would be without noise: for smoothed spikes, the smoothed rates. A student starts from the first bin of the
    averages, so the truth is told this bin too: it is off by :math:`n(t) - c(t) n(0)` instead of the noise n(t), where c is the regression of the
    noise in a bin on that in the first one, which lasts as long as the kernel that spikes were smoothed with. The sum of squares of the averages is
    known; that of the error has the variance :math:`2\,\mathrm{tr}\,\Sigma^2` for noise of covariance :math:`\Sigma`, which orthogonal contrasts of
    the trials tell without bias. The interval covers the score of the truth on these very averages: a student above it knows their noise.

    Args:
        trials: rates of single trials in the predicted conditions, at least two per condition and three in all but one.
        training: condition averages for the mean and scale of each unit, see :func:`.training_reference`; those of ``trials`` if omitted.
        told: whether students start from the first bin of these averages.

    Raises:
        ComparisonError: a condition has one trial, there are fewer than two contrasts, or nothing varies.
    """
    average = trials.averaged()
    mean, scale = prediction.training_reference(average if training is None else training)
    _check_varying(average)
    parts = [_contrasts(trials, label) / scale for label in dict.fromkeys(trials.condition.tolist())]
    noise = np.concatenate(parts)
    if len(noise) < 2:
        raise ComparisonError("reliability: one condition of two trials; an interval of the ceiling needs three trials, or two conditions.")
    first = float((noise[:, 0] ** 2).sum())
    lasting = (noise * noise[:, :1]).sum(axis=(0, 2)) / first if told and first > 0 else np.zeros(noise.shape[1])
    left = (noise - lasting[:, None] * noise[:, :1]).reshape(len(noise), -1)
    counts = np.array([len(part) for part in parts])  # one less than the trials
    each = np.add.reduceat((left**2).sum(axis=1), np.cumsum(counts) - counts) / counts
    spread = np.sqrt((2 * _squared_trace(left) / ((counts + 1) * counts)).sum())
    total, error = float((((average.rate - mean) / scale) ** 2).sum()), float((each / (counts + 1)).sum())
    half = float(stdtrit(len(left), 0.975) * spread / total)
    return 1 - error / total, (1 - error / total - half, 1 - error / total + half)


def _contrasts(trials: Trials, label: object) -> Float[ndarray, "contrast time unit"]:
    """Return orthogonal contrasts of the trials of a condition: independent noise of the variance of single trials, one fewer than trials.

    Raises:
        ComparisonError: the condition has one trial.
    """
    repeats = trials.rate[trials.condition == label]
    if len(repeats) < 2:
        raise ComparisonError(f"reliability: condition {label!r} has one trial; a ceiling needs at least 2 of each, before they are averaged.")
    return np.asarray(np.tensordot(helmert(len(repeats)), repeats, axes=1))


def _squared_trace(noise: Float[ndarray, "sample axis"]) -> float:
    """Return the trace of the squared covariance of independent samples of mean 0, unbiased for normal ones; it is 0 or more."""
    count = len(noise)
    products = noise @ noise.T / count
    return max(0.0, count**2 / ((count - 1) * (count + 2)) * float((products**2).sum() - np.trace(products) ** 2 / count))


def reliability(trials: Trials, *, splits: int = SPLITS, seed: int = 0) -> Float[ndarray, " unit"]:
    """Return the reliability of each unit's condition averages over conditions and time: 1 without noise, 0 for pure noise.

    Args:
        trials: rates of single trials, at least two per condition.
        splits: number of random halvings to average over.
        seed: of the splits.

    Returns:
        The split-half correlation with the Spearman-Brown correction; NaN if the unit does not vary, and possibly slightly below 0 by chance.

    Raises:
        ComparisonError: a condition has one trial, or nothing varies.
    """
    average = trials.averaged()
    noise = noise_variance(trials, splits=splits, seed=seed)
    _check_varying(average)
    varying = np.ptp(average.rate, axis=(0, 1)) > 0
    total = average.rate.var(axis=(0, 1))
    return np.where(varying, 1 - noise.mean(axis=(0, 1)) / np.where(varying, total, 1.0), np.nan)


def noise_variance(trials: Trials, *, splits: int = SPLITS, seed: int = 0) -> Float[ndarray, "condition time unit"]:
    """Return the variance of condition averages, estimated from random halves; see the docstring of this module.

    Args:
        trials: rates of single trials, at least two per condition.
        splits: number of random halvings to average over.
        seed: of the splits.

    Returns:
        Variances in the squared unit of the rates, conditions in order of first appearance.

    Raises:
        ComparisonError: a condition has one trial.
    """
    rng = stream(seed, "analysis", "halves of trials")
    found = []
    for label in dict.fromkeys(trials.condition.tolist()):
        repeats = trials.rate[trials.condition == label]
        if len(repeats) < 2:
            raise ComparisonError(f"reliability: condition {label!r} has one trial; a ceiling needs at least 2 of each, before they are averaged.")
        found.append(np.mean([_halved(repeats[rng.permutation(len(repeats))]) for _ in range(splits)], axis=0))
    return np.stack(found)


def _halved(repeats: Float[ndarray, "trial time unit"]) -> Float[ndarray, "time unit"]:
    count, half = len(repeats), len(repeats) // 2
    return half * (count - half) / count**2 * (repeats[:half].mean(axis=0) - repeats[half:].mean(axis=0)) ** 2


def _check_varying(average: Trials) -> None:
    if not np.ptp(average.rate, axis=(0, 1)).any():
        raise ComparisonError("reliability: no unit varies over conditions and time, so there is nothing to be reliable.")
