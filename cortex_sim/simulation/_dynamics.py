"""A model's equation text evaluated on plain arrays: its flow, and its state inferred from rates."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model, numpy_mathematics, refuse_other_shapes, scale, unit_values
from cortex_sim.errors import TaskError

ENTRIES, STRETCH, POLISH = 20_001, 6.0, 4  # of the table that inverts a gain

Constants = Mapping[str, float | Float[ndarray, "..."]]


def flow(
    model: Model,
    arrays: Mapping[str, Float[ndarray, "..."]],
    state: Float[ndarray, "... state"],
    constants: Constants | None = None,
) -> Float[ndarray, "... state"]:
    """Return the time derivative of the state.

    Args:
        model: its equation text is evaluated as it stands.
        arrays: weights and per-unit parameters.
        state: one or many, in SI units; with several variables, all units of the first come first.
        constants: values that replace projections (in SI units) or inputs (in the unit of the input), by name; inputs that are not named
            are 0.

    Returns:
        The derivative, in SI units per second.

    Raises:
        CardError: the arrays are not those of the model.
        TaskError: the state has the wrong number of entries.
    """
    return flow_function(model, arrays, constants)(state)


def flow_function(
    model: Model, arrays: Mapping[str, Float[ndarray, "..."]], constants: Constants | None = None
) -> Callable[[Float[ndarray, "... state"]], Float[ndarray, "... state"]]:
    """Return the time derivative as a function of the state, for many calls with the same weights and inputs; see :func:`flow`."""
    refuse_other_shapes(model, arrays, replaced=constants or ())
    factors = {name: scale(item.unit) for name, item in model.inputs.items()}
    constants = {name: value * factors.get(name, 1.0) for name, value in (dict.fromkeys(model.inputs, 0.0) | dict(constants or {})).items()}
    return _moving(model, arrays, {name: (lambda *_, now=value: now) for name, value in constants.items()})


def driven_states(
    model: Model,
    arrays: Mapping[str, Float[ndarray, "..."]],
    start: Float[ndarray, "trial state"],
    inputs: Float[ndarray, "trial step unit"],
    into: str,
) -> Float[ndarray, "trial step state"]:
    """Return the states of a model at every integration step under an input of its own for each unit and step: Euler's method on plain arrays.

    Args:
        model: its equation text is evaluated as it stands, with all other inputs 0.
        arrays: weights and per-unit parameters.
        start: first state of every trial, in SI units.
        inputs: in the unit of the input.
        into: name of the input.

    Raises:
        TaskError: the model is not integrated by Euler's method, or the state has the wrong number of entries.
    """
    if model.integrator != "euler":
        raise TaskError(f"{model.name}: is integrated by {model.integrator!r}; it should be by 'euler'.")
    refuse_other_shapes(model, arrays)
    courses = inputs * scale(model.inputs[into].unit)
    place = [0]
    silent = {name: (lambda *_: 0.0) for name in model.inputs}
    moving = _moving(model, arrays, silent | {into: lambda *_: courses[:, place[0]]})
    found, state = np.empty((len(start), courses.shape[1], start.shape[1])), start
    for step in range(courses.shape[1]):
        found[:, step], place[0] = state, step
        if step + 1 < courses.shape[1]:
            state = state + model.dt.si * moving(state)
    return found


def _moving(model: Model, arrays: Mapping[str, Float[ndarray, "..."]], held: Mapping[str, Callable[..., Any]]) -> Callable[[ndarray], ndarray]:
    """Return the time derivative as a function of the state, with inputs and projections that are given as functions."""
    values = _values(model) | {name: arrays[name] for name in model.parsed.parameters} | {"t": 0.0, "i": None}
    values |= {name: (lambda rate, W=arrays[name]: rate @ W.T) for name in model.projections if name in arrays}
    values |= held
    states = model.parsed.states

    def moving(state: Float[ndarray, "... state"]) -> Float[ndarray, "... state"]:
        known = model.parsed.subexpressions(values | _split(model, state))
        return np.concatenate([model.parsed.derivative(known, name) * np.ones_like(known[name]) for name in states], axis=-1)

    return moving


def rate_of(
    model: Model, state: Float[ndarray, "... state"], arrays: Mapping[str, Float[ndarray, "..."]] | None = None
) -> Float[ndarray, "... unit"]:
    """Return the rates of units in a given state, for rates that depend on the unit's own state and parameters alone.

    Args:
        model: its equation text is evaluated as it stands.
        state: one or many, in SI units.
        arrays: per-unit parameters that the rate depends on, by name; the model's own if omitted.

    Raises:
        TaskError: the rate depends on more, or the state has the wrong number of entries.
    """
    own = model.own_parameters() if arrays is None else arrays
    return _rate(model, _split(model, state) | {name: own[name] for name in model.parsed.parameters})


def _rate(model: Model, variables: Mapping[str, Any]) -> Float[ndarray, "... unit"]:
    try:
        return model.parsed.subexpressions(_values(model) | dict(variables), wanted=model.rate)[model.rate]
    except NameError as problem:
        raise TaskError(f"{model.name}: rates do not follow from the state alone, since {model.rate!r} needs {problem.name!r} too.") from None


def gain_of(model: Model) -> Callable[[Float[ndarray, "... unit"], Mapping[str, ndarray]], Float[ndarray, "... unit"]]:
    """Return :func:`rate_of`, for a model of one state variable, as a fast function of the state and the per-unit parameters."""
    text = model.parsed
    used = {name for equation in text.equations.values() if equation.code for name in equation.code.co_names}
    values = {name: value for name, value in _values(model).items() if name in used}

    def gain(state: ndarray, arrays: Mapping[str, Float[ndarray, "..."]]) -> ndarray:
        return text.subexpressions(values | {name: arrays[name] for name in text.parameters} | {text.state: state}, wanted=model.rate)[model.rate]

    return gain


def check_state(model: Model, state: Float[ndarray, "... state"]) -> None:
    """Check that a state has one number for each variable of each unit.

    Raises:
        TaskError: it does not; the message says how many it has and should have.
    """
    if state.shape[-1] != model.dimension:
        names = model.parsed.states
        wanted = f"{len(names)} ({', '.join(names)}) for each of {model.units} units"
        raise TaskError(f"{model.name}: the state has {state.shape[-1]} numbers; it should have {model.dimension}, {wanted}.")


def _split(model: Model, state: Float[ndarray, "... state"]) -> dict[str, Float[ndarray, "... unit"]]:
    """Return the variables of a state, by name."""
    check_state(model, state)
    names = model.parsed.states
    return dict(zip(names, np.split(state, len(names), axis=-1), strict=True))


def beginning(
    model: Model, trials: int, rates: Float[ndarray, "trial unit"] | None = None, arrays: Mapping[str, Float[ndarray, "..."]] | None = None
) -> Float[ndarray, "trial state"]:
    """Return the state at the start: the variable that sets the rate is inferred from the rates, the others are at their initial values.

    Args:
        model: its card gives the initial values; 0 where it does not.
        trials: number of states.
        rates: of the model's units; initial values everywhere if None.
        arrays: per-unit parameters that the rate depends on, by name; the model's own if omitted.

    Raises:
        TaskError: the rate depends on several variables, on more than the unit's own state, or does not increase with it.
    """
    rest = {name: np.zeros(model.units) for name in model.parsed.states}
    rest |= {name: number.spread(model.units) for name, number in model.initial_values.items()}
    variables = {name: np.tile(value, (trials, 1)) for name, value in rest.items()}
    if rates is not None:
        found = model.parsed.states_of(model.rate)
        if len(found) != 1:
            several = ", ".join(found) or "no state variable"
            raise TaskError(f"{model.name}: {model.rate!r} follows from {several}, so initial rates do not say where to start; give the task none.")
        try:
            variables[found[0]] = _inverted(model, found[0], rates, arrays)
        except TaskError as problem:
            raise TaskError(f"{problem} Give the task no initial rates; a network is taught so with start='rest'.") from None
    return np.concatenate([variables[name] for name in model.parsed.states], axis=-1)


def state_of(
    model: Model, rates: Float[ndarray, "... unit"], arrays: Mapping[str, Float[ndarray, "..."]] | None = None
) -> Float[ndarray, "... unit"]:
    """Return the state that gives these rates, by inverting the model's own gain function.

    The solution is bracketed in a table of the gain and refined to round-off by the secant method. Rates beyond the range of the gain are moved
    to a thousandth of that range inside its ends. Where the gain depends on parameters of the unit, units with equal ones are inverted together.

    Args:
        model: its equation text is evaluated as it stands.
        rates: one or many, in SI units.
        arrays: per-unit parameters that the rate depends on, by name; the model's own if omitted.

    Raises:
        TaskError: the state has several variables, the rate depends on more than the unit's own state, or the rate does not increase
            with it.
    """
    if len(names := model.parsed.states) > 1:
        raise TaskError(f"{model.name}: rates do not determine the state, which has {len(names)} variables ({', '.join(names)}).")
    return _inverted(model, model.parsed.state, rates, arrays)


def _inverted(
    model: Model, name: str, rates: Float[ndarray, "... unit"], arrays: Mapping[str, Float[ndarray, "..."]] | None
) -> Float[ndarray, "... unit"]:
    """Return the values of this variable that give the rates, which depend on it and on parameters of the unit alone."""
    if model.rate == name:
        return rates.copy()
    own = model.own_parameters() if arrays is None else arrays
    used = [parameter for parameter in model.parsed.parameters if parameter in model.parsed.used_by(model.rate)]
    if not used:
        return _inverted_alike(model, name, rates, {})
    kinds, kind = np.unique(np.stack([own[parameter] for parameter in used]), axis=1, return_inverse=True)
    found = np.empty(rates.shape)
    for number, values in enumerate(kinds.T):
        alike = kind.ravel() == number
        found[..., alike] = _inverted_alike(model, name, rates[..., alike], dict(zip(used, values.tolist(), strict=True)))
    return found


def _inverted_alike(model: Model, name: str, rates: Float[ndarray, "... unit"], constants: Mapping[str, float]) -> Float[ndarray, "... unit"]:
    """Return the values of this variable that give the rates of units with equal parameters."""

    def gain(x: ndarray) -> ndarray:
        return _rate(model, {**constants, name: x})

    states, table = _table(gain, (float(rates.min()), float(rates.max())))
    if (np.diff(table) < 0).any() or table[0] >= table[-1]:
        raise TaskError(f"{model.name}: {model.rate!r} does not rise with {name!r}, so rates do not determine the state.")
    reach = 1e-3 * (table[-1] - table[0])
    wanted = np.where(rates >= table[-1], table[-1] - reach, np.where(rates <= table[0], table[0] + reach, rates))
    right = np.clip(np.searchsorted(table, wanted), 1, len(table) - 1)
    x, previous = states[right], states[right - 1]
    error, earlier = table[right] - wanted, table[right - 1] - wanted
    for _ in range(POLISH):
        slope = np.where(x == previous, 1.0, (error - earlier) / np.where(x == previous, 1.0, x - previous))
        x, previous = x - np.where(slope > 0, error / np.where(slope > 0, slope, 1.0), 0.0), x
        error, earlier = gain(x) - wanted, error
    return x


def _table(gain: Callable[[ndarray], ndarray], extremes: tuple[float, float]) -> tuple[Float[ndarray, " entry"], Float[ndarray, " entry"]]:
    """Tabulate a gain, finely near rest, until it covers the rates or stops growing."""
    edge = 1.0
    for side, extreme in zip((-1.0, 1.0), extremes, strict=True):
        while side * gain(np.array([side * edge]))[0] <= side * extreme and side * np.diff(gain(side * edge * np.array([1.0, 2.0])))[0] > 0:
            edge *= 2.0
    states = edge * np.sinh(np.linspace(-STRETCH, STRETCH, ENTRIES)) / np.sinh(STRETCH)
    return states, gain(states)


def _values(model: Model) -> dict[str, Any]:
    return numpy_mathematics() | unit_values(model.parsed.names) | model.scalars | {"dt": model.dt.si}
