"""The folder of a run: one process holds it, what looks whole is whole, and nothing of killed processes stays."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from cortex_sim.errors import FileProblem
from cortex_sim.runtime import _left_over as left_over
from cortex_sim.runtime import _run_folder as folders
from cortex_sim.runtime import check_new, finished, mark, run_cache, run_folder, sweep, temporary_folder, whole_file

HOLD = """
import sys, time
from pathlib import Path
from cortex_sim.runtime import run_folder, run_cache, write_text, whole_file
with run_folder(Path(sys.argv[1]), asked={"seed": 1}, resume=True), whole_file(Path(sys.argv[1]) / "half.txt"):
    write_text(run_cache() / "done.txt", "so far")
    print("held", flush=True)
    time.sleep(60)
"""


def page(folder: Path) -> None:
    (folder / "run.json").write_text("{}")
    (folder / "figures").mkdir()
    (folder / "report.html").write_text("a page")


@pytest.fixture
def held(tmp_path: Path) -> Any:
    """A process that holds a folder, and can be killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_run_is_refused_at_once_and_told_who_holds_the_folder(tmp_path: Path, held: subprocess.Popen[str]) -> None:
    for resume in (False, True):
        with pytest.raises(FileProblem, match=rf"run: a run is being written there \(process {held.pid} on .*\)\. Wait for it, or"):
            with run_folder(tmp_path / "run", resume=resume):
                pytest.fail("it was let in")
    assert json.loads((tmp_path / "run/unfinished.json").read_text())["process"] == held.pid


def test_the_folder_of_a_killed_run_is_gone_on_with_and_swept(tmp_path: Path, held: subprocess.Popen[str]) -> None:
    assert [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".half.txt.")]
    held.send_signal(signal.SIGKILL)
    held.wait()
    with pytest.raises(FileProblem, match=r"run: holds a run that did not finish \(process .*\)\. Go on with it by --resume, or remove the folder\."):
        check_new(tmp_path / "run")
    with pytest.raises(FileProblem, match=r"unfinished run of something else: seed was 1 and is 2\. Give the same again"):
        with run_folder(tmp_path / "run", asked={"seed": 2}, resume=True):
            pytest.fail("it was let in")
    with run_folder(tmp_path / "run", asked={"seed": 1}, resume=True) as place:
        kept = run_cache()
        assert kept is not None
        assert (kept / "done.txt").read_text() == "so far"
        place.fill(page)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["figures", "report.html", "run.json"]
    assert finished(tmp_path / "run") and run_cache() is None
    with pytest.raises(FileProblem, match="exists already, and a finished run is never overwritten"):
        check_new(tmp_path / "run", resume=True)


def test_a_run_that_did_nothing_leaves_nothing_and_one_that_did_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run_folder(tmp_path / "a" / "b" / "run"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt), run_folder(tmp_path / "a" / "run"), whole_file(run_cache() or tmp_path / "fits" / "x"):
        (tmp_path / "a/run/.kept").mkdir(exist_ok=True)
        (tmp_path / "a/run/.kept/done").write_text("so far")
        raise KeyboardInterrupt
    assert (tmp_path / "a/run/.kept/done").exists() and (tmp_path / "a/run/unfinished.json").exists()
    with run_folder(tmp_path / "a" / "run", resume=True) as place:
        place.fill(page)
    assert sorted(path.name for path in (tmp_path / "a/run").iterdir()) == ["figures", "report.html", "run.json"]


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_report_that_is_not_moved_whole_has_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    """The instant of death is between two moves: nothing that runs afterwards may be needed for the folder to be told from a whole one."""
    program = f"""
import os, sys
from pathlib import Path
from cortex_sim.runtime import run_folder
from tests.runtime.test_run_folder import page
done, rename = 0, Path.rename
def dying(self, target):
    global done
    if done == {moves}:
        os.kill(os.getpid(), 9)
    done += 1
    return rename(self, target)
Path.rename = dying
with run_folder(Path(sys.argv[1])) as place:
    place.fill(page)
"""
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path / "run")], check=False)
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "run/report.html").exists() and not finished(tmp_path / "run")
    with run_folder(tmp_path / "run", resume=True) as place:
        place.fill(page)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["figures", "report.html", "run.json"]


def test_a_run_killed_after_its_page_is_finished(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    page(tmp_path / "run")
    (tmp_path / "run" / folders.KEPT).mkdir()
    (tmp_path / "run" / folders.MARKER).write_text("{}")
    assert finished(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["figures", "report.html", "run.json"]


def test_temporary_files_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    machine = mark().split("-")[0]
    names = {
        f".x.{machine}-{dead.pid}-abc.json": False,
        f".run.{mark()}abc": True,
        f".x.00000000-{dead.pid}-abc": True,
        ".x.abc.json": True,
        "x": True,
    }
    for name in names:
        (tmp_path / name).write_text("half")
    (tmp_path / f"cortex-sim-{machine}-{dead.pid}-q").mkdir()
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name for name, stays in names.items() if stays}
    left_over._swept.clear()
    (tmp_path / f"cortex-sim-{machine}-{dead.pid}-q").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as place:
        assert place.name.startswith(f"cortex-sim-{mark()}") and place.parent == tmp_path
    assert not list(tmp_path.glob("cortex-sim-*")) and left_over.alive(os.getpid()) and not left_over.alive(dead.pid)
