r"""Families of systems between two mechanisms, whose averages are equal: feedback linearisation of reaches.

Between the connections W of a circuit and W' of another mechanism stand :math:`W(s) = (1-s)W + sW'`. With the input

.. math:: u_s(t) = u(t) + (W - W(s))\,\varphi(\bar x(t))

the state :math:`\bar x(t)` of the circuit under its own input u solves the equations of every system of the family, since connections and input
enter the equations as a sum. Off the averages the flows differ, and so do single trials with noise, and responses to pushes.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Side, delayed_reaches, matched_dose
from cortex_sim.cards import Model, scale
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import seed_of, stream
from cortex_sim.simulation import Problem, drive_gain, driven_inputs, driven_states, flow_function, rate_of, time_constant
from cortex_sim.studies.benchmark._circuits import Drawn

BIN, EVERY = 0.02, 10  # s of the bins that measures see; integration steps in each
NOISE = 0.3  # root mean square of single trials about their average, of the s.d. of the averages
CLOSE = 1e-9  # of the largest state: how far averages of a family may be apart
SPREAD = 2.0  # how much more than the circuit's may single trials of its family depart from their averages
REACHES = (1.0, 0.5, 0.25, 0.125)  # parts of the way to the other mechanism that are tried, until that holds
GRADES = (0.0, 0.25, 0.5, 0.75, 1.0)  # s
SHARP = 1e-6  # of the largest dose: how exactly the noise is as strong as asked
PROBED = 40  # noisy trials by which noise and reach are set

States = Float[ndarray, "trial step unit"]


@dataclass(frozen=True)
class System:
    """A system of a family: connections, where its conditions start, and the input of each.

    Attributes:
        model: its equations.
        arrays: its weights, by name.
        start: state of every condition at the start.
        inputs: (condition, step, unit), in the unit of its input.
    """

    model: Model
    arrays: dict[str, ndarray]
    start: Float[ndarray, "condition unit"]
    inputs: Float[ndarray, "condition step unit"]

    def states(self, added: Float[ndarray, "trial step unit"] | None = None, repeats: int = 1) -> States:
        """Return the states of all conditions at every integration step (Euler, as on the card).

        Args:
            added: further input, in the unit of the input; trials of a condition stand together.
            repeats: number of trials of each condition.
        """
        inputs, state = np.repeat(self.inputs, repeats, axis=0), np.repeat(self.start, repeats, axis=0)
        inputs = inputs if added is None else inputs + added
        (name,) = driven_inputs(self.model)
        return driven_states(self.model, self.arrays, state, inputs, name)

    def rates(self, states: Float[ndarray, "... unit"]) -> Float[ndarray, "... unit"]:
        """Return the rates in these states."""
        return rate_of(self.model, states, self.arrays)

    def velocity(self, states: Float[ndarray, "trial unit"], inputs: Float[ndarray, "trial unit"]) -> Float[ndarray, "trial unit"]:
        """Return the flow in these states under these inputs, per s."""
        (name,) = driven_inputs(self.model)
        return flow_function(self.model, self.arrays, {name: inputs})(states)


@dataclass(frozen=True)
class Family:
    """A circuit on a task, the systems between it and another mechanism, and the noise of their single trials.

    Attributes:
        drawn: the circuit.
        side: the task and what the circuit does on it without noise.
        reach: part of the way to the other mechanism that s = 1 goes.
        dose: standard deviation that the noise would give the state of a unit without connections at rest, in the unit of the state.
    """

    drawn: Drawn
    side: Side
    reach: float
    dose: float

    @cached_property
    def circuit(self) -> System:
        """Return the circuit itself, s = 0."""
        model, task = self.drawn.model, self.side.task
        problem = Problem(model, model.arrays(), task)
        inputs = np.zeros((task.trials, problem.steps, model.units))
        for pattern, course in problem.patterns:
            inputs += pattern[:, None] * course[:, None]
        return System(model, problem.arrays, problem.initial(), inputs)

    @cached_property
    def path(self) -> States:
        """Return the shared averages: states of the circuit without noise."""
        return self.circuit.states()

    def at(self, s: float) -> System:
        """Return the system at this place between the two mechanisms, with the input that gives it the circuit's averages.

        Raises:
            ComparisonError: its averages are not the circuit's.
        """
        circuit, name = self.circuit, self.drawn.recurrent
        W = circuit.arrays[name]
        away = s * self.reach * (self.drawn.other - W)
        (entry,) = driven_inputs(circuit.model)
        missing = circuit.rates(self.path) @ away.T / scale(circuit.model.inputs[entry].unit)
        system = replace(circuit, arrays=circuit.arrays | {name: W + away}, inputs=circuit.inputs - missing)
        for step in range(0, self.path.shape[1], EVERY):
            moved = [one.velocity(self.path[:, step], one.inputs[:, step]) for one in (circuit, system)]
            if np.abs(moved[1] - moved[0]).max() > CLOSE * max(np.abs(moved[0]).max(), np.abs(self.path).max() / circuit.model.dt.si):
                raise ComparisonError(f"{self.drawn.place}: connections and input do not enter the equations as a sum; no input keeps its averages.")
        return system

    def noise(self, trials: int, purpose: str, *index: int | str) -> Float[ndarray, "trial step unit"]:
        """Return white noise of the input that makes single trials, in the unit of the input; one name gives one draw.

        Args:
            trials: number of trials in all.
            purpose: what it is for.
            index: which draw.
        """
        rng = stream(self.drawn.place.seed, "circuit", "noise of the benchmark", purpose, *index)
        shape = (trials, self.path.shape[1], self.drawn.model.units)
        return rng.standard_normal(shape) * self.per_dose * self.dose

    @cached_property
    def per_dose(self) -> Float[ndarray, " unit"]:
        """Return the standard deviation, at each step, of an input that gives an unconnected unit at rest a standard deviation of 1."""
        model = self.drawn.model
        return np.sqrt(2 / (time_constant(model) * model.dt.si)) / np.abs(drive_gain(model))

    def departure(self, s: float) -> float:
        """Return by how much the flow at s differs from the circuit's where noise leads it: root mean square, of the circuit's own flow there.

        The circuit's own flow is that of a departure from the averages: velocity there minus that of the averages.
        """
        system, noise = self.at(s), self.noise(PROBED // 8 * len(self.path), "departures")
        each = len(noise) // len(self.path)
        states = self.circuit.states(noise, each)[:, ::EVERY].reshape(-1, self.path.shape[2])
        inputs = [np.repeat(one.inputs[:, ::EVERY], each, axis=0).reshape(states.shape) for one in (self.circuit, system)]
        middle = np.repeat(self.path[:, ::EVERY], each, axis=0).reshape(states.shape)
        own, other = (one.velocity(states, given) for one, given in zip((self.circuit, system), inputs, strict=True))
        return float(np.linalg.norm(other - own) / np.linalg.norm(own - self.circuit.velocity(middle, inputs[0])))


def still(drawn: Drawn, conditions: int, purpose: str = "reaches") -> Family:
    """Return the family of a circuit on reaches from random preparatory states, whose noise is not set yet.

    Args:
        drawn: the circuit and its other mechanism.
        conditions: number of reaches.
        purpose: of these reaches; each has its own states.
    """
    side = delayed_reaches(drawn.model, (conditions,), seed=seed_of(drawn.place.seed, "task", "reaches of the benchmark", purpose))[0]
    return Family(drawn, Side(side.task.on_bins(BIN), side.trials), 1.0, 1.0)


def family(drawn: Drawn, conditions: int) -> Family:
    """Return the family of a circuit on reaches: its noise is as strong as asked, and it goes as far to the other mechanism as averages stay equal.

    Args:
        drawn: the circuit and its other mechanism.
        conditions: number of reaches.
    """
    sized = noisy(still(drawn, conditions))
    return replace(sized, reach=next((part for part in REACHES if _stays(replace(sized, reach=part))), REACHES[-1]))


def noisy(found: Family) -> Family:
    """Return the family with noise as strong as asked: that of single trials about their average, in the mean over units.

    Raises:
        ComparisonError: no noise is so strong, or none so weak: trials leave the average however little disturbs them.
    """
    conditions = len(found.path)
    rates, each = found.circuit.rates(found.path), -(-PROBED // conditions)
    noise, most = found.noise(each * conditions, "its size"), 4 * float(np.median(found.path.std(axis=(0, 1))))

    def respond(dose: float) -> Float[ndarray, "trial step unit"]:
        return found.circuit.rates(found.circuit.states(dose * noise, each)) - np.repeat(rates, each, axis=0)

    dose = matched_dose(respond, NOISE * float(rates.std(axis=(0, 1)).mean()), most=most, tolerance=SHARP)
    if not dose > 0:
        why = "noise however weak takes its trials further from their average than is asked, so that it has no family; take another draw"
        raise ComparisonError(f"{found.drawn.place}: {why}.")
    return replace(found, dose=dose)


def _stays(found: Family) -> bool:
    """Return whether all systems keep the averages to round-off, and single trials stay near them."""
    each = -(-PROBED // len(found.path))
    noise, largest = found.noise(each * len(found.path), "its reach"), CLOSE * np.abs(found.path).max()
    widths = []
    for s in GRADES:
        system = found.at(s)
        if np.abs(system.states() - found.path).max() > largest:
            return False
        widths.append(float((system.states(noise, each) - np.repeat(found.path, each, axis=0)).std()))
    return max(widths) <= SPREAD * widths[0]
