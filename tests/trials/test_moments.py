"""A rate at a moment and a count in a bin belong together: true rates fit spikes best where they are, and not half a bin away."""

import numpy as np
import pytest

from cortex_sim.trials import Trials, over_bins, poisson_spikes, smoothed_over_time

BIN, BINS, TRIALS, TURNS = 0.01, 100, 4000, 2.0  # s; Hz that the rate goes up and down with
SHIFTS = np.arange(-10, 11) * 1e-3  # s


def rate_at(time: np.ndarray) -> np.ndarray:
    return np.asarray(30 + 25 * np.sin(2 * np.pi * TURNS * time))  # Hz


@pytest.fixture(scope="module")
def spikes() -> Trials:
    """Poisson spikes of a rate that goes on between the edges of bins, drawn in steps of 0.1 ms."""
    rng, step = np.random.default_rng(0), 1e-4
    time = step * (np.arange(round(BINS * BIN / step)) + 0.5)
    counts = rng.binomial(TRIALS, rate_at(time) * step)  # over trials: all that an average needs
    trial = np.concatenate([rng.choice(TRIALS, count, replace=False) for count in counts])
    return Trials.from_spikes((np.repeat(time, counts), 0 * trial, trial), BIN * np.arange(BINS), units=1, condition=np.zeros(TRIALS))


def best(found: np.ndarray, expected: np.ndarray) -> float:
    """The shift of the true rate, s, at which it is nearest to what was found, away from the ends."""
    inner = slice(12, -12)
    return float(SHIFTS[np.argmin(((found[inner] - expected[:, inner]) ** 2).sum(axis=1))])


def test_rates_from_spikes_are_those_of_their_moments(spikes: Trials) -> None:
    shifted = rate_at(spikes.time + SHIFTS[:, None])
    assert abs(best(spikes.smoothed(0.025).averaged().rate[0, :, 0], shifted)) < 1.5e-3  # a step of the shifts; standard error 0.4 ms
    assert best(spikes.binned().averaged().rate[0, :, 0], shifted) == pytest.approx(BIN / 2, abs=1.5e-3)  # means over the bins


def test_true_rates_over_bins_fit_counts_best_where_they_are(spikes: Trials) -> None:
    counts = spikes.counts().mean(axis=0)[:, 0] / BIN
    shifted = np.stack([over_bins(rate_at(spikes.time + shift)[None, :, None])[0, :, 0] for shift in SHIFTS])
    assert abs(best(counts, shifted)) < 1.5e-3


def test_the_mean_over_a_bin_is_exact_for_straight_lines_and_smoothing_keeps_what_is_even() -> None:
    time = 0.5 + BIN * np.arange(20)
    line = np.stack([3 * time - 1, 5 + 0 * time], axis=1)[None]
    np.testing.assert_allclose(over_bins(line), line + np.array([1.5 * BIN, 0.0]), atol=1e-12)
    every = Trials.from_spikes((np.tile(time + BIN / 2, 2), np.repeat([0, 1], 20), np.zeros(40)), time, units=2, condition=[0])
    for sd in (1e-4, 0.01, 0.2):  # one spike a bin is 100 Hz, up to the very ends, however little or much it is smoothed
        np.testing.assert_allclose(every.smoothed(sd).rate, 1 / BIN, rtol=1e-9)
        np.testing.assert_allclose(smoothed_over_time(np.full((1, 20, 2), 7.0), sd / BIN), 7.0, rtol=1e-9)


def test_poisson_spikes_take_the_rate_of_a_bin_for_all_of_it() -> None:
    """On a straight line rates at edges are half a step below the means over bins; counts follow what was given, whichever it is."""
    time, trials = 0.01 * np.arange(20), 4000
    line = 20.0 + 4000.0 * time
    for given in (line, over_bins(line[None, :, None])[0, :, 0]):
        spikes = poisson_spikes(
            np.broadcast_to(given[None, :, None], (trials, 20, 1)), time, condition=np.zeros(trials), rng=np.random.default_rng(0)
        )
        found = spikes.counts()[:, :, 0].mean(axis=0)
        assert (np.abs(found - 0.01 * given) < 5 * np.sqrt(0.01 * given / trials)).all()
    assert np.allclose(given - line, 20.0)  # half of a step of 40 Hz, ten standard errors and more
