"""fit(model, trials, task) -> Model: a student learns to reproduce given outputs, by one of many rules."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError, TaskError, TrialsError, suggestion
from cortex_sim.fitting import rules
from cortex_sim.fitting._options import CUSTOMARY, Options, TrainingData
from cortex_sim.fitting._regression import Beginning, begin, encodes
from cortex_sim.fitting._start import adapt, counted, held_where_unseen, learned, one_unit_each, unit_scale
from cortex_sim.runtime import run_cache, seed_of, stream, track
from cortex_sim.runtime.workers import one_thread
from cortex_sim.simulation import Wrapped, refuse_unheard
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

THREADED = 500  # units below which a second thread brings nothing, as where networks are simulated


@dataclass(frozen=True)
class Fitted:
    """A trained model and the history of its training.

    Attributes:
        model: with the weights of lowest error on the validation conditions; a wrapped one, if that was trained on.
        start: the same model before the first gradient step.
        train: loss by epoch on the training conditions; 1 is the error of predicting each unit's mean or, with a body, an error of 1 cm (or N).
        validation: loss by epoch on the validation conditions.
        conditions: number of training and of validation conditions.
        seconds: wall time.
        interrupted: whether Ctrl-C ended training early.
        diverged: how training diverged, in words; the weights are those of the best epoch before. Empty if it did not.
        outputs: outputs on the training trials in the last epoch, (trial, time, observed), for rules that correct the student while it runs.
        began: the initial weights of training, in words.
    """

    model: Model
    start: Model
    train: list[float]
    validation: list[float]
    conditions: tuple[int, int]
    seconds: float
    interrupted: bool = False
    outputs: Float[ndarray, "trial time observed"] | None = None
    began: str = "untrained weights"
    diverged: str = ""

    def __str__(self) -> str:
        model, taught = self.model, f"{self.conditions[0]} conditions, {self.seconds:.1f} s"
        ended = f" ({self.diverged})" if self.diverged else ""
        return f"{model.name}, {model.units} units, {len(self.train)} epochs from {self.began}{ended}, {taught}"


def fit(
    model: Model | Wrapped,
    trials: Trials | Float[ndarray, "trial time unit"],
    task: Task,
    *,
    seed: int = 0,
    rule: str = "bptt",
    how: Mapping[str, float] | None = None,
    options: Options = CUSTOMARY,
    **changes: Any,
) -> Model:
    """Return a student, trained to reproduce given outputs.

    Args:
        model: the student; its size is adapted to the trials. One that has learned before, and a wrapped module of torch, go on from their weights;
            where a closed form is better on the validation conditions, training begins there (``closed_form=False`` tries none).
        trials: outputs to reproduce, one trial per condition; a plain array is taken to be on the task's bins, in Hz.
        task: the task that produced them.
        seed: of the split, the untrained weights and the order of conditions.
        rule: how the student learns, one file of ``cortex_sim/fitting/rules/``.
        how: parameters of the rule, by name.
        options: of the optimiser, as one object.
        **changes: single options by name, for example ``epochs=40, rate=5e-3``; see :class:`Options`.

    Raises:
        OptionError: an option is unknown; a close one is suggested.
        TaskError: as :func:`train`, which also returns the history of training.
        TrialsError: as :func:`train`.
    """
    for name in changes.keys() - vars(options).keys():
        raise OptionError(f"fit: option {name!r} is unknown. {suggestion(name, vars(options))}")
    wanted = trials if isinstance(trials, Trials) else Trials.from_arrays(trials, task.time, condition=task.condition)
    return train(model, wanted, task, seed=seed, options=replace(options, **changes), rule=rule, how=how).model


def train(
    model: Model | Wrapped,
    trials: Trials,
    task: Task,
    *,
    seed: int = 0,
    options: Options = CUSTOMARY,
    rule: str = "bptt",
    how: Mapping[str, float] | None = None,
    checkpoint: Path | None = None,
    report: Callable[[float, str], None] | None = None,
) -> Fitted:
    """Return a student trained, free-running, to reproduce outputs: the rates of a circuit or a recording, or a task's own targets.

    Conditions are split before anything is computed from the data; each unit's scale and mean come from the training part only. If
    the student's state follows from its rates, training starts from the linear regression of its own equation under teacher forcing, with
    the penalty, or the untrained weights, of lowest error on the validation conditions. Samples of zero weight in the task's mask have no effect.

    Args:
        model: the student; its size is adapted to the trials.
        trials: outputs to reproduce, one trial per condition; ``task.wanted`` for a task with targets.
        task: the task that produced them; its drives and channels are the student's inputs, its mask weights the bins.
        seed: of the split, the untrained weights and the order of conditions.
        options: of the optimiser.
        rule: how the student learns, one file of ``cortex_sim/fitting/rules/``.
        how: parameters of the rule, by name.
        checkpoint: file from which to resume and to which to write during training, for rules that support it.
        report: called with the completed fraction and a line of text; if omitted, progress is shown on standard error.

    Raises:
        TaskError: the task's bins are not those of the trials, the student receives no input from it, or the rule cannot train such a student.
        TrialsError: fewer than two conditions.
        OptionError: the rule or one of its parameters is unknown, or it would ignore an option or the checkpoint.
        KeyboardInterrupt: on Ctrl-C in a run that writes a report, which must not contain a partly trained student.
    """
    _check(trials, task, rule, options, checkpoint)
    trials = held_where_unseen(trials, task.mask)
    if isinstance(model, Wrapped):
        return _gone_on(model, trials, task, seed, options, rule, checkpoint, report)
    rules.refuse_delays(rule, model)
    learn = rules.find(rule, how or {})
    kept = {"checkpoint": checkpoint} if rules.resumes(rule) else {}
    began = time.monotonic()
    taught, checked = split(trials, options.validation, seed)
    shown = task.select(taught)
    scale = np.ones(trials.rate.shape[2]) if task.body else unit_scale(counted(trials.select(taught), shown.mask)[None])
    student = adapt(model, trials.select(taught), shown, seed)
    initial = trials.rate[:, 0] if options.start == "first bin" and not task.body else None
    started = replace(task, initial=initial)
    refuse_unheard(student, started)
    heard = [seed_of(seed, "student", "noise of training data", number) for number in range(2)]
    datasets = [TrainingData(started.select(c), trials.rate[c], scale, noise) for c, noise in zip((taught, checked), heard, strict=True)]
    if options.hidden_start and (not encodes(student) or initial is None or not options.closed_form):
        found = f"student {student.name!r}" if not encodes(student) else f"start {options.start!r} and closed_form {options.closed_form}"
        raise OptionError(f"Options.hidden_start: is of hidden units that start from the first bin by an encoder, in closed form (got {found}).")
    closed = options.closed_form and not task.body and (one_unit_each(student) or options.hidden_start)
    own = "the weights of its card" if learned(student) else "untrained weights"
    with _threads(student.units), track(f"training {model.name}") as progress:
        first = begin(student, *datasets) if closed else Beginning(student, own)
        history = learn(first.model, *datasets, options=options, seed=seed, report=report or progress, **kept)
    if history.interrupted and run_cache():
        raise KeyboardInterrupt
    trained, sizes, seconds = first.model.with_arrays(history.arrays), (len(taught), len(checked)), time.monotonic() - began
    ended = (history.interrupted, history.outputs, first.said, history.diverged)
    return Fitted(trained, first.model, history.train, history.validation, sizes, seconds, *ended)


def _threads(units: int) -> AbstractContextManager[None]:
    """Return a context with one thread for small networks, whose threads would wait for one another longer than they compute."""
    return one_thread() if units < THREADED else nullcontext()


def _gone_on(
    model: Wrapped,
    trials: Trials,
    task: Task,
    seed: int,
    options: Options,
    rule: str,
    checkpoint: Path | None,
    report: Callable[[float, str], None] | None,
) -> Fitted:
    """Return a wrapped module that was trained on; see :func:`train`."""
    from cortex_sim.fitting._modules import go_on

    if rule != "bptt" or checkpoint:
        found = f"rule {rule!r}" if rule != "bptt" else "a checkpoint"
        raise OptionError(f"{model.name}: is wrapped and learns by back-propagation, without checkpoints (got {found}).")
    began, chosen = time.monotonic(), split(trials, options.validation, seed)
    with _threads(model.units), track(f"training {model.name}") as progress:
        trained, history, origin = go_on(model, trials, task, chosen, options=options, seed=seed, report=report or progress)
    if history.interrupted and run_cache():
        raise KeyboardInterrupt
    sizes, seconds = (len(chosen[0]), len(chosen[1])), time.monotonic() - began
    models = cast(Model, trained), cast(Model, model)
    return Fitted(*models, history.train, history.validation, sizes, seconds, history.interrupted, None, origin, history.diverged)


def _check(trials: Trials, task: Task, rule: str, options: Options, checkpoint: Path | None) -> None:
    """Check that trials fit the task, and that the rule ignores none of the options.

    Raises:
        TaskError: as :func:`train`.
        OptionError: as :func:`train`.
    """
    if task.bins != trials.rate.shape[1] or task.trials != len(trials.rate):
        raise TaskError(f"task has {task.trials} trials of {task.bins} bins; the trials have {trials.rate.shape[:2]}. Cut both to one window.")
    if abs(task.bin - trials.bin) > 1e-6 * task.bin:
        found = f"task has bins of {task.bin * 1e3:g} ms; the trials have {trials.bin * 1e3:g} ms"
        raise TaskError(f"{found}. Give the task theirs: task.on_bins({trials.bin:g}).")
    rules.find(rule, {})
    rules.refuse_ignored(rule, options)
    if checkpoint and not rules.resumes(rule):
        raise OptionError(f"rule {rule!r} writes no checkpoint: its runs take seconds (got {str(checkpoint)!r}); leave it out.")
    if options.penalty_effort and not task.body:
        found = f"(got {options.penalty_effort!r})"
        raise OptionError(f"Options.penalty_effort: task {task.name!r} has no body that makes an effort; it should be 0 {found}.")
    if options.start == "first bin" and not task.body and task.mask is not None and not task.mask[:, 0].all():
        found = f"mask gives the first bin of {int((task.mask[:, 0] == 0).sum())} trials no weight, but a student starts from the rates there"
        raise TaskError(f"task {task.name!r}: {found}; let it start from rest (start='rest'), or let the first bin count.")
    if task.body and rule != "bptt":
        raise TaskError(f"task {task.name!r}: rule {rule!r} cannot learn through a body; use 'bptt'.")


def split(trials: Trials, fraction: float, seed: int) -> tuple[Int[ndarray, " taught"], Int[ndarray, " checked"]]:
    """Split conditions into training and validation trials; all trials of a condition are on one side. If the fraction is 0, all are on both.

    Raises:
        TrialsError: there are fewer than two conditions.
    """
    if fraction == 0:
        return np.arange(len(trials.condition)), np.arange(len(trials.condition))
    conditions = np.unique(trials.condition)
    if len(conditions) < 2:
        raise TrialsError(f"trials have {len(conditions)} condition; at least 2 are needed to keep one for validation.")
    order = stream(seed, "student", "validation conditions").permutation(conditions)
    checked = np.isin(trials.condition, order[: max(1, round(fraction * len(order)))])
    return np.flatnonzero(~checked), np.flatnonzero(checked)
