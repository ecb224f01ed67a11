"""Spikes that fire at given rates."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.trials._trials import Trials


def poisson_spikes(
    rates: Float[ndarray, "trial time unit"], time: Float[ndarray, " time"], *, condition: ndarray, rng: np.random.Generator
) -> Trials:
    """Draw spikes of Poisson processes whose rates stand still in every bin, each spike anywhere in its bin.

    The rate of a bin is taken for all of it. Of rates at left edges, as simulations have them, that is half a bin late; ``over_bins(rates)`` gives
    the means over the bins, and with them spikes that belong to the same moments.

    Args:
        rates: Hz; none fires below 0.
        time: start of every bin, evenly spaced, s.
        condition: of each trial.
        rng: of the spikes.
    """
    bin = float(np.round(time[1] - time[0], 9))
    counts = rng.poisson(bin * np.maximum(rates, 0.0))
    trial, place, unit = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0).T
    when = time[place] + bin * rng.random(len(place))
    return Trials.from_spikes((when, unit, trial), time, units=rates.shape[2], condition=condition)
