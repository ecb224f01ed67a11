"""The fast loops of leaky networks give what the equation text gives step by step, and its derivatives."""

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.fitting._start import one_unit_each
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.forms._leaky import Leaky, recurrent_of
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._leaky_kernel import LeakySteps
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task

UNITS, TRIALS, BINS = 6, 3, 8
TEXT = "dx/dt = (-x + W(r) + stimulus(t, i) + b)/tau + drive(t, i)/tau_push : 1\nr = tanh(x) : 1 (constant over dt)\nb : 1 (constant)"
LEAKY = [name for name, path in catalogue.models().items() if path.parent.name == "rnn" and recurrent_of(catalogue.load(name))]


def card(name: str, **changes: Any) -> Model:
    model = catalogue.load(name)
    observed = UNITS if one_unit_each(model) else 2
    return model.with_arrays({}, units=UNITS, observed=observed, channels=3, **changes)


def training(model: Model, clamps: tuple[Clamp, ...] = ()) -> Problem:
    rng = np.random.default_rng(0)
    channels = xr.DataArray(rng.normal(size=(TRIALS, 10 * BINS, 3)), dims=("trial", "step", "channel"))
    drive = Drive(rng.normal(size=(TRIALS, model.size("observed"))), (np.arange(10 * BINS) < 30).astype(float))
    task = Task("training", 0.0, 0.01 * BINS, np.arange(TRIALS), channels=channels, drives=(drive,), clamps=clamps)
    return Problem(model, model.arrays(), task, seed=3)


def results(model: Model, fast: bool, first: int = 0, stop: int | None = None) -> dict[str, torch.Tensor]:
    """Rates, states, last state and all derivatives of a random sum of them."""
    schedule, twin = training(model), Twin(model, model.arrays())
    assert twin._recurrent
    twin._recurrent = twin._recurrent if fast else None
    start = torch.tensor(np.random.default_rng(1).normal(size=(TRIALS, UNITS)), requires_grad=True)
    run = twin.unroll(start, Inputs(twin, schedule, first=first, stop=stop), schedule, first, stop)
    generator = torch.Generator().manual_seed(0)
    loss = sum((part * torch.randn(part.shape, generator=generator, dtype=torch.float64)).sum() for part in run[:3])
    loss.backward()
    return {"rates": run.rates, "states": run.states, "last": run.last, "start": start.grad} | {n: p.grad for n, p in twin.named_parameters()}


@pytest.mark.parametrize("name", LEAKY)
@pytest.mark.parametrize("span", [(0, None), (2, 7)])
def test_rates_and_all_derivatives_are_those_of_the_equation_text(name: str, span: tuple[int, int | None]) -> None:
    model = card(name)
    if Twin(model, model.arrays())._recurrent is None:
        pytest.skip("its gain learns, so it goes step by step")
    fast, slow = results(model, True, *span), results(model, False, *span)
    assert fast.keys() == slow.keys() and any(value is not None for value in fast.values())
    for key, value in slow.items():
        if value is None:
            assert fast[key] is None
        else:
            torch.testing.assert_close(fast[key], value, rtol=1e-9, atol=1e-11, msg=lambda text, key=key: f"{key}: {text}")


def test_several_steps_a_bin_and_pieces_that_begin_within_one() -> None:
    dt = {"value": 2, "unit": "ms", "meaning": "step"}
    model = card("leaky_readout", dt=dt)
    for span in ((0, None), (10, 30)):
        fast, slow = results(model, True, *span), results(model, False, *span)
        for key in ("rates", "states", "last", "W", "b", "start"):
            torch.testing.assert_close(fast[key], slow[key], rtol=1e-9, atol=1e-11)


def test_a_learned_time_constant_has_the_right_derivative() -> None:
    text = TEXT.replace(")/tau +", ")/(k*tau) +") + "\nk : 1 (constant)"
    parameters = {name: part.model_dump() for name, part in catalogue.load("leaky_readout").parameters.items()}
    parameters["k"] = {"value": 1.3, "meaning": "factor of the time constant", "over": "units", "learn": True}
    model = card("leaky_readout", equations=text, parameters=parameters)
    fast, slow = results(model, True), results(model, False)
    assert slow["k"].abs().min() > 1e-3
    torch.testing.assert_close(fast["k"], slow["k"], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("tanh", [True, False])
def test_gradients_of_the_loops_are_those_of_differences(tanh: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()

    assert torch.autograd.gradcheck(lambda *given: LeakySteps.apply(*given, torch.tanh, tanh), (draw(2, 4), draw(4, 4), draw(4), draw(5, 2, 4)))


@pytest.mark.parametrize(("gain", "tanh"), [("tanh(x)", True), ("clip(tanh(x), 0, 1)", False), ("b*tanh(x)", False), ("0.5*tanh(x)", False)])
def test_only_a_gain_that_is_tanh_on_both_sides_of_rest_and_for_all_units_gets_its_slope(gain: str, tanh: bool) -> None:
    """From rest every state is 0 at first, where clip(tanh(x), 0, 1) and tanh(x) are alike."""
    model = card("leaky_tanh")
    model = Model.model_validate(model.model_dump() | {"equations": model.equations.replace("tanh(x)", gain)})
    arrays = model.arrays() | {"b": np.array([1.0] * (UNITS - 1) + [2.0])}
    assert Leaky(model, str(recurrent_of(model))).is_tanh(arrays) is tanh


def test_clamped_units_go_step_by_step_and_stay_clamped() -> None:
    model = card("leaky_tanh")
    course = np.arange(10 * BINS) >= 40
    schedule, twin = training(model, (Clamp(np.array([1]), 0.5, course),)), Twin(model, model.arrays())
    rates = twin.observe(twin(schedule))
    torch.testing.assert_close(rates[:, 4:, 1], torch.full_like(rates[:, 4:, 1], 0.5))


def test_equations_that_name_the_time_are_no_leaky_network() -> None:
    text = TEXT.replace("/tau_push", "/tau_push + sin(t/second)/second")
    assert recurrent_of(card("leaky_readout", equations=text)) is None
