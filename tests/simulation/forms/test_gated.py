"""Gated networks are recognised by what their equations say, and torch's own kernels give what the text gives step by step."""

import numpy as np
import pytest
import torch
import xarray as xr

from cortex_sim.cards import catalogue
from cortex_sim.cards._equations import Equations
from cortex_sim.cards._model import Model
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.forms._gated import gated
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import Task

UNITS, TRIALS, BINS = 5, 3, 9
SLOW = {"value": [100, 120, 150, 200, 300], "unit": "ms", "meaning": "time constant of a push, another for each unit", "over": "units"}


def card(name: str, **changes: object) -> Model:
    return catalogue.load(name).with_arrays({}, units=UNITS, observed=2, channels=3, **changes)


def heard(drives: tuple[Drive, ...] = (), *, silent: bool = False) -> Task:
    values = np.random.default_rng(0).normal(size=(TRIALS, 10 * BINS, 3))
    channels = None if silent else xr.DataArray(values, dims=("trial", "step", "channel"))
    return Task("training", 0.0, 0.01 * BINS, np.arange(TRIALS), channels=channels, drives=drives)


@pytest.mark.parametrize("name", ["gru", "lstm"])
@pytest.mark.parametrize("span", [(0, BINS), (2, 7), (4, 5)])
@pytest.mark.parametrize("driven", [(), (0, 1), (3, 4), (4, 8), (6,)])
def test_the_kernel_and_its_derivatives_are_those_of_the_equation_text(name: str, span: tuple[int, int], driven: tuple[int, ...]) -> None:
    plain = card(name)
    parameters = {key: part.model_dump() for key, part in plain.parameters.items()} | {"tau_push": SLOW}
    model = plain.with_arrays({}, parameters=parameters, equations=plain.equations + "tau_push : second (constant)\n")
    rng = np.random.default_rng(1)
    arrays = {key: array + rng.normal(size=array.shape) for key, array in model.arrays().items()}  # biases that differ between units too
    push = Drive(rng.normal(size=(TRIALS, 2)), np.isin(np.arange(10 * BINS) // 10, driven) * (1.0 + np.arange(10 * BINS)))
    schedule, results = Problem(model, arrays, heard((push,))), []
    for kernel in (True, False):
        twin = Twin(model, arrays)
        start = torch.tensor(np.random.default_rng(2).normal(size=(TRIALS, UNITS * len(model.parsed.states))), requires_grad=True)
        inputs = Inputs(twin, schedule, first=span[0], stop=span[1])
        run = (twin.unroll if kernel else lambda *given, twin=twin: twin.step_through(*given[:3], range(*given[3:])))(start, inputs, schedule, *span)
        assert (run.states is None) is kernel
        generator = torch.Generator().manual_seed(0)
        sum((p * torch.randn(p.shape, generator=generator, dtype=p.dtype)).sum() for p in (run.rates, run.last)).backward()
        learned = {key: p.grad for key, p in twin.named_parameters() if p.grad is not None}
        results.append({"rates": run.rates, "last": run.last, "start": start.grad} | learned)
    fast, slow = results
    assert fast.keys() == slow.keys() and len(slow) > 6
    for key, value in slow.items():
        torch.testing.assert_close(fast[key], value, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_a_push_acts_from_its_first_step_and_a_task_without_channels_goes_through_the_kernel(name: str) -> None:
    model = card(name)
    push = Drive(np.ones((TRIALS, 2)), (np.arange(10 * BINS) >= 50).astype(float))
    pushed, free = (Twin(model, model.arrays())(Problem(model, model.arrays(), heard(drives))).detach() for drives in ((push,), ()))
    torch.testing.assert_close(pushed[:, :6], free[:, :6], rtol=1e-12, atol=1e-12)
    assert (pushed[:, 6:] - free[:, 6:]).abs().min() > 1e-6
    deaf = model.with_arrays({}, channels=0)
    quiet = Twin(deaf, deaf.arrays())
    schedule = Problem(deaf, deaf.arrays(), heard(silent=True))
    start = torch.ones(TRIALS, UNITS * len(model.parsed.states), dtype=torch.float64)
    run, slow = quiet.unroll(start, Inputs(quiet, schedule), schedule), quiet.step_through(start, Inputs(quiet, schedule), schedule, range(BINS))
    assert run.states is None
    torch.testing.assert_close(run.rates, slow.rates, rtol=1e-12, atol=1e-12)


def test_names_and_the_order_of_lines_do_not_matter() -> None:
    form = catalogue.load("gru").parsed
    text = """
        keep = 1/(1 + exp(-(K(y) + hk(t, i) + bk))) : 1
        dy/dt = ((1 - keep)*(new - y))/dt + shove(t, i)/slow : 1
        new = tanh(hn(t, i) + bn + forget*(N(y) + inner)) : 1 (constant over dt)
        forget = 1/(1 + exp(-(F(y) + hf(t, i) + bf))) : 1
    """
    names = Equations(text).renaming(form)
    assert names is not None
    assert {names[name] for name in ("z", "q", "n", "h", "U_q", "c_n", "tau_push")} == {"keep", "forget", "new", "y", "F", "inner", "slow"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("((1 - z)*(n - h))", "(z*(n - h))"),  # Cho's own convention, in which z is what is replaced
        ("q*(U_n(h) + c_n)", "(U_n(h) + q*c_n)"),
        ("u_q(t, i)", "u_z(t, i)"),  # one input to two gates
        ("tanh(", "sin("),
        ("1/(1 + exp(-(U_q", "2/(1 + exp(-(U_q"),
    ],
)
def test_other_equations_are_taken_for_nothing_that_they_are_not(old: str, new: str) -> None:
    model = catalogue.load("gru")
    assert gated(model) and old in model.equations
    assert Equations(model.equations.replace(old, new)).renaming(model.parsed) is None


def test_only_gated_cards_are_taken_for_gated() -> None:
    found = {name for name, path in catalogue.models().items() if path.parent.name == "rnn" and gated(catalogue.load(name))}
    assert found == {"gru", "lstm"}
