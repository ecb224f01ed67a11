"""Nothing of a gradient is left on another device: seen on torch's device without data, since a GPU is not everywhere."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.cards.edit._stacking import stacked
from cortex_sim.errors import OptionError
from cortex_sim.fitting._fit import train as fitted
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._start import one_unit_each
from cortex_sim.fitting._training import objective_of, train, whole
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task

UNITS, TRIALS, BINS = 6, 4, 6
CARDS = [name for name, path in catalogue.models().items() if path.parent.name == "rnn"]
ALL = Options(penalty_rates=0.1, penalty_weights=0.1, penalty_smoothness=0.1)


class OneDevice(TorchDispatchMode):
    """Refuses operations between tensors of several devices, single numbers apart, and those away from the one device."""

    def __torch_dispatch__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Look at what is given, then do it."""
        given = {leaf.device.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor) and leaf.ndim}
        copies = func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.lift_fresh, torch.ops.aten.detach)
        assert given <= {"meta"} or copies, f"{func} got tensors on {given}"
        return func(*args, **(kwargs or {}))


def asked(model: Model, *, pushed: str = "") -> TrainingData:
    rng, observed = np.random.default_rng(0), model.size("observed")
    channels = xr.DataArray(rng.normal(size=(TRIALS, 10 * BINS, 3)), dims=("trial", "step", "channel"))
    course = (np.arange(10 * BINS) < 30).astype(float)
    drives = (Drive(rng.normal(size=(TRIALS, observed)), course),) if "drive" in pushed else ()
    clamps = (Clamp(np.array([0]), 0.5, course > 0),) if "clamp" in pushed else ()
    task = Task("training", 0.0, 0.01 * BINS, np.arange(TRIALS), channels=channels, drives=drives, clamps=clamps)
    initial = rng.random((TRIALS, observed)) if model.initial else None
    return TrainingData(replace(task, initial=initial), rng.random((TRIALS, BINS, observed)), np.ones(observed))


def student(name: str) -> Model:
    card = catalogue.load(name)
    observed = UNITS if one_unit_each(card) else 2
    return card.with_arrays({}, units=UNITS, observed=observed, channels=3)


def descend(model: Model, options: Options, *, pushed: str = "") -> Twin:
    twin = Twin(model, model.arrays(), dtype=torch.float32, device="meta")
    batch = whole(Twin(model, model.arrays(), dtype=torch.float32), asked(model, pushed=pushed), 0)
    batch = batch._replace(**{name: getattr(batch, name).to("meta") for name in ("initial", "wanted", "scale", "weights")})
    with OneDevice():
        objective_of(twin, batch.part(np.array([2, 0])), options)[1].backward()
    return twin


@pytest.mark.parametrize("pushed", ["", "drive", "drive and clamp"])
@pytest.mark.parametrize("name", CARDS)
def test_a_gradient_is_computed_on_one_device(name: str, pushed: str) -> None:
    twin = descend(student(name), ALL, pushed=pushed)
    assert {p.device.type for p in twin.parameters()} == {"meta"} and any(p.grad is not None for p in twin.parameters())


@pytest.mark.parametrize(
    "options", [replace(ALL, through="checkpoints", segment=3), replace(ALL, penalty_jacobian=0.1), Options(loss="cross-entropy")]
)
def test_so_it_is_with_every_option(options: Options) -> None:
    descend(student("leaky_noise"), options)
    if not options.penalty_jacobian:
        descend(stacked(student("gru"), 2), options)


def test_a_forgotten_tensor_would_be_seen() -> None:
    with OneDevice(), pytest.raises(AssertionError, match="got tensors on"):
        torch.nn.functional.linear(torch.ones(2, 3, device="meta"), torch.ones(4, 3))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_is_told_so() -> None:
    training = asked(model := student("gru"))
    with pytest.raises(OptionError, match="sees no GPU"):
        train(model, training, training, options=Options(device="cuda"), seed=0)
    with pytest.raises(OptionError, match="device 'gpu' is unknown"):
        Options(device="gpu")  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["leaky_readout", "gru", "lstm"])
def test_training_on_a_gpu_gives_the_same_to_round_off(name: str) -> None:
    from cortex_sim.tasks._recall import recall

    model, task = student(name), recall(8, delays=(0.2,), strokes=1)
    options = Options(start="rest", epochs=3, validation=0)
    cpu, gpu = (fitted(model, task.wanted, task, options=replace(options, device=device)) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(gpu.train, cpu.train, rtol=1e-4)
