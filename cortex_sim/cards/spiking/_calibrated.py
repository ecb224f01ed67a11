"""Rates that a spiking card states for its populations, and connection probabilities of the network built from it."""

from itertools import product

from cortex_sim.cards.spiking._model import SpikingModel
from cortex_sim.cards.spiking._wiring import blocks


def calibrated_rates(model: SpikingModel) -> dict[str, float]:
    """Return the rate of each population for which the card states one, Hz."""
    return {name: float(part.rate.si) for name, part in model.populations.items() if part.rate}


def connection_probabilities(model: SpikingModel) -> dict[tuple[str, str], float]:
    """Return the number of synapses per pair of neurons between two populations of the simulated network, by source and target."""
    size = {name: model.size(name) for name in model.populations}
    counts = dict.fromkeys(product(size, size), 0)
    for block in (block for name in model.projections for block in blocks(model, name)):
        counts[block.source, block.target] += block.pre.size
    return {(source, target): count / (size[source] * size[target]) for (source, target), count in counts.items()}
