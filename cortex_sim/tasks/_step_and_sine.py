"""A drive that steps up and back, and then follows a sine, for circuits whose mean field is known."""

import numpy as np

from cortex_sim.errors import TaskError
from cortex_sim.tasks._free import spontaneous
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._registry import task
from cortex_sim.tasks._task import Task

STEP_SPAN, SINE_START = (0.3, 0.6), 0.9  # s


@task
def step_and_sine(units: int, *, step: float, sine: float, period: float, cycles: int = 2) -> Task:
    """Drive all units alike by a step from 300 to 600 ms, and from 900 ms on by a sine.

    Args:
        units: number of units of the circuit.
        step: height, in the unit of the drive.
        sine: amplitude, in the unit of the drive.
        period: of the sine, s.
        cycles: number of cycles of the sine; 0 leaves it out.

    Raises:
        TaskError: there are no units, no period or fewer than 0 cycles.
    """
    if units < 1 or period <= 0 or cycles < 0:
        raise TaskError(f"step_and_sine: {units=!r} should be 1 or more, {period=!r} above 0, and {cycles=!r} 0 or more.")
    bare, stop = spontaneous(SINE_START + cycles * period), SINE_START
    up = ((bare.fine_time >= STEP_SPAN[0]) & (bare.fine_time < STEP_SPAN[1])).astype(float)
    wave = np.where(bare.fine_time >= stop, np.sin(2 * np.pi * (bare.fine_time - stop) / period), 0.0)
    drives = (Drive(np.full((1, units), step, float), up), Drive(np.full((1, units), sine, float), wave))
    return Task("step and sine", bare.start, bare.stop, bare.condition, drives=drives)
