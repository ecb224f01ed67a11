r"""Leaky networks: the form shared by most rate networks, recognised in a card's equation text.

One Euler step of such a network is :math:`x_{t+1} = \alpha x_t + k\,W r_t + c + \sum_j p_j u_j(t)` with :math:`r = \phi(x)`, element by element.
The coefficients are found by evaluating the equations, so that they are exactly those of the card.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model, refuse_delays, scale
from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.simulation._dynamics import flow, gain_of, rate_of

PROBES, PLACES, SLOPE = 7, 17, 1e-6  # points at which linearity and the gain are checked; half width of the difference that gives the slope
Derivative = Callable[[Any, Any, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of one step: alpha, k, c and the p of each input by name; each is a scalar or one value per unit, in NumPy or torch."""

    decay: Any
    coupling: Any
    constant: Any
    inputs: Mapping[str, Any]


def recurrent_of(model: Model) -> str | None:
    """Return the name of a leaky network's one recurrent projection, or None if the model is not a leaky network.

    A leaky network has one state variable, Euler steps and no delays; it calls one projection, on the rate alone; its rate is a function
    of the same unit's state (and parameters); and its derivative is linear in the state, in the recurrent input and in every other input.
    """
    text = model.parsed
    called = sorted(text.called() & model.projections.keys())
    if len(text.states) != 1 or model.integrator != "euler" or len(called) != 1 or text.names_time() or model.lags:
        return None
    calls = [line for line in text.equations.values() if called[0] in line.names]
    if len(calls) != 1 or f"{called[0]}({model.rate})" not in calls[0].expression.replace(" ", ""):
        return None
    rng = stream(0, "analysis", "probes of a leaky form")
    x, coupling = rng.normal(size=(2, PROBES, model.units))
    inputs = {name: rng.normal(size=(PROBES, model.units)) for name in model.inputs}
    arrays = {name: 1 + rng.random(model.units) for name in text.parameters}
    try:
        rate_of(model, x, arrays)
    except TaskError:
        return None
    derivative = _evaluated(model, arrays, called[0])
    found = coefficients(derivative, model.dt.si, tuple(inputs))
    expected = found.decay * x + found.coupling * coupling + found.constant + sum(found.inputs[name] * u for name, u in inputs.items())
    return called[0] if np.allclose(expected, x + model.dt.si * derivative(x, coupling, inputs), rtol=1e-9, atol=1e-12) else None


def _evaluated(model: Model, arrays: Mapping[str, ndarray], recurrent: str) -> Derivative:
    def derivative(x: Any, coupling: Any, inputs: Mapping[str, Any]) -> Any:
        state = np.broadcast_to(np.asarray(x, dtype=float), (*np.shape(x)[:-1], model.units))
        return flow(model, arrays, state, {recurrent: coupling} | {name: value / scale(model.inputs[name].unit) for name, value in inputs.items()})

    return derivative


def coefficients(derivative: Derivative, dt: float, inputs: tuple[str, ...]) -> Coefficients:
    """Return the coefficients of a step, given a derivative that is linear in all its arguments.

    Args:
        derivative: function of the state, the recurrent input and the other inputs by name (in SI); returns SI units per second.
        dt: time step, s.
        inputs: names of the other inputs.
    """
    silent = dict.fromkeys(inputs, 0.0)
    rest = derivative(0.0, 0.0, silent)
    return Coefficients(
        1 + dt * (derivative(1.0, 0.0, silent) - rest), dt * (derivative(0.0, 1.0, silent) - rest), dt * rest,
        {name: dt * (derivative(0.0, 0.0, silent | {name: 1.0}) - rest) for name in inputs},
    )  # fmt: skip


@dataclass(frozen=True)
class Leaky:
    """A leaky network as plain arrays, for rules that step it themselves.

    Attributes:
        model: its card.
        recurrent: name of its recurrent projection.
    """

    model: Model
    recurrent: str

    @classmethod
    def of(cls, model: Model, *, asked_by: str) -> "Leaky":
        """Return the coefficients of a leaky network.

        Raises:
            TaskError: the equations are not of that form; the message names who asked.
        """
        refuse_delays(model, asked_by)
        if (recurrent := recurrent_of(model)) is None:
            what = "one state x, dx/dt linear in x, in one projection W(r) of the rate and in the inputs, and Euler steps"
            raise TaskError(f"{model.name}: {asked_by} needs a leaky network ({what}).")
        return cls(model, recurrent)

    def coefficients(self, arrays: Mapping[str, ndarray]) -> Coefficients:
        """Return the coefficients of one step at the present weights, one value per unit each."""
        return coefficients(_evaluated(self.model, arrays, self.recurrent), self.model.dt.si, tuple(self.model.inputs))

    @cached_property
    def _own(self) -> dict[str, ndarray]:
        arrays = self.model.arrays()
        return {name: arrays[name] for name in self.model.parsed.parameters}

    @cached_property
    def _gain(self) -> Callable[[ndarray, Mapping[str, ndarray]], ndarray]:
        return gain_of(self.model)

    def rate(self, x: Float[ndarray, "... unit"], arrays: Mapping[str, ndarray] | None = None) -> Float[ndarray, "... unit"]:
        """Return r = phi(x), at these per-unit parameters or else the model's own."""
        return self._gain(x, self._own if arrays is None else arrays)

    def is_tanh(self, arrays: Mapping[str, ndarray]) -> bool:
        """Return whether phi is tanh for every unit, tested at points on both sides of 0."""
        places = np.broadcast_to(np.linspace(-4, 4, PLACES)[:, None], (PLACES, self.model.units))
        used = self.model.parsed.used_by(self.model.rate) & set(self.model.parsed.parameters)
        neutral = {name: np.ones(self.model.units) for name in self.model.parsed.parameters}
        return np.array_equal(self.rate(places, neutral | {name: arrays[name] for name in used}), np.tanh(places))

    def slope(self, x: Float[ndarray, "... unit"], arrays: Mapping[str, ndarray] | None = None) -> Float[ndarray, "... unit"]:
        """Return phi'(x), by central differences; accurate to 1e-9 of the range of a smooth gain function."""
        return (self.rate(x + SLOPE, arrays) - self.rate(x - SLOPE, arrays)) / (2 * SLOPE)
