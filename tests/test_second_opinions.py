"""Second opinions: the definitions of the papers written out another way, by loops, by other libraries or by brute force, beside ours.

``docs/second-opinions.md`` lists them, and those that stand in other test files.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import eigh, orthogonal_procrustes
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares
from scipy.signal import periodogram, welch
from scipy.spatial.distance import pdist
from scipy.stats import entropy, pearsonr, poisson
from sklearn.linear_model import PoissonRegressor, Ridge

from cortex_sim.analysis._co_smoothing import co_smoothing, spike_information
from cortex_sim.analysis._lyapunov import lyapunov
from cortex_sim.analysis._rotations import jpca
from cortex_sim.analysis._spike_statistics import population_spectrum, spike_statistics
from cortex_sim.analysis._subspaces import variance_shares
from cortex_sim.analysis._tangling import SHARE, tangling
from cortex_sim.cards import catalogue
from cortex_sim.comparison._geometry import alignment_index, linear_cka, procrustes_angle
from cortex_sim.comparison._kernels import rsa
from cortex_sim.comparison._local_flow import local_flow
from cortex_sim.comparison._predictivity import RIDGE_PENALTIES, canonical_correlation, cycle_consistency, predictivity
from cortex_sim.comparison._reconstruction import spectral_distance, state_space_divergence
from cortex_sim.comparison._shape import shape_distance
from cortex_sim.simulation import trajectory
from cortex_sim.simulation._problem import Problem
from cortex_sim.statistics import Split, folds, order_by_content, set_aside
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials, smoothed_over_time

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(11)
X = RNG.normal(size=(9, 25, 6)).cumsum(axis=1)
Y = X @ RNG.normal(size=(6, 8)) + 0.5 * RNG.normal(size=(9, 25, 8)).cumsum(axis=1)
FLAT = (X.reshape(-1, 6), Y.reshape(-1, 8))


def test_jpca_is_least_squares_over_the_entries_of_a_skew_matrix() -> None:
    """Churchland et al. (2012): the skew matrix that best predicts velocities, here by a search over its entries."""
    states = X - X.mean(axis=(0, 1))
    x, v = states[:, :-1].reshape(-1, 6), np.diff(states, axis=1).reshape(-1, 6) / 0.01
    upper = np.triu_indices(6, 1)

    def flow(entries: np.ndarray) -> np.ndarray:
        M = np.zeros((6, 6))
        M[upper] = entries
        return M - M.T

    found = least_squares(lambda entries: (v - x @ flow(entries).T).ravel(), np.zeros(15)).x
    np.testing.assert_allclose(jpca(states, 0.01).M_skew, flow(found), atol=1e-6 * np.abs(found).max())


def test_procrustes_angle_is_that_of_scipys_best_rotation() -> None:
    a, b = (side - side.mean(axis=0) for side in FLAT)
    a = np.hstack([a, np.zeros((len(a), 2))])
    R, _ = orthogonal_procrustes(b, a)
    cosine = np.sum(a * (b @ R)) / (np.linalg.norm(a) * np.linalg.norm(b))
    assert procrustes_angle(*FLAT) == pytest.approx(np.arccos(cosine), abs=1e-9)


def test_the_whitened_shape_is_the_angle_of_the_canonical_correlations() -> None:
    """Williams et al. (2021): arccos of the mean canonical correlation over the smaller dimension, filled up for the larger side's norm."""
    a, b = (side - side.mean(axis=0) for side in FLAT)
    C = [[one.T @ other for other in (a, b)] for one in (a, b)]
    zero = np.zeros_like(C[0][1])
    values = eigh(np.block([[np.zeros_like(C[0][0]), C[0][1]], [C[1][0], np.zeros_like(C[1][1])]]),
                  np.block([[C[0][0], zero], [zero.T, C[1][1]]]), eigvals_only=True)[::-1][:6]  # fmt: skip
    assert shape_distance(*FLAT, alpha=0.0) == pytest.approx(np.arccos(values.sum() / np.sqrt(6 * 8)), abs=1e-7)


def test_debiased_cka_is_that_of_the_kernel_matrices() -> None:
    """Song et al. (2012), HSIC_1 from n x n kernel matrices without their diagonals."""

    def hsic(K: np.ndarray, L: np.ndarray) -> float:
        n = len(K)
        K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
        one = np.ones(n)
        return float((np.trace(K @ L) + one @ K @ one * (one @ L @ one) / ((n - 1) * (n - 2)) - 2 * one @ K @ L @ one / (n - 2)) / (n * (n - 3)))

    K, L = (side @ side.T for side in FLAT)
    assert linear_cka(*FLAT) == pytest.approx(hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L)), rel=1e-9)


def test_rsa_is_the_correlation_of_scipys_distances() -> None:
    a, b = (np.concatenate([pdist(side[:, t], "sqeuclidean") for t in range(25)]) for side in (X, Y))
    assert rsa(X, Y) == pytest.approx(pearsonr(a, b).statistic, abs=1e-9)


def test_the_alignment_index_is_that_of_elsayed_by_singular_values() -> None:
    first, second = X[:, :12].reshape(-1, 6), X[:, 12:].reshape(-1, 6)
    axes = np.linalg.svd(first - first.mean(axis=0), full_matrices=False)[2][:3]
    centred = second - second.mean(axis=0)
    most = (np.linalg.svd(centred, compute_uv=False)[:3] ** 2).sum()
    assert alignment_index(first, second, 3) == pytest.approx(((centred @ axes.T) ** 2).sum() / most, rel=1e-9)


def test_tangling_is_that_of_a_double_loop() -> None:
    states, dt = X - X.mean(axis=(0, 1)), 0.02
    velocity = np.gradient(states, dt, axis=1)
    x, v = states.reshape(-1, 6), velocity.reshape(-1, 6)
    epsilon = SHARE * (x**2).sum(axis=1).mean()
    found = [max(((v[i] - v[j]) ** 2).sum() / (((x[i] - x[j]) ** 2).sum() + epsilon) for j in range(len(x))) for i in range(0, len(x), 23)]
    np.testing.assert_allclose(tangling(X, dt).ravel()[::23], found, rtol=1e-8)


def conditions_apart(*sides: np.ndarray) -> Iterator[Split]:
    """The folds of conditions that measures use."""
    order = order_by_content(*sides)
    return (each.within(order) for each in folds(range(9), count=4, seed=0))


def test_held_out_canonical_correlations_are_those_of_the_textbook() -> None:
    """Principal components of the training part, canonical directions by the generalised eigenvalue problem, correlations of what was left out."""
    found = []
    for split in conditions_apart(X, Y):
        parts = []
        for side in (X, Y):
            train = side[split.train].reshape(-1, side.shape[2])
            axes = np.linalg.svd(train - train.mean(axis=0), full_matrices=False)[2][:6].T
            parts.append([(side[part].reshape(-1, side.shape[2]) - train.mean(axis=0)) @ axes for part in (split.train, split.test)])
        (a, u), (b, w) = parts
        values, directions = eigh(a.T @ b @ np.linalg.solve(b.T @ b, b.T @ a), a.T @ a)
        other = np.linalg.solve(b.T @ b, b.T @ a @ directions)
        found.append(np.mean([np.corrcoef(u @ p, w @ q)[0, 1] for p, q in zip(directions.T, other.T, strict=True)]))
        assert values.max() <= 1 + 1e-9
    assert canonical_correlation(X, Y) == pytest.approx(np.mean(found), abs=1e-5)


def ridge(x: np.ndarray, y: np.ndarray, parts: list[np.ndarray]) -> Ridge:
    """scikit-learn's ridge regression, its penalty chosen by leaving out each of the parts in turn."""

    def fitted(chosen: np.ndarray, penalty: float) -> Ridge:
        flat = x[chosen].reshape(-1, x.shape[2])
        return Ridge(alpha=penalty * flat.var(axis=0).mean() * len(flat)).fit(flat, y[chosen].reshape(-1, y.shape[2]))

    everyone, errors = np.sort(np.concatenate(parts)), []
    for penalty in RIDGE_PENALTIES:
        left = ((part, fitted(np.setdiff1d(everyone, part), penalty)) for part in parts)
        errors.append(sum(((y[part] - model.predict(x[part].reshape(-1, x.shape[2])).reshape(y[part].shape)) ** 2).sum() for part, model in left))
    return fitted(everyone, RIDGE_PENALTIES[int(np.argmin(errors))])


def test_predictivity_and_cycle_consistency_are_those_of_nested_loops_over_scikit_learn() -> None:
    a, b = X, Y + 2 * np.random.default_rng(7).normal(size=Y.shape)  # noise, so that the penalty matters
    for source, target in ((a, b), (b, a)):
        missed = total = cycled = whole = 0.0
        for split in conditions_apart(source, target):
            inner = [split.train[part.test] for part in folds(range(len(split.train)), count=2, seed=0)]
            there, back = ridge(source, target, inner), ridge(target, source, inner)
            made = there.predict(source[split.test].reshape(-1, source.shape[2]))
            wanted, own = (side[split.test].reshape(-1, side.shape[2]) for side in (target, source))
            missed += ((wanted - made) ** 2).sum()
            total += ((wanted - target[split.train].mean(axis=(0, 1))) ** 2).sum()
            cycled += ((own - back.predict(made)) ** 2).sum()
            whole += ((own - source[split.train].mean(axis=(0, 1))) ** 2).sum()
        assert predictivity(source, target, reduce=False) == pytest.approx(1 - missed / total, abs=1e-9)
        assert cycle_consistency(source, target, reduce=False) == pytest.approx(1 - cycled / whole, abs=1e-9)


def test_local_flow_is_that_of_loops_over_the_nearest_places() -> None:
    along = sizes = 0.0
    for split in conditions_apart(X, Y):
        x, y = (side[split.train].reshape(-1, side.shape[2]) for side in (Y, X))
        fitted = Ridge(alpha=1e-6 * ((x - x.mean(axis=0)) ** 2).sum() / x.shape[1]).fit(x, y)
        image = np.stack([fitted.predict(condition) for condition in Y[split.test]])
        places, others = X[split.test].reshape(-1, 6), image.reshape(-1, 6)
        flow, other = (np.gradient(side, 0.01, axis=1).reshape(-1, 6) for side in (X[split.test], image))
        for place, velocity in zip(places, flow, strict=True):
            nearest = other[int(np.argmin(((others - place) ** 2).sum(axis=1)))]
            along += 2 * float(velocity @ nearest)
            sizes += float(velocity @ velocity + nearest @ nearest)
    assert local_flow(X, Y, 0.01, reduce=False) == pytest.approx(along / sizes, abs=1e-6)


def test_co_smoothing_is_that_of_loops_over_scikit_learn() -> None:
    rng = np.random.default_rng(8)
    common = 20 * np.exp(np.sin(np.linspace(0, 6, 25)) + rng.normal(size=(20, 1)) * 0.3)
    counts = rng.poisson(common[:, :, None] * np.array([1.0, 0.5, 1.5, 0.7]) * 0.02).astype(float)
    trial, place, unit = (np.repeat(index.ravel(), counts.ravel().astype(int)) for index in np.indices(counts.shape))
    trials = Trials.from_spikes((0.02 * (place + 0.5), unit, trial), 0.02 * np.arange(25), units=4, condition=np.zeros(20, int))
    units, order = set_aside(range(4), 0.25, seed=0).within(order_by_content(counts.T)), order_by_content(counts)
    heard, wanted = smoothed_over_time(counts[..., units.train], 2.0), counts[..., units.test]
    rates = np.empty_like(wanted)

    def predicted(train: np.ndarray, test: np.ndarray, penalty: float) -> np.ndarray:
        x, z = (heard[part].reshape(-1, heard.shape[2]) for part in (train, test))
        mean, sd = x.mean(axis=0), x.std(axis=0)
        fitted = PoissonRegressor(alpha=penalty, max_iter=300).fit((x - mean) / sd, wanted[train].ravel())
        return fitted.predict((z - mean) / sd).reshape(len(test), -1, 1)

    def told(found: np.ndarray, truth: np.ndarray) -> float:
        return float(poisson.logpmf(truth, np.maximum(found, 2e-5)).sum())

    strata = np.zeros(20, int).tolist()
    for each in folds(range(20), count=5, strata=strata, seed=0):
        split = each.within(order)
        inner = set_aside(range(16), 0.2, strata=strata[:16], seed=0).within(split.train)
        tried = [told(predicted(inner.train, inner.test, penalty), wanted[inner.test]) for penalty in (0.1, 1.0, 10.0)]
        rates[split.test] = predicted(split.train, split.test, (0.1, 1.0, 10.0)[int(np.argmax(tried))])
    flat = np.broadcast_to(wanted.mean(axis=(0, 1)), wanted.shape)
    bits = (told(rates, wanted) - told(flat, wanted)) / wanted.sum() / np.log(2)
    assert co_smoothing(trials, bin=0.02).bits == pytest.approx(bits, rel=1e-6)


def test_bits_per_spike_are_log_likelihoods_of_scipys_poisson() -> None:
    rates, bin = np.random.default_rng(1).uniform(1, 40, (4, 30, 3)), 0.02
    counts = np.random.default_rng(2).poisson(rates * bin).astype(float)
    flat = np.broadcast_to(counts.mean(axis=(0, 1)), counts.shape)
    gain = poisson.logpmf(counts, rates * bin).sum() - poisson.logpmf(counts, flat).sum()
    assert spike_information(rates, counts, bin).bits == pytest.approx(gain / counts.sum() / np.log(2), rel=1e-9)


def spikes() -> tuple[Trials, list[list[np.ndarray]]]:
    rng = np.random.default_rng(3)
    trains = [[np.sort(rng.uniform(0, 1, rng.poisson(30))) for _ in range(3)] for _ in range(12)]
    when, unit, trial = (np.concatenate([value(trains, k, u) for k in range(12) for u in range(3)]) for value in (
        lambda t, k, u: t[k][u], lambda t, k, u: np.full(len(t[k][u]), u), lambda t, k, u: np.full(len(t[k][u]), k)))  # fmt: skip
    return Trials.from_spikes((when, unit.astype(int), trial.astype(int)), 0.01 * np.arange(100), units=3, condition=np.zeros(12, int)), trains


def test_fano_factor_and_cv2_are_those_of_loops() -> None:
    trials, trains = spikes()
    found = spike_statistics(trials, seed=0)
    for unit in range(3):
        counts = [len(trains[k][unit]) for k in range(12)]
        local = [2 * abs(a - b) / (a + b) for k in range(12) for a, b in zip(*(np.diff(trains[k][unit])[i:] for i in (0, 1)), strict=False)]
        assert found.fano.ravel()[unit] == pytest.approx(np.var(counts, ddof=1) / np.mean(counts), rel=1e-9)
        assert found.cv2[unit] == pytest.approx(np.mean(local), rel=0.02)  # over all intervals, or the mean of trials


def test_the_population_spectrum_is_scipys_welch() -> None:
    trials, trains = spikes()
    frequency, density = population_spectrum(trials, bin=0.01)
    rate = np.stack([np.histogram(np.concatenate(train), np.linspace(0, 1, 101))[0] / 0.01 / 3 for train in trains])
    theirs, power = welch(rate, fs=100, window="hann", nperseg=round(100 / frequency[0]), detrend="constant")
    inner = slice(1, 1 + len(frequency))
    np.testing.assert_allclose(frequency, theirs[inner], rtol=1e-9)
    np.testing.assert_allclose(density, power.mean(axis=0)[inner], rtol=1e-6)


def test_variance_shares_are_those_of_averages() -> None:
    found = variance_shares(X)
    about = X - X.mean(axis=(0, 1))
    time = sum(9 * (about[:, t].mean(axis=0) ** 2).sum() for t in range(25))
    condition = sum(25 * (about[c].mean(axis=0) ** 2).sum() for c in range(9))
    assert found["time"] == pytest.approx(time / (about**2).sum()) and found["condition"] == pytest.approx(condition / (about**2).sum())


@pytest.mark.long
def test_the_largest_lyapunov_exponent_is_the_growth_of_a_small_difference() -> None:
    """Benettin et al. (1980): two runs a little apart, brought together again after every stretch."""
    rng = np.random.default_rng(4)
    model = catalogue.load("sompolinsky_1988").with_arrays({"J": 2.0 * rng.normal(size=(60, 60)) / np.sqrt(60)}, units=60)
    task = Task("free", 0.0, 0.05, np.arange(2))
    state, apart, growth = rng.normal(size=60), 1e-8 * rng.normal(size=60), []
    for stretch in range(60):
        ends = []
        for begun in (state, state + apart):
            card = model.with_arrays({}, initial_values={model.parsed.state: {"value": begun.tolist(), "unit": "1", "meaning": "start"}})
            ends.append(trajectory(Problem(card, card.arrays(), task.select([0])))[0, -1])
        size = np.linalg.norm(ends[1] - ends[0])
        if stretch >= 20:
            growth.append(np.log(size / np.linalg.norm(apart)) / (0.05 - task.bin))
        state, apart = ends[0], (ends[1] - ends[0]) * 1e-8 / size
    ours = lyapunov(model, state, duration=2.0, transient=0.5).values[0]
    assert ours == pytest.approx(np.mean(growth), abs=5 * np.std(growth) / np.sqrt(len(growth)) + 1.0)


def test_state_space_divergence_is_scipys_entropy_of_numpys_histogram() -> None:
    a, b = X[:, :, :2], X[:, ::-1, 1:3]
    x, y = ((side - a.mean(axis=(0, 1))).reshape(-1, 2) / a.std(axis=(0, 1)) for side in (a, b))
    axes = np.linalg.svd(x, full_matrices=False)[2].T
    x, y = x @ axes, y @ axes
    edges = [np.linspace(column.min() - 0.1 * column.std(), column.max() + 0.1 * column.std(), 6) for column in x.T]
    inside = [np.clip(y[:, k], edge[0], edge[-1]) for k, edge in enumerate(edges)]
    p, q = (np.histogramdd(side, edges)[0].ravel() + 1e-5 for side in (x, np.stack(inside, axis=1)))
    assert state_space_divergence(a, b, axes=2, bins=5) == pytest.approx(entropy(p, q), rel=1e-9)


def test_spectral_distance_is_that_of_scipys_periodograms() -> None:
    a, b = X, np.cos(X)
    P, Q = (gaussian_filter1d(periodogram(side, axis=1)[1][:, 1:].mean(axis=0), 1.0, axis=0) for side in (a, b))
    apart = [np.sqrt(1 - np.sqrt(p / p.sum() * q / q.sum()).sum()) for p, q in zip(P.T, Q.T, strict=True)]
    assert spectral_distance(a, b) == pytest.approx(np.mean(apart), rel=1e-6)


def test_every_second_opinion_of_the_page_is_a_test() -> None:
    page = (ROOT / "docs/second-opinions.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page)
    assert len(named) >= 20
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), (file, test)
    own = re.findall(r"^def (test_\w+)", Path(__file__).read_text(encoding="utf-8"), re.M)
    assert set(own) - {test for _, test in named} == {"test_every_second_opinion_of_the_page_is_a_test"}
