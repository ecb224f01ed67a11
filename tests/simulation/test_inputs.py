"""Inputs that remember, noise that is mixed, and spikes: against their definitions, in Brian2 and torch alike."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError, TaskError
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.torch._twin import STEEPNESS, spike
from cortex_sim.tasks._task import Task

UNITS, CHANNELS, TRIALS, BINS = 3, 2, 4, 12
GAIN = {"gain": {"value": 1, "meaning": "scale"}}


def network(**changes: Any) -> Model:
    fields = {
        "name": "listener", "kind": "rnn", "title": "a network that hears channels", "paper": "none", "units": UNITS, "channels": CHANNELS,
        "dt": {"value": 10, "unit": "ms", "meaning": "step"}, "rate": "x", "equations": "dx/dt = (heard(t, i) - x)/dt : 1",
        "inputs": {"heard": {"unit": "1", "meaning": "channels", "weights": "K"}},
        "projections": {"K": {"rule": "gaussian", "columns": "history", "arguments": GAIN}}, "taps": 3,
    }  # fmt: skip
    return Model.model_validate(fields | changes)


def heard() -> Task:
    values = np.random.default_rng(0).normal(size=(TRIALS, BINS, CHANNELS)).repeat(10, axis=1)
    return Task("heard", 0.0, BINS * 0.01, np.arange(TRIALS), channels=xr.DataArray(values, dims=("trial", "step", "channel")))


@pytest.mark.parametrize(("spacing", "lag"), [(None, 1), (30, 3)])
@pytest.mark.parametrize("backend", ["brian", "torch"])
def test_taps_are_a_convolution_of_the_channels(spacing: int | None, lag: int, backend: Any) -> None:
    model = network(**({} if spacing is None else {"spacing": {"value": spacing, "unit": "ms", "meaning": "between taps"}}))
    K, u = model.arrays()["K"].reshape(UNITS, 3, CHANNELS), heard().channels.values[:, ::10]
    wanted = np.zeros((TRIALS, BINS, UNITS))
    for now in range(BINS - 1):
        for tap in range(3):
            if now >= lag * tap:
                wanted[:, now + 1] += u[:, now - lag * tap] @ K[:, tap].T
    np.testing.assert_allclose(simulate(model, heard(), backend=backend).rate, wanted, rtol=1e-12, atol=1e-13)


def test_taps_apart_by_no_whole_step_are_refused() -> None:
    model = network(spacing={"value": 15, "unit": "ms", "meaning": "between taps"})
    with pytest.raises(TaskError, match=r"^listener: spacing 15 ms should be a multiple of dt 10 ms\.$"):
        simulate(model, heard())


def noisy(W: np.ndarray) -> Model:
    common = {"unit": "second**-0.5", "meaning": "noise", "noise": True, "weights": "B"}
    return network(
        equations="dx/dt = common(t, i)*second**0.5/second : 1", inputs={"common": common},
        projections={"B": {"rule": "gaussian", "columns": "channels", "arguments": GAIN}}, taps=1,
    ).with_arrays({"B": W})  # fmt: skip


def test_structured_noise_has_the_covariance_of_its_mixing() -> None:
    B = np.array([[1.0, 0.0], [1.0, 0.5], [0.0, -2.0]])
    model, draws = noisy(B), 4000
    task = Task("noise", 0.0, 0.02, np.arange(draws))
    stream = Problem(model, model.arrays(), task, seed=1).noise("common")
    found = np.cov((next(stream) * np.sqrt(0.01)).T)
    error = np.sqrt((np.outer(np.diag(B @ B.T), np.diag(B @ B.T)) + (B @ B.T) ** 2) / draws)  # of a sample covariance of Gaussians
    assert (np.abs(found - B @ B.T) < 4.5 * error).all()


def test_structured_noise_is_the_same_in_brian_and_torch_and_needs_no_channels() -> None:
    model, task = noisy(np.array([[1.0, 0.0], [1.0, 0.5], [0.0, -2.0]])), Task("noise", 0.0, 0.1, np.arange(3))
    brian, torch_ = (simulate(model, task, seed=2, backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(torch_, brian, rtol=1e-12)
    assert brian.std() > 0.1


def test_a_spike_is_1_above_0_and_its_derivative_that_of_a_fast_sigmoid() -> None:
    x = torch.tensor([-2.0, -0.1, 0.0, 1e-9, 3.0], dtype=torch.float64, requires_grad=True)
    fired = spike(x)
    assert fired.tolist() == [0, 0, 0, 1, 1]
    fired.sum().backward()
    torch.testing.assert_close(x.grad, 1 / (1 + STEEPNESS * x.detach().abs()) ** 2, rtol=1e-12, atol=0)


def test_spikes_fall_on_the_same_steps_in_brian_and_torch() -> None:
    equations = """
    dv/dt = (1.5 + heard(t, i) - v)/(20*ms) - s*v/dt : 1
    s = spike(v - 1) : 1 (constant over dt)
    dq/dt = -q/(50*ms) + s/(50*ms) : 1
    """
    model = network(equations=equations, rate="q", dt={"value": 1, "unit": "ms", "meaning": "step"}, taps=1)
    brian, torch_ = (simulate(model, heard(), backend=backend).rate for backend in ("brian", "torch"))
    np.testing.assert_allclose(torch_, brian, rtol=1e-12, atol=1e-14)
    assert (brian[:, -1] > 0).sum() > TRIALS


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ({"rank": 1, "keep_zeros": True}, r"^\[projections\.K\] rank goes with no other constraint: a product of two factors"),
        ({"self_connections": False}, r"^\[projections\.K\] self_connections = false needs rows and columns alike; they are 'units' and 'h"),
    ],
)
def test_constraints_that_do_not_go_together_are_refused(constraint: dict[str, Any], message: str) -> None:
    with pytest.raises((CardError, ValueError), match=message.lstrip("^")):
        network(projections={"K": {"rule": "gaussian", "columns": "history", "arguments": GAIN} | constraint})
