"""The same circuit with fewer units."""

from cortex_sim.cards._model import Model


def shrunk(model: Model, units: int) -> Model:
    """Return the circuit with at most this many units; a circuit whose weights are stored with its card is returned unchanged."""
    return model if model.weights else model.with_arrays({}, units=min(model.units, units))
