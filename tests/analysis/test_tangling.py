"""Tangling and alignment against closed forms."""

import numpy as np
import pytest
from scipy.optimize import minimize

from cortex_sim.analysis._tangling import Tangled, tangling
from cortex_sim.comparison._geometry import alignment_index
from cortex_sim.errors import ComparisonError

BINS = 2000
PHASE = 2 * np.pi * np.arange(BINS) / BINS
DT = 1.0 / BINS  # one turn a second


def q(*coordinates: np.ndarray, dt: float = DT) -> np.ndarray:
    return tangling(np.stack(coordinates, axis=1)[None], dt)[0, 2:-2] / (2 * np.pi) ** 2  # the ends have one-sided derivatives


def test_a_circle_is_as_tangled_as_half_a_turn_makes_it() -> None:
    found = q(np.cos(PHASE), np.sin(PHASE))  # opposite points: |dv|² = 4 w², |dx|² = 4, eps = 0.1
    np.testing.assert_allclose(found, 4 / 4.1, rtol=1e-4)


def test_a_figure_of_eight_is_most_tangled_at_its_crossing() -> None:
    found = q(np.sin(PHASE), np.sin(2 * PHASE))  # at the crossing |dv|² = 4, |dx|² = 0, eps = 0.1 (1/2 + 1/2)
    assert found.max() == pytest.approx(40, rel=1e-4)
    assert abs(np.sin(PHASE[2 + np.argmax(found)])) < 0.01


def test_lifting_the_crossing_untangles_it() -> None:
    def apart(phases: np.ndarray) -> float:
        x = np.diff([np.sin(phases), np.sin(2 * phases), np.cos(phases)], axis=1)
        v = np.diff([np.cos(phases), 2 * np.cos(2 * phases), -np.sin(phases)], axis=1)
        return float((v**2).sum() / ((x**2).sum() + 0.15))  # eps = 0.1 (1/2 + 1/2 + 1/2)

    exact = max(-minimize(lambda p: -apart(p), start, tol=1e-12).fun for start in np.random.default_rng(0).uniform(0, 6.3, (20, 2)))
    assert q(np.sin(PHASE), np.sin(2 * PHASE), np.cos(PHASE)).max() == pytest.approx(exact, rel=1e-4)
    assert exact == pytest.approx(11.68, rel=3e-3)  # found by another implementation on a coarser grid


def test_scale_and_rotation_change_nothing_and_the_unit_of_time_does() -> None:
    rng = np.random.default_rng(0)
    states = np.cumsum(rng.normal(size=(3, 40, 5)), axis=1)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    found = tangling(states, 0.01)
    np.testing.assert_allclose(tangling(7 * states @ turn + 3, 0.01), found, rtol=1e-9)
    np.testing.assert_allclose(tangling(states, 0.02), found / 4, rtol=1e-9)


@pytest.mark.parametrize("every", [1, 2, 7])
def test_every_state_is_compared_with_all_those_of_all_conditions(every: int) -> None:
    """By the definition, pair by pair; 700 states are more than are compared at a time."""
    rates = np.cumsum(np.random.default_rng(1).normal(size=(14, 50, 4)), axis=1)
    x, v = (side.reshape(-1, 4) for side in (rates - rates.mean(axis=(0, 1)), np.gradient(rates, 0.01, axis=1)))
    epsilon = 0.1 * (x**2).sum(axis=1).mean()
    apart = (((one[:, None] - one) ** 2).sum(axis=2) for one in (v, x))
    wanted, found = (next(apart) / (next(apart) + epsilon)).max(axis=1), tangling(rates, 0.01, every=every).ravel()
    np.testing.assert_allclose(found[::every], wanted[::every], rtol=1e-9)
    assert np.isnan(found).sum() == 700 - len(wanted[::every])


@pytest.mark.parametrize(("states", "message"), [(np.zeros((2, 2, 3)), "2 bins; at least 3 are needed"), (np.ones((2, 9, 3)), "nothing varies")])
def test_what_has_no_tangling_is_refused(states: np.ndarray, message: str) -> None:
    with pytest.raises(ComparisonError, match=rf"^tangling: {message}"):
        tangling(states, 0.01)


def test_alignment_is_one_in_one_subspace_and_zero_in_orthogonal_ones() -> None:
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(12, 8)))[0]
    a, b = rng.normal(size=(300, 4)) @ axes[:, :4].T, rng.normal(size=(300, 4)) @ axes[:, 4:].T
    assert alignment_index(a, rng.normal(size=(300, 4)) @ axes[:, :4].T, 4) == pytest.approx(1)
    assert alignment_index(a, b, 4) == pytest.approx(0, abs=1e-12)
    line = rng.normal(size=(300, 1))
    tilted = line * np.array([np.cos(0.7), np.sin(0.7)])
    assert alignment_index(line * np.array([1.0, 0.0]) + 1e-9 * rng.normal(size=(300, 2)), tilted, 1) == pytest.approx(np.cos(0.7) ** 2, rel=1e-6)


def test_a_population_stands_beside_its_outputs_and_its_projections() -> None:
    rng = np.random.default_rng(0)
    phase = 2 * np.pi * np.arange(50) / 50
    circle = np.stack([np.cos(phase), np.sin(phase)], axis=1)[None]
    eight = np.stack([np.sin(phase), np.sin(2 * phase)], axis=1)[None]  # crosses itself, which a circle does not
    found = Tangled.of(np.concatenate([circle, eight], axis=2), eight, 0.02, rng=rng, sets=4)
    np.testing.assert_array_equal(found.driven, tangling(eight, 0.02))
    assert found.projected.shape == (4, 1, 50) and found.below_projections.shape == (4,)
    assert found.below_outputs > 0.2 and found.own.max() < found.driven.max()
    assert Tangled.of(circle, circle, 0.02, rng=rng, sets=1).below_outputs == 0
    twice = Tangled.of(np.concatenate([circle, 2 * circle]), np.concatenate([eight, eight]), 0.02, rng=rng, sets=2)
    assert (twice.select(np.array([1])).own == twice.own[1:]).all() and twice.select(np.array([1])).projected.shape == (2, 1, 50)


def test_rectified_projections_are_more_tangled_than_the_population_whatever_it_does() -> None:
    t = np.linspace(0, 2 * np.pi, 60)[None, :, None]
    rng = np.random.default_rng(0)
    population = np.sin(t * np.arange(1, 9) / 4 + rng.uniform(0, 6, (5, 1, 8)))
    plain, cut = (Tangled.of(population, population[:, :, :3], 0.01, rng=np.random.default_rng(1), sets=20, rectified=way) for way in (False, True))
    assert np.array_equal(plain.own, cut.own) and cut.below_projections.mean() > plain.below_projections.mean()
