"""Bits per spike against their closed form, and rates that are measured by many spikes come back."""

import numpy as np
import pytest

from cortex_sim.comparison._bits import compare_bits, measured_by_spikes
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
    found = compare_bits(spikes_of(truth, 1), students, repeats=REPEATS, best="truth", nulls=20).estimates("bits per spike")
    mean = truth.rate.mean(axis=(0, 1))
    information = (truth.rate * np.log2(truth.rate / mean)).sum() / truth.rate.sum()  # the mean likelihood ratio of Poisson spikes
    count = truth.rate.sum() * BIN * REPEATS
    assert found["truth"] == pytest.approx(information, abs=5 / np.sqrt(count))
    assert found["flat"] == pytest.approx(0.0, abs=5 / np.sqrt(count)) and found["wrong"] < found["flat"]


def test_rates_measured_by_many_spikes_are_the_rates_smoothed() -> None:
    truth, sd = rates(), 0.02
    found = measured_by_spikes(truth, repeats=4000, sd=sd, rng=np.random.default_rng(2))
    assert np.array_equal(found.time, truth.time) and np.array_equal(found.condition, truth.condition)
    inner = slice(8, -8)  # the kernel reaches as far
    blurred = 20 + (truth.rate - 20) * np.exp(-((2 * np.pi * 2.5 * sd) ** 2) / 2)  # a Gaussian on a sine
    noise = np.sqrt(35 / (2 * np.sqrt(np.pi) * sd * 4000))  # of a rate of 35 Hz, the fastest
    assert np.abs(found.rate - blurred)[:, inner].max() < 5 * noise
