"""Delayed movements whose muscle activity was recorded."""

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._labelled import targets
from cortex_sim.tasks._muscles import BUMPS, CUES, cue_channels
from cortex_sim.tasks._task import Task
from cortex_sim.trials import Trials

REACTION = 0.1  # s from the go cue to the recorded start of the movement


def recorded_movement(recorded: Trials, *, cues: int = CUES, stay: bool = False, seed: int = 0) -> Task:
    """Make delayed movements whose targets are recorded muscle activity; conditions are told apart by random cues, as in :func:`muscle_activity`.

    Args:
        recorded: condition averages around the start of the movement, which comes 100 ms after the go cue; the activity of each muscle is
            rescaled to between 0 and 1.
        cues: number of channels that distinguish conditions: random numbers, on until the go cue.
        stay: whether cues stay on after the go cue.
        seed: of cues.

    Returns:
        A task with the channels cue 1, ..., hold, and muscle activity between 0 and 1 as targets.

    Raises:
        TaskError: the recording does not begin before the go cue or end after it, or a muscle does not vary.
    """
    start, stop = float(recorded.time[0]) + REACTION, float(recorded.time[-1]) + recorded.bin + REACTION
    if not start < 0 < stop:
        found = f"muscles go from {start:g} to {stop:g} s about the go cue, which is {REACTION:g} s before the movement"
        raise TaskError(f"recorded_movement: {found}; they should begin before it and end after it.")
    low, spread = recorded.rate.min(axis=(0, 1)), np.ptp(recorded.rate, axis=(0, 1))
    if not spread.all():
        raise TaskError(f"recorded_movement: muscle {int(np.argmin(spread)) + 1} does not vary; leave it out with .units([...]).")
    bare = Task(
        "delayed movements with recorded muscles", start, stop, recorded.condition, bin=recorded.bin,
        epochs={"preparation": (start, 0.0), "movement": (0.0, stop)},
    )  # fmt: skip
    cue = stream(seed, "task", "cues of recorded muscles").standard_normal((len(recorded.condition), cues))
    names = [f"muscle {k + 1}" for k in range(recorded.shape[2])]
    wanted = targets(bare, (recorded.rate - low) / spread, names, units="1", what="muscle activity")
    notes = {"recording": recorded.provenance.get("recording", ""), "cues": cues, "stay": stay, "seed": seed}
    shown = cue_channels(bare, cue, stay)
    return Task(bare.name, bare.start, bare.stop, bare.condition, bin=bare.bin, epochs=bare.epochs, channels=shown, targets=wanted, notes=notes)


def muscles_said(task: Task) -> str:
    """Return a sentence on where the muscles of a task come from.

    Args:
        task: of :func:`recorded_movement` or :func:`muscle_activity`.
    """
    if "recording" in task.notes:
        return (
            f"Muscles are those of {task.notes['recording']}, the movement {REACTION * 1e3:g} ms after the go cue; random cues tell conditions apart."
        )
    return f"Muscles are sums of {BUMPS} Gaussian bumps in time whose heights are random linear functions of {task.notes['cues']} cues."
