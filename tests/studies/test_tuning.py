"""Tuning: the search finds a planted optimum, loses no trial, and never sees what it is scored on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.errors import FileProblem, OptionError
from cortex_sim.runtime import mark
from cortex_sim.studies import tuning
from cortex_sim.studies.tuning import _search
from cortex_sim.studies.tuning._folds import apart, folded
from cortex_sim.studies.tuning._search import Found, _open, search
from cortex_sim.studies.tuning._space import Parameter, Setting, read_space

ROOT = Path(__file__).parents[2]
SPACE = {"rate": Parameter(1e-4, 1.0, log=True), "optimiser": Parameter(choices=("adam", "sgd"))}


def planted(setting: Setting, fold: int) -> float:
    return -((np.log10(float(setting["rate"])) + 2) ** 2) - (setting["optimiser"] == "sgd") + 0.01 * fold


def test_planted_optimum_is_found(tmp_path: Path) -> None:
    best = search(planted, SPACE, trials=40, folds=2, seed=0, folder=tmp_path).best
    assert best.setting["optimiser"] == "adam" and 10**-2.5 < best.setting["rate"] < 10**-1.5


def test_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    calls: list[Setting] = []

    def breaks(setting: Setting, fold: int) -> float:
        calls.append(setting)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return planted(setting, fold)

    with pytest.raises(KeyboardInterrupt):
        search(breaks, SPACE, trials=8, folds=2, seed=0, folder=tmp_path)
    found = search(planted, SPACE, trials=8, folds=2, seed=0, folder=tmp_path)
    assert len(found.tried) == 8 and [one.setting for one in found.tried][:4] == calls[:8:2]
    assert found == search(planted, SPACE, trials=8, folds=2, seed=0, folder=tmp_path / "undisturbed")


class Killed(BaseException):
    """Ends a search where it stands, as a kill does: nobody catches it."""


@pytest.mark.parametrize("share", [0.5, pytest.param(0.0, marks=pytest.mark.long)])
def test_a_search_killed_at_any_line_of_its_journal_ends_as_an_undisturbed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Every kind of line is once the one that is not written, or only in part; the search has enough trials for pruning and for its model."""
    from optuna.storages.journal import JournalFileBackend

    monkeypatch.setattr(_search, "REFRESH", 1e6)  # looks at the progress write lines, too
    monkeypatch.setattr(_search, "_importance", lambda *_: {})
    append, written, kill = JournalFileBackend.append_logs, 0, -1

    def killed(self: Any, logs: Any) -> None:
        nonlocal written
        if written == kill:
            with open(self._file_path, "ab") as file:
                file.write(lines[kill][: int(share * len(lines[kill]))])
            raise Killed
        written += 1
        append(self, logs)

    def looked_for(folder: Path) -> Found:
        return search(planted, SPACE, trials=12, folds=2, seed=0, folder=folder)

    whole = looked_for(tmp_path / "whole")
    lines = (tmp_path / "whole/journal.log").read_bytes().splitlines(keepends=True)
    last = {json.dumps([line.get("op_code"), *line.get("user_attr", {})]): number for number, line in enumerate(map(json.loads, lines))}
    assert len(last) >= 9
    for place in last.values():
        written, kill = 0, place
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(JournalFileBackend, "append_logs", killed)
            looked_for(tmp_path / str(kill))
        assert looked_for(tmp_path / str(kill)) == whole, f"killed at line {kill}, {lines[kill]!r}"


def test_who_goes_on_takes_over_trials_of_a_process_that_is_killed_meanwhile(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    whole = search(planted, SPACE, trials=6, folds=2, seed=0, folder=tmp_path / "whole")

    def with_another(setting: Setting, fold: int, begun: list[int] = []) -> float:  # noqa: B006 - counts over calls
        if not begun:
            other = _open(tmp_path / "shared", "search").ask()
            other.set_user_attr("place", 1)
            other.set_user_attr("process", mark().replace(f"-{os.getpid()}-", f"-{gone.pid}-"))
            _open(tmp_path / "shared", "search").ask()  # did not come so far as to say whose it is
        begun.append(1)
        return planted(setting, fold)

    assert search(with_another, SPACE, trials=6, folds=2, seed=0, folder=tmp_path / "shared").tried == whole.tried


def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "journal.log").write_text("of others\nwithout an end")
    with pytest.raises(FileProblem, match=r"journal\.log: is no journal of a study, or is damaged .* Choose another --study"):
        search(planted, SPACE, trials=2, folds=2, seed=0, folder=tmp_path)
    assert (tmp_path / "journal.log").read_text() == "of others\nwithout an end"


def test_two_processes_lose_no_trial(tmp_path: Path) -> None:
    found = search(planted, SPACE, trials=12, folds=2, seed=0, folder=tmp_path, jobs=2)
    assert [one.number for one in found.tried] == list(range(12))


def test_explosion_is_a_failed_trial_with_its_reason(tmp_path: Path) -> None:
    found = search(lambda setting, fold: float("nan"), SPACE, trials=3, folds=2, seed=0, folder=tmp_path)
    assert [one.state for one in found.tried] == ["failed"] * 3
    with pytest.raises(OptionError, match="score of fold 1 is nan"):
        _ = found.best


def test_folds_share_no_condition_and_never_hold_test_conditions() -> None:
    condition = np.repeat(np.arange(20), 3)
    rest, aside = apart(condition, 0.2, 0)
    assert len(set(condition[aside])) == 4 and not set(condition[rest]) & set(condition[aside])
    parts = folded(condition[rest], 4, 0)
    assert all(not set(condition[rest][a]) & set(condition[rest][b]) for a, b in parts)
    assert sorted(np.concatenate([held for _, held in parts])) == list(range(len(rest)))


@pytest.mark.parametrize(("text", "message"), [
    ("[unit]\nlow=1\nhigh=2", "Did you mean 'units'"), ("[rate]\nlow=2.0\nhigh=1.0", "should be below high"),
    ("[units]\nlow=1.5\nhigh=2", "whole number"), ("[rate]\nlow=0\nhigh=1\nlog=true", "above 0"),
    ("[optimiser]\nchoices=['adm']", "Did you mean 'adam'"), ("[card]\nchoices=['gruu']", "Did you mean 'gru'"), ("", "no parameter"),
])  # fmt: skip
def test_space_errors_say_where_and_suggest(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(OptionError, match=message):
        read_space(tmp_path / "s.toml")


def test_missing_optuna_and_missing_training_data_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="match.* have one"):
        tuning.training_data_of(catalogue.protocol("microcircuit"), "microcircuit", None, seed=0, smoke=True)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(OptionError, match=r"pip install 'cortex-sim\[tune\]'"):
        tuning.check_installed()


@pytest.mark.long
def test_command_writes_a_report(tmp_path: Path) -> None:
    arguments = ["tune", "match", "--space", ROOT / "protocols/match.space.toml", "--trials", 2, "--folds", 2, "--smoke"]
    arguments += ["--study", tmp_path / "study", "--out", tmp_path / "out"]
    subprocess.run([sys.executable, "-m", "cortex_sim", *map(str, arguments)], check=True, capture_output=True, cwd=ROOT)
    assert "optuna" in json.loads((tmp_path / "out/run.json").read_text())["versions"]
    assert (tmp_path / "out/models/best.toml").is_file()
