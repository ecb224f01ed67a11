"""Inputs that make a system follow a path."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis._preparation import currents_for
from cortex_sim.cards import Model
from cortex_sim.tasks import BIN, DT, Drive


def drives_along(system: Model, path: Float[ndarray, "condition time unit"]) -> tuple[Drive, ...]:
    """Return the drives that make a system follow a path: its velocity minus the system's own flow (feedback linearisation), constant within bins.

    Args:
        system: with one state variable per unit and an integration step of one bin.
        path: of its state, from its first state on.

    Raises:
        OptionError: no input drives its units, or none can move them that way.
    """
    conditions, _, units = path.shape
    velocity = np.diff(path, axis=1, append=path[:, -1:]) / BIN
    inputs = currents_for(system, path.reshape(-1, units), velocity.reshape(-1, units)).reshape(path.shape)
    drives = []
    for place in np.ndindex(conditions, units):
        alone = np.zeros((conditions, units))
        alone[place] = 1.0
        drives.append(Drive(alone, np.repeat(inputs[place[0], :, place[1]], round(BIN / DT)), f"input {place}"))
    return tuple(drives)
