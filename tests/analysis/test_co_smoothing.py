"""Bits per spike against closed forms, and populations whose units say much or nothing about each other."""

import numpy as np
import pytest

from cortex_sim.analysis._co_smoothing import co_smoothing, spike_information
from cortex_sim.errors import ComparisonError
from cortex_sim.trials._trials import Trials

BIN = 0.01


def test_true_rates_tell_the_information_of_a_spike_and_the_mean_rate_nothing() -> None:
    """With expected counts in place of spikes: the mean over spikes of log2(r / mean r)."""
    rates = np.array([[[5.0, 8.0]], [[20.0, 8.0]], [[11.0, 2.0]]]) * np.ones((3, 7, 2))
    counts = rates * BIN
    mean = rates.mean(axis=(0, 1))
    assert spike_information(rates, counts, BIN).bits == pytest.approx((rates * np.log2(rates / mean)).sum() / rates.sum())
    assert spike_information(np.broadcast_to(mean, rates.shape), counts, BIN).bits == pytest.approx(0, abs=1e-12)
    assert spike_information(rates[[1, 0, 2]], counts, BIN).bits < 0  # misleading
    assert (
        spike_information(1.3 * rates, counts, BIN).bits
        < spike_information(rates, counts, BIN).bits
        > spike_information(0.7 * rates, counts, BIN).bits
    )


def test_a_spike_where_none_is_expected_costs_something_finite_and_silent_units_nothing() -> None:
    counts = np.zeros((2, 3, 2))
    counts[0, 1, 0] = 1
    found = spike_information(np.zeros((2, 3, 2)), counts, BIN)
    assert np.isfinite(found.bits) and found.bits < -5
    np.testing.assert_array_equal(found.spikes, [1, 0])
    assert found.of(np.array([0])) == pytest.approx(found.gain[0] / np.log(2))


def population(gain: float, trials: int = 60, units: int = 24, seed: int = 0) -> Trials:
    """Poisson spikes of rates that a common slow signal scales: r = 20 Hz exp(gain z - gain²/2)."""
    rng = np.random.default_rng(seed)
    z = np.repeat(rng.standard_normal((trials, 2)), 50, axis=1)
    rate = 20 * np.exp(gain * z - gain**2 / 2)
    counts = rng.poisson(rate[:, :, None] * BIN * np.ones(units))
    trial, bin_, unit = (np.repeat(place.ravel(), counts.ravel()) for place in np.indices(counts.shape))
    when = (bin_ + rng.uniform(size=bin_.size)) * BIN
    return Trials.from_spikes((when, unit, trial), np.arange(100) * BIN, units=units, condition=np.arange(trials) % 3)


def test_units_that_share_a_signal_tell_of_each_other_as_much_as_the_signal_does() -> None:
    """E[r log2(r / mean r)] / E[r] = gain²/2 in nats for a log-normal rate: what an observer of the signal would have, and no one more."""
    shared, alone = co_smoothing(population(0.6)), co_smoothing(population(0.0))
    known = 0.6**2 / 2 / np.log(2)
    assert 0.6 * known < shared.bits < 1.15 * known  # steps are smoothed over; rates of these trials scatter about the expectation
    assert abs(alone.bits) < 0.02
    assert co_smoothing(population(0.6), seed=0).bits == shared.bits


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ComparisonError, match=r"^bits per spike: rates are \(1, 2, 3\) and counts \(1, 2, 4\)"):
        spike_information(np.ones((1, 2, 3)), np.ones((1, 2, 4)), BIN)
    with pytest.raises(ComparisonError, match=r"^bits per spike: there is no spike"):
        spike_information(np.ones((1, 2, 3)), np.zeros((1, 2, 3)), BIN)
