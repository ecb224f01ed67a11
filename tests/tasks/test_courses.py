"""Courses of movements and inputs: derivatives, peaks and limits that their formulas fix."""

import numpy as np
import pytest

from cortex_sim.tasks._courses import bell_shaped_path, rise_and_decay, smooth_courses
from cortex_sim.tasks._held_then_moving import held_then_moving


def test_the_hand_gets_where_it_should_and_its_speed_is_the_bell() -> None:
    time, step, width = np.linspace(0.0, 0.6, 6001), 1e-4, 0.14
    path = bell_shaped_path(time, distance=20.0, lasts=0.6, width=width)
    assert (path[0], path[-1]) == (0.0, pytest.approx(20.0, rel=1e-12))
    speed, bell = np.diff(path) / step, (time[:-1] + step / 2) ** 2 * np.exp(-0.5 * ((time[:-1] + step / 2) / width) ** 2)
    np.testing.assert_allclose(speed / speed.max(), bell / bell.max(), atol=(step / width) ** 2)
    assert time[speed.argmax()] == pytest.approx(np.sqrt(2) * width, abs=step)


def test_an_input_starts_at_the_go_cue_peaks_at_its_size_and_decays() -> None:
    time = np.arange(-0.1, 3.0, 1e-4)
    course = rise_and_decay(time, rise=0.05, decay=0.5, size=5.0)
    assert not course[time < 0].any() and course.max() == pytest.approx(5.0, rel=1e-6)
    late = time > 1.0
    np.testing.assert_allclose(np.diff(np.log(course[late])) / 1e-4, -2.0, rtol=1e-3)  # the rise is over: exp(-20)


def test_each_trial_is_held_by_its_own_input_until_all_move_alike() -> None:
    holding = np.random.default_rng(0).standard_normal((3, 4))
    task = held_then_moving(holding, preparation=0.104, movement=0.2, course=lambda t: (t >= 0) * 2.0, hold=True)
    assert (task.start, task.stop, task.trials) == (-0.1, 0.2, 3) and task.channels is not None
    current = sum(drive.pattern[:, None] * drive.course[:, None] for drive in task.drives)
    before = task.fine_time < -5e-4
    assert (current[:, before] == holding[:, None]).all() and (current[:, ~before] == 2.0).all()
    np.testing.assert_array_equal(task.channels.values[0, :, 0], before)
    assert held_then_moving(holding, preparation=0.1, movement=0.2, course=np.zeros_like).channels is None


def test_smooth_courses_are_correlated_over_their_width_and_scaled() -> None:
    time, width = 0.01 * np.arange(400), 0.05
    courses = smooth_courses(time, 500, width=width, rng=np.random.default_rng(0))
    np.testing.assert_allclose(courses.std(axis=1), 1)
    for lag in (1, 5, 10, 20):
        found = (courses[:, lag:] * courses[:, :-lag]).mean()
        # 500 courses of about 4 s / (sqrt(pi) 0.05 s) = 45 independent parts; scaling and its mean take about 1/45 of the correlation
        assert abs(found - np.exp(-((0.01 * lag) ** 2) / (2 * width**2))) < 4 / np.sqrt(500 * 45) + 1.5 / 45
