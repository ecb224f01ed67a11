"""A measure for cortex-sim benchmark run: the angle between two shapes after the best rotation (Williams et al. 2021), as netrep has it."""

import numpy as np


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """Return minus the Procrustes angle of two arrays (trial, time, unit): higher is more alike."""
    x, y = (side.reshape(-1, side.shape[2]) - side.mean(axis=(0, 1)) for side in (a, b))
    nuclear = np.linalg.svd(x.T @ y, compute_uv=False).sum()
    return -float(np.arccos(np.clip(nuclear / np.linalg.norm(x) / np.linalg.norm(y), -1, 1)))
