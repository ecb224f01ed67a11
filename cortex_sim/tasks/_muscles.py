"""Delayed movements in many conditions, each with its own time course of muscle activity."""

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import Task

PREPARATION, MOVEMENT = 0.4, 0.5  # s before and after the go cue
BUMPS = 4  # Gaussian bumps that a muscle's activity is made of
CENTRES, WIDTHS = (0.06, 0.40), (0.03, 0.08)  # s after the go cue; s, standard deviation
CUES = 6  # channels that tell conditions apart: the number of components in Sussillo et al. (2015)


@task
def muscle_activity(
    conditions: int = 27,
    *,
    muscles: int = 8,
    cues: int = CUES,
    stay: bool = False,
    seed: int = 0,
    preparation: float = PREPARATION,
    movement: float = MOVEMENT,
) -> Task:
    """Make delayed movements whose targets are synthetic muscle activity.

    Each muscle has a few Gaussian bumps in time; the height of each bump is a random linear function of the condition's cues, shifted so that its
    minimum over conditions is 0. Cues are on from the start until the go cue, when a hold cue goes off too.

    Args:
        conditions: number of movements, one trial each.
        muscles: number of muscles.
        cues: number of channels that distinguish conditions.
        stay: whether cues stay on after the go cue.
        seed: of cues and bumps.
        preparation: s before the go cue.
        movement: s after it.

    Returns:
        A task with the channels cue 1, ..., hold, and muscle activity as targets, each muscle with a peak of 1.

    Raises:
        TaskError: there are no conditions, muscles or cues.
    """
    if min(conditions, muscles, cues) < 1:
        raise TaskError(f"muscle_activity: conditions {conditions}, muscles {muscles} and cues {cues} should each be at least 1.")
    rng = stream(seed, "task", "activity of muscles")
    bare = Task(
        "delayed movements with muscle activity", -preparation, movement, np.arange(conditions),
        epochs={"preparation": (-preparation, 0.0), "movement": (0.0, movement)},
    )  # fmt: skip
    cue = rng.standard_normal((conditions, cues))
    centre, width = rng.uniform(*CENTRES, (muscles, BUMPS)), rng.uniform(*WIDTHS, (muscles, BUMPS))
    height = cue @ rng.standard_normal((cues, muscles * BUMPS))
    height = (height - height.min(axis=0)).reshape(conditions, muscles, BUMPS)
    bump = np.exp(-((bare.time[:, None, None] - centre) ** 2) / (2 * width**2)) * (bare.time[:, None, None] >= 0)
    active = np.einsum("cmb,tmb->ctm", height, bump)
    if not (peak := active.max(axis=(0, 1))).all():
        raise TaskError(f"muscle_activity: in {movement!r} s of movement muscle {int(np.argmin(peak)) + 1} is never active; give more time.")
    active /= peak
    wanted = targets(bare, active, [f"muscle {k + 1}" for k in range(muscles)], units="1", what="muscle activity")
    notes = {"conditions": conditions, "muscles": muscles, "cues": cues, "stay": stay, "bumps": BUMPS, "seed": seed}
    shown = cue_channels(bare, cue, stay)
    return Task(bare.name, bare.start, bare.stop, bare.condition, epochs=bare.epochs, channels=shown, targets=wanted, notes=notes)


def cue_channels(task: Task, cue: Float[ndarray, "condition cue"], stay: bool) -> xr.DataArray:
    before = (task.fine_time < -task.step / 2).astype(float)[None, :, None]
    shown = cue[:, None, :] * (np.ones_like(before) if stay else before)
    hold = np.broadcast_to(before, (task.trials, task.steps, 1))
    names = [*(f"cue {k + 1}" for k in range(cue.shape[1])), "hold"]
    return channels(task, np.concatenate([shown, hold], axis=2), names)
