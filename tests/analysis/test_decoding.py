"""Decoding depends neither on what conditions are called nor on a trial that was broken off."""

from typing import Any

import numpy as np
import pytest

from cortex_sim.analysis._decoding import decoding, discriminant, trial_folds
from cortex_sim.analysis._spike_statistics import spike_statistics
from cortex_sim.trials import Trials

TRIALS, UNITS, LASTS = 60, 5, 0.4  # s
LABELS: dict[str, Any] = {
    "whole": [0, 1, 2], "radians": [0.0, np.pi / 4, np.pi / 2], "text": ["up", "left", "→"], "objects": np.array(["a", "b", "c"], dtype=object),
    "float32": np.array([0.1, 0.2, 0.3], dtype=np.float32), "truth": [False, True],
}  # fmt: skip


def recorded(names: Any, aborted: bool = False) -> Trials:
    """Units whose spikes come with probability 0.2 to 0.8 at forty moments, by condition, and perhaps one trial of 30 ms more."""
    rng, names = np.random.default_rng(3), np.asarray(names)
    condition = np.arange(TRIALS) % len(names)
    chance = 0.2 + 0.3 * ((condition[:, None] + np.arange(UNITS)) % 3)
    trial, unit, moment = np.nonzero(rng.random((TRIALS, UNITS, 40)) < chance[:, :, None])
    stop, spikes = np.full(TRIALS, LASTS), ((moment + 0.5) * LASTS / 40, unit, trial)
    if aborted:
        stop, condition = np.append(stop, 0.03), np.append(condition, 0)
    return Trials.from_spikes(spikes, 0.01 * np.arange(40), units=UNITS, condition=names[condition], stop=stop)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind_are_told_apart_alike(kind: str) -> None:
    names = np.asarray(LABELS[kind])
    trials, plain = recorded(names), recorded(np.arange(len(names)))
    assert decoding(trials) == decoding(plain) > 0.9
    taken = discriminant(plain.counts().sum(axis=1), trials.condition)
    assert taken.dtype == trials.condition.dtype and set(taken) <= set(trials.condition)
    assert [len(asked) for _, asked in trial_folds(trials.condition)] == [TRIALS // 5] * 5


def test_a_trial_that_was_broken_off_changes_nothing() -> None:
    without, beside = (recorded([0, 1, 2], aborted=aborted) for aborted in (False, True))
    assert decoding(beside) == decoding(without)
    few, many = (spike_statistics(trials, paired=2) for trials in (without, beside))
    np.testing.assert_array_equal(few.fano, many.fano)
    np.testing.assert_array_equal(few.rate, many.rate)
    assert many.counting == (0.0, LASTS)
