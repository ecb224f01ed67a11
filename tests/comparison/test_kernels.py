"""Kernel alignment and representational similarity against definitions written out, and where nothing is alike."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from cortex_sim.comparison._kernels import crossnobis, dissimilarities, rbf_cka, rsa
from cortex_sim.errors import ComparisonError
from cortex_sim.trials._trials import Trials

RNG = np.random.default_rng(0)


def rotation(size: int) -> np.ndarray:
    return np.linalg.qr(RNG.standard_normal((size, size)))[0]


def unbiased(K: np.ndarray, L: np.ndarray) -> float:
    """Mean over all quadruples of different samples, which is what the estimator estimates without bias."""
    n, total, count = len(K), 0.0, 0
    for i in range(n):
        for j in range(n):
            for q in range(n):
                for r in range(n):
                    if len({i, j, q, r}) == 4:
                        total += K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q])
                        count += 1
    return total / count


def test_debiased_alignment_is_the_mean_over_quadruples() -> None:
    a, b = RNG.standard_normal((8, 3)), RNG.standard_normal((8, 2))
    kernels = []
    for x in (a, b):
        squared = ((x[:, None] - x) ** 2).sum(axis=2)
        kernels.append(np.exp(-squared / (2 * np.median(squared[np.triu_indices(8, 1)]))))
    K, L = kernels
    assert rbf_cka(a, b) == pytest.approx(unbiased(K, L) / np.sqrt(unbiased(K, K) * unbiased(L, L)), abs=1e-12)


def test_rotation_shift_and_scale_do_not_count_and_independent_samples_have_mean_0() -> None:
    x = RNG.standard_normal((60, 5))
    assert rbf_cka(x, 3 * x @ rotation(5) + 2) == pytest.approx(1, abs=1e-12)
    found = np.array([rbf_cka(RNG.standard_normal((40, 30)), RNG.standard_normal((40, 30))) for _ in range(200)])
    assert abs(found.mean()) < 5 * found.std() / np.sqrt(200)
    assert rbf_cka(x, np.hstack([x**2, np.sin(3 * x)])) < 0.9


def test_conditions_as_far_apart_are_alike_in_any_space() -> None:
    a = RNG.standard_normal((6, 4, 9))
    np.testing.assert_allclose(dissimilarities(a)[2], pdist(a[:, 2], "sqeuclidean") / 9, atol=1e-12)
    assert rsa(a, 2 * a @ rotation(9) + 1) == pytest.approx(1, abs=1e-12)
    many = np.array([rsa(RNG.standard_normal((6, 4, 9)), RNG.standard_normal((6, 4, 9))) for _ in range(300)])
    assert abs(many.mean()) < 5 * many.std() / np.sqrt(300)
    noise = np.diag(np.array([100.0, 1.0, 1.0]))
    loud = np.zeros((2, 1, 3))
    loud[1, 0, 0] = 1.0
    quiet = loud[..., ::-1]
    assert dissimilarities(loud, noise)[0, 0] < dissimilarities(quiet, noise)[0, 0] / 8  # shrinkage adds a tenth of the mean variance to both


def noisy(means: np.ndarray, repeats: int, seed: int) -> Trials:
    rng = np.random.default_rng(seed)
    rates = np.repeat(means, repeats, axis=0)
    rates += rng.standard_normal(rates.shape)
    return Trials.from_arrays(rates, 0.01 * np.arange(means.shape[1]), condition=np.repeat(np.arange(len(means)), repeats))


def test_distances_of_halves_have_no_bias_where_plain_ones_do() -> None:
    same = np.zeros((3, 30, 12))
    found = np.array([crossnobis(noisy(same, 6, seed), seed=seed).mean() for seed in range(200)])
    assert abs(found.mean()) < 5 * found.std() / np.sqrt(200)
    plain = [dissimilarities(noisy(same, 6, seed).averaged().rate).mean() for seed in range(5)]
    assert np.mean(plain) == pytest.approx(2 / 6, rel=0.1)  # variance of a difference of two means of 6
    apart = same.copy()
    apart[1] = 1.5
    scale = np.mean([crossnobis(noisy(apart, 6, seed), seed=seed)[:, 0].mean() for seed in range(20)])
    assert scale == pytest.approx(1.5**2, rel=0.1)  # noise of variance 1 in all directions, which shrinkage leaves


def test_what_cannot_be_compared_is_refused() -> None:
    x = RNG.standard_normal((9, 2))
    with pytest.raises(ComparisonError, match=r"^rbf_cka: 9 and 8 samples; there should be as many on both sides, and at least 4\.$"):
        rbf_cka(x, x[1:])
    with pytest.raises(ComparisonError, match="more than half of the samples of one side are the same"):
        rbf_cka(x, np.zeros((9, 2)))
    with pytest.raises(ComparisonError, match="they should match"):
        rsa(x[None], x[None, 1:])
    with pytest.raises(ComparisonError, match="equally far apart"):
        rsa(np.zeros((3, 4, 2)), np.zeros((3, 4, 2)))
    with pytest.raises(ComparisonError, match=r"^crossnobis: condition 0 has 3 trials; there should be at least 4, two in either half"):
        crossnobis(noisy(np.zeros((2, 3, 2)), 3, 0))
