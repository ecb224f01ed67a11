"""Decoding by a network that receives spike counts bin by bin and outputs the condition at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from cortex_sim.analysis._decoding import trial_folds
from cortex_sim.cards import Model
from cortex_sim.fitting import Fitted, Job, Options, train_many
from cortex_sim.simulation import simulate
from cortex_sim.tasks import BIN, telling_apart


@dataclass(frozen=True)
class Told:
    """Conditions of trials, and the conditions that decoders assigned to them.

    Attributes:
        question: the conditions to distinguish.
        condition: of each trial.
        taken: by decoder, the condition assigned to each trial.
        fitted: networks of the folds.
    """

    question: str
    condition: ndarray
    taken: Mapping[str, ndarray]
    fitted: Sequence[Fitted]

    def right(self, decoder: str) -> Bool[ndarray, " trial"]:
        """Return whether a decoder is right in each trial."""
        return np.asarray(self.taken[decoder] == self.condition)


def network_decoding(
    network: Model,
    heard: Float[ndarray, "trial time channel"],
    condition: Shaped[ndarray, " trial"],
    *,
    start: float,
    options: Options,
    seeds: Sequence[int],
    bin: float = BIN,
) -> tuple[ndarray, list[Fitted]]:
    """Return the condition that a network trained on the other folds assigns to each trial, and the networks of all folds.

    Folds are those of :func:`.discriminant`. Two conditions need one output and binary cross-entropy, more than two one output each and
    cross-entropy; counts are in standard deviations of the network's training trials.

    Args:
        network: a network that receives the task's channels.
        heard: counts in bins.
        condition: of each trial.
        start: start of the first bin, s.
        options: training options, except the loss.
        seeds: of the network of each fold.
        bin: width of the bins, s.

    Raises:
        ComparisonError: there is only one condition, or a condition has fewer trials than there are folds.
    """
    folds, labels = trial_folds(condition), np.unique(condition)
    options = replace(options, loss="binary cross-entropy" if len(labels) == 2 else "cross-entropy")
    tasks = [telling_apart(heard, condition, start=start, reference=taught, bin=bin) for taught, _ in folds]
    jobs = {}
    for number, ((taught, _), task, seed) in enumerate(zip(folds, tasks, seeds, strict=True)):
        part = task.select(taught)
        jobs[f"{len(labels)} conditions, fold {number + 1}"] = Job(network, part.wanted, part, seed, options)
    fitted = list(train_many(jobs).values())
    taken = np.empty(len(condition), dtype=condition.dtype)
    for (_, test), task, student in zip(folds, tasks, fitted, strict=True):
        outputs = simulate(student.model, task.select(test)).rate[:, -1]
        taken[test] = labels[(outputs[:, 0] > 0).astype(int) if outputs.shape[1] == 1 else outputs.argmax(axis=1)]
    return taken, fitted
