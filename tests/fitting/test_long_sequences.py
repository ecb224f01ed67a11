"""Gradients and runs in bounded memory: the same numbers, and bytes that do not grow with the length."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.fitting._fit import train
from cortex_sim.fitting._footprint import gradient_distance, gradient_footprint, run_footprint
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._scaling import INFERENCE, costs_by_length, gradient_changes
from cortex_sim.tasks._recall import nearest_heard, recall
from cortex_sim.tasks._task import Task

FULL, CHECKPOINTS = Options(start="rest"), Options(start="rest", through="checkpoints", segment=20)


def student(name: str = "gru") -> Model:
    return catalogue.load(name).with_arrays({}, units=12, observed=2, channels=3)


def tracking(strokes: int) -> Task:
    return recall(3, delays=(0.2,), strokes=strokes, stroke=0.2)


def training(strokes: int) -> TrainingData:
    return TrainingData.of(tracking(strokes))


@pytest.mark.parametrize("name", ["gru", "leaky_readout", "leaky_noise"])
def test_checkpoints_give_the_gradient_through_all_of_time(name: str) -> None:
    whole, pieces = (gradient_footprint(student(name), training(5), options, seed=1, double=True) for options in (FULL, CHECKPOINTS))
    assert whole.error == pytest.approx(pieces.error, rel=1e-12) and whole.error > 0
    assert gradient_distance(whole.arrays, pieces.arrays) < 1e-10 and whole.arrays.keys() == pieces.arrays.keys()


def test_checkpoints_hold_fewer_bytes_and_grow_with_the_states_between_segments_alone() -> None:
    short, long = (
        [gradient_footprint(student(), training(strokes), options, count=True).bytes or 0 for options in (FULL, CHECKPOINTS)] for strokes in (5, 20)
    )
    assert short[1] < short[0] and long[1] < 0.5 * long[0]
    assert long[0] - short[0] > 5 * (long[1] - short[1])  # a step of a gated unit leaves many arrays, a segment one state


def test_checkpoints_keep_one_state_and_the_last_rates_of_each_segment() -> None:
    few, many = (gradient_footprint(student("leaky_readout"), training(strokes), CHECKPOINTS, count=True).bytes or 0 for strokes in (20, 60))
    between = 3 * 12 * 4  # bytes of a state, and of the rates of one bin: trials, units, float32
    assert 0 < (many - few) / 40 < 4 * between < 20 * between  # a stroke is a segment of 20 bins; its own rates would be 20 times as many


def test_a_gradient_through_one_segment_after_another_has_the_error_of_the_whole_run_and_bytes_that_do_not_grow() -> None:
    short, long = Options(start="rest", through="segment", segment=15), Options(start="rest", through="segment", segment=training(5).task.bins)
    whole, cut, uncut = (gradient_footprint(student(), training(5), options, double=True) for options in (FULL, short, long))
    assert cut.error == pytest.approx(whole.error, rel=1e-12) == uncut.error
    assert gradient_distance(whole.arrays, uncut.arrays) < 1e-12 < 1e-3 < gradient_distance(whole.arrays, cut.arrays)
    held = [gradient_footprint(student(), training(strokes), short, count=True).bytes for strokes in (20, 40)]
    assert held[0] == held[1]


def test_changes_of_a_gradient_are_none_by_checkpoints_and_costs_are_told_by_way_and_length() -> None:
    cutting = Options(start="rest", through="segment", segment=15)
    checkpoints, cut = gradient_changes(student(), training(5), FULL, [CHECKPOINTS, cutting], double=True)
    assert checkpoints.gradient < 1e-10 < 1e-3 < cut.gradient and max(checkpoints.error, cut.error) < 1e-12
    costs = costs_by_length(student(), {100: training(5), 400: training(20)}, lambda length: {"whole": FULL, "cut": cutting})
    assert list(costs) == ["whole", "cut", INFERENCE] and costs["cut"].bytes[0] == costs["cut"].bytes[1] < costs["whole"].bytes[0]


def test_a_cut_gradient_misses_exactly_what_is_asked_for_after_the_cut() -> None:
    task = tracking(5)
    cutting = Options(start="rest", through="segment", segment=40)
    first = TrainingData(replace(task, mask=np.where(np.arange(task.bins) < 40, 1.0, 0.0) * np.ones((3, 1))), task.wanted.rate, np.ones(2))
    last = replace(first, task=replace(task, mask=1.0 - first.weights[:, :, 0] / first.weights.max()))
    found = [[gradient_footprint(student(), one, options, double=True).arrays for options in (FULL, cutting)] for one in (first, last)]
    assert gradient_distance(*found[0]) < 1e-12 and gradient_distance(*found[1]) > 1e-3


@pytest.mark.parametrize("name", ["gru", "leaky_readout"])
def test_memory_of_a_run_does_not_grow_with_its_length(name: str) -> None:
    short, long = (run_footprint(student(name), tracking(strokes), count=True) for strokes in (40, 100))
    assert long.rates.shape[1] > 2 * short.rates.shape[1]
    assert long.bytes == short.bytes  # to the byte: both have whole windows


@pytest.mark.parametrize("name", ["gru", "leaky_readout"])
def test_no_segment_of_a_run_makes_an_array_of_all_its_times(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 10^5 bins such arrays outgrew what a segment holds."""
    asked = []
    for grid in ("time", "fine_time"):
        made = getattr(Task, grid).fget
        monkeypatch.setattr(Task, grid, property(lambda task, grid=grid, made=made: asked.append(grid) or made(task)))
    counts = []
    for strokes in (40, 100):  # 4 and 8 segments
        asked.clear()
        run_footprint(student(name), tracking(strokes))
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_one_segment_as_long_as_the_task_is_back_propagation_through_all_of_it() -> None:
    task = tracking(3)
    options = Options(start="rest", epochs=3, batch=2, validation=0)
    whole = train(student(), task.wanted, task, options=options)
    cut = train(student(), task.wanted, task, options=replace(options, through="segment", segment=task.bins))
    np.testing.assert_allclose(cut.train, whole.train, rtol=1e-5)  # float32


def test_short_segments_learn_too_and_otherwise() -> None:
    task = tracking(5)
    options = Options(start="rest", epochs=15, batch=2, rate=1e-2, validation=0, through="segment", segment=15)
    fitted = train(student(), task.wanted, task, options=options)
    assert fitted.train[-1] < 0.9 * fitted.train[0]
    assert fitted.train != train(student(), task.wanted, task, options=replace(options, through="all", segment=FULL.segment)).train


@pytest.mark.parametrize("delay", [0.2, 0.5])
def test_the_nearest_bin_that_shows_what_is_wanted_is_found_in_the_task_itself(delay: float) -> None:
    task = recall(1, delays=(delay,), strokes=1, stroke=0.2)
    assert task.channels is not None and task.targets is not None
    shown, wanted = (np.flatnonzero(np.abs(values).any(axis=1)) for values in (task.channels.values[0, ::10, :2], task.targets.values[0]))
    assert nearest_heard(delay, 0.2) == wanted[0] - shown[-1]
