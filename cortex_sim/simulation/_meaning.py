r"""The roles of a model's parts, measured on its derivative: no part is recognised by its name.

Slopes are exact (forward-mode derivatives of the equation text, at rest, in float64), so a measured time constant is the number on the card.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model, SpikingModel, dimensions, parsed, scale
from cortex_sim.cards.edit import with_values
from cortex_sim.errors import TaskError
from cortex_sim.simulation._dynamics import beginning, flow

SAME = 1e-9  # relative difference below which two slopes are one


def driven_inputs(model: Model) -> list[str]:
    """Return the names of the inputs that a task's drives and pushes go to: those that have no weights and are not noise."""
    return [name for name, item in model.inputs.items() if not item.weights and not item.noise]


def recurrent_projections(model: Model) -> list[str]:
    """Return the names of the projections that the equations call, in the order of the card."""
    called = model.parsed.called()
    return [name for name in model.projections if name in called]


def recurrent_projection(model: Model) -> str:
    """Return the name of the one projection that the equations call.

    Raises:
        TaskError: they call none, or several.
    """
    called = recurrent_projections(model)
    if len(called) != 1:
        raise TaskError(f"{model.name}: its equations call {', '.join(called) or 'no projection'}; this needs one matrix of weights between units.")
    return called[0]


def recurrent_weights(model: Model) -> Float[ndarray, "unit unit"]:
    """Return the summed weights of the projections that the equations call; rows are targets."""
    arrays = model.arrays()
    return np.sum([arrays[name] for name in recurrent_projections(model)], axis=0)


def time_constant(model: Model) -> Float[ndarray, " unit"]:
    r"""Return the time constant with which each isolated unit forgets its state, s.

    It is :math:`-1/(\partial \dot x/\partial x)` at rest, with projections and inputs held fixed.

    Args:
        model: has one state variable per unit.

    Returns:
        One number per unit; infinite where a unit does not return to rest by itself.

    Raises:
        CardError: there are several state variables.
    """
    slope = slopes(model).leak[: model.units] if model.parsed.state else np.zeros(0)
    return np.divide(-1.0, slope, out=np.full(len(slope), np.inf), where=slope < 0)


def drive_gain(model: Model) -> Float[ndarray, " unit"]:
    r"""Return how fast a drive moves each unit: :math:`\partial \dot x/\partial u` at rest, with x the first state variable that it enters.

    Returns:
        One number per unit, in SI units of that variable per second and per unit of the input.

    Raises:
        TaskError: no input drives the units, or none moves them at rest.
    """
    heard = driven_inputs(model)
    gains = slopes(model).drive.reshape(-1, model.units) if heard else np.zeros((1, model.units))
    moved = gains.any(axis=1)
    if not moved.any():
        found = f"its inputs are {', '.join(model.inputs)}" if model.inputs else "it has no inputs"
        raise TaskError(f"{model.name}: no drive moves its units at rest ({found}); give the card an input without weights and name it in dx/dt.")
    return gains[np.argmax(moved)]


def push_amplitude(model: Model, jump: float | Float[ndarray, " unit"], duration: float) -> float | Float[ndarray, " unit"]:
    """Return the current that would move each unit at rest by a jump in a given time if there were no leak.

    Args:
        model: a circuit whose units are the observed ones.
        jump: of the state, in SI units.
        duration: of the current, s.

    Returns:
        The current, in the unit of the input; one number if it is the same for all units. Units that no drive moves get 0.
    """
    gain = drive_gain(model)
    amplitude = np.divide(jump, gain * duration, out=np.zeros(model.units), where=gain != 0)
    return float(amplitude[0]) if np.array_equal(amplitude, np.full_like(amplitude, amplitude[0])) else amplitude


def drive_time_constant(model: Model) -> float | Float[ndarray, " unit"] | None:
    """Return the time in which a constant drive would move the state by its own size, s, or None if drive and state differ in dimension.

    It is the ``tau`` of ``dx/dt = (... + drive)/tau``: one number if it is the same for all units.
    """
    try:
        gain = drive_gain(model)
    except TaskError:
        return None
    moved = next(name for name, row in zip(model.parsed.states, slopes(model).drive.reshape(-1, model.units), strict=True) if row.any())
    units = {dimensions(model.inputs[name].unit) for name in driven_inputs(model)}
    if units != {dimensions(model.parsed.equations[moved].unit)} or not (gain > 0).all():
        return None
    tau = scale(model.inputs[driven_inputs(model)[0]].unit) / gain
    return float(tau[0]) if np.array_equal(tau, np.full_like(tau, tau[0])) else tau


def drive_parameter(model: Model) -> str | None:
    """Return the name of the parameter that sets how fast a drive moves the state: a time inversely proportional to the gain of drives."""
    if not driven_inputs(model):
        return None
    still = _unconnected(model)
    before = slopes(still).drive
    for name, part in model.parameters.items():
        if name not in model.parsed.mentioned() or dimensions(part.unit) != dimensions("second"):
            continue
        doubled = part.model_dump() | {"value": (2 * np.asarray(part.value)).tolist()}
        parameters = {key: doubled if key == name else one.model_dump() for key, one in model.parameters.items()}
        trained = {key: 2 * value for key, value in model.own_parameters().items() if key == name}
        after = slopes(still.with_arrays(trained, parameters=parameters)).drive
        if before.any() and np.allclose(2 * after, before, rtol=SAME, atol=0):
            return name
    return None


def parameters_by_power(model: Model) -> dict[int, str]:
    """Return the parameters that multiply the first and the third power of the state in the flow, and (0) the noise, as far as there are any.

    Each is set to 1, 2 and 3; what changes alike between them is its part in the flow, which is told by its growth with the state.
    """
    states = np.outer([1.0, 2.0, 4.0], np.ones(model.dimension))
    noise = {name: 1.0 for name, item in model.inputs.items() if item.noise}
    found: dict[int, str] = {}
    for name in model.parameters:
        shape = np.shape(model.arrays().get(name, 0.0))
        changed = (with_values(model, {name: np.full(shape, size)}) for size in (1.0, 2.0, 3.0))
        part, again = np.diff([flow(one, one.arrays(), states, noise) for one in changed], axis=0)
        if part.any() and np.allclose(part, again, rtol=SAME):
            found |= {power: name for power in (1, 3, 0) if np.allclose(part, part[0] * states**power, rtol=SAME)}
    return found


class Slopes(NamedTuple):
    """Derivatives of the flow at rest with respect to a unit's own state and to its drive, each (variable x unit,), variable by variable.

    Projections are held fixed in the former.
    """

    leak: Float[ndarray, " state"]
    drive: Float[ndarray, " state"]


def slopes(model: Model) -> Slopes:
    """Return the slopes of a model at rest."""
    from cortex_sim.simulation.torch import own_slopes

    return Slopes(*own_slopes(model, model.arrays(), beginning(model, 1)[0], driven_inputs(model)))


def _unconnected(model: Model) -> Model:
    """Return the model with weights of 0, which take no time to build."""
    shapes = {name: (model.size(part.rows), model.size(part.columns)) for name, part in model.projections.items()}
    return model.with_arrays({name: np.zeros(shape) for name, shape in shapes.items()})


def silent_time_constant(model: SpikingModel, kind: str) -> float:
    r"""Return the time constant of neurons that do not fire, s: :math:`-1/(\partial \dot x/\partial x)` at 0, x the state that their input moves.

    Args:
        model: spiking circuit.
        kind: of neurons; their equations must be linear in that state.

    Raises:
        TaskError: the number of their states that are moved by a variable set at each step is not one.
    """
    part = model.neurons[kind]
    text = parsed(part.equations)
    values = {name: table.si for name, table in part.parameters.items()} | dict.fromkeys((*text.states, *text.parameters), 0.0)
    moved = [state for state in text.states if text.equations[state].names & set(text.parameters)]
    if len(moved) != 1:
        raise TaskError(f"{model.name}: {len(moved)} states of neurons {kind!r} are moved by their input; there should be one.")
    still, away = (text.derivative({**values, moved[0]: x}, moved[0]) for x in (0.0, 1.0))
    return float(1.0 / (still - away))
