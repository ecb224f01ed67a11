"""Few-shot co-smoothing in closed form, and on latent states with dimensions that move no unit."""

import numpy as np
import pytest

from cortex_sim.comparison._few_shot import few_shot_co_smoothing
from cortex_sim.errors import ComparisonError

TRIALS, BINS, TRUE = 400, 10, 3
SHOTS = (2, 4, 8, 300)


def planted(extra: int, *, units: int = 40, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Independent latent states of which the first three move units of unit variance that have noise of their own; the extra ones move none."""
    rng = np.random.default_rng(0)
    weights = np.linalg.qr(rng.standard_normal((TRUE, TRUE)))[0][:, rng.integers(0, TRUE, units)]
    true = rng.standard_normal((TRIALS, BINS, TRUE))
    held_out = true @ weights + noise * rng.standard_normal((TRIALS, BINS, units))
    return np.concatenate([true, np.random.default_rng(1).standard_normal((TRIALS, BINS, extra))], axis=2), held_out


@pytest.mark.parametrize("extra", [0, 6])
def test_it_is_the_closed_form_of_regression_on_gaussian_states(extra: int) -> None:
    """With an offset and p Gaussian predictors, n samples: error s² (n + 1)(n - 2) / (n (n - p - 2)) on average."""
    latents, held_out = planted(extra)
    found = few_shot_co_smoothing(latents, held_out, shots=SHOTS, draws=200)
    n, p = BINS * np.array(SHOTS), TRUE + extra
    np.testing.assert_allclose(found, 1 - 0.5 * (n + 1) * (n - 2) / (n * (n - p - 2)), atol=0.03)  # 1,000 test samples, of units that share states


def test_trials_set_aside_teach_no_draw() -> None:
    """Twelve dimensions that know nothing, thirty samples: -0.81 expected in the fourth trial, and above 0 if it had taught."""
    rng = np.random.default_rng(5)
    latents, held_out = rng.standard_normal((4, BINS, 12)), rng.standard_normal((4, BINS, 200))
    assert few_shot_co_smoothing(latents, held_out, shots=[3])[0] < -0.3


def test_extraneous_dimensions_cost_nothing_with_many_trials_and_much_with_few() -> None:
    plain, more = (few_shot_co_smoothing(*planted(extra), shots=SHOTS) for extra in (0, 12))
    assert plain[-1] - more[-1] < 0.005 < 0.3 < plain[0] - more[0]
    assert (np.diff(plain) > 0).all() and (np.diff(more) > 0).all()


def test_it_ignores_coordinates_and_is_the_same_again() -> None:
    latents, held_out = planted(2)
    found = few_shot_co_smoothing(latents, held_out, shots=SHOTS, draws=5, seed=3)
    turned = latents @ np.random.default_rng(4).standard_normal((5, 5)) + 7.0
    np.testing.assert_allclose(few_shot_co_smoothing(turned, held_out, shots=SHOTS, draws=5, seed=3), found, atol=1e-5)  # a small ridge penalty
    assert np.array_equal(few_shot_co_smoothing(latents, held_out, shots=SHOTS, draws=5, seed=3), found)
    assert not np.array_equal(few_shot_co_smoothing(latents, held_out, shots=SHOTS, draws=5, seed=4), found)
    np.testing.assert_allclose(few_shot_co_smoothing(latents, latents @ np.ones((5, 2)), shots=(1,), draws=5), 1.0, atol=1e-9)


def test_what_cannot_be_predicted_is_refused() -> None:
    latents, held_out = planted(0)
    with pytest.raises(
        ComparisonError, match=r"^few-shot: numbers of trials \[301\], 50 draws; there should be some, from 1 to 300, the trials not set"
    ):
        few_shot_co_smoothing(latents, held_out, shots=[301])
    with pytest.raises(ComparisonError, match=r"numbers of trials \[\]"):
        few_shot_co_smoothing(latents, held_out, shots=[])
    with pytest.raises(ComparisonError, match=r"\(trial, time\) are \(400, 9\) and \(400, 10\); they should match"):
        few_shot_co_smoothing(latents[:, :9], held_out, shots=[3])
    with pytest.raises(ComparisonError, match=r"do not vary in the trials set aside"):
        few_shot_co_smoothing(latents, 0 * held_out, shots=[3])
