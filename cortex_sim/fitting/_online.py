"""Learning while running: a leaky network is corrected at its own steps, trial after trial, and free runs tell how far it has come.

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
    """How a student is led through its trials.

    Attributes:
        every: bins from one correction to the next.
        continued: the first trial begins in a random state, each other where the one before it ended, and the network that is returned where the
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
        """Where it is."""

    def begin(self, state: Float[ndarray, " unit"]) -> None:
        """Start from this state."""

    def step(self, current: Float[ndarray, " unit"], wanted: Float[ndarray, " observed"], weight: float, *, correct: bool) -> ndarray:
        """Go one step on and give the output before it, (observed,).

        Args:
            current: what enters beside the unit's own state and the recurrent input, per step.
            wanted: output at this step.
            weight: how much its error counts.
            correct: whether weights change at this step.
        """

    def arrays(self) -> dict[str, ndarray]:
        """Weights as they are now, of a network that runs by itself."""


@dataclass(frozen=True)
class Network:
    """A leaky network whose readout and recurrent weights a rule may change at will, and the names of these in its card.

    Attributes:
        leaky: its equation.
        weights: arrays to start from.
        readout: name of the readout weights, C.
        offset: of the outputs, d; never changed.
    """

    leaky: Leaky
    weights: dict[str, ndarray]
    readout: str
    offset: Float[ndarray, " observed"]

    @classmethod
    def of(cls, model: Model, *, asked_by: str) -> "Network":
        """Take a student for such a network.

        Raises:
            TaskError: the network is not of that form: what it lacks, and the rule that asked.
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
        """Its card."""
        return self.leaky.model

    def feedback(self, observed_scale: Float[ndarray, " observed"], strength: float, seed: int) -> Float[ndarray, "unit observed"]:
        """Draw what a deviation of each output from its offset adds to the recurrent input of each unit, uniform between -strength and strength.

        Args:
            observed_scale: the deviation of each output that counts as 1.
            strength: in the unit of the recurrent input.
            seed: of the draw.
        """
        drawn = stream(seed, "student", "feedback of online rules")
        return drawn.uniform(-strength, strength, (self.model.units, len(observed_scale))) / observed_scale


def check_free(model: Model, name: str, *, asked_by: str) -> None:
    """Refuse a projection whose card forbids that every weight is changed.

    Raises:
        TaskError: what forbids it, and the rule that asked.
    """
    part = model.projections[name]
    kept = [what for what in ("keep_zeros", "rank") if getattr(part, what)] + (["excitatory"] if part.excitatory is not None else [])
    if kept := kept + ([] if part.self_connections else ["self_connections = false"]):
        raise TaskError(f"{model.name}: {asked_by} changes every weight of {name!r}, which {kept[0]} forbids; remove it from the card.")
    if not part.learn:
        raise TaskError(f"{model.name}: {asked_by} changes {name!r}; write learn = true into [projections.{name}].")


def check_data(model: Model, data: TrainingData, options: Options, *, continued: bool, asked_by: str) -> None:
    """Refuse what cannot be taught while running.

    Raises:
        OptionError: a regulariser, or another loss than the squared error.
        TaskError: trials are to follow each other though the card or the task has no first state.
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
    """Go through the trials again and again, correcting the student while it runs, and let it run free after each pass.

    Of the options ``epochs`` and ``patience`` count. The training loss is that of the outputs while they are being corrected, the validation loss
    that of the network by itself on the validation data; the weights that do best there are kept.

    Args:
        learner: is changed.
        leaky: the network that it is, with the weights to start from.
        data: trained on, trial after trial.
        check: never trained on.
        pace: how it is led through them.
        options: how many passes.
        seed: of the noise and of the first state.
        report: called with the fraction done and a line of text.
        shown: to the learner at each bin as what is wanted; the outputs of the training data if None.

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
    """Go through the trials once, note the outputs at the bins, and yield the trial and the share of the pass that is done now and then."""
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
    """An encoder that leads to one state, whatever the first outputs."""
    assert model.initial is not None
    return {model.initial.weights: np.zeros((model.units, model.size("observed"))), model.initial.offset: state.copy()}
