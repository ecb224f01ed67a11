"""Isometric force: the hand is held in place and presses in one direction with a force that rises and then stays constant."""

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.tasks._centre_out import minimum_jerk
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import DT, Task
from cortex_sim.tasks.body import REACHING, Body

FORCE, RISE, HOLD, BEFORE = 2.0, 0.3, 0.5, 0.3  # N; s of the rise, of the hold, and before the go cue


@task
def isometric(directions: int = 8, *, force: float = FORCE, body: Body = REACHING) -> Task:
    """Make trials in which the held hand exerts a force in one of several directions.

    Args:
        directions: number of evenly spaced directions, one trial each.
        force: held at the end, N.
        body: its hand is held, whatever its own setting.

    Returns:
        A task with the channels target x, target y and hold (1 until the go cue), and forces at the hand as targets, N.

    Raises:
        TaskError: there are no directions, or the force is not above 0.
    """
    if directions < 1 or not force > 0:
        raise TaskError(f"isometric: {directions} directions of {force!r} N; there should be at least 1, and a force above 0.")
    angle = 2 * np.pi * np.arange(directions) / directions
    held = Body(body.arm, body.muscles, body.home, body.delay, body.tone, held=True)
    stop = round(RISE + HOLD, 9)
    bare = Task("isometric force", -BEFORE, stop, np.round(np.degrees(angle), 3), epochs={"rise": (0.0, RISE), "hold": (RISE, stop)})
    along = force * minimum_jerk(bare.time / RISE)
    wanted = np.stack([np.outer(np.cos(angle), along), np.outer(np.sin(angle), along)], axis=2)
    hold = (bare.fine_time < -DT / 2).astype(float)
    ones = np.ones(bare.steps)
    shown = np.stack([np.outer(np.cos(angle), ones), np.outer(np.sin(angle), ones), np.tile(hold, (directions, 1))], axis=2)
    return Task(
        bare.name, bare.start, bare.stop, bare.condition, epochs=bare.epochs, body=held,
        channels=channels(bare, shown, ["target x", "target y", "hold"]), targets=targets(bare, wanted, "xy", units="N", what="force at the hand"),
        notes={"force_N": force},
    )  # fmt: skip
