"""Firing rates of populations."""

import numpy as np

from cortex_sim.trials import Trials


def population_rates(trials: Trials, span: tuple[float, float]) -> dict[str, float]:
    """Return the mean rate of every population in a time window, Hz, over neurons and trials.

    Args:
        trials: trials with spikes.
        span: start and stop, s.
    """
    (start, stop), (when, unit, _) = span, trials.spikes
    counts = np.bincount(unit[(when >= start) & (when < stop)], minlength=trials.shape[2])
    members = {name: trials.population == name for name in dict.fromkeys(trials.population.tolist())}
    return {name: float(counts[inside].mean() / trials.shape[0] / (stop - start)) for name, inside in members.items()}
