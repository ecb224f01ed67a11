"""Leaky networks run freely in NumPy, for rules that need every step."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model, scale
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.simulation import Problem
from cortex_sim.simulation.forms import Coefficients, Leaky
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials


def check_options(rule: str, options: Options, losses: tuple[str, ...] = ("squared",)) -> None:
    """Check that a rule can minimise the loss of the options.

    Raises:
        OptionError: the loss is not one of these.
    """
    if options.loss not in losses:
        raise OptionError(f"rule {rule!r} minimises the {' or '.join(losses)} error; loss is {options.loss!r}.")


def added(leaky: Leaky, arrays: Mapping[str, ndarray], problem: Problem, found: Coefficients) -> Float[ndarray, "step trial unit"]:
    """Return what constants and inputs add to the state at each step.

    Raises:
        TaskError: the task clamps units.
    """
    model = leaky.model
    if problem.clamps:
        raise TaskError(f"task {problem.task.name!r}: holds units; {model.name} can be taught so by rule 'bptt' alone.")
    total = np.tile(np.asarray(found.constant, dtype=float), (problem.steps, problem.task.trials, 1))
    drive = sum((course[:, None, None] * pattern for pattern, course in problem.patterns), np.zeros(()))
    for name, item in model.inputs.items():
        if item.noise:
            source = problem.noise(name)
            total += found.inputs[name] * np.stack([next(source) for _ in range(problem.steps)])
        elif name in problem.stimuli:
            heard = np.moveaxis(problem.stimuli[name], 1, 0) @ arrays[str(item.weights)].T
            total += found.inputs[name] * scale(item.unit) * heard
        elif not item.weights:
            total = total + found.inputs[name] * scale(item.unit) * drive
    return total


def run(
    leaky: Leaky, arrays: Mapping[str, ndarray], problem: Problem, extra: Float[ndarray, "step trial unit"] | None = None
) -> Float[ndarray, "step trial unit"]:
    """Return the rates at every step.

    Args:
        leaky: the network.
        arrays: its weights and per-unit parameters.
        problem: the inputs of the run.
        extra: input added to the recurrent input, in its unit.
    """
    found = leaky.coefficients(arrays)
    steps = added(leaky, arrays, problem, found)
    return stepped(leaky, arrays, found, problem.initial(), steps if extra is None else steps + found.coupling * extra)


def stepped(
    leaky: Leaky, arrays: Mapping[str, ndarray], found: Coefficients, x: Float[ndarray, "trial unit"], steps: Float[ndarray, "step trial unit"]
) -> Float[ndarray, "step trial unit"]:
    """Return the rates at every step, given what is added to the state at each."""
    rates, W = np.empty_like(steps), arrays[leaky.recurrent]
    for now, more in zip(rates, steps, strict=True):
        now[:] = leaky.rate(x, arrays)
        x = found.decay * x + found.coupling * (now @ W.T) + more
    return rates


def outputs(
    leaky: Leaky, arrays: Mapping[str, ndarray], problem: Problem, rates: Float[ndarray, "step trial unit"]
) -> Float[ndarray, "trial time observed"]:
    """Return the observed rates at the bins."""
    at_bins, readout = np.moveaxis(rates[:: problem.every], 0, 1), leaky.model.readout
    return at_bins @ arrays[readout.weights].T + arrays[readout.offset] if readout else at_bins


def squared_error(found: Float[ndarray, "trial time observed"], data: TrainingData) -> float:
    """Return the mean over trials, bins and outputs, as in every rule: each output in units of its scale, each bin with its weight."""
    return float((data.weights * ((found - data.rates) / data.scale) ** 2).mean())


def check(leaky: Leaky, arrays: Mapping[str, ndarray], data: TrainingData) -> float:
    """Return the squared error of the free-running network on training data."""
    problem = Problem(leaky.model, dict(arrays), data.task, data.seed)
    return squared_error(outputs(leaky, arrays, problem, run(leaky, arrays, problem)), data)


def unit_rates(model: Model, task: Task) -> Trials:
    """Return the rates of a leaky network's own units, rather than the outputs of its readout."""
    problem = Problem(model, model.arrays(), task)
    rates = run(Leaky.of(model, asked_by="hidden"), problem.arrays, problem)[:: problem.every]
    return Trials.from_arrays(np.moveaxis(rates, 0, 1), task.time, condition=task.condition, units="1")
