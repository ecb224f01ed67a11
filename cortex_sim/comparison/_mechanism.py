"""How close a student comes to the known mechanism of a simulated circuit, and how similar measures of activity find them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.analysis import (
    Currents,
    Side,
    Spectrum,
    current_correlations,
    currents,
    explored_flow,
    fixed_points,
    flow_distance,
    observed_rates,
    points_distance,
    spectral_distance,
    spectrum,
)
from cortex_sim.cards import Model
from cortex_sim.comparison._measures import MEASURES
from cortex_sim.comparison._response import left_free, response_r2
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import doored, stream
from cortex_sim.simulation import Problem, recurrent_projections, simulate
from cortex_sim.simulation.torch import trajectory
from cortex_sim.statistics import spike_averages
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

PUSHES: str = "responses to unseen pushes"
INSIDE: str = "responses to pushes within the leading components"
MODES: str = "slowest modes"
FLOW: str = "flow in the explored subspace"
FIXED: str = "fixed points"
CURRENTS: str = "currents between halves"
TRUTHS = (PUSHES, INSIDE, MODES, FLOW, FIXED, CURRENTS)
POINTS, EXPLORED = ((0, 0.1), (1, 0.1), (2, 0.2), (3, 0.2)), 6  # condition and s after the go cue where the flow is taken; axes
SEARCHES = 64  # for fixed points
FROM_SPIKES = " by spikes"
ALONE = "without connections"
Rates = Float[ndarray, "condition time unit"]
WORST = -1.0  # what a response explained worse than this counts as; ranks hardly feel it


@dataclass(frozen=True)
class Electrodes:
    """Rates observed as smoothed spikes, averaged over trials, and converted back to the unit of the rates.

    Attributes:
        base: firing rate at rest, Hz.
        depth: firing rate that corresponds to one ``spread``, Hz.
        repeats: number of trials per condition.
        smoothed: standard deviation of the Gaussian kernel, s.
        rest: rates of the units at rest.
        spread: typical standard deviation of a unit's rate.
        seed: of the spikes.
    """

    base: float
    depth: float
    repeats: int
    smoothed: float
    rest: Float[ndarray, " unit"]
    spread: float
    seed: int

    def see(self, rates: Float[ndarray, "condition time unit"], place: int, bin: float) -> Float[ndarray, "condition time unit"]:
        """Return observed rates, with new spikes for each place; bins are in s."""
        rng = stream(self.seed, "analysis", "spikes seen", place)
        fired = self.base + self.depth * (rates - self.rest) / self.spread
        averages = spike_averages(fired, bin, repeats=self.repeats, sd=self.smoothed, rng=rng)
        return (averages - self.base) / self.depth * self.spread + self.rest

    def of(self, side: Side, place: int) -> Side:
        """Return a task and its trials as observed; the task starts from the observed initial rates."""
        rate = self.see(side.trials.rate, place, side.trials.bin)
        task = side.task.window(side.task.start, side.task.stop, initial=rate[:, 0])
        return Side(task, Trials.from_arrays(rate, side.trials.time, condition=side.trials.condition))


@doored("of")
@dataclass(frozen=True)
class CircuitTruths:
    """Known mechanisms of a circuit on a task.

    Attributes:
        axes: directions that its rates explore most, (unit, axis).
        flows: flow along them at selected points, 1/s.
        points: rates at its fixed points.
        stable: number of stable fixed points.
        sent: currents from each half of its units to each half, minus their means, in the unit of its state.
        spread: square root of the total variance of its rates.
    """

    axes: Float[ndarray, "unit axis"]
    flows: Sequence[Float[ndarray, "axis axis"]]
    points: Float[ndarray, "point unit"]
    stable: int
    sent: Currents
    spread: float

    @classmethod
    def of(cls, circuit: Model, task: Task, rates: Float[ndarray, "condition time unit"], seed: int) -> "CircuitTruths":
        """Return the known mechanisms of the circuit.

        Raises:
            ComparisonError: it sends no currents between its units, or rates are not those of its units.
        """
        sent = _sent(circuit, rates)
        if sent is None:
            raise ComparisonError(f"{circuit.name}: should be a circuit of connected units, each of which is observed; its currents are compared.")
        flat = rates.reshape(-1, circuit.units)
        axes = np.linalg.eigh(np.cov(flat, rowvar=False))[1][:, ::-1][:, :EXPLORED]
        states = _states(circuit, task)
        flows = [explored_flow(circuit, state, axes) for state in _passed(states, task)]
        return cls(axes, flows, *_fixed(circuit, states, seed), sent, float(np.sqrt(flat.var(axis=0).sum())))

    def apart(self, student: Model, task: Task, rates: Float[ndarray, "condition time unit"], seed: int) -> dict[str, float]:
        """Return the distances of a student with these rates on the task from the circuit, by mechanism; NaN if the student has no counterpart."""
        states, sent = _states(student, task), _sent(student, rates)
        own = [explored_flow(student, state, self.axes) for state in _passed(states, task)]
        return {
            FLOW: float(np.mean([flow_distance(*pair) for pair in zip(self.flows, own, strict=True)])),
            FIXED: points_distance(self.points, _fixed(student, states, seed)[0]) / self.spread,
            CURRENTS: float("nan") if sent is None else 1 - float(np.mean(list(current_correlations(self.sent, sent).values()))),
        }


@dataclass(frozen=True)
class Cell:
    """One circuit, observed fully or partially, and the test battery for its students.

    Attributes:
        circuit: its name.
        model: the circuit.
        share: fraction of its units that is observed.
        seed: of this draw.
        training: training conditions for students, of the observed units.
        test: test conditions.
        pushed: tasks for students with pushes and silencing.
        changed: the response of the circuit's observed units to each of them.
        modes: spectrum of the circuit about rest.
        stable: number of its stable fixed points.
        known: other known mechanisms; None if it is observed partially, or through spikes.
        electrodes: through which it and its students are observed; None if rates are observed directly.
        inside: tasks with pushes within the leading components of the observed rates.
        changed_inside: the response of the circuit's observed units to each of them.
        alone: explained fraction of the responses by the circuit's own units without their connections, by truth.
    """

    circuit: str
    model: Model
    share: float
    seed: int
    training: Side
    test: Side
    pushed: Sequence[Task]
    changed: Sequence[Float[ndarray, "condition time unit"]]
    modes: Spectrum
    stable: int
    known: CircuitTruths | None
    electrodes: Electrodes | None
    inside: Sequence[Task] = ()
    changed_inside: Sequence[Float[ndarray, "condition time unit"]] = ()
    alone: Mapping[str, float] = field(default_factory=dict)

    @property
    def view(self) -> str:
        """Return a description of what is observed of the circuit."""
        return f"{self.share:.0%}{FROM_SPIKES if self.electrodes else ''}"


@dataclass(frozen=True)
class Reading:
    """Results for the students of a cell, one number per student.

    Attributes:
        cell: the cell.
        students: their names.
        alike: similarity by measure; higher means more similar.
        halves: explained fraction of the responses, for each half of the pushes.
        slowest: decay rate of each student's slowest mode, 1/s; negative if it grows.
        stable: number of stable fixed points of those students for which they are counted.
        truths: closeness to the circuit by known mechanism; higher means closer; NaN if it is unknown or undefined for the student.
    """

    cell: Cell
    students: tuple[str, ...]
    alike: Mapping[str, Float[ndarray, " student"]]
    halves: tuple[Float[ndarray, " student"], Float[ndarray, " student"]]
    slowest: Float[ndarray, " student"]
    stable: Mapping[str, int]
    truths: Mapping[str, Float[ndarray, " student"]]

    def slower(self, student: str) -> bool:
        """Return whether the student's slowest mode decays more slowly than the circuit's."""
        return bool(self.slowest[self.students.index(student)] < -self.cell.modes.eigenvalues[0].real)

    def more_attractors(self, student: str) -> bool:
        """Return whether the student has more stable fixed points than the circuit."""
        return self.stable[student] > self.cell.stable


def mean_distance(readings: Sequence[Reading], student: str, truth: str) -> float:
    """Return the distance of a student from its circuit by a known mechanism, mean over the cells that have it."""
    return -float(np.mean([reading.truths[truth][reading.students.index(student)] for reading in readings if student in reading.students]))


def below_unconnected(readings: Sequence[Reading], view: str, truth: str) -> str:
    """Return a sentence part: what the circuits' units explain without connections, and how many students explain less.

    Args:
        readings: of all cells.
        view: what is observed of the circuits; other cells are ignored.
        truth: :data:`PUSHES` or :data:`INSIDE`.
    """
    seen = [reading for reading in readings if reading.cell.view == view]
    alone = [reading.cell.alone[truth] for reading in seen]
    below = sum(int((reading.truths[truth] < reading.cell.alone[truth]).sum()) for reading in seen)
    return f"{min(alone):.2f} to {max(alone):.2f} of the {truth}, where {below} of {sum(len(one.students) for one in seen)} students explain less"


def explained(task: Task, pushed: Task, true: Rates, found: Rates) -> float:
    """Return the explained fraction of a circuit's response to a push, in the units that it does not clamp; :data:`WORST` at least."""
    free = left_free(task, pushed, true.shape[2])
    return max(WORST, response_r2(true[:, :, free], found[:, :, free]))


@threadpool_limits.wrap(limits=1)
def read_students(cell: Cell, students: Mapping[str, Model], counted: Sequence[str] = ()) -> Reading:
    """Return how close the students of a cell are to its circuit, by every known mechanism and every measure.

    Args:
        cell: the circuit, and the test battery for students.
        students: by name.
        counted: those whose stable fixed points are counted.
    """
    copies, halves, inside, spectra, rows = {}, [], [], [], []
    for place, (name, student) in enumerate(students.items()):
        copies[name] = simulate(student, cell.test.task).rate
        outside, within = ([explained(cell.test.task, task, true, simulate(student, task).rate - copies[name])
                            for task, true in zip(tasks, trues, strict=True)]
                           for tasks, trues in ((cell.pushed, cell.changed), (cell.inside, cell.changed_inside)))  # fmt: skip
        halves.append([np.mean(half) for half in np.array_split(outside, 2)])
        inside.append(np.mean(within) if within else np.nan)
        spectra.append(spectrum(student))
        rows.append(cell.known.apart(student, cell.test.task, copies[name], cell.seed) if cell.known else {})
        if cell.electrodes:
            copies[name] = cell.electrodes.see(copies[name], 2 + place, cell.test.trials.bin)
    first, second = np.array(halves).T
    rate, bin, known = cell.test.trials.rate, cell.test.trials.bin, cell.training.trials.rate
    alike = {name: measure.alike(np.array([measure(rate, copy, bin, known) for copy in copies.values()])) for name, measure in MEASURES.items()}
    modal = np.nan_to_num(np.array([spectral_distance(cell.modes, one) for one in spectra]), nan=np.inf)
    truths = {PUSHES: (first + second) / 2, INSIDE: np.array(inside), MODES: -modal}
    truths |= {truth: -np.array([row.get(truth, np.nan) for row in rows]) for truth in (FLOW, FIXED, CURRENTS)}
    slowest = np.array([-one.eigenvalues[0].real if len(one.eigenvalues) else np.nan for one in spectra])
    stable = {name: _fixed(students[name], _states(students[name], cell.test.task), cell.seed)[1] for name in counted}
    return Reading(cell, tuple(students), alike, (first, second), slowest, stable, truths)


def _states(model: Model, task: Task) -> Float[ndarray, "condition time state"]:
    return trajectory(Problem(model, model.arrays(), task))


def _passed(states: Float[ndarray, "condition time state"], task: Task) -> list[Float[ndarray, " state"]]:
    """Return the states at the selected points."""
    return [states[condition, round((moment - task.start) / task.bin)] for condition, moment in POINTS]


def _fixed(model: Model, states: Float[ndarray, "condition time state"], seed: int) -> tuple[Float[ndarray, "point unit"], int]:
    """Return the observed rates at the fixed points near visited states, and the number of stable points."""
    found = fixed_points(model, states.reshape(-1, states.shape[2]), searches=SEARCHES, seed=seed).fixed
    return observed_rates(model, np.array([point.state for point in found]).reshape(-1, states.shape[2])), sum(not point.unstable for point in found)


def _sent(model: Model, rates: Float[ndarray, "condition time unit"]) -> Currents | None:
    """Return the currents between halves of the units, minus their means; None without connections, or if the units are not the observed ones.

    A readout scales units to rates, so that a current is weighted like the rate of the unit it enters. Of several projections with different
    units, as for a mean and a variance, the first is used.
    """
    if model.initial or (model.readout and model.projections[model.readout.weights].rule != "diagonal"):
        return None
    arrays, called = model.arrays(), recurrent_projections(model)
    if not called:
        return None
    unit = model.projections[called[0]].unit
    W = np.sum([arrays[name] for name in called if model.projections[name].unit == unit], axis=0)
    scale = np.diag(arrays[model.readout.weights]) if model.readout else np.ones(model.units)
    flat = (rates - rates.mean(axis=(0, 1))).reshape(-1, model.units) / scale
    half = model.units // 2
    return currents(scale[:, None] * W, flat, {"first": np.arange(half), "second": np.arange(half, model.units)})
