"""Connections whose mechanism is known by construction, of sources (columns) onto targets (rows)."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Connections = Float[ndarray, "unit unit"]


def turning_plane(units: int, rng: np.random.Generator, growth: float, turn: float) -> Connections:
    """Return connections of rank two that make states in a random plane grow and turn; eigenvalues are growth ± i turn, and 0."""
    plane = np.linalg.qr(rng.standard_normal((units, 2)))[0]
    return plane @ np.array([[growth, -turn], [turn, growth]]) @ plane.T


def balanced_pairs(units: int, weight: float, ratio: float) -> Connections:
    """Return connections of an excitatory and an inhibitory half, weight w and ratio k of inhibition: differences of the halves drive their sum.

    Source:
        Murphy & Miller (2009) Neuron 61:635, with every unit of a half alike.
    """
    return np.kron([[weight, -ratio * weight]] * 2, np.ones((units // 2, units // 2))) / (units / 2)


def chain(units: int, weight: float) -> Connections:
    """Return connections of each unit onto the next."""
    return weight * np.eye(units, k=-1)


def ring(units: int, gain: float) -> Connections:
    """Return connections that fall with the cosine of the distance on a ring; their one eigenvalue that is not 0, twofold, is the gain."""
    angle = 2 * np.pi * np.arange(units) / units
    return 2 * gain * np.cos(angle[:, None] - angle) / units
