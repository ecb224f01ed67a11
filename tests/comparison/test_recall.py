"""Recall under permuted trials, and what an output has of the past, where both are known."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.analysis import told_by_the_past
from cortex_sim.cards import load
from cortex_sim.cards.edit import unconnected
from cortex_sim.comparison import recall_score
from cortex_sim.comparison._recall import permuted_recall
from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks import free_run, recall, recall_error


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


@pytest.mark.parametrize("bin", [0.001, 0.005, 0.01, 0.02, 0.05])
def test_the_past_tells_a_linear_network_what_its_impulse_response_keeps_of_it(bin: float) -> None:
    """With x the leaky integral of the input, the output half-way differs by the sum of the replaced input times (1 - dt/tau)^age dt/tau."""
    plain, dt, task = load("leaky_readout"), 0.001, recall(4, delays=(0.0, 0.1), seed=0).on_bins(bin)
    step = {"value": dt, "unit": "second", "meaning": "step"}
    linear = unconnected(plain.with_arrays({}, units=8, observed=2, channels=3, dt=step, equations=plain.equations.replace("tanh(x)", "x")))
    tau = linear.scalars["tau"]
    half, replaced = round(task.bins // 2 * bin / dt), round((task.bins // 2 - 1) * bin / dt)  # steps: until then; up to the last bin
    heard = task.channels.values[:, :replaced]
    changed = stream(0, "analysis", "replaced past").normal(size=heard.shape) - heard
    kept = (1 - dt / tau) ** np.arange(half - 1, half - 1 - replaced, -1) * dt / tau
    apart = np.einsum("s,nsc,uc,ou->no", kept, changed, linear.arrays()["W_in"], linear.arrays()["C"])
    assert told_by_the_past(linear, task, 0) == pytest.approx(np.sqrt((apart**2).mean() / (task.targets.values**2).max()), rel=1e-9)


@pytest.mark.parametrize("bin", [0.001, 0.005, 0.01, 0.02, 0.05])
def test_recall_is_perfect_or_absent_on_any_bins(bin: float) -> None:
    task = recall(6, delays=(0.0, 0.1), seed=0).on_bins(bin)
    assert recall_error(task, task.targets.values) == {0.0: 0.0, 0.1: 0.0}
    assert recall_error(task, np.zeros(task.targets.shape)) == {0.0: 1.0, 0.1: 1.0}


def test_tasks_without_a_past_to_tell_or_strokes_to_recall_are_refused() -> None:
    bare = free_run(np.zeros((1, 4)), 0.1)
    with pytest.raises(TaskError, match="task 'free run': has no channels; what the past tells needs both"):
        told_by_the_past(load("gru"), bare, 0)
    with pytest.raises(TaskError, match=r"task 'free run' lacks targets, channels or delays; take one of recall\(\)"):
        recall_error(bare, np.zeros((1, 10, 2)))
