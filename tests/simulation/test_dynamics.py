"""The text evaluated on arrays is the flow written by hand, and rates lead back to states."""

from collections.abc import Callable

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import TaskError
from cortex_sim.simulation._dynamics import beginning, driven_states, flow, rate_of, state_of

CARDS = {name: catalogue.load(name) for name, path in catalogue.models().items() if path.parent.name != "spiking"}
EPS = np.finfo(float).eps


def rises(card: Model) -> bool:
    """The rate is a function of the unit's own one state, and rises with it everywhere."""
    if card.rate in card.parsed.states or len(card.parsed.states) > 1:
        return False
    try:
        return bool((np.diff(rate_of(card, np.repeat(np.linspace(-5, 5, 50)[:, None], card.units, axis=1)), axis=0) > 0).all())
    except TaskError:
        return False


FROM_STATE = [name for name, card in CARDS.items() if rises(card)]


def gain(x: np.ndarray, r_0: float = 5.0, r_max: float = 100.0) -> np.ndarray:
    """Hennequin et al. (2014): tanh to -r_0 below rest and to r_max - r_0 above."""
    return np.where(x < 0, r_0 * np.tanh(x / r_0), (r_max - r_0) * np.tanh(x / (r_max - r_0)))


def test_the_flow_of_the_stability_optimised_circuit_is_its_published_equation() -> None:
    rng = np.random.default_rng(0)
    W, x = rng.standard_normal((200, 200)), 20 * rng.standard_normal((2, 3, 200))
    model = catalogue.load("hennequin_2014").with_arrays({"W": W})
    assert np.allclose(rate_of(model, x), gain(x), rtol=1e-14)
    expected = (-x + np.einsum("ij,abj->abi", W, gain(x))) / 0.2
    assert np.allclose(flow(model, model.arrays(), x), expected, rtol=0, atol=200 * EPS * np.abs(expected).max())  # 200 terms a sum
    pushed = flow(model, model.arrays(), x, {"drive": np.arange(200.0)})
    assert np.allclose(pushed - expected, np.arange(200.0) / 0.2, atol=200 * EPS * np.abs(expected).max())


def test_the_flow_of_the_gated_network_is_one_step_of_the_published_map() -> None:
    rng = np.random.default_rng(1)
    model = catalogue.load("gru")
    model = model.with_arrays({f"U_{gate}": rng.standard_normal((200, 200)) / 9 for gate in "zqn"})
    model = model.with_arrays({name: rng.standard_normal(200) for name in ("b_z", "b_q", "b_n", "c_n")})
    a, h = model.arrays(), rng.standard_normal((4, 200))
    sigmoid = {g: 1 / (1 + np.exp(-(np.einsum("ij,sj->si", a[f"U_{g}"], h) + u + a[f"b_{g}"]))) for g, u in (("z", 0.7), ("q", 0.0))}
    new = np.tanh(a["b_n"] + sigmoid["q"] * (np.einsum("ij,sj->si", a["U_n"], h) + a["c_n"]))
    found = h + model.dt.si * flow(model, a, h, {"u_z": 0.7})
    assert np.allclose(found, (1 - sigmoid["z"]) * new + sigmoid["z"] * h, rtol=0, atol=1e-13)


def test_a_constant_may_stand_in_for_a_projection() -> None:
    model = catalogue.load("murphy_miller_2009")
    x = np.array([[1.0, -2.0]])
    assert np.allclose(flow(model, model.arrays(), x, {"W": 0.5, "drive": 1.0}), (-x + 1.5) / 0.02, rtol=1e-14)


TWO = """
dx/dt = (-x + W(r) - a + drive(t, i))/tau : Hz
da/dt = (-a + x)/(3*tau) : Hz
r = x*(1 + q)/2 : Hz (constant over dt)
q = tanh(x/Hz)**2 : 1
"""
"""A unit with adaptation."""
INITIAL = {"x": {"value": 2, "unit": "kHz", "meaning": "x"}, "a": {"value": [3, -4], "unit": "Hz", "meaning": "a"}}


def test_the_flow_of_two_variables_is_written_by_hand_the_units_of_the_first_first(linear_circuit: Callable[..., Model]) -> None:
    W, state = np.array([[0.3, -2.0], [1.1, 0.7]]), np.random.default_rng(4).standard_normal((3, 5, 4))
    model = linear_circuit(W, equations=TWO)
    x, a = state[..., :2], state[..., 2:]
    r = x * (1 + np.tanh(x) ** 2) / 2
    expected = np.concatenate([(-x + np.einsum("ij,abj->abi", W, r) - a + 0.5) / 0.2, (x - a) / 0.6], axis=-1)
    assert model.dimension == 4 and model.parsed.states == ("x", "a")
    assert np.allclose(flow(model, model.arrays(), state, {"drive": 0.5}), expected, rtol=0, atol=1e-13)
    assert np.allclose(rate_of(model, state), r, rtol=1e-15)


def test_an_input_is_in_the_unit_that_its_card_gives(linear_circuit: Callable[..., Model]) -> None:
    model = linear_circuit(np.zeros((2, 2)), inputs={"drive": {"unit": "kHz", "meaning": "input"}})
    assert np.allclose(flow(model, model.arrays(), np.zeros(2), {"drive": 1.5}), 1500 / 0.2)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_a_state_of_another_size_is_refused(size: int, linear_circuit: Callable[..., Model]) -> None:
    model = linear_circuit(np.eye(2), equations=TWO)
    for call in (lambda state: flow(model, model.arrays(), state), lambda state: rate_of(model, state)):
        with pytest.raises(TaskError, match=rf"^linear: the state has {size} numbers; it should have 4, 2 \(x, a\) for each of 2 units\.$"):
            call(np.zeros((3, size)))


def test_a_run_begins_where_the_rates_say_and_else_at_the_initial_values(linear_circuit: Callable[..., Model]) -> None:
    model = linear_circuit(np.eye(2), equations=TWO, initial_values=INITIAL)
    assert np.array_equal(beginning(model, 3), [[2000, 2000, 3, -4]] * 3)
    assert np.array_equal(beginning(linear_circuit(np.eye(2), equations=TWO), 2), np.zeros((2, 4)))
    x = np.array([[0.4, -1.5]])
    found = beginning(model, 1, x * (1 + np.tanh(x) ** 2) / 2)
    assert np.allclose(found, [[*x[0], 3, -4]], rtol=1e-14, atol=0)


def test_rates_that_leave_the_state_open_are_refused(linear_circuit: Callable[..., Model]) -> None:
    model = linear_circuit(np.eye(2), equations=TWO)
    with pytest.raises(TaskError, match=r"^linear: rates do not determine the state, which has 2 variables \(x, a\)\.$"):
        state_of(model, np.ones((1, 2)))
    for rate, found in (("x + a", "x, a"), ("3*Hz", "no state variable")):
        open_ended = linear_circuit(np.eye(2), equations=TWO.replace("x*(1 + q)/2", rate))
        with pytest.raises(TaskError, match=f"^linear: 'r' follows from {found}, so initial rates do not say where to start; give the task none"):
            beginning(open_ended, 1, np.ones((1, 2)))


@pytest.mark.parametrize("scale", [1e-9, 0.3, 2.0])
@pytest.mark.parametrize("name", FROM_STATE)
def test_the_state_is_found_from_its_rate_to_round_off(name: str, scale: float) -> None:
    model = catalogue.load(name)
    x = scale * np.random.default_rng(2).standard_normal((3, model.units))
    rates = rate_of(model, x)
    found = state_of(model, rates)
    slope = (rate_of(model, x * 1.001) - rate_of(model, x * 0.999)) / (0.002 * x)  # a rate's last bits move the state by 1/slope
    assert (np.abs(found - x) <= 4 * EPS * (np.abs(x) + np.abs(rates) / slope)).all()
    assert (np.abs(rate_of(model, found) - rates) <= 4 * EPS * np.abs(rates)).all()


def test_where_the_rate_is_the_state_it_is_given_back_as_a_copy() -> None:
    rates = np.array([[0.3, -1e9]])
    found = state_of(catalogue.load("gru"), rates)
    assert np.array_equal(found, rates) and not np.shares_memory(found, rates)


def test_the_rate_of_a_state_that_is_the_rate_is_itself() -> None:
    h = np.ones((1, 200))
    assert np.array_equal(rate_of(catalogue.load("gru"), h), h)


@pytest.mark.parametrize(("name", "low", "high"), [("hennequin_2014", -5.0, 95.0), ("sompolinsky_1988", -1.0, 1.0), ("leaky_tanh", -1.0, 1.0)])
def test_rates_out_of_reach_are_moved_inside_by_a_thousandth_of_the_range(name: str, low: float, high: float) -> None:
    model = catalogue.load(name)
    rates = np.linspace(2 * low, 2 * high, model.units)
    found = rate_of(model, state_of(model, rates))
    inside = (rates > low) & (rates < high)
    assert np.allclose(found[inside], rates[inside], rtol=1e-12)
    assert np.allclose(found[rates <= low], low + 1e-3 * (high - low), rtol=1e-12)
    assert np.allclose(found[rates >= high], high - 1e-3 * (high - low), rtol=1e-12)


@pytest.mark.parametrize("largest", [0.999, 1.0, 1e6])
def test_a_linear_gain_reaches_every_rate(largest: float) -> None:
    rates = np.array([[largest, -largest / 3]])
    assert np.allclose(state_of(catalogue.load("murphy_miller_2009"), rates), rates, rtol=1e-12)


@pytest.mark.parametrize(
    ("rate", "message"),
    [("r = Hz*tanh((x + W(x))/Hz)", "rates do not follow from the state alone, since 'r' needs 'W' too"), ("r = -x", "'r' does not rise with 'x'")],
)
def test_a_rate_that_does_not_determine_the_state_is_refused(rate: str, message: str, linear_circuit: Callable[..., Model]) -> None:
    model = linear_circuit(np.eye(2), equations=f"dx/dt = (-x + drive(t, i))/tau : Hz\n{rate} : Hz (constant over dt)")
    with pytest.raises(TaskError, match=f"^linear: {message}"):
        state_of(model, np.ones((1, 2)))


def test_units_without_connections_follow_their_input_as_the_closed_form_of_eulers_method_says() -> None:
    """From 0 under a constant input u, k steps reach (1 - (1 - dt/tau)^k) u; an input that changes at a step is felt from the next on."""
    card = CARDS["sompolinsky_1988"].with_arrays({"J": np.zeros((3, 3))}, units=3)
    inputs = np.tile([0.5, -1.0, 2.0], (2, 40, 1))
    inputs[1, 10:] = 0.0
    found = driven_states(card, card.arrays(), np.zeros((2, 3)), inputs, "drive")
    kept = 1 - card.dt.si / 10e-3
    np.testing.assert_allclose(found[0], (1 - kept ** np.arange(40))[:, None] * inputs[0, 0], rtol=1e-12)
    np.testing.assert_allclose(found[1, 10:], found[1, 10] * kept ** np.arange(30)[:, None], rtol=1e-12)
    with pytest.raises(TaskError, match=r"is integrated by 'exponential_euler'; it should be by 'euler'\.$"):
        driven_states(card.with_arrays({}, integrator="exponential_euler"), card.arrays(), np.zeros((2, 3)), inputs, "drive")
