"""Recall under permuted trials, and what an output has of the past, where both are known."""

from dataclasses import replace

import numpy as np

from cortex_sim.analysis import told_by_the_past
from cortex_sim.cards import load
from cortex_sim.comparison import recall_score
from cortex_sim.comparison._recall import permuted_recall
from cortex_sim.tasks import recall


def test_perfect_recall_given_to_other_trials_is_as_bad_as_two_random_directions_are_apart() -> None:
    task = recall(200, delays=(0.0, 0.1), seed=0)
    assert task.targets is not None
    null = permuted_recall(task, [task.targets.values], 0.1, rng=np.random.default_rng(0), count=50)
    assert abs(null.mean() - 2) < 0.02 + 2 / 99  # |a - b|² of independent unit vectors; a hundredth of the orders keeps a trial at its place
    turned = task.targets.copy(data=-task.targets.values)
    assert np.allclose(permuted_recall(replace(task, targets=turned), [turned.values], 0.1, rng=np.random.default_rng(0), count=50), null)


def test_the_score_of_a_delay_line_is_perfect_and_of_keeping_still_as_the_floor_says() -> None:
    task = recall(20, delays=(0.0, 0.1), seed=0)
    assert task.targets is not None
    perfect, still = (recall_score("network", task, [output] * 3, 0.1, rng=np.random.default_rng(0)) for output in (
        task.targets.values, np.zeros(task.targets.shape)))  # fmt: skip
    assert perfect.estimate == perfect.ceiling == 0 and still.estimate == still.settings["floor_without_memory"] == 1
    assert perfect.split == "10 trials not taught" and perfect.surrogate == "outputs of other trials of this delay"


def test_a_network_that_sees_this_moment_alone_is_told_nothing_by_the_past_and_a_recurrent_one_is() -> None:
    task = recall(4, delays=(0.0, 0.1), seed=0)
    without, recurrent = (load(name).with_arrays({}, units=8, observed=2, channels=3) for name in ("feedforward", "gru"))
    assert told_by_the_past(without, task, 0) < 1e-12 < told_by_the_past(recurrent, task, 0)
