"""What a tuned student is taught and scored on: parts of the conditions, and the score of a student on one of them."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError
from cortex_sim.fitting import Fitted, Options, train, unit_scale
from cortex_sim.runtime import content_key, stream
from cortex_sim.simulation import simulate
from cortex_sim.studies.tuning._space import Setting, apply
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

Rates = Float[ndarray, "trial time unit"]
Places = Int[ndarray, " trial"]


@dataclass(frozen=True)
class Material:
    """What a protocol's ``training_data`` gives: the student and the options to start from, the training data, and the task."""

    model: Model
    trials: Trials
    task: Task
    options: Options

    @property
    def key(self) -> str:
        """Hash of the student, its training data and its options."""
        return content_key("material", self.model.key, self.trials.key, self.task.key, self.options.key)

    def select(self, places: Places) -> "Material":
        """Keep these trials, by position."""
        return replace(self, trials=self.trials.select(places), task=self.task.select(places))

    @property
    def measure(self) -> str:
        """What scores are."""
        return "accuracy" if "cross-entropy" in self.options.loss else "R² of outputs"


@dataclass(frozen=True)
class Answers:
    """Outputs of a student on trials it was not trained on, and how to score them.

    Attributes:
        wanted: target outputs.
        found: its outputs; logits where the loss is a cross-entropy.
        weights: how much each bin counts, (trial, time, 1); 0 in the first bin where students start from it.
        mean: of each output, over the trials taught.
        scale: of each output, over the trials taught.
        loss: of the options.
    """

    wanted: Trials
    found: Trials
    weights: Float[ndarray, "trial time 1"]
    mean: Float[ndarray, " unit"]
    scale: Float[ndarray, " unit"]
    loss: str

    def score(self, kept: Places | None = None, order: Places | None = None) -> float:
        r"""Share of weighted variance explained, :math:`1 - \sum w (y - \hat y)^2/\sigma^2 / \sum w (y - \mu)^2/\sigma^2`, or of right answers.

        Args:
            kept: trials that count; all if left out.
            order: of the student's trials, to make a null.
        """
        kept = np.arange(len(self.wanted.rate)) if kept is None else kept
        y, w = self.wanted.rate[kept], self.weights[kept]
        guess = (self.found.rate if order is None else self.found.rate[order])[kept]
        if self.loss == "squared":
            left, whole = (float((w * ((y - other) / self.scale) ** 2).sum()) for other in (guess, self.mean))
            return 1 - left / whole
        right = (guess > 0) == (y > 0.5) if self.loss == "binary cross-entropy" else (guess.argmax(2) == y.argmax(2))[:, :, None]
        return float((w * right).sum() / (w.sum() * right.shape[2]))


def apart(condition: ndarray, fraction: float, seed: int) -> tuple[Places, Places]:
    """Set conditions aside, with all their trials; positions of the rest and of those set aside.

    Raises:
        OptionError: the fraction is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise OptionError(f"--test {fraction:g} should lie between 0 and 1.")
    conditions = np.unique(condition)
    order = stream(seed, "analysis", "test conditions of a tuning").permutation(conditions)
    aside = np.isin(condition, order[: max(1, round(fraction * len(order)))])
    return np.flatnonzero(~aside), np.flatnonzero(aside)


def folded(condition: ndarray, folds: int, seed: int) -> list[tuple[Places, Places]]:
    """Split trials into folds by condition: positions of those taught and of those held out, each condition held out once.

    Raises:
        OptionError: there are fewer than 2 folds, or too few conditions for them.
    """
    conditions = np.unique(condition)
    if folds < 2:
        raise OptionError(f"folds {folds} should be 2 or more.")
    if len(conditions) < max(folds, 3):
        raise OptionError(f"{len(conditions)} conditions are too few for {folds} folds; give fewer folds, or a task with more conditions.")
    order = stream(seed, "analysis", "folds of a tuning").permutation(conditions)
    held = [np.isin(condition, part) for part in np.array_split(order, folds)]
    return [(np.flatnonzero(~out), np.flatnonzero(out)) for out in held]


def teach(material: Material, setting: Setting, taught: Places, *, seed: int, most: int | None = None) -> Fitted:
    """Teach a student with a setting; the seed is one for all settings, so that they differ in nothing else.

    Args:
        material: of the protocol.
        setting: what is changed.
        taught: positions of the trials.
        seed: of the untrained weights and of the order of conditions.
        most: epochs at most.

    Raises:
        Diverged: the loss was no longer finite.
        KeyboardInterrupt: training was interrupted.
    """
    model, options = apply(setting, material.model, material.options)
    options = options if most is None else replace(options, epochs=min(most, options.epochs))
    part = material.select(taught)
    fitted = train(model, part.trials, part.task, seed=seed, options=options, report=_silent)
    if fitted.interrupted:
        raise KeyboardInterrupt
    return fitted


def answers(material: Material, model: Model, taught: Places, tested: Places, *, seed: int) -> Answers:
    """Return a student's outputs on trials that it was not trained on; means and scales come from its training trials."""
    part, known = material.select(tested), material.trials.select(taught)
    from_first = material.options.start == "first bin"
    weights = np.ones(part.trials.rate.shape[:2]) if part.task.mask is None else part.task.mask.astype(float)
    if from_first:
        weights = weights * (np.arange(weights.shape[1]) > 0)
    found = simulate(model, replace(part.task, initial=part.trials.rate[:, 0] if from_first else None), seed=seed)
    mean, scale = known.rate.mean(axis=(0, 1)), unit_scale(known.rate)
    return Answers(part.trials, found, weights[:, :, None], mean, scale, material.options.loss)


@dataclass(frozen=True)
class Folds:
    """The objective of a search: the held-out score of a student trained on the other folds.

    Attributes:
        material: all trials of the protocol.
        parts: positions taught and held out, by fold.
        seed: of the students.
        most: epochs at most.
    """

    material: Material
    parts: list[tuple[Places, Places]]
    seed: int
    most: int | None = None

    def __call__(self, setting: Setting, fold: int) -> float:
        """Score of a setting on a fold."""
        from cortex_sim.simulation.torch import use_one_thread

        use_one_thread()
        taught, held = self.parts[fold]
        fitted = teach(self.material, setting, taught, seed=self.seed, most=self.most)
        return answers(self.material, fitted.model, taught, held, seed=self.seed).score()


def within(places: Places, condition: ndarray, folds: int, seed: int) -> list[tuple[Places, Places]]:
    """Fold some of the trials; positions are those of the whole."""
    return [(places[taught], places[held]) for taught, held in folded(condition[places], folds, seed)]


def _silent(done: float, text: str) -> None:
    """Shows nothing: the progress of a search is that of its trials."""
