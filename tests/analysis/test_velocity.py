"""Decoders of velocity: planted filters are found, and the Kalman filter is as good as its own model says it can be."""

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

from cortex_sim.analysis._decoding import discriminant, trial_folds
from cortex_sim.analysis._velocity import DECODERS, Kalman, decoded, kalman, lagged, ridge, wiener
from cortex_sim.errors import ComparisonError

RNG = np.random.default_rng(0)


def simulated(trials: int, bins: int, model: Kalman, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Movement and rates of a linear Gaussian model, from rest."""
    rng = np.random.default_rng(seed)
    L, K = np.linalg.cholesky(model.W), np.linalg.cholesky(model.Q)
    x, out = np.zeros((trials, len(model.A))), np.empty((trials, bins, len(model.A)))
    for bin_ in range(bins):
        x = x @ model.A.T + rng.standard_normal(x.shape) @ L.T
        out[:, bin_] = x
    return out, out @ model.C.T + rng.standard_normal((trials, bins, len(model.Q))) @ K.T


MODEL = Kalman(np.array([[0.95, 0.1], [-0.1, 0.95]]), 0.1 * np.eye(2), RNG.normal(size=(15, 2)), np.diag(RNG.uniform(1.0, 4.0, 15)))


def test_the_kalman_filter_reaches_the_error_of_the_riccati_equation() -> None:
    velocity, rates = simulated(400, 80, MODEL, 1)
    ahead = solve_discrete_are(MODEL.A.T, MODEL.C.T, MODEL.W, MODEL.Q)
    steady = np.linalg.inv(np.linalg.inv(ahead) + MODEL.C.T @ np.linalg.inv(MODEL.Q) @ MODEL.C)
    off = (MODEL.filtered(rates) - velocity)[:, 40:].reshape(-1, 2)
    found = off.T @ off / len(off)
    np.testing.assert_allclose(found, steady, atol=5 * np.sqrt(2 / 400) * steady.max() / np.sqrt(4))  # 400 trials, a few independent times each


def test_fitting_finds_the_planted_model() -> None:
    velocity, rates = simulated(600, 60, MODEL, 2)
    found = Kalman.fit(rates, velocity)
    np.testing.assert_allclose(found.A, MODEL.A, atol=0.01)
    np.testing.assert_allclose(found.W, MODEL.W, atol=0.01)
    np.testing.assert_allclose(found.C, MODEL.C, atol=0.05)
    np.testing.assert_allclose(np.diag(found.Q), np.diag(MODEL.Q), rtol=0.05)


def test_the_kalman_filter_beats_the_others_on_its_own_model_and_all_beat_chance() -> None:
    velocity, rates = simulated(100, 60, MODEL, 3)
    new_velocity, new_rates = simulated(50, 60, MODEL, 4)
    errors = {name: ((decode(rates, velocity, new_rates) - new_velocity) ** 2).mean() for name, decode in DECODERS.items()}
    assert errors["Kalman filter"] < errors["Wiener filter"] < errors["ridge"] < (new_velocity**2).mean()


def test_the_wiener_filter_finds_a_planted_delay_that_one_bin_cannot() -> None:
    rates = RNG.normal(size=(60, 50, 8))
    weights = RNG.normal(size=(8, 2))
    velocity = lagged(rates, 4)[:, :, 24:] @ weights  # three bins before
    off = [((decode(rates[:40], velocity[:40], rates[40:]) - velocity[40:])[:, 10:] ** 2).mean() / velocity.var() for decode in (wiener, ridge)]
    assert off[0] < 0.01 and off[1] > 0.9


def test_lags_are_the_bins_before() -> None:
    rates = np.arange(5.0)[None, :, None]
    np.testing.assert_array_equal(lagged(rates, 3)[0], [[0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 3, 2]])


def test_decoding_does_not_depend_on_the_unit_of_the_rates() -> None:
    velocity, rates = simulated(30, 40, MODEL, 5)
    for decode in DECODERS.values():
        found = decode(rates[:20], velocity[:20], rates[20:])
        np.testing.assert_allclose(decode(100 * rates[:20] + 7, velocity[:20], 100 * rates[20:] + 7), found, rtol=1e-6, atol=1e-8)


def test_a_discriminant_tells_distant_conditions_and_is_at_chance_on_noise() -> None:
    condition = np.tile(np.array(["a", "b", "c"]), 40)
    means = {"a": 0.0, "b": 5.0, "c": 10.0}
    apart = np.array([means[c] for c in condition])[:, None] + RNG.normal(size=(120, 4))
    assert (discriminant(apart, condition) == condition).mean() > 0.95
    noise = (discriminant(RNG.normal(size=(120, 4)), condition) == condition).mean()
    assert abs(noise - 1 / 3) < 4 * np.sqrt(2 / 9 / 120)
    asked = np.concatenate([new for _, new in trial_folds(condition)])
    assert sorted(asked) == list(range(120))


def test_arrays_that_do_not_fit_are_refused() -> None:
    for decode in (ridge, kalman):
        with pytest.raises(ComparisonError, match=r"decoding velocity: rates \(3, 5, 2\), velocity \(3, 4, 2\), rates to decode \(1, 5, 2\)"):
            decode(np.zeros((3, 5, 2)), np.zeros((3, 4, 2)), np.zeros((1, 5, 2)))
    with pytest.raises(ComparisonError, match="decoding: 2 conditions of 1 trials or more; there should be 2 of at least 5 trials"):
        trial_folds(np.array([0, 0, 0, 0, 0, 1]))


def test_no_trial_is_decoded_by_what_was_learned_from_itself() -> None:
    """Rates that know nothing of the velocity explain half of 60 samples with 30 units in sample, and nothing of what was left out."""
    rng = np.random.default_rng(5)
    rates, velocity = rng.standard_normal((6, 10, 30)), rng.standard_normal((6, 10, 2))
    found = decoded(ridge, rates, velocity)
    in_sample = ridge(rates, velocity, rates)
    share = [1 - ((velocity - made) ** 2).sum() / (velocity**2).sum() for made in (found, in_sample)]
    assert share[0] < 0
    assert share[1] > 0.3
