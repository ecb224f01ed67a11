"""Measures of single trials by name: higher is more alike. They need labels of conditions, which arrays do not have."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._kernels import crossnobis, rsa
from cortex_sim.comparison._noisy_cycle import noisy_cycle_consistency
from cortex_sim.comparison._reconstruction import divergence_of_trials, spectra_of_trials
from cortex_sim.comparison._residual_dynamics import residual_distance
from cortex_sim.comparison._residuals import in_one_order
from cortex_sim.comparison._stochastic_shape import stochastic_shape_distance
from cortex_sim.errors import ComparisonError
from cortex_sim.trials import Trials

FEWEST = 4  # trials of a condition from which on noise can be told from difference
Between = Callable[[Trials, Trials], float]


def crossnobis_rsa(a: Trials, b: Trials) -> float:
    """Return the correlation of the conditions' distances in two systems, free of the bias that noise has on distances (Walther et al. 2016).

    Args:
        a: single trials.
        b: of the other system, with the same conditions and bins. With fewer than four trials of a condition, averages are compared instead.

    Raises:
        ComparisonError: conditions or bins differ, or all conditions of a side are equally far apart.
    """
    a, b = in_one_order(a, b)
    if min(int(np.unique(one.condition, return_counts=True)[1].min()) for one in (a, b)) < FEWEST:
        return rsa(*(_averages(one) for one in (a, b)))
    one, other = (crossnobis(trials) for trials in (a, b))
    if one.shape != other.shape:
        raise ComparisonError(f"crossnobis: (time, pair) are {one.shape} and {other.shape}; conditions and bins should match.")
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _averages(trials: Trials) -> Float[ndarray, "condition time unit"]:
    labels = list(dict.fromkeys(trials.condition.tolist()))
    return np.stack([trials.rate[trials.condition == label].mean(axis=0) for label in labels])


TRIAL_MEASURES: Mapping[str, Between] = {
    "residual dynamics, eigenvalues": lambda a, b: -residual_distance(a, b),
    "stochastic shape (rms)": lambda a, b: -stochastic_shape_distance(a, b),
    "RSA, crossnobis": crossnobis_rsa,
    "cycle consistency, noise removed": noisy_cycle_consistency,
    "D_stsp (nats)": lambda a, b: -divergence_of_trials(a, b),
    "D_H": lambda a, b: -spectra_of_trials(a, b),
}
