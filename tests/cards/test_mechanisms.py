"""Connections of known mechanism have the eigenvalues, the amplification and the reach of theory; a rank that is asked for is kept."""

import numpy as np
import pytest

from cortex_sim.cards import balanced_pairs, chain, load, ring, turning_plane
from cortex_sim.cards.edit import held_to_rank


def test_a_turning_plane_has_its_two_eigenvalues_and_a_ring_one_twofold() -> None:
    plane = np.linalg.eigvals(turning_plane(10, np.random.default_rng(0), 1.2, 0.7))
    assert np.sort_complex(plane[np.abs(plane) > 1e-9]) == pytest.approx([1.2 - 0.7j, 1.2 + 0.7j])
    assert np.sort(np.linalg.eigvalsh(ring(12, 1.5)))[-3:] == pytest.approx([0, 1.5, 1.5], abs=1e-12)


def test_balanced_pairs_turn_differences_into_sums_as_strongly_as_theory_says() -> None:
    W, half = balanced_pairs(8, 4.0, 1.1), np.ones(4)
    assert W @ np.r_[half, -half] == pytest.approx(4.0 * 2.1 * np.ones(8))
    assert W @ np.ones(8) == pytest.approx(4.0 * (1 - 1.1) * np.ones(8))


def test_a_chain_hands_on_once_and_forgets_at_its_end() -> None:
    W = chain(5, 2.0)
    assert (W @ np.eye(5)[0] == 2.0 * np.eye(5)[1]).all() and not np.linalg.matrix_power(W, 5).any()


def test_recurrent_connections_held_to_a_rank_have_it() -> None:
    held = held_to_rank(load("leaky_tanh").with_arrays({}, units=20), 3)
    assert np.linalg.matrix_rank(held.arrays()["W"]) == 3
