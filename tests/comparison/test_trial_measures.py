"""Measures of single trials find planted dynamics and distances in closed form."""

import numpy as np
import pytest

from cortex_sim.comparison._planted import damped_rotations, noisy_steps
from cortex_sim.comparison._residual_dynamics import residual_distance, residual_operator
from cortex_sim.comparison._residuals import residuals_of
from cortex_sim.comparison._stochastic_shape import stochastic_shape_distance
from cortex_sim.comparison._trial_measures import TRIAL_MEASURES, crossnobis_rsa
from cortex_sim.errors import ComparisonError
from cortex_sim.trials import Trials

RADII, ANGLES = np.array([0.95, 0.8]), np.array([0.3, 0.7])


def planted(seed: int, *, radii: np.ndarray = RADII, noise: float = 0.0, trials: int = 200, conditions: int = 4, units: int = 8) -> Trials:
    """Averages that any condition has, and residuals with planted dynamics in the first four of eight rotated units, observed with noise."""
    rng = np.random.default_rng(seed)
    A = damped_rotations(ANGLES, radii)
    left = noisy_steps(A, rng.standard_normal((trials * conditions, 4)), 40, rng, 0.5)
    course = np.sin(np.arange(40)[:, None] / 8 + np.arange(conditions)[:, None, None])
    turned = np.linalg.qr(np.random.default_rng(99).standard_normal((units, units)))[0]
    averages = 3 * course * np.linspace(1, 2, units)
    rate = np.repeat(averages, trials, axis=0) + left @ turned[:, :4].T + noise * rng.standard_normal((trials * conditions, 40, units))
    return Trials.from_arrays(rate, 0.02 * np.arange(40), condition=np.repeat(np.arange(conditions), trials), units="1")


def test_residual_dynamics_are_found_through_observation_noise_that_biases_regression() -> None:
    wanted = np.sort(np.abs(np.linalg.eigvals(damped_rotations(ANGLES, RADII))))
    left = residuals_of(planted(0, noise=1.0))
    found = np.sort(np.abs(np.linalg.eigvals(residual_operator(left, 4))))
    np.testing.assert_allclose(found, wanted, atol=0.03)  # 30,000 samples with a signal-to-noise ratio of about 1
    flat = left[:, :-1].reshape(-1, 8)
    axes = np.linalg.eigh(flat.T @ flat)[1][:, -4:]
    now, after = (part.reshape(-1, 8) @ axes for part in (left[:, :-1], left[:, 1:]))
    regressed = np.sort(np.abs(np.linalg.eigvals(np.linalg.lstsq(now, after, rcond=None)[0])))
    assert (regressed < wanted - 0.1).any()


def test_residual_distance_sees_the_decay_and_neither_averages_nor_coordinates() -> None:
    one, again, faster = planted(1), planted(2), planted(3, radii=0.7 * RADII)
    moved = Trials.from_arrays(one.rate @ np.linalg.qr(np.random.default_rng(5).standard_normal((8, 8)))[0] + np.arange(40)[:, None], one.time,
                               condition=one.condition, units="1")  # fmt: skip
    assert residual_distance(one, moved) < 1e-9
    assert residual_distance(one, again) < 0.2 * residual_distance(one, faster)
    with pytest.raises(ComparisonError, match=r"residuals of shape \(2, 2, 3\); they should vary, in three bins or more"):
        residual_operator(np.zeros((2, 2, 3)))


def test_stochastic_shape_is_0_for_rotated_noise_and_the_closed_form_where_only_the_size_of_noise_differs() -> None:
    one = planted(4, trials=50)
    Q = np.linalg.qr(np.random.default_rng(6).standard_normal((8, 8)))[0]
    turned = Trials.from_arrays(one.rate @ Q.T + 7.0, one.time, condition=one.condition, units="1")
    assert stochastic_shape_distance(one, turned) < 1e-6
    # averages kept and residuals doubled: roots S and 2S commute, so the distance is the norm of S over that of the averages
    means = one.rate - residuals_of(one)
    louder = Trials.from_arrays(means + 2 * residuals_of(one), one.time, condition=one.condition, units="1")
    unit = np.sqrt(((means - means.mean(axis=(0, 1))) ** 2).sum(axis=2).mean())
    noise = np.sqrt(50 / 49 * (residuals_of(one) ** 2).sum(axis=2).mean())
    assert stochastic_shape_distance(one, louder) == pytest.approx(noise / unit, rel=1e-6)
    assert stochastic_shape_distance(louder, one) == pytest.approx(stochastic_shape_distance(one, louder), rel=1e-6)


def test_stochastic_shape_of_residuals_alone_does_not_depend_on_coordinates() -> None:
    """Without averages covariances alone say where the search should begin; begun from the axes as they are, a turn changed it by a tenth."""
    one, other = (Trials.from_arrays(residuals_of(side), side.time, condition=side.condition, units="1")
                  for side in (planted(4, trials=5), planted(5, trials=5, radii=0.5 * RADII)))  # fmt: skip
    Q = np.linalg.qr(np.random.default_rng(6).standard_normal((8, 8)))[0]
    turned = Trials.from_arrays(other.rate @ Q.T, other.time, condition=other.condition, units="1")
    assert stochastic_shape_distance(one, turned) == pytest.approx(stochastic_shape_distance(one, other), rel=1e-6)


def test_stochastic_shape_without_noise_is_that_of_averages() -> None:
    rng = np.random.default_rng(7)
    a, b = (Trials.from_arrays(rng.standard_normal((5, 9, 4)), 0.02 * np.arange(9), condition=np.arange(5), units="1") for _ in range(2))
    x, y = ((one.rate - one.rate.mean(axis=(0, 1))).reshape(-1, 4) for one in (a, b))
    x, y = (side / np.sqrt((side**2).sum(axis=1).mean()) for side in (x, y))
    nuclear = np.linalg.svd(x.T @ y, compute_uv=False).sum()
    assert stochastic_shape_distance(a, b) == pytest.approx(np.sqrt(2 - 2 * nuclear / len(x)))
    short = Trials.from_arrays(b.rate[:, :8], b.time[:8], condition=b.condition, units="1")
    with pytest.raises(ComparisonError, match=r"stochastic shape: 45 conditions and times on one side, 40 on the other; they should correspond"):
        stochastic_shape_distance(a, short)


CORRELATIONS = ("RSA, crossnobis", "cycle consistency, noise removed")  # 1 for the same averages, whatever the noise; the others are distances


@pytest.mark.parametrize("name", TRIAL_MEASURES)
def test_a_system_is_most_like_itself(name: str) -> None:
    one, other = planted(8, trials=5), planted(9, trials=5, radii=0.5 * RADII)
    alike, same = TRIAL_MEASURES[name], float(name in CORRELATIONS)
    assert alike(one, one) == pytest.approx(same, abs=1e-6 if name != CORRELATIONS[0] else 0.1)
    if name in CORRELATIONS:
        order = np.random.default_rng(2).permutation(len(one.rate[0]))
        assert alike(one, Trials.from_arrays(other.rate[:, order], other.time, condition=other.condition, units="1")) < 0.9
    else:
        assert alike(one, other) < -0.02


@pytest.mark.parametrize("name", TRIAL_MEASURES)
def test_the_type_and_order_of_numbers_and_the_order_of_trials_of_a_condition_change_nothing(name: str) -> None:
    """Halves and folds of trials are drawn anew in another order, so that measures which use them change by their noise."""
    one, other = planted(8, trials=4), planted(9, trials=4, radii=0.5 * RADII)

    def trials(rate: np.ndarray, of: Trials = other) -> Trials:
        return Trials.from_arrays(rate, of.time, condition=of.condition, units="1")

    whole = np.round(100 * other.rate)
    alike, expected = TRIAL_MEASURES[name], TRIAL_MEASURES[name](one, trials(whole))
    for way in (
        lambda x: x.astype(">f4"),
        lambda x: x.astype("i4"),
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x.tolist(),
    ):
        assert alike(one, trials(way(whole))) == expected
    mixed = np.concatenate([np.random.default_rng(k).permutation(np.flatnonzero(other.condition == k)) for k in range(4)])
    assert alike(one, trials(whole[mixed])) == pytest.approx(expected, abs=0.15 if name in CORRELATIONS else 1e-6)
    rename = np.random.default_rng(3).permutation(8)
    turned = trials(one.rate[:, :, rename], one), trials(whole[:, :, rename])
    assert alike(*turned) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_crossnobis_keeps_its_correlation_where_noise_would_pull_distances_together() -> None:
    """Conditions at known distances: without bias, distances in two recordings of unequal noise correlate by 1, up to that noise."""
    rng = np.random.default_rng(10)
    centres = rng.standard_normal((6, 1, 20)) * np.linspace(0.5, 2, 6)[:, None, None]
    sides = [Trials.from_arrays(np.repeat(centres + np.zeros((6, 10, 20)), 40, axis=0) + noise * rng.standard_normal((240, 10, 20)),
                                0.02 * np.arange(10), condition=np.repeat(np.arange(6), 40), units="1") for noise in (0.3, 3.0)]  # fmt: skip
    assert crossnobis_rsa(*sides) > 0.9
    few = [one.select(np.arange(0, 240, 40)) for one in sides]
    assert crossnobis_rsa(few[0], few[0]) == pytest.approx(1.0)
