"""Help and completion: every option that a protocol has, none that it lacks, and examples that are commands."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from cortex_sim.cards import SpikingModel, catalogue
from cortex_sim.cli import app
from cortex_sim.cli._described import described
from cortex_sim.cli._run_options import EVERY, RECORDED, SPIKING, command_of
from cortex_sim.errors import OptionError
from tests.test_cli import refusal

FLAGS = {"as_json": "json", "opened": "open"}
OWN = sorted({option.name for name in catalogue.protocols() for option in described(name).own})


def help_of(words: list[str]) -> str:
    """The help of a command, as it is printed."""
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output
    return done.output


def opened(words: list[str]) -> Any:
    """The context of a command line, parsed and not performed."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("cortex-sim", [], resilient_parsing=True)
    while words and hasattr(command, "commands"):
        command, first = command.commands[words[0]], words.pop(0)
        if not hasattr(command, "commands"):
            context = command.make_context(first, words, parent=context)
            break
        context = command.make_context(first, [], parent=context, resilient_parsing=True)
    return context


def commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *path, name)


@pytest.mark.parametrize("name", catalogue.protocols())
def test_the_help_of_a_protocol_shows_its_options_and_no_others(name: str) -> None:
    text, protocol = help_of(["run", name]), described(name)
    shown = set(re.findall(r"^  (?:-h, )?--([\w-]+)", text, re.MULTILINE))
    own = {option.name for option in protocol.own}
    wanted = own | {FLAGS.get(part, part) for part in EVERY if part != "protocol"} | {"help"}
    wanted |= set(RECORDED) if protocol.recorded else set()
    spiking = isinstance(catalogue.load(protocol.model), SpikingModel) if protocol.model else protocol.spiking
    assert shown == wanted | (set(SPIKING) if spiking else set())
    assert text.startswith(f"Usage: root run {name} [OPTIONS]") and text == CliRunner().invoke(app, ["run", name, "-h"]).output
    assert " ".join(protocol.question.split()) in " ".join(text.split()) and "Claim: " in text
    assert not ((set(OWN) - own) & shown)
    assert "students" not in own or re.search("paths of cards and weights of your own .*default: default]", " ".join(text.split()))


@pytest.mark.parametrize("path", [*commands(typer.main.get_command(app)), *(("run", name) for name in catalogue.protocols())], ids="-".join)
def test_every_help_has_an_example_that_is_a_command(path: tuple[str, ...]) -> None:
    example = re.search(r"Example: cortex-sim (.*?)\n *\n", help_of(list(path)), re.DOTALL)
    assert example, path
    words = shlex.split(" ".join(example[1].split()))
    assert words[: len(path)] == list(path)
    assert not opened(words).args


def test_an_option_that_the_protocol_lacks_is_told_the_nearest_that_it_has(tmp_path: Path) -> None:
    assert "protocol 'match' has no option --recordng. Did you mean '--recording'?" in refusal("run", "--students", "all", "match", "--recordng", "x")
    found = refusal("run", "architectures", "--recording", "x.npz")
    assert "protocol 'architectures' has no option --recording. Choose from --check," in found and "--students" not in found
    assert "protocol 'mechanism' has no option --scale" in refusal("run", "mechanism", "--scale", "0.5")
    assert "--perturbed" in refusal("run", "match_pushed_recording", "--recording", "x.nwb")
    (tmp_path / "taken.py").write_text('"""Why?"""\ndef run(model, *, seed, smoke, check: int = 0): ...\n')
    with pytest.raises(OptionError, match="its option check has the name of one that every run has"):
        command_of(described(str(tmp_path / "taken.py")), lambda given, protocol: None)


OPTIONS = '''"""Which options arrive?"""
from pathlib import Path
from typing import Literal
from cortex_sim import Report
MODEL = "murphy_miller_2009"
def run(model, *, seed: int, smoke: bool, bins: int = 10, fast: bool = True, way: Literal["a", "b"] = "b", file: Path | None = None,
        names: tuple[str, ...] = (), span: tuple[float, float] | None = None, held_out: "int | None" = None):
    return Report(title="t", question="q", answer=f"{(bins, fast, way, file, names, span, held_out)}", seed=seed)
'''


def test_options_of_a_file_of_ones_own_arrive_as_their_annotations_say_and_its_run_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(OPTIONS)
    monkeypatch.chdir(tmp_path)
    typed = "run mine.py --bins 3 --no-fast --way a --file x.txt --names p --names q --span -1 2 --held-out 4 --out a"
    done = CliRunner().invoke(app, typed.split())
    assert done.exit_code == 0 and str((3, False, "a", Path("x.txt"), ("p", "q"), (-1.0, 2.0), 4)) in done.output
    assert CliRunner().invoke(app, ["run", "mine.py", "--out", "b"]).output.strip().startswith(str((10, True, "b", None, (), None, None)))
    again = CliRunner().invoke(app, ["rerun", "a"])
    assert again.exit_code == 0 and "identical" in again.output


def test_the_help_of_a_protocol_loads_no_simulator_and_does_not_run_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('"""Why?"""\nimport brian2, torch\n1 / 0\ndef run(model, *, seed, smoke): ...\n')
    for name in ("match", str(tmp_path / "mine.py")):
        probe = (
            f"import sys; sys.argv[1:] = ['run', {name!r}, '--help']; from cortex_sim.cli import app; app(standalone_mode=False); print(*sys.modules)"
        )
        modules = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
        assert not {"brian2", "torch", "matplotlib", "scipy", "xarray"} & set(modules)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("show henn", {"hennequin_2014"}),
        ("show rota", {"rotations"}),
        ("check br", {"brunel_2000"}),
        ("run mat", {"match", "match_pushed_recording", "match_recording", "match_spiking"}),
        ("run match --model kao", {"kao_2021", "kao_2021_loop"}),
        ("run match --stu", {"--students"}),
        ("run decode --stu", set()),
        ("run no_such --see", {"--seed"}),
        ("sweep rota", {"rotations"}),
        ("tune rota", {"rotations"}),
    ],
)
def test_names_of_protocols_cards_and_options_are_completed(typed: str, wanted: set[str]) -> None:
    asked = {"_CORTEX_SIM_COMPLETE": "complete_bash", "COMP_WORDS": f"cortex-sim {typed}", "COMP_CWORD": str(len(typed.split()))}
    done = CliRunner().invoke(app, [], env=asked, prog_name="cortex-sim")
    assert set(done.output.split()) == wanted


def test_completion_can_be_installed(tmp_path: Path) -> None:
    said = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # else the shell is that which runs the tests, make's too
    code = "import sys; sys.argv = ['cortex-sim', '--show-completion', 'bash']; from cortex_sim.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | said, capture_output=True, text=True, check=False)
    assert "_CORTEX_SIM_COMPLETE=complete_bash" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "match", "--seed", "abc"], "'--seed': should be a whole number"),
        (["run", "rotations", "--window", "0", "late"], "'--window': should be a number"),
        (["run", "match", "--seed", "-3"], "'--seed': should be greater than or equal to 0"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_plain_words_and_the_help_is_that_of_the_protocol(words: list[str], said: str) -> None:
    message = refusal(*words)
    assert said in message and f"run {words[1]} -h' for help" in message and "Input" not in message
