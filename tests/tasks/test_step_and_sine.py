"""A step and a sine are where and as large as they are asked to be."""

import numpy as np
import pytest

from cortex_sim.tasks import step_and_sine


def test_the_step_lasts_300_ms_and_the_sine_as_many_cycles_as_asked() -> None:
    task = step_and_sine(3, step=2.0, sine=0.5, period=0.4, cycles=2)
    step, sine = (drive.pattern[0, 0] * drive.course for drive in task.drives)
    dt = task.fine_time[1] - task.fine_time[0]
    assert step.sum() * dt == pytest.approx(2.0 * 0.3) and set(step) == {0.0, 2.0}
    assert task.stop == pytest.approx(1.7) and np.abs(sine).max() == pytest.approx(0.5, rel=1e-3)
    assert abs(sine.sum()) * dt < 1e-3 and not sine[task.fine_time < 0.9].any()
