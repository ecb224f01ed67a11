"""Bits per spike against their closed form."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binom, kstest

from cortex_sim.analysis._co_smoothing import spike_information
from cortex_sim.comparison._bits import compare_bits
from cortex_sim.statistics import p_value
from cortex_sim.trials import Trials, over_bins

BIN, REPEATS, CONDITIONS, BINS, UNITS = 0.01, 400, 3, 40, 4


def rates(shift: float = 0.0) -> Trials:
    """At the left edges of the bins, or that much later, s."""
    time = BIN * np.arange(BINS)
    rng = np.random.default_rng(0)
    phase, height = rng.uniform(0, 2 * np.pi, (CONDITIONS, 1, UNITS)), rng.uniform(5, 15, UNITS)
    return Trials.from_arrays(20 + height * np.sin(2 * np.pi * 2.5 * (time[:, None] + shift) + phase), time)


def spikes_of(truth: Trials, seed: int, repeats: int = REPEATS) -> Trials:
    """Poisson spikes in so many trials of each condition, of rates that go on between the edges of bins."""
    counts = np.random.default_rng(seed).poisson(BIN * np.repeat(over_bins(truth.rate), repeats, axis=0))
    trial, place, unit = (np.repeat(index, counts.ravel()) for index in map(np.ravel, np.indices(counts.shape)))
    labels = np.repeat(truth.condition, repeats)
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


@pytest.mark.parametrize("factor", [0.25, 1.0, 2.0])
def test_a_rate_that_is_wrong_by_a_factor_costs_what_poisson_spikes_say(factor: float) -> None:
    """log2 c - (c - 1)/ln 2 bits per spike, whatever the spikes: their number is what the mean expects."""
    counts = np.random.default_rng(0).poisson(0.2, (6, 30, 3)).astype(float)
    rates = np.broadcast_to(factor * counts.mean(axis=(0, 1)) / BIN, counts.shape)
    assert spike_information(rates, counts, BIN).bits == pytest.approx(np.log2(factor) - (factor - 1) / np.log(2), abs=1e-12)


def test_true_rates_tell_more_than_the_same_half_a_bin_before_or_after() -> None:
    """Half a bin costs 160 nats or so of 4000 trials, with a standard deviation of 10 from draw to draw."""
    students = {name: rates(shift) for name, shift in {"truth": 0.0, "late": BIN / 2, "early": -BIN / 2}.items()}
    found = compare_bits(spikes_of(students["truth"], 2, 4000), students, repeats=4000, again="truth", nulls=2).estimates("bits per spike")
    assert found["truth"] > max(found["late"], found["early"])


@pytest.mark.long
def test_the_interval_of_bits_covers_its_expectation_over_conditions() -> None:
    repeats, conditions, draws, found = 4, 24, 150, []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        phase = rng.uniform(0, 2 * np.pi, (conditions, 1, UNITS))
        height = 15 * rng.beta(2, 2, (conditions, 1, UNITS))
        time = BIN * np.arange(BINS)
        truth = Trials.from_arrays(20 + height * np.sin(2 * np.pi * 2.5 * time[:, None] + phase), time)
        student = Trials.from_arrays(20 + 0.7 * height * np.sin(2 * np.pi * 2.5 * time[:, None] + phase + 0.3), time)
        (score,) = compare_bits(spikes_of(truth, seed, repeats), {"student": student}, repeats=repeats, again="student", nulls=1)
        found.append((score.estimate, score.interval))
    expected = np.mean([estimate for estimate, _ in found])
    covered = sum(low <= expected <= high for _, (low, high) in found)
    assert binom.ppf(0.0013, draws, 0.90) <= covered <= binom.ppf(0.9987, draws, 0.98), covered


@pytest.mark.long
def test_p_values_of_students_that_know_nothing_are_uniform() -> None:
    """Rates of eight conditions, drawn apart for the circuit and for the student, with the same mean over conditions."""
    rng, p = np.random.default_rng(5), []
    time = BIN * np.arange(20)
    for seed in range(100):
        one, other = 20 + 4 * gaussian_filter1d(rng.normal(size=(2, 8, 20, UNITS)), 3, axis=2)
        circuit, student = (Trials.from_arrays(rate, time) for rate in (one, other))
        scores = compare_bits(spikes_of(circuit, seed, 3), {"student": student}, repeats=3, again="student", nulls=19, seed=seed)
        (score,) = [score for score in scores if score.measure == "bits per spike"]
        assert score.null is not None
        p.append(p_value(score.estimate, score.null) - rng.uniform(0, 1 / 20))
    assert kstest(p, "uniform").pvalue > 1e-3
