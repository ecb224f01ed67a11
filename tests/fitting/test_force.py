"""FORCE and full-FORCE: recursion is regression, what was learned goes on by itself, and the exported network is the one that learned."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.fitting._fit import Fitted, train
from cortex_sim.fitting._online import Network
from cortex_sim.fitting._options import Options
from cortex_sim.fitting._recursive import Recursive
from cortex_sim.fitting.rules import force, full_force
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._task import Task

UNITS, BINS, PERIOD = 150, 600, 60
STUDENTS = {"force": force.Student, "full_force": full_force.Student}


def student(units: int = UNITS) -> Model:
    return catalogue.load("sussillo_abbott_2009").with_arrays({}, units=units, channels=0)


def sine() -> Task:
    wave = np.sin(2 * np.pi * np.arange(BINS) / PERIOD)[None, :, None]
    return Task("sine", 0.0, BINS * 0.01, np.zeros(1), targets=xr.DataArray(wave, dims=("trial", "time", "axis")))


def taught(rule: str, model: Model | None = None, **how: Any) -> Fitted:
    options = Options(epochs=4, validation=0)
    return train(model or student(), sine().wanted, sine(), rule=rule, how={"continued": True} | how, options=options, report=lambda done, text: None)


def test_recursive_least_squares_is_ridge_regression_towards_the_start_after_every_sample() -> None:
    rng = np.random.default_rng(0)
    start, regressors, wanted, alpha = rng.normal(size=(3, 8)), rng.normal(size=(30, 8)), rng.normal(size=(30, 3)), 0.7
    W, recursion = start.copy(), Recursive(8, alpha)
    for number, (r, f) in enumerate(zip(regressors, wanted, strict=True), 1):
        recursion.learn(W, r, W @ r - f)
        R, F = regressors[:number], wanted[:number]
        gram = R.T @ R + alpha * np.eye(8)
        batch = start + np.linalg.solve(gram, R.T @ (F - R @ start.T)).T
        np.testing.assert_allclose(W, batch, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(recursion.inverse, np.linalg.inv(gram), rtol=1e-11, atol=1e-12)


def test_force_teaches_a_sine_that_goes_on_by_itself_with_its_period() -> None:
    fitted = taught("force")
    assert min(fitted.train) < 0.01 and min(fitted.validation) < 0.05
    free = simulate(fitted.model, replace(sine(), initial=np.zeros((1, 1)))).rate[0, :, 0]
    up = np.flatnonzero((free[:-1] < 0) & (free[1:] >= 0))
    assert np.abs(np.diff(up) - PERIOD).max() <= 1 and len(up) >= BINS // PERIOD - 1


def test_without_feedback_nothing_chaotic_is_tamed() -> None:
    assert min(taught("force", feedback=0.0).validation) > 0.3


@pytest.mark.parametrize("rule", STUDENTS)
def test_the_network_that_is_returned_is_the_one_that_learned(rule: str) -> None:
    """After some corrections the learner left to itself and the exported model, from the same state, give the same outputs."""
    rng, wanted = np.random.default_rng(3), sine().wanted.rate[0]
    network = Network.of(student(40).with_arrays({"d": np.array([0.3])}), asked_by=rule)
    learner = STUDENTS[rule](network, network.feedback(np.ones(1), 1.0, seed=0), 1.0)
    learner.begin(0.5 * rng.standard_normal(40))
    for target in wanted[:80]:
        learner.step(np.zeros(40), target, 1.0, correct=True)
    state, arrays = learner.state.copy(), learner.arrays()
    outputs = [learner.step(np.zeros(40), target, 1.0, correct=False) for target in wanted[:60]]
    exported = network.model.with_arrays(arrays | {"E": np.zeros((40, 1)), "e": state})
    task = Task("on", 0.0, 0.6, np.zeros(1), initial=np.zeros((1, 1)))
    for backend in ("torch", "brian"):
        np.testing.assert_allclose(simulate(exported, task, backend=backend).rate[0], outputs, rtol=1e-8, atol=1e-9)


def test_full_force_regresses_what_the_driven_network_is_given_on_the_learners_own_rates() -> None:
    rng, alpha, wanted = np.random.default_rng(4), 0.5, sine().wanted.rate[0, :60]
    network = Network.of(student(20), asked_by="full_force")
    J, U = network.weights["W"], network.feedback(np.ones(1), 1.0, seed=0)
    learner = full_force.Student(network, U, alpha)
    start = 0.5 * rng.standard_normal(20)
    learner.begin(start)
    driven, rates, given = start.copy(), [], []
    for target in wanted:
        rates.append(np.tanh(learner.state))
        given.append(J @ np.tanh(driven) + U @ target)
        driven = 0.9 * driven + 0.1 * given[-1]  # tau of 100 ms, steps of 10 ms
        learner.step(np.zeros(20), target, 1.0, correct=True)
    R, F = np.array(rates), np.array(given)
    batch = np.linalg.solve(R.T @ R + alpha * np.eye(20), R.T @ F).T
    np.testing.assert_allclose(learner.arrays()["W"], batch, rtol=1e-8, atol=1e-10)
    C = np.linalg.solve(R.T @ R + alpha * np.eye(20), R.T @ (wanted - network.offset) + alpha * network.weights["C"].T).T
    np.testing.assert_allclose(learner.arrays()["C"], C, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rule", STUDENTS)
def test_students_that_cannot_be_corrected_so_are_told_why(rule: str) -> None:
    with pytest.raises(TaskError, match=rf"^gru: {rule} needs a leaky network"):
        taught(rule, catalogue.load("gru").with_arrays({}, units=9))
    with pytest.raises(TaskError, match=rf"^leaky_tanh: {rule} needs a \[readout\] of many units; here each output is one unit's rate\.$"):
        taught(rule, catalogue.load("leaky_tanh"), continued=False)
    with pytest.raises(TaskError, match=rf"^leaky_sparse: {rule} changes every weight of 'W', which keep_zeros forbids; remove it from the card\.$"):
        taught(rule, catalogue.load("leaky_sparse").with_arrays({}, units=9), continued=False)
    with pytest.raises(OptionError):
        train(student(9), sine().wanted, sine(), rule=rule, options=Options(epochs=1, validation=0, penalty_rates=1.0))
    with pytest.raises(TaskError, match=r"continued trials need an \[initial\] to keep the last state in, and options\.start 'first bin'\.$"):
        train(student(9), sine().wanted, sine(), rule=rule, how={"continued": True}, options=Options(epochs=1, validation=0, start="rest"))
