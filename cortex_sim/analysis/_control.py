r"""Optimal control of a linear circuit: the cost of a state, and the feedback that minimises it.

Time is in units of the circuit's time constant: :math:`\dot x = A x + u` with :math:`A = W - I` and x the deviation from the wanted state.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import solve_continuous_are, solve_continuous_lyapunov

from cortex_sim.errors import Undetermined

Square = Float[ndarray, "unit unit"]


def observability(A: Square, C: Float[ndarray, "output unit"]) -> Square:
    r"""Return the Gramian Q with :math:`A^\top Q + Q A + C^\top C = 0`: from x, outputs add up to :math:`\int |C x|^2 dt = x^\top Q x`.

    Raises:
        Undetermined: A is not stable, so that the integral diverges.
    """
    return _lyapunov(A, C.T @ C)


@dataclass(frozen=True)
class Controller:
    r"""Feedback :math:`u = K x` that minimises :math:`\int x^\top Q x + \lambda |u|^2 dt`.

    Attributes:
        K: feedback gain.
        S: :math:`x^\top S x` is the minimal cost from x.
    """

    K: Square
    S: Square


def lqr(A: Square, Q: Square, penalty: float) -> Controller:
    r"""Return the optimal feedback: the solution of :math:`A^\top S + S A - S S/\lambda + Q = 0` and :math:`K = -S/\lambda`.

    Args:
        A: of the circuit; every unit can be driven.
        Q: cost of a state, symmetric.
        penalty: lambda, cost of the drive; positive.
    """
    S = solve_continuous_are(A, np.eye(len(A)), (Q + Q.T) / 2, penalty * np.eye(len(A)))
    S = (S + S.T) / 2
    return Controller(-S / penalty, S)


def cost_without_feedback(A: Square, Q: Square) -> Square:
    r"""Return X such that :math:`\int x^\top Q x\,dt = x^\top X x` from x without feedback.

    Raises:
        Undetermined: A is not stable.
    """
    return _lyapunov(A, Q)


def _lyapunov(A: Square, Q: Square) -> Square:
    if (found := float(np.linalg.eigvals(A).real.max())) >= 0:
        raise Undetermined(f"control: largest real part of the eigenvalues is {found:.3g}; the circuit should be stable (below 0).")
    X = solve_continuous_lyapunov(A.T, -(Q + Q.T) / 2)
    return (X + X.T) / 2
