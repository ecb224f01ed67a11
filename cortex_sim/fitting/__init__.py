"""fit(model, trials, task) -> Model: a student learns to reproduce rates, free running from their first bin."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from cortex_sim.errors import TaskError, TrialsError
from cortex_sim.fitting.start import adapt, one_unit_each, regress, unit_scale
from cortex_sim.model import Model
from cortex_sim.progress import track
from cortex_sim.task import Task
from cortex_sim.trials import Trials

SPLIT = 2  # names the random stream that draws the validation conditions


@dataclass(frozen=True)
class Options:
    """How a student is taught.

    Attributes:
        epochs: at most; 0 keeps the closed-form start.
        batch: conditions per step.
        rate: learning rate at the start.
        patience: epochs without improvement on the validation conditions before stopping.
        validation: fraction of the conditions kept for early stopping.
        closed_form: start from the regression of the student's own equation, where its state can be read off the rates.
    """

    epochs: int = 80
    batch: int = 64
    rate: float = 2e-3
    patience: int = 20
    validation: float = 0.1
    closed_form: bool = True


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it came about.

    Attributes:
        model: with the weights that did best on the validation conditions.
        start: the same model before any gradient step.
        train: loss by epoch on the training conditions; 1 is the error of predicting each unit's mean.
        validation: loss by epoch on the validation conditions.
        conditions: number of training and of validation conditions.
        seconds: wall time.
        interrupted: Ctrl-C ended training early.
    """

    model: Model
    start: Model
    train: list[float]
    validation: list[float]
    conditions: tuple[int, int]
    seconds: float
    interrupted: bool = False

    def __str__(self) -> str:
        model, taught = self.model, f"{self.conditions[0]} conditions, {self.seconds:.1f} s"
        return f"{model.name}, {model.units} units, {len(self.train)} epochs, {taught}"


def fit(model: Model, trials: Trials, task: Task, *, seed: int = 0, options: Options = Options()) -> Model:
    """Teach a student to reproduce rates and return it with its weights.

    See :func:`train`, which also tells how training went.
    """
    return train(model, trials, task, seed=seed, options=options).model


def train(
    model: Model, trials: Trials, task: Task, *, seed: int = 0, options: Options = Options(), checkpoint: Path | None = None,
    report: Callable[[float, str], None] | None = None,
) -> Fitted:
    """Teach a student to reproduce rates from the inputs and the first bin, free running.

    Conditions are split before anything is computed from the data; each unit's scale and mean come from the training part only. Where
    the student's state can be read off its rates, training starts from the linear regression of its own equation under teacher forcing.

    Args:
        model: the student; its size is adapted to the trials.
        trials: rates to reproduce, one trial a condition.
        task: what produced them; its drives and channels are the student's inputs.
        seed: of the split, the untrained weights and the order of conditions.
        options: of the optimiser.
        checkpoint: file to resume from and to write to while training.
        report: called with the fraction done and a line of text; if left out, progress goes to standard error.

    Raises:
        TaskError: the task's bins are not those of the trials.
        TrialsError: fewer than two conditions.
    """
    if task.bins != trials.rate.shape[1] or task.trials != len(trials.rate):
        raise TaskError(f"task has {task.trials} trials of {task.bins} bins; the trials have {trials.rate.shape[:2]}. Cut both to one window.")
    from cortex_sim.backends.pytorch.training import Lesson, Settings
    from cortex_sim.backends.pytorch.training import train as descend

    began = time.monotonic()
    taught, checked = split(trials, options.validation, seed)
    scale = unit_scale(trials.select(taught))
    student = adapt(model, trials.select(taught), task, seed)
    if options.closed_form and one_unit_each(student):
        student = regress(student, trials.select(taught), task.select(taught))
    lessons = [Lesson(replace(task.select(c), initial=trials.rate[c, 0]), trials.rate[c], scale) for c in (taught, checked)]
    settings = Settings(epochs=options.epochs, batch=options.batch, rate=options.rate, patience=options.patience)
    with track(f"training {model.name}") as shown:
        course = descend(student, lessons[0], lessons[1], settings=settings, seed=seed, checkpoint=checkpoint, report=report or shown)
    trained = student.with_arrays(course.arrays)
    sizes = (len(taught), len(checked))
    return Fitted(trained, student, course.train, course.validation, sizes, time.monotonic() - began, course.interrupted)


def split(trials: Trials, fraction: float, seed: int) -> tuple[Int[ndarray, " taught"], Int[ndarray, " checked"]]:
    """Set conditions aside: all trials of a condition fall on one side.

    Raises:
        TrialsError: there are fewer than two conditions.
    """
    conditions = np.unique(trials.condition)
    if len(conditions) < 2:
        raise TrialsError(f"trials have {len(conditions)} condition; at least 2 are needed to keep one for validation.")
    order = np.random.default_rng(np.random.SeedSequence((seed, SPLIT))).permutation(conditions)
    checked = np.isin(trials.condition, order[: max(1, round(fraction * len(order)))])
    return np.flatnonzero(~checked), np.flatnonzero(checked)
