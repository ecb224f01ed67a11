"""Shape metrics are metrics, and blind to what they should be blind to."""

from itertools import permutations

import numpy as np
import pytest

from cortex_sim.comparison._geometry import procrustes_angle
from cortex_sim.comparison._shape import shape_distance
from cortex_sim.errors import ComparisonError

RNG = np.random.default_rng(0)
ALPHAS = [0.0, 0.5, 1.0]
EXACT = 1e-7  # rad; the arc cosine turns round-off of 1e-15 into its root


def rotation(size: int) -> np.ndarray:
    return np.linalg.qr(RNG.standard_normal((size, size)))[0]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_every_one_is_a_metric_on_shapes(alpha: float) -> None:
    shapes = [RNG.standard_normal((60, units)) @ np.diag(RNG.uniform(0.1, 3, units)) for units in (3, 5, 8, 8, 12)]
    d = {(i, j): shape_distance(shapes[i], shapes[j], alpha=alpha) for i in range(5) for j in range(5)}
    for i, j, k in permutations(range(5), 3):
        assert d[i, j] == pytest.approx(d[j, i], abs=EXACT)
        assert d[i, k] <= d[i, j] + d[j, k] + EXACT
        assert d[i, j] > 0.1
    for i, x in enumerate(shapes):
        assert d[i, i] < EXACT
        assert shape_distance(x, 3 * x @ rotation(x.shape[1]) + 7, alpha=alpha) < EXACT
        assert shape_distance(x, x @ rotation(30)[: x.shape[1]], alpha=alpha) < EXACT  # more units, nothing new


def test_canonical_correlations_see_no_linear_image_and_procrustes_does() -> None:
    x = RNG.standard_normal((400, 20))
    images = [x @ RNG.standard_normal((20, 20)) for _ in range(20)]
    assert max(shape_distance(x, image, alpha=0) for image in images) < 1e-6
    angles = [shape_distance(x, image) for image in images]
    assert 0.15 < np.mean(angles) < 0.8
    np.testing.assert_allclose(angles, [procrustes_angle(x, image) for image in images], atol=EXACT)
    between = [[shape_distance(x, image, alpha=alpha) for alpha in (0, 0.25, 0.5, 0.75, 1)] for image in images]
    assert (np.diff(between, axis=1) > 0).all()


def test_without_whitening_the_angle_is_that_of_mean_canonical_correlation() -> None:
    a, b = RNG.standard_normal((200, 4)), RNG.standard_normal((200, 4))
    Qa, Qb = (np.linalg.qr(x - x.mean(axis=0))[0] for x in (a, b))
    correlations = np.linalg.svd(Qa.T @ Qb, compute_uv=False)
    assert np.cos(shape_distance(a, b, alpha=0)) == pytest.approx(correlations.mean(), abs=1e-12)


def test_what_has_no_shape_is_refused() -> None:
    x = RNG.standard_normal((9, 2))
    with pytest.raises(ComparisonError, match=r"^shape_distance: alpha 2 should lie between 0 and 1\.$"):
        shape_distance(x, x, alpha=2)
    with pytest.raises(ComparisonError, match="9 samples on one side, 8 on the other"):
        shape_distance(x, x[1:])
    with pytest.raises(ComparisonError, match="one side does not vary"):
        shape_distance(x, np.ones((9, 2)))
