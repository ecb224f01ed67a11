"""A clock that goes back, as clocks of machines do when they are set, costs no run: it names and dates, and decides nothing."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cortex_sim.runtime import _left_over as left_over
from cortex_sim.runtime import free, mark, sweep, whole_file
from tests.kills import KINDS, SPACE
from tests.test_environment import ROOT, shell

FUTURE, PAST = 4e9, 1e8  # s since 1970: the year 2096, and 1973
WALL = {"time.time", "time.time_ns", "os.path.getmtime", "os.path.getctime", "datetime.datetime.now", "datetime.datetime.utcnow"}
DATES = {"_output", "_browse", "_record", "_report", "_run_folder"}  # modules that write a date, or name a folder by it
SHIM = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long calls;
int clock_gettime(clockid_t which, struct timespec *now) {
    int failed = (int) syscall(SYS_clock_gettime, which, now);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec -= 60 * __sync_add_and_fetch(&calls, 1);
    return failed;
}
time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec read;
    clock_gettime(CLOCK_REALTIME, &read);
    now->tv_sec = read.tv_sec;
    now->tv_usec = read.tv_nsec / 1000;
    return 0;
}
"""


@pytest.fixture
def backwards(tmp_path: Path) -> str:
    """A library that, loaded first, takes the clock back by a minute at every look; files are dated by the kernel, so they lie in the future."""
    compiler = shutil.which("gcc") or shutil.which("g++")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("a clock is taken back by LD_PRELOAD, which needs Linux and a compiler")
    (tmp_path / "shim.c").write_text(SHIM)
    made = ["-shared", "-fPIC", "-O1", "-x", "c", "-o", str(tmp_path / "shim.so"), str(tmp_path / "shim.c")]
    subprocess.run([compiler, *made], check=True)
    look = "import time; a, b = time.time(), time.time(); print(b < a - 50)"
    shown = os.environ | {"LD_PRELOAD": str(tmp_path / "shim.so")}
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, env=shown)
    assert run.stdout == "True\n"
    return str(tmp_path / "shim.so")


@pytest.mark.parametrize("kind", ["run", pytest.param("study", marks=pytest.mark.long)])
def test_a_run_and_a_study_end_well_while_the_clock_goes_back(kind: str, tmp_path: Path, backwards: str) -> None:
    (tmp_path / "learn.py").write_text(KINDS[kind][0])
    (tmp_path / "space.toml").write_text(SPACE)
    line = f"timeout 300 cortex-sim {' '.join(KINDS[kind][1])} --out a {'--verbose' if kind == 'run' else ''}".format(out="a")
    found = shell(line, tmp_path, LD_PRELOAD=backwards, CORTEX_SIM_CACHE=str(tmp_path / "cache"))
    assert found.returncode == 0, found.stderr
    run = json.loads((tmp_path / "a/run.json").read_text())
    assert all(0 <= seconds < 300 for seconds in run["seconds"].values()), run["seconds"]
    assert not [path.name for path in tmp_path.rglob(".*")]


def test_nothing_is_decided_by_the_wall_clock_or_by_dates_of_files() -> None:
    found = set()
    for path in (ROOT / "cortex_sim").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            dated = isinstance(node, ast.Attribute) and node.attr in {"st_mtime", "st_ctime", "st_atime", "st_mtime_ns"}
            if dated or (isinstance(node, ast.Call) and ast.unparse(node.func) in WALL):
                found.add("dates of files" if dated else path.stem)
    assert found == DATES


def test_what_is_left_over_is_told_by_its_process_and_not_by_its_date(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive = (tmp_path / f".a.txt.{who}x" for who in (mark().replace(f"-{os.getpid()}-", f"-{gone.pid}-"), mark()))
    for path, date in {dead: FUTURE, alive: PAST}.items():
        path.write_text("half")
        os.utime(path, (date, date))
    left_over._swept.discard(tmp_path)
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [alive.name]
    (tmp_path / "a.txt").write_text("old")
    os.utime(tmp_path / "a.txt", (FUTURE, FUTURE))
    with whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_folder_named_by_a_time_that_was_before_has_a_name_of_its_own(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        names.append(free(tmp_path / "match-20261025-023000"))
        names[-1].mkdir()
    assert [path.name for path in names] == ["match-20261025-023000", "match-20261025-023000-2", "match-20261025-023000-3"]
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert free(tmp_path / "link").name == "link-2"
