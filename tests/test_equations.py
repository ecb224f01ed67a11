"""Equation text, evaluated on arrays, is what it says."""

import math

import numpy as np
import pytest

from cortex_sim.equations import MATHEMATICS, Equations, missing, numpy_mathematics, unit_values
from cortex_sim.errors import CardError

TEXT = """
dv/dt = (a*v**2 + W(r) - exp(-abs(u)) + drive(t, i))/tau : volt  # the comment = is : dropped
r = clip(u, -0.5, 0.5) + gain*int(v > 3*mV) : Hz (constant over dt)
u = sqrt(abs(v)) - log1p(v**2)/b : 1
gain : 1 (constant, shared)
"""


def test_text_evaluates_to_the_formula_written_by_hand_whatever_the_order_of_its_lines() -> None:
    rng = np.random.default_rng(0)
    v, W, gain = rng.standard_normal((5, 3)), rng.standard_normal((3, 3)), rng.standard_normal(3)
    equations = Equations(TEXT)
    values = numpy_mathematics() | unit_values(equations.names) | {"v": v, "a": 2.0, "b": 3.0, "tau": 0.1, "t": 0.5, "i": None, "gain": gain}
    found = equations.derivative(equations.subexpressions(values | {"W": lambda r: r @ W.T, "drive": lambda t, i: 7 * t}))
    u = np.sqrt(np.abs(v)) - np.log1p(v**2) / 3
    r = np.minimum(np.maximum(u, -0.5), 0.5) + gain * (v > 0.003)
    assert np.allclose(found, (2 * v**2 + np.einsum("ij,sj->si", W, r) - np.exp(-np.abs(u)) + 3.5) / 0.1, rtol=1e-13, atol=1e-13)


def test_the_parts_of_the_text_are_told_apart() -> None:
    equations = Equations(TEXT)
    assert (equations.state, equations.parameters) == ("v", ("gain",))
    assert equations.called() == {"W", "drive"}
    assert equations.names == {"a", "b", "W", "drive", "tau", "t", "i", "mV"}
    assert equations.equations["gain"].flags == ("constant", "shared")
    assert equations.equations["v"].unit == "volt"


@pytest.mark.parametrize("name", MATHEMATICS)
def test_each_function_is_the_one_of_its_name(name: str) -> None:
    x = np.array([0.3, 0.7, 1.9])
    argument = {"int": "x > 0.5", "clip": "x, 0.5, 1"}.get(name, "x")
    equations = Equations(f"dy/dt = {name}({argument}) + {name}({argument}) - y : 1")  # truth values too must add up
    by_hand = {"abs": abs, "int": lambda x: float(x > 0.5), "clip": lambda x: min(max(x, 0.5), 1)}.get(name) or getattr(math, name)
    assert np.allclose(equations.derivative(numpy_mathematics() | {"x": x, "y": 0.0}), [2 * by_hand(value) for value in x], rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dx/dt = -x", "cannot read 'dx/dt = -x'; write 'dx/dt = ... : unit'"),
        ("dx/dt = -x/ : 1", "'dx/dt = -x/ : 1' does not parse: "),
        ("dx/dt = -x : msec", r"in 'dx/dt = -x : msec' unit 'msec' is unknown. Did you mean 'msecond'\?"),
        ("dx/dt : 1", "'dx/dt : 1' has no right-hand side"),
        ("dx/dt = x[0] : 1", "uses Subscript, which a rate equation may not"),
        ("dx/dt = x.T : 1", "uses Attribute"),
        ("dx/dt = (x if x else 1) : 1", "uses IfExp"),
        ("dx/dt = x and 1 : 1", "uses BoolOp"),
        ("dx/dt = clip(x, min=0, max=1) : 1", "uses keyword"),
        ("dx/dt = a : 1\na = b + x : 1\nb = 2*a : 1", "depend on themselves: (a -> b -> a|b -> a -> b)"),
        ("dx/dt = -x : 1\ndy/dt = -y : 1", r"define 2 state variables \(x, y\); a rate card has exactly one"),
        ("r = 1 : 1", "define 0 state variables"),
    ],
)
def test_text_that_is_no_rate_equation_is_refused_with_the_line_in_question(text: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        Equations(text)


@pytest.mark.parametrize("line", ["r = 3*x : 1", "dx/dt = x : 1"])
def test_a_name_defined_twice_is_refused(line: str) -> None:
    with pytest.raises(CardError, match="twice"):
        Equations(f"dx/dt = -r : 1\nr = 2*x : 1\n{line}")


def test_the_index_of_a_neuron_only_goes_into_an_input() -> None:
    assert "i" in Equations("dx/dt = (-x + drive(t, i))/tau : 1").names
    with pytest.raises(CardError, match="uses 'i', which only an input may be called with"):
        Equations("dx/dt = (-x + drive(t, i) + i)/tau : 1")


def test_a_name_that_nothing_gives_is_reported_and_those_brian2_gives_are_not() -> None:
    equations = Equations("dx/dt = (-x + exp(t/ms) + dt/tua)/tau : 1")
    assert missing(equations, {"tau", "tua"}) is None
    assert missing(equations, {"tau"}) == "equations use 'tua', which no parameter, input or projection gives. Did you mean 'tau'?"


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("dx/dt = -x + W(r) : 1\nr = 2*x : 1", None),
        ("dx/dt = -x + W(2*x) : 1", "W"),
        ("dx/dt = tanh(x) - x : 1", "tanh"),
        ("dx/dt = -tanh(y)*x : 1", None),
    ],
)
def test_a_call_with_the_state_inside_is_found(text: str, function: str | None) -> None:
    assert Equations(text).state_in_call() == function
