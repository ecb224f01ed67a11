"""The microcircuit of Potjans & Diesmann (2014) at full scale in 24 GiB: 77,169 neurons, 0.3 G synapses, 1 s after 0.5 s of settling.

Give another scale as argument to try it small. Memory is the sum over the processes' proportional set sizes (PSS), sampled.
"""

import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from _fresh import Workplace
from _measure import write

from cortex_sim import load
from cortex_sim.simulation._spiking_backend import synapses
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.tasks._free import spontaneous

CARD, SETTLED, DURATION, LIMIT = "potjans_diesmann_2014", 0.5, 1.0, 24.0  # s, s, GiB
BYTES, SAMPLED, NOTED = 16, 0.2, 0.05  # of a synapse on disk; s between looks at memory; GiB from which a program is listed


class Memory:
    """Peak of the memory of this process and of all it started, together and by the name of the program, GiB."""

    def __init__(self) -> None:
        self.peak: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLED):
            now = {"all": 0.0}
            for pid in _tree(os.getpid()):
                name, share = _share(pid)
                now["all"] += share
                now[name] = now.get(name, 0.0) + share
            self.peak = {name: max(self.peak.get(name, 0.0), now.get(name, 0.0)) for name in self.peak | now}


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        below = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")).split()
    except OSError:
        return [pid]
    return [pid, *(number for child in below for number in _tree(int(child)))]


def _share(pid: int) -> tuple[str, float]:
    """Name and proportional set size of a process, GiB; 0 of one that has ended."""
    try:
        name, lines = Path(f"/proc/{pid}/comm").read_text().strip(), Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return "ended", 0.0
    return name, next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("Pss:")), 0.0)


def room(needed: float) -> dict[str, float]:
    """Refuse to begin where the temporary folder is too small."""
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    if free < 1.2 * needed:
        raise SystemExit(f"{tempfile.gettempdir()} has {free:.1f} GB free; the synapses take {needed:.1f} GB. Set TMPDIR to another folder.")
    return {"temporary files GB": needed, "free there GB": free}


def rates(model: object, file: Path) -> list[dict[str, object]]:
    """Rate of each population after settling, beside that of the paper's network in NEST, and its CV over 20 windows."""
    with np.load(file) as found:
        when, unit = found["when"], found["unit"]
    edges, rows = np.cumsum([0] + [model.size(name) for name in model.firing]), []
    for name, low, high in zip(model.firing, edges, edges[1:], strict=False):
        own = when[(unit >= low) & (unit < high) & (when >= SETTLED)]
        count = np.histogram(own, np.linspace(SETTLED, SETTLED + DURATION, 21))[0] / (high - low) / DURATION * 20
        if not count.all():
            raise SystemExit(f"{name} falls silent: {count} Hz in windows of {DURATION / 20:g} s")
        stated = model.populations[name].rate
        row = {"population": name, "neurons": int(high - low), "rate Hz": float(count.mean()), "error Hz": float(count.std(ddof=1) / np.sqrt(20))}
        rows.append(row | {"reference (NEST, full scale) Hz": stated.si if stated else float("nan")})
    return rows


def main() -> None:
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    model = load(CARD).changed(scale=scale, seed=1)
    plan = SpikingProblem(model, spontaneous(SETTLED + DURATION), 1)
    count = synapses(plan)
    space = room(BYTES * count / 1e9)
    with Workplace() as place, Memory() as memory:
        found = place.run("ours", CARD, 1, SETTLED + DURATION, place.path / "spikes.npz", scale)
        by_population = rates(model, place.path / "spikes.npz")
    row = {"card": CARD, "scale": scale, "neurons": model.units, "synapses": count, **space}
    row |= {f"{part} s": value for part, value in found["parts"].items()} | {"whole wait s": found["total"], "biological s": SETTLED + DURATION}
    row |= {f"peak of {name} GiB (PSS)": value for name, value in memory.peak.items() if value > NOTED}
    row |= {"largest resident set of the program GiB": found["peak MB"]["child"] * 1e3 / 2**20, f"fits {LIMIT:g} GiB": memory.peak["all"] < LIMIT}
    write("full_scale" if scale == 1 else f"full_scale_{scale:g}", [row, *by_population])


main()
