"""One excitatory and one inhibitory population with strong, balanced coupling.

Source:
    Murphy & Miller (2009) Neuron 61:635.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError


def build(shape: tuple[int, int], rng: np.random.Generator, *, excitation: float, inhibition: float) -> Float[ndarray, "2 2"]:
    """Return [[w, -kw], [w, -kw]]: eigenvalues 0 and w(1 - k), feedforward weight w(1 + k) from difference to sum.

    Args:
        shape: (2, 2).
        rng: unused; every rule takes it.
        excitation: w, dimensionless.
        inhibition: k, ratio of inhibition to excitation.

    Raises:
        OptionError: the shape is not (2, 2).
    """
    if shape != (2, 2):
        raise OptionError(f"balanced_pair: shape {shape} should be (2, 2), one excitatory and one inhibitory unit.")
    return np.array([[excitation, -inhibition * excitation]] * 2)
