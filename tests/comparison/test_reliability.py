"""Noise ceilings: with planted signal and noise they are 1/(1 + s²/n), and what a model that knows the truth reaches."""

from collections.abc import Callable

import numpy as np
import pytest

from cortex_sim.comparison._prediction import training_reference, variance_explained
from cortex_sim.comparison._reliability import noise_ceiling, noise_variance, reliability, score_of_truth
from cortex_sim.errors import ComparisonError
from cortex_sim.trials import Trials, poisson_spikes

CONDITIONS, BINS, UNITS = 20, 25, 24


def planted(s2: float | np.ndarray, repeats: int, *, scale: float | np.ndarray = 1.0, seed: int = 0) -> tuple[np.ndarray, Trials]:
    """True rates of variance 1 in every unit, times a scale, and single trials of them with noise of variance s2."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((CONDITIONS, BINS, UNITS))
    truth = (truth - truth.mean(axis=(0, 1))) / truth.std(axis=(0, 1)) * scale
    noise = rng.standard_normal((CONDITIONS, repeats, BINS, UNITS)) * np.sqrt(s2) * scale
    rate = (truth[:, None] + noise).reshape(-1, BINS, UNITS)
    return truth, Trials.from_arrays(rate, 0.01 * np.arange(BINS), condition=np.repeat(np.arange(CONDITIONS), repeats))


def error(s2: float, repeats: int) -> float:
    """Standard error of an estimate of the ceiling, to first order, from the noise's variance and its covariance with the signal."""
    samples, e = CONDITIONS * BINS * UNITS, s2 / repeats
    of_noise = np.sqrt(2 / (samples * (repeats - 1))) * e  # what all splits together know of it
    of_total = np.sqrt(2 * e**2 + 4 * e) / np.sqrt(samples)
    return float((of_noise + e / (1 + e) * of_total) / (1 + e))


@pytest.mark.parametrize(("s2", "repeats", "expected"), [(1, 10, 0.909), (4, 10, 0.714), (4, 40, 0.909), (2, 9, 0.818), (1, 2, 0.667), (0, 5, 1.0)])
def test_the_ceiling_is_the_closed_form_and_what_the_truth_reaches(s2: float, repeats: int, expected: float) -> None:
    truth, trials = planted(s2, repeats)
    found = noise_ceiling(trials, splits=50)
    tolerance = 5 * error(s2, repeats) + 5 * s2 / repeats / np.sqrt(50 * CONDITIONS * BINS * UNITS)  # and of 50 random splits
    assert 1 / (1 + s2 / repeats) == pytest.approx(expected, abs=5e-4)
    assert found == pytest.approx(expected, abs=tolerance + 5e-4)
    average = trials.averaged()
    mean, scale = training_reference(average)
    reached = variance_explained(average.rate, truth, mean=mean, scale=scale)
    assert found == pytest.approx(reached, abs=tolerance + 5 * s2 / repeats * np.sqrt(2 / (CONDITIONS * BINS * UNITS)))


def test_halves_estimate_the_variance_of_the_mean_whether_or_not_trials_divide_by_two() -> None:
    """Over all splits the expectation of n1 n2/n² (A - B)² is the unbiased sample variance over n, exactly."""
    for repeats in (2, 3, 6, 7):
        _, trials = planted(1.0, repeats)
        exact = trials.rate.reshape(CONDITIONS, repeats, BINS, UNITS).var(axis=1, ddof=1) / repeats
        found = noise_variance(trials, splits=200)
        spread = np.sqrt(2 / 200) * exact  # a split's value is at most chi-squared with one degree of freedom times the exact one
        # samples of a condition share its splits, but a split says nothing about the sign of their deviations, which are independent
        assert (found - exact).mean() == pytest.approx(0, abs=5 * np.sqrt((spread**2).mean() / exact.size))
        if repeats == 2:  # there is but one split
            np.testing.assert_allclose(found, exact, rtol=1e-9)


def test_each_unit_counts_the_same_whatever_its_scale() -> None:
    """Units ten thousand times larger, or with more noise: the ceiling is that of the pooled, scaled variances, as in R² of rates."""
    s2 = np.where(np.arange(UNITS) % 2, 8.0, 0.5)
    scale = 10.0 ** (np.arange(UNITS) % 4)
    truth, trials = planted(s2, 10, scale=scale)
    average = trials.averaged()
    mean, spread = np.zeros(UNITS), np.maximum(np.sqrt(1 + s2 / 10) * scale, 0.1 * np.median(np.sqrt(1 + s2 / 10) * scale))
    weight = (scale / spread) ** 2
    expected = weight.sum() / (weight * (1 + s2 / 10)).sum()
    found = noise_ceiling(trials)
    assert found == pytest.approx(expected, abs=5 * error(8.0, 10))
    assert found == pytest.approx(variance_explained(average.rate, truth, mean=mean, scale=spread), abs=10 * error(8.0, 10))
    unscaled = (scale**2).sum() / (scale**2 * (1 + s2 / 10)).sum()
    assert abs(unscaled - expected) > 0.1  # a ceiling that forgot the scale would be seen


def test_mean_and_scale_come_from_the_training_part() -> None:
    _, trials = planted(2.0, 8)
    _, other = planted(2.0, 8, seed=1)
    training = other.averaged()
    shifted = Trials.from_arrays(training.rate + 3.0, training.time)
    average, noise = trials.averaged().rate, noise_variance(trials)
    mean, scale = training_reference(shifted)
    by_hand = 1 - (noise / scale**2).sum() / (((average - mean) / scale) ** 2).sum()
    assert noise_ceiling(trials, training=shifted) == pytest.approx(by_hand, rel=1e-12)
    assert noise_ceiling(trials, training=shifted) > noise_ceiling(trials, training=training) + 0.05  # total variance is about a mean that is far off
    folds = [shifted] * CONDITIONS  # each condition held out by itself
    assert noise_ceiling(trials, training=folds) == pytest.approx(by_hand, rel=1e-12)


def test_reliability_is_by_unit_and_in_the_order_of_units() -> None:
    s2 = np.linspace(0, 20, UNITS)
    _, trials = planted(s2, 10)
    found = reliability(trials)
    samples = CONDITIONS * BINS
    np.testing.assert_allclose(found, 1 / (1 + s2 / 10), atol=5 * error(20, 10) * np.sqrt(UNITS))
    halves = trials.rate.reshape(CONDITIONS, 10, BINS, UNITS)
    r = [np.corrcoef(halves[:, :5, :, u].mean(1).ravel(), halves[:, 5:, :, u].mean(1).ravel())[0, 1] for u in range(UNITS)]
    prophecy = 2 * np.array(r) / (1 + np.array(r))  # Pearson's r of one split, after Spearman and Brown
    np.testing.assert_allclose(found, prophecy, atol=5 * 2 / np.sqrt(samples))


def test_pure_noise_is_not_reliable_and_a_silent_unit_has_no_reliability() -> None:
    rate = np.random.default_rng(0).standard_normal((200, BINS, 6))
    rate[..., 2] = 4.0
    trials = Trials.from_arrays(rate, 0.01 * np.arange(BINS), condition=np.arange(200) % 20)
    found = reliability(trials)
    assert np.isnan(found[2])
    np.testing.assert_allclose(np.delete(found, 2), 0, atol=5 * (np.sqrt(2 / 500) + np.sqrt(2 / 4500)))
    assert abs(noise_ceiling(trials)) < 5 * (np.sqrt(2 / 2500) + np.sqrt(2 / 22500))


def test_noise_that_lasts_over_bins_is_noise() -> None:
    """A gain for each trial, the same in all bins, does not average out over time: s² counts bin by bin."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((CONDITIONS, 1, BINS, UNITS))
    offset = rng.standard_normal((CONDITIONS, 10, 1, UNITS)) * 2
    trials = Trials.from_arrays((truth + offset).reshape(-1, BINS, UNITS), 0.01 * np.arange(BINS), condition=np.repeat(np.arange(CONDITIONS), 10))
    independent = CONDITIONS * UNITS
    assert noise_ceiling(trials) == pytest.approx(1 / 1.4, abs=5 * 0.4 * np.sqrt(2 / independent))


def test_splits_are_seeded_and_the_order_of_conditions_does_not_matter() -> None:
    _, trials = planted(4.0, 6)
    assert noise_ceiling(trials, seed=1) == noise_ceiling(trials, seed=1) != noise_ceiling(trials, seed=2)
    mixed = trials.select(np.random.default_rng(0).permutation(trials.shape[0]))
    assert noise_ceiling(mixed, splits=200) == pytest.approx(
        noise_ceiling(trials, splits=200), abs=5 * 4 / 6 * np.sqrt(2 / (200 * CONDITIONS * BINS))
    )


def test_single_repeats_and_flat_rates_are_refused() -> None:
    once = Trials.from_arrays(np.random.default_rng(0).random((3, 5, 2)), 0.01 * np.arange(5), condition=["a", "a", "b"])
    for measure in (noise_ceiling, reliability):
        with pytest.raises(ComparisonError, match="condition 'b' has one trial; a ceiling needs at least 2 of each, before they are averaged"):
            measure(once)
        with pytest.raises(ComparisonError, match="no unit varies over conditions and time, so there is nothing to be reliable"):
            measure(Trials.from_arrays(np.ones((4, 5, 2)), 0.01 * np.arange(5), condition=[0, 0, 1, 1]))


def kept(draw: Callable[[int], tuple[float, tuple[float, float]]], draws: int) -> float:
    """Share of draws in which the interval covers the score of the truth."""
    return float(np.mean([low <= reached <= high for reached, (low, high) in map(draw, range(draws))]))


@pytest.mark.parametrize(("s2", "repeats"), [(1.0, 2), (2.0, 3), (4.0, 8)])
def test_the_interval_covers_the_score_of_the_truth(s2: float, repeats: int) -> None:
    """Noise that differs between bins, so that the first bin tells nothing: the truth reaches the ceiling, and stays within its interval."""

    def draw(seed: int) -> tuple[float, tuple[float, float]]:
        truth, trials = planted(s2, repeats, seed=seed)
        average = trials.averaged()
        mean, scale = training_reference(average)
        return variance_explained(average.rate, truth, mean=mean, scale=scale), score_of_truth(trials, told=False)[1]

    draws = 60
    assert kept(draw, draws) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / draws)


def blurred(repeats: int, seed: int) -> tuple[dict[str, float], tuple[float, tuple[float, float]]]:
    """Scores, on averages of smoothed Poisson spikes, of the rates, of smoothed rates, and of the latter told the first bin; and the ceiling."""
    rng, sd, width = np.random.default_rng(seed), 0.04, 0.01
    time, condition = np.round(np.arange(-0.2, 0.7, width), 9), np.repeat(np.arange(8), repeats)
    phase, frequency = rng.uniform(0, 2 * np.pi, (8, 1, 20)), rng.uniform(2, 8, 20)
    rates = 30 + 15 * np.sin(2 * np.pi * frequency * time[:, None] + phase)
    smooth = poisson_spikes(rates[condition], time, condition=condition, rng=rng).smoothed(sd).window(0, 0.5)
    kernel = np.exp(-((np.arange(-20, 21) * width / sd) ** 2) / 2)
    truth = np.apply_along_axis(np.convolve, 1, rates, kernel / kernel.sum(), "same")[:, 20:70]
    average = smooth.averaged()
    known = np.exp(-(((average.time - average.time[0]) / sd) ** 2) / 4)[:, None]  # correlation of white noise that was smoothed
    found = {"rates": rates[:, 20:70], "smoothed": truth, "told": truth + known * (average.rate[:, :1] - truth[:, :1])}
    mean, scale = training_reference(average)
    scores = {name: variance_explained(average.rate, part, mean=mean, scale=scale) for name, part in found.items()}
    return scores, score_of_truth(smooth)


@pytest.mark.long
@pytest.mark.parametrize("repeats", [3, 12])
def test_on_smoothed_spikes_no_truth_exceeds_the_ceiling_and_the_smoothed_one_reaches_it(repeats: int) -> None:
    draws = [blurred(repeats, seed) for seed in range(120)]
    tolerance = 3 * np.sqrt(0.95 * 0.05 / len(draws))
    inside = np.mean([low <= scores["told"] <= high for scores, (_, (low, high)) in draws])
    assert 0.95 - tolerance <= inside
    for name in ("rates", "smoothed"):  # which know less than a student is told
        assert np.mean([scores[name] > high for scores, (_, (_, high)) in draws]) <= 0.025 + 3 * np.sqrt(0.025 / len(draws))
    assert np.mean([scores["rates"] for scores, _ in draws]) < np.mean([low for _, (_, (low, _)) in draws])  # not what is taught
    if repeats == 12:
        apart = np.array([scores["told"] - estimate for scores, (estimate, _) in draws])
        assert abs(apart.mean()) < 0.01 + 3 * apart.std() / np.sqrt(len(draws))


def test_a_ceiling_needs_trials_that_repeat() -> None:
    _, trials = planted(1.0, 2)
    with pytest.raises(ComparisonError, match="has one trial; a ceiling needs at least 2 of each"):
        score_of_truth(trials.select(np.arange(1, 40)))
    with pytest.raises(ComparisonError, match="one condition of two trials; an interval of the ceiling needs three trials, or two conditions"):
        score_of_truth(trials.select([0, 1]))
