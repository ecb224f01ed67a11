"""Rates that a spiking card states for its populations, and connection probabilities of the network built from it."""

import numpy as np

from cortex_sim.cards.spiking._model import SpikingModel
from cortex_sim.cards.spiking._wiring import blocks


def calibrated_rates(model: SpikingModel) -> dict[str, float]:
    """Return the rate of each population for which the card states one, Hz."""
    return {name: float(part.rate.si) for name, part in model.populations.items() if part.rate}


def connection_probabilities(model: SpikingModel) -> dict[tuple[str, str], float]:
    """Return the number of synapses per pair of neurons between two populations of the simulated network, by source and target."""
    names, sizes = list(model.populations), [model.size(name) for name in model.populations]
    starts, counts = np.cumsum([0, *sizes]), np.zeros((len(sizes), len(sizes)))
    for projection in model.projections:
        for block in blocks(model, projection):
            if block.pre.size:
                source, target = (int(np.searchsorted(starts, ends[0], side="right")) - 1 for ends in (block.pre, block.post))
                counts[source, target] += block.pre.size
    return {(a, b): counts[i, j] / (sizes[i] * sizes[j]) for i, a in enumerate(names) for j, b in enumerate(names)}
