"""The same circuit with fewer units."""

from typing import TypeVar

from cortex_sim.cards._model import Model
from cortex_sim.cards.edit._spiking import resized
from cortex_sim.cards.spiking import SpikingModel

Circuit = TypeVar("Circuit", Model, SpikingModel)


def shrunk(model: Circuit, units: int) -> Circuit:
    """Return the circuit with about so many units, if it has more; one whose weights are stored with its card is returned unchanged.

    Populations of a spiking circuit keep their proportions, and at least one neuron each. Connection rules and weights stay as they are, so
    neurons have fewer inputs and other rates.
    """
    if isinstance(model, Model):
        return model if model.weights else model.with_arrays({}, units=min(model.units, units))
    share = min(1.0, units / model.units)
    return resized(model, {name: max(1, round(share * part.size)) for name, part in model.populations.items()})
