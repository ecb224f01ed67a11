"""Trials without gaps: of one length, and with every unit observed throughout."""

import numpy as np

from cortex_sim.trials._findings import noted
from cortex_sim.trials._trials import Trials

ABORTED = 0.5  # of the typical length: shorter trials were broken off


def without_aborted(trials: Trials) -> Trials:
    """Return the trials that last at least half as long as the median one; the provenance says how many others were set aside.

    Args:
        trials: spikes or rates.
    """
    lasted = trials.stop - trials.time[0]
    short = lasted < ABORTED * np.median(lasted)
    if not short.any():
        return trials
    last = ABORTED * float(np.median(lasted))
    return noted(
        trials.select(~short), f"{short.sum()} of {short.size} trials last less than {last:g} s, half as long as is typical; they are set aside."
    )


def of_one_length(trials: Trials, longest: float | None = None) -> Trials:
    """Return trials cut to the whole bins that all of them cover, after aborted ones are set aside (:func:`without_aborted`).

    Args:
        trials: spikes or rates.
        longest: maximum length, s; as long as possible if omitted.
    """
    trials = without_aborted(trials)
    start = float(trials.time[0])
    lasts = min(float(trials.stop.min()) - start, np.inf if longest is None else longest)
    bins = max(2, int(lasts / trials.bin + 1e-6))
    return trials.window(start, start + bins * trials.bin)


def complete(trials: Trials) -> Trials:
    """Return trials in which every unit was observed: units or trials with the largest share of gaps are removed one by one.

    Args:
        trials: spikes or rates, some of whose units were not observed in some trials.
    """
    mask = trials.observed
    units, rows = np.arange(mask.shape[1]), np.arange(mask.shape[0])
    while not (part := mask[np.ix_(rows, units)]).all():
        by_unit, by_trial = (~part).mean(axis=0), (~part).mean(axis=1)
        if by_unit.max() >= by_trial.max():
            units = np.delete(units, int(by_unit.argmax()))
        else:
            rows = np.delete(rows, int(by_trial.argmax()))
    left = mask.shape[1] - units.size, mask.shape[0] - rows.size
    if not any(left):
        return trials
    return noted(trials.select(rows).units(units), f"{left[0]} units and {left[1]} trials that were not observed throughout are left out.")
