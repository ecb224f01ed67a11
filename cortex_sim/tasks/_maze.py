"""The maze: delayed reaches to the same targets, straight or round a barrier on either side."""

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.tasks._centre_out import MOVEMENT, PREPARATION, REACH_DISTANCE, REACH_WINDOW, minimum_jerk
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import DT, Task
from cortex_sim.tasks.body import Body

TARGETS = 9
BENDS = (0.0, 1.0, -1.0)  # straight, and round the left or the right of a barrier
WIDE = 3.0  # cm, how far a bent path is from the straight one at its middle
CUES = ("target x", "target y", "barrier", "hold")


@task
def maze(
    count: int = TARGETS,
    *,
    bends: tuple[float, ...] = BENDS,
    preparation: float = PREPARATION,
    movement: float = MOVEMENT,
    body: Body | None = None,
) -> Task:
    r"""Make delayed reaches, each target once for each bend: by default 27 conditions, as in the experiments this follows.

    The hand moves along the straight line by minimum jerk, :math:`m(t)`, and deviates from it at a right angle by
    :math:`3\,\mathrm{cm} \cdot b \cdot 16 m^2 (1-m)^2`, with b the bend: a path that leaves and arrives straight.

    Args:
        count: number of targets, evenly spaced on a circle of 8 cm.
        bends: of the path to each; 0 is straight, 1 to the left.
        preparation: s before the go cue.
        movement: s after it.
        body: that reaches, from its home.

    Returns:
        A task with the channels target x, target y, barrier and hold, and hand positions as targets, cm. ``notes["bend"]`` holds each trial's bend.

    Raises:
        TaskError: there are no targets or no bends.
        PlantError: a position on the path is out of the body's reach.

    Source:
        After Churchland et al. (2012) Nature 487:51; the form of the paths is chosen.
    """
    if count < 1 or not len(bends):
        raise TaskError(f"maze: {count} targets and bends {bends!r}; there should be at least 1 of each.")
    angle, bend = np.repeat(2 * np.pi * np.arange(count) / count, len(bends)), np.tile(np.array(bends, dtype=float), count)
    bare = Task(
        "maze", -preparation, movement, np.arange(len(angle)), epochs={"preparation": (-preparation, 0.0), "movement": (0.0, movement)}
    )  # fmt: skip
    done = minimum_jerk((bare.time - REACH_WINDOW[0]) / (REACH_WINDOW[1] - REACH_WINDOW[0]))
    ahead, aside = REACH_DISTANCE * done[None], WIDE * bend[:, None] * 16 * (done * (1 - done))[None] ** 2
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    path = np.stack([c * ahead - s * aside, s * ahead + c * aside], axis=2)
    if body is not None:
        body.check_path(path, bare.time)
    cues = np.stack([np.cos(angle), np.sin(angle), bend], axis=1)[:, None] * np.ones((1, bare.steps, 1))
    hold = np.broadcast_to((bare.fine_time < -DT / 2).astype(float)[None, :, None], (bare.trials, bare.steps, 1))
    return Task(
        bare.name, bare.start, bare.stop, bare.condition, epochs=bare.epochs, body=body,
        channels=channels(bare, np.concatenate([cues, hold], axis=2), CUES),
        targets=targets(bare, path, "xy", units="cm", what="hand position"),
        notes={"angle_deg": np.degrees(angle).tolist(), "bend": bend.tolist(), "distance_cm": REACH_DISTANCE, "wide_cm": WIDE},
    )  # fmt: skip
