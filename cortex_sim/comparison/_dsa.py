"""Dynamical similarity analysis: linear operators on delay embeddings, compared up to a rotation, whatever the geometry of the systems.

Source:
    Ostrow, Eisen, Kozachkov & Fiete (2023) NeurIPS 36; the search over rotations is our own.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from cortex_sim.comparison._measures import LOST, departures, measure
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream

RESTARTS, STEPS = 32, 500
RATE, SLOWER, FORGET = 0.15, 0.9, 0.99  # of the search: step in rad at its start, and how much of past steps and squared steps is kept
RIDGE = 1e-8  # of the regression, whose delay coordinates have length 1
SPANNED = 1e-6  # of the largest singular value: delay coordinates below are left out
DELAYS, RANK = 3, 10  # of the delay embedding of the measures, and axes kept of it
STARTS, SEARCH = 16, 200  # of the measures' search for the best rotation: fewer than where it is the only measure


def delay_operator(rates: Float[ndarray, "condition time unit"], *, delays: int = 1, rank: int | None = None) -> Float[ndarray, "axis axis"]:
    """Return the linear operator that advances the delay coordinates of a system by one bin (HAVOK).

    Delay vectors, which never span two conditions, are rotated to their principal axes and scaled by a common factor; the operator is the
    least-squares map from each vector to the next.

    Args:
        rates: any unit.
        delays: number of bins in a delay vector.
        rank: number of principal axes; if None, or if fewer are spanned, the number spanned.

    Raises:
        ComparisonError: conditions are too short for the delays, or nothing varies.
    """
    return _fitted(rates, None, delays, rank)[0]


def input_operator(
    rates: Float[ndarray, "condition time unit"], inputs: Float[ndarray, "condition time channel"], *, delays: int = 1, rank: int | None = None
) -> tuple[Float[ndarray, "axis axis"], Float[ndarray, "axis channel"]]:
    """Return the linear operator of a driven system, whose next coordinates depend on the present ones and on the input.

    Args:
        rates: any unit.
        inputs: input to the system from one bin to the next.
        delays: number of bins in a delay vector.
        rank: number of principal axes.

    Returns:
        The operator, and the input matrix.

    Raises:
        ComparisonError: as for :func:`delay_operator`, or inputs have other conditions or bins.
    """
    if inputs.shape[:2] != rates.shape[:2]:
        raise ComparisonError(f"dsa: inputs are (condition, time) {inputs.shape[:2]}; they should be {rates.shape[:2]}, as the rates are.")
    return _fitted(rates, inputs, delays, rank)


def _fitted(rates: ndarray, inputs: ndarray | None, delays: int, rank: int | None) -> tuple[ndarray, ndarray]:
    conditions, bins, _ = rates.shape
    if not 1 <= delays <= bins - 2:
        raise ComparisonError(f"dsa: {delays} delays of conditions of {bins} bins; there should be at least 1, and 2 bins more than delays.")
    embedded = np.concatenate([rates[:, delays - 1 - k : bins - k] for k in range(delays)], axis=2)
    flat = embedded.reshape(-1, embedded.shape[2])
    values, axes = np.linalg.eigh(flat.T @ flat)
    scales = np.sqrt(np.maximum(values[::-1], 0.0))
    if not scales[0] > 0:
        raise ComparisonError("dsa: the rates are 0 throughout; there is nothing that moves.")
    kept = min(int((scales > SPANNED * scales[0]).sum()), rank or len(scales))
    coordinates = flat @ (axes[:, ::-1][:, :kept] / scales[:kept])
    coordinates = (coordinates * np.where((coordinates**3).sum(axis=0) < 0, -1, 1)).reshape(conditions, -1, kept)  # signs that units have no part in
    now, after = (part.reshape(-1, kept) for part in (coordinates[:, :-1], coordinates[:, 1:]))
    driven = np.zeros((len(now), 0)) if inputs is None else inputs[:, delays - 1 : -1].reshape(len(now), -1)
    design = np.hstack([now, driven])
    solution = np.linalg.solve(design.T @ design + RIDGE * np.eye(design.shape[1]), design.T @ after).T
    return solution[:, :kept], solution[:, kept:]


def eigenvalue_distance(a: Float[ndarray, "axis axis"], b: Float[ndarray, "other other"]) -> float:
    """Return the Wasserstein distance of the eigenvalues of two operators: root mean square, best pairing; the smaller set is padded with 0.

    There is no normalisation: faster decay distinguishes systems as well as faster rotation. Its square is the default score of dsa-metric 2.
    """
    values = [np.linalg.eigvals(one) for one in (a, b)]
    size = max(map(len, values))
    one, other = (np.concatenate([each, np.zeros(size - len(each))]) for each in values)
    cost = np.abs(one[:, None] - other) ** 2
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def procrustes_distance(
    a: Float[ndarray, "axis axis"],
    b: Float[ndarray, "axis axis"],
    *,
    inputs: tuple[Float[ndarray, "axis channel"], Float[ndarray, "axis channel"]] | None = None,
    seed: int = 0,
    restarts: int = RESTARTS,
    steps: int = STEPS,
) -> float:
    r"""Return :math:`\min_C \lVert A - C B C^\top\rVert_F` over orthogonal C, both of norm 1: independent of geometry and of overall decay rate.

    The minimum is searched from many random rotations and reflections at once, by Adam on the group with Cayley steps: from the identity alone, two
    recordings of one system can have a distance of 0.35. For normal matrices it equals the distance of the eigenvalues (Hoffman & Wielandt).

    Args:
        a: an operator.
        b: another of the same size.
        inputs: input matrices of both, (axis, channel) each, which the same rotation must match too; the squared distances are added.
        seed: of the initial rotations.
        restarts: number of initial rotations.
        steps: number of steps of the search.

    Raises:
        ComparisonError: the sizes differ, or an operator is 0.
    """
    if a.shape != b.shape:
        raise ComparisonError(f"dsa: operators of {len(a)} and {len(b)} axes; give both the same rank.")
    pairs = [(a, b)] + ([inputs] if inputs else [])
    if min(np.linalg.norm(one) for pair in pairs for one in pair) == 0:
        raise ComparisonError("dsa: an operator is 0; it has no direction to compare.")
    A, B = (one / np.linalg.norm(one) for one in (a, b))
    entering = np.zeros_like(A) if inputs is None else inputs[0] @ inputs[1].T / (np.linalg.norm(inputs[0]) * np.linalg.norm(inputs[1]))
    C = _aligned(A, B, entering, _turns(len(A), restarts, seed), steps)
    alike = np.einsum("ij,bik,kl,bjl->b", A, C, B, C, optimize=True) + np.einsum("ij,bij->b", entering, C)
    return float(np.sqrt(max(0.0, 2 * len(pairs) - 2 * alike.max())))


def _turns(size: int, count: int, seed: int) -> Float[ndarray, "restart axis axis"]:
    """Return uniformly distributed rotations and reflections."""
    rng = stream(seed, "analysis", "restarts of DSA")
    Q, R = np.linalg.qr(rng.standard_normal((count, size, size)))
    return Q * np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None, :]


def _aligned(A: ndarray, B: ndarray, entering: ndarray, C: ndarray, steps: int) -> Float[ndarray, "restart axis axis"]:
    """Maximise tr(A' C B C') + tr(E' C) from every start; a step C <- (I - X/2)^-1 (I + X/2) C with skew-symmetric X stays orthogonal."""
    identity = np.eye(len(A))
    mean, square = np.zeros_like(C), np.zeros((len(C), 1, 1))
    for step in range(1, steps + 1):
        up = (A @ C @ B.T + A.T @ C @ B + entering) @ C.transpose(0, 2, 1)
        up = up - up.transpose(0, 2, 1)
        mean = SLOWER * mean + (1 - SLOWER) * up
        square = FORGET * square + (1 - FORGET) * (up**2).mean(axis=(1, 2), keepdims=True)
        sized = np.sqrt(square / (1 - FORGET**step)) + np.finfo(float).tiny
        X = RATE * (1 - (step - 1) / steps) * mean / (1 - SLOWER**step) / sized
        C = np.linalg.solve(identity - X / 2, (identity + X / 2) @ C)
    return C


def _operator(rates: Float[ndarray, "condition time unit"], _: float, axes: int | None = None) -> Float[ndarray, "axis axis"] | None:
    """Return the operator of delay embeddings of the deviations from the mean over conditions."""
    x = departures(rates)
    return delay_operator(x, delays=DELAYS, rank=axes or _spanned(rates)) if np.ptp(x, axis=(0, 1)).any() else None


def _spanned(rates: Float[ndarray, "condition time unit"]) -> int:
    """Return the number of axes of a delay embedding of these deviations that hold 99 % of its variance, so that weak noise adds none; at most 10."""
    x = departures(rates)
    embedded = np.concatenate([x[:, DELAYS - 1 - k : x.shape[1] - k] for k in range(DELAYS)], axis=2)
    values = np.linalg.eigvalsh(np.cov(embedded.reshape(-1, embedded.shape[2]), rowvar=False))
    return min(RANK, int((np.cumsum(np.maximum(values, 0.0)) > LOST * values.sum()).sum()))


def _filled(one: ndarray | None, other: ndarray | None) -> tuple[ndarray, ndarray] | None:
    """Return both operators padded to the larger size: along unspanned axes a system does not move, a difference that must count."""
    if one is None or other is None:
        return None
    size = max(len(one), len(other))
    first, second = (np.pad(operator, (0, size - len(operator))) for operator in (one, other))
    return first, second


@measure("DSA, eigenvalues", better="lower", identical=0.0, read=_operator, axes=_spanned,
         about="eigenvalues of linear operators of delay embeddings")  # fmt: skip
def _eigenvalues_apart(one: ndarray | None, other: ndarray | None) -> float:
    pair = _filled(one, other)
    return eigenvalue_distance(*pair) if pair else np.inf


@measure("DSA, Procrustes", better="lower", identical=0.0, read=_operator, axes=_spanned,
         about="the operators after the best rotation, both of norm 1, so blind to a common change of decay")  # fmt: skip
def _operators_apart(one: ndarray | None, other: ndarray | None) -> float:
    pair = _filled(one, other)
    return procrustes_distance(*pair, restarts=STARTS, steps=SEARCH) if pair else np.inf
