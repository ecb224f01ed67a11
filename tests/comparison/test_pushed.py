"""Answers to pushes: beside the student stand units without connections, beside pushes of units those within the states that activity visits."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.linalg import expm

from cortex_sim.cards._model import Model
from cortex_sim.cards.edit import unconnected
from cortex_sim.comparison import compare_responses
from cortex_sim.comparison._battery import LEADING, leading_axes
from cortex_sim.comparison._mechanism import ALONE
from cortex_sim.comparison._pushed import _within_components
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Task, free_run
from cortex_sim.tasks.perturbations import push, silence

UNITS, TRIALS, TAU, LASTS = 10, 12, 0.2, 0.4
RANK = 3
OUTSIDE, INSIDE = "response to push, R²", "response to push within the leading components, R²"


@pytest.fixture(scope="module")
def flat(linear_circuit: Callable[..., Model]) -> tuple[Model, Task, np.ndarray]:
    """A circuit whose activity stays within a plane of RANK dimensions, in which alone it has connections."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(UNITS, RANK)))[0]
    inner = np.array([[0.5, -2.0, 0.0], [2.0, 0.5, 0.0], [0.0, 0.0, 0.3]])
    states = rng.normal(size=(TRIALS, RANK)) @ axes.T
    return linear_circuit(axes @ inner @ axes.T), free_run(10 * states, LASTS), axes


def test_directions_lie_where_activity_varies_and_pushes_are_as_strong(flat: tuple[Model, Task, np.ndarray]) -> None:
    circuit, task, axes = flat
    found = leading_axes(simulate(circuit, task).rate)
    assert found.shape == (UNITS, RANK) and LEADING > RANK
    np.testing.assert_allclose(found @ found.T, axes @ axes.T, atol=1e-9)
    anywhere = push(task, UNITS, fraction=0.3, amplitude=4.0, seed=0, start=0.1, duration=0.02)
    (within,) = _within_components(circuit, task, [anywhere], seed=0)
    a, b = anywhere.drives[-1].pattern, within.drives[-1].pattern
    np.testing.assert_allclose(np.linalg.norm(b, axis=1), np.linalg.norm(a, axis=1), rtol=1e-12)
    np.testing.assert_allclose(b @ axes @ axes.T, b, atol=1e-9)
    assert np.linalg.norm(a @ axes @ axes.T - a) > 0.1 * np.linalg.norm(a) and np.array_equal(within.drives[-1].course, anywhere.drives[-1].course)


def test_a_student_that_is_right_where_activity_goes_is_told_from_one_that_is_right_everywhere(
    flat: tuple[Model, Task, np.ndarray], linear_circuit: Callable[..., Model]
) -> None:
    circuit, task, axes = flat
    off = np.eye(UNITS) - axes @ axes.T
    student = linear_circuit(circuit.arrays()["W"] - 3.0 * off)
    pushed = push(task, UNITS, fraction=0.3, amplitude=4.0, seed=0, start=0.1, duration=0.02)
    found = compare_responses(circuit, student, task, pushed, name="blind outside", nulls=5)
    value = {(score.measure, score.student): score.estimate for score in found}
    assert value.keys() == {(measure, who) for measure in (OUTSIDE, INSIDE) for who in ("blind outside", ALONE)}
    assert value[INSIDE, "blind outside"] == pytest.approx(1, abs=1e-9) and value[OUTSIDE, "blind outside"] < 0.9
    itself = compare_responses(circuit, circuit, task, pushed, name="itself", nulls=5)
    assert [score.estimate for score in itself if score.student == "itself"] == pytest.approx([1, 1], abs=1e-9)


def test_units_without_connections_explain_what_their_leak_alone_does(flat: tuple[Model, Task, np.ndarray]) -> None:
    """In closed form: after a brief push p the circuit answers exp(-(1 - W) t / tau) p and units alone exp(-t / tau) p."""
    circuit, task, _ = flat
    pushed = push(task, UNITS, fraction=0.3, amplitude=4.0, seed=0, start=0.0, duration=0.001)
    W, t = circuit.arrays()["W"], np.arange(0.005, LASTS, 0.01)
    p = pushed.drives[-1].pattern
    true, alone = (np.array([p @ expm((M - np.eye(UNITS)) * now / TAU).T for now in t]) for M in (W, 0 * W))
    found = compare_responses(circuit, unconnected(circuit), task, pushed, name="none", nulls=5)
    value = {(score.measure, score.student): score.estimate for score in found}
    assert value[OUTSIDE, "none"] == value[OUTSIDE, ALONE]
    assert value[OUTSIDE, ALONE] == pytest.approx(1 - ((true - alone) ** 2).sum() / (true**2).sum(), abs=0.02)  # steps of 1 ms


def test_silencing_has_no_twin_within_the_components(flat: tuple[Model, Task, np.ndarray]) -> None:
    circuit, task, _ = flat
    silenced = silence(task, UNITS, fraction=0.2, seed=0, rate=0.0, start=0.1, duration=0.1)
    found = compare_responses(circuit, circuit, task, silenced, nulls=5)
    assert {score.measure for score in found} == {"response to silencing, R²"} and {score.student for score in found} == {circuit.name, ALONE}


def test_units_that_explode_without_connections_are_left_out_and_said(
    linear_circuit: Callable[..., Model], capsys: pytest.CaptureFixture[str]
) -> None:
    unstable = linear_circuit(-400 * np.eye(3), equations="dx/dt = (60*x + W(r) + drive(t, i))/tau : Hz\nr = x : Hz (constant over dt)")
    task = free_run(np.ones((4, 3)) * np.arange(1, 5)[:, None], 3.0)
    pushed = push(task, 3, fraction=0.4, amplitude=4.0, seed=0, start=0.1, duration=0.02)
    found = compare_responses(unstable, unstable, task, pushed, nulls=5)
    assert ALONE not in {score.student for score in found} and "units without connections are left out" in capsys.readouterr().err
