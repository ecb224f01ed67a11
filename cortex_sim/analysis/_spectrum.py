"""Spectra of the linearised flow: which modes a circuit or network has about its rest."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model, refuse_delays
from cortex_sim.simulation import flow
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
        speed: how fast that state still moves, relative to the size of a typical state, 1/s.
    """

    eigenvalues: Complex[ndarray, " mode"]
    state: Float[ndarray, " unit"]
    speed: float

    @property
    def at_rest(self) -> bool:
        """The state is a fixed point for all practical purposes."""
        return self.speed < MOVING


@threadpool_limits.wrap(limits=1)
def spectrum(model: Model, arrays: dict[str, ndarray] | None = None) -> Spectrum:
    """Return the eigenvalues of a model about the state it settles to, without input, from zero.

    Raises:
        TaskError: a projection has a delay.
    """
    refuse_delays(model, "a spectrum")
    arrays = model.arrays() if arrays is None else arrays
    state = np.zeros(model.dimension)
    for _ in range(round(SETTLING / model.dt.si)):
        velocity = flow(model, arrays, state)
        if not velocity.any():
            break
        state = state + model.dt.si * velocity
        if not np.isfinite(state).all():
            return Spectrum(np.array([], dtype=complex), state, float("inf"))
    moving = np.linalg.norm(flow(model, arrays, state)) / (np.linalg.norm(state) + np.sqrt(model.units))
    return Spectrum(flow_modes(model, arrays, state), state, float(moving))


def flow_modes(model: Model, arrays: dict[str, ndarray], state: Float[ndarray, " state"]) -> Complex[ndarray, " mode"]:
    """Eigenvalues of the flow about a state, at rest or on the way, in 1/s; slowest decay first.

    They are log(mu)/dt of one step of the model's own integrator, so that models with different steps compare; modes that a step kills
    outright (mu = 0) are left out.
    """
    multipliers = np.linalg.eigvals(linearise(model, arrays, state))
    values = np.log(multipliers[np.abs(multipliers) > 1e-9].astype(complex)) / model.dt.si
    return values[np.argsort(-values.real)]


def spectral_distance(a: Spectrum, b: Spectrum, count: int = MODES) -> float:
    """Wasserstein distance between the slowest modes of two spectra: mean distance in 1/s under the best pairing."""
    return modal_distance(a.eigenvalues, b.eigenvalues, count)


def modal_distance(a: Complex[ndarray, " mode"], b: Complex[ndarray, " other"], count: int = MODES) -> float:
    """Wasserstein distance between the slowest of two sets of eigenvalues, each slowest first: mean distance in 1/s under the best pairing."""
    count = min(count, len(a), len(b))
    if count == 0:
        return float("nan")
    cost = np.abs(a[:count, None] - b[None, :count])
    return float(cost[linear_sum_assignment(cost)].mean())


def shuffled_weights(model: Model, rng: np.random.Generator) -> dict[str, ndarray]:
    """Return a model's arrays with the entries of every recurrent matrix in random places: the same weights without their structure."""
    arrays = model.arrays()
    for name in sorted(model.parsed.called() & model.projections.keys()):
        arrays[name] = rng.permutation(arrays[name].ravel()).reshape(arrays[name].shape)
    return arrays
