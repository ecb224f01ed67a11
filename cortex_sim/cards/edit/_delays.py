"""Removal of the delays of projections."""

from cortex_sim.cards._model import Model


def undelayed(model: Model) -> Model:
    """Return the model without the delays of its projections: its fixed points are the same, but their stability may differ."""
    projections = {name: part.model_dump() | {"delay": None} for name, part in model.projections.items()}
    return model.with_arrays({}, projections=projections)
