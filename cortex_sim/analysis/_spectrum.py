"""Spectra of the linearised flow: modes of a circuit or network about rest."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model, refuse_delays
from cortex_sim.simulation import flow_function
from cortex_sim.simulation.torch import linearise

SETTLING = 3.0  # s that a model is left alone to find its rest
MODES = 20  # slowest modes compared
MOVING = 0.05  # 1/s; a state that changes faster than this fraction of itself is no rest


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of the flow about a state.

    Attributes:
        eigenvalues: 1/s; the imaginary part is an angular frequency in rad/s. Slowest decay first.
        state: where the flow was linearised.
        speed: remaining speed of that state, relative to the size of a typical state, 1/s.
    """

    eigenvalues: Complex[ndarray, " mode"]
    state: Float[ndarray, " unit"]
    speed: float

    @property
    def at_rest(self) -> bool:
        """Return whether the state is a fixed point for practical purposes."""
        return self.speed < MOVING


@threadpool_limits.wrap(limits=1)
def spectrum(model: Model, arrays: Mapping[str, Float[ndarray, "..."]] | None = None) -> Spectrum:
    """Return the eigenvalues of a model about the state it reaches from zero without input.

    Raises:
        TaskError: a projection has a delay.
    """
    refuse_delays(model, "a spectrum")
    arrays = model.arrays() if arrays is None else arrays
    state, moving, dt = np.zeros(model.dimension), flow_function(model, arrays), model.dt.si
    for _ in range(round(SETTLING / dt)):
        velocity = moving(state)
        if not velocity.any():
            break
        state = state + dt * velocity
        if not np.isfinite(state).all():
            return Spectrum(np.array([], dtype=complex), state, float("inf"))
    speed = np.linalg.norm(moving(state)) / (np.linalg.norm(state) + np.sqrt(model.units))
    return Spectrum(flow_modes(model, arrays, state), state, float(speed))


def flow_modes(model: Model, arrays: Mapping[str, Float[ndarray, "..."]], state: Float[ndarray, " state"]) -> Complex[ndarray, " mode"]:
    """Return the eigenvalues of the flow about a state, at rest or on a trajectory, in 1/s; slowest decay first.

    They are log(mu)/dt for one step of the model's own integrator, so that models with different steps are comparable; modes that a step
    removes entirely (mu = 0) are omitted.
    """
    multipliers = np.linalg.eigvals(linearise(model, arrays, state))
    values = np.log(multipliers[np.abs(multipliers) > 1e-9].astype(complex)) / model.dt.si
    return values[np.argsort(-values.real)]


def spectral_distance(a: Spectrum, b: Spectrum, count: int = MODES) -> float:
    """Return the Wasserstein distance between the slowest modes of two spectra: mean distance in 1/s under the best pairing."""
    return modal_distance(a.eigenvalues, b.eigenvalues, count)


def modal_distance(a: Complex[ndarray, " mode"], b: Complex[ndarray, " other"], count: int = MODES) -> float:
    """Return the Wasserstein distance between the slowest of two sets of eigenvalues, sorted slowest first: mean distance in 1/s, best pairing."""
    count = min(count, len(a), len(b))
    if count == 0:
        return float("nan")
    cost = np.abs(a[:count, None] - b[None, :count])
    return float(cost[linear_sum_assignment(cost)].mean())


def shuffled_weights(model: Model, rng: np.random.Generator) -> dict[str, ndarray]:
    """Return a model's arrays with the entries of every recurrent matrix randomly permuted, which destroys their structure."""
    arrays = model.arrays()
    for name in sorted(model.parsed.called() & model.projections.keys()):
        arrays[name] = rng.permutation(arrays[name].ravel()).reshape(arrays[name].shape)
    return arrays
