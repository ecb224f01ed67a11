"""A body moved step by step, alongside Brian2 or in torch: its current posture, and sensory signals that have not yet arrived."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.runtime import doored
from cortex_sim.tasks.body._arm import Arm
from cortex_sim.tasks.body._body import Body, Movement, Posture
from cortex_sim.tasks.body._load import Load

Step = Callable[[Body, Posture, Any, float, Any], Posture]


class BodyTrajectory(NamedTuple):
    """The trajectory of a body: postures at the recorded bins, and the commands at every step."""

    postures: Any
    commands: Any


@doored("replay")
class Moving:
    """A body on the steps of a model.

    Its state is one array, (trial, number): the posture, then the sensory signals that have not yet arrived, oldest first.

    Args:
        body: to move.
        state: where it continues from.
        dt: step, s.
        loads: external loads, with courses on the steps of the model and arrays of that module.
        xp: module that the arrays belong to.
        step: function that replaces :meth:`.Body.step`; given the body, its posture, commands, dt and the external torque.
    """

    def __init__(self, body: Body, state: Any, dt: float, loads: Sequence[Load] = (), xp: Any = np, step: Step | None = None) -> None:
        self.body, self._dt, self._loads, self._xp = body, dt, loads, xp
        self._step = step or (lambda body, posture, commands, dt, load: body.step(posture, commands, dt, xp, load))
        self._late = body.late(dt)
        self._posture = body.posture(state[:, : body.size])
        waiting = state[:, body.size :]
        self._felt = [waiting[:, k * body.sensors : (k + 1) * body.sensors] for k in range(self._late)]
        self.postures: list[Any] = []
        self.commands: list[Any] = []
        self._feel()

    @staticmethod
    def start(body: Body, trials: int, dt: float) -> Any:
        """Return the state (trial, number) of a body that has long been at rest at home."""
        return np.pad(body.start(trials), ((0, 0), (0, body.late(dt) * body.sensors)))

    def heard(self, step: int) -> Any:
        """Return the sensory signals that arrive at a step, (trial, sensor); steps count from the start of this segment."""
        return self._felt[step]

    def keep(self) -> None:
        """Record the current posture."""
        self.postures.append(self._xp.concatenate(list(self._posture), -1))

    def step(self, commands: Any, step: int) -> None:
        """Advance by one step, with constant commands and loads."""
        self.commands.append(commands)
        self._posture = self._step(self.body, self._posture, commands, self._dt, self._load(step))
        self._feel()

    @property
    def course(self) -> BodyTrajectory:
        """The trajectory so far."""
        return BodyTrajectory(self._xp.stack(self.postures, 1), self._xp.stack(self.commands, 1))

    @classmethod
    def replay(cls, body: Body, commands: Float[ndarray, "trial time command"], dt: float, loads: Sequence[Load] = ()) -> ndarray:
        """Move a body by given commands, without feedback.

        Args:
            body: that starts at rest at home.
            commands: for every step.
            dt: step, s.
            loads: external loads, with courses on these steps.

        Returns:
            Postures at the start of every step, (trial, time, posture).
        """
        moving = cls(body, cls.start(body, len(commands), dt), dt, loads)
        for step in range(commands.shape[1]):
            moving.keep()
            moving.step(commands[:, step], step)
        return moving.course.postures

    @property
    def state(self) -> Any:
        """The state from which the movement can be continued."""
        waiting: Sequence[Any] = self._felt[len(self._felt) - 1 - self._late : -1] if self.body.sensors else []
        return self._xp.concatenate([*self._posture, *waiting], -1)

    def _load(self, step: int) -> Any:
        """Return the external torque at a step; None if no load acts."""
        arm, (q, speed, *_) = self.body.arm, self._posture
        total = None
        for load in self._loads:
            if not (factor := float(load.course[step])):
                continue
            parts = [] if load.torque is None else [factor * load.torque]
            parts += [] if load.force is None else [arm.pull(q, factor * load.force, self._xp)]
            if load.field is not None:
                force = (load.field @ arm.velocity(q, speed, self._xp)[..., None])[..., 0]
                parts.append(arm.pull(q, factor * force, self._xp))
            total = sum(parts, 0.0 if total is None else total)
        return total

    def _feel(self) -> None:
        if self.body.sensors:
            self._felt.append(self.body.felt(self._posture, self._xp))


def moved_by_torques(
    arm: Arm, torque: Float[ndarray, "trial time 2"], *, home: tuple[float, float], time: Float[ndarray, " time"], bin: float
) -> Movement:
    """Return the movement of an arm without muscles, under torques and without joint limits.

    Args:
        arm: that starts at rest at home.
        torque: at every bin, N m; constant in between.
        home: position of the hand at the start, m from the shoulder.
        time: of the bins, s.
        bin: their width, s.
    """
    body = replace(Body(arm, None, home, delay=None), arm=replace(arm, limits=((-np.inf, np.inf),) * 2))
    return Movement.of(body, Moving.replay(body, torque, bin), torque, time)
