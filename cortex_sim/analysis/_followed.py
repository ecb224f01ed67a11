"""Inputs that make a system follow a path."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis._preparation import currents_for
from cortex_sim.cards import Model
from cortex_sim.errors import OptionError
from cortex_sim.tasks import DT, Drive


def drives_along(system: Model, path: Float[ndarray, "condition time unit"], *, step: float = DT) -> tuple[Drive, ...]:
    """Return the drives that make a system follow a path: its velocity minus the system's own flow (feedback linearisation), constant within steps.

    Args:
        system: with one state variable per unit.
        path: of its state, from its first state on, at each of its integration steps; a task that records it has bins of that width.
        step: of the fine grid of that task, s.

    Raises:
        OptionError: no input drives the system's units, or none can move them that way, or its integration step is no multiple of the grid's.
    """
    dt = system.dt.si
    if round(dt / step) < 1 or abs(dt / step - round(dt / step)) > 1e-6:
        found = f"integrates in steps of {dt * 1e3:g} ms, no multiple of the task's steps of {step * 1e3:g} ms"
        raise OptionError(f"{system.name}: {found}; give the task finer steps.")
    conditions, _, units = path.shape
    velocity = np.diff(path, axis=1, append=path[:, -1:]) / dt
    inputs = currents_for(system, path.reshape(-1, units), velocity.reshape(-1, units)).reshape(path.shape)
    drives = []
    for place in np.ndindex(conditions, units):
        alone = np.zeros((conditions, units))
        alone[place] = 1.0
        drives.append(Drive(alone, np.repeat(inputs[place[0], :, place[1]], round(dt / step)), f"input {place}"))
    return tuple(drives)
