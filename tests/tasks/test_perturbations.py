"""A push and a silencing are what their numbers say, and the same for both sides."""

from typing import Any

import numpy as np
import pytest

from cortex_sim.errors import OptionError
from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks._task import Task
from cortex_sim.tasks.perturbations._pushes import push, silence

WHEN: dict[str, float] = {"start": 0.05, "duration": 0.03}
REACHES = centre_out(8, holding=np.ones((8, 200)))


def on(course: np.ndarray) -> list[float]:
    return REACHES.fine_time[course > 0].tolist()


@pytest.mark.parametrize(("fraction", "count"), [(0.1, 20), (0.333, 67), (1.0, 200), (0.001, 1)])
def test_a_push_reaches_that_fraction_of_units_with_random_signs_in_every_trial(fraction: float, count: int) -> None:
    task = push(REACHES, 200, seed=3, amplitude=2.5, fraction=fraction, **WHEN)
    pattern = task.drives[-1].pattern
    assert task.drives[0] is REACHES.drives[0] and pattern.shape == (8, 200)
    assert (np.count_nonzero(pattern, axis=1) == count).all() and set(np.unique(np.abs(pattern))) <= {0, 2.5}
    total = 8 * count
    assert abs(np.sign(pattern).sum()) <= 5 * np.sqrt(total)  # a fair coin, five standard deviations
    assert count == 200 or len({tuple(row != 0) for row in pattern}) > 1  # other units in other trials
    assert on(task.drives[-1].course) == np.round(np.arange(0.05, 0.0795, 0.001), 9).tolist()


def test_units_may_be_pushed_each_by_its_own_amplitude() -> None:
    each = np.linspace(1, 2, 200)
    one, own = (push(REACHES, 200, seed=3, amplitude=size, fraction=0.3, **WHEN).drives[-1].pattern for size in (1.0, each))
    assert np.array_equal(own, one * each)


def test_a_seed_gives_the_same_push_at_any_moment_and_another_seed_another() -> None:
    def pattern(**changes: Any) -> np.ndarray:
        return push(REACHES, 200, **{"seed": 3, "amplitude": 2.5, "fraction": 0.2, **WHEN, **changes}).drives[-1].pattern

    assert np.array_equal(pattern(), pattern(start=-0.1)) and np.array_equal(2 * pattern(), pattern(amplitude=5.0))
    assert not np.array_equal(pattern(), pattern(seed=4))


@pytest.mark.parametrize(("fraction", "count"), [(0.25, 50), (1.0, 200)])
def test_silencing_holds_that_fraction_of_units_at_one_rate_for_its_duration(fraction: float, count: int) -> None:
    def made(seed: int) -> Task:
        return silence(REACHES, 200, seed=seed, rate=-5.0, fraction=fraction, **WHEN)

    (clamp,) = made(3).clamps
    assert clamp.rate == -5 and len(set(clamp.units.tolist())) == count and set(clamp.units.tolist()) <= set(range(200))
    assert clamp.course.dtype == bool and on(clamp.course) == np.round(np.arange(0.05, 0.0795, 0.001), 9).tolist()
    assert np.array_equal(made(3).clamps[0].units, clamp.units) and (count == 200 or not np.array_equal(made(4).clamps[0].units, clamp.units))
    assert made(3).drives == REACHES.drives and len(silence(made(3), 200, seed=4, rate=0, fraction=0.1, **WHEN).clamps) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fraction": 0.0}, "perturbation: fraction 0.0 should lie between 0 and 1"),
        ({"fraction": 1.01}, "perturbation: fraction 1.01 should lie between 0 and 1"),
        ({"fraction": float("nan")}, "fraction nan"),
        ({"start": -0.51}, "perturbation: -0.51 to -0.48 s leaves the task, -0.5 to 0.6 s"),
        ({"start": 0.58}, "perturbation: 0.58 to 0.61 s leaves the task"),
        ({"start": 2.0}, "perturbation: 2 to 2.03 s leaves the task"),
        ({"duration": 0.0}, "perturbation: 0.05 to 0.05 s leaves the task"),
    ],
)
@pytest.mark.parametrize("kind", [push, silence])
def test_what_lies_outside_the_task_or_is_no_fraction_is_refused(kind: Any, changes: dict[str, float], message: str) -> None:
    size = {"amplitude": 1.0} if kind is push else {"rate": 0.0}
    with pytest.raises(OptionError, match=message):
        kind(REACHES, 200, seed=0, **{"fraction": 0.1, **size, **WHEN, **changes})


@pytest.mark.parametrize("start", [-0.5, 0.57])
def test_a_push_may_fill_the_task_up_to_either_edge(start: float) -> None:
    task = push(REACHES, 200, seed=0, amplitude=1.0, fraction=0.1, start=start, duration=0.03)
    assert np.count_nonzero(task.drives[-1].course) == 30
