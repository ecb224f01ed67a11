"""Networks whose recurrent connectivity is kept at low rank."""

from cortex_sim.cards._model import Model


def held_to_rank(model: Model, rank: int) -> Model:
    """Return the network with recurrent weights that are a sum of ``rank`` outer products, of standard normal vectors before training."""
    numbers = {"rank": rank, "mean_m": 0, "sd_m": 1, "mean_n": 0, "sd_n": 1}
    arguments = {name: {"value": value, "meaning": f"{name} before training", "source": "chosen"} for name, value in numbers.items()}
    held, called = {"rule": "low_rank", "rank": rank, "arguments": arguments}, model.parsed.called()
    projections = {name: part.model_dump() | (held if name in called else {}) for name, part in model.projections.items()}
    return model.with_arrays({}, projections=projections)
