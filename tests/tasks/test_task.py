"""A task's courses, epochs and targets are the published ones, and cutting it keeps them in place."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cortex_sim.errors import TaskError
from cortex_sim.tasks._centre_out import centre_out, minimum_jerk
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import Task


def test_minimum_jerk_has_the_closed_form_of_flash_and_hogan() -> None:
    s = np.linspace(0, 1, 10_001)
    position = minimum_jerk(s)
    velocity, h = np.gradient(position, s), s[1]
    acceleration = np.gradient(velocity, s)[2:-2]
    jerk = np.diff(position, 3) / h**3
    assert (position[0], position[5000], position[-1]) == (0, 0.5, pytest.approx(1, abs=1e-15))
    assert velocity.max() == pytest.approx(15 / 8, abs=60 * h**2) and s[velocity.argmax()] == 0.5  # central differences: third derivative h^2/6
    assert acceleration.max() == pytest.approx(10 / np.sqrt(3), abs=360 * h**2)
    assert s[2:-2][acceleration.argmax()] == pytest.approx((3 - np.sqrt(3)) / 6, abs=h)
    assert (jerk**2).sum() * h == pytest.approx(720, rel=15 * h)  # the sum leaves out 3 steps h at the ends, where jerk is 60
    assert np.allclose(position + position[::-1], 1, atol=1e-14) and minimum_jerk(np.array([-1.0, 2.0])).tolist() == [0, 1]


@pytest.fixture
def reaches() -> Task:
    return centre_out(8, holding=np.arange(24.0).reshape(8, 3))


def at(task: Task, seconds: float) -> int:
    return int(np.flatnonzero(np.isclose(task.fine_time, seconds))[0])


def test_preparation_ramps_with_400_ms_and_is_withdrawn_with_2_ms(reaches: Task) -> None:
    (drive,) = reaches.drives
    course, t = drive.course, reaches.fine_time
    before, after = t < -5e-4, (t > -5e-4) & (t < 0.0295)
    assert np.allclose(course[before], np.exp(t[before] / 0.4), rtol=1e-12)
    assert np.allclose(course[after], np.exp(-t[after] / 2e-3), rtol=1e-12, atol=1e-15)
    assert course[at(reaches, -0.4)] == pytest.approx(1 / np.e) and course[at(reaches, 0.002)] == pytest.approx(1 / np.e)
    assert course.max() == course[at(reaches, 0.0)] == 1 and not course[t > 0.0295].any()
    assert drive.pattern[2].tolist() == [6, 7, 8]


def test_channels_show_the_target_and_the_hold_until_the_go_cue(reaches: Task) -> None:
    assert reaches.channels is not None and reaches.channels.shape == (8, 1100, 3)
    assert reaches.condition.tolist() == [0, 45, 90, 135, 180, 225, 270, 315]
    for trial, angle in enumerate(np.radians(reaches.condition)):
        assert np.allclose(reaches.channels[trial, :, :2], [np.cos(angle), np.sin(angle)], atol=1e-12)
    hold = reaches.channels.sel(channel="hold").values
    assert hold[:, :500].all() and not hold[:, 500:].any()


def test_targets_are_minimum_jerk_reaches_of_8_cm_in_the_direction_of_the_condition(reaches: Task) -> None:
    assert reaches.targets is not None and reaches.targets.attrs["units"] == "cm"
    hand = reaches.targets.values
    distance = np.linalg.norm(hand, axis=2)
    assert not hand[:, reaches.time < 0.105].any() and np.allclose(distance[:, reaches.time > 0.495], 8)
    middle = int(np.flatnonzero(np.isclose(reaches.time, 0.3))[0])
    assert np.allclose(distance[:, middle], 4)
    speed = (distance[:, middle + 1] - distance[:, middle - 1]) / 0.02
    assert np.allclose(speed, 15 / 8 * 8 / 0.4, rtol=0.002)  # cm/s; the third derivative costs 60 (h/T)^2 / 6 / (15/8) = 0.33 % / 2
    assert np.allclose(hand[:, -1], 8 * np.stack([np.cos(np.radians(reaches.condition)), np.sin(np.radians(reaches.condition))], axis=1))


def test_directions_may_be_given_in_degrees() -> None:
    task = centre_out([90.0, -30.0])
    assert task.condition.tolist() == [90, -30] and np.allclose(task.targets[:, -1], [[0, 8], [8 * np.sqrt(3) / 2, -4]])  # type: ignore[index]


def test_bins_steps_and_epochs_follow_from_start_and_stop(reaches: Task) -> None:
    assert (reaches.trials, reaches.bins, reaches.steps) == (8, 110, 1100)
    assert np.allclose(reaches.time, -0.5 + 0.01 * np.arange(110), atol=1e-12) and reaches.time[50] == 0
    assert np.allclose(reaches.fine_time, -0.5 + 0.001 * np.arange(1100), atol=1e-12)
    assert reaches.epoch == ["preparation"] * 50 + ["movement"] * 60
    assert replace(reaches, epochs={"late": (0.1, 0.2)}).epoch == [""] * 60 + ["late"] * 10 + [""] * 40


def test_a_window_keeps_every_course_where_it_was_and_starts_from_what_it_is_told(reaches: Task) -> None:
    held = replace(reaches, clamps=(Clamp(np.array([1]), -5.0, (reaches.fine_time > 0.0495) & (reaches.fine_time < 0.0995)),))
    initial = np.ones((8, 3))
    cut = held.window(-0.1, 0.2, initial=initial)
    assert (cut.bins, cut.steps, cut.start, cut.stop) == (30, 300, -0.1, 0.2) and np.array_equal(cut.initial, initial)
    assert held.window(-0.1, 0.2).initial is None
    old, new = at(held, 0.05), at(cut, 0.05)
    assert cut.channels is not None and cut.targets is not None and held.targets is not None
    assert np.array_equal(cut.drives[0].course, held.drives[0].course[old - new : old - new + 300]) and cut.drives[0].course[new - 50] == 1
    assert np.flatnonzero(cut.clamps[0].course).tolist() == list(range(new, new + 50))
    assert np.array_equal(cut.channels["step"].values, cut.fine_time) and np.array_equal(cut.targets["time"].values, cut.time)
    with pytest.raises(TaskError, match=r"task 'delayed centre-out reaching': window -0.6 to 0.2 s leaves -0.5 to 0.6 s"):
        held.window(-0.6, 0.2)


def test_a_window_off_the_bins_is_refused(reaches: Task) -> None:
    with pytest.raises(TaskError, match=r"window 0\.005 to 0\.105 s should lie on bins of 10 ms from -0\.5 s"):
        reaches.window(0.005, 0.105)


def test_selecting_trials_takes_everything_that_belongs_to_them(reaches: Task) -> None:
    chosen = replace(reaches, initial=np.arange(8.0)[:, None]).select([3, 0, 3])
    assert chosen.condition.tolist() == [135, 0, 135] and chosen.trials == 3
    assert chosen.initial is not None and chosen.initial.ravel().tolist() == [3, 0, 3]
    assert chosen.drives[0].pattern[:, 0].tolist() == [9, 0, 9]
    for kept, whole in ((chosen.channels, reaches.channels), (chosen.targets, reaches.targets)):
        assert kept is not None and whole is not None and np.array_equal(kept.values, whole.values[[3, 0, 3]])


def test_a_free_run_is_a_movement_without_any_input() -> None:
    task = free_run([1.0, 2.0], 0.3)  # type: ignore[arg-type]
    assert task.initial is not None and task.initial.tolist() == [[1, 2]] and task.epoch == ["movement"] * 30
    assert (task.drives, task.clamps, task.channels, task.targets) == ((), (), None, None)


COURSE = np.ones(100)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop": 0.104}, r"task 'free run': 0 to 0.104 s should be a whole number \(2 or more\) of 10 ms bins"),
        ({"stop": 0.01}, "0 to 0.01 s should be a whole number"),
        ({"stop": -0.1}, "0 to -0.1 s should be a whole number"),
        ({"drives": (Drive(np.ones((2, 3)), COURSE[1:], "push"),)}, "push has 99 steps of 1 ms; the task has 100"),
        ({"drives": (Drive(np.ones((3, 3)), COURSE, "push"),)}, "push has 3 trials; the task has 2"),
        ({"clamps": (Clamp(np.array([0]), 0.0, COURSE[1:] > 0),)}, "silencing has 99 steps of 1 ms; the task has 100"),
        ({"initial": np.ones((3, 3))}, "initial has 3 trials; the task has 2"),
    ],
)
def test_what_does_not_fit_a_task_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        replace(free_run(np.ones((2, 3)), 0.1), **changes)


def test_reaches_need_a_condition_and_one_holding_current_for_each() -> None:
    with pytest.raises(TaskError, match="centre_out: conditions 0 should be at least 1"):
        centre_out(0)
    with pytest.raises(TaskError, match="preparatory input has 3 trials; the task has 8"):
        centre_out(8, holding=np.ones((3, 5)))
    with pytest.raises(TaskError, match="should be a whole number"):
        centre_out(8, preparation=0.123)
