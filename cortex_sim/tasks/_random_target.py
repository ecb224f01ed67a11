"""Random targets: they appear one after another in a square, and the hand moves from each to the next."""

from dataclasses import replace

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._centre_out import minimum_jerk
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import Task
from cortex_sim.tasks.body import Body

HALF = 5.0  # cm, half the side of the square
REACTION, DURATION, DWELL = 0.1, 0.5, 0.2  # s from a target's appearance to the start of the movement, of the movement, and still after it


@task
def random_target(trials: int, *, places: int = 4, half: float = HALF, seed: int = 0, body: Body | None = None) -> Task:
    """Make sequences of minimum-jerk reaches to random targets, each from where the last one ended; the first starts at the centre.

    Args:
        trials: number of sequences.
        places: number of targets in each.
        half: half the side of the square that targets are drawn from, cm.
        seed: of the targets.
        body: that reaches, from its home.

    Returns:
        A task with the channels target x and target y, relative to half the side, and hand positions as targets, cm.

    Raises:
        TaskError: there are no trials or targets.
        PlantError: a position on the path is out of the body's reach.
    """
    if trials < 1 or places < 1 or not half > 0:
        raise TaskError(f"random_target: {trials} trials of {places} targets within {half!r} cm; there should be at least 1 of each, and a square.")
    rng = stream(seed, "task", "places of random_target")
    goal = np.concatenate([np.zeros((trials, 1, 2)), rng.uniform(-half, half, (trials, places, 2))], axis=1)
    each = REACTION + DURATION + DWELL
    bare = Task("random targets", 0.0, round(places * each, 9), np.arange(trials))
    number = np.minimum((bare.time / each + 1e-9).astype(int), places - 1)
    done = minimum_jerk((bare.time - number * each - REACTION) / DURATION)[None, :, None]
    path = goal[:, number] + done * (goal[:, number + 1] - goal[:, number])
    if body is not None:
        body.check_path(path, bare.time)
    shown = goal[:, np.minimum((bare.fine_time / each + 1e-9).astype(int), places - 1) + 1] / half
    return replace(
        bare, channels=channels(bare, shown, ["target x", "target y"]), targets=targets(bare, path, "xy", units="cm", what="hand position"),
        body=body, notes={"half_cm": half, "places": places, "seed": seed},
    )  # fmt: skip
