"""Motif loops: planted modes are found, loops have the eigenvalues they should, outputs follow, and preparation is fast from anywhere."""

import numpy as np
import pytest
from scipy.linalg import expm

from cortex_sim.analysis._motif_loops import Modes, Motif, fitted_modes, motif_loop, preparatory_loop
from cortex_sim.analysis._output_feedback import Plant, feedback_cost
from cortex_sim.errors import Undetermined

UNITS, SHARE, STEPS = 40, 0.1, 300
RNG = np.random.default_rng(0)
J = 0.8 * RNG.normal(size=(UNITS, UNITS)) / np.sqrt(UNITS)
MODES = Modes(np.array([0.97 + 0.2j, 0.95 + 0.45j]), np.array([0.5 - 0.2j, 0.3 + 0.4j]), SHARE, STEPS)


def test_planted_modes_are_fitted_to_within_their_penalty() -> None:
    output = MODES.course
    found = fitted_modes(output, 2, share=SHARE, rng=np.random.default_rng(1))
    assert ((found.course - output) ** 2).sum() < 1e-3 * (output**2).sum()
    np.testing.assert_allclose(np.sort(found.eigenvalues.imag), [0.2, 0.45], atol=0.02)
    assert (found.eigenvalues.real < 1).all()


@pytest.mark.parametrize("steps", [0, 30])
def test_a_loop_through_one_unit_has_the_eigenvalues_and_the_output_is_the_sum_of_the_modes(steps: int) -> None:
    readout = RNG.normal(size=UNITS)
    loop = motif_loop(J, readout, MODES, rng=np.random.default_rng(2), steps=steps)
    looped = J + np.outer(loop.out, loop.into)
    values = np.linalg.eigvals(looped)
    for wanted in (*MODES.eigenvalues, *MODES.eigenvalues.conj()):
        assert np.abs(values - wanted).min() < 1e-9
    x, made = loop.start, []
    for _ in range(STEPS):
        made.append(readout @ x)
        x = x + SHARE * (looped @ x - x)
    np.testing.assert_allclose(made, MODES.course, atol=1e-8)


def test_frailty_is_the_error_from_noise_and_its_derivative_that_of_finite_differences() -> None:
    readout, rng = RNG.normal(size=UNITS), np.random.default_rng(2)
    motif, u, change = Motif(J, readout, MODES), rng.normal(size=UNITS), rng.normal(size=UNITS)
    found, slope = motif.frailty(u)
    up, down = (motif.frailty(u + sign * 1e-5 * change)[0] for sign in (1, -1))
    assert slope @ change == pytest.approx((up - down) / 2e-5, rel=1e-5)
    loop = motif.loop(u)
    flow, x, size = J + np.outer(loop.out, loop.into) - np.eye(UNITS), loop.start, 0.0
    for _ in range(STEPS):
        size += (x**2).sum()
        x = x + SHARE * flow @ x
    step, seen, heard = expm(0.02 * flow), 0.0, readout.copy()
    for _ in range(40_000):
        after = heard @ step
        seen += 0.01 * (heard @ heard + after @ after)  # trapezoids
        heard = after
    assert found == pytest.approx(np.log(size) + np.log(seen), abs=1e-3)
    assert motif.frailty(3 * u)[0] == pytest.approx(found)
    better = motif_loop(J, readout, MODES, rng=np.random.default_rng(2), steps=60)
    begun = motif.frailty(np.random.default_rng(2).standard_normal(UNITS))[0]
    assert motif.frailty(better.out)[0] < begun - np.log(10)


def test_the_preparatory_loop_lowers_the_cost_and_its_steps_follow_the_derivative() -> None:
    plant = Plant(J - np.eye(UNITS), np.eye(UNITS), np.eye(UNITS))

    def cost(K: np.ndarray) -> float:
        return feedback_cost(plant, np.eye(UNITS), K, penalty=0.0)[0]

    begun = [preparatory_loop(J, 6, steps=steps) for steps in (1, 60)]
    first, later = (cost(U @ V) for U, V in begun)
    U, V = begun[-1]
    np.testing.assert_allclose(np.linalg.norm(U, axis=0), 1)
    np.testing.assert_allclose(np.linalg.norm(V, axis=1), 1)
    assert later < first and later < 0.8 * cost(np.zeros_like(J))
    assert np.linalg.eigvals(J + U @ V).real.max() < np.linalg.eigvals(J).real.max()
    near = np.random.default_rng(4)
    for _ in range(10):  # no loop nearby is better by more than the search leaves
        u, v = U + 0.02 * near.normal(size=U.shape), V + 0.02 * near.normal(size=V.shape)
        assert cost((u / np.linalg.norm(u, axis=0)) @ (v / np.linalg.norm(v, axis=1)[:, None])) > later


def test_an_unstable_circuit_is_refused() -> None:
    with pytest.raises(Undetermined, match="the circuit is not stable with the loop that the search starts from"):
        preparatory_loop(J + 3 * np.eye(UNITS), 2)
