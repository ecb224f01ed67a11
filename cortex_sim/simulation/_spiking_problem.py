"""Runs of a spiking circuit on a task, as arrays for neurons, synapses and inputs, the same for every code target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards.spiking import Neurons, SpikingModel, equation_lines, indegree, lag, offset, read_late, statement_names, written_equations
from cortex_sim.errors import CardError, TaskError, suggestion
from cortex_sim.runtime import content_key, seed_of, stream, too_large
from cortex_sim.simulation._problem import MOST
from cortex_sim.simulation._spiking_inputs import MANY, SPARSE, Source
from cortex_sim.tasks import Task
from cortex_sim.trials import Spikes, Trials

WINDOW = 0.02  # s, in which a population's rate is watched
USUAL = "drive"  # input that drives go to unless they name another, where several listen to drives
HELD = "silencing"  # name of the input that keeps neurons from firing
ALIKE = np.zeros((0, 0))


class Wire(NamedTuple):
    """Projections that share their synapses and the kinds of neurons at both ends."""

    synapse: str
    pre: str
    post: str
    projections: tuple[str, ...]


@dataclass(frozen=True)
class SpikingProblem:
    """A spiking circuit and a task, expressed in the circuit's neurons and steps.

    Attributes:
        model: to run.
        task: to run it on.
        seed: of what differs from trial to trial: initial states, noise and Poisson inputs.

    Raises:
        TaskError: the task does not fit the circuit.
    """

    model: SpikingModel
    task: Task
    seed: int = 0

    def __post_init__(self) -> None:
        grids = {f"the task's {self.task.step * 1e3:g} ms grid": self.task.step, f"the {self.task.bin * 1e3:g} ms bin": self.task.bin}
        for label, long in grids.items():
            if self.dt > long or abs(long / self.dt - round(long / self.dt)) > 1e-6:
                raise TaskError(f"{self.model.name}: dt {self.dt * 1e3:g} ms should divide {label}.")
        if self.task.bins * self.task.bin / self.dt > MOST:
            raise TaskError(
                f"{self.model.name}: dt {self.dt * 1e3:g} ms makes {self.steps:.2g} steps; at most {MOST:.0e} are run. Take a longer one."
            )
        if self.task.initial is not None:
            raise TaskError(f"{self.model.name}: a spiking circuit starts from its card's initial states; task {self.task.name!r} gives rates.")
        given = {"channels": self.task.channels, "a body": self.task.body, "loads": self.task.loads or None, "feeling": self.task.feeling}
        if unused := [name for name, part in given.items() if part is not None]:
            cure = "give it drives into its inputs instead: replace(task, channels=None, body=None, drives=...)"
            raise TaskError(f"task {self.task.name!r}: has {unused[0]}, of which the spiking circuit {self.model.name} hears nothing; {cure}.")
        for drive in self.task.drives:
            kind, size = self._listener(drive.into, drive.name)
            if drive.pattern.shape[1] != size:
                found = f"{drive.name} is for {drive.pattern.shape[1]} units"
                raise TaskError(f"task {self.task.name!r}: {found}; {kind} of {self.model.name} is heard by {size}.")
        for name, recording in self.task.recordings.items():
            self._check_recording(name, recording)
        held = sum(lag * self.size(wire.pre) for wire in self.wires() for _, lag in self.late(wire))
        if problem := too_large(8.0 * held, "what is on its way through continuous coupling"):
            raise TaskError(f"{self.model.name}: {problem}; shorten its delay, or lengthen dt.")

    def _listener(self, into: str, label: str) -> tuple[str, int]:
        """Return the input that a drive goes to, for messages, and the number of neurons that receive it."""
        known = [name for name, part in self.model.inputs.items() if part.kind == "drive"]
        name = into or self.usual
        if name not in known:
            raise TaskError(f"task {self.task.name!r}: {label} goes to the input {name!r}, which {self.model.name} lacks. {suggestion(name, known)}")
        return f"input {name!r}", max((self.size(kind) for kind in self.model.neurons if name in self.called(kind)), default=0)

    @property
    def usual(self) -> str:
        """Input for drives that name none: the only one that takes drives, else the one called ``drive``."""
        listening = [name for name, part in self.model.inputs.items() if part.kind == "drive"]
        return listening[0] if len(listening) == 1 else USUAL

    def _check_recording(self, name: str, recording: Trials) -> None:
        known = [label for label, part in self.model.inputs.items() if part.kind == "recorded"]
        if name not in known:
            raise TaskError(f"task {self.task.name!r}: recording {name!r} is no recorded input of {self.model.name}. {suggestion(name, known)}")
        if recording.shape[0] != self.task.trials:
            raise TaskError(f"task {self.task.name!r}: recording {name!r} has {recording.shape[0]} trials; the task has {self.task.trials}.")
        sizes = [self.size(kind) for kind in self.model.neurons if name in self.called(kind)]
        if sizes and recording.shape[2] != sizes[0]:
            raise TaskError(f"task {self.task.name!r}: recording {name!r} has {recording.shape[2]} units; {self.model.name} plays {sizes[0]}.")

    @property
    def dt(self) -> float:
        """Integration step, s."""
        return self.model.dt.si

    @property
    def steps(self) -> int:
        """Number of integration steps."""
        return round(self.task.bins * self.task.bin / self.dt)

    @property
    def duration(self) -> float:
        """Biological time of a trial, s."""
        return self.steps * self.dt

    def size(self, kind: str) -> int:
        """Return the number of neurons of a kind."""
        return sum(self.model.size(name) for name in self.model.members(kind))

    def called(self, kind: str) -> list[str]:
        """Return the inputs that a kind of neurons calls, in the order of the card."""
        return [name for name in self.model.inputs if name in statement_names(self.model.neurons[kind].each_step, kind, tuple(self.model.inputs))]

    def wires(self) -> list[Wire]:
        """Return the projections, grouped by what Brian2 runs as one set of synapses."""
        found: dict[tuple[str, str, str], list[str]] = {}
        for name, part in self.model.projections.items():
            pre, post = (self.model.populations[side[0]].neurons for side in (part.sources, part.targets))
            found.setdefault((part.synapse, pre, post), []).append(name)
        return [Wire(*ends, tuple(names)) for ends, names in found.items()]

    def late(self, wire: Wire) -> list[tuple[str, int]]:
        """Return the variables of the source that the equations of synapses read as they were a delay ago, and the delay in steps."""
        steps = lag(self.model, wire.projections[0])
        return [(name, steps) for name in read_late(self.model, wire.projections[0])] if steps else []

    def spread(self, kind: str) -> list[str]:
        """Return the parameters of a kind that may differ between neurons; the form of the card decides, not its numbers."""
        part = self.model.neurons[kind]
        own = {name for population in self.model.members(kind) for name in self.model.populations[population].parameters}
        scaled = set(self.model.scaling.model_dump().values()) - {self.model.scaling.charge} if self.model.scaling else set()
        return [name for name, value in part.parameters.items() if name in own | scaled or value.shape != "same"]

    def shared(self, kind: str) -> dict[str, float]:
        """Return the parameters of a kind that are one number, in SI units."""
        return {name: value.si for name, value in self.model.neurons[kind].parameters.items() if name not in self.spread(kind)}

    def values(self, kind: str) -> dict[str, Float[ndarray, " neuron"]]:
        """Return the parameters of a kind that differ between neurons, in SI units, rescaled if the circuit is scaled down."""
        found = {name: self._drawn(kind, number, name) for number, name in enumerate(self.spread(kind))}
        if self.model.scaling and self.model.scale < 1 and self.model.neurons[kind].threshold:
            found |= self._scaled(kind, found)
        return found

    def _drawn(self, kind: str, number: int, name: str) -> Float[ndarray, " neuron"]:
        rng = stream(self.model.seed, "circuit", "parameters of neurons", list(self.model.neurons).index(kind), number)
        common, parts = self.model.neurons[kind].parameters[name], [(n, self.model.populations[n]) for n in self.model.members(kind)]
        return np.concatenate([part.parameters.get(name, common).draw(self.model.size(n), rng) for n, part in parts])

    def _scaled(self, kind: str, found: Mapping[str, ndarray]) -> dict[str, Float[ndarray, " neuron"]]:
        """Return parameters that make up for the input a smaller circuit lacks; see :class:`cortex_sim.cards.spiking._fields.Scaling`."""
        scaling, root = self.model.scaling, np.sqrt(self.model.scale)
        assert scaling is not None
        count, weight, rate = (found[name] for name in (scaling.external_count, scaling.external_weight, scaling.external_rate))
        charge = self.model.neurons[kind].parameters[scaling.charge].si
        inside = np.concatenate([np.full(self.model.size(n), self.expected_input(n)) for n in self.model.members(kind)])
        constant = found[scaling.input] + charge * (1 - root) * (inside + weight * count * rate)
        return {scaling.input: constant, scaling.external_count: count * self.model.scale, scaling.external_weight: weight / root}

    def expected_input(self, population: str) -> float:
        """Return the sum of weight x in-degree x rate over all sources of a population at full scale, in the synapses' unit times Hz."""
        total = 0.0
        for projection in self.model.projections.values():
            if population not in projection.targets:
                continue
            shape, row = (len(projection.targets), len(projection.sources)), projection.targets.index(population)
            weight = projection.weight.spread(shape, "weight")[row]
            for column, source in enumerate(projection.sources):
                arguments = {name: float(table.spread(shape, name)[row, column]) for name, table in projection.arguments.items()}
                rate = self.model.populations[source].rate
                total += weight[column] * indegree(self.model, projection.rule, (source, population), arguments) * (rate.si if rate else 0.0)
        return total

    def start(self, kind: str, trial: int) -> dict[str, Float[ndarray, " neuron"]]:
        """Return the states at the start of a trial, in SI units; states that the card does not name start at 0."""
        part, where = self.model.neurons[kind], list(self.model.neurons).index(kind)
        found = {}
        for number, (name, value) in enumerate(part.start.items()):
            rng = stream(self.seed, "circuit", "first states of neurons", trial, where, number)
            found[name] = value.draw(self.size(kind), rng)
        return found

    def synaptic(self, number: int, count: int) -> dict[str, Float[ndarray, " synapse"]]:
        """Return states and constants of a wire's synapses at the start of every trial, in SI units; those that the card does not name start at 0.

        Args:
            number: of the wire.
            count: number of its synapses.
        """
        start = self.model.synapses[self.wires()[number].synapse].start
        rngs = (stream(self.model.seed, "circuit", "first states of synapses", number, place) for place in range(len(start)))
        return {name: value.draw(count, rng) for (name, value), rng in zip(start.items(), rngs, strict=True)}

    def states(self, kind: str) -> list[str]:
        """Return the variables of a kind that an integrator advances."""
        return sorted(line.name for line in equation_lines(self.model.neurons[kind].equations, kind) if line.derivative)

    def source(self, kind: str, name: str, trial: int) -> Source:
        """Return the values of an input to a kind of neurons in a trial."""
        place = (*self.model.inputs, HELD).index(name)
        number = seed_of(self.seed, "circuit", "inputs of neurons", trial, list(self.model.neurons).index(kind), place)
        type_ = "drive" if name == HELD else self.model.inputs[name].kind
        patterns, courses = self._held(kind) if name == HELD else self._driven(kind, name, trial) if type_ == "drive" else (ALIKE, ALIKE)
        starts, neurons = self._recorded(kind, name, trial) if type_ == "recorded" else (np.zeros(0, np.int64), np.zeros(0, np.int64))
        most = MANY if self.states(kind) else SPARSE  # neurons without a state of their own only pass events on, one spike a step
        return Source(type_, number, self.dt, most, patterns, courses, starts, neurons)

    def _driven(self, kind: str, name: str, trial: int) -> tuple[ndarray, ndarray]:
        drives = [d for d in self.task.drives if (d.into or self.usual) == name and d.course.any() and d.pattern[trial].any()]
        if not drives:
            return np.zeros((0, self.size(kind))), np.zeros((0, self.steps))
        return np.stack([drive.pattern[trial] for drive in drives]), np.stack([self.resample(drive.course) for drive in drives])

    def _held(self, kind: str) -> tuple[ndarray, ndarray]:
        """Return the neurons held at zero firing: 1 where and when a clamp holds them."""
        first, size = self.first(kind), self.size(kind)
        rows = [((clamp.units >= first) & (clamp.units < first + size), clamp) for clamp in self.task.clamps]
        patterns = np.zeros((len(rows), size))
        for row, (inside, clamp) in zip(patterns, rows, strict=True):
            row[clamp.units[inside] - first] = 1.0
        courses = [self.resample(clamp.course.astype(float)) for _, clamp in rows]
        return patterns, np.stack(courses) if courses else np.zeros((0, self.steps))

    def _recorded(self, kind: str, name: str, trial: int) -> tuple[ndarray, ndarray]:
        if name not in self.task.recordings:
            raise TaskError(f"task {self.task.name!r}: {self.model.name} plays the recording {name!r}; give it in recordings.")
        when, unit, of = self.task.recordings[name].spikes
        chosen = of == trial
        step = np.floor((when[chosen] - self.task.start) / self.dt + 1e-6).astype(np.int64)
        inside = (step >= 0) & (step < self.steps)
        step, unit = step[inside], unit[chosen][inside].astype(np.int64)
        order = np.lexsort((unit, step))
        step, unit = step[order], unit[order]
        if (twice := np.flatnonzero((np.diff(step) == 0) & (np.diff(unit) == 0))).size:
            found = f"unit {unit[twice[0]]} has two spikes within the step at {step[twice[0]] * self.dt + self.task.start:.4f} s of trial {trial}"
            raise TaskError(f"task {self.task.name!r}: recording {name!r}: {found}; one of them would be lost. Shorten dt ({self.dt * 1e3:g} ms).")
        return np.searchsorted(step, np.arange(self.steps + 1)), unit

    def resample(self, course: Float[ndarray, " fine"]) -> Float[ndarray, " step"]:
        """Return a course on the circuit's steps instead of the task's fine grid."""
        return np.repeat(course, round(self.task.step / self.dt))[: self.steps]

    def first(self, kind: str) -> int:
        """Return the unit number of the first neuron of a kind that fires."""
        kinds = [name for name, part in self.model.neurons.items() if part.threshold]
        return sum(self.size(name) for name in kinds[: kinds.index(kind)]) if kind in kinds else 0

    @cached_property
    def structure(self) -> str:
        """Hash of all that a compiled program depends on: texts, sizes, step and names, but not parameters, synapses, inputs, seed or duration."""
        kinds = {name: part.model_dump(exclude={"parameters", "start"}) for name, part in self.model.neurons.items()}
        layout = {name: [self.size(name), list(self.shared(name)), self.spread(name), list(part.start)] for name, part in self.model.neurons.items()}
        links = {name: [p.neurons, self.model.size(name), p.first, p.each] for name, p in self.model.populations.items()}
        inputs = {name: [part.kind, part.unit] for name, part in self.model.inputs.items()}
        units = {name: [[n, v.unit] for n, v in part.parameters.items()] for name, part in self.model.neurons.items()}
        synapses = {name: part.model_dump() for name, part in self.model.synapses.items()}
        return content_key(kinds, layout, links, inputs, units, synapses, [[*wire[:3], self.late(wire)] for wire in self.wires()], self.dt)

    def observe(self, spikes: Sequence[tuple[ndarray, ndarray]], target: str) -> Trials:
        """Return trials, given the times (s from the start of the run) and units of each trial's spikes."""
        when = np.concatenate([one[0] for one in spikes]) + self.task.start
        unit = np.concatenate([one[1] for one in spikes])
        trial = np.repeat(np.arange(len(spikes)), [len(one[0]) for one in spikes])
        made = {"model": self.model.name, "model_key": self.model.key, "task": self.task.name, "seed": self.seed, "dt_s": self.dt, "target": target}
        return Trials.from_spikes(
            Spikes(when, unit, trial), self.task.time, units=self.model.units, condition=self.task.condition,
            population=self.model.population, provenance=made,
        )  # fmt: skip

    def refuse_runaway(self, when: Float[ndarray, " spike"], unit: ndarray, trial: int) -> None:
        """Check that the spikes are not those of a circuit that ran away.

        Raises:
            CardError: they are; the message says which population, when, at what rate, and what to try.
        """
        edges = np.cumsum([0] + [self.model.size(name) for name in self.model.firing])
        for name, low, high in zip(self.model.firing, edges, edges[1:], strict=False):
            own = when[(unit >= low) & (unit < high)]
            count = np.bincount((own / WINDOW).astype(int)) if own.size else np.zeros(1)
            rate = count / (high - low) / WINDOW
            if (over := np.flatnonzero(rate > self.model.limit.si)).size:
                found = f"population {name!r} fires at {rate[over[0]]:.0f} Hz at {over[0] * WINDOW:.2f} s of trial {trial}"
                raise CardError(
                    f"{self.model.name}: {found}, over the limit of {self.model.limit.si:g} Hz, so the run was stopped. "
                    "Weaken excitation or its delays, strengthen inhibition, or raise the card's limit if it should fire that fast."
                )

    def refuse_nan(self, kind: str, state: str, values: ndarray, when: float) -> None:
        """Check that a state is finite.

        Raises:
            CardError: it is not; the message says which population and variable, by when, and what to try.
        """
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            names = self.model.members(kind)
            name = names[int(np.searchsorted([offset(self.model, n) for n in names], bad[0], side="right")) - 1]
            found = f"population {name!r}: {state} of neuron {bad[0] - offset(self.model, name)} is {values[bad[0]]} by {when:.3f} s"
            advice = "shorten dt, weaken the weights, or check what the equations divide by"
            raise CardError(f"{self.model.name}: {found} ({bad.size} neurons); {advice}.")


def kind_text(part: Neurons, shared: Sequence[str], spread: Sequence[str], units: Mapping[str, str]) -> str:
    """Return the equation text of a kind of neurons with its parameters declared, as Brian2 runs it."""
    lines = [f"{name} : {units[name]} (shared, constant)" for name in shared] + [f"{name} : {units[name]} (constant)" for name in spread]
    return "\n".join([written_equations(part.equations), *lines])
