"""A leaky network is known by its equations, and its coefficients are those that the card writes."""

import numpy as np
import pytest
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import TaskError
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.forms._leaky import Leaky, recurrent_of
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import Task

LEAKY = "dx/dt = (-x + W(r) + stimulus(t, i) + b)/tau + drive(t, i)/tau_push : 1\nr = tanh(x) : 1 (constant over dt)\nb : 1 (constant)"


def changed(text: str) -> Model:
    return Model.model_validate(catalogue.load("leaky_readout").model_dump() | {"equations": text, "units": 4})


@pytest.mark.parametrize(
    "text",
    [
        LEAKY,
        LEAKY.replace("tanh(x)", "clip(x, 0, 1000)"),
        LEAKY.replace("tanh(x)", "log1p(exp(-abs(x))) + clip(x, 0, 1000)"),
        LEAKY.replace("(-x + W(r)", "(-0.5*x + 2*W(r)").replace("+ b)", "+ 3*b + 1)"),
    ],
)
def test_what_is_linear_in_state_and_inputs_is_leaky(text: str) -> None:
    assert recurrent_of(changed(text)) == "W"


@pytest.mark.parametrize(
    "text",
    [
        LEAKY.replace("-x +", "-x**2 +"),
        LEAKY.replace("W(r)", "W(r)*x"),
        LEAKY.replace("W(r)", "W(r)**2"),
        LEAKY.replace("W(r)", "W(x)"),
        LEAKY.replace("stimulus(t, i)", "tanh(stimulus(t, i))"),
        LEAKY.replace("drive(t, i)", "x*drive(t, i)"),
        LEAKY.replace("tanh(x)", "tanh(x + 0.1*stimulus(t, i))"),
        LEAKY.replace("W(r)", "W(r) + W(r)*x"),
    ],
)
def test_what_is_not_linear_is_not(text: str) -> None:
    assert recurrent_of(changed(text)) is None


def test_networks_with_gates_or_several_states_are_not_leaky_and_the_message_says_who_asked() -> None:
    for name in ("gru", "montbrio_2015"):
        with pytest.raises(TaskError, match=rf"^{name}: force needs a leaky network \(one state x, dx/dt linear in x"):
            Leaky.of(catalogue.load(name), asked_by="force")


def test_coefficients_are_those_of_one_euler_step() -> None:
    model = changed(LEAKY.replace("-x +", "-2*x +"))
    bias = np.arange(4.0)
    found = Leaky.of(model, asked_by="test").coefficients(model.arrays() | {"b": bias})
    dt, tau, push = 10.0, 50.0, 200.0
    np.testing.assert_allclose(found.decay, 1 - 2 * dt / tau)
    np.testing.assert_allclose(found.coupling, dt / tau)
    np.testing.assert_allclose(found.constant, bias * dt / tau)
    np.testing.assert_allclose(found.inputs["stimulus"], dt / tau)
    np.testing.assert_allclose(found.inputs["drive"], dt / push)


def test_stepping_by_coefficients_is_what_the_model_does() -> None:
    rng = np.random.default_rng(0)
    model = catalogue.load("hennequin_2014").with_arrays({"W": rng.normal(size=(6, 6))}, units=6)  # rates in Hz, tau in ms
    leaky = Leaky.of(model, asked_by="test")
    arrays = model.arrays()
    found = leaky.coefficients(arrays)
    pattern = rng.normal(size=(3, 6))
    task = Task("driven", 0.0, 0.1, np.arange(3), drives=(Drive(pattern, np.ones(100)),))
    x: Float[ndarray, "trial unit"] = np.zeros((3, 6))
    rates = []
    for step in range(91):
        r = leaky.rate(x)
        rates += [r] if step % 10 == 0 else []
        x = found.decay * x + found.coupling * (r @ arrays["W"].T) + found.constant + found.inputs["drive"] * pattern
    np.testing.assert_allclose(np.stack(rates, axis=1), simulate(model, task).rate, rtol=1e-11, atol=1e-12)


def test_the_slope_of_tanh_is_known() -> None:
    x = np.linspace(-3, 3, 4)
    slope = Leaky.of(changed(LEAKY), asked_by="test").slope(x)
    np.testing.assert_allclose(slope, 1 / np.cosh(x) ** 2, atol=1e-9)
