"""The size of a network: how many numbers it learns, and the operations of one step."""

from collections.abc import Callable, Collection, Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError


def learned_numbers(model: Model) -> int:
    """Return how many numbers are learned, without those of an encoder, which a network that starts from rest does not use."""
    unused = {model.initial.weights, model.initial.offset} if model.initial else set()
    matrices = [model.size(p.rows) * model.size(p.columns) for name, p in model.projections.items() if p.learn and name not in unused]
    return sum(matrices) + sum(model.size(p.over) for name, p in model.parameters.items() if p.learn and p.over and name not in unused)


def refuse_other_shapes(model: Model, arrays: Mapping[str, Float[ndarray, "..."]], *, replaced: Collection[str] = ()) -> None:
    """Check that arrays are those of a model: named as its projections and per-unit parameters are, and of their shapes.

    Args:
        model: it says which arrays it uses.
        arrays: weights and per-unit parameters.
        replaced: projections that are not used, because something else takes their place.

    Raises:
        CardError: the message says which is not, and what it should be.
    """
    expected = {name: (model.size(p.rows), model.size(p.columns)) for name, p in model.projections.items()}
    expected |= {name: (model.size(p.over),) for name, p in model.parameters.items() if p.over}
    if absent := sorted(expected.keys() & (model.parsed.called() | set(model.parsed.parameters)) - arrays.keys() - set(replaced)):
        raise CardError(f"{model.name}: arrays should hold {', '.join(absent)} too; Model.arrays() returns them all.")
    for name, array in arrays.items():
        if np.shape(array) != expected.get(name):
            should = f"it should be {expected[name]}" if name in expected else f"those of this model are {', '.join(expected)}"
            raise CardError(f"{model.name}: array {name!r} has shape {np.shape(array)}; {should}.")


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
