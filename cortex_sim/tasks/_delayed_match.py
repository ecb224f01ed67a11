"""Delayed match to sample: two stimuli are shown some time apart, and the answer is whether they were the same."""

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.runtime import stream
from cortex_sim.tasks._labelled import channels, targets
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import BIN, DT, Task

FIXATION, SHOWN, ANSWER = 0.1, 0.2, 0.3  # s before the first stimulus, of each stimulus, and of the answer


@task
def delayed_match(trials: int, *, stimuli: int = 2, delay: float = 0.5, seed: int = 0) -> Task:
    """Make trials, half of them matches, in random order.

    Args:
        trials: number of trials.
        stimuli: number of stimuli, with one channel each.
        delay: between the two stimuli of a trial, s, in whole bins.
        seed: of the stimuli shown.

    Returns:
        A task with a channel for each stimulus and one that is 1 while an answer is required. The target is 1 for a match and -1 otherwise, and
        counts only during the answer. ``notes["match"]`` says which trials match.

    Raises:
        TaskError: there are fewer than two trials or stimuli, or the delay is not a whole number of bins.
    """
    if trials < 2 or stimuli < 2 or delay < 0 or abs(delay / BIN - round(delay / BIN)) > 1e-6:
        raise TaskError(f"delayed_match: {trials} trials of {stimuli} stimuli {delay:g} s apart; there should be 2 or more, and whole bins of 10 ms.")
    rng = stream(seed, "task", "pairs of delayed_match")
    match = rng.permutation(np.arange(trials) % 2 == 0)
    first = rng.integers(stimuli, size=trials)
    second = np.where(match, first, (first + rng.integers(1, stimuli, size=trials)) % stimuli)
    again = FIXATION + SHOWN + delay
    answered = again + SHOWN
    stop = float(np.round(answered + ANSWER, 9))
    bare = Task("delayed match to sample", 0.0, stop, np.arange(trials), epochs={"delay": (FIXATION + SHOWN, again), "answer": (answered, stop)})

    def during(time: np.ndarray, start: float, lasts: float) -> np.ndarray:
        return (time >= start - DT / 2) & (time < start + lasts - DT / 2)

    shown = np.zeros((trials, bare.steps, stimuli + 1))
    for which, start in ((first, FIXATION), (second, again)):
        shown[:, :, :stimuli] += np.eye(stimuli)[which][:, None] * during(bare.fine_time, start, SHOWN)[None, :, None]
    shown[:, :, -1] = during(bare.fine_time, answered, ANSWER)
    wanted = np.where(match, 1.0, -1.0)[:, None, None] * during(bare.time, answered, ANSWER)[None, :, None]
    return Task(
        bare.name, 0.0, stop, bare.condition, epochs=bare.epochs, mask=np.tile(during(bare.time, answered, ANSWER).astype(float), (trials, 1)),
        channels=channels(bare, shown, [*(f"stimulus {number + 1}" for number in range(stimuli)), "answer"]),
        targets=targets(bare, wanted, ["match"], units="1", what="answer"),
        notes={"match": match.tolist(), "first": first.tolist(), "second": second.tolist(), "delay_s": delay},
    )  # fmt: skip
