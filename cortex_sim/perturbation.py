"""One description of a push, given in the space of the observed rates and applied to either side."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy import ndarray

from cortex_sim.errors import OptionError
from cortex_sim.task import DT, Clamp, Drive, Task

PUSH, SILENCE = 5, 6  # name the random streams
EDGE = DT / 4


def push(task: Task, units: int, *, seed: int, amplitude: float, fraction: float, start: float, duration: float) -> Task:
    """Add a brief current of random sign to random units, different ones in every trial.

    Args:
        task: to be perturbed.
        units: number of observed units.
        seed: of the choice; the same seed gives both sides the same push.
        amplitude: of the current, in the unit of the rates.
        fraction: of the units that are pushed.
        start: s from the go cue.
        duration: s.

    Raises:
        OptionError: the fraction is not between 0 and 1, or the push lies outside the task.
    """
    course = _course(task, start, duration)
    rng = np.random.default_rng(np.random.SeedSequence((seed, PUSH)))
    pattern = np.zeros((task.trials, units))
    for row in pattern:
        chosen = rng.choice(units, _count(units, fraction), replace=False)
        row[chosen] = amplitude * rng.choice([-1.0, 1.0], size=len(chosen))
    return replace(task, drives=(*task.drives, Drive(pattern, course.astype(float), "push")))


def silence(task: Task, units: int, *, seed: int, rate: float, fraction: float, start: float, duration: float) -> Task:
    """Hold random units at zero firing for a while, the same ones in every trial.

    Args:
        task: to be perturbed.
        units: number of observed units.
        seed: of the choice; the same seed silences the same units on both sides.
        rate: of a silent unit, in the unit of the rates; below 0 where rates are deviations from a baseline.
        fraction: of the units that are silenced.
        start: s from the go cue.
        duration: s.

    Raises:
        OptionError: the fraction is not between 0 and 1, or the silencing lies outside the task.
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, SILENCE)))
    chosen = np.sort(rng.choice(units, _count(units, fraction), replace=False))
    return silence_units(task, chosen, rate=rate, span=(start, start + duration))


def silence_units(task: Task, units: Sequence[int] | ndarray, *, rate: float, span: tuple[float, float]) -> Task:
    """Hold chosen units at one rate for a while, in every trial.

    Args:
        task: to be perturbed.
        units: positions of the observed units.
        rate: what they are held at, in the unit of the rates.
        span: start and stop, s from the go cue.

    Raises:
        OptionError: the span lies outside the task.
    """
    return replace(task, clamps=(*task.clamps, Clamp(np.asarray(units, dtype=int), rate, _course(task, span[0], span[1] - span[0]))))


def _count(units: int, fraction: float) -> int:
    if not 0 < fraction <= 1:
        raise OptionError(f"perturbation: fraction {fraction} should lie between 0 and 1.")
    return max(1, round(fraction * units))


def _course(task: Task, start: float, duration: float) -> np.ndarray:
    course = (task.fine_time > start - EDGE) & (task.fine_time < start + duration - EDGE)
    if not course.any() or start < task.start - EDGE or start + duration > task.stop + EDGE:
        raise OptionError(f"perturbation: {start:g} to {start + duration:g} s leaves the task, {task.start:g} to {task.stop:g} s.")
    return course
