"""Commands given again move the same body alike; rates of units are those that a readout is made of."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.analysis._rotations import rotations_and_null
from cortex_sim.cards import edit, load
from cortex_sim.errors import TaskError
from cortex_sim.simulation import hidden, move, replay, simulate
from cortex_sim.tasks import centre_out
from cortex_sim.tasks.body import REACHING, Load

MODEL = load("leaky_readout").with_arrays({}, units=10, observed=6, channels=15)
TASK = centre_out(3, preparation=0.1, movement=0.6, body=replace(REACHING, arm=replace(REACHING.arm, limits=((-np.inf, np.inf),) * 2)))


def test_commands_given_again_make_the_same_movement_and_another_one_under_a_load() -> None:
    movement = move(MODEL, TASK)[1]
    np.testing.assert_allclose(replay(MODEL, TASK, movement).made, movement.made, atol=1e-10)
    pushed = replace(TASK, loads=(Load(np.ones(TASK.steps), force=np.tile([1.0, 0.0], (3, 1)), name="push"),))
    assert np.abs(replay(MODEL, pushed, movement).made - movement.made).max() > 0.1
    with pytest.raises(TaskError, match="has no body to be moved"):
        replay(MODEL, replace(TASK, body=None), movement)


def test_a_readout_of_the_units_rates_is_what_a_network_puts_out() -> None:
    model = MODEL.with_arrays({}, channels=3)
    task = replace(centre_out(3, preparation=0.1, movement=0.6), targets=None)
    arrays = model.arrays()
    outputs = hidden(model, task).rate @ arrays[model.readout.weights].T + arrays[model.readout.offset]
    np.testing.assert_allclose(outputs, simulate(model, task).rate, atol=1e-10)


def test_another_step_is_another_step_and_nothing_else() -> None:
    finer = edit.with_step(load("hennequin_2014"), 0.5)
    assert finer.dt.si == 5e-4 and (finer.arrays()["W"] == load("hennequin_2014").arrays()["W"]).all()


def test_a_rotation_stands_out_of_its_reversed_contrasts() -> None:
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * (np.arange(12)[:, None] / 12 + 1.5 * 0.01 * np.arange(30))
    planes = np.stack([f(k * angle) for k in (1, 2, 3) for f in (np.cos, np.sin)], axis=2)
    found, null = rotations_and_null(planes, 0.01, rng=rng, draws=20)
    least = np.cos(np.pi * 4.5 * 0.01) ** 2  # what forward differences leave of the fastest plane
    assert found.r2_skew > least and found.frequency == pytest.approx([4.5, 3.0, 1.5], rel=0.05) and null.max() < 0.5
