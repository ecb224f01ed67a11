"""An order that depends on what places hold."""

import numpy as np

from cortex_sim.statistics import order_by_content


def test_the_order_belongs_to_the_content() -> None:
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=(20, 5, 3)), rng.integers(0, 2, (20, 4)), np.tile([[0.0, 1.0], [1.0, 0.0]], (3, 1))):
        known = values[order_by_content(values)]
        for _ in range(5):
            mixed = values[rng.permutation(len(values))]
            np.testing.assert_array_equal(mixed[order_by_content(mixed)], known)


def test_neither_the_order_nor_the_scale_of_units_counts() -> None:
    rng = np.random.default_rng(1)
    values, other = rng.normal(size=(30, 7, 50)), rng.normal(size=(30, 2))
    units = rng.permutation(50)
    np.testing.assert_array_equal(order_by_content(values, other), order_by_content(1000 * values[..., units] + 5, other))


def test_the_order_is_independent_of_what_places_hold() -> None:
    rng, draws = np.random.default_rng(2), 400
    ranks = np.array([np.argsort(order_by_content(np.sort(rng.exponential(size=(10, 1)), axis=0))) for _ in range(draws)])
    assert np.abs(ranks.mean(axis=0) - 4.5).max() < 4 * np.sqrt((10**2 - 1) / 12 / draws)  # four standard errors of a mean rank
