"""Compiled programs of spiking circuits: found in the cache, checked, given their data and run, without Brian2."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.cards.spiking import blocks, delays, same_delay
from cortex_sim.errors import CardError, FileProblem
from cortex_sim.runtime import cache_folder, content_key, mark, sweep, temporary_folder, workers, write_text
from cortex_sim.simulation._compiler import COMPILER
from cortex_sim.simulation._spiking_problem import HELD, SpikingProblem

WRITTEN = ("brian/_standalone.py", "brian/_circuit.py", "brian/inputs.h")  # files that decide what a program is
PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # large pages: loading millions of synapses is mostly page faults
REFUSED = 4  # exit status of a program whose card asks for what cannot be, as inputs.h has it
SYNAPSE = 44  # bytes of a running program for each synapse: ends, weight, delay in seconds and in steps, place in the queue
Spiking = tuple[Float[ndarray, " spike"], Int[ndarray, " spike"]]


def has_compiler() -> bool:
    """Return whether a C++ compiler is available."""
    return shutil.which(COMPILER) is not None


def cached(problem: SpikingProblem) -> Path | None:
    """Return the folder of an undamaged program of this structure, built earlier on this kind of machine; None if there is none."""
    folder = _folder(problem)
    try:
        stated = json.loads((folder / "program.json").read_text())["sha256"]
        return folder if stated == _checksum(folder) else None
    except (OSError, ValueError, KeyError):
        return None


def build(problem: SpikingProblem) -> Path:
    """Return the folder of the program of a circuit's structure, built or from the cache; several processes may call this at once.

    Raises:
        CardError: Brian2 refuses the circuit.
        FileProblem: the compiler fails, or the cache cannot be written.
    """
    if found := cached(problem):
        return found
    folder = _folder(problem)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.{mark()}", dir=folder.parent))
    except OSError as failure:
        raise FileProblem(f"{folder}: the compiled program cannot be kept ({failure.strerror}); set CORTEX_SIM_CACHE to another folder.") from None
    try:
        from cortex_sim.simulation.brian import write_program

        write_program(problem, temporary / "source")
        kept = temporary / "kept"
        kept.mkdir()
        for name in ("main", "static_arrays"):
            (temporary / "source" / name).rename(kept / name)
        write_text(kept / "program.json", json.dumps({"sha256": _checksum(kept), "model": problem.model.name}))
        _put(kept, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _put(kept: Path, folder: Path) -> None:
    """Move a built program to its place; keep one that another process put there in the meantime, unless it is damaged."""
    try:
        kept.rename(folder)
    except OSError:
        if (folder / "program.json").exists() and json.loads((folder / "program.json").read_text()).get("sha256") == _checksum(folder):
            return
        shutil.rmtree(folder)
        kept.rename(folder)


def _folder(problem: SpikingProblem) -> Path:
    code = [hashlib.sha256((Path(__file__).parent / name).read_bytes()).hexdigest() for name in WRITTEN]
    key = content_key(problem.structure, code, version("brian2"), version("numpy"), platform.machine(), _processor())
    return cache_folder() / "programs" / f"{re_name(problem.model.name)}-{key[:20]}"


def re_name(name: str) -> str:
    """Return the name with characters that any file system accepts."""
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in name)


def _processor() -> str:
    """Return the processor's features: a program built for one processor may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    except OSError:
        return platform.processor()


def _checksum(folder: Path) -> str:
    digest = hashlib.sha256((folder / "main").read_bytes())
    for path in sorted((folder / "static_arrays").iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def run(problem: SpikingProblem, trials: Sequence[int], folder: Path, report: Callable[[float, str], None], *, at_once: int) -> list[Spiking]:
    """Run a program once for each trial, several at a time, each in its own folder.

    Args:
        problem: circuit and task.
        trials: positions of the trials.
        folder: of the program.
        report: called with the fraction done and a line of text.
        at_once: number of simultaneous runs.

    Raises:
        CardError: the circuit ran away, or the rate of a Poisson input is too high.
        FileProblem: the program failed.
        KeyboardInterrupt: the runs were interrupted; they are stopped and leave nothing behind.
    """
    done = dict.fromkeys(trials, 0.0)
    running: list[subprocess.Popen[str]] = []

    def show(trial: int, share: float) -> None:
        done[trial] = share
        report(sum(done.values()) / len(done), f"{len(trials)} trials" if len(trials) > 1 else "simulated")

    with temporary_folder() as place, _ended(running):
        common = place / "common"
        write_circuit(problem, common)
        jobs = {trial: (problem, trial, folder, common, running, show) for trial in trials}
        return list(workers.map(problem.model.name, _run_one, jobs, workers=at_once, threads=True, report=lambda done, text: None).values())


@contextmanager
def _ended(running: list["subprocess.Popen[str]"]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()


def write_circuit(problem: SpikingProblem, common: Path) -> None:
    """Write what all trials share: parameters, and the synapses of every wire, block by block."""
    for name in ("parameters", "wires"):
        (common / name).mkdir(parents=True)
    for kind in problem.model.neurons:
        for name, value in {**problem.shared(kind), **problem.values(kind)}.items():
            np.atleast_1d(np.asarray(value, dtype=float)).tofile(common / "parameters" / f"{kind}.{name}")
    np.array([problem.duration]).tofile(common / "parameters" / "duration")
    np.array([problem.model.limit.si * problem.model.units]).tofile(common / "parameters" / "ceiling")
    for number, wire in enumerate(problem.wires()):
        count = _write_wire(problem, wire.projections, common / "wires" / str(number))
        for name, value in problem.synaptic(number, count).items():
            value.astype(float).tofile(common / "wires" / f"{number}.{name}")


def _write_wire(problem: SpikingProblem, projections: Sequence[str], stem: Path) -> int:
    """Write synapses as they are drawn, with a delay that all share only once; return their number."""
    same, names, count = same_delay(problem.model, projections), ("pre", "post", "weight", "delay"), 0
    with ExitStack() as stack:
        files = {name: stack.enter_context(open(f"{stem}.{name}", "wb")) for name in names}
        for block in (block for name in projections for block in blocks(problem.model, name)):
            count += len(block.pre)
            for name in names[:3]:
                getattr(block, name).tofile(files[name])
            if not same or not files["delay"].tell():
                delays(block, same).tofile(files["delay"])
    return count


def _run_one(
    problem: SpikingProblem, trial: int, folder: Path, common: Path, running: list["subprocess.Popen[str]"], show: Callable[[int, float], None]
) -> Spiking:
    place = common.parent / f"trial-{trial}"
    _write_trial(problem, trial, place, folder, common)
    with open(place / "errors", "w+") as errors:
        how: dict[str, Any] = {"cwd": place, "env": os.environ | PAGES, "text": True, "start_new_session": True}
        process = subprocess.Popen([str(folder / "main")], stdout=subprocess.PIPE, stderr=errors, **how)  # noqa: S603
        running.append(process)
        assert process.stdout is not None
        share = 0.0
        for line in process.stdout:
            share = float(line.split()[0])
            show(trial, share)
        if process.wait():
            errors.seek(0)
            said = errors.read().strip() or f"no message ({process.returncode})"
            if process.returncode == REFUSED:
                raise CardError(f"{problem.model.name}: {said}")
            raise FileProblem(f"{folder / 'main'}: the program of {problem.model.name} ended with {process.returncode}: {said}")
    found = _read_trial(problem, trial, place / "results")
    if share < 1:
        stopped = f"trial {trial} was stopped at {share * problem.duration:.3f} of {problem.duration:g} s, since all neurons together"
        raise CardError(
            f"{problem.model.name}: {stopped} fired above the limit of {problem.model.limit.si:g} Hz. Weaken excitation, or raise the limit."
        )
    shutil.rmtree(place)
    show(trial, 1.0)
    return found


def _write_trial(problem: SpikingProblem, trial: int, place: Path, folder: Path, common: Path) -> None:
    for name in ("start", "inputs", "results"):
        (place / name).mkdir(parents=True)
    for name, target in (("parameters", common), ("wires", common), ("static_arrays", folder)):
        os.symlink(target / name, place / name)
    for kind, part in problem.model.neurons.items():
        for name, value in problem.start(kind, trial).items():
            np.asarray(value, dtype=float).tofile(place / "start" / f"{kind}.{name}")
        for name in problem.called(kind) + ([HELD] if part.threshold else []):
            source, stem = problem.source(kind, name, trial), place / "inputs" / f"{kind}.{name}"
            head = np.array([source.stream, problem.size(kind), len(source.patterns), problem.steps], dtype=np.uint64)
            parts = {"head": head, "dt": np.array([source.dt, source.most]), "patterns": source.patterns, "courses": source.courses}
            parts |= {"starts": source.starts.astype(np.int64), "events": source.neurons.astype(np.int64)}
            for suffix, array in parts.items():
                array.tofile(f"{stem}.{suffix}")


def _read_trial(problem: SpikingProblem, trial: int, results: Path) -> Spiking:
    when, unit = [], []
    for kind, part in problem.model.neurons.items():
        if part.threshold:
            when.append(np.fromfile(results / f"{kind}.t"))
            unit.append(np.fromfile(results / f"{kind}.i", dtype=np.int32) + problem.first(kind))
    times, units = np.concatenate(when), np.concatenate(unit)
    problem.refuse_runaway(times, units, trial)
    for kind in problem.model.neurons:
        for name in problem.states(kind):
            problem.refuse_nan(kind, name, np.fromfile(results / f"{kind}.{name}.last"), problem.duration)
    return times, units
