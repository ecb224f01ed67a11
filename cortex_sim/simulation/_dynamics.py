"""A model's equation text evaluated on plain arrays: its flow, and its state read back from rates."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model, numpy_mathematics, scale, unit_values
from cortex_sim.errors import TaskError

ENTRIES, STRETCH, POLISH = 20_001, 6.0, 4  # of the table that inverts a gain


def flow(
    model: Model, arrays: Mapping[str, ndarray], state: Float[ndarray, "... state"], constants: Mapping[str, Any] | None = None
) -> Float[ndarray, "... state"]:
    """Time derivative of the state.

    Args:
        model: its equation text is evaluated as it stands.
        arrays: weights and per-unit parameters.
        state: one or many, in SI; of several variables, all units of the first come first.
        constants: values that stand in for projections (in SI) or inputs (in the unit of the input), by name; inputs that are not named
            are 0.

    Returns:
        The derivative, in SI per second.

    Raises:
        TaskError: the state does not have as many numbers as the model.
    """
    factors = {name: scale(item.unit) for name, item in model.inputs.items()}
    constants = {name: value * factors.get(name, 1.0) for name, value in (dict.fromkeys(model.inputs, 0.0) | dict(constants or {})).items()}
    values = _values(model) | {name: arrays[name] for name in model.parsed.parameters} | _split(model, state) | {"t": 0.0, "i": None}
    values |= {name: (lambda rate, W=arrays[name]: rate @ W.T) for name in model.projections if name in arrays}
    values |= {name: (lambda *_, now=value: now) for name, value in constants.items()}
    known = model.parsed.subexpressions(values)
    return np.concatenate([model.parsed.derivative(known, name) * np.ones_like(known[name]) for name in model.parsed.states], axis=-1)


def rate_of(model: Model, state: Float[ndarray, "... state"], arrays: Mapping[str, ndarray] | None = None) -> Float[ndarray, "... unit"]:
    """Rates of units in a given state, where the rate depends on the unit's own state, and parameters of its own, alone.

    Args:
        model: its equation text is evaluated as it stands.
        state: one or many, in SI.
        arrays: per-unit parameters that the rate depends on, by name; the model's own if left out.

    Raises:
        TaskError: it depends on more, or the state does not have as many numbers as the model.
    """
    own = model.own_parameters() if arrays is None else arrays
    return _rate(model, _split(model, state) | {name: own[name] for name in model.parsed.parameters})


def _rate(model: Model, variables: Mapping[str, Any]) -> Float[ndarray, "... unit"]:
    try:
        return model.parsed.subexpressions(_values(model) | dict(variables), wanted=model.rate)[model.rate]
    except NameError as problem:
        raise TaskError(f"{model.name}: rates do not follow from the state alone, since {model.rate!r} needs {problem.name!r} too.") from None


def gain_of(model: Model) -> Callable[[Float[ndarray, "... unit"], Mapping[str, ndarray]], Float[ndarray, "... unit"]]:
    """Give :func:`rate_of` of a model of one state variable as a function of the state and the per-unit parameters, made ready for many steps."""
    text = model.parsed
    used = {name for equation in text.equations.values() if equation.code for name in equation.code.co_names}
    values = {name: value for name, value in _values(model).items() if name in used}

    def gain(state: ndarray, arrays: Mapping[str, ndarray]) -> ndarray:
        return text.subexpressions(values | {name: arrays[name] for name in text.parameters} | {text.state: state}, wanted=model.rate)[model.rate]

    return gain


def check_state(model: Model, state: Float[ndarray, "... state"]) -> None:
    """Refuse a state that does not have one number for each variable of each unit.

    Raises:
        TaskError: how many it has and how many it should have.
    """
    if state.shape[-1] != model.dimension:
        names = model.parsed.states
        wanted = f"{len(names)} ({', '.join(names)}) for each of {model.units} units"
        raise TaskError(f"{model.name}: the state has {state.shape[-1]} numbers; it should have {model.dimension}, {wanted}.")


def _split(model: Model, state: Float[ndarray, "... state"]) -> dict[str, Float[ndarray, "... unit"]]:
    """Tell the variables of a state apart."""
    check_state(model, state)
    names = model.parsed.states
    return dict(zip(names, np.split(state, len(names), axis=-1), strict=True))


def beginning(
    model: Model, trials: int, rates: Float[ndarray, "trial unit"] | None = None, arrays: Mapping[str, ndarray] | None = None
) -> Float[ndarray, "trial state"]:
    """State at the start: the variable that the rate follows from as the rates say, the others at their initial values.

    Args:
        model: its card gives the initial values; 0 where it does not.
        trials: number of states.
        rates: of the model's units; initial values everywhere if None.
        arrays: per-unit parameters that the rate depends on, by name; the model's own if left out.

    Raises:
        TaskError: the rate follows from several variables, depends on more than the unit's own state or does not rise with it.
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


def state_of(model: Model, rates: Float[ndarray, "... unit"], arrays: Mapping[str, ndarray] | None = None) -> Float[ndarray, "... unit"]:
    """Find the state whose rate is given, by inverting the model's own gain function.

    The gain is tabulated, bracketed and polished by the secant method to round-off. Rates beyond what it can reach are moved to within a
    thousandth of its range. Where the gain depends on parameters of the unit, units with the same ones are inverted together.

    Args:
        model: its equation text is evaluated as it stands.
        rates: one or many, in SI.
        arrays: per-unit parameters that the rate depends on, by name; the model's own if left out.

    Raises:
        TaskError: the state has more variables than the rate tells, the rate depends on more than the unit's own state, or does not rise
            with it.
    """
    if len(names := model.parsed.states) > 1:
        raise TaskError(f"{model.name}: rates do not determine the state, which has {len(names)} variables ({', '.join(names)}).")
    return _inverted(model, model.parsed.state, rates, arrays)


def _inverted(model: Model, name: str, rates: Float[ndarray, "... unit"], arrays: Mapping[str, ndarray] | None) -> Float[ndarray, "... unit"]:
    """The variable of this name that gives the rates, which follow from it and from parameters of the unit alone."""
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
    """The variable of this name that gives the rates of units that are alike."""

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
    """Tabulate a gain, finely near rest, as far as the rates reach or as going further still helps."""
    edge = 1.0
    for side, extreme in zip((-1.0, 1.0), extremes, strict=True):
        while side * gain(np.array([side * edge]))[0] <= side * extreme and side * np.diff(gain(side * edge * np.array([1.0, 2.0])))[0] > 0:
            edge *= 2.0
    states = edge * np.sinh(np.linspace(-STRETCH, STRETCH, ENTRIES)) / np.sinh(STRETCH)
    return states, gain(states)


def _values(model: Model) -> dict[str, Any]:
    return numpy_mathematics() | unit_values(model.parsed.names) | model.scalars | {"dt": model.dt.si}
