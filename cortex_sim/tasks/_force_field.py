"""Force field: centre-out reaches while a field pushes the moving hand aside, on some trials or on all."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.tasks._centre_out import MOVEMENT, PREPARATION, centre_out
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import Task
from cortex_sim.tasks.body import REACHING, Body, Load

CURL = 5.0  # N s/m


@task
def force_field(
    directions: int | Sequence[float] = 8,
    *,
    curl: float = CURL,
    fields: Sequence[bool] | None = None,
    body: Body = REACHING,
    preparation: float = PREPARATION,
    movement: float = MOVEMENT,
) -> Task:
    """Make reaches in a curl field: the force is at a right angle to the hand's velocity v, (curl v_y, -curl v_x).

    Args:
        directions: as in :func:`.centre_out`, one trial each.
        curl: N s/m; above 0 pushes to the right of the movement.
        fields: whether the field is on in each trial; in all if omitted. Trials without it are catch trials and have no cue.
        body: that reaches.
        preparation: s before the go cue.
        movement: s after it.

    Returns:
        The task of :func:`.centre_out` with the field as a load, the same targets and the same channels.

    Raises:
        TaskError: fields has another number of trials.
    """
    task = centre_out(directions, preparation=preparation, movement=movement, body=body)
    on = np.ones(task.trials, dtype=bool) if fields is None else np.asarray(fields, dtype=bool)
    if on.shape != (task.trials,):
        raise TaskError(f"force_field: fields says so for {on.size} trials; there are {task.trials}.")
    matrix = on[:, None, None] * np.array([[0.0, curl], [-curl, 0.0]])
    load = Load(np.ones(task.steps), field=matrix, name="curl field")
    return replace(task, name="reaches in a force field", loads=(load,), notes={**task.notes, "curl_Ns_per_m": curl, "field": on.tolist()})
