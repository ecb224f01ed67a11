"""Splits never share a label, and what is prepared on a training part does not know the rest."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from cortex_sim.comparison._predictivity import canonical_correlation
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics._splits import Prepared, Split, checked, folds, halves, prepare, set_aside


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
    assert leaky.mean() > 5 * leaky.std() / np.sqrt(len(pairs)) + abs(clean.mean())


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


TRIALS = np.arange(31)
CONDITION = np.repeat(["left", "right", "up"], [10, 11, 10])


def test_every_fold_has_its_share_of_each_stratum_and_folds_are_of_one_size() -> None:
    found = list(folds(TRIALS, count=4, strata=CONDITION, seed=5))
    assert sorted(place for split in found for place in split.test) == TRIALS.tolist()
    for name in ("left", "right", "up"):
        shares = [int((CONDITION[split.test] == name).sum()) for split in found]
        assert max(shares) - min(shares) <= 1
    sizes = [len(split.test) for split in found]
    assert max(sizes) - min(sizes) <= 1  # the larger parts of one condition are not all in one fold


def test_without_a_seed_folds_are_stretches_in_order() -> None:
    found = list(folds(TRIALS, count=4, strata=CONDITION, seed=None))
    for split in found:
        for name in ("left", "right", "up"):
            assert set(np.diff(split.test[CONDITION[split.test] == name]).tolist()) == {1}
    assert [split.test.tolist() for split in folds("aabbccdd", count=2, seed=None)] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_halves_are_halves_of_every_condition_and_differ_from_draw_to_draw() -> None:
    found = list(halves(TRIALS, strata=CONDITION, count=200, seed=1))
    for split in found:
        for name, count in (("left", 10), ("right", 11), ("up", 10)):
            assert abs(2 * int((CONDITION[split.train] == name).sum()) - count) <= 1
        assert sorted([*split.train, *split.test]) == TRIALS.tolist()
    first = np.array([np.isin(TRIALS, split.train) for split in found])
    bound = 5 * np.sqrt(0.25 / 200)  # standard errors of a share of one half
    even = CONDITION != "right"
    assert np.abs(first[:, even].mean(axis=0) - 0.5).max() < bound
    sessions = np.repeat([1, 2, 3, 4], 5)
    assert all(set(sessions[split.train]).isdisjoint(sessions[split.test]) for split in halves(sessions, count=5))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_what_is_set_aside_is_a_share_of_every_stratum_and_never_all_or_nothing(share: float) -> None:
    split = set_aside(TRIALS, share, strata=CONDITION, seed=2)
    for name, count in (("left", 10), ("right", 11), ("up", 10)):
        assert int((CONDITION[split.test] == name).sum()) == min(max(1, round(share * count)), count - 1)
    assert sorted([*split.train, *split.test]) == TRIALS.tolist()


def test_folds_within_a_training_part_keep_the_places_of_the_whole() -> None:
    whole = next(folds(TRIALS, count=3, seed=0))
    for inner in folds(TRIALS[whole.train], count=4, seed=1):
        found = inner.within(whole.train)
        assert sorted([*found.train, *found.test]) == whole.train.tolist() and not set(found.test) & set(whole.test)


def test_both_parts_are_prepared_alike_and_the_test_changes_nothing() -> None:
    rates = np.random.default_rng(4).standard_normal((8, 20, 5))
    split = set_aside(range(8), 0.25, seed=0)
    train, test = prepare(rates, split, axes=3, across=True)
    spoiled = rates.copy()
    spoiled[split.test] = 1e6
    again, moved = prepare(spoiled, split, axes=3, across=True)
    np.testing.assert_array_equal(train, again)
    assert np.abs(moved - test).max() > 1e5
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-12)
    scale = rates[split.train].std(axis=(0, 1))
    covariance = np.cov(((rates[split.train] - rates[split.train].mean(axis=0)) / scale).reshape(-1, 5), rowvar=False, bias=True)
    np.testing.assert_allclose(np.var(train.reshape(-1, 3), axis=0), np.linalg.eigvalsh(covariance)[:1:-1], rtol=1e-9)


def canonical(a: np.ndarray, b: np.ndarray, axes: int) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Canonical correlations of the leading axes of two sets of samples, and for either the mean and the map to canonical variables."""
    means = a.mean(axis=0), b.mean(axis=0)
    (U, s, V), (Q, r, H) = (np.linalg.svd(x - m, full_matrices=False) for x, m in zip((a, b), means, strict=True))
    left, found, right = np.linalg.svd(U[:, :axes].T @ Q[:, :axes])
    return found, [(means[0], V[:axes].T / s[:axes] @ left), (means[1], H[:axes].T / r[:axes] @ right.T)]


def held_out(a: np.ndarray, b: np.ndarray, axes: int, *, inside: bool) -> float:
    """Mean canonical correlation of conditions left out in turn; the mean over conditions is removed inside the split, or was before it."""
    found = []
    for split in folds(range(len(a))):
        parts = [prepare(x, split, across=True) if inside else (x[split.train], x[split.test]) for x in (a, b)]
        first, second = (train.reshape(-1, train.shape[2]) for train, _ in parts)
        pairs = [(test[0] - mean) @ W for (_, test), (mean, W) in zip(parts, canonical(first, second, axes)[1], strict=True)]
        found.append(np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(*(z.T for z in pairs), strict=True)]))
    return float(np.mean(found))


def test_independent_smooth_noise_is_correlated_in_sample_and_through_a_mean_removed_before_the_split_but_not_after() -> None:
    axes, runs, noise = 25, 30, np.random.default_rng(0).standard_normal((30, 2, 8, 100, 30))
    populations = gaussian_filter1d(noise, 5, axis=3)[:, :, :, 20:80]
    in_sample = [canonical(a.reshape(-1, 30), b.reshape(-1, 30), axes)[0].mean() for a, b in populations]
    assert 0.48 < min(in_sample) <= max(in_sample) < 0.72  # the house's numbers of independent populations over 8 conditions
    clean = np.array([held_out(a, b, axes, inside=True) for a, b in populations])
    leaky = np.array([held_out(a - a.mean(axis=0), b - b.mean(axis=0), axes, inside=False) for a, b in populations])
    assert abs(clean.mean()) < 4 * clean.std(ddof=1) / np.sqrt(runs)  # standard errors
    assert leaky.mean() == pytest.approx(0.27, abs=0.05)
    departures = populations - populations.mean(axis=2, keepdims=True)  # why: what is left out follows from what is not
    np.testing.assert_allclose(departures[:, :, 0], -departures[:, :, 1:].sum(axis=2), atol=1e-12)


def test_leaks_and_parts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ComparisonError, match=r"^splits: places \[3\] are in the training part and in the test; each should be on one side only\.$"):
        Split(np.array([1, 2, 3]), np.array([3, 4]))
    with pytest.raises(ComparisonError, match=r"^splits: 2 places to train on and 0 to test; there should be some of each\.$"):
        Split(np.array([1, 2]), np.array([], dtype=int))
    with pytest.raises(ComparisonError, match=r"^splits: a stratum has 3 labels; there should be at least 4, one for every part\.$"):
        list(folds(range(12), count=4, strata=[0] * 9 + [1] * 3))
    with pytest.raises(ComparisonError, match=r"^splits: label number 1 is in the strata 'x' and 'y'; a label should be in one\.$"):
        list(halves(["a", "b", "b"], strata=["x", "x", "y"]))
    with pytest.raises(ComparisonError, match=r"^splits: there are 3 labels and 2 strata; give one of each a place\.$"):
        list(folds(range(3), count=2, strata=[0, 0]))
    with pytest.raises(ComparisonError, match=r"^splits: a share of 1 was to be set aside; it should lie between 0 and 1\.$"):
        set_aside(range(4), 1.0)
