"""Linear maps between systems: exact for linear images, nothing for independent ones, and as scikit-learn's ridge."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from sklearn.linear_model import Ridge

from cortex_sim.comparison import _predictivity as maps
from cortex_sim.comparison._predictivity import canonical_correlation, cycle_consistency, decoding_transfer, predictivity
from cortex_sim.errors import ComparisonError

RNG = np.random.default_rng(0)


def smooth(seed: int, units: int = 6, conditions: int = 12) -> np.ndarray:
    return gaussian_filter1d(np.random.default_rng(seed).standard_normal((conditions, 60, units)), 3, axis=1)


def test_an_invertible_image_is_predicted_and_comes_back_and_an_independent_one_is_not() -> None:
    a = smooth(0)
    image = a @ RNG.standard_normal((6, 20)) + 3
    for measure in (predictivity, cycle_consistency, canonical_correlation):
        assert measure(a, image) == pytest.approx(1, abs=1e-4)
        assert measure(a, a) == pytest.approx(1, abs=1e-4)
    found = np.array([[m(smooth(2 * s), smooth(2 * s + 1)) for m in (predictivity, cycle_consistency, canonical_correlation)] for s in range(1, 25)])
    assert (found[:, :2].mean(axis=0) < 0.02).all()
    assert abs(found[:, 2].mean()) < 5 * found[:, 2].std() / np.sqrt(len(found))


def test_what_a_projection_loses_is_lost_one_way_and_around_but_not_the_other_way() -> None:
    a = smooth(1)
    part = a[:, :, :3]
    share = a[:, :, :3].var() * 3 / (a.var(axis=(0, 1)).sum())
    independent = 9 * 60 / (2 * np.sqrt(np.pi) * 3)  # training samples, by the correlation time of noise that is smoothed over 3 bins
    overfit = 3 / independent  # share of variance that 3 predictors add by chance
    assert predictivity(a, part) == pytest.approx(1, abs=1e-4)
    assert predictivity(part, a) == pytest.approx(share, abs=overfit)
    assert cycle_consistency(part, a) == pytest.approx(1, abs=overfit)  # what the way there makes up comes back
    assert cycle_consistency(a, part) == pytest.approx(share, abs=overfit)


def test_a_decoder_transfers_to_the_same_system_and_costs_what_the_other_one_lacks() -> None:
    a, rng = smooth(4), np.random.default_rng(6)
    output = a @ rng.standard_normal((6, 2)) + 5
    assert decoding_transfer(a, a, output) == pytest.approx(predictivity(a, output), abs=1e-9)
    assert decoding_transfer(a, a, output) == pytest.approx(1, abs=1e-4)
    silent = np.broadcast_to(a.mean(axis=(0, 1)), a.shape)
    assert decoding_transfer(a, silent, output) == pytest.approx(0, abs=0.05)  # the mean is decoded, as far as parts of the data share it
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    assert decoding_transfer(a, a @ turn, output) < 0.9 < predictivity(a @ turn, output)  # the same activity, in the wrong units


def test_ridge_is_that_of_scikit_learn_and_so_are_its_errors() -> None:
    x, y = RNG.standard_normal((5, 30, 4)) + 2, RNG.standard_normal((5, 30, 3)) - 1
    sums = maps._Sums.of(x, y)
    train, test = sums.total(np.arange(4)), sums.total(np.array([4]))
    X, Y = x[:4].reshape(-1, 4), y[:4].reshape(-1, 3)
    size = np.linalg.eigvalsh(np.cov(X, rowvar=False, bias=True)).mean()
    errors = maps._errors(train, test)
    for penalty, error in zip(maps.RIDGE_PENALTIES, errors, strict=True):
        theirs = Ridge(alpha=penalty * size * len(X)).fit(X, Y)
        W, offset = maps._solved(train, penalty)
        np.testing.assert_allclose(W, theirs.coef_.T, atol=1e-10)
        np.testing.assert_allclose(offset, theirs.intercept_, atol=1e-10)
        assert error == pytest.approx(((y[4] - theirs.predict(x[4])) ** 2).sum(), rel=1e-10)


def test_what_cannot_be_held_out_is_refused() -> None:
    a = smooth(0)
    with pytest.raises(ComparisonError, match=r"^predictivity: 3 conditions; there should be at least 4, to hold some out\.$"):
        predictivity(a[:3], a[:3])
    with pytest.raises(ComparisonError, match=r"^decoding transfer: rates are \(12, 60, 6\) and \(12, 60, 5\), output is \(12, 60, 1\)"):
        decoding_transfer(a, a[:, :, 1:], a[:, :, :1])
    with pytest.raises(ComparisonError, match=r"^decoding transfer: 3 conditions"):
        decoding_transfer(a[:3], a[:3], a[:3])
    with pytest.raises(ComparisonError, match="they should match"):
        cycle_consistency(a, a[:, 1:])
