"""Inputs that lead a system along a path lead it there, to round-off."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.analysis import drives_along
from cortex_sim.cards import load
from cortex_sim.cards.edit import with_values
from cortex_sim.simulation import simulate
from cortex_sim.tasks import BIN, Task


@pytest.mark.parametrize("flow", [[-4.0, -9.0], [4.0, -3.0]])
def test_a_system_that_decays_and_one_that_grows_follow_the_same_sine(flow: list[float]) -> None:
    time = BIN * np.arange(60)
    path = 0.1 * np.stack([np.stack([np.cos(9 * time + phase), np.sin(9 * time + phase)], axis=1) for phase in (0, 1)])
    system = with_values(load("ostrow_2023"), {"k_1": flow, "s": 0.0})
    task = Task("path", 0.0, 0.6, np.arange(2), initial=path[:, 0])
    np.testing.assert_allclose(simulate(system, replace(task, drives=drives_along(system, path))).rate, path, atol=1e-12)
