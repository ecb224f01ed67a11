"""Every command prints one JSON object for scripts, and nothing beside it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

import cortex_sim as cs
from cortex_sim.cli._main import app

RUN = CliRunner()


def commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield from commands(command, *path, name) if hasattr(command, "commands") else [((*path, name), command)]


@pytest.mark.parametrize(
    ("words", "command"), list(commands(typer.main.get_command(app))), ids=lambda part: " ".join(part) if type(part) is tuple else ""
)
def test_every_command_takes_json(words: tuple[str, ...], command: Any) -> None:
    assert "--json" in {word for option in command.params for word in option.opts}, " ".join(words)


def said(*words: object) -> dict[str, Any]:
    done = RUN.invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_what_commands_say_is_read_by_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(torch.nn.GRU(3, 5).state_dict(), "mine.pt")
    made = said("import", "mine.pt", "--out", "mine.toml", "--json")
    assert made["written"] == "mine.toml" and made["channels"] == 3
    assert said("check", "mine.toml", "--json") == {"well formed": ["mine"]}
    assert said("show", "mine.toml", "--json")["text"] == Path("mine.toml").read_text()
    assert said("show", "hennequin_2014", "--latex", "--out", "mine.tex", "--json")["written"] == "mine.tex"
    assert said("new", "card", "own", "--json")["next"] == "cortex-sim check own.toml"
    cs.Trials.from_arrays(np.random.default_rng(0).random((4, 5, 7)), 0.01 * np.arange(5)).save("given.nc")
    assert said("convert", "given.nc", "given.csv", "--json") == {"written": "given.csv", "trials": 4, "bins": 5, "units": 7}
    assert {"sound", "lines"} == said("doctor", "--json").keys()
