"""The muscles task: what its channels tell decides its targets, and nothing moves before the go cue."""

import numpy as np
import pytest

from cortex_sim.errors import TaskError
from cortex_sim.tasks._muscles import CUES, muscle_activity


def test_muscles_are_quiet_before_the_go_cue_and_peak_at_one() -> None:
    task = muscle_activity(12, muscles=5, seed=3)
    active = task.targets.values
    assert active.shape == (12, 90, 5) and not active[:, task.time < 0].any()
    np.testing.assert_allclose(active.max(axis=(0, 1)), 1)
    assert active.min() == 0 and active[:, task.time > 0].std(axis=0).max() > 0.05


@pytest.mark.parametrize("stay", [False, True])
def test_cues_are_constant_until_the_go_cue_when_hold_drops(stay: bool) -> None:
    task = muscle_activity(4, seed=1, stay=stay)
    channels = task.channels.values
    assert channels.shape == (4, 900, CUES + 1) and (channels[:, :400, :-1] == channels[:, :1, :-1]).all()
    assert (channels[:, 400:, :-1] == stay * channels[:, :1, :-1]).all() and channels[:, 0, 0].any()
    assert (channels[:, :400, -1] == 1).all() and (channels[:, 400:, -1] == 0).all()


def test_activity_is_an_affine_function_of_the_cues() -> None:
    task = muscle_activity(40, seed=2)
    design = np.insert(task.channels.values[:, 0, :-1], 0, 1.0, axis=1)
    active = task.targets.values.reshape(40, -1)
    fitted = design @ np.linalg.lstsq(design, active, rcond=None)[0]
    np.testing.assert_allclose(fitted, active, atol=1e-12)


def test_the_same_seed_gives_the_same_movements_and_another_others() -> None:
    a, b, c = (muscle_activity(5, seed=seed).targets.values for seed in (7, 7, 8))
    assert (a == b).all() and np.abs(a - c).max() > 0.1


def test_no_movement_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^muscle_activity: conditions 0, muscles 8 and cues 6 should each be at least 1\.$"):
        muscle_activity(0)
