"""A measure for cortex-sim benchmark run: DSA of the package dsa-metric, of single trials minus the average of their condition."""

import numpy as np
from DSA import DSA

import cortex_sim as cs

DELAYS, RANK = 3, 10


def _residuals(trials: cs.Trials) -> np.ndarray:
    rates = trials.rate.copy()
    for label in np.unique(trials.condition):
        rates[trials.condition == label] -= rates[trials.condition == label].mean(axis=0)
    return rates if np.ptp(rates) > 0 else trials.rate - trials.rate.mean(axis=0)  # averages have no residuals


def alike(a: cs.Trials, b: cs.Trials) -> float:
    """Return minus the distance of the operators of two sides: higher is more alike."""
    found = DSA(_residuals(a), _residuals(b), n_delays=DELAYS, rank=RANK, score_method="wasserstein", verbose=False)
    return -float(np.squeeze(found.fit_score()))
