"""Effective connectivity: the flow of observed rates about a state, in the directions that activity explores."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model
from cortex_sim.errors import ComparisonError
from cortex_sim.simulation import rate_of
from cortex_sim.simulation.torch import linearise

STEP = 1e-5  # of the largest state, at least of 1: of the central differences that give the slope of the rates
HIDDEN = 1e-3  # of the largest singular value: hidden directions that are seen less than this are not moved


@threadpool_limits.wrap(limits=1)
def explored_flow(model: Model, state: Float[ndarray, " state"], axes: Float[ndarray, "unit axis"]) -> Float[ndarray, "axis axis"]:
    r"""Return the linearised flow of observed rates about a state along given axes, :math:`P^\top M F M^+ P` in 1/s.

    F is the flow of the state, from one step of the model's own integrator, and M the derivative of the observed rates with respect to the state.
    Networks of hidden units thus compare with circuits: a deviation of the rates corresponds to the smallest deviation of the state that causes it.

    Args:
        model: circuit or network whose rates are a function of its state.
        state: in SI.
        axes: P, orthonormal directions of the observed rates, in columns.

    Raises:
        ComparisonError: the axes do not match the number of observed units.
    """
    size = STEP * max(1.0, float(np.abs(state).max()))
    moved = state + size * np.concatenate([np.eye(len(state)), -np.eye(len(state))])
    ahead, behind = np.split(observed_rates(model, moved), 2)
    M = (ahead - behind).T / (2 * size)
    if len(axes) != len(M):
        raise ComparisonError(f"{model.name}: axes of {len(axes)} units; it has {len(M)} observed ones.")
    F = (linearise(model, model.arrays(), state) - np.eye(len(state))) / model.dt.si
    return axes.T @ M @ F @ np.linalg.pinv(M, rcond=HIDDEN) @ axes


def observed_rates(model: Model, states: Float[ndarray, "... state"]) -> Float[ndarray, "... unit"]:
    """Return observed rates in given states, through the readout if there is one."""
    arrays = model.arrays()
    rate = rate_of(model, states, arrays)
    return rate if model.readout is None else rate @ arrays[model.readout.weights].T + arrays[model.readout.offset]


def flow_distance(a: Float[ndarray, "axis axis"], b: Float[ndarray, "axis axis"]) -> float:
    """Return the norm of the difference of two flows, relative to that of the first: 0 if they are equal."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))
