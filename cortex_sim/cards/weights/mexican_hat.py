"""A ring of units that excite near neighbours, inhibit those further on, and are not connected to any beyond.

Source:
    the local excitation and inhibition of ring networks, as in Das & Fiete (2020) Nat Neurosci 23:1286; the profile in two steps is ours.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError


def build(shape: tuple[int, int], rng: np.random.Generator, *, near: float, far: float, gain: float) -> Float[ndarray, "row column"]:
    """Return weights that are positive up to ``near`` places away on the ring, as negative from there up to ``far``, and 0 elsewhere.

    Args:
        shape: (rows, columns), equal.
        rng: unused; every rule takes it.
        near: places, from 1 on.
        far: places, from ``near`` on.
        gain: largest eigenvalue: from 1 on a linear circuit is unstable, and a rectified one forms bumps.

    Raises:
        OptionError: the shape is not square, distances are not whole or not in this order, or no eigenvalue is positive.
    """
    if shape[0] != shape[1] or not 1 <= near <= far or near != round(near) or far != round(far):
        raise OptionError(f"mexican_hat: near {near:g}, far {far:g}, shape {shape}; it should be square, with whole 1 <= near <= far.")
    apart = np.abs(np.subtract.outer(np.arange(shape[0]), np.arange(shape[0])))
    apart = np.minimum(apart, shape[0] - apart)
    signs = np.where(apart == 0, 0.0, np.where(apart <= near, 1.0, np.where(apart <= far, -1.0, 0.0)))
    largest = float(np.fft.fft(signs[0]).real.max())  # the matrix is circulant and symmetric
    if largest <= 0:
        raise OptionError(f"mexican_hat: with {shape[0]} units, near {near:g} and far {far:g} no eigenvalue is positive; take more units.")
    return gain / largest * signs
