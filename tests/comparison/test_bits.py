"""Bits per spike against their closed form."""

import numpy as np
import pytest

from cortex_sim.comparison._bits import compare_bits
from cortex_sim.trials import Trials

BIN, REPEATS, CONDITIONS, BINS, UNITS = 0.01, 400, 3, 40, 4


def rates() -> Trials:
    time = BIN * np.arange(BINS)
    rng = np.random.default_rng(0)
    phase, height = rng.uniform(0, 2 * np.pi, (CONDITIONS, 1, UNITS)), rng.uniform(5, 15, UNITS)
    return Trials.from_arrays(20 + height * np.sin(2 * np.pi * 2.5 * time[:, None] + phase), time)


def spikes_of(truth: Trials, seed: int) -> Trials:
    """Poisson spikes in REPEATS trials of each condition."""
    counts = np.random.default_rng(seed).poisson(BIN * np.repeat(truth.rate, REPEATS, axis=0))
    trial, place, unit = (np.repeat(index, counts.ravel()) for index in map(np.ravel, np.indices(counts.shape)))
    labels = np.repeat(truth.condition, REPEATS)
    return Trials.from_spikes((BIN * (place + 0.5), unit, trial), truth.time, units=UNITS, condition=labels)


def test_true_rates_tell_as_many_bits_as_their_information_and_flat_ones_none() -> None:
    truth = rates()
    flat = Trials.from_arrays(np.broadcast_to(truth.rate.mean(axis=(0, 1)), truth.rate.shape).copy(), truth.time)
    wrong = Trials.from_arrays(truth.rate[[1, 2, 0]], truth.time)
    students = {"truth": truth, "flat": flat, "wrong": wrong}
    found = compare_bits(spikes_of(truth, 1), students, repeats=REPEATS, again="truth", nulls=20).estimates("bits per spike")
    mean = truth.rate.mean(axis=(0, 1))
    information = (truth.rate * np.log2(truth.rate / mean)).sum() / truth.rate.sum()  # the mean likelihood ratio of Poisson spikes
    count = truth.rate.sum() * BIN * REPEATS
    assert found["truth"] == pytest.approx(information, abs=5 / np.sqrt(count))
    assert found["flat"] == pytest.approx(0.0, abs=5 / np.sqrt(count)) and found["wrong"] < found["flat"]
