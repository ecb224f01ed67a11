"""The flip-flop: brief pulses set bits up or down, and each output holds its bit until the next pulse on its channel."""

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import BIN, DT, Task

PULSE, RATE, SETTLE = 0.05, 1.0, 0.1  # s of a pulse; pulses a second and channel; s after a pulse in which an error does not count


@task
def flip_flop(trials: int, *, bits: int = 3, lasts: float = 4.0, seed: int = 0) -> Task:
    """Make trials of random pulses; every bit is set by a pulse at the start.

    Args:
        trials: number of trials.
        bits: number of channels and of outputs.
        lasts: duration of a trial, s.
        seed: of the pulses.

    Returns:
        A task with a channel and a target for each bit, 1 up and -1 down, and a mask that leaves out 0.1 s from the start of each pulse.

    Raises:
        TaskError: there are no trials or bits, or the duration is not a whole number of bins.

    Source:
        Sussillo & Barak (2013) Neural Comput 25:626; times chosen.
    """
    bins = round(lasts / BIN)
    if trials < 1 or bits < 1 or bins < 2 or abs(lasts / BIN - bins) > 1e-6:
        raise TaskError(f"flip_flop: {trials} trials of {bits} bits and {lasts:g} s; there should be 1 of each or more, and whole bins of 10 ms.")
    rng = stream(seed, "task", "pulses of flip_flop")
    long = round(PULSE / BIN)
    begins = rng.random((trials, bins, bits)) < RATE * BIN
    for bin_ in range(1, bins):
        begins[:, bin_] &= ~begins[:, max(0, bin_ - long) : bin_].any(axis=1)  # pulses of a channel do not touch
    begins[:, :long] = False
    begins[:, 0] = True
    begins[:, 1 : long + 1] = False
    sign = rng.choice([-1.0, 1.0], size=begins.shape)
    last = np.maximum.accumulate(np.where(begins, np.arange(bins)[None, :, None], 0), axis=1)
    held = np.take_along_axis(sign, last, axis=1)
    since = np.arange(bins)[None, :, None] - last
    bare = Task("flip-flop", 0.0, lasts, np.arange(trials))
    names = [f"bit {number + 1}" for number in range(bits)]
    mask = (since >= round(SETTLE / BIN)).all(axis=2).astype(float)
    shown = np.repeat(np.where(since < long, held, 0.0), round(BIN / DT), axis=1)
    return Task(
        bare.name, 0.0, lasts, bare.condition, mask=mask, channels=channels(bare, shown, names),
        targets=targets(bare, held, names, units="1", what="bit"), notes={"bits": bits, "seed": seed},
    )  # fmt: skip
