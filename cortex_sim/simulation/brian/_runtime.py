"""Spiking circuits run by Brian2 in this process, with NumPy or Cython code."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import brian2 as b2
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.errors import CardError
from cortex_sim.runtime import Report, cache_folder
from cortex_sim.simulation._spiking_problem import HELD, SpikingProblem
from cortex_sim.simulation.brian._calls import sentence_of, stopped_cleanly, uncollected
from cortex_sim.simulation.brian._circuit import Circuit, assemble, wired
from cortex_sim.tasks import Task
from cortex_sim.trials import Spikes, Trials

CHECKED = 0.01  # s of biological time between looks for a circuit that runs away
FEW = 8  # neurons of each population that a check runs
Spiking = tuple[Float[ndarray, " spike"], Int[ndarray, " spike"]]


def run(problem: SpikingProblem, trials: Sequence[int], target: str, report: Report) -> list[Spiking]:
    """Run trials one after another in one network and return their spikes.

    Args:
        problem: circuit and task.
        trials: positions of the trials.
        target: ``"numpy"`` or ``"cython"``.
        report: called with the completed fraction and a line of text.

    Returns:
        Times (s from the start) and neurons of the spikes of each trial.

    Raises:
        CardError: Brian2 refuses the circuit, or its activity ran away.
        KeyboardInterrupt: the run was interrupted.
    """
    with uncollected(), _target(target), stopped_cleanly() as asked:
        return _trials(problem, trials, report, asked)


def _trials(problem: SpikingProblem, trials: Sequence[int], report: Report, asked: list[int]) -> list[Spiking]:
    circuit = sentence_of(problem.model.name, lambda: _connected(problem))
    network = circuit.network
    network.store()
    found: list[Spiking] = []
    for number, trial in enumerate(trials):
        if asked:
            break
        network.restore()
        _begin(problem, circuit, trial)
        watch = _Watch(problem, circuit, trial, lambda done, n=number: report((n + done) / len(trials), f"trial {n + 1} of {len(trials)}"))
        network.add(watch)
        sentence_of(problem.model.name, lambda: network.run((problem.steps - 0.5) * problem.dt * b2.second, namespace={}))
        network.remove(watch)
        found.append(watch.finished())
    return found


def check(model: SpikingModel, task: Task) -> None:
    """Check a spiking circuit in Brian2, units included, and run a few neurons of each population on a task.

    Raises:
        CardError: Brian2's own message, with the card's name in front.
    """
    populations = {name: part.model_dump() | {"size": min(part.size, FEW)} if model.neurons[part.neurons].threshold else part.model_dump()
                   for name, part in model.populations.items()}  # fmt: skip
    few = model.changed(populations=populations, scale=1.0, limit=model.limit.model_dump() | {"value": 1e9})
    recordings = {name: _silence(few, task, name) for name, part in few.inputs.items() if part.kind == "recorded"}
    run(SpikingProblem(few, replace(task, recordings=recordings)), [0], "numpy", lambda done, text: None)


def _silence(model: SpikingModel, task: Task, name: str) -> Trials:
    problem = SpikingProblem(model, task)
    units = max(problem.size(kind) for kind in model.neurons if name in problem.called(kind))
    return Trials.from_spikes(Spikes(np.empty(0), np.empty(0, int), np.empty(0, int)), problem.task.time, units=units, condition=[0])


@contextmanager
def _target(name: str) -> Iterator[None]:
    before = b2.prefs.codegen.target, b2.prefs.codegen.runtime.cython.cache_dir
    b2.prefs.codegen.target = name
    folder = cache_folder() / "cython"
    if name == "cython":
        folder.mkdir(parents=True, exist_ok=True)
        b2.prefs.codegen.runtime.cython.cache_dir = str(folder)
    try:
        yield
    finally:
        b2.prefs.codegen.target, b2.prefs.codegen.runtime.cython.cache_dir = before


def _connected(problem: SpikingProblem) -> Circuit:
    """Return the circuit with its parameters and synapses."""
    circuit = assemble(problem, compiled=False)
    for kind, group in circuit.groups.items():
        for name, value in {**problem.shared(kind), **problem.values(kind)}.items():
            group.variables[name].set_value(value)
    for number, (synapses, wire) in enumerate(zip(circuit.synapses, problem.wires(), strict=True)):
        pre, post, weight, delay = wired(problem, wire)
        if not len(pre):
            synapses.active = False
            continue
        synapses.connect(i=pre, j=post)
        synapses.variables["w"].set_value(weight.astype(float))
        for name, value in problem.synaptic(number, len(pre)).items():
            synapses.variables[name].set_value(value)
        if delay.any() and problem.model.synapses[wire.synapse].on_pre:
            synapses.pre.variables["delay"].set_value(np.broadcast_to(delay.astype(float), len(pre)))
    circuit.synapses = [synapses for synapses in circuit.synapses if synapses.active]
    return circuit


def _begin(problem: SpikingProblem, circuit: Circuit, trial: int) -> None:
    for kind, group in circuit.groups.items():
        for name, value in problem.start(kind, trial).items():
            group.variables[name].set_value(value)
        names = problem.called(kind) + ([HELD] if "held" in group.variables else [])
        circuit.sources.update({(kind, name): problem.source(kind, name, trial) for name in names})


class _Watch(b2.NetworkOperation):
    """Every 10 ms, shows progress and stops a circuit whose states are not finite or whose firing runs away."""

    def __init__(self, problem: SpikingProblem, circuit: Circuit, trial: int, show: object) -> None:
        self.problem, self.circuit, self.trial, self.show = problem, circuit, trial, show
        self.failure: CardError | None = None
        super().__init__(self.look, dt=max(CHECKED, problem.dt) * b2.second, when="end", name="watch*")

    def look(self) -> None:
        now = float(self.clock.variables["t"].get_value()[0])
        self.show(now / self.problem.duration)  # type: ignore[operator]
        try:
            for kind, group in self.circuit.groups.items():
                for name in self.problem.states(kind):
                    self.problem.refuse_nan(kind, name, group.variables[name].get_value(), now)
            self.problem.refuse_runaway(*self._spikes(since=now - 3 * CHECKED), self.trial)
        except CardError as failure:
            self.failure = failure
            b2.stop()

    def finished(self) -> Spiking:
        """Return the trial's spikes, or raise an error if it was stopped."""
        if self.failure:
            raise self.failure
        return self._spikes()

    def _spikes(self, since: float = -1.0) -> Spiking:
        parts = []
        for kind, monitor in self.circuit.monitors.items():
            when = np.asarray(monitor.variables["t"].get_value())
            first = np.searchsorted(when, since) if since > 0 else 0
            parts.append((when[first:].copy(), np.asarray(monitor.variables["i"].get_value())[first:] + self.problem.first(kind)))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
