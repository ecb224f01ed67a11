"""The smallest change of state that changes the outputs of a linear readout as asked."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

ANY = 1e-6  # of the strongest direction: what is less is round-off
FLOOR = 0.1  # of the median size of an output: what the scale of one is at least


def carrier_of(readout: Float[ndarray, "output unit"], least: float = ANY) -> Float[ndarray, "unit output"]:
    """Return the pseudo-inverse of a readout, each output in its own scale, so that outputs of any size are served alike.

    If every output is read from a unit of its own, that is the inverse of its weight, whatever its size beside the others'.

    Args:
        readout: weights C of outputs C r.
        least: directions that the readout uses less than this, relative to the strongest, carry nothing.
    """
    own = np.diagonal(readout)
    if readout.shape[0] == readout.shape[1] and np.count_nonzero(readout) == np.count_nonzero(own):
        return np.diag(np.divide(1.0, own, out=np.zeros(len(own)), where=own != 0))
    size = np.linalg.norm(readout, axis=1)
    size = np.maximum(size, FLOOR * np.median(size))
    size[size == 0] = 1.0
    return np.linalg.pinv(readout / size[:, None], rcond=least) / size
