r"""Gains learned by trial and error: weights are fixed, and one scalar, whether the last trial beat the average, teaches every gain.

At each iteration :math:`g \leftarrow g + R\,(g - \bar g) + \xi`, with :math:`\xi` the same for all units of a group and drawn for each group
from :math:`N(0, \mathrm{sd}^2)`. Then the network runs, its error e over all trials is the squared error over the total sum of squares, and
:math:`R = \mathrm{sign}(\bar e - e)`, :math:`\bar e \leftarrow 0.3\,\bar e + 0.7\,e`, :math:`\bar g \leftarrow 0.3\,\bar g + 0.7\,g`.

Source:
    Stroud, Porter, Hennequin & Vogels (2018) Nat Neurosci 21:1774, and their code, train_neuronal_gains.m.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.fitting import _free_running as free_running
from cortex_sim.fitting._options import Options, TrainingData, TrainingHistory
from cortex_sim.runtime import stream
from cortex_sim.simulation import Problem
from cortex_sim.simulation.forms import Leaky

MEMORY = 0.3  # of the running averages
ACCEPTS = ("epochs", "patience")
"""Options that are used, besides those of every rule."""
DELAYS = False
"""The rule assumes that the next state follows from the present one, which is not so with delayed projections."""


def learn(
    model: Model,
    data: TrainingData,
    check: TrainingData,
    *,
    options: Options,
    seed: int,
    report: Callable[[float, str], None],
    sd: float = 1e-3,
    groups: float = 0,
) -> TrainingHistory:
    """Try other gains at every epoch, which is one run of all trials; return the training history with the gains of lowest validation error.

    Args:
        model: a leaky network whose rate depends on one learned per-unit parameter, the gain.
        data: trained on.
        check: decides which gains are kept.
        options: ``epochs`` is the number of tries, ``patience`` as elsewhere; there is no optimiser.
        seed: of the groups and the perturbations.
        report: called with the completed fraction and a line of text.
        sd: standard deviation of a perturbation.
        groups: number of random groups of equal size whose units share a gain's change; 0 gives each unit its own.

    Raises:
        TaskError: the model is not a leaky network, or has no gain.
        OptionError: there are more groups than units, or sd is not positive.
    """
    free_running.check_options("node_perturbation", options)
    leaky, gain = Leaky.of(model, asked_by="rule 'node_perturbation'"), gain_of(model)
    if not 0 <= groups <= model.units or groups != int(groups):
        raise OptionError(f"rule 'node_perturbation': groups {groups!r} should be a whole number from 0 to {model.units}, the number of units.")
    if not sd > 0:
        raise OptionError(f"rule 'node_perturbation': sd {sd!r} should be above 0.")
    group = partition(model.units, int(groups) or model.units, seed)
    arrays, sides = model.arrays(), [_Practice(leaky, part) for part in (data, check)]
    draws = stream(seed, "student", "tries of node perturbation")
    g, history = arrays[gain], TrainingHistory(arrays)
    error, history.best = (side.error(arrays) for side in sides)
    usual_error, usual, better = error, g, 0.0
    try:
        while history.goes_on(options):
            g = g + better * (g - usual) + sd * draws.standard_normal(group.max() + 1)[group]
            tried = arrays | {gain: g}
            error, checked = (side.error(tried) for side in sides)
            better = np.sign(usual_error - error)
            usual_error, usual = MEMORY * usual_error + (1 - MEMORY) * error, MEMORY * usual + (1 - MEMORY) * g
            history.keep(error, checked, tried, named=model.name)
            if history.epoch % 50 == 0:
                report(history.epoch / options.epochs, f"loss {error:.4f}, validation {checked:.4f}")
    except KeyboardInterrupt:
        history.interrupted = True
    return history


def gain_of(model: Model) -> str:
    """Return the name of the learned per-unit parameter that the rate depends on.

    Raises:
        TaskError: there is none, or more than one.
    """
    used = model.parsed.equations[model.rate].names
    found = [name for name in model.parsed.parameters if model.parameters[name].learn and name in used]
    if len(found) != 1:
        what = f"has {', '.join(found)}" if found else "has none"
        raise TaskError(f"{model.name}: rule 'node_perturbation' needs one learned per-unit parameter in the rate, as in r = tanh(g*x); it {what}.")
    return found[0]


def partition(units: int, groups: int, seed: int) -> Int[ndarray, " unit"]:
    """Return a random group for each unit; sizes differ by at most one. With as many groups as units, unit j is in group j."""
    if groups == units:
        return np.arange(units)
    return stream(seed, "student", "groups of node perturbation").permutation(np.arange(units) % groups)


class _Practice:
    """Trials whose inputs are computed once, since perturbed gains do not change them."""

    def __init__(self, leaky: Leaky, data: TrainingData) -> None:
        arrays = leaky.model.arrays()
        self._leaky, self._data, self._schedule = leaky, data, Problem(leaky.model, arrays, data.task, data.seed)
        self._found = leaky.coefficients(arrays)
        self._steps = free_running.added(leaky, arrays, self._schedule, self._found)
        self._total = free_running.squared_error(_mean(data), data)

    def error(self, arrays: dict[str, ndarray]) -> float:
        """Return the squared error over the total sum of squares about each output's mean."""
        rates = free_running.stepped(self._leaky, arrays, self._found, self._schedule.initial(), self._steps)
        return free_running.squared_error(free_running.outputs(self._leaky, arrays, self._schedule, rates), self._data) / self._total


def _mean(data: TrainingData) -> Float[ndarray, "trial time observed"]:
    return np.broadcast_to((data.weights * data.rates).mean(axis=(0, 1)), data.rates.shape)
