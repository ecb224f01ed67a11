"""Preparatory states of a circuit, the currents that lead to them before the go cue, and the movements that follow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import elementwise

from cortex_sim.cards import Model
from cortex_sim.cards.weights.stability_optimised import evoked_energy
from cortex_sim.errors import OptionError, Undetermined
from cortex_sim.runtime import seed_of, stream
from cortex_sim.simulation import beginning, flow, rate_of, simulate, time_constant
from cortex_sim.simulation.torch import linearise
from cortex_sim.tasks import CURRENT_RISE, Task, centre_out, free_run
from cortex_sim.trials import Trials

MIXED_STATES, STATE_SD = 6, 1.5  # k, preferred states mixed into a preparatory state, and its s.d. over units in Hz: code of Stroud et al. (2018)
AFTER_GO_CUE = (0.0, 0.6)  # s after the go cue
FARTHEST = 1.0  # of the logarithm of a rate from that at rest; below, rates would have to fall faster than slow units can
DOUBLED = 40  # times that a bracket of currents is doubled before none is said to do
DRIVEN = "give its card an input without weights; of a Brian2 script, by card_from(network, rate=..., drive='the parameter that takes currents')."
CLOSE = 1e-9  # of the largest velocity: what a current may miss


@dataclass(frozen=True)
class Side:
    """A task and the trials that were simulated on it."""

    task: Task
    trials: Trials

    def seen(self, units: Int[ndarray, " seen"]) -> "Side":
        """Return the task and trials of some of the units alone, as recorded by electrodes.

        Args:
            units: their indices, in order.

        Raises:
            OptionError: the task does not start from rates.
        """
        if self.task.initial is None:
            raise OptionError(f"task {self.task.name!r} has no initial rates, of which some could be seen; take those of reaches().")
        drives = tuple(replace(drive, pattern=drive.pattern[:, units]) for drive in self.task.drives)
        trials = Trials.from_arrays(self.trials.rate[:, :, units], self.trials.time, condition=self.trials.condition)
        return Side(replace(self.task, drives=drives, initial=self.task.initial[:, units]), trials)

    def pushed(self, part: Task, units: Int[ndarray, " seen"]) -> Task:
        """Return the task of all units with the perturbation of the task of the observed ones.

        Args:
            part: task of the observed units, pushed or silenced.
            units: indices of the observed units.
        """
        drives = list(self.task.drives)
        for drive in part.drives[len(drives) :]:
            pattern = np.zeros((self.task.trials, self.trials.rate.shape[2]))
            pattern[:, units] = drive.pattern
            drives.append(replace(drive, pattern=pattern))
        clamps = tuple(replace(clamp, units=units[clamp.units]) for clamp in part.clamps)
        return replace(self.task, drives=tuple(drives), clamps=clamps)


@dataclass(frozen=True)
class Preferred:
    """Directions of state space that a circuit amplifies, strongest first.

    Attributes:
        directions: unit vectors in columns.
        energy: evoked by each; that of an unconnected unit is 1. None if the circuit is not stable at rest.
        how: how the directions were chosen, for the record.
        rest: rates at rest, for a circuit whose rates cannot fall below 0; directions are then those of the logarithm of rates. None for a circuit
            with state 0 at rest and states of either sign.
    """

    directions: Float[ndarray, "unit direction"]
    energy: Float[ndarray, " direction"] | None
    how: str
    rest: Float[ndarray, " unit"] | None = None


def preferred_states(model: Model) -> Preferred:
    """Return the initial states that a circuit's linearised flow amplifies most.

    An isolated unit evokes an energy of 1 (if units differ, one with the median time constant).
    A circuit that is unstable at rest has no finite evoked energy; the unit axes are then returned and ``how`` says so. If the rates themselves are
    the state and all positive at rest, the flow is that of their logarithms, so that mixtures of the directions remain positive.
    """
    arrays, rest = model.arrays(), resting_state(model)
    if len(model.parsed.states) > 1:
        several = f"units have {len(model.parsed.states)} state variables ({', '.join(model.parsed.states)})"
        how = f"{several}, so random states take the place of preferred ones"
        return Preferred(np.eye(model.units), None, how)
    floored = model.rate == model.parsed.state and bool((rest > 0).all())
    step = linearise(model, arrays, rest)
    step = step * rest / rest[:, None] if floored else step
    decaying = (tau_of_each := time_constant(model))[np.isfinite(tau_of_each)]
    tau = float(np.median(decaying)) if len(decaying) else model.dt.si
    try:
        energy, directions = evoked_energy(np.eye(model.units) + tau * (step - np.eye(model.units)) / model.dt.si)
    except Undetermined:
        energy, directions, how = None, np.eye(model.units), "the rest is unstable, so random states take the place of preferred ones"
    else:
        how = "eigenvectors of the observability Gramian of the flow linearised at rest" + ", of the logarithm of rates" * floored
    return Preferred(directions, energy, how, rest if floored else None)


def resting_state(model: Model) -> Float[ndarray, " unit"]:
    """Return the initial state that a card gives, 0 if it gives none; of several variables, the one that the rate is computed from."""
    return beginning(model, 1)[0][_shown(model)]


def _shown(model: Model) -> slice:
    """Return the position in the state of the variable that the rate is computed from."""
    found = model.parsed.states_of(model.rate)
    first = model.parsed.states.index(found[0]) if found else 0
    return slice(first * model.units, (first + 1) * model.units)


def _whole(model: Model, states: Float[ndarray, "condition unit"]) -> Float[ndarray, "condition state"]:
    """Return the full state, with this variable as given and the others at the card's initial values."""
    if model.dimension == model.units:
        return states
    whole = beginning(model, len(states))
    whole[:, _shown(model)] = states
    return whole


def mixtures(preferred: Preferred, conditions: int, *, k: int | None, seed: int, sd: float) -> Float[ndarray, "condition unit"]:
    """Return states that are random mixtures of the k leading directions.

    Args:
        preferred: the directions.
        conditions: number of states.
        k: number of directions; None mixes all, so that the states span the state space.
        seed: of the draw.
        sd: standard deviation of every state about rest, over units, in the unit of the state. For logarithms of rates it is divided by the mean
            rate at rest, and deviations are limited to 1.

    Raises:
        OptionError: k exceeds the number of directions.
    """
    return _mixed(preferred, stream(seed, "task", "mixtures of preferred states").standard_normal((conditions, _used(preferred, k))), sd)


def _used(preferred: Preferred, k: int | None) -> int:
    """Return the number of directions to mix."""
    available = preferred.directions.shape[1]
    if k is not None and not 1 <= k <= available:
        raise OptionError(f"mixtures: k {k} should lie between 1 and {available}, the number of units.")
    return available if k is None or preferred.energy is None else k


def _mixed(preferred: Preferred, weights: Float[ndarray, "condition direction"], sd: float) -> Float[ndarray, "condition unit"]:
    """Return mixtures of the leading directions with these weights, scaled as in :func:`mixtures`."""
    states = weights @ preferred.directions[:, : weights.shape[1]].T
    states = sd * states / np.sqrt((states**2).mean(axis=1, keepdims=True))
    return states if preferred.rest is None else preferred.rest * np.exp(np.clip(states / preferred.rest.mean(), -FARTHEST, FARTHEST))


def holding_currents(model: Model, states: Float[ndarray, "condition unit"]) -> Float[ndarray, "condition unit"]:
    """Return the currents that, growing as exp(t / 400 ms), bring a circuit from rest to the given states at the go cue.

    Exact for a linear circuit; a nonlinear circuit arrives nearby, and the state that it reaches is the one recorded.

    Raises:
        OptionError: the circuit has no input that drives its units, or no current leads to a state.
    """
    return currents_for(model, states, (states - resting_state(model)) / CURRENT_RISE)


def currents_for(
    model: Model, states: Float[ndarray, "condition unit"], velocity: Float[ndarray, "condition unit"]
) -> Float[ndarray, "condition unit"]:
    """Return the currents into each unit that give a circuit's state this velocity, in the unit of its input.

    Args:
        model: the velocity is that of the state variable from which the rate is computed; others have the card's initial values.
        states: present states.
        velocity: wanted derivative, per s.

    Raises:
        OptionError: the circuit has no input that drives its units, or no current moves a unit at this velocity.
    """
    driven = [name for name, item in model.inputs.items() if not item.weights and not item.noise]
    if not driven:
        raise OptionError(f"{model.name}: no input drives its units, so nothing can lead it to a state; {DRIVEN}")
    arrays, shown = model.arrays(), _shown(model)

    def moved(states: ndarray, current: float | ndarray) -> ndarray:
        return flow(model, arrays, _whole(model, states), dict.fromkeys(driven, current))[..., shown]

    still = moved(states, 0.0)
    gain = moved(states, 1.0) - still
    linear = np.divide(velocity - still, gain, out=np.zeros_like(gain), where=gain != 0)
    off, size = moved(states, linear) - velocity, max(np.abs(velocity).max(), np.abs(still).max())
    if np.abs(off).max() <= CLOSE * size:
        return linear

    def missing(current: ndarray, row: ndarray, unit: ndarray) -> ndarray:
        """Return the error of one unit's velocity under each of many currents, with no current into the other units."""
        each, currents = np.arange(len(row)), np.zeros_like(states[row])
        currents[each, unit] = current
        return (moved(states[row], currents) - velocity[row])[each, unit]

    places = tuple(np.indices(linear.shape).reshape(2, -1))
    found = elementwise.bracket_root(missing, -np.ones(linear.size), np.ones(linear.size), args=places, maxiter=DOUBLED)
    if not found.success.all():
        row, unit = (int(place[~found.success][0]) for place in places)
        raise OptionError(f"{model.name}: no current moves unit {unit} from {states[row, unit]:g} by {velocity[row, unit]:g} per s; ask for less.")
    return elementwise.find_root(missing, found.bracket, args=places).x.reshape(linear.shape)


def reaches(model: Model, *, training: int, test: int, seed: int = 0, preferred: Preferred | None = None) -> tuple[Task, Task]:
    """Return training and test tasks of reaches of a circuit, which start from its rates at the go cue and have different conditions.

    Args:
        model: circuit whose units are the observed ones.
        training: number of conditions to train a network on.
        test: number of conditions to compare on.
        seed: of the preparatory states, and of the circuit's noise if it has any.
        preferred: states that the circuit amplifies; computed if omitted.

    Returns:
        The training task and the test task.

    Raises:
        OptionError: a number is below 1, or the circuit has no input that drives its units.
    """
    for name, count in (("training", training), ("test", test)):
        if count < 1:
            raise OptionError(f"reaches: {name} {count!r} should be at least 1.")
    trained, asked = delayed_reaches(model, (training, test), seed=seed, preferred=preferred)
    return trained.task, asked.task


def delayed_reaches(model: Model, counts: Sequence[int], *, seed: int, preferred: Preferred | None = None) -> list[Side]:
    """Return simulated delayed reaches of a circuit from random mixtures of its preferred states, from the go cue on.

    Args:
        model: its units are the observed ones.
        counts: number of reaches in each part, for example for training and test.
        seed: of the mixtures, and of the circuit's noise if it has any.
        preferred: of the circuit; computed if omitted.

    Returns:
        For each part, the task from the go cue on, starting from the circuit's rates there, and the circuit's trials.
    """
    sides: list[Side] = []
    for task in delayed_tasks(model, counts, seed=seed, preferred=preferred):
        trials = simulate(model, task, seed=seed_of(seed, "circuit", "noise of reaches", len(sides))).window(*AFTER_GO_CUE)
        sides.append(Side(task.window(*AFTER_GO_CUE, initial=trials.rate[:, 0]), trials))
    return sides


def delayed_tasks(model: Model, counts: Sequence[int], *, seed: int, preferred: Preferred | None = None) -> list[Task]:
    """Return full delayed reaches, preparation and movement, from random mixtures of preferred states; arguments as for :func:`delayed_reaches`."""
    if model.channels:
        raise OptionError(
            f"{model.name}: listens to {model.channels} channels, and reaches that currents prepare have none. Take a card without: {DRIVEN}"
        )
    states = mixtures(preferred or preferred_states(model), sum(counts), k=min(MIXED_STATES, model.units), seed=seed, sd=STATE_SD)
    parts = np.split(holding_currents(model, states), np.cumsum(counts)[:-1])
    return [replace(centre_out(len(holding), holding=holding), channels=None) for holding in parts]


def turned_reaches(
    model: Model, directions: Float[ndarray, " condition"] | Sequence[float], *, preparation: float, movement: float, seed: int
) -> Task:
    """Return delayed reaches of a circuit without channels, whose preparatory state turns with the direction: cos(d) a + sin(d) b.

    Args:
        model: with an input that drives its units.
        directions: of the conditions, degrees.
        preparation: s before the go cue.
        movement: s after it.
        seed: of a and b, random mixtures of the preferred states.

    Returns:
        A task that gives each unit its own current until the go cue, and no channels.

    Raises:
        OptionError: the circuit has no input that drives its units, or no current leads to a state.
    """
    preferred, angle = preferred_states(model), np.radians(np.asarray(directions, dtype=float))
    two = stream(seed, "task", "preparatory states that turn").standard_normal((2, _used(preferred, min(MIXED_STATES, model.units))))
    states = _mixed(preferred, np.stack([np.cos(angle), np.sin(angle)], axis=1) @ two, STATE_SD)
    holding = holding_currents(model, states)
    return replace(centre_out(directions, holding=holding, preparation=preparation, movement=movement), channels=None)


def spanning_runs(model: Model, counts: Sequence[int], *, seed: int, preferred: Preferred | None = None) -> list[Side]:
    """Return simulations of an autonomous circuit from random states that span its state space.

    Args:
        model: its units are the observed ones.
        counts: number of states in each part, for example for training and test.
        seed: of the states, and of the circuit's noise if it has any.
        preferred: of the circuit; computed if omitted.

    Returns:
        For each part, the task and the circuit's trials.
    """
    drawn = seed_of(seed, "task", "states that span state space")
    states = mixtures(preferred or preferred_states(model), sum(counts), k=None, seed=drawn, sd=STATE_SD)
    tasks = [free_run(rate_of(model, _whole(model, part)), AFTER_GO_CUE[1]) for part in np.split(states, np.cumsum(counts)[:-1])]
    return [Side(task, simulate(model, task, seed=seed)) for task in tasks]
