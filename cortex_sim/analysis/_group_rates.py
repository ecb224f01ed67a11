"""Rates of groups of neurons."""

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from cortex_sim.cards import SpikingModel
from cortex_sim.trials import Trials


def groups_of(model: SpikingModel) -> Int[ndarray, " neuron"]:
    """Return the group of each simulated spiking neuron: unit ``first + k // each`` for neuron k of a population."""
    parts = [(model.populations[name], model.size(name)) for name in model.firing]
    return np.concatenate([part.first + np.arange(size) // (part.each or size) for part, size in parts])


def group_rates(trials: Trials, group: Int[ndarray, " neuron"]) -> Trials:
    """Return the mean rate of each group's neurons in single trials, Hz.

    Args:
        trials: trials with spikes.
        group: group of each neuron.
    """
    when, unit, trial = trials.spikes
    place = np.minimum(((when - trials.time[0]) / trials.bin + 1e-7).astype(int), trials.time.size - 1)
    shape = (trials.shape[0], trials.time.size, int(group.max()) + 1)
    counts = np.bincount(np.ravel_multi_index((trial, place, group[unit]), shape), minlength=int(np.prod(shape))).reshape(shape)
    return Trials.from_arrays(counts / np.bincount(group) / trials.bin, trials.time, condition=trials.condition, provenance=trials.provenance)
