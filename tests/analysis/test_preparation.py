"""Preferred states have the energies of theory, and holding currents lead a linear circuit exactly where they should."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from cortex_sim.analysis._preparation import (
    Preferred,
    Side,
    currents_for,
    delayed_reaches,
    holding_currents,
    mixtures,
    preferred_states,
    resting_state,
    turned_reaches,
)
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import OptionError
from cortex_sim.simulation._dynamics import flow
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks.perturbations._pushes import silence_units

Circuit = Callable[..., Model]


def random(n: int, gain: float, seed: int = 0) -> np.ndarray:
    return gain * np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)


@pytest.mark.parametrize("dt", [1e-4, 1e-2])
def test_a_symmetric_circuit_prefers_its_eigenvectors_with_energy_one_over_one_minus_eigenvalue(dt: float, linear_circuit: Circuit) -> None:
    W = random(12, 0.3)
    values, vectors = np.linalg.eigh(W + W.T)
    assert values.max() < 1
    preferred = preferred_states(linear_circuit(W + W.T, dt=dt))
    assert preferred.energy is not None and np.allclose(preferred.energy, 1 / (1 - values[::-1]), rtol=1e-9)
    assert np.allclose(np.abs(preferred.directions.T @ vectors[:, ::-1]), np.eye(12), atol=1e-9)


def test_the_states_and_energies_of_any_circuit_are_those_of_its_weights_at_rest(linear_circuit: Circuit) -> None:
    W = random(200, 0.7)  # the published gain has slope 1 at rest, so that its flow there is W - 1 over tau
    A = W - np.eye(200)
    expected = np.linalg.eigvalsh(solve_continuous_lyapunov(A.T, -2 * np.eye(200)))[::-1]
    for model in (catalogue.load("hennequin_2014").with_arrays({"W": W}), linear_circuit(W)):
        preferred = preferred_states(model)
        assert preferred.energy is not None and np.allclose(preferred.energy, expected, rtol=1e-9)
        first = preferred.directions[:, 0]
        time = np.arange(0, 30, 0.02)
        step, x, integral = expm(A * 0.02), first, 0.0
        for _ in time:
            x, previous = step @ x, x
            integral += 0.02 * ((x**2).sum() + (previous**2).sum()) / 2
        assert 2 * integral == pytest.approx(expected[0], rel=1e-3)  # and not of W transposed, whose first state differs


def test_a_circuit_that_is_unstable_at_rest_says_so_and_offers_its_axes(linear_circuit: Circuit) -> None:
    preferred = preferred_states(linear_circuit(1.5 * np.eye(4)))
    assert preferred.energy is None and np.array_equal(preferred.directions, np.eye(4)) and "the rest is unstable" in preferred.how


DIRECTIONS = Preferred(np.linalg.qr(np.random.default_rng(1).standard_normal((40, 40)))[0], np.linspace(9, 1, 40), "test")


@pytest.mark.parametrize("k", [1, 3, 40, None])
def test_mixtures_lie_in_the_span_of_k_directions_with_the_spread_asked_for(k: int | None) -> None:
    states = mixtures(DIRECTIONS, 50, k=k, seed=5, sd=1.5)
    assert states.shape == (50, 40)
    assert np.allclose(np.linalg.norm(states, axis=1), 1.5 * np.sqrt(40), rtol=1e-12)  # deviations are from rest, not from the mean unit
    assert np.allclose(states @ DIRECTIONS.directions[:, k or 40 :], 0, atol=1e-12)
    assert np.linalg.matrix_rank(states) == (k or 40)
    assert np.array_equal(states, mixtures(DIRECTIONS, 50, k=k, seed=5, sd=1.5))
    assert not np.allclose(np.abs(states), np.abs(mixtures(DIRECTIONS, 50, k=k, seed=6, sd=1.5))) or k == 1


def test_without_energies_all_directions_are_mixed_and_k_has_bounds() -> None:
    axes = Preferred(np.eye(6), None, "axes")
    assert np.linalg.matrix_rank(mixtures(axes, 20, k=2, seed=0, sd=1.0)) == 6
    for k in (0, 41):
        with pytest.raises(OptionError, match=f"mixtures: k {k} should lie between 1 and 40, the number of units"):
            mixtures(DIRECTIONS, 5, k=k, seed=0, sd=1.0)


@pytest.mark.parametrize("start", ["ramp", "rest"])
def test_holding_currents_lead_a_linear_circuit_to_the_states_at_the_go_cue(start: str, linear_circuit: Circuit) -> None:
    W = random(10, 0.5, seed=3)
    assert np.linalg.eigvalsh((W + W.T) / 2).max() < 1  # the free flow contracts, so that errors do not grow
    model, states = linear_circuit(W, dt=1e-3), np.random.default_rng(4).standard_normal((3, 10))
    along = states * np.exp(-0.5 / 0.4)  # where the ramp is half a second before
    task = centre_out(3, holding=holding_currents(model, states)).window(-0.5, 0.6, initial=along if start == "ramp" else None)
    trials = simulate(model, task, backend="torch")
    reached = trials.rate[:, np.flatnonzero(np.isclose(trials.time, 0))[0]]
    missing = 0 if start == "ramp" else along @ expm((W - np.eye(10)) * 0.5 / 0.2).T  # the start that is absent decays by itself
    bend = np.linalg.norm(states, axis=1) / 0.4**2  # second derivative along the ramp, and below that of the decay
    bend += (start == "rest") * np.linalg.norm(along, axis=1) * np.linalg.norm(W - np.eye(10), 2) ** 2 / 0.2**2
    assert (np.linalg.norm(reached - (states - missing), axis=1) <= 0.5 * 1e-3 / 2 * bend).all()  # Euler: T dt/2 times it


LAYERED = catalogue.load("dura_bernal_2023")


def test_rates_that_cannot_fall_below_0_are_mixed_from_their_logarithms() -> None:
    rest, preferred = resting_state(LAYERED), preferred_states(LAYERED)
    assert preferred.rest is not None and np.array_equal(preferred.rest, rest) and "logarithm" in preferred.how
    states = mixtures(preferred, 40, k=6, seed=0, sd=1.0)
    logs = np.log(states / rest)
    assert (states > 0).all() and np.abs(logs).max() <= 1 + 1e-12
    kept = np.abs(logs).max(axis=1) < 1  # states of which nothing was cut have the spread, and lie where they should
    assert kept.sum() > 10 and np.allclose(np.sqrt((logs[kept] ** 2).mean(axis=1)), 1.0 / rest.mean(), rtol=1e-12)
    assert np.linalg.matrix_rank(logs[kept], tol=1e-9) == 6
    step = 1e-5  # of the logarithms: the flow that the first direction is most amplified by
    arrays = LAYERED.arrays()
    ahead, behind = (flow(LAYERED, arrays, rest * np.exp(sign * step * np.eye(15))) / (rest * np.exp(sign * step * np.eye(15))) for sign in (1, -1))
    A = ((ahead - behind) / (2 * step)).T
    gramian = solve_continuous_lyapunov(A.T, -np.eye(15))
    vectors = np.linalg.eigh(gramian)[1][:, ::-1]
    assert abs(preferred.directions[:, 0] @ vectors[:, 0]) == pytest.approx(1, abs=1e-2)  # flow of a step of 0.1 ms against that of none


def test_currents_move_a_nonlinear_circuit_as_asked_where_any_can() -> None:
    rest = np.tile(resting_state(LAYERED), (2, 1))
    wanted = np.array([[1.0], [-1.0]]) * rest  # Hz per s
    found = currents_for(LAYERED, rest, wanted)
    assert np.allclose(flow(LAYERED, LAYERED.arrays(), rest, {"drive": found}), wanted, rtol=1e-6, atol=1e-9)
    with pytest.raises(OptionError, match=r"^dura_bernal_2023: no current moves unit 3 from 0\.468339 by -46\.8339 per s; ask for less\.$"):
        currents_for(LAYERED, rest, wanted * np.where(np.arange(15) == 3, 100, 1))  # with 20 ms it can lose 50 times itself


def test_what_is_done_to_the_units_that_are_seen_is_done_to_them_in_the_whole() -> None:
    circuit = catalogue.load("sompolinsky_1988").with_arrays({}, units=9)
    (side,) = delayed_reaches(circuit, (4,), seed=0)
    seen = np.array([7, 0, 4])
    part = side.seen(seen)
    np.testing.assert_array_equal(part.trials.rate, side.trials.rate[:, :, seen])
    assert part.task.initial is not None
    np.testing.assert_array_equal(part.task.initial, side.trials.rate[:, 0, seen])
    course = np.ones(len(part.task.fine_time))
    pattern = np.arange(12.0).reshape(4, 3)
    whole = np.zeros((4, 9))
    whole[:, [7, 0, 4]] = pattern
    pushed = side.pushed(replace(part.task, drives=(*part.task.drives, Drive(pattern, course))), seen)
    direct = replace(side.task, drives=(*side.task.drives, Drive(whole, course)))
    np.testing.assert_array_equal(simulate(circuit, pushed).rate, simulate(circuit, direct).rate)
    silenced = side.pushed(silence_units(part.task, [0, 2], rate=0.0, span=(0.1, 0.2)), seen)
    found, alone = (simulate(circuit, task).rate for task in (silenced, silence_units(side.task, [7, 4], rate=0.0, span=(0.1, 0.2))))
    np.testing.assert_array_equal(found, alone)
    assert np.abs(found - side.trials.rate).max() > 0.01


def test_a_side_without_rates_to_start_from_cannot_be_seen_in_part() -> None:
    circuit = catalogue.load("sompolinsky_1988").with_arrays({}, units=9)
    (side,) = delayed_reaches(circuit, (4,), seed=0)
    message = r"^task 'delayed centre-out reaching' has no initial rates, of which some could be seen; take those of reaches\(\)\.$"
    with pytest.raises(OptionError, match=message):
        Side(replace(side.task, initial=None), side.trials).seen(np.array([1]))


def test_a_preparatory_state_that_turns_is_what_directions_say(linear_circuit: Circuit) -> None:
    model = linear_circuit(random(12, 0.5))
    task = turned_reaches(model, [0.0, 90.0, 180.0, 45.0], preparation=1.0, movement=0.5, seed=3)
    assert task.channels is None and (task.start, task.stop) == (-1.0, 0.5)
    right, up, left, between = simulate(model, task).rate
    size = np.abs(right).max()
    assert np.allclose(left, -right, atol=1e-9 * size) and not np.allclose(up, right, atol=0.1 * size)
    moving = task.time >= 0
    plane = np.stack([right[moving].ravel(), up[moving].ravel()], axis=1)
    parts, left_over, *_ = np.linalg.lstsq(plane, between[moving].ravel(), rcond=None)
    assert (parts > 0.1).all() and left_over[0] < 1e-12 * (between[moving] ** 2).sum()  # the circuit is linear: between is a bit of both
