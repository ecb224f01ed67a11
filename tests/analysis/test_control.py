"""Optimal control against closed forms and identities, and the inhibition-stabilised circuit against what its construction fixes."""

import numpy as np
import pytest
from scipy.linalg import expm

from cortex_sim.analysis._control import cost_without_feedback, lqr, observability
from cortex_sim.cards import catalogue
from cortex_sim.cards.weights.inhibition_stabilised import build
from cortex_sim.cards.weights.stability_optimised import spectral_abscissa
from cortex_sim.errors import OptionError, Undetermined
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks._task import Task

RNG = np.random.default_rng(0)
A = 0.3 * RNG.normal(size=(8, 8)) - np.eye(8)
C = RNG.normal(size=(2, 8))
SMALL = {"excitatory": 0.8, "density": 0.25, "weight": 1.2, "spread": 0.5, "row_sum": -10.0, "abscissa": 0.85}


def test_a_scalar_has_the_closed_form_of_its_riccati_equation() -> None:
    a, q, penalty = -0.4, 2.0, 0.3
    found = lqr(np.array([[a]]), np.array([[q]]), penalty)
    s = penalty * (a + np.sqrt(a * a + q / penalty))
    assert found.S[0, 0] == pytest.approx(s, rel=1e-12) and found.K[0, 0] == pytest.approx(-s / penalty, rel=1e-12)


def test_costs_are_the_integrals_they_stand_for() -> None:
    Q, x0, dt = observability(A, C), RNG.normal(size=8), 0.002
    np.testing.assert_allclose(A.T @ Q + Q @ A + C.T @ C, 0, atol=1e-12)
    control = lqr(A, Q, 0.1)
    for flow, expected, drive in ((A, cost_without_feedback(A, Q), 0.0 * control.K), (A + control.K, control.S, control.K)):
        step, x, cost = expm(dt * flow), x0.copy(), 0.0
        for _ in range(20_000):
            after = step @ x
            cost += dt / 2 * sum(y @ Q @ y + 0.1 * (drive @ y) @ (drive @ y) for y in (x, after))
            x = after
        assert cost == pytest.approx(x0 @ expected @ x0, rel=1e-4)  # trapezoids


def test_no_other_feedback_costs_less_and_feedback_costs_less_than_none() -> None:
    Q = observability(A, C)
    best = lqr(A, Q, 0.1)
    for _ in range(20):
        K = best.K + 0.05 * RNG.normal(size=(8, 8))
        other = cost_without_feedback(A + K, Q + 0.1 * K.T @ K)
        assert np.trace(other) > np.trace(best.S)
    assert np.trace(best.S) < np.trace(cost_without_feedback(A, Q))


def test_an_unstable_circuit_has_no_gramian() -> None:
    with pytest.raises(Undetermined, match="largest real part of the eigenvalues is 0.5; the circuit should be stable"):
        observability(np.diag([0.5, -1.0]), np.ones((1, 2)))


def test_inhibition_stabilises_what_excitation_alone_would_not() -> None:
    W = build((40, 40), np.random.default_rng(1), **SMALL)
    assert spectral_abscissa(W) <= 0.85 < 1 < spectral_abscissa(W[:32, :32])
    np.testing.assert_allclose(W.sum(axis=1), -10, rtol=1e-12)
    assert np.abs(np.linalg.eigvals(W) + 10).min() < 1e-10  # (1, 1, ...) is an eigenvector
    assert ((W[:, :32] > 0).sum(axis=1) == 8).all() and not np.diag(W).any() and (W[:, :32] >= 0).all() and (W[:, 32:] <= 0).all()
    with pytest.raises(OptionError, match="inhibition_stabilised: shape .* row sum 1; it should be square"):
        build((40, 40), np.random.default_rng(1), **SMALL | {"row_sum": 1.0})


def test_the_circuit_rests_at_its_spontaneous_state_and_a_controller_holds_another_one() -> None:
    rng = np.random.default_rng(2)
    projections = {name: p.model_dump() for name, p in catalogue.load("kao_2021").projections.items()}
    projections["W"]["arguments"]["abscissa"]["value"] = 0.85
    model = catalogue.load("kao_2021").with_arrays({}, units=40, projections=projections)
    rest, W = 1 + 0.15 * rng.standard_normal(40), model.arrays()["W"]
    model = model.with_arrays({"x_rest": rest}, channels=0)
    still = simulate(model.with_arrays({}, initial_values={"x": {"value": rest.tolist(), "meaning": "rest"}}), Task("rest", 0.0, 0.3, np.zeros(1)))
    np.testing.assert_allclose(still.rate[0], np.tile(np.maximum(rest, 0), (30, 1)), atol=1e-9)
    brian, torch = (simulate(model, free_run(np.ones((2, 40)), 0.1), backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(brian, torch, rtol=1e-11, atol=1e-12)
    assert spectral_abscissa(W) <= 0.85
