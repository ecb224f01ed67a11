"""The graph of a user's own stepped module gives what the module gives, run by another program; what a trace cannot say is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import cortex_sim as cs
from cortex_sim.errors import CardError, OptionError

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

UNITS, CHANNELS = 7, 3
RNG = np.random.default_rng(6)
X = RNG.normal(size=(4, 25, CHANNELS))


class Eigen(nn.Module):
    """A leaky network with a readout, bent or not, dropout, and parts named as nobody else would."""

    def __init__(self, bent: Callable[[torch.Tensor], torch.Tensor] = lambda y: y) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.größe, self.ein, self.aus, self.weg = nn.Linear(UNITS, UNITS), nn.Linear(CHANNELS, UNITS), nn.Linear(UNITS, 2), nn.Dropout(0.4)
        self.bent = bent

    def forward(self, u: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = 0.9 * h + 0.1 * (self.größe(torch.relu(self.weg(h))) + self.ein(u))
        return self.bent(self.aus(h)), h


class Stateful(Eigen):
    def forward(self, u: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, h = super().forward(u, h)
        return (y, h) if float(h.sum()) > 0 else (-y, h)  # which a trace takes for one of the two


class Loud(Eigen):
    def forward(self, u: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, h = super().forward(u, h)
        return y, h + 0.1 * torch.randn_like(h)


@pytest.mark.parametrize("net", [Eigen(), Eigen(torch.tanh), nn.GRUCell(CHANNELS, UNITS), nn.RNNCell(CHANNELS, UNITS, nonlinearity="relu")])
def test_the_graph_gives_what_the_module_gives_from_any_state(net: nn.Module, tmp_path: Path) -> None:
    mine: Any = cs.wrap(net, units=UNITS, channels=CHANNELS, name="Netz, mein", bin=0.02)
    path = tmp_path / "Größe 1.onnx"
    assert cs.export(mine, path) == ["pushes"]
    onnx.checker.check_model(path, full_check=True)
    session = runtime.InferenceSession(path)
    rates, last = session.run(["rates", "last"], {"channels": X, "start": np.zeros((4, UNITS))})
    task = cs.tasks.from_inputs(X, bin=0.02)
    np.testing.assert_allclose(rates, cs.simulate(mine, task).rate, rtol=0, atol=1e-12)
    np.testing.assert_allclose(last, cs.hidden(mine, task).rate[:, -1, :UNITS], rtol=0, atol=1e-12)
    exact, h = net.double().eval(), RNG.normal(size=(2, UNITS))
    with torch.no_grad():
        made = exact(torch.tensor(X[:2, 0]), torch.tensor(h))
    y, state = made if isinstance(made, tuple) else (made, made)
    found, onward = session.run(["rates", "last"], {"channels": X[:2, :1], "start": h})
    np.testing.assert_allclose(found[:, 0], y.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(onward, state.numpy(), rtol=0, atol=1e-12)
    said = {part.key: part.value for part in onnx.load(path).metadata_props}
    assert (float(said["bin_s"]), int(said["units"]), json.loads(said["left_out"]), said["model_key"]) == (0.02, UNITS, ["pushes"], mine.key)


@pytest.mark.parametrize("net", [Stateful(), Loud()])
def test_a_module_of_which_a_trace_is_another_one_is_refused_and_nothing_is_written(net: nn.Module, tmp_path: Path) -> None:
    mine = cs.wrap(net, units=UNITS, channels=CHANNELS)
    with pytest.raises(CardError, match=rf"{type(net).__name__}: the graph that torch writes does not give what the module gives"):
        cs.export(mine, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_no_stepped_module_is_told_what_is(tmp_path: Path) -> None:
    mine = cs.wrap(Eigen(), units=UNITS)
    for given, said in (
        ({"path": tmp_path / "x.nir"}, "Eigen is a module, which .onnx holds"),
        ({"path": tmp_path / "x.pt"}, "suffix '.pt' is unknown"),
    ):
        with pytest.raises(OptionError, match=said):
            cs.export(mine, **given)
    with pytest.raises(OptionError, match="without 'noise' does not apply to Eigen, which is wrapped"):
        cs.export(mine, tmp_path / "x.onnx", without=["noise"])
    for other in (cs.wrap(nn.Sequential(nn.Linear(3, 2))), cs.wrap(lambda x, u: u - x, units=2, channels=2)):
        with pytest.raises(CardError, match=r"is no module that is stepped bin by bin \(wrap\(net, units=\.\.\.\)\), which alone is exported"):
            cs.export(other, tmp_path / "x.onnx")


def test_saving_says_how_to_keep_what_no_card_holds(tmp_path: Path) -> None:
    with pytest.raises(
        CardError, match=r"torch\.save\(model\.origin\.state_dict\(\), 'mein\.pt'\), and its class, .* cs\.export\(model, 'mein\.onnx'\)"
    ):
        cs.wrap(Eigen(), units=UNITS).save("mein.toml")
    with pytest.raises(CardError, match=r"'mein\.pt'\), and its class, and wrap it again\.$"):
        cs.wrap(nn.Sequential(nn.Linear(3, 2))).save("mein.toml")
    with pytest.raises(CardError, match="keep the script that wraps it"):
        cs.wrap(lambda x, u: u - x, units=2, channels=2).save("mein.toml")
    mine: Any = cs.wrap(Eigen(), units=UNITS)
    torch.save(mine.origin.state_dict(), tmp_path / "mein.pt")  # as it says
    again = Eigen()
    again.load_state_dict(torch.load(tmp_path / "mein.pt", weights_only=True))
    task = cs.tasks.from_inputs(X, bin=0.01)
    np.testing.assert_array_equal(cs.simulate(cs.wrap(again, units=UNITS), task).rate, cs.simulate(mine, task).rate)
