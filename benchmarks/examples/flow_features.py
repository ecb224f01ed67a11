"""A measure for cortex-sim benchmark run, after the idea of MARBLE: which flows stand at the places of state space, whatever their order in time.

Each side is reduced to its leading components; a sample is where the state is and how it moves there, in units of their spread. Samples of both sides
are compared as distributions, by the energy distance. It is the idea in a few lines, not the published method, which learns its features.
"""

import numpy as np

AXES, SAMPLES = 5, 400


def _features(rates: np.ndarray) -> np.ndarray:
    flat = rates.reshape(-1, rates.shape[2]) - rates.mean(axis=(0, 1))
    axes = np.linalg.svd(flat, full_matrices=False)[2][:AXES].T
    states = (rates - rates.mean(axis=(0, 1))) @ axes
    states *= np.sign((states**3).sum(axis=(0, 1)))  # components have no sign of their own
    moves = np.diff(states, axis=1)
    both = np.concatenate([states[:, :-1] / states.std(), moves / moves.std()], axis=2).reshape(-1, 2 * states.shape[2])
    return both[:: max(1, len(both) // SAMPLES)]


def _far(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(((x[:, None] - y) ** 2).sum(axis=2)).mean())


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """Return minus the energy distance of the flows of two arrays (trial, time, unit): higher is more alike."""
    x, y = _features(a), _features(b)
    axes = min(x.shape[1], y.shape[1])
    x, y = x[:, :axes], y[:, :axes]
    return -(2 * _far(x, y) - _far(x, x) - _far(y, y))
