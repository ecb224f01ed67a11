"""What does a run of a sweep cost beside its own work, and how much faster are two workers? Writes docs/scale.md.

On this machine's processes, and on a Dask cluster of a scheduler and two workers, each a process of its own.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _measure import write

import cortex_sim as cs

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/scale.md"
EMPTY, BUSY, WORK = 400, 40, 1.0  # runs that do nothing, runs that compute, and the seconds of processor time of each of these
STUDENTS, WORKERS, TAUGHT = 100_000, 200, 1600  # what the page reckons, and the students of `mechanism`
PROTOCOL = '''"""Computes for a given time.

Question    how long does it take?
"""
import time

import numpy as np

import cortex_sim as cs

MODEL = "leaky_tanh"


def run(model, *, seed=0, smoke=False, work: float = 0.0):
    """Multiply matrices for so many seconds of processor time."""
    a, began = np.random.default_rng(seed).normal(size=(200, 200)), time.process_time()
    while time.process_time() - began < work:
        a @ a
    score = cs.Score("seed", "none", "all", float(seed), "higher", 1.0, None, "none", None, "one", ceiling_reason="none")
    return cs.Report(title="t", question="?", answer="!", scores=[score])
'''
HEAD = """# Past one machine

`cortex-sim sweep PROTOCOL --grid GRID.toml --seeds 0:20` runs a protocol at every combination of the values of a grid and of seeds. Its runs are done
by the processes of this machine, or, by the same command, by

* a running Dask cluster: `--scheduler tcp://ADDRESS:8786`, begun for example with `dask scheduler` on one machine and
  `dask worker tcp://ADDRESS:8786 --nworkers 16 --nthreads 1` on each of the others;
* SLURM: `--slurm QUEUE --jobs 200` asks the queue for workers of one core each, through dask-jobqueue.

Both need `pip install 'cortex-sim[cluster]'` and this version of the package on every machine. The cache (`CORTEX_SIM_CACHE`) should lie on a disk
that all share: a worker keeps there what it computed, by a hash of everything that affects it. A sweep that is killed, or whose scheduler is lost,
is begun again by the same command and computes what is not there; so does one with a longer grid. A run that fails, or whose process is killed
twice, is listed with its message, and the others go on. `run` and `tune` take `--scheduler` too.

```toml
# GRID.toml: a list for each axis
model = ["hennequin_2014", "kao_2021"]
[card]            # what stands on the card, in its units
tau = [100, 150, 200]
[card.W]
abscissa = [0.1, 0.15]
```

The folder of a sweep holds `report.html` with curves and heat maps, and `sweep.nc`, one xarray dataset with the axes and the seeds as dimensions.

## Measured

Written by `python benchmarks/sweep.py` ({machine}).

| what | this machine | Dask, scheduler and two workers |
|---|---|---|
"""


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, int]]:
    """A scheduler and workers, each a process; their address, and the process of the scheduler."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    begin = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    work = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nworkers", str(workers), "--nthreads", "1", "--no-dashboard"]
    with subprocess.Popen(begin, stderr=subprocess.DEVNULL) as scheduler, subprocess.Popen(work, stderr=subprocess.DEVNULL) as worker:
        try:
            yield address, scheduler.pid
        finally:
            worker.send_signal(signal.SIGINT)
            worker.wait()
            scheduler.kill()


def processor(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(protocol: Path, count: int, work: float, **how) -> float:
    """Seconds that so many runs take, none of which is in the cache; the first few start the processes and are not counted."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CORTEX_SIM_CACHE"] = folder
        began = time.perf_counter()
        found = cs.sweep(str(protocol), {"work": [work]}, seeds=range(count), **how)
        seconds = time.perf_counter() - began
        assert len(found.done) == count
        sizes = [path.stat().st_size for path in Path(folder, "sweeps").glob("*.json")]
        print(f"{count} runs, {work} s each, {how}: {seconds:.2f} s, {sum(sizes) / len(sizes):.0f} bytes a run", file=sys.stderr)
    return seconds


def marginal(protocol: Path, **how) -> float:
    """Seconds a run that does nothing costs, beside what the first one does."""
    return (timed(protocol, EMPTY, 0.0, **how) - timed(protocol, EMPTY // 10, 0.0, **how)) / (EMPTY - EMPTY // 10)


def main() -> None:
    """Measure, and write the page."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        protocol = Path(folder) / "busy.py"
        protocol.write_text(PROTOCOL)
        found["here: a run (s)"] = marginal(protocol, jobs=2)
        found["here: one process (s)"] = timed(protocol, BUSY, WORK, jobs=1)
        found["here: two processes (s)"] = timed(protocol, BUSY, WORK, jobs=2)
        with cluster(1) as (address, _):
            timed(protocol, 2, 0.0, scheduler=address)
            found["Dask: one worker (s)"] = timed(protocol, BUSY, WORK, scheduler=address)
        with cluster(2) as (address, pid):
            timed(protocol, 2, 0.0, scheduler=address)
            found["Dask: two workers (s)"] = timed(protocol, BUSY, WORK, scheduler=address)
            before = processor(pid)
            found["Dask: a run (s)"] = marginal(protocol, scheduler=address)
            found["Dask: scheduler, a run (s)"] = (processor(pid) - before) / (EMPTY + EMPTY // 10)
        os.environ["CORTEX_SIM_CACHE"] = folder
        swept = cs.sweep("match", seeds=[0], smoke=True)
        found["match: a result (bytes)"] = float(next(Path(folder, "sweeps").glob("*.json")).stat().st_size)
        found["match: smoke run (s)"] = next(iter(swept.done.values()))["seconds"]
    write("sweep", [{"what": name, "value": value} for name, value in found.items()])
    page(found)


def page(found: dict[str, float]) -> None:
    """Write docs/scale.md."""
    once, twice = (found[f"here: {n} (s)"] for n in ("one process", "two processes"))
    one, two = (found[f"Dask: {n} (s)"] for n in ("one worker", "two workers"))
    scheduler, size = found["Dask: scheduler, a run (s)"], found["match: a result (bytes)"]
    rows = [
        ("a run that does nothing", f"{1e3 * found['here: a run (s)']:.1f} ms", f"{1e3 * found['Dask: a run (s)']:.1f} ms"),
        (f"{BUSY} runs of {WORK} s, one worker", f"{once:.1f} s", f"{one:.1f} s"),
        (f"{BUSY} runs of {WORK} s, two workers", f"{twice:.1f} s, {once / twice:.2f} times as fast", f"{two:.1f} s, {one / two:.2f} times as fast"),
        ("processor time of the scheduler, a run", "", f"{1e3 * scheduler:.1f} ms"),
        ("what is kept of a run of `match`", f"{size / 1e3:.0f} kB", "the same"),
    ]
    each = 60 * 75 * 2 / TAUGHT  # s of a core: the 75 minutes of version 0.1 on two cores
    hours, share = STUDENTS * each / WORKERS / 3600, STUDENTS * scheduler / (STUDENTS * each / WORKERS)
    many, took, busy = f"{STUDENTS:,}", f"{each:.1f} s", f"{1e3 * scheduler:.1f} ms"
    text = f"""
## {many} students on {WORKERS} workers, reckoned

A student of `mechanism` took {took} of a core to teach and to read (75 minutes on two cores for {TAUGHT} students, in version 0.1).
On {WORKERS} cores {many} of them take {many} x {took} / {WORKERS} = {hours:.1f} h if each is a run of its own. The scheduler is busy for
{many} x {busy} = {STUDENTS * scheduler:.0f} s of these, {share:.1%}; it would limit the work from {each / scheduler:,.0f} workers on.
What is kept is {many} x {size / 1e3:.0f} kB = {STUDENTS * size / 1e9:.1f} GB.
"""
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    PAGE.write_text(HEAD.format(machine=f"{os.cpu_count()} cores, version {cs.__version__}") + table + "\n" + text, encoding="utf-8")


if __name__ == "__main__":
    main()
