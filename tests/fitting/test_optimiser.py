"""Steps of our optimiser are those of torch's own classes, bit for bit, and do not load torch's compiler."""

import io
import subprocess
import sys

import pytest
import torch

from cortex_sim.fitting._optimiser import Optimiser
from cortex_sim.fitting._options import Options

KINDS = [Options(optimiser="adam", weight_decay=0.1), Options(optimiser="adamw", weight_decay=0.3), Options(optimiser="sgd", momentum=0.9),
         Options(optimiser="sgd", rate=0.3, weight_decay=0.1)]  # fmt: skip
CLASSES = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def parameters(kind: torch.dtype = torch.float32) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(*shape, generator=generator, dtype=kind)) for shape in ((5, 3), (7,), (2,))]


def gradients(step: int) -> list[torch.Tensor | None]:
    generator = torch.Generator().manual_seed(1 + step)
    return [torch.randn(5, 3, generator=generator), torch.randn(7, generator=generator) if step % 2 else None, None]


@pytest.mark.parametrize("options", KINDS)
def test_steps_are_those_of_torch_bit_for_bit_also_past_a_checkpoint(options: Options) -> None:
    ours, theirs = parameters(), parameters()
    extra = {"momentum": options.momentum} if options.optimiser == "sgd" else {}
    own, other = Optimiser(ours, options), CLASSES[options.optimiser](theirs, lr=options.rate, weight_decay=options.weight_decay, **extra)
    for step in range(6):
        if step == 3:
            file = io.BytesIO()
            torch.save(own.state(), file)
            file.seek(0)
            own = Optimiser(ours, options)
            own.load(torch.load(file, weights_only=True))
        own.clear()
        other.zero_grad()
        own.rate = Options(rate=options.rate, epochs=10).rate_at(step)
        other.param_groups[0]["lr"] = own.rate
        for one, two, gradient in zip(ours, theirs, gradients(step), strict=True):
            one.grad, two.grad = gradient, gradient
        own.step()
        other.step()
    for one, two, start in zip(ours, theirs, parameters(), strict=True):
        assert torch.equal(one, two) and (torch.equal(one, start) == (len(start) == 2))


@pytest.mark.parametrize("kind", list(CLASSES))
def test_without_gradients_nothing_moves(kind: str) -> None:
    own = Optimiser(moved := parameters(), Options(optimiser=kind, rate=0.1))
    own.step()
    assert all(torch.equal(one, two) for one, two in zip(moved, parameters(), strict=True))


def test_a_first_fit_does_not_load_the_compiler_of_torch() -> None:
    code = """
import sys, numpy as np, cortex_sim as cs
trials = cs.Trials.from_arrays(np.random.default_rng(0).gamma(2, 5, (6, 8, 4)), 0.01 * np.arange(8), condition=np.arange(6), units="Hz")
cs.fit(cs.load("leaky_readout").with_arrays({}, units=5), trials, cs.tasks.recorded_conditions(trials), epochs=1)
print("torch" in sys.modules, "torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["True", "False"]
