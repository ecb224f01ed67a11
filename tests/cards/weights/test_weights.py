"""Each rule builds the matrix its paper describes, and the linear algebra behind them is right."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm, schur, solve_continuous_lyapunov, solve_sylvester
from scipy.optimize import brentq

from cortex_sim.cards import catalogue, weights
from cortex_sim.cards.weights import balanced_pair, diagonal, gaussian
from cortex_sim.cards.weights import stability_optimised as soc
from cortex_sim.errors import CardError, OptionError, Undetermined
from cortex_sim.runtime import Role, stream

PAPER = {"density": 0.1, "radius": 10.0, "inhibition": 3.0}
SMALL = PAPER | {"abscissa": 0.8}  # N = 50 gets there in 40 ms


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def eigenvalues(W: np.ndarray) -> np.ndarray:
    return np.linalg.eigvals(W)


# what every rule keeps


def test_every_rule_is_listed_and_an_unknown_rule_or_argument_is_refused() -> None:
    drawn = {
        "balanced_pair", "between", "block", "gaussian", "inhibition_stabilised", "low_rank", "mexican_hat", "modules", "sparse_gaussian",
        "stability_optimised", "uniform",
    }  # fmt: skip
    assert set(weights.rules()) == drawn | {"diagonal", "table"}
    weights.check("gaussian", {"gain"})
    for rule, arguments, message in (
        ("gausian", {"gain"}, "^rule 'gausian' is unknown. Did you mean 'gaussian'"),
        ("gaussian", {"gain", "gian"}, "^arguments.gian is no argument of rule 'gaussian'. Did you mean 'gain'"),
        ("stability_optimised", set(PAPER), "^arguments.abscissa is missing; rule 'stability_optimised' takes abscissa, density, inhibition, radius"),
        ("stability_optimised", {*SMALL, "report"}, "^arguments.report is no argument"),
    ):
        with pytest.raises(CardError, match=message):
            weights.check(rule, arguments)


def test_the_same_content_is_the_same_entry_bit_for_bit_and_any_change_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path))

    def build(shape: tuple[int, int] = (50, 50), draw: tuple[int, Role, int] = (0, "circuit", 0), **changed: float) -> tuple[bytes, int]:
        made = weights.weights("stability_optimised", shape, SMALL | changed, draw)
        return made.tobytes(), len(list(tmp_path.glob("connectivity/stability_optimised-*.safetensors")))

    first = build()
    assert build() == first and first[1] == 1
    assert first[0] == soc.build((50, 50), stream(0, "circuit", "weights", 0), **SMALL).tobytes()
    others: list[tuple[int, Role, int]] = [(0, "circuit", 1), (1, "circuit", 0), (0, "student", 0)]
    entries = [*(build(draw=other) for other in others), build(abscissa=0.9), build(radius=9.0), build(shape=(60, 60))]
    assert [number for _, number in entries] == [2, 3, 4, 5, 6, 7] and len({made for made, _ in entries} | {first[0]}) == 7
    source = inspect.getsource
    monkeypatch.setattr(weights.inspect, "getsource", lambda module: source(module) + "# edited")
    assert build() == (first[0], 8)


# random, diagonal and paired weights


def test_gaussian_weights_have_variance_gain_squared_over_sources_and_radius_gain() -> None:
    W = gaussian.build((50, 2000), rng(), gain=1.5)
    assert np.var(W) == pytest.approx(1.5**2 / 2000, rel=5 * np.sqrt(2 / W.size))  # five standard errors of a variance
    assert abs(W.mean()) < 5 * np.sqrt(1.5**2 / 2000 / W.size)
    square = gaussian.build((400, 400), rng(1), gain=1.5)
    assert np.abs(eigenvalues(square)).max() == pytest.approx(1.5, rel=0.15)  # Ginibre edge at N = 400: 1.02, with a Gumbel tail of scale 0.033


def test_diagonal_weights_join_equal_numbers() -> None:
    assert diagonal.build((2, 3), rng()).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_the_balanced_pair_amplifies_as_published_without_slowing_down() -> None:
    w, k = 30 / 7, 1.1
    W = balanced_pair.build((2, 2), rng(), excitation=w, inhibition=k)
    assert np.allclose(sorted(eigenvalues(W).real), [w * (1 - k), 0], atol=1e-7)  # a defective pair moves by the root of round-off
    assert np.sqrt((W**2).sum() - (w * (1 - k)) ** 2) == pytest.approx(w * (1 + k)) == 9.0  # Henrici departure, the feedforward weight
    difference, total = np.array([1, -1]) / np.sqrt(2), np.array([1, 1]) / np.sqrt(2)
    assert total @ W @ difference == pytest.approx(9.0) and difference @ W @ total == pytest.approx(0.0, abs=1e-15)
    time = np.arange(0, 6, 0.01)
    flow = np.array([expm((W - np.eye(2)) * t) for t in time])
    for start, peak, at in ((difference, 2.776, 0.81), (np.array([1.0, 0.0]), 2.200, 0.70)):
        norm = np.linalg.norm(flow @ start, axis=1)
        assert norm.max() == pytest.approx(peak, abs=5e-4) and time[norm.argmax()] == pytest.approx(at, abs=5e-3)  # the published digits
    assert (np.linalg.norm(flow @ total, axis=1) <= 1).all()
    with pytest.raises(OptionError, match=r"balanced_pair: shape \(3, 3\) should be \(2, 2\)"):
        balanced_pair.build((3, 3), rng(), excitation=w, inhibition=k)


# Lyapunov and Sylvester equations, energies and the gradient


def stable(n: int, seed: int) -> np.ndarray:
    """A real Schur form with complex pairs whose eigenvalues have real parts below -0.5."""
    return schur(rng(seed).standard_normal((n, n)) / np.sqrt(n) - 1.5 * np.eye(n), output="real")[0]


@pytest.mark.parametrize("n", [1, 2, 7, soc.LEAF, soc.LEAF + 1, 130, 205])
def test_the_lyapunov_equation_is_solved(n: int) -> None:
    T, C = stable(n, n), rng(9).standard_normal((n, n))
    C = C + C.T
    X = soc._lyapunov(T, C)
    assert np.allclose(X, solve_continuous_lyapunov(T.T, C), rtol=0, atol=1e3 * n * 2e-16 * np.abs(X).max())  # separation of about 1


@pytest.mark.parametrize(("n", "m"), [(3, 2), (40, 120), (120, 40), (130, 140), (51, 51)])
def test_the_sylvester_equation_is_solved(n: int, m: int) -> None:
    A, B, C = stable(n, 1), stable(m, 2), rng(3).standard_normal((n, m))
    X = soc._sylvester(A, B, C)
    assert np.allclose(X, solve_sylvester(A.T, B, C), rtol=0, atol=1e3 * (n + m) * 2e-16 * np.abs(X).max())


def test_halving_never_cuts_a_rotation_in_two() -> None:
    for n in range(4, 40):
        T = stable(n, n)
        k = soc._middle(T)
        assert T[k, k - 1] == 0 and abs(k - n / 2) <= 1


@pytest.mark.parametrize("n", [1, 10, 120])
def test_an_unconnected_circuit_evokes_exactly_one_in_every_direction(n: int) -> None:
    energies, directions = soc.evoked_energy(np.zeros((n, n)))
    assert (energies == 1).all() and np.allclose(directions.T @ directions, np.eye(n))


def test_a_normal_circuit_evokes_one_over_one_minus_the_real_part() -> None:
    real, imaginary = rng().uniform(-3, 0.9, 60), rng(1).uniform(0.1, 5, 60)
    blocks = np.zeros((120, 120))
    for j, (a, b) in enumerate(zip(real, imaginary, strict=True)):
        blocks[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = [[a, -b], [b, a]]
    U = np.linalg.qr(rng(2).standard_normal((120, 120)))[0]
    energies, _ = soc.evoked_energy(U @ blocks @ U.T)
    assert np.allclose(energies, np.sort(np.repeat(1 / (1 - real), 2))[::-1], rtol=1e-11)


def test_the_energy_of_a_direction_is_twice_the_integral_of_its_squared_norm() -> None:
    W = 0.2 * rng().standard_normal((20, 20)) / np.sqrt(20) + 0.7 * np.diag(np.ones(19), 1)
    energies, directions = soc.evoked_energy(W)
    dt, steps = 0.01, 6000
    step, state, norm = expm((W - np.eye(20)) * dt), directions.copy(), []
    for _ in range(steps):
        norm.append((state**2).sum(axis=0))
        state = step @ state
    integral = dt * (np.sum(norm, axis=0) - norm[0] / 2)  # trapezoids, off by dt^2/12 times the slope at 0
    slope = np.abs(2 * np.einsum("ij,ij->j", directions, (W - np.eye(20)) @ directions))
    assert (np.diff(energies) <= 0).all() and energies[0] > 3
    assert (np.abs(2 * integral - energies) <= 2 * dt**2 / 12 * slope * 1.1 + 1e-9 * energies[0]).all()


def test_an_unstable_circuit_has_no_energy() -> None:
    with pytest.raises(Undetermined, match="spectral abscissa 1.000 is not below 1, so no evoked energy exists"):
        soc.evoked_energy(np.eye(3))


def smoothed(W: np.ndarray, s: float) -> tuple[np.ndarray, np.ndarray]:
    A = W - s * np.eye(len(W))
    return solve_continuous_lyapunov(A.T, -2 * np.eye(len(W))), solve_continuous_lyapunov(A, -2 * np.eye(len(W)))


def test_the_gradient_is_that_of_the_smoothed_abscissa_by_finite_differences() -> None:
    """The smoothed abscissa is the s at which tr Q(W - sI) has a given value: find it again after a small move, as Hennequin defines it."""
    W = soc.unstable((20, 20), rng(3), density=0.3, radius=4, inhibition=3)
    gradient, found = soc._gradient(W)
    start = max(1.5 * found, found + 0.2)
    level = np.trace(smoothed(W, start)[0])
    for seed in range(3):
        E = np.zeros((20, 20))
        E[:, 10:] = rng(seed).standard_normal((20, 10))
        moved = [brentq(lambda s, h=h, E=E: np.trace(smoothed(W + h * E, s)[0]) - level, start - 0.1, start + 0.1, xtol=1e-13) for h in (-1e-4, 1e-4)]
        slope = (moved[1] - moved[0]) / 2e-4
        assert (gradient * E[:, 10:]).sum() == pytest.approx(slope, abs=1e-4 * np.linalg.norm(gradient) * np.linalg.norm(E))


def test_single_precision_moves_the_gradient_by_less_than_stated() -> None:
    W = soc.unstable((120, 120), rng(), **PAPER)
    gradient, found = soc._gradient(W)
    exact = soc.spectral_abscissa(W)
    Q, P = smoothed(W, max(1.5 * exact, exact + 0.2))
    expected = (Q @ P / np.trace(Q @ P))[:, 60:]
    assert found == pytest.approx(exact, abs=soc.MARGIN)
    assert np.linalg.norm(gradient - expected) < 1e-4 * np.linalg.norm(expected)


# stability-optimised circuits


@pytest.mark.parametrize("n", [10, 50, 100])
def test_the_random_circuit_is_drawn_as_published(n: int) -> None:
    W = soc.unstable((n, n), rng(n), **PAPER)
    w0 = np.sqrt(2) * 10 / np.sqrt(0.1 * 0.9 * (1 + 3**2))
    assert np.count_nonzero(W) == round(0.1 * n * (n - 1)) and not np.diag(W).any()
    assert np.allclose(np.unique(W[:, : n // 2]), [0, w0 / np.sqrt(n)]) and np.allclose(np.unique(W[:, n // 2 :]), [-3 * w0 / np.sqrt(n), 0])
    for shape in ((n, n + 1), (n + 1, n + 1), (8, 8)):
        with pytest.raises(OptionError, match=rf"shape \({shape[0]}, {shape[1]}\) should be \(N, N\) with N even and at least 10"):
            soc.unstable(shape, rng(), **PAPER)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_small_circuit_keeps_every_constraint_while_it_is_stabilised(seed: int) -> None:
    said: list[tuple[float, str]] = []
    W = soc.build((50, 50), rng(seed), **SMALL, report=lambda done, text: said.append((done, text)))  # type: ignore[arg-type]
    start = soc.unstable((50, 50), rng(seed), **PAPER)
    assert eigenvalues(W).real.max() <= 0.8 < 5 < eigenvalues(start).real.max()
    assert np.array_equal(W[:, :25], start[:, :25])  # excitation is never touched
    assert (W[:, 25:] <= 0).all() and not np.diag(W).any()
    assert np.count_nonzero(W[:, 25:]) <= 0.4 * 50 * 25
    for rows in (slice(25), slice(25, 50)):
        assert W[rows, 25:].mean() / W[rows, :25].mean() == pytest.approx(-3, abs=0.1)  # the weakest entries are cut after the means are set
    assert np.array_equal(W, soc.build((50, 50), rng(seed), **SMALL))
    assert [0 <= done <= 1 for done, _ in said] == [True] * len(said) and said[0][0] < 1e-5 and said[-1][0] == 1


def test_a_projection_sets_the_means_and_clears_the_diagonal() -> None:
    V = rng().standard_normal((8, 4)) - 1
    clipped = soc._project(V.copy(), (-0.3, -0.7))
    full = np.minimum(V, 0) * np.repeat([-0.3 / np.minimum(V[:4], 0).mean(), -0.7 / np.minimum(V[4:], 0).mean()], 4)[:, None]
    kept = clipped != 0
    assert np.array_equal(clipped[kept], full[kept]) and not np.diag(clipped[4:]).any()
    off = ~np.vstack([np.zeros((4, 4), bool), np.eye(4, dtype=bool)])
    assert full[kept].max() < full[~kept & off].min()  # those kept are the strongest


def test_at_most_forty_per_cent_of_inhibition_is_kept() -> None:
    V = -rng().uniform(1, 2, (50, 25))
    V[25 + np.arange(25), np.arange(25)] = -0.01  # a weak diagonal, so that clearing it frees no place
    assert np.count_nonzero(soc._project(V, (-1.0, -1.0))) <= 0.4 * V.size


@pytest.mark.long
def test_half_the_published_size_converges_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soc, "LIMIT", 3000)  # 1085 iterations in the reference implementation
    assert eigenvalues(soc.build((100, 100), rng(1), **PAPER, abscissa=0.15)).real.max() <= 0.15


@pytest.fixture(scope="module")
def published() -> np.ndarray:
    """The circuit of the card: 200 units, seed 0; built once a session."""
    return catalogue.load("hennequin_2014").arrays()["W"]


@pytest.fixture(scope="module")
def table(published: np.ndarray) -> dict[str, Any]:
    found, frobenius = eigenvalues(published), np.linalg.norm(published)
    henrici = np.sqrt(frobenius**2 - (np.abs(found) ** 2).sum())
    energies, E, inh = soc.evoked_energy(published)[0], published[:, :100], published[:, 100:]
    return {
        "abscissa": found.real.max(), "radius": np.abs(found).max(), "frequency": np.abs(found.imag).max(), "frobenius": frobenius,
        "henrici": henrici, "non-normality": henrici / frobenius, "density": np.count_nonzero(inh) / inh.size, "ratio": inh.mean() / E.mean(),
        "E1": energies[0], "amplified": (energies > 1).sum(), "mean energy": energies.mean(), "excitatory weight": E.max(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "low", "high"),
    [
        ("abscissa", 0.10, 0.15), ("radius", 21, 23), ("frequency", 8.5, 9.5), ("frobenius", 95, 105), ("henrici", 70, 78),
        ("non-normality", 0.73, 0.76), ("density", 0.39, 0.40), ("ratio", -3.02, -2.98), ("E1", 10.5, 13), ("amplified", 122, 136),
        ("mean energy", 2.2, 2.5), ("excitatory weight", 1.05405, 1.05415),
    ],
)  # fmt: skip
def test_the_published_circuit_has_the_published_numbers(quantity: str, low: float, high: float, table: dict[str, Any]) -> None:
    assert low <= table[quantity] <= high


def test_neither_a_random_nor_a_shuffled_circuit_amplifies_like_it(published: np.ndarray) -> None:
    random = soc.unstable((200, 200), stream(catalogue.load("hennequin_2014").seed, "circuit", "weights", 0), **PAPER)
    assert np.array_equal(random[:, :100], published[:, :100])  # the same draw, before optimisation
    assert eigenvalues(random).real.max() == pytest.approx(10, abs=1.5)
    shuffled = published.copy()
    shuffled[:, 100:] = rng().permuted(published[:, 100:], axis=0)
    assert eigenvalues(shuffled).real.max() > 3
    best = soc.evoked_energy(published)[0][0]
    for control in (random, shuffled):
        assert best > 5 * soc.evoked_energy(control * 0.15 / eigenvalues(control).real.max())[0][0]
