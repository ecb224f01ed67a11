"""Tangling: how differently a trajectory moves on from places that are alike."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis._rotations import principal_components, spanned_axes
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import squared_distances

SHARE = 0.1  # of the mean squared norm, added to squared distances
TANGLING_AXES = 8  # principal components
ROWS = 500  # states compared with all others at a time, to keep memory small


def tangling(rates: Float[ndarray, "condition time unit"], dt: float, *, axes: int = TANGLING_AXES) -> Float[ndarray, "condition time"]:
    r"""Give :math:`Q(t) = \max_{t'} |\dot x_t - \dot x_{t'}|^2 / (|x_t - x_{t'}|^2 + \varepsilon)` over all times and conditions.

    With epsilon a tenth of the mean squared norm of the centred state; states are the leading principal components, derivatives are central
    differences within each condition.

    Args:
        rates: in any one unit, which does not change Q.
        dt: bin, s.
        axes: principal components kept, at most.

    Returns:
        Q in 1/s².

    Raises:
        ComparisonError: fewer than 3 bins, or nothing varies.

    Source:
        Russo et al. (2018) Neuron 97:953.
    """
    if rates.shape[1] < 3:
        raise ComparisonError(f"tangling: {rates.shape[1]} bins; at least 3 are needed for a derivative.")
    if not np.ptp(rates, axis=(0, 1)).any():
        raise ComparisonError("tangling: nothing varies over conditions and time.")
    states = principal_components(rates, min(axes, spanned_axes(rates)))
    velocity = np.gradient(states, dt, axis=1)
    x, v = states.reshape(-1, states.shape[2]), velocity.reshape(-1, states.shape[2])
    epsilon = SHARE * (x**2).sum(axis=1).mean()
    rows = np.array_split(np.arange(len(x)), -(-len(x) // ROWS))
    found = [(squared_distances(v[part], v) / (squared_distances(x[part], x) + epsilon)).max(axis=1) for part in rows]
    return np.concatenate(found).reshape(rates.shape[:2])
