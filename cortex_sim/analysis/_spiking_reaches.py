"""Reaches of spiking circuits: what the inputs of a circuit are given so that its activity differs with the direction of a reach."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import SpikingModel, coupling, evoked_energy
from cortex_sim.errors import OptionError
from cortex_sim.runtime import stream
from cortex_sim.simulation import silent_time_constant
from cortex_sim.tasks import CURRENT_RISE, Drive, Task, centre_out, released

MIXED, SD = 6, 4.0  # states of most evoked energy that are mixed; Hz over groups: strong enough to stand out from the noise of single neurons
RELEASED, DIRECTED = {"hold", "drive"}, {"premotor", "thalamus"}  # inputs that hold and release a state; inputs before and after the go cue
WANTED = "'drive' and 'hold', or 'thalamus' and 'premotor'"


def inputs_that_move(model: SpikingModel) -> set[str]:
    """Return the two inputs of a spiking circuit through which it is made to move.

    Raises:
        OptionError: it has neither of the two pairs that protocols know how to use.
    """
    inputs = {name for name, part in model.inputs.items() if part.kind == "drive"}
    for pair in (RELEASED, DIRECTED):
        if pair <= inputs:
            return pair
    raise OptionError(f"{model.name}: match needs inputs that move the circuit, {WANTED}; it has {', '.join(sorted(inputs)) or 'none'}.")


def amplified_states(model: SpikingModel, weights: Float[ndarray, "condition mixed"]) -> tuple[Float[ndarray, "condition unit"], float]:
    """Return mixtures of the six states of the groups that the circuit amplifies most, with a spread of 4 Hz, and the groups' time constant in s.

    Args:
        model: a circuit whose groups follow rates, beside neurons that spike.
        weights: of the six states in each condition.
    """
    groups = next(kind for kind, part in model.neurons.items() if part.threshold is None)
    states = weights @ evoked_energy(coupling(model, groups))[1][:, :MIXED].T
    return states * SD / np.sqrt((states**2).mean(axis=1, keepdims=True)), silent_time_constant(model, groups)


def directed_drives(task: Task, preferred: Float[ndarray, " unit"]) -> tuple[Drive, Drive]:
    """Return premotor input until the go cue and thalamic input after it, both tuned to the preferred direction of each neuron.

    Args:
        task: its conditions are directions, degrees.
        preferred: of each neuron, rad.
    """
    tuning = 1 + np.cos(np.radians(task.condition)[:, None] - preferred)
    before = np.exp(np.minimum(task.fine_time, 0) / CURRENT_RISE) * (task.fine_time < 0)
    after = (task.fine_time >= 0) * np.exp(-np.maximum(task.fine_time, 0) / CURRENT_RISE)
    return Drive(tuning, before, "premotor", into="premotor"), Drive(tuning, after, "thalamic", into="thalamus")


def turned_spiking_reaches(
    model: SpikingModel, directions: Float[ndarray, " condition"] | Sequence[float], *, span: tuple[float, float], repeats: int, seed: int
) -> Task:
    """Return reaches of a spiking circuit in these directions, from its own state at rest.

    A circuit with the inputs ``drive`` and ``hold`` is held in a state that turns with the direction, cos(d) a + sin(d) b, where a and b are random
    mixtures of the states that it amplifies most, and then released; one with ``premotor`` and ``thalamus`` gets inputs tuned to the direction.

    Args:
        model: the circuit.
        directions: of the conditions, degrees.
        span: start and stop around the go cue, s.
        repeats: trials of each condition.
        seed: of a and b, or of the preferred directions of the neurons.

    Returns:
        The task, trials of one condition beside each other, without channels.

    Raises:
        OptionError: the circuit has no inputs that move it.
    """
    pair, degrees = inputs_that_move(model), np.asarray(directions, dtype=float)
    timing = {"preparation": -span[0], "movement": span[1]}
    if pair == DIRECTED:
        preferred = stream(seed, "task", "preferred directions of a spiking circuit").uniform(0, 2 * np.pi, model.units)
        task = centre_out(np.repeat(degrees, repeats), **timing)
        return replace(task, channels=None, drives=directed_drives(task, preferred))
    angle, two = np.radians(degrees), stream(seed, "task", "prepared states of a spiking circuit").standard_normal((2, MIXED))
    states, time_constant = amplified_states(model, np.stack([np.cos(angle), np.sin(angle)], axis=1) @ two)
    return replace(released(states, time_constant=time_constant, repeats=repeats, **timing), condition=np.repeat(degrees, repeats))
