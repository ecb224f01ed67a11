"""Dynamical similarity on systems whose relation is known."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from cortex_sim.comparison._dsa import _aligned, delay_operator, eigenvalue_distance, input_operator, procrustes_distance
from cortex_sim.errors import ComparisonError

ANGLES, RADII = np.array([0.3, 0.7, 1.1]), np.array([0.98, 0.95, 0.90])


def turning(angles: np.ndarray = ANGLES, radii: np.ndarray = RADII) -> np.ndarray:
    A = np.zeros((2 * len(angles), 2 * len(angles)))
    for k, (angle, radius) in enumerate(zip(angles, radii, strict=True)):
        A[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = radius * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return A


def run(A: np.ndarray, seed: int, inputs: np.ndarray | None = None, enters: np.ndarray | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.zeros((200, 100, len(A)))
    x[:, 0] = rng.standard_normal((200, len(A)))
    for t in range(99):
        x[:, t + 1] = x[:, t] @ A.T + 0.1 * rng.standard_normal((200, len(A)))
        if inputs is not None and enters is not None:
            x[:, t + 1] += inputs[:, t] @ enters.T
    return x


def turned(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


@pytest.mark.parametrize("delays", [1, 5])
def test_one_system_twice_is_alike_in_any_coordinates_and_another_frequency_is_not(delays: int) -> None:
    first, rng = run(turning(), 0), np.random.default_rng(9)
    others = {
        "same": run(turning(), 1), "image": run(turning(), 2) @ turned(6, 3), "linear": run(turning(), 4) @ rng.standard_normal((6, 6)),
        "embedded": run(turning(), 5) @ rng.standard_normal((6, 20)),
        "faster": run(turning(1.3 * ANGLES), 6), "decaying": run(turning(radii=0.85 * RADII), 7),
    }  # fmt: skip
    A = delay_operator(first, delays=delays, rank=6)
    apart = {name: procrustes_distance(A, delay_operator(rates, delays=delays, rank=6)) for name, rates in others.items()}
    modes = {name: eigenvalue_distance(A, delay_operator(rates, delays=delays, rank=6)) for name, rates in others.items()}
    for name in ("same", "image", "linear", "embedded"):
        assert apart[name] < 0.02 and modes[name] < 0.02, name
    assert apart["faster"] > 0.15 and apart["faster"] > 10 * apart["same"]
    assert apart["decaying"] < 0.05  # normalised: nearly blind to a common decay,
    assert modes["decaying"] > 5 * modes["same"]  # which the eigenvalues are not
    assert modes["faster"] > 10 * modes["same"]


def test_the_distance_of_normal_matrices_is_that_of_their_eigenvalues() -> None:
    for size in (3, 6, 12):
        rng = np.random.default_rng(size)
        blocks = [turning(rng.uniform(0.1, 1.5, size // 2), rng.uniform(0.5, 1, size // 2)) for _ in range(2)]
        A, B = (turned(size, 10 * size + k) @ np.pad(one, (0, size - len(one))) @ turned(size, 10 * size + k).T for k, one in enumerate(blocks))
        A, B = A / np.linalg.norm(A), B / np.linalg.norm(B)
        cost = np.abs(np.linalg.eigvals(A)[:, None] - np.linalg.eigvals(B)) ** 2
        exact = np.sqrt(cost[linear_sum_assignment(cost)].sum())
        assert procrustes_distance(A, B) == pytest.approx(exact, abs=1e-4)
        assert eigenvalue_distance(A, B) == pytest.approx(exact / np.sqrt(size), abs=1e-12)
        assert procrustes_distance(A, B, restarts=8) >= exact - 1e-9


def test_the_same_operator_turned_or_mirrored_is_at_no_distance_but_the_identity_alone_does_not_find_it() -> None:
    A = np.random.default_rng(0).standard_normal((8, 8))
    A /= np.linalg.norm(A)
    for seed in range(4):
        Q = turned(8, seed)
        Q[:, 0] *= np.sign(np.linalg.det(Q)) * (-1) ** seed
        assert procrustes_distance(A, Q @ A @ Q.T) < 1e-4
        assert procrustes_distance(3 * A, Q @ A @ Q.T) < 1e-4  # norms do not count
    Q = turned(8, 1)
    alone = _aligned(A, Q @ A @ Q.T, np.zeros((8, 8)), np.eye(8)[None], 500)[0]
    assert np.linalg.norm(A - alone @ Q @ A @ Q.T @ alone.T) > 0.1
    np.testing.assert_allclose(alone @ alone.T, np.eye(8), atol=1e-10)


def test_an_input_is_not_taken_for_dynamics() -> None:
    rng = np.random.default_rng(3)
    slow = np.cumsum(rng.standard_normal((200, 100, 2)), axis=1) / 10
    enters = rng.standard_normal((6, 2))
    driven = run(turning(), 1, slow, enters)
    free = delay_operator(run(turning(), 2), rank=6)
    A, B = input_operator(driven, slow, rank=6)
    assert eigenvalue_distance(free, A) < 0.02 < 0.05 < eigenvalue_distance(free, delay_operator(driven, rank=6))
    assert B.shape == (6, 2)
    again = input_operator(run(turning(), 5, slow, enters) @ turned(6, 8), slow, rank=6)
    other = input_operator(run(turning(), 5, slow, enters[::-1]), slow, rank=6)
    same, different = (procrustes_distance(A, one[0], inputs=(B, one[1])) for one in (again, other))
    assert same < 0.05 and different > 3 * same


def test_what_cannot_be_compared_is_refused() -> None:
    x = run(turning(), 0)
    with pytest.raises(ComparisonError, match=r"^dsa: 99 delays of conditions of 100 bins; there should be at least 1, and"):
        delay_operator(x, delays=99)
    with pytest.raises(ComparisonError, match=r"^dsa: operators of 6 and 4 axes; give both the same rank\.$"):
        procrustes_distance(delay_operator(x), delay_operator(x, rank=4))
    with pytest.raises(ComparisonError, match="the rates are 0 throughout"):
        delay_operator(np.zeros((3, 9, 2)))
    with pytest.raises(ComparisonError, match="it has no direction to compare"):
        procrustes_distance(np.zeros((2, 2)), np.eye(2))
    with pytest.raises(ComparisonError, match=r"inputs are \(condition, time\) \(3, 9\); they should be \(200, 100\)"):
        input_operator(x, np.zeros((3, 9, 2)))


def test_it_is_the_score_of_dsa_metric() -> None:
    DSA = pytest.importorskip("DSA", reason="dsa-metric is not installed")
    a, b = run(turning(), 0), run(turning(1.3 * ANGLES), 1)
    theirs = DSA.DSA(a, b, n_delays=3, rank=10).fit_score()
    ours = eigenvalue_distance(delay_operator(a, delays=3, rank=10), delay_operator(b, delays=3, rank=10)) ** 2
    assert ours == pytest.approx(float(theirs), abs=1e-5)
