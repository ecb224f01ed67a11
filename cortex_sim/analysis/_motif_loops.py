r"""Linear circuits that loops through few units give wanted dynamics: outputs as sums of modes, loops that impose them, and one that prepares.

A circuit follows :math:`\tau\dot x = (J - 1) x`; a loop through thalamic units adds :math:`UV` to J. In steps of h time constants a mode with
eigenvalue :math:`\lambda` of J is multiplied by :math:`1 + h(\lambda - 1)`.

Source:
    Logiaco, Abbott & Escola (2021) Cell Rep 35:109090, and their code (LaurelineLogiaco/thalContCrtx_seq).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray
from scipy.linalg import schur
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from cortex_sim.analysis._descended import descended
from cortex_sim.analysis._output_feedback import Plant, feedback_cost
from cortex_sim.errors import Undetermined

SLOWEST, FASTEST, TURNING = 0.005, 0.5, 0.6  # least and largest decay of a mode, and its largest frequency in radians, per time constant
SMALL = 1e-3  # penalty of squared amplitudes, relative to the squared output
STARTS = 5
REFUSED = 10.0  # above the logarithm of the error at first: what the search is told of a loop that makes the circuit unstable

Square = Float[ndarray, "unit unit"]


class Modes(NamedTuple):
    """An output as a sum of decaying oscillations, twice the real part of amplitudes times powers.

    Attributes:
        eigenvalues: of the connections, one of each conjugate pair.
        amplitudes: of each.
        share: step over time constant.
        steps: number of steps that the output lasts.
    """

    eigenvalues: Complex[ndarray, " mode"]
    amplitudes: Complex[ndarray, " mode"]
    share: float
    steps: int

    @property
    def powers(self) -> Complex[ndarray, "step mode"]:
        """Return what each mode is multiplied by until every step."""
        return np.asarray((1 + self.share * (self.eigenvalues - 1)) ** np.arange(self.steps)[:, None])

    @property
    def course(self) -> Float[ndarray, " step"]:
        """Return the output."""
        return 2 * np.real(self.powers @ self.amplitudes)


def fitted_modes(output: Float[ndarray, " step"], count: int, *, share: float, rng: np.random.Generator) -> Modes:
    """Return few modes whose sum comes near to an output in squared error, with decays and frequencies by least squares from several starts.

    Args:
        output: at every step.
        count: number of modes.
        share: step over time constant.
        rng: of the starts.
    """
    weight = np.sqrt(SMALL * (output**2).sum())

    def fitted(entries: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        powers = Modes(1 - entries[:count] + 1j * entries[count:], np.zeros(count, dtype=complex), share, len(output)).powers
        design = 2 * np.hstack([powers.real, -powers.imag])
        found = np.linalg.lstsq(np.vstack([design, weight * np.eye(2 * count)]), np.append(output, np.zeros(2 * count)), rcond=None)[0]
        return found, design @ found - output, weight * found

    low, high = np.repeat([SLOWEST, 0.0], count), np.repeat([FASTEST, TURNING], count)
    even = np.concatenate([np.full(count, 0.03), TURNING * (np.arange(count) + 0.5) / count])
    starts = [np.clip(even * np.exp(0.3 * rng.standard_normal(2 * count)), low + 1e-6, high - 1e-6) for _ in range(STARTS)]
    tried = [least_squares(lambda entries: np.concatenate(fitted(entries)[1:]), start, bounds=(low, high), max_nfev=50) for start in starts]
    best = min(tried, key=lambda each: each.cost).x
    found = fitted(best)[0]
    return Modes(1 - best[:count] + 1j * best[count:], found[:count] + 1j * found[count:], share, len(output))


class MotifLoop(NamedTuple):
    """A loop through one unit, and the state from which an output follows.

    Attributes:
        out: weights of the unit on the circuit.
        into: weights of the circuit on the unit.
        start: initial state.
    """

    out: Float[ndarray, " unit"]
    into: Float[ndarray, " unit"]
    start: Float[ndarray, " unit"]


class Motif:
    r"""A wanted output of a circuit, and the loops through one unit that make it: one for every vector u of weights on the circuit.

    :math:`J + uv^\top` has the eigenvalue :math:`\lambda` if :math:`v^\top(\lambda - J)^{-1}u = 1`; its eigenvector is :math:`(\lambda - J)^{-1} u`.
    Of all v that meet these equations the smallest is taken.

    Args:
        J: connections.
        readout: weights of the output on units.
        modes: wanted.
    """

    def __init__(self, J: Square, readout: Float[ndarray, " unit"], modes: Modes) -> None:
        self.readout, self.modes, self.powers = readout, modes, modes.powers
        self.solved = np.stack([np.linalg.inv(value * np.eye(len(J)) - J) for value in modes.eigenvalues])
        self.plant = Plant(J - np.eye(len(J)), np.eye(len(J)), np.eye(len(J)))

    def loop(self, u: Float[ndarray, " unit"]) -> MotifLoop:
        """Return the loop with these weights on the circuit."""
        vectors = self.solved @ u
        conditions = np.vstack([vectors.real, vectors.imag])
        v = np.linalg.lstsq(conditions, np.repeat([1.0, 0.0], len(vectors)), rcond=None)[0]
        return MotifLoop(u, v, 2 * np.real((self.modes.amplitudes / (vectors @ self.readout)) @ vectors))

    def frailty(self, u: Float[ndarray, " unit"]) -> tuple[float, Float[ndarray, " unit"]]:
        r"""Return how much noise of the initial state that is as large as the states themselves disturbs the output, and its derivative.

        It is :math:`\log \sum_k |x_k|^2 + \log \int |w^\top e^{At}|^2 dt` with the states x of the motif and the readout w: the expected squared
        error from white noise, in proportion to the squared states. Infinite if the circuit with the loop is not stable.
        """
        loop, vectors = self.loop(u), self.solved @ u
        seen, slope = feedback_cost(self.plant, np.outer(self.readout, self.readout), np.outer(u, loop.into), penalty=0.0)
        if not np.isfinite(seen):
            return np.inf, np.zeros_like(u)
        by_u = (slope @ loop.into + self._through_into(vectors, loop.into, slope.T @ u)) / seen
        share, reads = self.modes.amplitudes / (vectors @ self.readout), vectors @ self.readout
        states = 2 * np.real(self.powers @ (share[:, None] * vectors))
        pulled = 4 * share[:, None] * (self.powers.T @ states)  # derivative of the squared states by each eigenvector, the real part of its product
        pulled = pulled - np.outer((pulled * vectors).sum(axis=1) / reads, self.readout)
        size = (states**2).sum()
        return float(np.log(size) + np.log(seen)), by_u + np.real(np.einsum("mij,mi->j", self.solved, pulled)) / size

    def _through_into(self, vectors: Complex[ndarray, "mode unit"], v: ndarray, slope: ndarray) -> Float[ndarray, " unit"]:
        """Return the derivative by u of what depends on it through v, the smallest solution of its equations, given that by v."""
        M = np.vstack([vectors.real, vectors.imag])
        inverse = np.linalg.pinv(M)
        y, q = inverse.T @ v, inverse.T @ slope
        by_rows = np.outer(y, slope - M.T @ q) - np.outer(q, v)
        real, imaginary = np.split(by_rows, 2)
        return np.real(np.einsum("mij,mi->j", self.solved, real - 1j * imaginary))


@threadpool_limits.wrap(limits=1)
def motif_loop(J: Square, readout: Float[ndarray, " unit"], modes: Modes, *, rng: np.random.Generator, steps: int = 100) -> MotifLoop:
    """Return a loop that gives a circuit these modes and is least disturbed by noise of the initial state: see :class:`Motif`.

    Args:
        J: connections.
        readout: weights of the output on units.
        modes: wanted.
        rng: of the weights on the circuit at first.
        steps: of optimisation by L-BFGS, at most; 0 keeps the random weights.

    Raises:
        Undetermined: the circuit with the loop of the random weights is not stable.
    """
    motif, u = Motif(J, readout, modes), rng.standard_normal(len(J))
    begun = motif.frailty(u)[0]
    if not np.isfinite(begun):
        raise Undetermined("motif_loop: the circuit is not stable with the loop that the search starts from; give it weaker connections.")

    def cost(entries: ndarray) -> tuple[float, ndarray]:
        found, slope = motif.frailty(entries)
        return min(found, begun + REFUSED), slope

    if steps:
        u = descended(cost, u, steps=steps, label="motif loop")
    return motif.loop(u / np.linalg.norm(u))


@threadpool_limits.wrap(limits=1)
def preparatory_loop(J: Square, units: int, *, steps: int = 200) -> tuple[ndarray, ndarray]:
    r"""Return the loop through some units with which states decay fastest, wherever they start: U and V, columns of U and rows of V of length 1.

    Minimises :math:`\mathrm{tr} \int e^{A^\top t} e^{A t} dt` with :math:`A = J + UV - 1`, by L-BFGS from the loop that makes the slowest modes
    faster by one per time constant: the first Schur vectors, with opposite signs.

    Args:
        J: connections.
        units: number of thalamic units.
        steps: maximum number of steps.

    Raises:
        Undetermined: the circuit with the loop that the search starts from is not stable.
    """
    size = len(J)
    plant, everywhere = Plant(J - np.eye(size), np.eye(size), np.eye(size)), np.eye(size)

    def parts(entries: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        rows = entries.reshape(2 * units, size)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        unit = rows / length
        return unit[:units].T, unit[units:], length

    def cost(entries: ndarray) -> tuple[float, ndarray]:
        U, V, length = parts(entries)
        found, slope = feedback_cost(plant, everywhere, U @ V, penalty=0.0)
        by_rows, unit = np.vstack([(slope @ V.T).T, U.T @ slope]), np.vstack([U.T, V])
        by_rows = (by_rows - (by_rows * unit).sum(axis=1, keepdims=True) * unit) / length
        return min(found, refused), by_rows.ravel()

    slow = np.sort(np.linalg.eigvals(J).real)[-units]
    vectors = schur(J, sort=lambda real, imaginary: real >= slow - 1e-9)[1][:, :units].T
    start, refused = np.vstack([-vectors, vectors]).ravel(), np.inf
    if not np.isfinite(begun := cost(start)[0]):
        raise Undetermined("preparatory_loop: the circuit is not stable with the loop that the search starts from; give it weaker connections.")
    refused = 1e3 * begun
    U, V, _ = parts(descended(cost, start, steps=steps, label="preparatory loop"))
    return U, V
