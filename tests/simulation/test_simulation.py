"""simulate: one door for circuits and networks, whichever backend runs them."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import CortexSimError, OptionError, TaskError
from cortex_sim.simulation._simulate import simulate
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks._task import Task

Build = Callable[..., Model]
BACKENDS = ("brian", "torch")
TANH = "dx/dt = (-x + W(r) + drive(t, i))/tau : 1\nr = tanh(x) : 1 (constant over dt)"
PUSH = {"drive": {"unit": "1", "meaning": "input"}}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dt", [2e-4, 1e-3, 1e-2])
def test_rates_are_recorded_at_the_start_of_every_bin(linear_circuit: Build, backend: Any, dt: float) -> None:
    start = np.array([[4.1, -2.3], [0.7, 3.0]])
    trials = simulate(linear_circuit(np.zeros((2, 2)), dt=dt), free_run(start, 0.3), backend=backend)
    steps = np.arange(30) * round(0.01 / dt)
    np.testing.assert_allclose(trials.rate, start[:, None] * (1 - dt / 0.2) ** steps[:, None], rtol=1e-11)  # Euler decay, exactly
    np.testing.assert_allclose(trials.time, 0.01 * np.arange(30), atol=1e-12)


@pytest.mark.parametrize("size", [0.5, 1.0, 1.5, 8.0, 100.0])
def test_a_linear_circuit_starts_from_the_rates_it_was_given(linear_circuit: Build, size: float) -> None:
    start = size * np.array([[1.0, -0.3, 0.2]])
    np.testing.assert_allclose(simulate(linear_circuit(np.zeros((3, 3))), free_run(start, 0.05)).rate[0, 0], start[0], rtol=1e-12)


def test_a_circuit_that_names_its_recurrent_current_starts_from_given_rates(linear_circuit: Build) -> None:
    text = TANH.replace("W(r)", "current") + "\ncurrent = W(r) : 1 (constant over dt)"
    start = np.array([[0.3, -0.2]])
    found = simulate(linear_circuit(np.eye(2), equations=text, inputs=PUSH), free_run(start, 0.05))
    np.testing.assert_allclose(found.rate[0, 0], start[0], rtol=1e-12)


def test_networks_run_in_torch_and_circuits_in_brian2_unless_told_otherwise(linear_circuit: Build) -> None:
    rng = np.random.default_rng(0)
    circuit = linear_circuit(rng.normal(size=(9, 9)), equations=TANH, inputs=PUSH)
    runs = {}
    for kind in ("rate", "rnn"):
        model, task = circuit.with_arrays({}, kind=kind), free_run(rng.uniform(-0.5, 0.5, (4, 9)), 0.3)
        runs[kind] = {backend: simulate(model, task, backend=backend).rate.tobytes() for backend in (None, *BACKENDS)}
    assert runs["rate"][None] == runs["rate"]["brian"] and runs["rnn"][None] == runs["rnn"]["torch"]
    with pytest.raises(OptionError, match=r"backend 'nest' is unknown\. Choose from 'brian', 'torch'\."):
        simulate(circuit, free_run(np.zeros(9), 0.05), backend="nest")  # type: ignore[arg-type]


def test_trials_say_where_they_come_from(linear_circuit: Build) -> None:
    model, task = linear_circuit(np.eye(2)), Task("rest", -0.02, 0.05, np.array(["left", "right"]))
    trials = simulate(model, task, seed=3)
    assert trials.provenance == {"model": "linear", "model_key": model.key, "task": "rest", "seed": 3, "dt_s": 1e-3}
    assert trials.condition.tolist() == ["left", "right"] and trials.time[0] == -0.02
    assert trials.dataset["rate"].attrs["units"] == "Hz"


def test_both_backends_refuse_rates_that_no_state_has_alike(linear_circuit: Build) -> None:
    flat = linear_circuit(np.eye(2), equations=TANH.replace("tanh(x)", "cos(x)"), inputs=PUSH)
    for backend in BACKENDS:
        with pytest.raises(TaskError, match="^linear: 'r' does not rise with 'x', so rates do not determine the state"):
            simulate(flat, free_run(np.full(2, 0.5), 0.05), backend=backend)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) if name.startswith("kao_2021") else name for name in catalogue.models()])
def test_every_card_runs_without_channels_or_says_why_not_and_refuses_steps_that_are_none(name: str) -> None:
    """What a card hears is silent where a task has none of it; no step, however long or short, ends in an error that is not our own."""
    model = catalogue.load(name)
    task = Task("free", 0.0, 0.03, condition=np.arange(2))
    if model.kind != "spiking" and not any(part.rule == "stability_optimised" for part in model.projections.values()):
        with contextlib.suppress(CortexSimError):
            assert np.isfinite(simulate(model, task).rate).all()
    for value, unit in ((1e9, "ms"), (1e300, "ms"), (1e-300, "ms"), (1e-12, "ms"), (30, "mV")):
        with pytest.raises(CortexSimError, match=r"\[dt\]|dt|steps|does not fit what the number stands for"):
            simulate(type(model).model_validate(model.model_dump() | {"dt": {"value": value, "unit": unit, "meaning": "step"}}), task)
