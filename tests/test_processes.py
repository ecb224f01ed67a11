"""What ends, ends whole: workers with their parent, output with its reader, a run at the second Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes are POSIX")

SLEEPING = """
import os, sys, time
from cortex_sim.runtime import workers
def sleep(number):
    os.write(1, f"{os.getpid()}\\n".encode())
    time.sleep(120)
if __name__ == "__main__":
    workers.map("sleep", sleep, {n: (n,) for n in range(2)}, workers=2)
"""


def works(process: int) -> bool:
    """A process is there, and not only its entry that nobody has asked for."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no Linux, or ended in this moment
        return sys.platform != "linux"


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """Standard output reaches its end only when no process holds it any more."""
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    how = {"stdout": subprocess.PIPE, "text": True, "env": os.environ | {"LOKY_MAX_CPU_COUNT": "2", "PYTHONPATH": str(ROOT)}}
    process = subprocess.Popen([sys.executable, str(tmp_path / "sleeping.py")], **how)  # type: ignore[call-overload]
    assert process.stdout
    numbers = {int(process.stdout.readline()) for _ in range(2)}
    assert process.pid not in numbers and len(numbers) == 2
    process.send_signal(signal.SIGKILL)
    try:
        process.communicate(timeout=30)  # s; workers look twice a second, and would sleep for 120 s and wait for jobs for longer
        assert not any(works(number) for number in numbers)
    finally:
        for number in filter(works, numbers):
            os.kill(number, signal.SIGKILL)


LINES = ["list", "show match", "list measures", "show hennequin_2014", "--help", "run --help", "doctor"]


@pytest.mark.parametrize("command", LINES)
def test_a_reader_that_leaves_is_no_fault(command: str) -> None:
    line = f"set -o pipefail; {sys.executable} -m cortex_sim {command} | head -1"
    run = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "") and run.stdout.count("\n") == 1


@pytest.mark.parametrize("command", ["list", "--help", "run --help"])
def test_a_reader_that_has_left_before_the_first_word_is_no_fault(command: str) -> None:
    """That ``head`` leaves too early or too late is chance; here nobody reads for certain."""
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "cortex_sim", *command.split()]
    run = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    os.close(writer)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(("command", "code"), [("show nothing", 2), ("run", 2)])
def test_a_refusal_that_nobody_reads_keeps_its_exit_code(command: str, code: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run([sys.executable, "-m", "cortex_sim", *command.split()], stderr=writer, stdout=writer, check=False, cwd=ROOT)
    os.close(writer)
    assert run.returncode == code


def test_exit_codes_hold_when_nobody_reads(tmp_path: Path) -> None:
    from tests.test_cli import FAILING

    (tmp_path / "failing.py").write_text(FAILING)
    line = f"{sys.executable} -m cortex_sim run failing.py --check --out a | true; exit ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert run.returncode == 1 and "Traceback" not in run.stderr and (tmp_path / "a/report.html").exists()


STUBBORN = '''"""Does it end?"""
import sys, time
import cortex_sim as cs
MODEL = "murphy_miller_2009"
def run(model, *, seed, smoke):
    try:
        print("begun", file=sys.stderr, flush=True)
        time.sleep(60)
    finally:
        print("cleaning", file=sys.stderr, flush=True)
        time.sleep(60)
'''


def test_the_second_ctrl_c_ends_the_process_at_once(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    command = [sys.executable, "-m", "cortex_sim", "run", "stubborn.py", "--out", "x"]
    how = {"stderr": subprocess.PIPE, "text": True, "cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    process = subprocess.Popen(command, **how)  # type: ignore[call-overload]
    assert process.stderr
    assert "is code" in process.stderr.readline()
    for word in ("begun\n", "cleaning\n"):
        assert process.stderr.readline() == word
        process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(timeout=30) == 130 and said == "\ncortex-sim: ended at once.\n"
    assert not (tmp_path / "x/report.html").exists()
    (tmp_path / "stubborn.py").write_text(STUBBORN.replace("60", "0").replace("finally:", "finally:\n        return cs.Report('t', 'q', 'a')"))
    again = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert again.returncode == 0 and (tmp_path / "x/report.html").exists(), again.stderr


SWALLOWING = '''"""Does it end?"""
import signal
import cortex_sim as cs
MODEL = "murphy_miller_2009"
def run(model, *, seed, smoke):
    try:
        signal.raise_signal(signal.SIGINT)
    except:  # as libraries do while they look whether something can be imported
        pass
    PLACE
    return cs.Report("t", "q", "a", seed=seed)
'''
PLACES = {
    "a stage": "with cs.timed({}, 'stage'): pass",
    "a run of Brian2": "cs.simulate(model, cs.tasks.free_run([[1.0] * 2], 0.1))",
}


@pytest.mark.parametrize("place", ["a stage", pytest.param("a run of Brian2", marks=pytest.mark.long)])
def test_a_ctrl_c_that_a_library_swallows_is_heard_at_the_next_sign_of_progress(place: str, tmp_path: Path) -> None:
    (tmp_path / "swallowing.py").write_text(SWALLOWING.replace("PLACE", PLACES[place]))
    command = [sys.executable, "-m", "cortex_sim", "run", "swallowing.py", "--out", "x"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert run.returncode == 130 and "interrupted; no report was written" in run.stderr and "Traceback" not in run.stderr
    assert not (tmp_path / "x/report.html").exists()
