r"""Residual dynamics: how departures of single trials from the average of their condition decay and rotate.

For residuals :math:`x_{t+1} = A x_t + w_t`, observed with noise that is independent from bin to bin, the regression of the next residual on the
present one makes A too small, since the noise is part of the regressor. Residuals one bin earlier are correlated with the present ones, but not with
their noise: as instruments they give :math:`A = \langle x_{t+1} x_{t-1}^\top\rangle \langle x_t x_{t-1}^\top\rangle^{-1}`, which is consistent.

Source:
    Galgali, Sahani & Mante (2023) Nat Neurosci 26:326, who let A change in time and choose the subspace by cross-validation; here it is one operator
    in the leading components of the residuals.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._dsa import eigenvalue_distance
from cortex_sim.comparison._residuals import residuals_of
from cortex_sim.errors import ComparisonError
from cortex_sim.trials import Trials

AXES = 6
SHRINK = 1e-3  # of the mean singular value: ridge of the inverse, so that weak axes do not blow up
LARGEST = 1.0  # size of an eigenvalue: what grows within a bin is taken as lasting


def residual_operator(residuals: Float[ndarray, "trial time unit"], axes: int = AXES) -> Float[ndarray, "axis axis"]:
    """Return the operator that advances residuals by one bin, in their leading components.

    Args:
        residuals: of single trials.
        axes: number of components; fewer if there are fewer units.

    Raises:
        ComparisonError: there are fewer than three bins, or nothing varies.
    """
    if residuals.shape[1] < 3 or not np.ptp(residuals) > 0:
        raise ComparisonError(f"residual dynamics: residuals of shape {residuals.shape}; they should vary, in three bins or more.")
    flat = residuals.reshape(-1, residuals.shape[2])
    leading = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :axes]
    x = residuals @ leading
    before, now, after = (part.reshape(-1, x.shape[2]) for part in (x[:, :-2], x[:, 1:-1], x[:, 2:]))
    there, ahead = now.T @ before, after.T @ before
    left, sizes, right = np.linalg.svd(there)
    return ahead @ (right.T * (sizes / (sizes**2 + (SHRINK * sizes.mean()) ** 2))) @ left.T


def residual_distance(a: Trials, b: Trials) -> float:
    """Return the distance of the eigenvalues of two systems' residual dynamics, root mean square under the best pairing.

    Args:
        a: single trials.
        b: of the other system, in bins of the same width; its conditions and units may be others.

    Raises:
        ComparisonError: as for :func:`residual_operator`.
    """
    return eigenvalue_distance(*(_bounded(residual_operator(residuals_of(one))) for one in (a, b)))


def _bounded(operator: Float[ndarray, "axis axis"]) -> Float[ndarray, "axis axis"]:
    """Return an operator scaled down if an eigenvalue is larger than 1, as weak axes may give by chance."""
    largest = float(np.abs(np.linalg.eigvals(operator)).max())
    return operator * min(1.0, LARGEST / largest) if largest > 0 else operator
