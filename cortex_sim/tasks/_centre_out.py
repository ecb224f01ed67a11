"""Delayed centre-out reaching: a target appears, the movement is prepared, a go cue releases it."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float, Real
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.runtime import too_large
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import DT, Task
from cortex_sim.tasks.body import Body

PREPARATION = 0.5  # s before the go cue
MOVEMENT = 0.6  # s after it
CURRENT_RISE = 0.4  # s, preparatory input ramps as exp(t / 400 ms): code of Hennequin et al. (noisy_socs_with_ramp.py)
FALL = 2e-3  # s, and is withdrawn within 2 ms
GONE = 15  # time constants after which a withdrawn input is exactly zero
COURSE = 8e3  # bytes of the course of a direction, at least
REACH_DISTANCE = 8.0  # cm, a common reach length for monkeys
REACH_WINDOW = (0.1, 0.5)  # s, when the hand moves


@task
def centre_out(
    conditions: int | Sequence[float] | Real[ndarray, " condition"] = 8,
    *,
    holding: Float[ndarray, "condition unit"] | None = None,
    preparation: float = PREPARATION,
    movement: float = MOVEMENT,
    body: Body | None = None,
    stay: bool = True,
    each: bool = False,
) -> Task:
    """Make delayed reaches to targets on a circle.

    Args:
        conditions: number of evenly spaced directions, one trial each (8 to 27 in the experiments this follows, more to train a network), or
            the directions themselves in degrees.
        holding: current that the preparation of each condition ramps up to, in the unit of the rates; it ramps as exp(t / 400 ms) and is
            withdrawn within 2 ms at the go cue. None for a network that receives the task's channels instead.
        preparation: s before the go cue.
        movement: s after it.
        body: that reaches, from its home.
        stay: whether the target is shown until the end, not only until the go cue.
        each: whether every direction has its own channel, which is 1 while its target is shown.

    Returns:
        A task with the channels target x, target y (or target 1, 2, ...) and hold (1 until the go cue), and minimum-jerk hand positions as targets.

    Raises:
        TaskError: there are no conditions, or holding has another number of them.
        PlantError: a position on the path is out of the body's reach or exceeds a joint's limits; the message says which, in which trial and when.
    """
    try:
        degrees = _evenly(int(conditions)) if isinstance(conditions, (int, np.integer)) else np.asarray(conditions, dtype=float)
    except (TypeError, ValueError):
        raise TaskError(f"centre_out: conditions {conditions!r} should be a number of directions, or the directions in degrees.") from None
    if not len(degrees):
        raise TaskError(f"centre_out: conditions {conditions} should be at least 1.")
    angle = np.radians(degrees)
    bare = Task(
        "delayed centre-out reaching", -preparation, movement, np.round(degrees, 3),
        epochs={"preparation": (-preparation, 0.0), "movement": (0.0, movement)},
    )  # fmt: skip
    drives = () if holding is None else (Drive(holding, _ramp(bare.fine_time), "preparatory input"),)
    notes = {"conditions": len(degrees), "rise_s": CURRENT_RISE, "fall_s": FALL, "distance_cm": REACH_DISTANCE}
    wanted = _targets(bare, angle)
    if body is not None:
        body.check_path(wanted.values, bare.time)
    shown = np.eye(len(angle)) if each else np.stack([np.cos(angle), np.sin(angle)], axis=1)
    names = [f"target {number + 1}" for number in range(len(angle))] if each else ["target x", "target y"]
    return Task(
        bare.name, bare.start, bare.stop, bare.condition, epochs=bare.epochs, channels=_channels(bare, shown, names, stay=stay), targets=wanted,
        drives=drives, body=body, notes=notes,
    )  # fmt: skip


def _evenly(count: int) -> Float[ndarray, " condition"]:
    if problem := too_large(COURSE * count, f"{count} directions"):
        raise TaskError(f"centre_out: {problem}.")
    return 360.0 * np.arange(count) / max(count, 1)


def minimum_jerk(fraction: Float[ndarray, " time"]) -> Float[ndarray, " time"]:
    """Return the position along a reach after a fraction of its duration: 10 s^3 - 15 s^4 + 6 s^5 (Flash & Hogan 1985)."""
    s = np.clip(fraction, 0.0, 1.0)
    return 10 * s**3 - 15 * s**4 + 6 * s**5


def _ramp(time: Float[ndarray, " step"]) -> Float[ndarray, " step"]:
    falling = np.where(time < GONE * FALL, np.exp(-np.maximum(time, 0.0) / FALL), 0.0)
    return np.where(time < -DT / 2, np.exp(np.minimum(time, 0.0) / CURRENT_RISE), falling)


def _channels(task: Task, shown: Float[ndarray, "condition cue"], names: Sequence[str], *, stay: bool) -> xr.DataArray:
    hold = np.broadcast_to((task.fine_time < -DT / 2).astype(float)[:, None], (task.trials, task.steps, 1))
    values = np.concatenate([shown[:, None] * (np.ones_like(hold) if stay else hold), hold], axis=2)
    return channels(task, values, [*names, "hold"])


def _targets(task: Task, angle: Float[ndarray, " condition"]) -> xr.DataArray:
    along = REACH_DISTANCE * minimum_jerk((task.time - REACH_WINDOW[0]) / (REACH_WINDOW[1] - REACH_WINDOW[0]))
    values = np.stack([np.outer(np.cos(angle), along), np.outer(np.sin(angle), along)], axis=2)
    return targets(task, values, ["x", "y"], units="cm", what="hand position")
