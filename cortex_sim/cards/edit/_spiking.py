"""Spiking circuits of another size."""

from collections.abc import Mapping, Sequence

from cortex_sim.cards.spiking import SpikingModel


def resized(model: SpikingModel, sizes: Mapping[str, int], *, summed: Sequence[str] = ()) -> SpikingModel:
    """Return the circuit with other numbers of neurons in some populations.

    Args:
        model: spiking circuit.
        sizes: new numbers of neurons, by population.
        summed: projections from these populations whose weights scale inversely with size, so that their summed input stays the same.
    """
    dump = model.model_dump()
    for name in summed:
        part = dump["projections"][name]
        ((before, after),) = {(model.populations[source].size, sizes[source]) for source in part["sources"]}
        part["weight"]["value"] *= before / after
    populations = {name: part | ({"size": sizes[name]} if name in sizes else {}) for name, part in dump["populations"].items()}
    return model.changed(populations=populations, projections=dump["projections"])
