"""The explained share by products of all with all is the one by its definition, for every selection and order."""

import numpy as np
import pytest

from cortex_sim.statistics import Explained

RNG = np.random.default_rng(0)
X, Y = [RNG.normal(size=(7, 5, width)) for width in (3, 2)], [RNG.normal(size=(7, 5, width)) for width in (3, 2)]


def by_definition(rows: np.ndarray, order: np.ndarray) -> float:
    missed = sum(((x[rows] - y[order]) ** 2).sum() for x, y in zip(X, Y, strict=True))
    return 1 - missed / sum((x[rows] ** 2).sum() for x in X)


def test_it_is_what_the_sums_of_squares_say() -> None:
    fit, everyone = Explained(X, Y), np.arange(7)
    for order in (everyone, RNG.permutation(7), everyone[::-1]):
        assert fit.at(order) == pytest.approx(by_definition(everyone, order), abs=1e-13)
        assert fit.missed(order) == pytest.approx((1 - by_definition(everyone, order)) * fit.total, rel=1e-13)
    for kept in (everyone, np.array([1, 4]), np.array([6])):
        assert fit.of(kept) == pytest.approx(by_definition(kept, kept), abs=1e-13)


def test_a_copy_is_explained_to_the_last_bit_and_nothing_explains_nothing() -> None:
    """Products alone would lose what is left of large numbers: 1 would be missed by round-off of the squares."""
    large = [1e8 + x for x in X]
    assert Explained(large, large).at(np.arange(7)) == 1.0 and Explained(large, large).of(np.array([2, 3])) == 1.0
    assert Explained(X, [0 * y for y in Y]).at(np.arange(7)) == pytest.approx(0.0, abs=1e-15)
