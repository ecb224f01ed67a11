"""Running a spiking circuit in NumPy, cython or a compiled program, by predicted waiting time or on request; trials in parallel."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cortex_sim.cards.spiking import SpikingModel, indegree
from cortex_sim.errors import OptionError
from cortex_sim.runtime import cache_folder, say_once, track, warn, workers
from cortex_sim.simulation import _programs as programs
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.trials import Trials

NAMES = {"numpy": "NumPy", "cython": "cython", "standalone": "C++ standalone"}
# Rough waiting times in seconds, from runs on two cores of a server: start, a synapse, a step, a step and neuron
COSTS = {
    "numpy": (1.5, 0.25e-6, 250e-6, 90e-9),
    "cython": (2.0, 0.25e-6, 150e-6, 60e-9),
    "standalone": (0.1, 0.12e-6, 2e-6, 20e-9),
}
COMPILING = {"numpy": 0.0, "cython": 40.0, "standalone": 4.0}
MEMORY = 0.7  # of what is free that simulations may take together
WORTH = 8.0  # s of predicted time from which runs in this process are shared among processes

WHOLE = 1e-6  # of a step: departure from a whole number that is round-off

_said: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Choice:
    """A code target and the predicted waiting times, in s."""

    target: str
    seconds: dict[str, float]
    why: str

    def __str__(self) -> str:
        others = ", ".join(f"{NAMES[name]} {value:.0f} s" for name, value in self.seconds.items() if name != self.target)
        return f"{NAMES[self.target]}, about {self.seconds[self.target]:.0f} s ({self.why}{'; ' + others if others else ''})"


def simulate(problem: SpikingProblem, target: str | None = None) -> Trials:
    """Run a spiking circuit on a task.

    Args:
        problem: circuit and task.
        target: ``"numpy"``, ``"cython"`` or ``"standalone"``; if omitted, the environment variable ``CORTEX_SIM_TARGET``, else the fastest.
            All give the same network and the same noise.

    Raises:
        OptionError: the target is unknown, or needs a compiler that is not installed.
        CardError: Brian2 refuses the circuit, or it ran away.
    """
    choice = choose(problem, target or os.environ.get("CORTEX_SIM_TARGET") or None)
    if (problem.model.name, choice.target) not in _said:
        _said.add((problem.model.name, choice.target))
        warn(f"{problem.model.name}: {choice}")
    for line in rounded_delays(problem.model):
        say_once(line)
    trials = range(problem.task.trials)
    with track(f"{problem.model.name} in Brian2, {problem.model.units} neurons, {problem.task.trials} trials") as report:
        if choice.target == "standalone":
            report(0.0, "building the program")
            folder = programs.build(problem)
            spikes = programs.run(problem, trials, folder, report, at_once=_workers(problem))
        else:
            spikes = _in_process(problem, choice, trials, report)
    return problem.observe(spikes, choice.target)


def rounded_delays(model: SpikingModel) -> list[str]:
    """Return a sentence for each delay that is rounded to a whole number of steps; random delays are drawn in whole steps."""
    said = []
    for name, projection in model.projections.items():
        if projection.delay is None or projection.delay.sd:
            continue
        given = np.unique(np.asarray(projection.delay.spread((len(projection.targets), len(projection.sources)), "delay")))
        steps = given / model.dt.si
        for value, taken in zip(given[np.abs(steps - np.rint(steps)) > WHOLE], np.rint(steps)[np.abs(steps - np.rint(steps)) > WHOLE], strict=True):
            whole = f"no whole number of steps of {model.dt.si * 1e3:g} ms; synapses take {taken * model.dt.si * 1e3:g} ms"
            said.append(f"{model.name}: delay of {value * 1e3:g} ms of projection {name!r} is {whole}")
    return said


def choose(problem: SpikingProblem, target: str | None = None) -> Choice:
    """Return the requested code target, or else the one with the shortest predicted wait.

    Raises:
        OptionError: as :func:`simulate`.
    """
    if target is not None and target not in NAMES:
        raise OptionError(f"target {target!r} is unknown. Choose from {', '.join(map(repr, NAMES))}.")
    if not programs.has_compiler():
        if target not in (None, "numpy"):
            raise OptionError(f"target {target!r} needs a C++ compiler, which is absent; install one, or take 'numpy'.")
        return Choice("numpy", {"numpy": predicted(problem, "numpy")}, "no C++ compiler found; with one it would be faster")
    seconds = {name: predicted(problem, name) for name in NAMES}
    chosen = target or min(seconds, key=lambda name: seconds[name])
    return Choice(chosen, seconds, "as asked" if target else "built earlier" if _ready(problem, chosen) and chosen != "numpy" else "quickest")


def predicted(problem: SpikingProblem, target: str) -> float:
    """Return the predicted wait for a target, s, with compilation if it is needed."""
    start, synapse, step, neuron = COSTS[target]
    at_once = _workers(problem) if target == "standalone" else 1
    rounds = -(-problem.task.trials // at_once)
    running = rounds * (problem.steps * (step + neuron * problem.model.units) + synapse * synapses(problem) * (target == "standalone"))
    return start + (0.0 if _ready(problem, target) else COMPILING[target]) + synapse * synapses(problem) + running


def synapses(problem: SpikingProblem) -> float:
    """Return the expected number of synapses."""
    total = 0.0
    for part in problem.model.projections.values():
        shape = (len(part.targets), len(part.sources))
        for row, target in enumerate(part.targets):
            for column, source in enumerate(part.sources):
                arguments = {name: float(table.spread(shape, name)[row, column]) for name, table in part.arguments.items()}
                total += _pair(problem, part.rule, (source, target), arguments)
    return total


def _pair(problem: SpikingProblem, rule: str, ends: tuple[str, str], arguments: dict[str, float]) -> float:
    sizes = [problem.model.size(end) for end in ends]
    if rule in ("fixed_indegree", "fixed_total", "bernoulli", "all_to_all"):
        return indegree(problem.model, rule, ends, arguments) * problem.model.scale * sizes[1]
    return float(sizes[0] if rule == "to_linked" else np.prod(sizes))


def _workers(problem: SpikingProblem) -> int:
    """Return how many compiled runs go at once: one per core or trial, unless memory is short."""
    from joblib import cpu_count

    each = 50e6 + programs.SYNAPSE * synapses(problem)
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4e9
    return max(1, min(int(cpu_count()), problem.task.trials, int(MEMORY * free / each)))


def _ready(problem: SpikingProblem, target: str) -> bool:
    return target == "numpy" or (programs.cached(problem) is not None if target == "standalone" else _warm(problem).exists())


def _warm(problem: SpikingProblem) -> Path:
    """Return the path of a file whose presence says that the modules of a structure were compiled."""
    return cache_folder() / "cython" / f"{problem.structure[:20]}.warm"


def _in_process(problem: SpikingProblem, choice: Choice, trials: Sequence[int], report: Callable[[float, str], None]) -> list[programs.Spiking]:
    from cortex_sim.simulation.brian import _runtime as runtime

    shares = min(os.cpu_count() or 1, len(trials))
    if shares > 1 and choice.seconds.get(choice.target, 0.0) > WORTH:
        parts = {f"trials {part[0]} to {part[-1]}": (problem, part.tolist(), choice.target) for part in np.array_split(np.asarray(trials), shares)}
        spikes = [one for part in workers.map(problem.model.name, _apart, parts, tells=True, report=report).values() for one in part]
    else:
        spikes = runtime.run(problem, trials, choice.target, report)
    if choice.target == "cython":
        _warm(problem).touch()
    return spikes


def _apart(problem: SpikingProblem, trials: list[int], target: str, report: Callable[[float, str], None]) -> list[programs.Spiking]:
    from cortex_sim.simulation.brian import _runtime as runtime

    return runtime.run(problem, trials, target, report)
