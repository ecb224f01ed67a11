"""Training and test data of a tuned student: subsets of the conditions, and the score of a student on them."""

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
    """The ``training_data`` of a protocol: initial student and options, training data, and task."""

    model: Model
    trials: Trials
    task: Task
    options: Options

    @property
    def key(self) -> str:
        """Return a hash of the student, its training data and its options."""
        return content_key("material", self.model.key, self.trials.key, self.task.key, self.options.key)

    def select(self, places: Places) -> "Material":
        """Return the material with these trials alone, by index."""
        return replace(self, trials=self.trials.select(places), task=self.task.select(places))

    @property
    def measure(self) -> str:
        """Return the name of the score."""
        return "accuracy" if "cross-entropy" in self.options.loss else "R² of outputs"


@dataclass(frozen=True)
class Answers:
    """Outputs of a student on held-out trials, and their score.

    Attributes:
        wanted: target outputs.
        found: its outputs; logits if the loss is a cross-entropy.
        weights: weight of each bin, (trial, time, 1); 0 in the first bin if students start from it.
        mean: of each output, over the training trials.
        scale: of each output, over the training trials.
        loss: loss of the options.
    """

    wanted: Trials
    found: Trials
    weights: Float[ndarray, "trial time 1"]
    mean: Float[ndarray, " unit"]
    scale: Float[ndarray, " unit"]
    loss: str

    def score(self, kept: Places | None = None, order: Places | None = None) -> float:
        r"""Return the weighted variance explained, :math:`1 - \sum w (y - \hat y)^2/\sigma^2 / \sum w (y - \mu)^2/\sigma^2`, or the accuracy.

        Args:
            kept: indices of the trials that count; all if omitted.
            order: permutation of the student's trials, for a null.
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
    """Return the indices of the remaining and of the held-out trials; conditions are held out with all their trials.

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
    """Return folds by condition: indices of training and held-out trials, each condition held out once.

    Raises:
        OptionError: there are fewer than 2 folds, or too few conditions.
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
    """Return a student trained with a setting; the seed is the same for all settings, so that they differ in nothing else.

    Args:
        material: material of the protocol.
        setting: values to change.
        taught: indices of the training trials.
        seed: of the untrained weights and of the order of conditions.
        most: maximum number of epochs.

    Raises:
        Diverged: the loss is no longer finite.
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
    """Return a student's outputs on held-out trials; means and scales come from its training trials."""
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
    """The objective of a search: the held-out score of a student that was trained on the other folds.

    Attributes:
        material: all trials of the protocol.
        parts: indices of training and held-out trials, by fold.
        seed: of the students.
        most: maximum number of epochs.
    """

    material: Material
    parts: list[tuple[Places, Places]]
    seed: int
    most: int | None = None

    def __call__(self, setting: Setting, fold: int) -> float:
        """Return the score of a setting on a fold."""
        from cortex_sim.simulation.torch import use_one_thread

        use_one_thread()
        taught, held = self.parts[fold]
        fitted = teach(self.material, setting, taught, seed=self.seed, most=self.most)
        return answers(self.material, fitted.model, taught, held, seed=self.seed).score()


def within(places: Places, condition: ndarray, folds: int, seed: int) -> list[tuple[Places, Places]]:
    """Return folds of some of the trials, with indices into all trials."""
    return [(places[taught], places[held]) for taught, held in folded(condition[places], folds, seed)]


def _silent(done: float, text: str) -> None:
    """Show nothing: the progress of a search is counted in its trials."""
