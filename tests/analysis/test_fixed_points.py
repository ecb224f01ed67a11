"""Fixed points are found where they are known to be, with their eigenvalues, and states that only move slowly are told apart."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import cortex_sim as cs
from cortex_sim.analysis._fixed_points import SLOW, fixed_points, points_distance
from cortex_sim.cards._model import Model
from cortex_sim.errors import ComparisonError

TAU = 0.05
UNITS = 8


def network(W: np.ndarray, equations: str = "dx/dt = (-x + W(r) + push(t, i))/tau : 1\nr = tanh(x) : 1 (constant over dt)", **changes: Any) -> Model:
    fields = {
        "name": "planted", "kind": "rnn", "title": "planted", "paper": "none", "units": len(W), "rate": "r", "equations": equations,
        "dt": {"value": 10, "unit": "ms", "meaning": "step"}, "parameters": {"tau": {"value": 50, "unit": "ms", "meaning": "tau"}},
        "inputs": {"push": {"unit": "1", "meaning": "input"}},
        "projections": {"W": {"rule": "gaussian", "arguments": {"gain": {"value": 1, "meaning": "scale"}}}},
    }  # fmt: skip
    return Model.model_validate(fields | changes).with_arrays({"W": W})


def rank_one(strength: float = 2.0) -> tuple[Model, np.ndarray, float]:
    """W = strength m m^T / N with entries of m of size 1: x = kappa m is fixed where kappa = strength tanh(kappa)."""
    m = np.where(np.arange(UNITS) % 2, 1.0, -1.0)
    kappa = brentq(lambda k: strength * np.tanh(k) - k, 0.5, 5)
    return network(strength * np.outer(m, m) / UNITS), m, kappa


def visited(units: int = UNITS, size: float = 2.0) -> np.ndarray:
    return size * np.random.default_rng(0).normal(size=(200, units))


def test_a_rank_one_network_has_two_stable_points_and_a_saddle() -> None:
    model, m, kappa = rank_one()
    found = fixed_points(model, visited())
    assert len(found.points) == 3 and [point.unstable for point in found.points] == [0, 0, 1] and found.lost == 0
    places = sorted(point.state @ m / UNITS for point in found.points)
    np.testing.assert_allclose(places, [-kappa, 0, kappa], atol=1e-12)
    for point in found.points:
        gain = 1 - np.tanh(abs(point.state @ m) / UNITS) ** 2  # every unit's slope
        wanted = np.sort_complex(np.array([(-1 + 2 * gain) / TAU] + [-1 / TAU] * (UNITS - 1)).astype(complex))
        np.testing.assert_allclose(np.sort_complex(point.eigenvalues), wanted, atol=1e-9)
        assert point.fixed and point.speed < 1e-12
    assert found.coverage == 1


def test_a_constant_input_moves_the_points_as_the_equation_says() -> None:
    model, m, _ = rank_one()
    found = fixed_points(model, visited(), inputs={"push": 0.1 * m})
    wanted = sorted(brentq(lambda k: 2 * np.tanh(k) + 0.1 - k, *bracket) for bracket in ((-3, -1.2), (-0.6, 0.3), (1, 4)))
    np.testing.assert_allclose(sorted(point.state @ m / UNITS for point in found.points), wanted, atol=1e-12)
    assert len(fixed_points(model, visited(), inputs={"push": 2 * m}).fixed) == 1  # past the saddle-node only one is left


def test_frequencies_are_in_radians_per_second() -> None:
    omega, decay = 12.0, 3.0
    A = np.array([[1 - decay * TAU, -omega * TAU], [omega * TAU, 1 - decay * TAU]])
    [point] = fixed_points(network(A, equations="dx/dt = (-x + W(x) + push(t, i))/tau : 1\nr = 1.0*x : 1 (constant over dt)"), visited(2)).points
    np.testing.assert_allclose(point.eigenvalues[np.argsort(point.eigenvalues.imag)], [-decay - 1j * omega, -decay + 1j * omega], rtol=1e-9)


def test_the_ghost_of_a_saddle_node_is_slow_and_not_fixed() -> None:
    model, m, _ = rank_one(strength=2.0)
    kappa = -np.arccosh(np.sqrt(2.0))  # where 2 tanh(k) - k is lowest
    gone = kappa - 2 * np.tanh(kappa)
    found = fixed_points(model, visited(), inputs={"push": (gone + 0.005) * m})
    [slow] = [point for point in found.points if not point.fixed]
    assert slow.state @ m / UNITS == pytest.approx(kappa, abs=1e-3) and 0 < slow.speed < SLOW
    spread = np.sqrt(visited().var(axis=0).sum())
    assert slow.speed == pytest.approx(0.005 * np.sqrt(UNITS) / TAU / spread, rel=1e-3)


def test_the_speed_does_not_change_with_the_unit_of_the_state() -> None:
    rng = np.random.default_rng(1)
    W, states = 1.3 * rng.normal(size=(UNITS, UNITS)) / np.sqrt(UNITS), visited()
    tall = network(W, equations="dx/dt = (-x + 7*W(r) + push(t, i))/tau : 1\nr = tanh(x/7) : 1 (constant over dt)")
    a, b = fixed_points(network(W), states), fixed_points(tall, 7 * states)
    assert len(a.fixed) == len(b.fixed) >= 1
    np.testing.assert_allclose(
        np.sort([np.linalg.norm(7 * point.state) for point in a.fixed]), np.sort([np.linalg.norm(point.state) for point in b.fixed]), atol=1e-9
    )


def test_states_that_are_not_the_models_or_do_not_differ_are_refused() -> None:
    model = rank_one()[0]
    with pytest.raises(ComparisonError, match=r"^planted: visited states have shape \(3, 5\); they should be \(sample, 8\)\.$"):
        fixed_points(model, np.zeros((3, 5)))
    with pytest.raises(ComparisonError, match=r"^planted: the visited states do not differ, so there is no scale to search on\.$"):
        fixed_points(model, np.ones((3, 8)))


def test_sets_of_points_are_apart_by_the_larger_mean_distance_to_the_nearest() -> None:
    one, two = np.array([[0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 4.0]])
    assert points_distance(one, two) == points_distance(two, one) == 2.5  # from the second set 0 and 5; from the first 0
    assert points_distance(two, two[::-1]) == 0
    assert points_distance(one, np.empty((0, 2))) == np.inf and points_distance(np.empty((0, 2)), np.empty((0, 2))) == 0


def test_a_portrait_prints_what_was_found_in_one_line() -> None:
    model, _, kappa = rank_one()
    found = fixed_points(model, visited(), searches=20)
    growth = (2 * (1 - np.tanh(kappa) ** 2) - 1) / TAU  # of both stable points, along m; at 0 it is (2 - 1) / tau
    said = f"max Re λ {growth:.3g}, {growth:.3g}, {1 / TAU:.3g} per s>"
    assert repr(found).startswith(f"<Portrait: 3 fixed, 0 slow; {20 - found.lost} of 20 searches") and repr(found).endswith(said)


def test_trials_lead_to_the_points_that_the_task_leads_to() -> None:
    """Rates tanh(x), states x, and the task itself say the same of where a network was; the points are known."""
    model, m, kappa = rank_one()
    task = cs.perturb.push(cs.tasks.spontaneous(0.6, 6), units=UNITS, fraction=0.5, amplitude=0.7, start=0.0, duration=0.3, seed=1)
    for given in (task, cs.simulate(model, task), cs.hidden(model, task, of="x"), cs.hidden(model, task)):
        found = fixed_points(model, given)
        np.testing.assert_allclose(sorted(point.state @ m / UNITS for point in found.fixed), [-kappa, 0, kappa], atol=1e-12)
    volts = network(np.zeros((2, 2)), "dv/dt = (3*mV - v + 0*mV*W(r)/Hz)/tau : mV\nr = v/mV*Hz : Hz (constant over dt)", inputs={})
    moving = cs.tasks.spontaneous(0.2)
    np.testing.assert_allclose(fixed_points(volts, cs.hidden(volts, moving, of="v")).fixed[0].state, 3e-3, rtol=1e-9)  # in SI


def test_trials_that_do_not_tell_the_states_are_told_what_does() -> None:
    model = cs.load("leaky_readout").with_arrays({}, units=9, observed=4, channels=2)
    task = cs.tasks.from_inputs(np.random.default_rng(0).normal(size=(3, 20, 2)), bin=0.01)
    with pytest.raises(ComparisonError, match=r"these trials hold outputs, from which its states do not follow; .*cs\.hidden\(model, task, of='x'\)"):
        fixed_points(model, cs.simulate(model, task))
    assert fixed_points(model, cs.hidden(model, task, of="x"), searches=4).searches == 4
    lstm = cs.load("lstm").with_arrays({}, units=5, observed=3, channels=2)
    with pytest.raises(ComparisonError, match="its states do not follow; give the task"):
        fixed_points(lstm, cs.simulate(lstm, task))
    flow = cs.wrap(lambda x, u: -x + u, units=2, channels=2, dt=0.01)
    with pytest.raises(ComparisonError, match="its states do not follow; give the task"):
        fixed_points(flow, cs.simulate(flow, task))
