"""Cycling: the hand moves round a circle, forward or backward, at several speeds, from rest to rest."""

from collections.abc import Sequence

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import BIN, Task
from cortex_sim.tasks.body import Body

RADIUS = 3.0  # cm
SPEEDS = (1.0, 1.5, 2.0)  # Hz
CYCLES = 4
RAMP, REST = 0.4, 0.3  # s of speeding up and slowing down, and of rest before the go cue and after the last cycle


@task
def cycling(speeds: Sequence[float] = SPEEDS, *, cycles: int = CYCLES, radius: float = RADIUS, body: Body | None = None) -> Task:
    """Make movements round a circle that touches the rest position, each speed forward and backward.

    The speed rises by a minimum-jerk step within 0.4 s, stays, and falls in the same way, so that whole cycles are made; the circle lies above the
    rest position. All trials last as long as the slowest.

    Args:
        speeds: of the steady cycles, Hz.
        cycles: number of whole cycles.
        radius: cm.
        body: that cycles, from its home.

    Returns:
        A task with the channels speed (relative to the fastest), direction (1 forward, anticlockwise; -1 backward) and go (1 from the go cue until
        the hand should rest), and hand positions as targets, cm. ``notes`` hold each trial's speed and direction.

    Raises:
        TaskError: there are no speeds, no cycles, or too few cycles to reach the speed.
        PlantError: a position on the path is out of the body's reach.
    """
    if not len(speeds) or cycles < 1 or min(speeds) <= 0 or cycles / max(speeds) < RAMP:
        raise TaskError(f"cycling: {cycles} cycles at {list(speeds)!r} Hz; there should be speeds above 0 and cycles that last at least {RAMP:g} s.")
    hertz, way = np.repeat(np.array(speeds, dtype=float), 2), np.tile([1.0, -1.0], len(speeds))
    lasts = cycles / hertz + RAMP
    stop = np.ceil((lasts.max() + REST) / BIN - 1e-9) * BIN
    bare = Task("cycling", -REST, float(np.round(stop, 9)), np.arange(len(hertz)), epochs={"movement": (0.0, float(stop))})
    turned = np.stack([_turned(bare.time, speed, end) for speed, end in zip(hertz, lasts, strict=True)])
    angle = 2 * np.pi * turned * way[:, None]
    path = radius * np.stack([np.sin(angle), 1 - np.cos(angle)], axis=2)
    if body is not None:
        body.check_path(path, bare.time)
    going = (bare.fine_time[None] >= 0) & (bare.fine_time[None] < lasts[:, None])
    shown = np.stack([np.broadcast_to(x[:, None], going.shape) for x in (hertz / hertz.max(), way)] + [going.astype(float)], axis=2)
    return Task(
        bare.name, bare.start, bare.stop, bare.condition, epochs=bare.epochs, body=body,
        channels=channels(bare, shown, ["speed", "direction", "go"]), targets=targets(bare, path, "xy", units="cm", what="hand position"),
        notes={"speed_hz": hertz.tolist(), "direction": way.tolist(), "radius_cm": radius, "cycles": cycles, "lasts_s": lasts.tolist()},
    )  # fmt: skip


def _turned(time: np.ndarray, speed: float, end: float) -> np.ndarray:
    """Return the turns since the start: the integral of a speed that rises and falls by minimum-jerk steps, 10 s^3 - 15 s^4 + 6 s^5."""

    def risen(since: np.ndarray) -> np.ndarray:
        s = np.clip(since / RAMP, 0.0, 1.0)
        return RAMP * (2.5 * s**4 - 3 * s**5 + s**6) + np.maximum(since - RAMP, 0.0)

    return speed * (risen(time) - risen(time - (end - RAMP)))
