"""Cycle consistency with noise removed: that of the same systems without noise, however loud they are."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from cortex_sim.comparison._noisy_cycle import noisy_cycle_consistency
from cortex_sim.comparison._predictivity import cycle_consistency
from cortex_sim.errors import ComparisonError
from cortex_sim.trials import Trials

CONDITIONS, BINS, LATENTS, UNITS = 8, 30, 6, 60


def pair(seed: int, *, noise: float, lost: int = 0, trials: int = 6, conditions: int = CONDITIONS) -> tuple[Trials, Trials]:
    """Two systems that see six smooth courses through orthogonal columns, the other without some; noise of 1 has the variance of the signal."""
    rng = np.random.default_rng(seed)
    latent = gaussian_filter1d(rng.standard_normal((conditions, BINS, LATENTS)), 3, axis=1)
    columns = [np.linalg.qr(rng.standard_normal((UNITS, LATENTS)))[0] * np.sqrt(UNITS / LATENTS) / latent.std() for _ in range(2)]
    columns[1] = columns[1] * (np.arange(LATENTS) >= lost)
    labels = np.repeat(np.arange(conditions), trials)
    return tuple(Trials.from_arrays((latent @ each.T)[labels] + noise * rng.standard_normal((len(labels), BINS, UNITS)), 0.02 * np.arange(BINS),
                                    condition=labels, units="1") for each in columns)  # fmt: skip


def averages(trials: Trials) -> np.ndarray:
    return np.stack([trials.rate[trials.condition == label].mean(axis=0) for label in range(CONDITIONS)])


@pytest.mark.parametrize(("noise", "plain"), [(0.0, 1.0), (1.0, 0.9), (3.0, 0.5)])
def test_equal_systems_reach_the_ceiling_where_averages_look_inconsistent(noise: float, plain: float) -> None:
    pairs = [pair(seed, noise=noise) for seed in range(4)]
    assert np.mean([noisy_cycle_consistency(a, b) for a, b in pairs]) == pytest.approx(1.0, abs=0.03)
    assert np.mean([cycle_consistency(averages(a), averages(b)) for a, b in pairs]) < plain + 1e-6


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_a_system_that_lacks_half_the_courses_keeps_what_it_keeps_without_noise(noise: float) -> None:
    wanted = np.mean([cycle_consistency(*(averages(side) for side in pair(seed, noise=0.0, lost=3))) for seed in range(6)])
    found = np.mean([noisy_cycle_consistency(*pair(seed, noise=noise, lost=3)) for seed in range(6)])
    assert (
        found == pytest.approx(wanted, abs=0.08) and abs(wanted - 0.5) < 0.1
    )  # three of six courses of equal variance; six draws of eight conditions


def test_noise_alone_on_either_side_keeps_nothing() -> None:
    assert abs(noisy_cycle_consistency(*pair(0, noise=1.0, lost=LATENTS))) < 0.05
    a, b = pair(1, noise=1.0)
    residuals = Trials.from_arrays(a.rate - averages(a)[a.condition], a.time, condition=a.condition, units="1")
    assert noisy_cycle_consistency(residuals, b) == 0.0
    still = Trials.from_arrays(np.ones_like(b.rate), b.time, condition=b.condition, units="1")
    assert noisy_cycle_consistency(a, still) == 0.0


def test_single_trials_of_every_condition_are_compared_as_averages_and_what_does_not_match_is_refused() -> None:
    a, b = pair(2, noise=0.5, trials=1)
    assert noisy_cycle_consistency(a, b) == cycle_consistency(a.rate, b.rate)
    with pytest.raises(ComparisonError, match=r"\(condition, time\) are \(8, 30\) and \(5, 30\); they should match, with two conditions at least"):
        noisy_cycle_consistency(a, pair(2, noise=0.5, conditions=5)[1])
    with pytest.raises(ComparisonError, match="with two conditions at least"):
        noisy_cycle_consistency(*pair(2, noise=0.5, conditions=1))
    with pytest.raises(ComparisonError, match="3 conditions; there should be at least 4, to hold some out"):
        noisy_cycle_consistency(*pair(2, noise=0.5, trials=1, conditions=3))
