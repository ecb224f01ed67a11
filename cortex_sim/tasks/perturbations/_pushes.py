"""Perturbations, described in the space of the observed rates so that they apply to circuits and networks alike.

Perturbations from outside change the task: currents, silencing, light, blocked channels, cut feedback, loads on the arm. Those of the circuit
itself, lesions and gains, change the model: :mod:`cortex_sim.cards.edit._lesion`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import expm

from cortex_sim.errors import OptionError
from cortex_sim.runtime import positions, stream
from cortex_sim.tasks._parts import Clamp, Drive
from cortex_sim.tasks._task import DT, Task
from cortex_sim.tasks.body import Load

Pair = tuple[float, float]
START, DURATION, SILENT = 0.1, 0.02, 0.1  # s after the go cue; s of a push; s of a silencing
MOST = 10**6  # units, where a task does not tell how many there are
OPENING, CLOSING, TIRING, TIRED = 2e-3, 10e-3, 50e-3, 0.6  # s, and the share of channels that tire in lasting light; chosen


def push(
    task: Task,
    units: int | None = None,
    *,
    seed: int = 0,
    amplitude: float | Float[ndarray, " unit"],
    fraction: float,
    start: float = START,
    duration: float = DURATION,
) -> Task:
    """Return the task with a brief current of random sign into random units, different ones in every trial.

    Args:
        task: to be perturbed.
        units: number of observed units; by default that of the task, if it starts from rates or drives units.
        seed: of the choice; the same seed gives both sides the same push.
        amplitude: of the current, in the unit of the rates; one number, or one per unit.
        fraction: of the units that are pushed.
        start: s from the go cue.
        duration: s.

    Raises:
        OptionError: the fraction is not between 0 and 1, or the push lies outside the task.
    """
    course, units = _course(task, start, duration), _units(task, units)
    rng = stream(seed, "task", "direction of a push")
    pattern, size = np.zeros((task.trials, units)), np.broadcast_to(amplitude, units)
    for row in pattern:
        chosen = rng.choice(units, _count(units, fraction), replace=False)
        row[chosen] = size[chosen] * rng.choice([-1.0, 1.0], size=len(chosen))
    return replace(task, drives=(*task.drives, Drive(pattern, course.astype(float), "push")))


def push_along(task: Task, directions: Float[ndarray, "direction unit"], *, amplitude: float, start: float, duration: float) -> Task:
    """Return the task with a brief current along given directions, one per trial in turn: principal components, preferred states, or others.

    Args:
        task: to be perturbed.
        directions: of any length but 0; normalised to a root mean square of 1 over units.
        amplitude: root mean square of the current over units, in the unit of the rates.
        start: s from the go cue.
        duration: s.

    Raises:
        OptionError: a direction is 0 or not finite, or the push lies outside the task.
    """
    if not np.size(directions):
        raise OptionError(f"perturbation: directions {np.shape(directions)} hold none; there should be at least one.")
    size = np.sqrt((np.atleast_2d(directions) ** 2).mean(axis=1, keepdims=True))
    if not (np.isfinite(size) & (size > 0)).all():
        raise OptionError("perturbation: a direction is 0 or not finite; there should be numbers, not all 0.")
    pattern = amplitude * (np.atleast_2d(directions) / size)[np.arange(task.trials) % len(size)]
    return inject(task, pattern, span=(start, start + duration))


def inject(task: Task, currents: Float[ndarray, "row unit"], *, span: tuple[float, float]) -> Task:
    """Return the task with these currents into the observed units for a while.

    Args:
        task: to be perturbed.
        currents: in the unit of the rates; one row for all trials, or one for each.
        span: start and stop, s from the go cue.

    Raises:
        OptionError: there is another number of rows, or the span lies outside the task.
    """
    if len(currents) not in (1, task.trials):
        raise OptionError(f"perturbation: currents have {len(currents)} rows; there should be one, or one for each of {task.trials} trials.")
    pattern = np.broadcast_to(currents, (task.trials, currents.shape[1]))
    return replace(task, drives=(*task.drives, Drive(pattern, _course(task, span[0], span[1] - span[0]).astype(float), "push")))


def inhibit(task: Task, units: Sequence[int] | ndarray, *, of: int, amplitude: float, span: tuple[float, float]) -> Task:
    """Return the task with a constant inhibitory current into chosen units, or a cell type, for a while: graded, unlike silencing.

    Args:
        task: to be perturbed.
        units: positions of the observed units.
        of: number of observed units.
        amplitude: of the current, in the unit of the rates; above 0 inhibits.
        span: start and stop, s from the go cue.

    Raises:
        OptionError: a unit does not exist, or the span lies outside the task.
    """
    course = _course(task, span[0], span[1] - span[0])
    return replace(task, drives=(*task.drives, Drive(-amplitude * _chosen(task, units, of), course.astype(float), "inhibition")))


def light(task: Task, units: Sequence[int] | ndarray, *, of: int, dose: float, amplitude: float, span: tuple[float, float]) -> Task:
    r"""Return the task with light on units that express a channelrhodopsin: a current with the time course of its photocurrent.

    Channels are closed, open or inactivated: :math:`\dot O = L (1 - O - D)/\tau_o - O/\tau_c - k_d O`, :math:`\dot D = k_d O - k_r D`, L the dose.
    :math:`k_d + k_r` is the rate at which they inactivate in strong light and :math:`k_d/(k_d + k_r)` the share that does. With three states they
    recover at the same rate in the dark, faster than real ones. The voltage dependence of the current is left out, since rates have no voltage.

    Args:
        task: to be perturbed.
        units: positions of the observed units that express the channel.
        of: number of observed units.
        dose: of light, L; at 1 channels open within 2 ms.
        amplitude: current into a unit whose channels are all open, in the unit of the rates.
        span: start and stop of the light, s from the go cue.

    Raises:
        OptionError: the dose is negative, a unit does not exist, or the span lies outside the task.
    """
    if not dose >= 0:
        raise OptionError(f"perturbation: dose {dose!r} should be 0 or more.")
    course = photocurrent(dose * _course(task, span[0], span[1] - span[0]), task.step)
    return replace(task, drives=(*task.drives, Drive(amplitude * _chosen(task, units, of), course, "light")))


def photocurrent(light: Float[ndarray, " step"], dt: float = DT) -> Float[ndarray, " step"]:
    """Return the share of channels that are open at every step of dt s, all closed at first; see :func:`light`."""
    rate = TIRED / TIRING
    opened, tired, course = 0.0, 0.0, np.zeros(len(light))
    for step, shone in enumerate(light):
        course[step] = opened
        flow = np.array([[-shone / OPENING - 1 / CLOSING - rate, -shone / OPENING], [rate, -(1 - TIRED) / TIRING]])
        steady = np.linalg.solve(flow, [-shone / OPENING, 0.0])
        opened, tired = steady + expm(dt * flow) @ (np.array([opened, tired]) - steady)
    return course


def block(task: Task, channels: Sequence[int] | ndarray | None = None, *, span: tuple[float, float]) -> Task:
    """Return the task with some of its channels set to 0 for a while, as if they were blocked.

    Args:
        task: to be perturbed.
        channels: positions; all if omitted.
        span: start and stop, s from the go cue.

    Raises:
        OptionError: the task has no such channel, or the span lies outside it.
    """
    found = 0 if task.channels is None else task.channels.shape[2]
    chosen = np.arange(found) if channels is None else positions(channels, found, "perturbation: channels")
    if task.channels is None or not len(chosen):
        raise OptionError(f"perturbation: channels {chosen.tolist()} should be among the {found} of the task, from 0.")
    values = task.channels.values.copy()
    values[np.ix_(np.arange(task.trials), np.flatnonzero(_course(task, span[0], span[1] - span[0])), chosen)] = 0.0
    return replace(task, channels=task.channels.copy(data=values))


def cut_feeling(task: Task, *, span: tuple[float, float]) -> Task:
    """Return the task with the body's sensory feedback set to 0 for a while, as if its nerves were blocked.

    Raises:
        OptionError: the task has no body with sensory feedback, or the span lies outside it.
    """
    if task.body is None or not task.body.sensors:
        raise OptionError(f"perturbation: task {task.name!r} has no body that feels anything.")
    felt = np.ones(task.steps) if task.feeling is None else task.feeling
    return replace(task, feeling=np.where(_course(task, span[0], span[1] - span[0]), 0.0, felt))


def load(task: Task, *, span: tuple[float, float], force: Pair | None = None, torque: Pair | None = None) -> Task:
    """Return the task with a force on the hand (N), or torques at shoulder and elbow (N m), in every trial for a while.

    Raises:
        OptionError: the task has no body, or the span lies outside it.
        PlantError: neither force nor torque is given.
    """
    if task.body is None:
        raise OptionError(f"perturbation: task {task.name!r} has no body to put a load on.")
    course = _course(task, span[0], span[1] - span[0]).astype(float)
    pushed, turned = (None if pair is None else np.tile(np.array(pair, dtype=float), (task.trials, 1)) for pair in (force, torque))
    return replace(task, loads=(*task.loads, Load(course, force=pushed, torque=turned)))


def silence(
    task: Task, units: int | None = None, *, seed: int = 0, rate: float = 0.0, fraction: float, start: float = START, duration: float = SILENT
) -> Task:
    """Return the task with random units held at zero firing for a while, the same ones in every trial.

    Args:
        task: to be perturbed.
        units: number of observed units; by default that of the task, if it starts from rates or drives units.
        seed: of the choice; the same seed silences the same units on both sides.
        rate: of a silent unit, in the unit of the rates; below 0 where rates are deviations from a baseline.
        fraction: of the units that are silenced.
        start: s from the go cue.
        duration: s.

    Raises:
        OptionError: the fraction is not between 0 and 1, or the silencing lies outside the task.
    """
    rng = stream(seed, "task", "silenced units")
    units = _units(task, units)
    chosen = np.sort(rng.choice(units, _count(units, fraction), replace=False))
    return silence_units(task, chosen, rate=rate, span=(start, start + duration))


def silence_units(task: Task, units: Sequence[int] | ndarray, *, rate: float, span: tuple[float, float]) -> Task:
    """Return the task with chosen units held at one rate for a while, in every trial.

    Args:
        task: to be perturbed.
        units: positions of the observed units.
        rate: at which they are held, in the unit of the rates.
        span: start and stop, s from the go cue.

    Raises:
        OptionError: the span lies outside the task.
    """
    told = _told(task)
    chosen = positions(units, told.pop() if len(told) == 1 else MOST, "perturbation: units")
    return replace(task, clamps=(*task.clamps, Clamp(chosen, rate, _course(task, span[0], span[1] - span[0]))))


def _chosen(task: Task, units: Sequence[int] | ndarray, of: int) -> ndarray:
    """Return an array (trial, unit) that is 1 for the chosen units, else 0."""
    chosen = positions(units, of, "perturbation: units")
    if not len(chosen):
        raise OptionError(f"perturbation: units: none is chosen; there should be at least one of the {of} observed ones.")
    row = np.zeros(of)
    row[chosen] = 1.0
    return np.tile(row, (task.trials, 1))


def _told(task: Task) -> set[int]:
    """Return the numbers of observed units that the task implies."""
    return ({task.initial.shape[1]} if task.initial is not None else set()) | {drive.pattern.shape[1] for drive in task.drives if not drive.into}


def _units(task: Task, given: int | None) -> int:
    """Return the number of observed units: as given, or as the task implies."""
    if given is not None and given < 1:
        raise OptionError(f"perturbation: units {given!r} should be the number of observed units, at least 1.")
    told = _told(task)
    if given is not None:
        return given
    if len(told) != 1:
        raise OptionError(f"perturbation: task {task.name!r} does not tell how many units there are; say so with units=.")
    return int(told.pop())


def _count(units: int, fraction: float) -> int:
    if not 0 < fraction <= 1:
        raise OptionError(f"perturbation: fraction {fraction} should lie between 0 and 1.")
    return max(1, round(fraction * units))


def _course(task: Task, start: float, duration: float) -> np.ndarray:
    course = (task.fine_time > start - task.step / 4) & (task.fine_time < start + duration - task.step / 4)
    if not course.any() or start < task.start - task.step / 4 or start + duration > task.stop + task.step / 4:
        raise OptionError(f"perturbation: {start:g} to {start + duration:g} s leaves the task, {task.start:g} to {task.stop:g} s.")
    return course
