"""Delayed recall: a short sequence of strokes is shown, remembered, and reproduced at the go signal."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import BIN, DT, Task

RECALL_DELAYS = (0.0, 0.1, 0.5, 1.0, 2.0)  # s from what is shown to when it is made: what has to be remembered
RECALL_STROKE = 0.1  # s, one stroke
LENGTH = 2.0  # cm, one stroke
RECALL_REST = 0.05  # s before the first stroke is shown, and after the last is made
STILL = 0.05  # how much an error counts while the hand should be still; 1 while it should move


@task
def recall(
    trials: int, *, delays: Sequence[float] = RECALL_DELAYS, strokes: int = 1, stroke: float = RECALL_STROKE, still: float = STILL, seed: int = 0
) -> Task:
    r"""Make trials in which the hand repeats strokes that were shown some time before.

    The velocity of a minimum-jerk stroke, :math:`30 s^2 (1-s)^2` times its length over its duration, is shown on two channels in a random
    direction, stroke after stroke; the third channel is 1 while they should be made. The target is what was shown, a delay later, bin by
    bin: a delay line solves the task without error. A delay of 0 needs no memory. For delays of one stroke or more, the current input is
    independent of the current target, since directions are independent; the best output of a network without memory is then
    the mean, 0, so its error is the variance (see :func:`recall_floor`).

    Args:
        trials: number of trials; delays take turns.
        delays: s, each 0 or at least one stroke, in whole bins; all trials last as long as the longest.
        strokes: number of strokes shown in a row.
        stroke: duration of a stroke, s, in whole bins.
        still: how much an error counts while the hand should be still.
        seed: of the directions.

    Returns:
        A task with the channels shown x, shown y (velocity relative to the peak of a stroke) and go, and velocities of the hand in cm/s
        as targets. ``condition`` numbers the trials; ``notes["delay_s"]`` are their delays.

    Raises:
        TaskError: there are no trials or strokes, or a time does not fit.
    """
    if trials < 1 or strokes < 1:
        raise TaskError(f"recall: {trials} trials of {strokes} strokes; there should be at least 1 of each.")
    for name, values in (("stroke", [stroke]), ("delays", delays)):
        if not len(values) or any(value < 0 or abs(value / BIN - round(value / BIN)) > 1e-6 for value in values):
            raise TaskError(f"recall: {name} {values!r} should be whole bins of {BIN * 1e3:g} ms.")
    if stroke <= BIN or any(0 < delay < stroke for delay in delays):
        raise TaskError(f"recall: delays {list(delays)!r} should be 0, or at least as long as one stroke, {stroke:g} s, which is at least 2 bins.")
    lag = np.array([round(delays[number % len(delays)] / BIN) for number in range(trials)])
    shown = _shown(trials, strokes, round(stroke / BIN), seed)
    first, last = round(RECALL_REST / BIN), round(RECALL_REST / BIN) + shown.shape[1]
    bins = last + lag.max() + round(RECALL_REST / BIN)
    return _task(shown, lag, np.pad(shown, ((0, 0), (first, bins - last), (0, 0))), first, {"stroke_s": stroke, "strokes": strokes, "still": still})


def recall_without_pause(trials: int, *, bins: int, delay: float, seed: int = 0) -> Task:
    """Make trials of :func:`recall` with as many whole strokes as fit into this number of bins.

    Args:
        trials: number of trials.
        bins: largest number of bins of a trial, with the delay and the rests before and after.
        delay: s.
        seed: of the directions.

    Raises:
        TaskError: not even one stroke fits, or the delay does not suit :func:`recall`.
    """
    around, stroke = round((2 * RECALL_REST + delay) / BIN), round(RECALL_STROKE / BIN)
    if bins < around + stroke:
        raise TaskError(f"recall: {bins} bins hold no stroke after a delay of {delay:g} s; ask for at least {around + stroke}.")
    return recall(trials, delays=(delay,), strokes=(bins - around) // stroke, seed=seed)


def _task(
    shown: Float[ndarray, "trial bin 2"], lag: Int[ndarray, " trial"], heard: Float[ndarray, "trial time 2"], first: int, notes: dict[str, float]
) -> Task:
    trials, bins = heard.shape[:2]
    since_go = np.arange(bins) - first - lag[:, None]
    moving = (since_go >= 0) & (since_go < shown.shape[1])
    wanted = np.array([np.roll(one, by, axis=0) for one, by in zip(heard, lag, strict=True)]) * fastest(notes["stroke_s"])
    start, stop = -first * BIN, (bins - first) * BIN
    bare = Task("delayed recall", start, stop, np.arange(trials))
    values = np.repeat(np.concatenate([heard, moving[:, :, None]], axis=2), round(BIN / DT), axis=1)
    channels = xr.DataArray(
        values, dims=("trial", "step", "channel"), attrs={"units": "1"},
        coords={"step": ("step", bare.fine_time, {"units": "s"}), "channel": ["shown x", "shown y", "go"]},
    )  # fmt: skip
    targets = xr.DataArray(
        wanted, dims=("trial", "time", "axis"), attrs={"units": "cm/s", "long_name": "hand velocity"},
        coords={"time": ("time", bare.time, {"units": "s"}), "axis": ["x", "y"]},
    )  # fmt: skip
    return Task(
        bare.name, start, stop, bare.condition, epochs={"shown": (0.0, shown.shape[1] * BIN)}, channels=channels, targets=targets,
        mask=np.where(moving, 1.0, notes["still"]), notes=notes | {"delay_s": (lag * BIN).tolist(), "length_cm": LENGTH},
    )  # fmt: skip


def fastest(stroke: float = RECALL_STROKE) -> float:
    """Return the peak speed of a stroke, cm/s: 15/8 of its length over its duration."""
    return 15 / 8 * LENGTH / stroke


def _shown(trials: int, strokes: int, bins: int, seed: int) -> Float[ndarray, "trial bin 2"]:
    """Return velocities relative to the peak, at the start of each bin."""
    angle = stream(seed, "task", "directions of recall").uniform(0, 2 * np.pi, (trials, strokes, 1))
    s = np.arange(bins) / bins
    speed = 16 * s**2 * (1 - s) ** 2
    return np.stack([np.cos(angle) * speed, np.sin(angle) * speed], axis=3).reshape(trials, strokes * bins, 2)


def recall_error(task: Task, made: Float[ndarray, "trial time 2"]) -> dict[float, float]:
    """Return the squared error while the hand should move, relative to the squared target velocity, by delay in s: 0 is perfect, 1 is keeping still.

    Args:
        task: of :func:`recall`.
        made: velocities of the hand, cm/s.

    Raises:
        TaskError: the task is none of recall.
    """
    if task.targets is None or task.channels is None or "delay_s" not in task.notes:
        raise TaskError(f"recall: task {task.name!r} lacks targets, channels or delays; take one of recall().")
    wanted = task.targets.values
    moving = task.channels.values[:, :: round(task.bin / task.step), 2:]
    missed, total = (((made - wanted) ** 2 * moving).sum(axis=(1, 2)), (wanted**2 * moving).sum(axis=(1, 2)))
    delay = np.array(task.notes["delay_s"])
    return {float(value): float(missed[delay == value].sum() / total[delay == value].sum()) for value in np.unique(delay)}


def recall_floor(task: Task) -> dict[float, float]:
    """Return the smallest :func:`recall_error` of a network without memory, by delay in s: 0 without delay, 1 with one.

    Its output is a function g of the current input, u. The squared error is smallest for g(u) = E[target | u]. Without delay the target
    is u. With a delay of a stroke or more it is a stroke whose direction is uniform and independent of the stroke shown at that time,
    so the expectation is 0.
    """
    return {float(delay): float(delay > 0) for delay in np.unique(task.notes["delay_s"])}


def nearest_heard(delay: float, stroke: float = RECALL_STROKE) -> int:
    """Return the fewest bins from a target bin of a stroke back to one that showed it: from its second, as the first has no speed, to its last.

    Args:
        delay: s, at least one stroke.
        stroke: duration of a stroke, s.
    """
    return round(delay / BIN) - (round(stroke / BIN) - 2)
