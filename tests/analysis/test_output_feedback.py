"""Output feedback against Riccati's solution, finite differences and planted factors."""

import numpy as np
import pytest
from scipy.linalg import expm

from cortex_sim.analysis._control import lqr, observability
from cortex_sim.analysis._output_feedback import Plant, feedback_cost, output_feedback, relayed, signed_factors
from cortex_sim.errors import Undetermined

RNG = np.random.default_rng(0)
A = 0.35 * RNG.normal(size=(6, 6)) - np.eye(6)
Q = observability(A, RNG.normal(size=(2, 6)))
WHOLE = Plant(A, np.eye(6), np.eye(6))
PART = Plant(A, RNG.normal(size=(6, 3)), RNG.normal(size=(2, 6)))


def test_feedback_from_the_whole_state_is_that_of_the_riccati_equation() -> None:
    best = lqr(A, Q, 0.1)
    found = output_feedback(WHOLE, Q, penalty=0.1)
    assert feedback_cost(WHOLE, Q, best.K, penalty=0.1)[0] == pytest.approx(np.trace(best.S), rel=1e-10)
    assert feedback_cost(WHOLE, Q, found, penalty=0.1)[0] == pytest.approx(np.trace(best.S), rel=1e-6)
    np.testing.assert_allclose(found, best.K, atol=1e-2 * np.abs(best.K).max())  # the cost is flat: its root


def test_the_derivative_is_that_of_finite_differences_and_the_cost_the_integral() -> None:
    K, change, step = 0.1 * RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2)), 1e-6
    cost, slope = feedback_cost(PART, Q, K, penalty=0.3)
    above, below = (feedback_cost(PART, Q, K + sign * step * change, penalty=0.3)[0] for sign in (1, -1))
    assert (slope * change).sum() == pytest.approx((above - below) / (2 * step), rel=1e-7)
    gain = K @ PART.C
    weight, flow, dt = Q + 0.3 * gain.T @ gain, expm(1e-3 * (A + PART.B @ gain)), 1e-3
    x, integral = np.eye(6), 0.0
    for _ in range(30_000):
        after = flow @ x
        integral += dt / 2 * sum(np.einsum("ij,ik,kj->", y, weight, y) for y in (x, after))
        x = after
    assert cost == pytest.approx(integral, rel=1e-5)  # trapezoids


def test_feedback_from_a_part_costs_more_than_from_the_whole_and_less_than_none() -> None:
    part = Plant(A, np.eye(6), PART.C)
    found = output_feedback(part, Q, penalty=0.1)
    cost, slope = feedback_cost(part, Q, found, penalty=0.1)
    assert np.trace(lqr(A, Q, 0.1).S) < cost < feedback_cost(part, Q, 0 * found, penalty=0.1)[0]
    assert np.abs(slope).max() < 1e-3 * cost
    assert np.linalg.eigvals(A + found @ PART.C).real.max() < 0


def test_unstable_feedback_costs_infinitely_and_an_unstable_system_is_refused() -> None:
    assert feedback_cost(WHOLE, Q, 3 * np.eye(6), penalty=0.1)[0] == np.inf
    with pytest.raises(Undetermined, match="the system should be stable without feedback"):
        output_feedback(Plant(A + 3 * np.eye(6), np.eye(6), np.eye(6)), Q, penalty=0.1)


def test_relays_pass_on_what_they_see_and_fast_ones_leave_the_feedback_as_it_is() -> None:
    Y = np.abs(RNG.normal(size=(4, 6)))
    plant = relayed(A, Y, speed=15.0)
    x = RNG.normal(size=6)
    still = np.concatenate([x, Y @ x, Y @ x])
    np.testing.assert_allclose((plant.A @ still)[6:], 0, atol=1e-12)
    np.testing.assert_allclose((plant.A @ still)[:6], A @ x, atol=1e-12)
    np.testing.assert_allclose(plant.C @ still, Y @ x)
    K = 0.1 * RNG.normal(size=(6, 4))
    slowest = np.sort_complex(np.linalg.eigvals(A + K @ Y))
    fast = relayed(A, Y, speed=1e6)
    values = np.linalg.eigvals(fast.A + fast.B @ K @ fast.C)
    np.testing.assert_allclose(np.sort_complex(values[np.abs(values) < 1e3]), slowest, rtol=1e-4)


def test_planted_factors_are_found_again_in_their_product_and_signs_hold() -> None:
    rng = np.random.default_rng(1)
    out, into = np.abs(rng.normal(size=(8, 12))) * np.repeat([1.0, -1.0], 6), np.abs(rng.normal(size=(12, 7)))
    found = signed_factors(out @ into, 12, rng=rng)
    assert found.missed < 0.01  # the penalty is about 0.1 / 180 of the squared norm of the factors
    assert (found.into >= 0).all() and (found.out[:, :6] >= 0).all() and (found.out[:, 6:] <= 0).all()
    assert np.linalg.norm(found.out) == pytest.approx(np.linalg.norm(found.into))
    assert found.missed == pytest.approx(((found.out @ found.into - out @ into) ** 2).sum() / ((out @ into) ** 2).sum())
