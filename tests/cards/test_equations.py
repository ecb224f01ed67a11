"""Equation text, evaluated on arrays, is what it says."""

import math

import numpy as np
import pytest

from cortex_sim.cards._equations import MATHEMATICS, Equations, missing, numpy_mathematics, unit_values
from cortex_sim.cards._siegert import siegert
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
        ("dx/dt = x[0] : 1", "uses Subscript, which is not in the grammar of cards"),
        ("dx/dt = x.T : 1", "uses Attribute"),
        ("dx/dt = (x if x else 1) : 1", "uses IfExp"),
        ("dx/dt = x and 1 : 1", "uses BoolOp"),
        ("dx/dt = clip(x, min=0, max=1) : 1", "calls 'clip'; call a function, a projection or an input by its name, without keywords"),
        ("dx/dt = a : 1\na = b + x : 1\nb = 2*a : 1", "depend on themselves: (a -> b -> a|b -> a -> b)"),
        ("r = 1 : 1", "define no state variable; write at least one line 'dx/dt = ... : unit'"),
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
        ("dx/dt = -x + W(r) : 1\nr = 2*x : 1", ("x", "W")),
        ("dx/dt = -x + W(r) : 1\nr = 2*x : 1 (constant over dt)", None),
        ("dx/dt = -x + W(2*x) : 1", ("x", "W")),
        ("dx/dt = tanh(x) - x : 1", ("x", "tanh")),
        ("dx/dt = -tanh(y)*x : 1", None),
        ("dx/dt = tanh(y) : 1\ndy/dt = -x : 1", None),
        ("dx/dt = tanh(y) : 1\ndy/dt = -x*exp(1 - y) : 1", ("y", "exp")),
    ],
)
def test_a_call_with_the_state_inside_is_found(text: str, function: tuple[str, str] | None) -> None:
    assert Equations(text).state_in_call() == function


@pytest.mark.parametrize(
    ("right", "found"),
    [
        ("a*x + y**2 - x/b", None), ("-(x - 3)*2*a*y", None), ("+x*(1 + y/(2 + y))", None), ("a**2*x + 2**b", None), ("tanh(y)*x", None),
        ("x**2", "x"), ("-x*(1 + x)", "x"), ("a/x", "x"), ("a - (1 + x)*(a - y*x)", "x"), ("2**x", "x"), ("x**0.5", "x"),
    ],
)  # fmt: skip
def test_a_power_or_product_of_a_state_in_its_own_derivative_is_found(right: str, found: str | None) -> None:
    assert Equations(f"dx/dt = {right} : 1\ndy/dt = x**2 : 1").state_in_product() == found
    assert Equations(f"dy/dt = x**2 : 1\ndx/dt = {right} : 1").state_in_product() == found


TWO = """
dv/dt = (v**2 - (pi*a)**2 + u)/tau : 1
da/dt = (-a + f)/(3*tau) : 1
f = g + 2*a : 1
g = exp(v) : 1
h = u*2 : 1
"""


def test_two_states_have_two_derivatives() -> None:
    equations, rng = Equations(TWO), np.random.default_rng(3)
    v, a = rng.standard_normal((2, 4, 5))
    values = numpy_mathematics() | unit_values(equations.names) | {"tau": 0.1, "u": 0.7, "v": v, "a": a}
    known = equations.subexpressions(values)
    assert equations.states == ("v", "a") and missing(equations, {"tau", "u"}) is None
    assert np.allclose(equations.derivative(known, "v"), (v**2 - (math.pi * a) ** 2 + 0.7) / 0.1, rtol=1e-13)
    assert np.allclose(equations.derivative(known, "a"), (a + np.exp(v)) / 0.3, rtol=1e-13)
    with pytest.raises(CardError, match=r"^equations define 2 state variables \(v, a\); this needs exactly one\.$"):
        equations.derivative(known)


@pytest.mark.parametrize(("name", "states"), [("v", ("v",)), ("g", ("v",)), ("f", ("v", "a")), ("h", ())])
def test_the_states_that_a_variable_follows_from_are_found_through_others(name: str, states: tuple[str, ...]) -> None:
    assert Equations(TWO).states_of(name) == states


def test_siegert_is_a_function_of_the_text() -> None:
    equations = Equations("dr/dt = (-r + siegert(mu, sigma, tau, refractory, theta, reset))/tau : Hz")
    assert equations.called() == frozenset() and "siegert" not in equations.names
    mu, values = np.linspace(0, 0.03, 7), {"tau": 0.02, "refractory": 0.002, "theta": 0.02, "reset": 0.01}
    found = equations.derivative(numpy_mathematics() | values | {"r": 3.0, "mu": mu, "sigma": 0.004})
    rates = siegert(mu, 0.004, tau=0.02, refractory=0.002, threshold=0.02, reset=0.01)
    assert np.allclose(found, (rates - 3.0) / 0.02, rtol=1e-14)
