"""A circuit with ears and hands is the same circuit."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from cortex_sim.cards import catalogue
from cortex_sim.cards.edit._interface import embodied
from cortex_sim.errors import CardError
from cortex_sim.fitting._fit import train
from cortex_sim.fitting._options import Options
from cortex_sim.simulation._simulate import move, simulate
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import Task
from cortex_sim.tasks.body._arm import MONKEY
from cortex_sim.tasks.body._body import Body
from cortex_sim.tasks.body._muscles import LILLICRAP_SCOTT

CIRCUITS = [name for name, path in catalogue.models().items() if path.parent.name == "rate"]
RNG = np.random.default_rng(0)


def asked(channels: int = 2, trials: int = 2, bins: int = 12) -> Task:
    values = RNG.normal(size=(trials, 10 * bins, channels))
    return Task("listening", 0.0, 0.01 * bins, np.arange(trials), channels=xr.DataArray(values, dims=("trial", "step", "channel")))


@pytest.mark.parametrize("name", CIRCUITS)
def test_what_it_hears_is_what_a_drive_of_the_same_course_would_do(name: str) -> None:
    circuit = catalogue.load(name)
    if sum(not item.weights and not item.noise for item in circuit.inputs.values()) != 1:
        pytest.skip("has not one drive")
    if any(item.listens for item in circuit.inputs.values()):
        pytest.skip("hears something already")
    task = asked(trials=1)
    listening = embodied(circuit).with_arrays({}, channels=2, observed=3)
    arrays = listening.arrays()
    patterns = arrays["W_heard"].T
    drives = tuple(Drive(patterns[None, k], task.channels.values[0, :, k]) for k in range(2))
    driven = simulate(circuit, replace(task, channels=None, drives=drives))
    expected = driven.rate @ arrays["C_out"].T + arrays["d_out"]
    heard = simulate(listening, task)
    np.testing.assert_allclose(heard.rate, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    assert np.abs(np.diff(heard.rate, axis=1)).max() > 0
    for key, array in circuit.arrays().items():
        np.testing.assert_array_equal(arrays[key], array)


def test_brian2_and_torch_move_an_arm_by_the_circuit_alike_and_only_what_was_added_learns() -> None:
    body = Body(MONKEY, LILLICRAP_SCOTT, (0.0, 0.25))
    task = replace(asked(bins=12), body=body, targets=xr.DataArray(np.ones((2, 12, 2)), dims=("trial", "time", "axis")))
    circuit = catalogue.load("rate/hennequin_2014")
    options = Options(epochs=2, batch=2, rate=1e-2, validation=0)
    slow = {"value": 10, "unit": "ms", "meaning": "integration step", "source": "chosen"}
    fitted = train(embodied(circuit).with_arrays({}, dt=slow), task.wanted, task, options=options)
    arrays, start = fitted.model.arrays(), fitted.start.arrays()
    changed = {name for name in arrays if not np.array_equal(arrays[name], start[name])}
    assert changed == {"W_heard", "C_out", "d_out"}
    np.testing.assert_array_equal(arrays["W"], circuit.arrays()["W"])
    found = [move(fitted.model, task, backend=backend)[1] for backend in ("brian", "torch")]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)


def test_what_cannot_be_embodied_is_refused() -> None:
    with pytest.raises(CardError, match=r"^gru: has a readout already; a network with one can be used as it is\.$"):
        embodied(catalogue.load("gru"))
    with pytest.raises(CardError, match=r"'heard' is a name that would be added; rename it\.$"):
        circuit = catalogue.load("rate/sompolinsky_1988")
        parameters = {name: p.model_dump() for name, p in circuit.parameters.items()}
        embodied(circuit.with_arrays({}, parameters=parameters | {"heard": {"value": 1, "meaning": "taken"}}))
