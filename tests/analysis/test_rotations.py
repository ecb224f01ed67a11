"""jPCA: planted rotations are found exactly, published recordings give their known answers, and the known false positives are held."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from scipy.linalg import block_diag
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binom

from cortex_sim.analysis._preparation import mixtures, preferred_states
from cortex_sim.analysis._rotations import Rotations, jpca, principal_components, rotation_intervals, rotations_and_null, skew_flow, soft_normalised
from cortex_sim.cards import catalogue
from cortex_sim.comparison._planted import peak_sequence, planted_rotation, random_decay, smooth_noise, velocity_tuned
from cortex_sim.errors import Undetermined
from cortex_sim.simulation._simulate import simulate
from cortex_sim.statistics._surrogates import permuted_conditions
from cortex_sim.tasks._free import free_run
from cortex_sim.trials._recordings import read

CONDITIONS, BINS, UNITS = 27, 21, 60
SIZE: dict[str, Any] = {"conditions": CONDITIONS, "bins": BINS, "units": UNITS, "dt": 0.01}
SPEEDS, RADII = np.array([1.5, 0.8, 0.3]), np.array([1.0, 2.0, 0.7])  # Hz, any unit


def orthonormal(rng: np.random.Generator, rows: int, columns: int) -> ndarray:
    return np.linalg.qr(rng.normal(size=(rows, columns)))[0]


def rotating(dt: float) -> ndarray:
    """Three planes, each turning counter-clockwise at its own frequency; phases make the covariance of each plane isotropic."""
    angle = 2 * np.pi * (np.arange(CONDITIONS)[:, None, None] / CONDITIONS * [1, 2, 3] + SPEEDS * dt * np.arange(BINS)[:, None])
    return np.stack([RADII * np.cos(angle), RADII * np.sin(angle)], axis=3).reshape(CONDITIONS, BINS, 6)


def of(rates: ndarray, axes: int = 6) -> Rotations:
    return jpca(principal_components(rates - rates.mean(axis=0), axes), 0.01)


def averages(make: Callable[[np.random.Generator], ndarray], seeds: int = 8) -> tuple[float, float, float]:
    """Mean R2(M), R2(M_skew) and ratio over draws."""
    found = [of(make(np.random.default_rng(seed))) for seed in range(seeds)]
    r2, r2_skew, ratio = np.mean([[r.r2, r.r2_skew, r.ratio] for r in found], axis=0)
    return r2, r2_skew, ratio


def test_one_noisy_plane_has_the_published_numbers() -> None:
    r2, r2_skew, ratio = averages(lambda rng: planted_rotation(rng, frequency=1.5, noise=0.02, **SIZE))
    assert (r2, r2_skew, ratio) == pytest.approx((0.994, 0.976, 0.98), abs=0.02)  # what the noise is relative to is not published


@pytest.mark.parametrize("dt", [0.01, 0.02])
def test_planted_rotations_are_found_with_their_frequency_sense_and_share(dt: float) -> None:
    embed, theta = orthonormal(np.random.default_rng(0), UNITS, 6), 2 * np.pi * SPEEDS * dt
    states = principal_components(rotating(dt) @ embed.T, 6)
    found = jpca(states, dt)
    np.testing.assert_allclose(found.frequency, np.sin(theta) / (2 * np.pi * dt), rtol=1e-10)  # bias of the forward difference
    assert found.frequency[0] == pytest.approx({0.01: 1.4978, 0.02: 1.4911}[dt], abs=5e-5)
    np.testing.assert_allclose(found.variance, RADII**2 / (RADII**2).sum(), rtol=1e-10)
    assert found.r2 == pytest.approx(1, abs=1e-12)
    assert found.r2_skew == pytest.approx((RADII**2 * np.sin(theta) ** 2).sum() / (RADII**2 * (2 - 2 * np.cos(theta))).sum(), rel=1e-10)
    plane = found.projection.reshape(CONDITIONS, BINS, 3, 2)
    turned = np.diff(np.unwrap(np.arctan2(plane[..., 1], plane[..., 0]), axis=1), axis=1)
    np.testing.assert_allclose(turned, np.broadcast_to(theta, turned.shape), rtol=1e-9)  # counter-clockwise, every condition, every plane
    np.testing.assert_allclose(np.linalg.norm(plane, axis=3), np.broadcast_to(RADII, plane.shape[:3]), rtol=1e-10)


def test_the_flow_itself_is_the_planted_one() -> None:
    found = jpca(rotating(0.01), 0.01).M_skew
    planted = block_diag(*(np.sin(2 * np.pi * f * 0.01) / 0.01 * np.array([[0, -1], [1, 0]]) for f in SPEEDS))
    np.testing.assert_allclose(found, planted, atol=1e-10)


def test_the_closed_form_is_the_least_squares_optimum_over_skew_matrices() -> None:
    rng = np.random.default_rng(1)
    x, v = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(300, 5))
    pairs = list(combinations(range(5), 2))
    basis = np.zeros((len(pairs), 5, 5))
    for number, (i, j) in enumerate(pairs):
        basis[number, i, j], basis[number, j, i] = 1.0, -1.0
    weights = np.linalg.lstsq((x @ basis.transpose(0, 2, 1)).reshape(len(pairs), -1).T, v.ravel(), rcond=None)[0]
    np.testing.assert_allclose(skew_flow(x, v), np.tensordot(weights, basis, axes=1), atol=1e-10)


def test_explained_variance_has_its_definition() -> None:
    rng = np.random.default_rng(2)
    states = np.cumsum(rng.normal(size=(9, 15, 4)), axis=1)
    x, v = states[:, :-1].reshape(-1, 4), np.diff(states, axis=1).reshape(-1, 4) / 0.01
    found = jpca(states, 0.01)
    M = (v.T @ x) @ np.linalg.inv(x.T @ x)
    assert found.r2 == pytest.approx(1 - ((v - x @ M.T) ** 2).sum() / (v**2).sum(), rel=1e-10)
    assert found.r2_skew == pytest.approx(1 - ((v - x @ found.M_skew.T) ** 2).sum() / (v**2).sum(), rel=1e-10)
    assert found.r2 > found.r2_skew > 0 and found.ratio == found.r2_skew / found.r2


def test_nothing_depends_on_the_axes_or_the_unit() -> None:
    rng = np.random.default_rng(3)
    states = np.cumsum(rng.normal(size=(9, 15, 6)), axis=1)
    a, b = jpca(states, 0.01), jpca(7 * states @ orthonormal(rng, 6, 6), 0.01)
    np.testing.assert_allclose([b.r2, b.r2_skew, *b.frequency, *b.variance], [a.r2, a.r2_skew, *a.frequency, *a.variance], rtol=1e-9)


def test_a_slower_bin_is_a_lower_frequency_and_the_same_fit() -> None:
    states = np.cumsum(np.random.default_rng(4).normal(size=(9, 15, 6)), axis=1)
    a, b = jpca(states, 0.01), jpca(states, 0.02)
    np.testing.assert_allclose([b.r2, b.r2_skew, *(2 * b.frequency)], [a.r2, a.r2_skew, *a.frequency], rtol=1e-10)


def test_normalisation_and_principal_components_do_what_they_say() -> None:
    rates = np.random.default_rng(5).uniform(0, 90, size=(4, 6, 3))
    scaled = rates / (np.array([0.0, 5.0, 45.0]) + 5.0)
    np.testing.assert_allclose(soft_normalised(rates, np.array([0.0, 5.0, 45.0]), 5.0), scaled - scaled.mean(axis=0), atol=1e-12)
    spread = np.ptp(rates, axis=(0, 1))
    np.testing.assert_allclose(soft_normalised(1e-3 * rates, 1e-3 * spread), soft_normalised(rates, spread), rtol=1e-12)
    scores = principal_components(rates, 2).reshape(-1, 2)
    values = np.linalg.eigvalsh(np.cov(rates.reshape(-1, 3), rowvar=False))[::-1]
    np.testing.assert_allclose(np.cov(scores, rowvar=False), np.diag(values[:2]), atol=1e-9)


def test_recorded_reaches_of_churchland_2012_give_their_known_answer(shared_data: Path) -> None:
    states = np.load(shared_data / "churchland2012_27cond_6pc.npz")["X"]
    found, rng = jpca(states, 0.01), np.random.default_rng(0)
    assert (found.r2, found.r2_skew, found.ratio) == pytest.approx((0.682, 0.517, 0.759), abs=6e-4)
    assert found.frequency[0] == pytest.approx(1.81, abs=6e-3) and found.variance[0] == pytest.approx(0.357, abs=6e-4)
    null = [jpca(permuted_conditions(states, rng), 0.01).r2_skew for _ in range(200)]
    assert np.mean(null) == pytest.approx(0.055, abs=4 * 0.019 / np.sqrt(200) + 5e-4)  # standard error, and the last digit quoted
    assert np.std(null) == pytest.approx(0.019, rel=4 / np.sqrt(400))


def test_churchland_2012_flows_predict_a_condition_left_out(shared_data: Path) -> None:
    states = np.load(shared_data / "churchland2012_27cond_6pc.npz")["X"]
    x, v = states[:, :-1], np.diff(states, axis=1) / 0.01
    error = np.zeros(2)
    for left in range(len(states)):
        others = np.delete(np.arange(len(states)), left)
        a, b = x[others].reshape(-1, 6), v[others].reshape(-1, 6)
        for kind, M in enumerate((np.linalg.lstsq(a, b, rcond=None)[0].T, skew_flow(a, b))):
            error[kind] += ((v[left] - x[left] @ M.T) ** 2).sum()
    np.testing.assert_allclose(1 - error / (v**2).sum(), [0.663, 0.505], atol=6e-4)


def test_recorded_reaches_of_hatsopoulos_2007_give_their_known_answer(shared_data: Path) -> None:
    trials = read(shared_data / "hatsopoulos2007_rs_centerout.npz")
    prepared = soft_normalised(trials.window(-0.05, 0.16).rate, np.ptp(trials.rate, axis=(0, 1)), 5.0)  # the bin at 150 ms belongs to the window
    states, rng = principal_components(prepared), np.random.default_rng(0)
    found = jpca(states, trials.bin)
    assert (found.r2, found.r2_skew, found.ratio) == pytest.approx((0.574, 0.498, 0.867), abs=6e-4)
    assert found.frequency[0] == pytest.approx(0.95, abs=6e-3)
    assert found.variance[0] * (states**2).sum() / (prepared**2).sum() == pytest.approx(0.317, abs=6e-4)  # of all units' variance
    null = [
        jpca(principal_components(permuted_conditions(prepared, rng)), trials.bin).r2_skew for _ in range(100)
    ]  # conditions permuted on every unit
    assert np.mean(null) == pytest.approx(0.077, abs=4 * 0.025 / np.sqrt(100))


def test_smooth_noise_has_a_high_ratio_of_a_flow_that_explains_nothing() -> None:
    r2, r2_skew, ratio = averages(lambda rng: smooth_noise(rng, width=0.04, **SIZE))
    assert r2 < 0.1 and r2_skew < 0.1 and ratio > 0.7  # published: 0.063, 0.051, 0.80


def test_a_sequence_of_peaks_without_dynamics_looks_like_rotation() -> None:
    r2, r2_skew, ratio = averages(lambda rng: peak_sequence(rng, **SIZE))
    assert r2 == pytest.approx(0.92, abs=0.03) and ratio == pytest.approx(0.87, abs=0.03)  # both vary by 0.02 from draw to draw
    states = principal_components(peak_sequence(np.random.default_rng(0), **SIZE))
    null = [jpca(permuted_conditions(states, np.random.default_rng(seed)), 0.01).r2_skew for seed in range(20)]
    assert max(null) < 0.2 < r2_skew  # and permuting conditions does not expose it


def test_velocity_tuning_rotates_only_where_latencies_spread() -> None:
    some, more = (averages(lambda rng, sd=sd: velocity_tuned(rng, latency=sd, **SIZE)) for sd in (0.05, 0.1))
    assert some[0] > 0.95 and more[0] > 0.95
    assert some[1] == pytest.approx(0.586, abs=0.15) and more[1] == pytest.approx(0.909, abs=0.1)  # one draw published; draws vary by 0.07
    noise = 1e-9 * np.random.default_rng(1).normal(size=(CONDITIONS, BINS, UNITS))
    assert of(velocity_tuned(np.random.default_rng(0), latency=0.0, **SIZE) + noise, 2).r2_skew < 1e-12  # x and its velocity stay parallel


def test_a_decaying_random_network_has_a_flow_without_rotation() -> None:
    r2, r2_skew, ratio = averages(lambda rng: random_decay(rng, gain=0.9, tau=0.2, **(SIZE | {"units": 200})), seeds=4)
    assert r2 == pytest.approx(0.893, abs=0.02) and r2_skew == pytest.approx(0.014, abs=0.01) and ratio < 0.03


@pytest.mark.long
def test_a_stability_optimised_circuit_rotates_and_its_shuffle_does_not() -> None:
    circuit = catalogue.load("hennequin_2014")
    starts = mixtures(preferred_states(circuit), CONDITIONS * 4, k=6, seed=0, sd=1.5)
    for rate in np.split(simulate(circuit, free_run(starts, 0.21)).rate, 4):
        found, spread = jpca(principal_components(soft_normalised(rate, np.ptp(rate, axis=(0, 1)))), 0.01), np.ptp(rate, axis=(0, 1))
        null = of(soft_normalised(permuted_conditions(rate, np.random.default_rng(0)), spread))
        assert 0.1 < found.r2_skew < 0.6 and 0.8 < found.ratio <= 1 and 1.0 < found.frequency[0] < 2.2
        assert null.r2_skew < 0.04 < found.r2_skew / 3


def test_a_pure_decay_has_no_rotation() -> None:
    found = jpca(np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[2.0, 0.0]]]) * 0.5 ** np.arange(10)[:, None], 0.01)
    assert found.r2 == pytest.approx(1) and found.r2_skew == 0


def test_states_that_leave_the_flow_open_are_refused_with_what_to_do() -> None:
    flat = np.random.default_rng(0).normal(size=(5, 8, 3)) @ np.random.default_rng(1).normal(size=(3, 6))
    with pytest.raises(Undetermined, match=r"^the states span 3 of 6 axes, which leaves the flow undetermined; analyse at most 3 axes\.$"):
        principal_components(flat)
    with pytest.raises(Undetermined, match="span 0 of 2 axes"):
        principal_components(np.ones((5, 8, 6)), 2)
    with pytest.raises(Undetermined, match=r"^the states span 3 of 6 axes, which leaves the flow undetermined; first reduce them with principal"):
        jpca(flat, 0.01)


def test_intervals_do_not_depend_on_a_course_that_all_conditions_share() -> None:
    rng = np.random.default_rng(3)
    states, course = rotating(0.01) + 0.1 * rng.normal(size=(CONDITIONS, BINS, 6)), 5 * np.cumsum(rng.normal(size=(BINS, 6)), axis=0)
    readings: dict[str, Callable[[Rotations], float]] = {"rotation": lambda r: r.r2_skew, "frequency": lambda r: r.main_frequency}
    plain, shared = (rotation_intervals(rates, 0.01, readings) for rates in (states, states + course))
    for name, reading in readings.items():
        assert shared[name] == pytest.approx(plain[name], rel=1e-9) and plain[name][0] < reading(of(states)) < plain[name][1]


def test_reversed_contrasts_suppose_that_conditions_share_no_course() -> None:
    """Of two random courses that all conditions mix, no direction of time is preferred either; p-values are far too small, as docs/nulls.md says."""
    angle, found = 2 * np.pi * np.arange(8) / 8, {}
    for design in ("courses of their own", "shared, drawn", "shared, on a circle"):
        p = []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            courses = gaussian_filter1d(rng.standard_normal((8, 60, 6)), 3, axis=1)[:, 20:40]
            mixing = np.stack([np.cos(angle), np.sin(angle)], axis=1) if "circle" in design else rng.standard_normal((8, 2))
            turning, null = rotations_and_null(np.tensordot(mixing, courses[:2], axes=1) if "shared" in design else courses, 0.01, rng=rng, draws=19)
            p.append((1 + (null >= turning.r2_skew * (1 - 1e-9)).sum()) / 20)
        found[design] = np.mean(np.array(p) <= 0.05)
    assert found["courses of their own"] <= binom.ppf(0.9987, 60, 0.05) / 60
    assert found["shared, drawn"] > 0.3 and found["shared, on a circle"] > 0.3
