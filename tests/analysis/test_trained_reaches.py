"""Trained reaches: steps are those of the shipped circuit, derivatives those of finite differences, readouts blind where they should be."""

import numpy as np
import pytest

from cortex_sim.analysis._feedback import unseen
from cortex_sim.analysis._trained_reaches import Released, Wanted, fading_loop, movement_error, released_states, train_reaches, train_states
from cortex_sim.cards import load
from cortex_sim.simulation import time_constant
from cortex_sim.simulation.torch import trajectories_from
from cortex_sim.tasks import BIN, held_then_moving

UNITS, READ, BINS, EVERY = 20, 16, 40, 10
RNG = np.random.default_rng(0)
W = 0.5 * RNG.normal(size=(UNITS, UNITS)) / np.sqrt(UNITS)
REST = 1 + 0.15 * RNG.normal(size=UNITS)
STATES = REST + 0.7 * RNG.normal(size=(3, UNITS))  # some of them are rectified


def course(time: np.ndarray) -> np.ndarray:
    return np.where(time >= 0, 20 * np.sin(20 * time), 0.0)


def released(**more: np.ndarray) -> Released:
    return Released(W, REST, course(1e-3 * np.arange(BINS * EVERY)), 1 / 150, EVERY, **more)


def test_steps_are_those_of_the_shipped_circuit() -> None:
    model = load("kao_2021").with_arrays({"W": W}, units=UNITS).with_arrays({"x_rest": REST, "W_hold": np.ones((UNITS, 1)), "K": np.zeros_like(W)})
    assert time_constant(model)[0] == pytest.approx(0.15)
    task = held_then_moving(np.zeros_like(STATES), preparation=0.0, movement=BINS * BIN, course=course)
    np.testing.assert_allclose(released_states(released(), STATES)[:, ::EVERY], trajectories_from(model, task, STATES), atol=1e-12)


def test_what_is_left_of_a_loop_is_what_two_relays_leave() -> None:
    fading = fading_loop((0.1, 0.1), 40)
    wanted = (1 - 0.1) ** np.arange(40) * (1 + 0.1 / 0.9 * np.arange(40))  # two equal poles, in closed form
    np.testing.assert_allclose(fading, wanted, rtol=1e-12)


@pytest.mark.parametrize("loop", [False, True])
def test_derivatives_are_those_of_finite_differences(loop: bool) -> None:
    circuit = released(**({"loop": RNG.normal(size=W.shape), "fading": fading_loop((0.1, 0.2), BINS * EVERY)} if loop else {}))
    readout, wanted = RNG.normal(size=(2, READ)), Wanted(RNG.normal(size=(3, BINS, 2)), np.array([1.0, 3.0]), BIN)
    _, by_state, by_readout = movement_error(circuit, STATES, readout, wanted=wanted)
    for change, slope in (((RNG.normal(size=STATES.shape), 0.0), by_state), ((0.0, RNG.normal(size=readout.shape)), by_readout)):
        up, down = (movement_error(circuit, STATES + s * change[0], readout + s * change[1], wanted=wanted)[0] for s in (1e-6, -1e-6))
        moved = change[0] if np.ndim(change[0]) else change[1]
        assert (slope * moved).sum() == pytest.approx((up - down) / 2e-6, rel=1e-6)


def test_training_finds_outputs_that_the_circuit_can_make_and_stays_blind() -> None:
    deviation = RNG.normal(size=(3, UNITS))
    states = REST + 0.2 * deviation / np.sqrt((deviation**2).mean())
    rates = np.maximum(released_states(released(), states)[:, ::EVERY, :READ], 0)
    plan = RNG.normal(size=(2, READ)) @ unseen(np.vstack([rates[:, 0], REST[:READ]]))
    wanted = Wanted(rates @ plan.T, np.array([1.0, 3.0]), BIN)
    before = BIN * (wanted.outputs**2 * wanted.weights**2).sum() / 3
    found = train_reaches(released(), wanted, read=READ, spread=0.2, rng=np.random.default_rng(1))
    assert found.error < 0.05 * before
    silent = np.maximum(np.vstack([found.states, REST]), 0)[:, :READ]
    np.testing.assert_allclose(found.readout @ silent.T, 0, atol=1e-10)
    assert np.sqrt(((found.states - REST) ** 2).mean()) == pytest.approx(0.2)
    looped = released(loop=0.3 * RNG.normal(size=W.shape) / np.sqrt(UNITS), fading=fading_loop((0.1, 0.1), BINS * EVERY))
    spoilt = movement_error(looped, found.states, found.readout, wanted=wanted)[0]
    again = train_states(looped, wanted, found, spread=0.2)
    assert again.error < spoilt and np.abs((again.states - REST)[:, :READ] @ found.readout.T).max() < 1e-10
    assert np.sqrt(((again.states - REST) ** 2).mean()) == pytest.approx(0.2)
