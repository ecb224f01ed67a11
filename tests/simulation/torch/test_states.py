"""What hidden units do, against torch's own modules, the equations themselves, and a readout that gives everything away."""

from typing import Any

import numpy as np
import pytest
import torch

import cortex_sim as cs
from cortex_sim.errors import OptionError, TaskError

RNG = np.random.default_rng(1)
X = torch.tensor(RNG.normal(size=(3, 12, 2)), dtype=torch.float32)
TASK = cs.tasks.from_inputs(X, bin=0.01)


class Eigenes(torch.nn.Module):
    """A network of one layer with a readout, in double precision, its parts called as nobody else would."""

    def __init__(self, kind: type[torch.nn.RNNBase]) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.größe, self.aus = kind(2, 5, batch_first=True).double(), torch.nn.Linear(5, 3).double()

    def forward(self, x: torch.Tensor) -> Any:
        return self.aus(self.größe(x.double())[0])


@pytest.mark.parametrize("kind", [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM])
def test_hidden_states_are_those_that_torch_gives(kind: type[torch.nn.RNNBase]) -> None:
    net = Eigenes(kind)
    card = cs.wrap(net, name="Größe, 5")
    assert isinstance(card, cs.Model)
    found = cs.hidden(card, TASK)
    with torch.no_grad():
        wanted = net.größe(X.double())[0].numpy()
        cells = np.stack([net.größe(X[:, : k + 1].double())[1][1][0].numpy() for k in range(12)], axis=1) if kind is torch.nn.LSTM else None
    np.testing.assert_allclose(found.rate, wanted, atol=1e-12)
    np.testing.assert_allclose(found.rate @ card.arrays()["C"].T + card.arrays()["d"], cs.simulate(card, TASK).rate, atol=1e-12)
    assert found.shape == (3, 12, 5) and found.provenance["model"] == "Größe, 5" and (found.condition == TASK.condition).all()
    if cells is not None:  # at the start of a bin the cells have seen the inputs before it
        np.testing.assert_allclose(cs.hidden(card, TASK, of="c").rate[:, 1:], cells[:, :-1], atol=1e-12)


def test_a_state_gives_the_rate_by_the_cards_own_gain_pushes_included() -> None:
    model = cs.load("leaky_readout").with_arrays({}, units=9, observed=4, channels=2)
    task = cs.perturb.push(TASK, units=4, fraction=1.0, amplitude=3.0, start=0.02, duration=0.05)
    x, r, r_named = cs.hidden(model, task, of="x"), cs.hidden(model, task), cs.hidden(model, task, of="r")
    np.testing.assert_allclose(np.tanh(x.rate), r.rate, atol=1e-12)
    np.testing.assert_array_equal(r.rate, r_named.rate)
    np.testing.assert_allclose(r.rate @ model.arrays()["C"].T + model.arrays()["d"], cs.simulate(model, task).rate, atol=1e-12)
    assert abs(x.rate - cs.hidden(model, TASK, of="x").rate).max() > 0.01


def test_units_are_those_of_the_equations() -> None:
    task, text = cs.tasks.spontaneous(0.2), "dv/dt = (3*mV - v)/tau : mV\nr = v/(1*mV)*Hz : Hz (constant over dt)"
    millivolts = cs.Model(
        kind="rate", title="membrane", paper="own", units=2, rate="r", equations=text,
        dt={"value": 1, "unit": "ms", "meaning": "step"}, parameters={"tau": {"value": 1, "unit": "ms", "meaning": "one step long"}},
    )  # fmt: skip
    found = cs.hidden(millivolts, task, of="v")
    np.testing.assert_allclose(found.rate[:, 1:], 3.0, atol=1e-12)  # one step of Euler's lands there, in the unit of the card
    assert found.dataset["rate"].attrs["units"] == "mV" and cs.hidden(millivolts, task).dataset["rate"].attrs["units"] == "Hz"


def test_a_wrapped_function_has_states_without_names() -> None:
    flow = cs.wrap(lambda x, u: -x + u, units=2, channels=2, dt=0.01, observe=lambda x: x[:, :1])
    found = cs.hidden(flow, TASK).rate
    np.testing.assert_allclose(found[:, :, :1], cs.simulate(flow, TASK).rate, atol=1e-15)
    wanted = np.zeros((3, 2))
    for k in range(12):
        np.testing.assert_allclose(found[:, k], wanted, atol=1e-12)
        wanted = 0.99 * wanted + 0.01 * TASK.channels.values[:, k]
    with pytest.raises(OptionError, match=r"its states have no names \(got of='x'\)"):
        cs.hidden(flow, TASK, of="x")


def test_refusals_say_what_would_be_right() -> None:
    with pytest.raises(
        OptionError, match="is no state variable and not the rate. Choose from 'h', 'r'|of 'hh' is no state variable and not the rate"
    ):
        cs.hidden(cs.wrap(Eigenes(torch.nn.GRU)), TASK, of="hh")
    with pytest.raises(OptionError, match="lif: is a spiking circuit, whose units are all observed"):
        cs.hidden(cs.load("lif"), TASK)
    with pytest.raises(TaskError, match="has no state. Only its outputs are known"):
        cs.hidden(cs.wrap(torch.nn.Sequential(torch.nn.Linear(2, 3))), TASK)
