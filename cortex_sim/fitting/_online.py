"""Online learning: a leaky network is corrected at its own steps, trial after trial; free runs measure its progress.

Shared by the rules that correct a student by recursive least squares.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model
from cortex_sim.errors import TaskError
from cortex_sim.fitting import _free_running as free_running
from cortex_sim.fitting._options import Options, TrainingData, TrainingHistory
from cortex_sim.fitting._start import one_unit_each
from cortex_sim.runtime import seed_of, stream
from cortex_sim.simulation import Problem
from cortex_sim.simulation.forms import Leaky

NEWS = 200  # steps between reports


@dataclass(frozen=True)
class Pace:
    """How a student passes through its trials.

    Attributes:
        every: bins between corrections.
        continued: the first trial begins in a random state and each other where the one before it ended; the returned network begins where the
            last one ended, whatever the first outputs of its task.
        start: standard deviation of that random state.
    """

    every: int
    continued: bool
    start: float


class Learner(Protocol):
    """A student that is corrected while it runs, one trial at a time."""

    @property
    def state(self) -> Float[ndarray, " unit"]:
        """Return its present state."""

    def begin(self, state: Float[ndarray, " unit"]) -> None:
        """Start from this state."""

    def step(self, current: Float[ndarray, " unit"], wanted: Float[ndarray, " observed"], weight: float, *, correct: bool) -> ndarray:
        """Advance by one step and return the output before it, (observed,).

        Args:
            current: input besides the unit's own state and the recurrent input, per step.
            wanted: target output at this step.
            weight: weight of its error.
            correct: whether to change weights at this step.
        """

    def arrays(self) -> dict[str, ndarray]:
        """Return the present weights, of a network that runs by itself."""


@dataclass(frozen=True)
class Network:
    """A leaky network whose readout and recurrent weights a rule may change freely, and their names in its card.

    Attributes:
        leaky: its equation.
        weights: initial arrays.
        readout: name of the readout weights, C.
        offset: name of the outputs' offset, d; never changed.
    """

    leaky: Leaky
    weights: dict[str, ndarray]
    readout: str
    offset: Float[ndarray, " observed"]

    @classmethod
    def of(cls, model: Model, *, asked_by: str) -> "Network":
        """Return a student as such a network.

        Raises:
            TaskError: the network does not have this form; the message says what it lacks, and which rule requires it.
        """
        leaky = Leaky.of(model, asked_by=asked_by)
        if model.readout is None or one_unit_each(model):
            raise TaskError(f"{model.name}: {asked_by} needs a [readout] of many units; here each output is one unit's rate.")
        for name in (leaky.recurrent, model.readout.weights):
            check_free(model, name, asked_by=asked_by)
        weights = model.arrays()
        return cls(leaky, weights, model.readout.weights, weights[model.readout.offset])

    @property
    def model(self) -> Model:
        """Return its card."""
        return self.leaky.model

    def feedback(self, observed_scale: Float[ndarray, " observed"], strength: float, seed: int) -> Float[ndarray, "unit observed"]:
        """Draw the weights from each output's deviation from its offset to each unit's recurrent input, uniform between -strength and strength.

        Args:
            observed_scale: deviation of each output that counts as 1.
            strength: in the unit of the recurrent input.
            seed: of the draw.
        """
        drawn = stream(seed, "student", "feedback of online rules")
        return drawn.uniform(-strength, strength, (self.model.units, len(observed_scale))) / observed_scale


def check_free(model: Model, name: str, *, asked_by: str) -> None:
    """Check that the card allows a rule to change every weight of a projection.

    Raises:
        TaskError: the forbidding constraint, and the rule that asked.
    """
    part = model.projections[name]
    kept = [what for what in ("keep_zeros", "rank") if getattr(part, what)] + (["excitatory"] if part.excitatory is not None else [])
    if kept := kept + ([] if part.self_connections else ["self_connections = false"]):
        raise TaskError(f"{model.name}: {asked_by} changes every weight of {name!r}, which {kept[0]} forbids; remove it from the card.")
    if not part.learn:
        raise TaskError(f"{model.name}: {asked_by} changes {name!r}; write learn = true into [projections.{name}].")


def check_data(model: Model, data: TrainingData, options: Options, *, continued: bool, asked_by: str) -> None:
    """Check that options, data and model allow online learning.

    Raises:
        OptionError: the loss is not the squared error.
        TaskError: trials are to be continuous but the card has no encoder, or the task no initial rates.
    """
    free_running.check_options(asked_by, options)
    if continued and (model.initial is None or data.task.initial is None):
        raise TaskError(f"{model.name}: continued trials need an [initial] to keep the last state in, and options.start 'first bin'.")


@threadpool_limits.wrap(limits=1)  # products of one matrix and one vector
def teach(
    learner: Learner,
    leaky: Leaky,
    data: TrainingData,
    check: TrainingData,
    *,
    pace: Pace,
    options: Options,
    seed: int,
    report: Callable[[float, str], None],
    shown: Float[ndarray, "trial time shown"] | None = None,
) -> TrainingHistory:
    """Pass through the trials repeatedly, correct the student while it runs, and let it run freely after each pass.

    Only the options ``epochs`` and ``patience`` are used. The training loss is that of the outputs while they are corrected, the validation loss
    that of the free-running network on the validation data; the weights with the lowest validation loss are kept.

    Args:
        learner: the student; changed in place.
        leaky: the same network with its initial weights.
        data: trained on, trial after trial.
        check: never trained on.
        pace: how it passes through them.
        options: number of passes.
        seed: of the noise and the first state.
        report: called with the completed fraction and a line of text.
        shown: targets given to the learner at each bin; the outputs of the training data if None.

    Raises:
        TaskError: the task clamps units.
    """
    led = data if shown is None else replace(data, rates=shown)
    begun = learner.arrays()
    history = TrainingHistory(begun, best=free_running.check(leaky, begun, check) if options.epochs else float("inf"))
    first = stream(seed, "student", "first state of continued trials")
    learner.begin(pace.start * first.standard_normal(leaky.model.units))
    try:
        while history.goes_on(options):
            outputs = np.empty_like(data.rates)
            for place, done in _pass(learner, leaky, led, outputs, pace, seed=seed, epoch=history.epoch):
                report((history.epoch + done) / options.epochs, f"pass {history.epoch + 1}, trial {place + 1}")
            arrays = learner.arrays() | (_onward(leaky.model, learner.state) if pace.continued else {})
            history.outputs = outputs
            checked = free_running.check(leaky, arrays, check)
            history.keep(free_running.squared_error(outputs, data), checked, arrays, named=leaky.model.name)
    except KeyboardInterrupt:
        history.interrupted = True
    return history


def _pass(
    learner: Learner, leaky: Leaky, data: TrainingData, outputs: Float[ndarray, "trial time observed"], pace: Pace, *, seed: int, epoch: int
) -> Iterator[tuple[int, float]]:
    """Pass through the trials once, record outputs at the bins, and occasionally yield the trial and the completed fraction of the pass."""
    mask = np.ones(outputs.shape[:2]) if data.task.mask is None else data.task.mask
    weights = leaky.model.arrays()
    coefficients = leaky.coefficients(weights)
    for trial, wanted in enumerate(data.rates):
        noise = seed_of(seed, "student", "noise of a trial of online rules", epoch, trial)
        problem = Problem(leaky.model, weights, data.task.select([trial]), seed=noise)
        if not pace.continued:
            learner.begin(problem.initial()[0])
        currents = free_running.added(leaky, weights, problem, coefficients)[:, 0]
        for now in range(len(wanted) * problem.every):
            bin_, rest = divmod(now, problem.every)
            current = currents[min(now, len(currents) - 1)]  # the last bin is gone through to its end
            output = learner.step(current, wanted[bin_], mask[trial, bin_], correct=rest == 0 and bin_ % pace.every == 0)
            if rest == 0:
                outputs[trial, bin_] = output
            if now % NEWS == 0:
                yield trial, (trial + now / (len(wanted) * problem.every)) / len(outputs)


def _onward(model: Model, state: Float[ndarray, " unit"]) -> dict[str, ndarray]:
    """Return an encoder that leads to one state, whatever the first outputs."""
    assert model.initial is not None
    return {model.initial.weights: np.zeros((model.units, model.size("observed"))), model.initial.offset: state.copy()}
