"""Random dots: noisy motion to the left or right, which its sum over time reveals."""

import numpy as np
import xarray as xr

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import BIN, DT, Task

COHERENCES = (-16.0, -8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0, 16.0)  # per cent of the dots, negative to the left
SCALE = 3.2e-2  # motion of one per cent
NOISE = 0.1  # standard deviation of the motion in each bin
FIXATION, MOTION, DELAY, CHOICE = 0.1, 0.8, 0.1, 0.1  # s


@task
def random_dots(trials: int, *, seed: int = 0) -> Task:
    r"""Make trials of motion to one side, at coherences that take turns.

    The channel is :math:`3.2\,c + 0.1\,\xi` while dots move, with c the signed share of dots that move together and :math:`\xi` white noise of unit
    variance in each bin, and 0 before and after. The target is the sign of c while the choice is made; no other bin counts.

    Args:
        trials: number of trials.
        seed: of the noise of the dots.

    Returns:
        A task whose ``condition`` numbers the trials, since no two show the same motion; ``notes["coherence"]`` holds c in per cent. Motion begins
        at 0 s.

    Raises:
        TaskError: there are no trials.
    """
    if trials < 1:
        raise TaskError(f"random dots: {trials} trials; there should be at least 1.")
    coherence = np.array(COHERENCES)[np.arange(trials) % len(COHERENCES)]
    bare = Task("random dots", -FIXATION, round(MOTION + DELAY + CHOICE, 9), np.arange(trials))
    moving = (bare.time >= 0) & (bare.time < MOTION - BIN / 2)
    drawn = stream(seed, "task", "motion of random_dots").standard_normal((trials, bare.bins))
    motion = np.where(moving, SCALE * coherence[:, None] + NOISE * drawn, 0.0)
    channels = xr.DataArray(
        np.repeat(motion, round(BIN / DT), axis=1)[:, :, None], dims=("trial", "step", "channel"), attrs={"units": "1"},
        coords={"step": ("step", bare.fine_time, {"units": "s"}), "channel": ["motion"]},
    )  # fmt: skip
    choosing = np.broadcast_to(bare.time >= MOTION + DELAY - BIN / 2, motion.shape)
    wanted = np.where(choosing, np.sign(coherence)[:, None], 0.0)[:, :, None]
    targets = xr.DataArray(wanted, dims=("trial", "time", "axis"), coords={"time": ("time", bare.time, {"units": "s"}), "axis": ["choice"]})
    return Task(
        bare.name, bare.start, bare.stop, bare.condition, epochs={"motion": (0.0, MOTION), "delay": (MOTION, MOTION + DELAY)}, channels=channels,
        targets=targets, mask=choosing.astype(float), notes={"coherence": coherence.tolist()},
    )  # fmt: skip
