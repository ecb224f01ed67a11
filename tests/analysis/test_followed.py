"""Inputs that lead a system along a path lead it there, to round-off."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.analysis import drives_along
from cortex_sim.cards import load
from cortex_sim.cards.edit import with_values
from cortex_sim.errors import OptionError
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Task


@pytest.mark.parametrize("bin", [0.001, 0.005, 0.01, 0.02, 0.05])
@pytest.mark.parametrize("flow", [[-4.0, -9.0], [4.0, -3.0]])
def test_a_system_that_decays_and_one_that_grows_follow_the_same_sine(flow: list[float], bin: float) -> None:
    time = bin * np.arange(round(0.6 / bin))
    path = 0.1 * np.stack([np.stack([np.cos(9 * time + phase), np.sin(9 * time + phase)], axis=1) for phase in (0, 1)])
    system = with_values(load("ostrow_2023"), {"k_1": flow, "s": 0.0}).with_arrays({}, dt={"value": bin, "unit": "second", "meaning": "step"})
    task = Task("path", 0.0, 0.6, np.arange(2), initial=path[:, 0], bin=bin)
    np.testing.assert_allclose(simulate(system, replace(task, drives=drives_along(system, path))).rate, path, atol=1e-12)


def test_a_step_that_the_grid_of_the_task_cannot_follow_is_refused() -> None:
    system = load("ostrow_2023").with_arrays({}, dt={"value": 0.5, "unit": "ms", "meaning": "step"})
    with pytest.raises(OptionError, match="ostrow_2023: integrates in steps of 0.5 ms, no multiple of the task's steps of 1 ms; give"):
        drives_along(system, np.zeros((1, 4, 2)))
    (course,) = {drive.course.size for drive in drives_along(system, np.zeros((1, 4, 2)), step=0.0005)}
    assert course == 4
