"""Procrustes and CKA: invariances, metric axioms, independent implementations, and the bias that published pipelines fall into."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import procrustes

from cortex_sim.comparison._geometry import Overlap, linear_cka, participation_ratio, principal_part, procrustes_angle
from cortex_sim.errors import ComparisonError
from cortex_sim.trials._recordings import read

SAMPLES = 40
MEASURES = {"angle": procrustes_angle, "CKA": linear_cka, "biased CKA": lambda a, b: linear_cka(a, b, debiased=False)}
Measure = Callable[[ndarray, ndarray], float]


def pair(seed: int, units: int = 6, others: int = 9) -> tuple[ndarray, ndarray]:
    """Two populations that share some of their activity."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(SAMPLES, 3))
    mixed = [shared @ rng.normal(size=(3, n)) + rng.normal(size=(SAMPLES, n)) for n in (units, others)]
    return mixed[0], mixed[1] + 4


def moved(samples: ndarray, seed: int, *, units: int | None = None) -> ndarray:
    """A rotated, shifted and scaled copy, in a larger space if asked."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(units or samples.shape[1],) * 2))[0][: samples.shape[1]]
    return 3.7 * samples @ rotation + rng.normal(size=rotation.shape[1])


@pytest.mark.parametrize(("name", "identical"), [("angle", 0.0), ("CKA", 1.0), ("biased CKA", 1.0)])
def test_a_rotated_shifted_scaled_copy_is_identical(name: str, identical: float) -> None:
    samples = pair(0)[0]
    for units in (6, 11):
        assert MEASURES[name](samples, moved(samples, 1, units=units)) == pytest.approx(identical, abs=1e-7)  # arccos(1 - eps) is sqrt(2 eps)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_measures_are_symmetric_and_see_no_rotation_shift_or_scale(measure: Measure) -> None:
    a, b = pair(2)
    assert 0.05 < measure(a, b) < 1.4
    for value in (measure(b, a), measure(moved(a, 3), moved(b, 4)), measure(a[::-1], b[::-1])):
        assert value == pytest.approx(measure(a, b), rel=1e-10)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_measures_see_a_stretch_and_a_wrong_pairing(measure: Measure) -> None:
    a = pair(5)[0]
    stretched, identical = a * np.geomspace(1, 30, 6), measure(a, a)
    assert abs(measure(a, stretched) - identical) > 0.1
    assert abs(measure(a, a[np.random.default_rng(0).permutation(SAMPLES)]) - identical) > 0.5


def test_the_angle_is_that_of_scipys_procrustes() -> None:
    for seed in range(5):
        a, b = pair(seed, others=6)
        assert np.sin(procrustes_angle(a, b)) ** 2 == pytest.approx(procrustes(a, b)[2], rel=1e-9)


def test_any_order_of_conditions_is_that_of_the_samples() -> None:
    """Products that serve every order give what the samples give that are put in this order."""
    rng = np.random.default_rng(5)
    a, b = (10 + rng.normal(size=(8, 5, units)) for units in (6, 9))
    both = Overlap(a, b)
    for order in (np.arange(8), rng.permutation(8)):
        found, samples = both.at(order), (a.reshape(-1, 6), b[order].reshape(-1, 9))
        assert found.angle == pytest.approx(procrustes_angle(*samples), abs=1e-12)
        assert found.alignment == pytest.approx(linear_cka(*samples), abs=1e-12)
        centred = [side - side.mean(axis=0) for side in samples]
        nuclear = np.linalg.svd(centred[0].T @ centred[1], compute_uv=False).sum()
        assert found.angle == pytest.approx(np.arccos(nuclear / np.prod([np.linalg.norm(side) for side in centred])), abs=1e-12)


def test_the_angle_obeys_the_triangle_inequality_and_its_bound() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        base = rng.normal(size=(12, 4))
        a, b, c = (base + rng.uniform(0, 3) * rng.normal(size=(12, 4)) for _ in range(3))
        ab, bc, ac = procrustes_angle(a, b), procrustes_angle(b, c), procrustes_angle(a, c)
        assert ac <= ab + bc + 1e-12 and 0 < ac < np.pi / 2
    assert procrustes_angle(np.eye(4)[:, :1] - np.eye(4)[:, 1:2], np.eye(4)[:, 2:3] - np.eye(4)[:, 3:]) == pytest.approx(np.pi / 2)  # orthogonal


def test_debiased_cka_is_its_published_formula_on_kernel_matrices() -> None:
    def hsic(K: ndarray, L: ndarray) -> float:
        K, L, n = K - np.diag(np.diag(K)), L - np.diag(np.diag(L)), len(K)
        one = np.ones(n)
        return (np.trace(K @ L) + one @ K @ one * (one @ L @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ K @ L @ one) / (n * (n - 3))

    a, b = pair(6)
    K, L = a @ a.T, b @ b.T
    assert linear_cka(a, b) == pytest.approx(hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L)), rel=1e-9)
    H = np.eye(SAMPLES) - 1 / SAMPLES
    biased = np.trace(K @ H @ L @ H) / np.sqrt(np.trace(K @ H @ K @ H) * np.trace(L @ H @ L @ H))
    assert linear_cka(a, b, debiased=False) == pytest.approx(biased, rel=1e-9)


@pytest.mark.parametrize(("samples", "published"), [(30, 0.873), (100, 0.665), (400, 0.333)])
def test_independent_populations_are_unlike_only_for_the_debiased_estimator(samples: int, published: float) -> None:
    rng, draws = np.random.default_rng(0), 40 if samples < 400 else 10
    pairs = [rng.normal(size=(2, samples, 200)) for _ in range(draws)]
    biased = [linear_cka(a, b, debiased=False) for a, b in pairs]
    debiased = [linear_cka(a, b) for a, b in pairs]
    assert np.mean(biased) == pytest.approx(published, abs=3e-3)
    assert np.mean(debiased) == pytest.approx(0, abs=4 * np.std(debiased, ddof=1) / np.sqrt(draws))  # standard error


def test_independent_smooth_noise_looks_alike_even_to_the_debiased_estimator() -> None:
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=(2, 8, 80, 100))
        a, b = gaussian_filter1d(noise, 10, axis=2)[:, :, 20:60].reshape(2, -1, 100)
        assert linear_cka(a, b, debiased=False) > 0.5 and linear_cka(a, b) > 0.5  # bins that follow each other are no independent samples
        whole = np.random.default_rng(seed).permutation(len(a))
        assert abs(linear_cka(a, b[whole])) < 0.1


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_reducing_changes_no_measure(measure: Measure) -> None:
    a, b = pair(7)
    wide = a @ np.random.default_rng(8).normal(size=(6, 50)) + 2
    assert principal_part(wide).shape == (SAMPLES, 6)
    assert measure(principal_part(wide), principal_part(b)) == pytest.approx(measure(wide, b), abs=1e-3)  # square root of the millionth that is lost


def test_reducing_keeps_leading_axes_of_any_number_of_axes_before_them() -> None:
    spread = np.array([10.0, 1.0, 5e-2, 1e-5])
    samples = np.random.default_rng(9).normal(size=(7, 11, 4)) * spread
    low = principal_part(samples)
    assert low.shape == (7, 11, 3)  # the last holds less than a millionth
    flat = low.reshape(-1, 3)
    np.testing.assert_allclose(flat.mean(axis=0), 0, atol=1e-12)
    centred = samples.reshape(-1, 4) - samples.mean(axis=(0, 1))
    np.testing.assert_allclose(flat @ flat.T, centred @ centred.T, atol=1e-6 * 300)  # all distances


def test_participation_ratio_counts_equal_dimensions() -> None:
    corners = np.vstack([np.eye(5), -np.eye(5)])
    assert participation_ratio(corners) == pytest.approx(5)
    assert participation_ratio(corners @ np.diag([3, 3, 0, 0, 0])) == pytest.approx(2)
    assert participation_ratio(corners.reshape(2, 5, 5) @ np.diag([2, 1, 0, 0, 0])) == pytest.approx(25 / 17)  # variances 4 and 1


def test_participation_ratio_of_recorded_reaches_is_the_known_one(shared_data: Path) -> None:
    rate = read(shared_data / "hatsopoulos2007_rs_centerout.npz").rate
    assert participation_ratio(rate) == pytest.approx(3.30, abs=5e-3)
    assert participation_ratio(rate - rate.mean(axis=0)) == pytest.approx(5.01, abs=5e-3)


def test_halves_of_recorded_units_differ_by_the_known_angle(shared_data: Path) -> None:
    rate = read(shared_data / "hatsopoulos2007_rs_centerout.npz").rate.reshape(-1, 141)
    rng, angles = np.random.default_rng(0), []
    for _ in range(60):
        order = rng.permutation(141)
        angles.append(np.degrees(procrustes_angle(rate[:, order[:70]], rate[:, order[70:140]])))
    assert np.mean(angles) == pytest.approx(36.0, abs=4 * 2.3 / np.sqrt(60)) and np.std(angles) == pytest.approx(2.3, rel=0.4)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_sides_that_cannot_be_compared_are_refused(measure: Measure) -> None:
    a, b = pair(0)
    with pytest.raises(ComparisonError, match=r"^geometry: 40 samples on one side, 39 on the other; give the same conditions and times\.$"):
        measure(a, b[:-1])
    with pytest.raises(ComparisonError, match=r"^geometry: one side does not vary over samples; there is no shape to compare\.$"):
        measure(a, np.ones_like(b))


def test_debiasing_needs_four_samples() -> None:
    with pytest.raises(ComparisonError, match=r"^linear_cka: 3 samples; the unbiased estimator needs at least 4\.$"):
        linear_cka(np.eye(3), np.eye(3))
