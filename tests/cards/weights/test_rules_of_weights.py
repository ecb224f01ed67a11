"""Rules of sparse, low-rank, modular and block-wise matrices: densities, variances and ranks are those they are asked for."""

from typing import Any

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards.weights import block, low_rank, mexican_hat, modules, of_rank, sparse_gaussian
from cortex_sim.errors import CardError, OptionError


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_sparse_weights_have_their_density_and_the_radius_of_full_ones(density: float) -> None:
    W = sparse_gaussian.build((400, 400), rng(2), gain=1.5, density=density)
    assert (W != 0).mean() == pytest.approx(density, abs=5 * np.sqrt(density * (1 - density) / W.size) + 1e-15)  # five standard errors
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(1.5, rel=0.15)
    variance = 1.5**2 / 400
    kurtosis = 3 / density  # of a Gaussian that is 0 with probability 1 - density
    assert np.mean(W**2) == pytest.approx(variance, rel=5 * np.sqrt((kurtosis - 1) / W.size))


def test_weights_of_low_rank_are_outer_products_with_the_means_they_were_given() -> None:
    size, spread = 400, {"mean_m": 1.1, "sd_m": 0.3, "mean_n": 2.0, "sd_n": 0.7}
    W = low_rank.build((size, size), rng(), rank=1, **spread)
    assert np.linalg.svd(W, compute_uv=False)[1] < 1e-14
    sd = np.hypot(1.1 * 0.7, np.hypot(2.0 * 0.3, 0.3 * 0.7)) / np.sqrt(size)  # of n.m/N
    assert np.trace(W) == pytest.approx(1.1 * 2.0, abs=5 * sd)
    flat = low_rank.build((3, 4), rng(), rank=2, mean_m=1, sd_m=0, mean_n=2, sd_n=0)
    assert (flat == 2 * 1 * 2 / 4).all()  # two equal products over four sources
    three = low_rank.build((size, size), rng(), rank=3, **spread)
    singular = np.linalg.svd(three, compute_uv=False)
    assert singular[2] > 1e-3 and singular[3] < 1e-14
    for line, mean, spread_of in ((W[:, 0], 1.1, 0.3), (W[0], 2.0, 0.7)):  # the entries of m, and of n
        entries = line / line.mean() * mean
        assert entries.std() == pytest.approx(spread_of, rel=5 / np.sqrt(2 * size) + 5 * spread_of / mean / np.sqrt(size))


def test_modules_are_dense_inside_sparse_between_neighbours_and_apart_from_others() -> None:
    W = modules.build((600, 600), rng(), modules=3, within=1.2, between=1.0, density=0.1)
    blocks = W.reshape(3, 200, 3, 200).swapaxes(1, 2)  # target module, source module
    for target in range(3):
        for source in range(3):
            one, apart = blocks[target, source], abs(target - source)
            if apart == 0:
                assert (one != 0).all() and one.var() == pytest.approx(1.2**2 / 200, rel=5 * np.sqrt(2 / one.size))
            elif apart == 1:
                there = one != 0
                assert there.mean() == pytest.approx(0.1, abs=5 * np.sqrt(0.1 * 0.9 / one.size))
                assert one[there].var() == pytest.approx(1 / 200, rel=5 * np.sqrt(2 / there.sum()))
            else:
                assert not one.any()
    assert not np.array_equal(blocks[0, 1], blocks[1, 0].T)
    uneven = modules.build((8, 8), rng(), modules=3, within=1.0, between=1.0, density=0.0)
    assert np.array_equal(uneven != 0, np.kron(np.eye(3), np.ones((3, 3)))[:8, :8] == 1)  # 3, 3 and 2


def test_a_block_fills_what_its_spans_touch_and_nothing_else() -> None:
    W = block.build((300, 50), rng(), gain=2.0, row_start=0.333333, row_stop=0.666667, column_start=0, column_stop=1)
    assert (W[100:200] != 0).all() and not W[:100].any() and not W[200:].any()
    assert W[100:200].var() == pytest.approx(4.0 / 50, rel=5 * np.sqrt(2 / 5000))
    for channels in (1, 3, 99):
        last = block.build((4, channels), rng(), gain=2.0, row_start=0, row_stop=1, column_start=0.99, column_stop=1)
        assert np.flatnonzero(last.any(axis=0)).tolist() == [channels - 1]
    alone = block.build((5000, 9), rng(), gain=2.0, row_start=0, row_stop=1, column_start=0.95, column_stop=1)
    assert alone[:, 8].var() == pytest.approx(4.0, rel=5 * np.sqrt(2 / 5000))  # one source, whatever the matrix has
    assert block.build((4, 0), rng(), gain=1.0, row_start=0, row_stop=1, column_start=0, column_stop=1).shape == (4, 0)


SPAN = {"gain": 1.0, "row_start": 0, "row_stop": 1, "column_start": 0, "column_stop": 1}


def test_a_ring_excites_near_inhibits_further_on_and_has_the_largest_eigenvalue_it_was_given() -> None:
    W = mexican_hat.build((24, 24), rng(), near=2, far=5, gain=1.3)
    first = W[0] / W[0, 1]
    assert first.tolist() == [0, 1, 1, -1, -1, -1, *[0] * 13, -1, -1, -1, 1, 1]
    assert all(np.array_equal(np.roll(W[0], unit), row) for unit, row in enumerate(W))
    assert np.linalg.eigvalsh(W).max() == pytest.approx(1.3, rel=1e-12)
    alone = [2 * sum(np.cos(2 * np.pi * wave * place / 24) * (1 if place < 3 else -1) for place in range(1, 6)) for wave in range(24)]
    assert W[0, 1] == pytest.approx(1.3 / max(alone), rel=1e-12)  # eigenvalues of a circulant are the Fourier sums of its row
    with pytest.raises(OptionError, match=r"^mexican_hat: with 1 units, near 3 and far 6 no eigenvalue is positive; take more units\.$"):
        mexican_hat.build((1, 1), rng(), near=3, far=6, gain=1.0)


@pytest.mark.parametrize(
    ("rule", "given", "message"),
    [
        (sparse_gaussian, {"gain": 1.0, "density": 0.0}, r"^sparse_gaussian: density 0 should lie above 0 and at most at 1\.$"),
        (sparse_gaussian, {"gain": 1.0, "density": 1.1}, r"^sparse_gaussian: density 1\.1 should lie above 0"),
        (low_rank, {"rank": 1.5, "mean_m": 0, "sd_m": 1, "mean_n": 0, "sd_n": 1}, r"^low_rank: rank 1\.5 should be a whole number, 1 or more\.$"),
        (modules, {"modules": 9, "within": 1, "between": 1, "density": 0.1}, r"^modules: 9 modules of shape \(8, 8\); it should be square"),
        (modules, {"modules": 2, "within": 1, "between": 1, "density": 1.5}, r"^modules: density 1\.5 should lie between 0 and 1\.$"),
        (mexican_hat, {"near": 3, "far": 2, "gain": 1}, r"^mexican_hat: near 3, far 2, shape \(8, 8\); it should be square, with whole 1 <= near"),
        (mexican_hat, {"near": 1.5, "far": 2, "gain": 1}, r"^mexican_hat: near 1\.5, far 2, shape"),
        (block, SPAN | {"row_start": 0.5, "row_stop": 0.5}, r"^block: row_start 0\.5 and row_stop 0\.5 should run forward from 0 to 1\.$"),
        (block, SPAN | {"column_stop": 1.2}, r"^block: column_start 0 and column_stop 1\.2 should run forward"),
    ],
)
def test_numbers_that_describe_no_matrix_are_refused(rule: Any, given: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        rule.build((8, 8), rng(), **given)


def test_the_nearest_matrix_of_a_rank_is_what_is_left_without_the_small_singular_values() -> None:
    W = rng(3).normal(size=(7, 5))
    near = of_rank(W, 2)
    values = np.linalg.svd(W, compute_uv=False)
    assert np.linalg.svd(near, compute_uv=False)[2] < 1e-14
    assert np.linalg.norm(W - near) == pytest.approx(np.linalg.norm(values[2:]), rel=1e-12)  # Eckart & Young (1936)


def test_a_card_whose_rule_exceeds_the_rank_it_is_held_to_is_refused() -> None:
    card = catalogue.load("mastrogiuseppe_2018")
    projections = card.model_dump()["projections"]
    projections["P"]["arguments"]["rank"]["value"] = 2
    with pytest.raises(CardError, match=r"^mastrogiuseppe_2018: \[projections\.P\] arguments\.rank 2 should be at most the rank it is held to, 1\.$"):
        card.with_arrays({}, projections=projections)
