"""What was asked in a recording, as a task for networks that are to do the same."""

from dataclasses import replace

from cortex_sim.tasks._centre_out import centre_out
from cortex_sim.tasks._task import Task
from cortex_sim.trials import DIRECTION, Trials


def recorded_conditions(averages: Trials) -> Task:
    """Return the task of condition averages, which starts from their first bin.

    Networks hear target and hold channels, with movement onset at time 0, if the conditions are directions; else nothing.

    Args:
        averages: rates, one trial for each condition.
    """
    start, stop = float(averages.time[0]), float(averages.time[-1] + averages.bin)
    if averages.provenance.get("condition") == DIRECTION:
        task = centre_out(averages.condition, preparation=-start, movement=stop)
    else:
        task = Task("recorded conditions", start, stop, averages.condition)
    return replace(task, initial=averages.rate[:, 0])
