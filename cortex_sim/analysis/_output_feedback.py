r"""Optimal feedback from some outputs of a linear system alone, and the split of feedback into sign-constrained weights.

With :math:`\dot x = A x + B u`, what is seen :math:`C x` and :math:`u = K C x`, the cost from x is :math:`x^\top S x`, where
:math:`F^\top S + S F + Q + \lambda C^\top K^\top K C = 0`, :math:`F = A + BKC`; over all directions it is tr S. Its derivative by K is
:math:`2(\lambda K C + B^\top S) L C^\top` with :math:`F L + L F^\top + 1 = 0`.

Source:
    Levine & Athans (1970) IEEE Trans Autom Control 15:44; minimised and split as in the code of Kao, Sadabadi & Hennequin (2021) Neuron 109:1567.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import schur
from scipy.linalg.lapack import dtrsyl
from threadpoolctl import threadpool_limits

from cortex_sim.analysis._descended import descended
from cortex_sim.errors import Undetermined

REFUSED = 1e3  # times the cost without feedback: what the search is told of feedback that makes the system unstable
SHRINK = 0.1  # penalty of factors, relative to their number of entries
BEGUN = 0.1  # s.d. of the roots of factors at first

Feedback = Float[ndarray, "input seen"]


class Plant(NamedTuple):
    """A linear system; time is in units of the circuit's time constant.

    Attributes:
        A: flow of the state.
        B: effect of inputs on it.
        C: what is seen of the state.
    """

    A: Float[ndarray, "state state"]
    B: Float[ndarray, "state input"]
    C: Float[ndarray, "seen state"]


def relayed(A: Float[ndarray, "unit unit"], Y: Float[ndarray, "relay unit"], *, speed: float) -> Plant:
    r"""Return a circuit that is seen through two stages of relays: :math:`\dot y = s(Yx - y)`, :math:`\dot z = s(z - y)`, of which z is seen.

    Args:
        A: flow of the circuit; every unit can be driven.
        Y: weights of the first relays on units.
        speed: s, the time constant of the circuit over that of the relays.
    """
    units, relays = len(A), len(Y)
    flow = np.zeros((units + 2 * relays,) * 2)
    first, second = slice(units, units + relays), slice(units + relays, None)
    flow[:units, :units], flow[first, :units], flow[second, first] = A, speed * Y, speed * np.eye(relays)
    flow[first, first] = flow[second, second] = -speed * np.eye(relays)
    return Plant(flow, np.eye(len(flow), units), np.eye(len(flow))[second])


def feedback_cost(plant: Plant, Q: Float[ndarray, "state state"], K: Feedback, *, penalty: float) -> tuple[float, Feedback]:
    r"""Return the cost of feedback, summed over directions, and its derivative by K; an infinite cost and 0 if the closed system is not stable.

    Args:
        plant: the system.
        Q: cost of a state, symmetric.
        K: feedback gain.
        penalty: lambda, cost of the inputs.
    """
    A, B, C = plant
    T, U = schur(A + B @ K @ C)
    if np.diag(T).max() >= 0:  # LAPACK writes a complex pair as two equal entries on the diagonal, its real part
        return np.inf, np.zeros_like(K)
    L = U @ dtrsyl(T, T, -np.eye(len(T)), trana="N", tranb="T")[0] @ U.T
    weight = U.T @ (Q + penalty * C.T @ (K.T @ K) @ C) @ U
    S = U @ dtrsyl(T, T, -weight, trana="T", tranb="N")[0] @ U.T
    return float(np.trace(S)), 2 * (penalty * K @ C + B.T @ S) @ L @ C.T


@threadpool_limits.wrap(limits=1)
def output_feedback(plant: Plant, Q: Float[ndarray, "state state"], *, penalty: float, steps: int = 200) -> Feedback:
    """Return the feedback of least cost that L-BFGS finds, starting from none.

    Args:
        plant: the system, stable without feedback.
        Q: cost of a state, symmetric.
        penalty: lambda, cost of the inputs; positive.
        steps: maximum number of steps.

    Raises:
        Undetermined: the system is not stable without feedback.
    """
    shape = plant.B.shape[1], len(plant.C)
    alone, _ = feedback_cost(plant, Q, np.zeros(shape), penalty=penalty)
    if not np.isfinite(alone):
        raise Undetermined("output_feedback: the system should be stable without feedback, from which the search starts.")

    def cost(entries: ndarray) -> tuple[float, ndarray]:
        found, gradient = feedback_cost(plant, Q, entries.reshape(shape), penalty=penalty)
        return (found if np.isfinite(found) else REFUSED * alone), gradient.ravel()

    return descended(cost, np.zeros(shape), steps=steps, label="output feedback").reshape(shape)


class Factors(NamedTuple):
    """Sign-constrained weights whose product is a feedback.

    Attributes:
        out: onto the inputs; the first half of the columns is positive or 0, the other negative or 0.
        into: onto the units in between, positive or 0.
        missed: squared error of the product, relative to the squared feedback.
    """

    out: Float[ndarray, "input unit"]
    into: Float[ndarray, "unit seen"]
    missed: float


@threadpool_limits.wrap(limits=1)
def signed_factors(K: Feedback, units: int, *, rng: np.random.Generator, steps: int = 1000) -> Factors:
    r"""Return weights through units in between that come nearest to a feedback in squared error: entries are squares, found by L-BFGS.

    Minimises :math:`|PN - K|^2/|K|^2 + \rho(|P|^2 + |N|^2)`; the two are then scaled to the same norm.

    Args:
        K: feedback gain.
        units: in between; half of them inhibit.
        rng: of the start.
        steps: maximum number of steps.
    """
    rows, seen = K.shape
    sign = np.where(np.arange(units) < round(units / 2), 1.0, -1.0)
    size = (K**2).sum()
    shrink = SHRINK / (units * (rows + seen))

    def cost(roots: ndarray) -> tuple[float, ndarray]:
        first, second = roots[: rows * units].reshape(rows, units), roots[rows * units :].reshape(units, seen)
        out, into = sign * first**2, second**2
        off = out @ into - K
        value = (off**2).sum() / size + shrink * ((out**2).sum() + (into**2).sum())
        by_out, by_into = 2 * off @ into.T / size + 2 * shrink * out, 2 * out.T @ off / size + 2 * shrink * into
        return float(value), np.concatenate([(2 * first * sign * by_out).ravel(), (2 * second * by_into).ravel()])

    start = BEGUN * rng.standard_normal(units * (rows + seen))
    roots = descended(cost, start, steps=steps, label="signed weights", ftol=1e-7)
    out, into = sign * roots[: rows * units].reshape(rows, units) ** 2, roots[rows * units :].reshape(units, seen) ** 2
    scale = np.sqrt(np.linalg.norm(out) / np.linalg.norm(into))
    return Factors(out / scale, into * scale, float(((out @ into - K) ** 2).sum() / size))
