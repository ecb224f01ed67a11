"""Gradients and runs in bounded memory: the same numbers, and bytes that do not grow with the length."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim import catalog
from cortex_sim.backends.pytorch.footprint import apart, gradient, inference
from cortex_sim.fitting import train
from cortex_sim.learning import Lesson, Options
from cortex_sim.model import Model
from cortex_sim.task import Task
from cortex_sim.task.recall import recall

FULL, CHECKPOINTS = Options(start="rest"), Options(start="rest", through="checkpoints", segment=20)


def student(name: str = "gru") -> Model:
    return catalog.load(name).with_arrays({}, units=12, observed=2, channels=3)


def tracking(strokes: int) -> Task:
    return recall(3, delays=(0.2,), strokes=strokes, stroke=0.2)


def lesson(strokes: int) -> Lesson:
    task = tracking(strokes)
    return Lesson(task, task.wanted.rate, np.ones(2))


@pytest.mark.parametrize("name", ["gru", "leaky_readout", "leaky_noise"])
def test_checkpoints_give_the_gradient_through_all_of_time(name: str) -> None:
    whole, pieces = (gradient(student(name), lesson(5), options, seed=1, double=True) for options in (FULL, CHECKPOINTS))
    assert whole.error == pytest.approx(pieces.error, rel=1e-12) and whole.error > 0
    assert apart(whole.arrays, pieces.arrays) < 1e-10 and whole.arrays.keys() == pieces.arrays.keys()


def test_checkpoints_hold_fewer_bytes_and_grow_with_the_states_between_segments_alone() -> None:
    short, long = (
        [gradient(student(), lesson(strokes), options, count=True).bytes or 0 for options in (FULL, CHECKPOINTS)] for strokes in (5, 20)
    )
    assert short[1] < short[0] and long[1] < 0.5 * long[0]
    assert long[0] - short[0] > 5 * (long[1] - short[1])  # a step of a gated unit leaves many arrays, a segment one state


@pytest.mark.parametrize("name", ["gru", "leaky_readout"])
def test_memory_of_a_run_does_not_grow_with_its_length(name: str) -> None:
    short, long = (inference(student(name), tracking(strokes), count=True) for strokes in (40, 160))
    assert long.rates.shape[1] > 3.5 * short.rates.shape[1]
    assert long.bytes is not None and short.bytes is not None and long.bytes < 1.5 * short.bytes + 8 * 3 * long.rates.shape[1] * 3 * 12


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
    assert fitted.train != train(student(), task.wanted, task, options=replace(options, through="all")).train
