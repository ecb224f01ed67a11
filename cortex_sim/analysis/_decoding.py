"""Decoding: how well spike counts predict the condition of a trial."""

import numpy as np
from jaxtyping import Float, Int, Real, Shaped
from numpy import ndarray

from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import reordered
from cortex_sim.trials import Trials, without_aborted

DECODING_FOLDS = 5


def decoding(trials: Trials, *, window: tuple[float, float] | None = None, folds: int = DECODING_FOLDS) -> float:
    """Return the fraction of trials that a linear discriminant classifies correctly from all units' counts; chance is 1 / number of conditions.

    The covariance within conditions is shrunk by the method of Ledoit and Wolf. Every trial is classified by a discriminant fitted to the other
    folds, which are blocks of consecutive trials, so that a slow drift is no advantage.

    Args:
        trials: trials with spikes, at least one per condition and fold.
        window: start and stop of the counting window, s; if omitted, from the start until the first end of a trial that was not aborted
            (:func:`.without_aborted`).
        folds: number of folds, each held out once.

    Raises:
        ComparisonError: there is only one condition, or a condition has fewer trials than there are folds.

    Source:
        scikit-learn (Pedregosa et al. 2011); Ledoit & Wolf (2004) J Multivar Anal 88:365.
    """
    trials = without_aborted(trials) if window is None else trials.window(*window)
    return float((discriminant(spike_counts(trials), trials.condition, folds=folds) == trials.condition).mean())


def discriminant(counts: Real[ndarray, "trial unit"], condition: Shaped[ndarray, " trial"], *, folds: int = DECODING_FOLDS) -> ndarray:
    """Return the condition that a linear discriminant fitted to the other folds assigns to each trial; see :func:`decoding`.

    Raises:
        ComparisonError: there is only one condition, or a condition has fewer trials than there are folds.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import cross_val_predict

    names, labels = np.unique(condition, return_inverse=True)
    discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return np.asarray(names[cross_val_predict(discriminant, counts, labels, cv=trial_folds(condition, folds))])


def discriminated_by_chance(
    counts: Real[ndarray, "trial unit"], condition: Shaped[ndarray, " trial"], *, rng: np.random.Generator, draws: int, folds: int = DECODING_FOLDS
) -> Float[ndarray, " draw"]:
    """Return fractions of trials that a discriminant classifies correctly if it is fitted to counts of other trials.

    The null is that counts tell nothing of the condition. Answers of one fit in random order are no draws from it: discriminants of different folds
    are fitted to mostly the same trials, so that they err together.

    Args:
        counts: spikes of each unit in each trial.
        condition: of each trial.
        rng: of the orders.
        draws: their number.
        folds: as for :func:`discriminant`.
    """
    return reordered(
        lambda order: float((discriminant(counts[order], condition, folds=folds) == condition).mean()), len(counts), rng=rng, draws=draws
    )


def trial_folds(condition: Shaped[ndarray, " trial"], folds: int = DECODING_FOLDS) -> list[tuple[Int[ndarray, " taught"], Int[ndarray, " asked"]]]:
    """Return folds of consecutive trials, with trials of every condition in each: indices of training and of test trials.

    Raises:
        ComparisonError: there is only one condition, or a condition has fewer trials than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    numbers, count = np.unique(condition, return_inverse=True, return_counts=True)[1:]
    if len(count) < 2 or count.min() < folds:
        raise ComparisonError(f"decoding: {len(count)} conditions of {count.min()} trials or more; there should be 2 of at least {folds} trials.")
    return list(StratifiedKFold(folds).split(np.zeros(len(condition)), numbers))


def spike_counts(trials: Trials) -> Int[ndarray, "trial unit"]:
    """Return the spike count of every unit and trial, from the start until the first trial ends."""
    (number, _, units), (when, unit, trial) = trials.shape, trials.spikes
    kept = when < trials.stop.min()
    return np.bincount(trial[kept].astype(np.int64) * units + unit[kept], minlength=number * units).reshape(number, units)
