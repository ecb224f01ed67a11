"""A body that a circuit or network drives: an arm with or without muscles, stepped together with it, and its delayed sensory feedback."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import log
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import PlantError
from cortex_sim.tasks.body._arm import Arm
from cortex_sim.tasks.body._muscles import Muscles

CM = 100.0  # a metre
STRAIGHT = 1e-3  # sine of the angle of an elbow that counts as straight


class Posture(NamedTuple):
    """State of a body: angles (rad), angular speeds (rad/s), activations of the muscles, and the torque that acted last (N m)."""

    q: Any
    speed: Any
    activation: Any
    torque: Any


@dataclass(frozen=True)
class Body:
    """An arm, its muscles, where it starts, and the delay of its sensory feedback.

    Commands are torques in N m; with muscles they are the logits of their excitations, shifted so that 0 gives the tone.

    Attributes:
        arm: segments.
        muscles: None for an arm that is driven by torques.
        home: position of the hand at the start, m from the shoulder.
        delay: of sensory feedback, s; None for a body without feedback.
        tone: excitation of a muscle whose command is 0.
        held: whether the hand is held in place, so that the output is the force that it exerts.

    Raises:
        PlantError: home is out of reach or, for a held hand, leaves the arm straight; or the delay or the tone is out of range.
    """

    arm: Arm
    muscles: Muscles | None
    home: tuple[float, float]
    delay: float | None = 0.05
    tone: float = 0.05
    held: bool = False

    def __post_init__(self) -> None:
        self.arm.check_limits(self._home[None, None], np.zeros(1))
        if self.delay is not None and self.delay < 0:
            raise PlantError(f"{self.arm.name}: delay {self.delay!r} s should be 0 or more, or None where nothing is felt.")
        if self.held and abs(np.sin(self._home[1])) < STRAIGHT:
            raise PlantError(f"{self.arm.name}: held at {self.home} m the arm is straight and its torques give no force along it; bend the elbow.")
        if not 0 < self.tone < 1:
            raise PlantError(f"{self.arm.name}: tone {self.tone!r} should lie between 0 and 1.")

    @cached_property
    def _home(self) -> Float[ndarray, " 2"]:
        return self.arm.joints(np.array(self.home))

    def check_path(self, made: Float[ndarray, "trial time 2"], time: Float[ndarray, " time"]) -> None:
        """Check that the arm can reach these hand positions (cm from home).

        Raises:
            PlantError: it cannot; the message says which position, or which joint of which trial, and when.
        """
        self.arm.check_limits(self.arm.joints(np.asarray(self.home) + made / CM), time)

    @property
    def commands(self) -> int:
        """Number of commands: muscles, or joints."""
        return self.muscles.count if self.muscles else 2

    @property
    def sensors(self) -> int:
        """Number of sensory signals: lengths and velocities of muscles, or angles and speeds of joints."""
        return 0 if self.delay is None else 2 * self.commands

    @property
    def size(self) -> int:
        """How many numbers make a posture."""
        return 6 + self.commands

    def late(self, dt: float) -> int:
        """Return the delay of sensory feedback, in steps.

        Raises:
            PlantError: the delay is not a multiple of the step.
        """
        delay = self.delay or 0.0
        steps = round(delay / dt)
        if abs(delay / dt - steps) > 1e-6:
            raise PlantError(f"{self.arm.name}: delay {delay * 1e3:g} ms should be a multiple of the step, {dt * 1e3:g} ms.")
        return steps

    def start(self, trials: int) -> Float[ndarray, "trial posture"]:
        """Return the posture at rest at home, muscles at their tone: the numbers of :class:`Posture` side by side."""
        activation, torque = np.zeros(self.commands), np.zeros(2)
        if self.muscles:
            activation = np.full(self.commands, self.tone)
            torque = self.muscles.torque(activation, self._home, np.zeros(2))
        return np.tile(np.concatenate([self._home, np.zeros(2), activation, torque]), (trials, 1))

    def posture(self, numbers: Any) -> Posture:
        """Return the posture that these numbers (..., posture) describe."""
        middle = 4 + self.commands
        return Posture(numbers[..., :2], numbers[..., 2:4], numbers[..., 4:middle], numbers[..., middle:])

    def step(self, posture: Posture, commands: Any, dt: float, xp: Any = np, load: Any = None) -> Posture:
        """Return the posture one step later, under constant commands.

        Args:
            posture: at the start of the step.
            commands: (trial, command).
            dt: s.
            xp: module that the arrays belong to.
            load: external torque, N m, (trial, 2).
        """
        q, speed, activation, _ = posture
        if self.muscles is None:
            torque = after = commands
        else:
            torque = self.muscles.torque(activation, q, speed, xp)
            after = activation + (dt / self.muscles.tau) * (self.excitation(commands, xp) - activation)
        if self.held:
            return Posture(q, speed, after, torque)
        return Posture(*self.arm.step(q, speed, torque if load is None else torque + load, dt, xp), after, torque)

    def felt(self, posture: Posture, xp: Any = np) -> Any:
        """Return the sensory signals, (trial, sensor): departures from home, lengths in optimal lengths, angles in rad, velocities per second."""
        home, rest = _rest(self, xp, posture.q.dtype, posture.q.device)
        if self.muscles is None:
            return xp.concatenate([posture.q - home, posture.speed], -1)
        length, velocity = self.muscles.lengths(posture.q, posture.speed, xp)
        return xp.concatenate([length - rest, velocity], -1)

    def made(self, posture: Posture, xp: Any = np) -> Any:
        """Return the output of the body, (..., 2): position of the hand from home in cm or, if the hand is held, the force that it exerts in N."""
        if self.held:
            return self.arm.push(posture.q, posture.torque, xp)
        home = xp.asarray(np.array(self.home), dtype=posture.q.dtype, device=posture.q.device)
        return CM * (self.arm.hand(posture.q, xp) - home)

    @property
    def unit(self) -> str:
        """Unit of :meth:`made`."""
        return "N" if self.held else "cm"

    def excitation(self, commands: Any, xp: Any = np) -> Any:
        """Return the excitation of each muscle, 0 to 1."""
        return 1 / (1 + xp.exp(log(1 / self.tone - 1) - commands))


@lru_cache(maxsize=32)
def _rest(body: Body, xp: Any, dtype: Any, device: Any) -> tuple[Any, Any]:
    """Return the angles at home, and the lengths of the muscles there."""
    home = xp.asarray(body.arm.joints(np.array(body.home)), dtype=dtype, device=device)
    return home, body.muscles and body.muscles.lengths(home, 0 * home, xp)[0]


class Movement(NamedTuple):
    """A body's movement, at the start of every bin.

    Attributes:
        made: position of the hand from home, cm; or the force that a held hand exerts, N.
        velocity: of the hand, cm/s.
        angle: rad.
        torque: of muscles or commands, N m.
        activation: of the muscles, 0 to 1; empty if there are none.
        commands: at every step of the model that gave them.
    """

    made: Float[ndarray, "trial time 2"]
    velocity: Float[ndarray, "trial time 2"]
    angle: Float[ndarray, "trial time 2"]
    torque: Float[ndarray, "trial time 2"]
    activation: Float[ndarray, "trial time muscle"]
    commands: Float[ndarray, "trial step command"]

    @classmethod
    def of(
        cls, body: Body, numbers: Float[ndarray, "trial time posture"], commands: Float[ndarray, "trial step command"], time: Float[ndarray, " time"]
    ) -> "Movement":
        """Return the movement that the postures at every bin describe.

        Raises:
            PlantError: a joint exceeds its limits, or a number is not finite; the message says which, in which trial and when.
        """
        posture = body.posture(numbers)
        body.arm.check_limits(posture.q, time)
        activation = posture.activation if body.muscles else posture.activation[..., :0]
        return cls(body.made(posture), CM * body.arm.velocity(posture.q, posture.speed), posture.q, posture.torque, activation, commands)
