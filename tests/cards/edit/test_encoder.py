"""An encoder decides where a network starts, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import cortex_sim as cs
from cortex_sim.errors import CardError, TaskError

RNG = np.random.default_rng(0)


def network(kind: type[torch.nn.RNNBase] = torch.nn.GRU) -> cs.Model:
    torch.manual_seed(3)
    rnn, out = kind(2, 7, batch_first=True), torch.nn.Linear(7, 4)
    states = {f"rnn.{name}": value for name, value in rnn.state_dict().items()} | {f"out.{name}": value for name, value in out.state_dict().items()}
    return cs.wrap(states, name="Größe, 2")


def test_it_starts_at_the_encoded_rates_and_goes_on_as_before() -> None:
    card = network()
    ready, rates = cs.edit.with_encoder(card), RNG.normal(size=(5, 4))
    task = cs.tasks.from_inputs(RNG.normal(size=(5, 9, 2)), bin=0.01)
    asked = replace(task, initial=rates)
    with pytest.raises(TaskError, match="rates do not follow from the state alone"):
        cs.simulate(card, asked)
    np.testing.assert_array_equal(cs.simulate(ready, task).rate, cs.simulate(card, task).rate)
    E, e = RNG.normal(size=(7, 4)), RNG.normal(size=7)
    told = ready.with_arrays({"E_start": E, "e_start": e})
    found = cs.simulate(told, asked).rate
    state = rates @ E.T + e  # and torch's own network from there
    rnn, W = torch.nn.GRU(2, 7, batch_first=True).double(), card.arrays()
    torch.manual_seed(3)
    rnn.load_state_dict(torch.nn.GRU(2, 7, batch_first=True).state_dict())
    with torch.no_grad():
        expected = rnn(torch.tensor(task.channels.values), torch.tensor(state)[None])[0].numpy() @ W["C"].T + W["d"]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(("made", "said"), [
    (lambda: cs.load("gru"), "has an encoder already"),
    (lambda: cs.load("valente_2022"), "has no readout, so that its units are the observed ones"),
    (lambda: network(torch.nn.LSTM), "an encoder leads to one state variable; its units have"),
    (lambda: cs.edit.with_encoder(network()).with_arrays({}, initial=None), "'E_start' is a name that would be added; rename it"),
])  # fmt: skip
def test_what_needs_none_or_can_have_none_is_told_so(made: object, said: str) -> None:
    with pytest.raises(CardError, match=said):
        cs.edit.with_encoder(made())  # type: ignore[operator]
