"""A network that was wrapped goes on learning from the weights that it has."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import cortex_sim as cs
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.trials import Trials
from tests.simulation.adapters.test_wrap import HIDDEN, Causal, Leaky, Reader

TRIALS, BINS = 24, 10
rng = np.random.default_rng(0)
INPUTS = rng.normal(size=(TRIALS, BINS, 3))
TARGETS = np.cumsum(INPUTS[:, :, :2], axis=1) / 3
TASK = cs.tasks.from_inputs(INPUTS, bin=0.01, targets=TARGETS)
KINDS = {
    "card": lambda: cs.wrap(Reader("gru", batch_first=True)), "sequence": lambda: cs.wrap(Reader("gru", num_layers=2, batch_first=True)),
    "bins": lambda: cs.wrap(Leaky(), units=HIDDEN), "convolution": lambda: cs.wrap(Causal(), channels=3),
}  # fmt: skip


def mse(model: object) -> float:
    return float(((cs.simulate(model, TASK).rate - TARGETS) ** 2).mean())


@pytest.mark.parametrize("kind", list(KINDS))
def test_training_goes_on_from_its_own_weights(kind: str) -> None:
    torch.manual_seed(1)
    model = KINDS[kind]()
    untouched = cs.fit(model, TARGETS, TASK, start="rest", epochs=0)
    np.testing.assert_allclose(cs.simulate(untouched, TASK).rate, cs.simulate(model, TASK).rate, rtol=0, atol=1e-6)
    before, key = mse(model), model.key
    taught = cs.fit(model, TARGETS, TASK, start="rest", epochs=25, rate=1e-2, validation=0.25, batch=8)
    assert mse(taught) < 0.7 * before and mse(model) == before and model.key == key != taught.key
    again = cs.fit(taught, TARGETS, TASK, start="rest", epochs=25, rate=1e-2, validation=0.25, batch=8)
    assert mse(again) < mse(taught)
    twice = cs.fit(model, TARGETS, TASK, start="rest", epochs=25, rate=1e-2, validation=0.25, batch=8)
    np.testing.assert_array_equal(cs.simulate(twice, TASK).rate, cs.simulate(taught, TASK).rate)


@pytest.mark.parametrize(("kind", "layer"), [("sequence", "muscle"), ("bins", "C")])
def test_unit_of_targets_changes_nothing_that_a_module_with_a_linear_readout_learns(kind: str, layer: str) -> None:
    sizes, added, found = np.array([1e3, 300.0]), np.array([40.0, 0.0]), []
    for size, constant in ((np.ones(2), np.zeros(2)), (sizes, added)):
        torch.manual_seed(1)
        module = KINDS[kind]().origin
        readout = getattr(module, layer)
        with torch.no_grad():
            readout.weight.mul_(torch.tensor(size, dtype=readout.weight.dtype)[:, None])
            readout.bias.copy_(readout.bias * torch.tensor(size) + torch.tensor(constant))
        model = cs.wrap(module, **KINDS[kind]().made_with)
        taught = cs.fit(model, TARGETS * size + constant, TASK, start="rest", epochs=4, rate=1e-2, validation=0.25, batch=8)
        found.append((cs.simulate(taught, TASK).rate - constant) / size)
        assert {name for name, _ in taught.origin.named_parameters()} == {name for name, _ in module.named_parameters()}
    assert np.abs(found[1] - found[0]).max() < 2e-3 * TARGETS.std()


class Squashed(nn.Module):
    """A module whose outputs no linear layer makes alone."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(3, 2)

    def forward(self, channels: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.out(channels))


def test_a_module_that_learns_in_the_unit_of_its_targets_says_so() -> None:
    how: dict[str, Any] = {"start": "rest", "epochs": 2, "rate": 1e-2, "validation": 0.25, "batch": 8}
    trials = Trials.from_arrays(TARGETS, TASK.time, condition=TASK.condition)
    for module, said in ((Squashed(), True), (nn.Linear(3, 2), False)):
        fitted = cs.fitting.train(cs.wrap(module), trials, TASK, options=cs.Options(**how))
        assert fitted.began.startswith("its weights") and ("moved in the unit of the targets" in fitted.began) == said
        assert (fitted.began in str(fitted)) and fitted.began in cs.fitting.summary({"mine": fitted})


def test_parametrisations_of_a_module_stay_as_they_were() -> None:
    class Turned(Causal):
        def __init__(self) -> None:
            super().__init__()
            self.turn = torch.nn.utils.parametrizations.orthogonal(nn.Linear(2, 2))
            self.out = nn.Linear(2, 2, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.turn(super().forward(x)))

    torch.manual_seed(1)
    model = cs.wrap(Turned(), channels=3)
    taught = cs.fit(model, TARGETS, TASK, start="rest", epochs=5, rate=1e-2)
    assert taught.origin.state_dict().keys() == model.origin.state_dict().keys() and mse(taught) < mse(model)
    turn = taught.origin.turn.weight
    torch.testing.assert_close(turn @ turn.T, torch.eye(2, dtype=turn.dtype))


def test_weights_that_two_layers_share_learn_as_one_matrix_that_is_used_twice() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read, self.first, self.last = nn.Linear(3, 2), nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            self.last.weight = self.first.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.tanh(self.first(self.read(x))))

    class Twice(nn.Module):
        def __init__(self, tied: Tied) -> None:
            super().__init__()
            self.read, self.weight = tied.read, nn.Parameter(tied.first.weight.detach().clone())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.read(x) @ self.weight.T) @ self.weight.T

    torch.manual_seed(1)
    tied = Tied()
    shared, twice = (cs.fit(cs.wrap(one), TARGETS, TASK, start="rest", epochs=5, rate=1e-2) for one in (tied, Twice(tied)))
    np.testing.assert_allclose(cs.simulate(shared, TASK).rate, cs.simulate(twice, TASK).rate, rtol=0, atol=1e-5)
    assert not torch.equal(shared.origin.first.weight, tied.first.weight)


def test_a_linear_module_alone_is_its_own_readout() -> None:
    torch.manual_seed(1)
    model = cs.wrap(nn.Linear(3, 2))
    taught = cs.fit(model, 1e3 * TARGETS, TASK, start="rest", epochs=20, rate=1e-1, batch=8)
    design = np.concatenate([INPUTS, np.ones((*INPUTS.shape[:2], 1))], axis=2).reshape(-1, 4)
    best = design @ np.linalg.lstsq(design, 1e3 * TARGETS.reshape(-1, 2), rcond=None)[0]
    assert ((cs.simulate(taught, TASK).rate.reshape(-1, 2) - best) ** 2).mean() < 0.02 * (1e3 * TARGETS).var()


def test_the_gradient_counts_what_the_mask_says() -> None:
    from dataclasses import replace

    torch.manual_seed(1)
    model, mask = cs.wrap(Causal(), channels=3), np.ones((TRIALS, BINS))
    mask[:, 5:] = 0
    junk = TARGETS.copy()
    junk[:, 5:] = 1e6
    masked = replace(TASK, mask=mask)
    found = [cs.fit(model, given, masked, start="rest", epochs=5) for given in (TARGETS, junk)]
    np.testing.assert_array_equal(*(cs.simulate(one, TASK).rate for one in found))


def test_what_a_module_draws_while_it_learns_is_of_the_seed_and_leaves_other_draws_alone() -> None:
    torch.manual_seed(1)
    dropping = cs.wrap(Reader("gru", num_layers=2, dropout=0.5, batch_first=True))
    torch.manual_seed(5)
    expected, found = torch.rand(3), []
    for outside, seed in ((5, 0), (6, 0), (5, 1)):
        torch.manual_seed(outside)
        found.append(cs.simulate(cs.fit(dropping, TARGETS, TASK, start="rest", epochs=25, rate=1e-2, batch=8, seed=seed), TASK).rate)
        if outside == 5:
            np.testing.assert_array_equal(torch.rand(3), expected)
    np.testing.assert_array_equal(found[0], found[1])
    assert abs(found[0] - found[2]).max() > 1e-6


def test_what_a_wrapped_model_would_ignore_is_refused() -> None:
    sequence, function = KINDS["sequence"](), cs.wrap(lambda x, u: -x + u, units=2, channels=2)
    with pytest.raises(OptionError, match="starts as it was made; give start='rest'"):
        cs.fit(sequence, TARGETS, TASK)
    with pytest.raises(OptionError, match=r"Options.penalty_rates: does not apply"):
        cs.fit(sequence, TARGETS, TASK, start="rest", penalty_rates=0.1)
    with pytest.raises(OptionError, match=r"Options.device: does not apply"):
        cs.fit(sequence, TARGETS, TASK, start="rest", device="cuda")
    with pytest.raises(OptionError, match="is wrapped and learns by back-propagation"):
        cs.fit(sequence, TARGETS, TASK, start="rest", rule="curbd")
    with pytest.raises(TaskError, match="is a function, flow, which has no weights to train"):
        cs.fit(function, TARGETS, TASK, start="rest")
    with pytest.raises(TaskError, match="takes 3 channels; task 'given inputs' has 2"):
        cs.fit(sequence, TARGETS, cs.tasks.from_inputs(INPUTS[:, :, :2], bin=0.01), start="rest")
    with pytest.raises(TaskError, match="gives 2 outputs; the trials have 3"):
        cs.fit(sequence, INPUTS, TASK, start="rest")
    assert isinstance(sequence.origin, nn.Module)
