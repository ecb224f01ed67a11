"""Cutting long trials into short ones."""

import numpy as np

from cortex_sim.trials._complete import without_aborted
from cortex_sim.trials._trials import Trials


def pieces(trials: Trials, duration: float) -> Trials:
    """Return consecutive pieces of every trial as trials of their own, each from time 0; what is left over at the end is dropped.

    Args:
        trials: spikes.
        duration: of a piece, s. Each trial gives as many as fit in the shortest one that was not aborted (:func:`.without_aborted`).
    """
    trials = without_aborted(trials)
    start, bins = float(trials.time[0]), round(duration / trials.bin)
    count = max(1, int((trials.stop.min() - start) / duration + 1e-6))
    when, unit, trial = trials.spikes
    place = np.floor((when - start) / duration + 1e-9).astype(int)
    kept = place < count
    where = ((when - start - place * duration)[kept], unit[kept], (trial * count + place)[kept])
    return Trials.from_spikes(
        where, trials.bin * np.arange(bins), units=trials.shape[2], condition=np.repeat(trials.condition, count), population=trials.population,
        provenance=trials.provenance | {"pieces": count},
    )  # fmt: skip
