"""A model's equation text evaluated on plain arrays: its flow, and its state read back from rates."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.equations import numpy_mathematics, unit_values
from cortex_sim.errors import TaskError
from cortex_sim.model import Model

ENTRIES, STRETCH, POLISH = 20_001, 6.0, 4  # of the table that inverts a gain


def flow(
    model: Model, arrays: Mapping[str, ndarray], state: Float[ndarray, "... unit"], constants: Mapping[str, float] | None = None
) -> Float[ndarray, "... unit"]:
    """Time derivative of the state.

    Args:
        model: its equation text is evaluated as it stands.
        arrays: weights and per-unit parameters.
        state: one or many, in SI.
        constants: values that stand in for projections or inputs, by name; inputs that are not named are 0.

    Returns:
        The derivative, in SI per second.
    """
    constants = dict.fromkeys(model.inputs, 0.0) | dict(constants or {})
    values = _values(model) | {name: arrays[name] for name in model.parsed.parameters} | {model.parsed.state: state, "t": 0.0, "i": None}
    values |= {name: (lambda rate, W=arrays[name]: rate @ W.T) for name in model.projections}
    values |= {name: (lambda *_, now=value: now) for name, value in constants.items()}
    return model.parsed.derivative(model.parsed.subexpressions(values)) * np.ones_like(state)


def rate_of(model: Model, state: Float[ndarray, "... unit"]) -> Float[ndarray, "... unit"]:
    """Rates of units in a given state, where the rate depends on the unit's own state alone.

    Raises:
        TaskError: it depends on more.
    """
    equations = model.parsed
    try:
        return equations.subexpressions(_values(model) | {equations.state: state}, wanted=model.rate)[model.rate]
    except NameError as problem:
        raise TaskError(f"{model.name}: rates do not follow from the state alone, since {model.rate!r} needs {problem.name!r} too.") from None


def state_of(model: Model, rates: Float[ndarray, "... unit"]) -> Float[ndarray, "... unit"]:
    """Find the state whose rate is given, by inverting the model's own gain function.

    The gain is tabulated, bracketed and polished by the secant method to round-off. Rates beyond what it can reach are moved to within a
    thousandth of its range.

    Raises:
        TaskError: the rate depends on more than the unit's own state, or does not rise with it.
    """
    equations = model.parsed
    if model.rate == equations.state:
        return rates.copy()

    states, table = _table(lambda state: rate_of(model, state), (float(rates.min()), float(rates.max())))
    if (np.diff(table) < 0).any() or table[0] >= table[-1]:
        raise TaskError(f"{model.name}: {model.rate!r} does not rise with {equations.state!r}, so rates do not determine the state.")
    reach = 1e-3 * (table[-1] - table[0])
    wanted = np.where(rates >= table[-1], table[-1] - reach, np.where(rates <= table[0], table[0] + reach, rates))
    right = np.clip(np.searchsorted(table, wanted), 1, len(table) - 1)
    x, previous = states[right], states[right - 1]
    error, earlier = table[right] - wanted, table[right - 1] - wanted
    for _ in range(POLISH):
        slope = np.where(x == previous, 1.0, (error - earlier) / np.where(x == previous, 1.0, x - previous))
        x, previous = x - np.where(slope > 0, error / np.where(slope > 0, slope, 1.0), 0.0), x
        error, earlier = rate_of(model, x) - wanted, error
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
