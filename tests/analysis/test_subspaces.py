"""Subspaces: chance by symmetry, planted null and potent parts, shares of variance in closed form."""

from pathlib import Path

import numpy as np
import pytest

from cortex_sim.analysis._rotations import soft_normalised
from cortex_sim.analysis._subspaces import PotentAndNull, chance_alignment, potent_and_null, tuning_ratio, variance_shares
from cortex_sim.comparison._geometry import alignment_index
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import p_value
from cortex_sim.trials._recordings import read


def orthonormal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(rows, columns)))[0]


def white(rng: np.random.Generator, samples: int, axes: np.ndarray) -> np.ndarray:
    """Samples whose covariance is exactly that of a sphere in the axes."""
    x = rng.normal(size=(samples, axes.shape[1]))
    x = np.linalg.qr(x - x.mean(axis=0))[0]
    return (x - x.mean(axis=0)) @ axes.T


def test_chance_is_what_symmetry_makes_it_and_the_null_decides() -> None:
    """Two epochs of 10 dimensions each in 20 used ones of 100: a share of 10/20 by chance there, of 10/100 anywhere."""
    rng = np.random.default_rng(0)
    axes = orthonormal(rng, 100, 20)
    a, b = white(rng, 300, axes[:, :10]), white(rng, 300, axes[:, 10:])
    assert alignment_index(a, b, 10) == pytest.approx(0, abs=1e-12) and alignment_index(a, a, 10) == pytest.approx(1)
    used = chance_alignment(b, 10, within=np.concatenate([a, b]), count=200, rng=np.random.default_rng(1))
    anywhere = chance_alignment(b, 10, within=None, count=200, rng=np.random.default_rng(1))
    assert used.mean() == pytest.approx(0.5, abs=5 * used.std() / np.sqrt(200))
    assert anywhere.mean() == pytest.approx(0.1, abs=5 * anywhere.std() / np.sqrt(200))


def test_orthogonal_epochs_are_aligned_less_and_the_same_more_than_unrelated_ones_which_lie_in_between() -> None:
    rng = np.random.default_rng(0)
    axes = orthonormal(rng, 30, 12)
    a, b, same = white(rng, 300, axes[:, :6]), white(rng, 300, axes[:, 6:]), white(rng, 300, axes[:, :6])
    p = {}
    for name, other in {"orthogonal": b, "same": same}.items():
        null = chance_alignment(other, 6, within=None, count=99, rng=np.random.default_rng(1))
        p[name] = p_value(alignment_index(a, other, 6), null, better="lower")
    assert p == {"orthogonal": 0.01, "same": 1.0}


def test_chance_within_all_there_is_is_certain() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)) @ np.random.default_rng(1).normal(size=(3, 8))
    np.testing.assert_allclose(chance_alignment(x, 3, within=x, count=5, rng=np.random.default_rng(0)), 1)
    with pytest.raises(ComparisonError, match=r"^subspaces: 4 axes drawn from activity of 3 dimensions"):
        chance_alignment(x, 4, within=x, count=5, rng=np.random.default_rng(0))


def test_recorded_reaches_of_hatsopoulos_2007_give_their_known_alignment(shared_data: Path) -> None:
    trials = read(shared_data / "hatsopoulos2007_rs_centerout.npz")
    spread = np.ptp(trials.rate, axis=(0, 1))
    before, after = (soft_normalised(trials.window(*span).rate, spread, 5.0) for span in ((-0.5, -0.2), (-0.05, 0.3)))
    assert (alignment_index(after, before, 6), alignment_index(before, after, 6)) == pytest.approx((0.22, 0.20), abs=5e-3)


def planted(hidden: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, PotentAndNull]:
    """Six dimensions, three of which drive muscles; in preparation the variance of the other three is larger by a factor, in movement it is not."""
    rng = np.random.default_rng(3)
    axes = orthonormal(rng, 40, 6)
    movement = white(rng, 27 * 30, axes).reshape(27, 30, 40)
    size = np.sqrt([1, 1, 1, hidden, hidden, hidden])
    preparation = white(rng, 27 * 30, axes * size).reshape(27, 30, 40)
    truth = PotentAndNull(axes[:, :3], axes[:, 3:], 1.0)
    return preparation, movement, movement @ axes[:, :3] @ rng.normal(size=(3, 8)), truth


def test_planted_null_and_potent_directions_and_their_ratio_are_found() -> None:
    preparation, movement, muscles, truth = planted(4.0)
    found = potent_and_null(movement, muscles)
    assert found.explained > 1 - 1e-5  # a ridge of 1e-3 of the variance of each of six directions
    for one, other in ((found.potent, truth.potent), (found.null, truth.null)):
        np.testing.assert_allclose(np.linalg.svd(one.T @ other, compute_uv=False), 1, atol=1e-6)
    conditions = 27
    assert tuning_ratio(preparation, movement, found) == pytest.approx(4, rel=5 * np.sqrt(4 / (3 * 30 * (conditions - 1))))


def test_movement_alone_cannot_tell_what_orthogonal_preparation_would_do() -> None:
    """Muscles are driven by directions of movement, and by preparatory ones or not: in movement, where those are all but still, they look alike."""
    rng = np.random.default_rng(5)
    axes = orthonormal(rng, 40, 6)
    small = np.sqrt([1, 1, 1, 1e-4, 1e-4, 1e-4])
    preparation, movement = (white(rng, 27 * 30, axes * size).reshape(27, 30, 40) for size in (small[::-1], small))
    both, drive = np.concatenate([preparation, movement], axis=1), rng.normal(size=(3, 3))
    silent = axes[:, :3] @ drive
    heard = silent + axes[:, 3:] @ drive
    ratios = {}
    for name, weights in {"silent": silent, "heard": heard}.items():
        noise = [0.1 * one.std() * rng.normal(size=(27, one.shape[1], 3)) for one in (movement @ weights, both @ weights)]
        for ridge in (1e-6, 0.1):
            alone = potent_and_null(movement, movement @ weights + noise[0], within=both, ridge=ridge)
            ratios[name, "alone", ridge] = tuning_ratio(preparation, movement, alone)
            ratios[name, "both", ridge] = tuning_ratio(preparation, movement, potent_and_null(both, both @ weights + noise[1], ridge=ridge))
    for ridge in (1e-6, 0.1):
        assert ratios["silent", "both", ridge] > 100 * ratios["heard", "both", ridge]
    assert ratios["heard", "alone", 0.1] > 100 * ratios["silent", "alone", 1e-6]  # the penalty decides, and the wrong way round


def test_shares_of_variance_are_those_of_the_parts_they_were_made_of() -> None:
    rng = np.random.default_rng(0)
    time, condition, both = rng.normal(size=(1, 9, 4)), rng.normal(size=(6, 1, 4)), rng.normal(size=(6, 9, 4))
    time, condition = time - time.mean(), condition - condition.mean(axis=0)
    time -= time.mean(axis=1, keepdims=True)
    both = both - both.mean(axis=0) - both.mean(axis=1, keepdims=True) + both.mean(axis=(0, 1))
    sizes = np.array([6 * (time**2).sum(), 9 * (condition**2).sum(), (both**2).sum()])
    shares = variance_shares(7 + time + condition + both)
    np.testing.assert_allclose(list(shares.values()), sizes / sizes.sum())
    assert list(shares) == ["time", "condition", "condition by time"]


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ComparisonError, match=r"^subspaces: nothing varies"):
        variance_shares(np.ones((3, 4, 5)))
    rates = np.random.default_rng(0).normal(size=(5, 6, 7))
    with pytest.raises(ComparisonError, match=r"^subspaces: \(condition, time\) are \(5, 6\) of neurons and \(5, 4\) of muscles"):
        potent_and_null(rates, rates[:, :4])
    with pytest.raises(ComparisonError, match=r"^subspaces: components are 6 of 7 neurons and 3 of 2 muscles"):
        potent_and_null(rates, rates[:, :, :2])


def test_chance_draws_subspaces_to_where_there_is_variance() -> None:
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(4000, 10)) * np.array([10.0, *[0.1] * 9])  # nearly all along one direction
    drawn = chance_alignment(activity, 1, within=activity, count=200, rng=rng)
    anywhere = chance_alignment(activity, 1, within=None, count=200, rng=rng)
    assert np.median(drawn) > 0.99 and abs(anywhere.mean() - 0.1) < 5 * anywhere.std() / np.sqrt(200)


def test_the_tuning_ratio_is_one_where_nothing_is_hidden_and_knows_conditions_alone() -> None:
    preparation, movement, _, truth = planted(5.0)
    assert tuning_ratio(movement, movement, truth) == pytest.approx(1.0, rel=1e-12)
    course = np.sin(np.linspace(0, 9, preparation.shape[1]))[:, None] * (30 * truth.null.sum(axis=1))  # the same in all conditions
    assert tuning_ratio(preparation + course, movement, truth) == pytest.approx(tuning_ratio(preparation, movement, truth), rel=1e-9)
