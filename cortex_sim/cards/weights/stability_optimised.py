"""Stability-optimised circuits: random E/I networks whose inhibition is tuned until it stabilises strong excitation.

Source:
    Hennequin, Vogels & Gerstner (2014) Neuron 82:1394; step order and constants as in the code published with
    Stroud et al. (2018) Nat Neurosci 21:1774 (jakepstroud/gain_modulation_stability_optimised_circuits, soc_function.m).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import lapack, schur

from cortex_sim.errors import OptionError, Undetermined

CACHED = True
STEP = 10.0  # learning rate on the unit-trace gradient
SHIFT = (1.5, 0.2)  # the gradient is taken at max(1.5 SA, SA + 0.2)
DENSITY = 0.4  # of inhibitory entries kept
SHARED = 3  # iterations that share one gradient in a large circuit: as many as one each, in a third of the time; 5 overshoots for some seeds
LARGE = 200  # units; below, the gradient turns too fast to be shared (at 100 units, sharing among 5 takes 9 times the iterations)
LEAF = 50  # below this size LAPACK's unblocked Sylvester solver is faster than recursion
MARGIN = 5e-4  # single-precision error of the abscissa, below which it is computed again in double
LIMIT = 20_000  # iterations

Report = Callable[[float, str], None]


def build(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    density: float,
    radius: float,
    inhibition: float,
    abscissa: float,
    report: Report = lambda done, text: None,
) -> Float[ndarray, "unit unit"]:
    r"""Return the recurrent weights of a stability-optimised circuit.

    Starts from :func:`unstable` and descends the smoothed spectral abscissa (SA) with respect to its inhibitory weights: with
    :math:`A = W - sI`, :math:`A^\top Q + QA = AP + PA^\top = -2I`, the gradient is :math:`QP/\mathrm{tr}\,QP`. After each step positive
    inhibitory weights are clipped, block means are restored to ``-inhibition`` times the excitatory ones, the strongest 40 % are kept and
    the diagonal is set to 0. One Schur decomposition gives SA and both solutions; it uses single precision, which changes the
    gradient by less than 1e-4; the stopping rule is checked in double precision.

    Args:
        shape: (N, N), N even; the first half of the columns is excitatory.
        rng: draws the connections.
        density: probability of a connection before optimisation.
        radius: spectral radius of the random circuit.
        inhibition: gamma, ratio of mean inhibitory to mean excitatory weight.
        abscissa: the SA at which to stop; dimensionless (1 is the edge of instability).
        report: called with the completed fraction and a line of text.

    Raises:
        OptionError: N is odd or too small, or the target is not below the initial SA.
        Undetermined: the target was not reached within 20,000 iterations.
    """
    W = unstable(shape, rng, density=density, radius=radius, inhibition=inhibition)
    means = _excitatory_means(W, inhibition)
    start = spectral_abscissa(W)
    if not 0 < abscissa < start:
        raise OptionError(f"stability_optimised: abscissa {abscissa:g} should lie between 0 and {start:.3g}, that of the random circuit.")
    shared = SHARED if len(W) >= LARGE else 1
    for iteration in range(LIMIT):
        if iteration % shared == 0:
            gradient, found = _gradient(W)
            if found <= abscissa + MARGIN and spectral_abscissa(W) <= abscissa:
                report(1.0, f"spectral abscissa {found:.3f} after {iteration} iterations")
                return W
            report(_fraction(start, found, abscissa), f"spectral abscissa {found:.3f}, target {abscissa:g}")
        W[:, W.shape[0] // 2 :] = _project(W[:, W.shape[0] // 2 :] - STEP * gradient, means)
    raise Undetermined(f"stability_optimised: spectral abscissa {found:.3f} after {LIMIT} iterations; it should reach {abscissa:g}.")


def unstable(shape: tuple[int, int], rng: np.random.Generator, *, density: float, radius: float, inhibition: float) -> Float[ndarray, "unit unit"]:
    """Return the random E/I circuit from which optimisation starts: round(p N (N-1)) off-diagonal connections.

    Excitatory weights are w0/sqrt(N), inhibitory ones -gamma w0/sqrt(N), w0 = sqrt(2) R / sqrt(p (1-p) (1+gamma^2)).

    Raises:
        OptionError: the shape is not square with an even number of at least ten units, or the density is out of range.
    """
    rows, columns = shape
    if not 0 < density < 1:
        raise OptionError(f"stability_optimised: density {density:g} should lie between 0 and 1.")
    if not (radius > 0 and inhibition > 0):
        raise OptionError(f"stability_optimised: radius {radius:g} and inhibition {inhibition:g} should be positive.")
    if rows != columns or rows % 2 or rows < 10:
        raise OptionError(f"stability_optimised: shape {shape} should be (N, N) with N even and at least 10.")
    w0 = np.sqrt(2) * radius / np.sqrt(density * (1 - density) * (1 + inhibition**2))
    W = np.zeros(shape)
    places = np.flatnonzero(~np.eye(rows, dtype=bool))
    W.flat[rng.choice(places, round(density * rows * (rows - 1)), replace=False)] = w0 / np.sqrt(rows)
    W[:, rows // 2 :] *= -inhibition
    return W


def spectral_abscissa(W: Float[ndarray, "unit unit"]) -> float:
    """Return the largest real part of the eigenvalues of W."""
    return float(np.linalg.eigvals(W).real.max())


def evoked_energy(W: Float[ndarray, "unit unit"]) -> tuple[Float[ndarray, " unit"], Float[ndarray, "unit unit"]]:
    r"""Return the energy that each initial direction evokes in the linear circuit, strongest first.

    :math:`E(a) = \tfrac{2}{\tau}\int |x|^2 dt = a^\top Q a` with :math:`A^\top Q + QA = -2I`, :math:`A = W - I`: the eigenvectors of Q are
    the preferred initial states. An unconnected circuit has exactly 1 in every direction.

    Returns:
        Energies in descending order, and the unit-norm directions as columns.

    Raises:
        Undetermined: W is not stable (spectral abscissa of at least 1), so the integral diverges.
    """
    if (found := spectral_abscissa(W)) >= 1:
        raise Undetermined(f"spectral abscissa {found:.3f} is not below 1, so no evoked energy exists; scale or optimise W first.")
    T, U = schur(W - np.eye(len(W)), output="real")
    Q = U @ _lyapunov(T, -2 * np.eye(len(W))) @ U.T
    energies, directions = np.linalg.eigh((Q + Q.T) / 2)
    return energies[::-1], directions[:, ::-1]


def _gradient(W: Float[ndarray, "unit unit"]) -> tuple[Float[ndarray, "unit inhibitory"], float]:
    """Return the gradient of the smoothed spectral abscissa with respect to the inhibitory columns, and the abscissa."""
    T, U = schur(W.astype(np.float32), output="real", check_finite=False)
    found = float(np.diag(T).max())
    A = T - np.float32(max(SHIFT[0] * found, found + SHIFT[1])) * np.eye(len(W), dtype=np.float32)
    both = (A, np.ascontiguousarray(A.T[::-1, ::-1]))
    with ThreadPoolExecutor(2) as pool:
        Q, P = pool.map(lambda T: _lyapunov(T, -2 * np.eye(len(T), dtype=np.float32)), both)
    QP = Q @ P[::-1, ::-1]
    return U @ (QP @ U[len(W) // 2 :].T) / np.trace(QP), found


def _lyapunov(T: Float[ndarray, "n n"], C: Float[ndarray, "n n"]) -> Float[ndarray, "n n"]:
    """Return the solution of T'X + XT = C for quasi-upper-triangular T and symmetric C, by bisection, so that most work is matrix products."""
    if len(T) <= LEAF:
        return _leaf(T, T, C)
    k = _middle(T)
    X = np.empty_like(C)
    X[:k, :k] = _lyapunov(T[:k, :k], C[:k, :k])
    X[:k, k:] = _sylvester(T[:k, :k], T[k:, k:], C[:k, k:] - X[:k, :k] @ T[:k, k:])
    cross = T[:k, k:].T @ X[:k, k:]
    X[k:, k:] = _lyapunov(T[k:, k:], C[k:, k:] - cross - cross.T)
    X[k:, :k] = X[:k, k:].T
    return X


def _sylvester(A: Float[ndarray, "n n"], B: Float[ndarray, "m m"], C: Float[ndarray, "n m"]) -> Float[ndarray, "n m"]:
    """Return the solution of A'X + XB = C for quasi-upper-triangular A and B."""
    if max(C.shape) <= LEAF:
        return _leaf(A, B, C)
    if len(A) >= len(B):
        k = _middle(A)
        top = _sylvester(A[:k, :k], B, C[:k])
        return np.vstack([top, _sylvester(A[k:, k:], B, C[k:] - A[:k, k:].T @ top)])
    k = _middle(B)
    left = _sylvester(A, B[:k, :k], C[:, :k])
    return np.hstack([left, _sylvester(A, B[k:, k:], C[:, k:] - left @ B[:k, k:])])


def _leaf(A: Float[ndarray, "n n"], B: Float[ndarray, "m m"], C: Float[ndarray, "n m"]) -> Float[ndarray, "n m"]:
    solve = lapack.strsyl if C.dtype == np.float32 else lapack.dtrsyl
    X, factor, _ = solve(A, B, C, trana="T")
    return X / factor


def _middle(T: Float[ndarray, "n n"]) -> int:
    """Return half the size, shifted by one if it would split a 2 x 2 block."""
    k = len(T) // 2
    return k + 1 if T[k, k - 1] else k


def _excitatory_means(W: Float[ndarray, "unit unit"], inhibition: float) -> tuple[float, float]:
    half = len(W) // 2
    return -inhibition * float(W[:half, :half].mean()), -inhibition * float(W[half:, :half].mean())


def _project(W: Float[ndarray, "unit inhibitory"], means: tuple[float, float]) -> Float[ndarray, "unit inhibitory"]:
    """Clip, restore both block means, keep the strongest entries, zero the diagonal (steps 5 to 8)."""
    half = W.shape[1]
    W = np.minimum(W, 0.0)
    W[:half] *= means[0] / W[:half].mean()
    W[half:] *= means[1] / W[half:].mean()
    last = int(DENSITY * W.size) - 1
    W[np.partition(W.ravel(), last)[last] < W] = 0.0
    W[half + np.arange(half), np.arange(half)] = 0.0
    return W


def _fraction(start: float, now: float, target: float) -> float:
    """Return the fraction of the work done; the abscissa decreases roughly as 1/iteration."""
    return float(np.clip((1 / now - 1 / start) / (1 / target - 1 / start), 0.0, 1.0)) if now > 0 else 1.0
