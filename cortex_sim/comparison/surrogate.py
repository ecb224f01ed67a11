"""Rate-matched Poisson spikes: what statistics of spike trains are when nothing but the rates is kept."""

import numpy as np

from cortex_sim.trials import Trials

SURROGATE = 21  # names the random stream


def poisson(trials: Trials, *, seed: int = 0) -> Trials:
    """Draw a rate-matched surrogate: in every condition each unit fires as a Poisson process at its mean rate there.

    Args:
        trials: spikes.
        seed: of the draw.
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, SURROGATE)))
    (count, _, units), start, spikes = trials.shape, trials.time[0], trials.spikes
    duration = trials.stop - start
    labels = np.unique(trials.condition, return_inverse=True)[1]
    fired = np.bincount(labels[spikes.trial] * units + spikes.unit, minlength=(labels.max() + 1) * units).reshape(-1, units)
    rate = fired / np.bincount(labels, weights=duration)[:, None]
    counts = rng.poisson(rate[labels] * duration[:, None])
    trial, unit = (np.repeat(place.ravel(), counts.ravel()) for place in np.indices((count, units)))
    when = start + rng.uniform(size=trial.size) * duration[trial]
    return Trials.from_spikes(
        (when, unit, trial), trials.time, units=units, condition=trials.condition, stop=trials.stop, population=trials.population,
        provenance=trials.provenance | {"surrogate": f"Poisson at the rate of each unit in each condition, seed {seed}"},
    )  # fmt: skip
