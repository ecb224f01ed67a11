"""What is written to begin with runs as it stands."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import cortex_sim as cs
from cortex_sim.cli import app
from cortex_sim.errors import FileProblem, OptionError
from cortex_sim.simulation import check


def called(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def test_a_new_protocol_runs_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "next, cortex-sim run mine.py --smoke" in called("new", "protocol", "mine")
    report = cs.run("mine.py", smoke=True, out="run")
    assert report.scores and report.pictures and all(np.isfinite(score.estimate) for score in report.scores)
    assert json.loads((tmp_path / "run/scores.json").read_text())
    with pytest.raises(FileProblem, match="mine.py: exists already"):
        called("new", "protocol", "mine")
    with pytest.raises(OptionError, match="'my question' should be a plain name"):
        called("new", "protocol", "my question")


def test_a_new_card_is_well_formed_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    called("new", "card", "mine")
    card = cs.load("mine.toml")
    check(card)
    rate = cs.simulate(card, cs.tasks.free_run(np.random.default_rng(0).normal(size=(2, 50)), 0.1)).rate
    assert abs(rate[:, -1]).max() < abs(rate[:, 0]).max()


def test_weights_become_a_card_and_no_file_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = torch.nn.GRU(3, 7, batch_first=True)
    torch.save(net.state_dict(), "gru.pt")
    assert "GRU of torch with 7 units, 3 channels to 7 outputs" in called("import", "gru.pt", "--out", "mine.toml", "--bin", "0.02")
    x = torch.randn(2, 5, 3)
    found = cs.simulate(cs.load("mine.toml"), cs.tasks.from_inputs(x, bin=0.02)).rate
    np.testing.assert_allclose(found, net(x)[0].detach().numpy(), rtol=0, atol=1e-6)
    with pytest.raises(FileProblem, match="exists already"):
        called("import", "gru.pt", "--out", "mine.toml")
    torch.save(net.state_dict(), "gru.pt")
    Path("other.safetensors").write_bytes(b"mine")
    with pytest.raises(FileProblem, match="other.safetensors: exists already"):
        called("import", "gru.pt", "--out", "other.toml")
    assert Path("other.safetensors").read_bytes() == b"mine" and not Path("other.toml").exists()
    Path("junk.safetensors").write_bytes(b"junk")
    for junk in ("junk.safetensors", "other.safetensors"):
        with pytest.raises(FileProblem, match="holds no weights alone"):
            called("import", junk, "--out", "never.toml")
    with pytest.raises(OptionError, match="'class' should be a plain name"):
        called("new", "card", "class")
    with pytest.raises(OptionError, match="a card ends in .toml"):
        called("import", "gru.pt", "--out", "mine.json")


def test_lists_are_read_by_scripts() -> None:
    listed = json.loads(called("list", "--json"))
    assert set(listed) == {"models", "protocols", "tasks", "measures"}
    assert {entry["kind"] for entry in listed["models"]} == {"rate", "rnn", "spiking"} and all(
        Path(entry["file"]).exists() for entry in listed["models"]
    )
    spiking = json.loads(called("list", "--kind", "spiking", "--json"))
    assert set(spiking) == {"models"} and {entry["kind"] for entry in spiking["models"]} == {"spiking"}
    with pytest.raises(OptionError, match="--kind rate is of models"):
        called("list", "tasks", "--kind", "rate")
