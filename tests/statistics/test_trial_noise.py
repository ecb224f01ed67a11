"""Noise of single trials: a planted covariance is found, whitened data are white, shrinkage errs less than the sample covariance."""

import numpy as np
import pytest

from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import TrialNoise
from cortex_sim.statistics._trial_noise import shrunk_covariance


def planted(trials: int, bins: int = 5, units: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Trials of two conditions that scatter with a known covariance over bins (of mean variance 1) and over units."""
    rng = np.random.default_rng(seed)
    time = 0.6 ** np.abs(np.subtract.outer(np.arange(bins), np.arange(bins)))
    mixing = np.eye(units) + 0.4 * rng.normal(size=(units, units))
    condition, means = np.arange(trials) % 2, 10 * rng.normal(size=(2, bins, units))
    noise = np.linalg.cholesky(time) @ rng.normal(size=(trials, bins, units)) @ mixing.T
    return means[condition] + noise, condition, time, mixing @ mixing.T


def test_a_planted_covariance_is_found() -> None:
    rates, condition, time, units = planted(20_000)
    found = TrialNoise.of(rates, condition)
    np.testing.assert_allclose(found.over_time, time, atol=5 * np.sqrt(2 / (20_000 * 4)))
    np.testing.assert_allclose(found.over_units, units, atol=5 * np.sqrt(3 / 20_000) * units.max())  # bins are correlated: fewer than all count
    white = found.whitened(rates - np.stack([rates[condition == k].mean(axis=0) for k in range(2)])[condition]).reshape(20_000, -1)
    np.testing.assert_allclose(white.T @ white / 20_000, np.eye(20), atol=0.06)


def test_the_averages_of_conditions_take_no_noise_away() -> None:
    """With three trials of each condition a third of the scatter goes into the averages; the variances found are right all the same."""
    rates, condition, _, units = planted(3000, seed=1)
    alone = rates - np.stack([rates[condition == k].mean(axis=0) for k in range(2)])[condition]
    means = np.repeat(np.random.default_rng(2).normal(size=(1000, 5, 4)), 3, axis=0)
    found = TrialNoise.of(alone + means, np.arange(3000) // 3)
    np.testing.assert_allclose(np.diag(found.over_units), np.diag(units), rtol=5 * np.sqrt(2 / 3000))


def test_weighing_is_whitening_twice_and_silent_units_are_finite() -> None:
    rates, condition, _, _ = planted(60)
    rates[:, :, 2] = 3.0
    found = TrialNoise.of(rates, condition)
    response = np.random.default_rng(3).normal(size=(5, 4))
    assert (found.weighed(response) * response).sum() == pytest.approx((found.whitened(response) ** 2).sum(), rel=1e-9)
    least = np.sqrt(found.over_units[2, 2])
    assert least == pytest.approx(0.1 * np.median([rates[..., k].std() for k in (0, 1, 3)]), rel=1.0) and least > 0


def test_a_shrunk_covariance_errs_less_than_that_of_the_samples() -> None:
    errors = []
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=(15, 30))
        errors.append([np.linalg.norm(found - np.eye(30)) for found in (shrunk_covariance(x), x.T @ x / 15)])
    shrunk, plain = np.mean(errors, axis=0)
    assert shrunk < plain / 2
    np.linalg.cholesky(shrunk_covariance(np.random.default_rng(0).normal(size=(15, 30))))


@pytest.mark.parametrize(
    ("rates", "condition", "message"),
    [
        (np.random.default_rng(0).normal(size=(12, 4, 3)), np.arange(12) // 2, "noise: 12 trials of 6 conditions; give at least 16 single trials"),
        (np.ones((40, 4, 3)), np.zeros(40), "noise: nothing varies from trial to trial"),
    ],
)
def test_what_holds_no_noise_is_refused(rates: np.ndarray, condition: np.ndarray, message: str) -> None:
    with pytest.raises(ComparisonError, match=f"^{message}"):
        TrialNoise.of(rates, condition)
