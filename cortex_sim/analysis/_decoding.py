"""Decoding: how well the condition of a trial can be told from its spike counts."""

import numpy as np
from jaxtyping import Int, Real
from numpy import ndarray

from cortex_sim.errors import ComparisonError
from cortex_sim.trials import Trials, without_aborted

DECODING_FOLDS = 5


def decoding(trials: Trials, *, window: tuple[float, float] | None = None, folds: int = DECODING_FOLDS) -> float:
    """Return the share of trials whose condition a linear discriminant finds from the counts of all units; chance is 1 over the number of conditions.

    The covariance within conditions is shrunk as Ledoit and Wolf prescribe. Every trial is classified by a discriminant of the other folds, which
    are stretches of trials in order, so that a slow drift does not help.

    Args:
        trials: spikes, one or more trials a condition and fold.
        window: start and stop in s of the count; if left out, from the start until the first trial ends that was not broken off
            (:func:`.without_aborted`).
        folds: number of parts, each held out once.

    Raises:
        ComparisonError: there is one condition, or one has fewer trials than there are folds.

    Source:
        scikit-learn (Pedregosa et al. 2011); Ledoit & Wolf (2004) J Multivar Anal 88:365.
    """
    trials = without_aborted(trials) if window is None else trials.window(*window)
    return float((discriminant(spike_counts(trials), trials.condition, folds=folds) == trials.condition).mean())


def discriminant(counts: Real[ndarray, "trial unit"], condition: ndarray, *, folds: int = DECODING_FOLDS) -> ndarray:
    """Return the condition that a linear discriminant fitted to the other folds assigns to each trial; see :func:`decoding`.

    Raises:
        ComparisonError: there is one condition, or one has fewer trials than there are folds.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import cross_val_predict

    names, labels = np.unique(condition, return_inverse=True)
    discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return np.asarray(names[cross_val_predict(discriminant, counts, labels, cv=trial_folds(condition, folds))])


def trial_folds(condition: ndarray, folds: int = DECODING_FOLDS) -> list[tuple[Int[ndarray, " taught"], Int[ndarray, " asked"]]]:
    """Cut trials into folds, stretches in order with trials of every condition: positions of training and of test trials.

    Raises:
        ComparisonError: there is one condition, or one has fewer trials than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    numbers, count = np.unique(condition, return_inverse=True, return_counts=True)[1:]
    if len(count) < 2 or count.min() < folds:
        raise ComparisonError(f"decoding: {len(count)} conditions of {count.min()} trials or more; there should be 2 of at least {folds} trials.")
    return list(StratifiedKFold(folds).split(np.zeros(len(condition)), numbers))


def spike_counts(trials: Trials) -> Int[ndarray, "trial unit"]:
    """Count the spikes of every unit, from the start until the first trial ends."""
    (number, _, units), (when, unit, trial) = trials.shape, trials.spikes
    kept = when < trials.stop.min()
    return np.bincount(trial[kept].astype(np.int64) * units + unit[kept], minlength=number * units).reshape(number, units)
