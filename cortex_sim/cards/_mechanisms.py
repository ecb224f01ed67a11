"""Connections from sources (columns) to targets (rows) whose mechanism is known by construction."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Connections = Float[ndarray, "unit unit"]


def turning_plane(units: int, rng: np.random.Generator, growth: float, turn: float) -> Connections:
    """Return connections of rank two under which states in a random plane grow and rotate; the eigenvalues are growth ± i turn, and 0."""
    plane = np.linalg.qr(rng.standard_normal((units, 2)))[0]
    return plane @ np.array([[growth, -turn], [turn, growth]]) @ plane.T


def balanced_pairs(units: int, weight: float, ratio: float) -> Connections:
    """Return connections of an excitatory and an inhibitory half, weight w, inhibition ratio k: differences between the halves drive their sum.

    Source:
        Murphy & Miller (2009) Neuron 61:635, with identical units within each half.
    """
    return np.kron([[weight, -ratio * weight]] * 2, np.ones((units // 2, units // 2))) / (units / 2)


def chain(units: int, weight: float) -> Connections:
    """Return connections from each unit to the next."""
    return weight * np.eye(units, k=-1)


def ring(units: int, gain: float) -> Connections:
    """Return connections that vary as the cosine of the distance on a ring; their one nonzero eigenvalue, which is double, is the gain."""
    angle = 2 * np.pi * np.arange(units) / units
    return 2 * gain * np.cos(angle[:, None] - angle) / units
