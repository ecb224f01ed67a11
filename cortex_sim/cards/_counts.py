"""The size of a network: how many numbers it learns, and the operations of one step."""

from collections.abc import Callable

from cortex_sim.cards._model import Model


def learned_numbers(model: Model) -> int:
    """Return how many numbers are learned, without those of an encoder, which a network that starts from rest does not use."""
    unused = {model.initial.weights, model.initial.offset} if model.initial else set()
    matrices = [model.size(p.rows) * model.size(p.columns) for name, p in model.projections.items() if p.learn and name not in unused]
    return sum(matrices) + sum(model.size(p.over) for name, p in model.parameters.items() if p.learn and p.over and name not in unused)


def operations_per_step(model: Model) -> int:
    """Return the floating-point operations of one step of one trial: 2 for each entry of each matrix that multiplies.

    The matrices are the projections that the equations call, those that carry channels to each input, and the readout; functions of scalars
    numbers are not counted.
    """
    used = [*(model.parsed.called() & model.projections.keys()), *(str(item.weights) for item in model.inputs.values() if item.listens)]
    used += [model.readout.weights] if model.readout else []
    return 2 * sum(model.size(model.projections[name].rows) * model.size(model.projections[name].columns) for name in used)


def nearest_in_size(make: Callable[[int], Model], budget: int) -> Model:
    """Return the network whose number of learned numbers is nearest to a budget.

    Args:
        make: returns a network with a given number of units; the number of learned numbers must increase with it.
        budget: number of learned numbers.
    """
    low, high = 1, budget
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if learned_numbers(make(middle)) <= budget else (low, middle)
    return make(min((low, high), key=lambda units: abs(learned_numbers(make(units)) - budget)))
