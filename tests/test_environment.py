"""Machines as they are: without a home, a compiler, a terminal, letters or memory; each ends in a result or in one message."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_cli import FAILING

ROOT = Path(__file__).parents[1]
LETTERS = FAILING.replace('"one is two"', '"R² of r₀ → 1 ≥ ½"').replace('title="t"', 'title="→"')
GREEDY = '"""Is there room?"""\nimport numpy as np\nMODEL = "murphy_miller_2009"\ndef run(model, *, seed, smoke):\n    np.ones(10**15)\n'
SPIKING = '''"""Does it fire?"""
import cortex_sim as cs
MODEL = "lif"
def run(model, *, seed, smoke):
    return cs.Report("t", "q", "a", trials={"spikes": cs.simulate(model, cs.Task("rest", 0.0, 0.05, condition=[0]))}, seed=seed)
'''


def shell(line: str, folder: Path, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``cortex-sim`` is this package's; a variable that is None is taken away."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | {name: value for name, value in changes.items() if value is not None}
    environment = {name: value for name, value in environment.items() if changes.get(name, "") is not None}
    line = line.replace("cortex-sim", f"{sys.executable} -m cortex_sim")
    run = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, check=False, cwd=folder, env=environment, encoding="utf-8")
    assert "Traceback" not in run.stderr, run.stderr
    return run


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, text in {"failing": FAILING, "letters": LETTERS, "greedy": GREEDY, "spiking": SPIKING}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nobody can write, not even root."""
    folder = tmp_path / "read only"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", str(folder)], capture_output=True, check=False).returncode == 0:
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("no folder can be made that cannot be written")
    yield folder


def test_a_read_only_folder_is_refused_before_the_run_and_a_read_only_cache_costs_nothing(place: Path, read_only: Path) -> None:
    refused = shell(f"cortex-sim run greedy.py --out '{read_only}/x'", place)
    assert refused.returncode == 2 and "cannot be written (" in refused.stderr and "choose another --out" in refused.stderr
    cached = shell("cortex-sim run failing.py --out a", place, CORTEX_SIM_CACHE=str(read_only))
    assert cached.returncode == 0 and (place / "a/report.html").exists()
    found = shell("cortex-sim doctor", place, CORTEX_SIM_CACHE=str(read_only))
    assert found.returncode == 1 and "do: set CORTEX_SIM_CACHE to a folder that can be written" in found.stdout


@pytest.mark.parametrize("home", [None, "/proc/nobody"])
def test_without_a_home_a_run_ends_well(home: str | None, place: Path) -> None:
    changes = {"HOME": home, "XDG_CACHE_HOME": None, "CORTEX_SIM_CACHE": None, "MPLCONFIGDIR": None}
    assert shell("cortex-sim run failing.py --out a", place, **changes).returncode == 0
    assert (place / "a/report.html").exists()


def test_without_a_compiler_spiking_circuits_run_in_numpy_and_the_doctor_says_so(place: Path) -> None:
    (place / "bin").mkdir()
    found = shell("cortex-sim run spiking.py --out a", place, PATH=str(place / "bin"))
    assert found.returncode == 0 and "no C++ compiler found; with one it would be faster" in found.stderr
    refused = shell("cortex-sim run spiking.py --target cython --out b", place, PATH=str(place / "bin"))
    assert refused.returncode == 2 and "target 'cython' needs a C++ compiler, which is absent; install one, or take 'numpy'" in refused.stderr
    assert not (place / "b").exists()
    assert "is absent; spiking circuits run in NumPy, slower. do: install" in shell("cortex-sim doctor", place, PATH=str(place / "bin")).stdout


def test_a_compiler_that_fails_is_said_by_the_doctor(place: Path) -> None:
    (place / "bin").mkdir()
    for name in ("g++", "clang++"):
        (place / "bin" / name).write_text("#!/bin/sh\necho 'no such target' >&2\nexit 1\n")
        (place / "bin" / name).chmod(0o755)
    found = shell("cortex-sim doctor", place, PATH=f"{place / 'bin'}:{os.environ['PATH']}")
    assert found.returncode == 1 and "fails: no such target; do: repair it, or run with --target numpy" in found.stdout


LONG = [pytest.param(closed, marks=pytest.mark.long) for closed in (">&-", ">&- 2>&-")]


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-", "> /dev/full", *LONG])
def test_closed_streams_cost_no_report(closed: str, place: Path) -> None:
    found = shell(f"cortex-sim run failing.py --out a {closed}", place)
    assert (place / "a/report.html").read_text(encoding="utf-8").startswith("<!") and (place / "a/claims.json").read_text().startswith("[")
    assert found.returncode == (2 if "full" in closed else 0)


ASCII = pytest.param({"PYTHONIOENCODING": "ascii"}, marks=pytest.mark.long)


@pytest.mark.parametrize("letters", [{"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ASCII])
def test_a_terminal_without_letters_shows_marks_for_them(letters: dict[str, str], place: Path) -> None:
    found = shell("cortex-sim run letters.py --out a --verbose", place, **letters)
    assert found.returncode == 0 and "of r? ? 1" in found.stdout and "report: a/report.html" in found.stdout
    assert "R² of r₀ → 1 ≥ ½" in (place / "a/claims.json").read_text(encoding="utf-8")
    for command in ("list", "show no→where"):
        assert shell(f"cortex-sim {command}", place, **letters).returncode == (2 if "where" in command else 0)


def test_too_little_memory_is_said_and_leaves_nothing(place: Path) -> None:
    found = shell("cortex-sim run greedy.py --out a", place)
    assert found.returncode == 2 and not (place / "a").exists() and "Traceback" not in found.stderr
    assert found.stderr.splitlines()[-1].startswith("cortex-sim: memory does not suffice (Unable to allocate ")


def test_the_doctor_finds_a_clash_and_clears_the_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    from cortex_sim.studies import examine

    monkeypatch.setenv("CORTEX_SIM_CACHE", str(place / "cache"))
    for name in ("fits/a.pt", "reports/a/report.html", "studies/a/journal.log", "of others.txt"):
        (place / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "cache" / name).write_text("x" * 1000)
    lines, sound = examine(clear_cache=True)
    assert sound and "cache cleared: fits; left: reports, studies" in lines and not (place / "cache/fits").exists()
    assert all((place / "cache" / name).exists() for name in ("reports/a/report.html", "studies/a/journal.log", "of others.txt"))
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0.0" if name == "numpy" else known(name))
    lines, sound = examine()
    assert not sound and any(line.startswith("package numpy: 1.0.0, needs ") and "do: pip install 'numpy" in line for line in lines)
