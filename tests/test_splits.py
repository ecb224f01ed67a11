"""Splits never share a label, and what is prepared on a training part does not know the rest."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from cortex_sim.comparison.predictivity import canonical_correlation
from cortex_sim.comparison.splits import Prepared, checked, folds
from cortex_sim.errors import ComparisonError


@pytest.mark.parametrize("count", [None, 2, 3, 5])
def test_each_label_is_left_out_once_and_never_parted(count: int | None) -> None:
    labels = ["a", "b", "a", "c", "d", "e", "b", "a"]
    found = list(folds(labels, count=count, seed=3))
    assert len(found) == (count or 5)
    assert sorted(place for split in found for place in split.test) == list(range(8))
    sizes = [len({labels[place] for place in split.test}) for split in found]
    assert max(sizes) - min(sizes) <= 1
    for split in found:
        assert sorted([*split.train, *split.test]) == list(range(8))
        checked([labels[place] for place in split.train], [labels[place] for place in split.test])
    again = list(folds(labels, count=count, seed=3))
    assert all((x.test == y.test).all() for x, y in zip(found, again, strict=True))


def test_what_is_prepared_is_of_the_training_part_alone() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.standard_normal((6, 9, 4)) * [1, 2, 3, 0] + 5, rng.standard_normal((2, 9, 4))
    ready = Prepared.of(train, axes=2)
    np.testing.assert_allclose(ready(train).mean(axis=(0, 1)), 0, atol=1e-12)
    scale = np.append(train.std(axis=(0, 1))[:3], 1.0)
    np.testing.assert_allclose(Prepared.of(train, axes=2)(100 * test), (100 * test - train.mean(axis=(0, 1))) / scale @ ready.axes)
    across = Prepared.of(train, across=True)
    np.testing.assert_allclose(across(train).mean(axis=0), 0, atol=1e-12)
    assert np.abs(across(test).mean(axis=0)).max() > 0.1


def smooth(seed: int) -> np.ndarray:
    return gaussian_filter1d(np.random.default_rng(seed).standard_normal((8, 60, 30)), 8, axis=1)


def test_the_mean_over_conditions_leaks_when_it_is_removed_before_the_split() -> None:
    pairs = [(smooth(2 * seed), smooth(2 * seed + 1)) for seed in range(30)]
    in_sample = []
    for pair in pairs:
        bases = [np.linalg.svd((x - x.mean(axis=0)).reshape(-1, 30), full_matrices=False)[0][:, :10] for x in pair]
        in_sample.append(np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).mean())
    assert 0.48 < np.mean(in_sample) < 0.72  # of independent systems: house number
    clean = np.array([canonical_correlation(a, b, axes=20, across=True, count=2) for a, b in pairs])
    leaky = np.array([canonical_correlation(a - a.mean(axis=0), b - b.mean(axis=0), axes=20, count=2) for a, b in pairs])
    assert abs(clean.mean()) < 5 * clean.std() / np.sqrt(len(pairs))
    assert leaky.mean() > 0.15 > 10 * abs(clean.mean())


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ComparisonError, match=r"^splits: 2 labels do not make 3 folds; there should be at least 2 folds and no more than labels\.$"):
        list(folds(["a", "b", "a"], count=3))
    with pytest.raises(ComparisonError, match="1 labels do not make 1 folds"):
        list(folds(["a", "a"]))
    with pytest.raises(ComparisonError, match=r"^splits: \['b'\] are in the training part and in the test; a label should be on one side only\.$"):
        checked(["a", "b"], ["b", "c"])
    with pytest.raises(ComparisonError, match="5 axes of 4 units"):
        Prepared.of(np.ones((2, 3, 4)), axes=5)
    with pytest.raises(ComparisonError, match="nothing varies in the training part"):
        Prepared.of(np.ones((2, 3, 4)))
