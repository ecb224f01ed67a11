"""Posture with load: the hand stays in place while torques act at shoulder and elbow from an unpredictable time on."""

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import BIN, DT, Task
from cortex_sim.tasks.body import REACHING, Body, Load

TORQUE, LASTS = 0.12, 1.0  # N m, and s of a trial
ONSET, GRACE, WEAK = (0.2, 0.4), 0.3, 0.1  # s between which loads come; s in which the hand may be pushed away; what an error counts then


@task
def posture(trials: int = 16, *, torque: float = TORQUE, seed: int = 0, body: Body = REACHING) -> Task:
    """Make trials in which a constant torque sets in, in one of eight directions of shoulder and elbow, and stays.

    Args:
        trials: number of trials; directions take turns.
        torque: its magnitude, N m.
        seed: of the onset times.
        body: that stays at home; it must have sensory feedback, the only cue of the load.

    Returns:
        A task with the channel stay (always 1), the rest position as target, and a mask by which errors count a tenth in the 0.3 s after the onset.

    Raises:
        TaskError: there are no trials, or the body has no sensory feedback.
    """
    if trials < 1 or not body.sensors:
        raise TaskError(f"posture: {trials} trials of a body with {body.sensors} senses; there should be at least 1 of each.")
    rng = stream(seed, "task", "moments of posture")
    onset = np.round(rng.uniform(*ONSET, trials) / BIN) * BIN
    angle = 2 * np.pi * (np.arange(trials) % 8) / 8
    bare = Task("posture with load", 0.0, LASTS, np.arange(trials))
    pattern = torque * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    loads = []
    for moment in np.unique(onset):
        course = (bare.fine_time >= moment - DT / 2).astype(float)
        loads.append(Load(course, torque=pattern * (onset == moment)[:, None], name="load"))
    since = bare.time[None] - onset[:, None]
    mask = np.where((since >= -BIN / 2) & (since < GRACE - BIN / 2), WEAK, 1.0)
    return Task(
        bare.name, 0.0, LASTS, bare.condition, body=body, loads=tuple(loads), mask=mask,
        channels=channels(bare, np.ones((trials, bare.steps, 1)), ["stay"]),
        targets=targets(bare, np.zeros((trials, bare.bins, 2)), "xy", units="cm", what="hand position"),
        notes={"torque_Nm": torque, "onset_s": onset.tolist(), "angle_deg": np.degrees(angle).tolist()},
    )  # fmt: skip
