"""Poisson spikes at given rates."""

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from cortex_sim.trials._trials import Trials


def poisson_spikes(
    rates: Float[ndarray, "trial time unit"], time: Float[ndarray, " time"], *, condition: Shaped[ndarray, " trial"], rng: np.random.Generator
) -> Trials:
    """Draw spikes of Poisson processes whose rates are constant within every bin, each spike uniformly in its bin.

    Rates at left bin edges, as simulations give them, thus yield spikes half a bin late on average. Pass ``over_bins(rates)``, their means over
    the bins, for spikes that are aligned with them.

    Args:
        rates: Hz; those below 0 count as 0.
        time: start of every bin, evenly spaced, s.
        condition: label of each trial.
        rng: random generator of the spikes.
    """
    bin = float(np.round(time[1] - time[0], 9))
    counts = rng.poisson(bin * np.maximum(rates, 0.0))
    trial, place, unit = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0).T
    when = time[place] + bin * rng.random(len(place))
    return Trials.from_spikes((when, unit, trial), time, units=rates.shape[2], condition=condition)
