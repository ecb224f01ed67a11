"""Surrogates keep what they name, to round-off or to sampling error, and break what they are to break."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy import ndarray
from scipy.linalg import helmert
from scipy.optimize import minimize
from scipy.stats import chisquare

from cortex_sim.errors import ComparisonError
from cortex_sim.statistics._surrogates import (
    MaximumEntropy,
    half_inverted,
    inverted_contrasts,
    one_course_per_unit,
    permuted_conditions,
    random_phases,
    reversed_contrasts,
    spike_averages,
    turned,
)

DRAWS = 400


def smooth(shape: tuple[int, int, int], seed: int = 0) -> ndarray:
    """Correlated over conditions, times and units, with means of each."""
    rng = np.random.default_rng(seed)
    x = np.einsum("ctu,cd,ts,uv->dsv", rng.standard_normal(shape), *(rng.standard_normal((n, n)) / np.sqrt(n) for n in shape), optimize=True)
    return x + sum(rng.standard_normal(size) for size in ((shape[0], 1, 1), (shape[1], 1), shape[2]))


def covariances(x: ndarray) -> list[ndarray]:
    return [np.tensordot(x, x, axes=(others, others)) for others in ([1, 2], [0, 2], [0, 1])]


def test_shuffling_keeps_every_course_and_breaks_every_pairing() -> None:
    states = np.arange(7 * 3 * 4.0).reshape(7, 3, 4)
    mixed = permuted_conditions(states, np.random.default_rng(0))
    orders = np.array([[np.flatnonzero((states[:, :, axis] == row).all(axis=1)).item() for row in mixed[:, :, axis]] for axis in range(4)])
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(7), (4, 1)))
    assert len(np.unique(orders, axis=0)) == 4


def test_half_of_the_conditions_set_out_backwards_from_where_they_were() -> None:
    states = smooth((9, 5, 3))
    mirrored = half_inverted(states, np.random.default_rng(0))
    np.testing.assert_array_equal(mirrored[:, 0], states[:, 0])
    sign = np.diff(mirrored, axis=1) / np.diff(states, axis=1)
    np.testing.assert_allclose(np.abs(sign), 1, rtol=1e-9)
    assert (np.sign(sign) == np.sign(sign[:, :1, :1])).all() and (sign[:, 0, 0] < 0).sum() == 4


@pytest.mark.parametrize("change", [reversed_contrasts, inverted_contrasts])
def test_changed_contrasts_are_those_of_the_data_or_their_image_and_any_of_them(change: Callable[..., ndarray]) -> None:
    """Of three contrasts all eight choices occur, alike often, those of none and of all among them; their inverse is known from any basis."""
    states = smooth((4, 6, 3))
    states -= states.mean(axis=0)
    basis = helmert(4)
    courses = np.tensordot(basis, states, axes=1)
    images = courses[:, ::-1] if change is reversed_contrasts else 2 * courses[:, :1] - courses
    seen = np.zeros(8)
    for seed in range(DRAWS):
        made = change(states, np.random.default_rng(seed))
        np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-12)
        found = np.tensordot(basis, made, axes=1)
        chosen = [np.allclose(one, image) for one, image in zip(found, images, strict=True)]
        np.testing.assert_allclose(found, np.where(np.array(chosen)[:, None, None], images, courses), atol=1e-12)
        seen[int(np.dot(chosen, [1, 2, 4]))] += 1
    assert chisquare(seen).pvalue > 1e-3


def test_reversal_keeps_covariances_of_units() -> None:
    states = smooth((5, 6, 3)) - smooth((5, 6, 3)).mean(axis=0)
    np.testing.assert_allclose(covariances(reversed_contrasts(states, np.random.default_rng(0)))[2], covariances(states)[2], atol=1e-9)


@pytest.mark.parametrize("bins", [20, 21])
def test_random_phases_keep_power_and_means_and_cross_spectra_only_together(bins: int) -> None:
    states = smooth((4, bins, 3))
    cross = [
        np.einsum("cfu,cfv->cfuv", f, f.conj())
        for f in (np.fft.rfft(x, axis=1) for x in (states, *(random_phases(states, np.random.default_rng(1), together=one) for one in (True, False))))
    ]
    np.testing.assert_allclose(cross[1], cross[0], atol=1e-10)
    power = [np.einsum("cfuu->cfu", one) for one in cross]
    np.testing.assert_allclose(power[2], power[0], atol=1e-10)
    np.testing.assert_allclose(random_phases(states + 3, np.random.default_rng(1)).mean(axis=1), states.mean(axis=1) + 3, atol=1e-12)
    assert np.abs(cross[2] - cross[0])[:, 1:].max() > 0.1 * np.abs(cross[0][:, 1:]).max()
    assert np.abs(random_phases(states, np.random.default_rng(1)) - states).max() > 0.5


def test_averages_of_spikes_have_the_smoothed_rate_and_the_noise_of_so_many_trials() -> None:
    """Of a constant rate r: mean r, variance r/(trials bin) over 2 sqrt(pi) sd/bin, the kernel's noise gain; silence below 0."""
    bin, repeats, sd, rate = 0.01, 8, 0.04, 20.0
    rates = np.full((200, 60, 2), [rate, -5.0])
    found = spike_averages(rates, bin, repeats=repeats, sd=sd, rng=np.random.default_rng(0))[:, 20:-20]
    assert not found[..., 1].any()
    variance = rate / (repeats * bin) / (2 * np.sqrt(np.pi) * sd / bin)
    middle = found[:, 10, 0]  # one bin of each condition: independent
    assert middle.mean() == pytest.approx(rate, abs=5 * np.sqrt(variance / 200))
    assert middle.var(ddof=1) == pytest.approx(variance, rel=5 * np.sqrt(2 / 199))


def test_turning_keeps_distances_and_nothing_of_the_units() -> None:
    states = smooth((4, 6, 5))
    flat, other = states.reshape(-1, 5), turned(states, np.random.default_rng(0)).reshape(-1, 5)
    np.testing.assert_allclose(other @ other.T, flat @ flat.T, atol=1e-12)
    first = np.array([turned(np.eye(3)[None], np.random.default_rng(seed))[0, 0] for seed in range(DRAWS)])
    np.testing.assert_allclose(first.T @ first / DRAWS, np.eye(3) / 3, atol=4 / np.sqrt(DRAWS) / 3)  # uniform on the sphere


def test_a_sequence_is_itself_and_the_nearest_one_to_anything_else() -> None:
    rng = np.random.default_rng(0)
    planted = rng.standard_normal((6, 1, 4)) * rng.standard_normal((7, 4))
    np.testing.assert_allclose(one_course_per_unit(planted), planted, atol=1e-12)
    states = smooth((6, 7, 4))
    rest = states - one_course_per_unit(states)
    values = np.linalg.svd(np.moveaxis(states, 2, 0), compute_uv=False)
    np.testing.assert_allclose((rest**2).sum(axis=(0, 1)), (values[:, 1:] ** 2).sum(axis=1))


def test_maximum_entropy_keeps_means_and_covariances_of_all_three_kinds() -> None:
    states = smooth((6, 7, 8))
    found = MaximumEntropy.of(states)
    for others in ((1, 2), (0, 2), (0, 1)):
        np.testing.assert_allclose(found.mean.mean(axis=others), states.mean(axis=others), atol=1e-12)
    wanted = covariances(states - found.mean)
    for mode, others in enumerate(((1, 2), (0, 2), (0, 1))):
        axes = found.axes[mode]
        np.testing.assert_allclose(axes * (found.sd**2).sum(axis=others) @ axes.T, wanted[mode], atol=1e-6 * np.trace(wanted[mode]))
    rng = np.random.default_rng(1)
    drawn = [covariances(found.draw(rng) - found.mean) for _ in range(DRAWS)]
    for mode in range(3):
        each = np.array([one[mode] for one in drawn])
        assert (np.abs(each.mean(axis=0) - wanted[mode]) < 5 * each.std(axis=0) / np.sqrt(DRAWS)).all()


def test_maximum_entropy_is_what_a_general_optimiser_finds() -> None:
    """Variances of largest entropy, sum of log v / 2, with given sums over two of three indices; no multipliers are used."""
    found = MaximumEntropy.of(smooth((2, 3, 3)))
    v = (found.sd**2).ravel() / (found.sd**2).mean()
    index = np.indices(found.sd.shape).reshape(3, -1)
    A = np.concatenate([[index[mode] == place for place in range(mode > 0, found.sd.shape[mode])] for mode in range(3)]).astype(float)
    best = minimize(
        lambda w: -w.sum(), np.zeros(v.size), jac=lambda w: -np.ones(v.size), method="SLSQP",
        constraints={"type": "eq", "fun": lambda w: A @ (np.exp(w) - v), "jac": lambda w: A * np.exp(w)}, options={"ftol": 1e-14, "maxiter": 1000},
    )  # fmt: skip
    assert best.success
    np.testing.assert_allclose(np.exp(best.x), v, rtol=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_maximum_entropy_fits_whatever_the_shape_and_however_small_some_axes(seed: int) -> None:
    conditions, bins, units = np.random.default_rng(seed).integers(2, 7, 3).tolist()
    states = smooth((conditions, bins, units), seed) * 10.0 ** np.linspace(0, -3, units)
    found = MaximumEntropy.of(states - states.mean(axis=0))
    flat = (states - states.mean(axis=0) - found.mean).reshape(-1, units)
    np.testing.assert_allclose((found.sd**2).sum(axis=(0, 1)), ((flat @ found.axes[2]) ** 2).sum(axis=0), rtol=1e-5)
    assert np.abs(found.draw(np.random.default_rng(0)).mean(axis=0)).max() < 1e-9  # as in the data, conditions cancel


def test_maximum_entropy_needs_more_than_main_effects() -> None:
    flat = np.arange(4.0)[:, None, None] + np.arange(5.0)[:, None] + np.zeros(3)
    with pytest.raises(ComparisonError, match=r"^surrogate: nothing varies but the means of conditions, of times and of units"):
        MaximumEntropy.of(flat)
