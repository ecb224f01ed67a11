"""Sweeps on a Dask cluster: two worker processes of this machine, a worker killed, the scheduler lost and found, and a stand-in for SLURM."""

import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import xarray as xr

from cortex_sim.errors import FileProblem
from cortex_sim.studies import sweep
from tests.studies.test_sweep import cache, kept_in, toy  # noqa: F401 - fixtures

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.long
GRID = {"gain": [1.0, 2.0], "card.tau": [100, 150]}


@contextmanager
def workers_of_this_machine() -> Iterator[Any]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as made:
        yield made


@contextmanager
def program(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "distributed.cli." + words[0], *words[1:]], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_cluster_finds_what_this_machine_finds(toy: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    here = sweep(toy, GRID, seeds=range(2)).dataset.drop_vars("seconds")
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(cache / "other"))
    with workers_of_this_machine() as made:
        there = sweep(toy, GRID, seeds=range(2), scheduler=made.scheduler_address)
    assert there.computed == 8
    xr.testing.assert_identical(there.dataset.drop_vars("seconds"), here)


def test_protocols_that_divide_their_work_run_whole_on_a_worker(cache: Path) -> None:  # noqa: F811
    with workers_of_this_machine() as made:
        found = sweep("match", seeds=[0, 1], smoke=True, scheduler=made.scheduler_address)
    assert len(found.done) == 2 and not found.failed


def test_workers_begun_by_hand_simulate_in_brian(cache: Path) -> None:  # noqa: F811
    """Brian2 can be imported by the main thread of a process alone, and jobs run in another."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    begin = ("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    with program(*begin), program("dask_worker", address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard"):
        found = sweep("rotations", {"card.tau": [150]}, smoke=True, scheduler=address)
    assert len(found.done) == 1 and not found.failed


def test_a_worker_that_is_killed_loses_nothing(toy: str, cache: Path) -> None:  # noqa: F811
    with workers_of_this_machine() as made:

        def kill() -> None:
            while len(kept_in(cache)) < 4:
                time.sleep(0.05)
            os.kill(next(iter(made.workers.values())).pid, 9)

        killer = Thread(target=kill)
        killer.start()
        found = sweep(toy, {"wait": [0.3]}, seeds=range(16), scheduler=made.scheduler_address)
        killer.join()
    assert len(found.done) == 16 and not found.failed


def test_a_scheduler_that_is_lost_and_found_loses_nothing_that_was_done(toy: str, cache: Path) -> None:  # noqa: F811
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    begin = ("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    work = ("dask_worker", address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard")
    with program(*begin) as scheduler, program(*work):

        def kill() -> None:
            while len(kept_in(cache)) < 3:
                time.sleep(0.05)
            scheduler.kill()

        killer = Thread(target=kill)
        killer.start()
        with pytest.raises(FileProblem, match="the cluster was lost .* of 12 items are kept"):
            sweep(toy, {"wait": [0.5]}, seeds=range(12), scheduler=address)
        killer.join()
    with program(*begin), program(*work):
        again = sweep(toy, {"wait": [0.5]}, seeds=range(12), scheduler=address)
    assert len(again.done) == 12 and 0 < again.computed <= 9


def test_jobs_of_a_queue_do_the_items(toy: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A stand-in for SLURM runs the script of a job at once; what is asked of the queue is in the script."""
    bin = tmp_path / "bin"
    bin.mkdir()
    scripts = {
        "sbatch": f'cp "$1" {tmp_path}/job.$$\nbash "$1" > /dev/null 2>&1 &\necho $! >> {tmp_path}/pids\necho "Submitted batch job $!"',
        "scancel": "kill $1 2> /dev/null || true",
    }
    for name, text in scripts.items():
        (bin / name).write_text(f"#!/bin/bash\n{text}\n")
        (bin / name).chmod((bin / name).stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    found = sweep(toy, GRID, seeds=range(2), slurm="main", jobs=2)
    assert len(found.done) == 8 and not found.failed and found.computed == 8
    jobs = [path.read_text() for path in tmp_path.glob("job.*")]
    assert len(jobs) == 2 and all("#SBATCH -p main" in job and str(cache) in job for job in jobs)
