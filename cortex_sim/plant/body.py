"""A body that a circuit or network drives: an arm with or without muscles, stepped with them, and what it feels, some time later."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import PlantError
from cortex_sim.plant.arm import Arm
from cortex_sim.plant.muscles import Muscles


class Posture(NamedTuple):
    """State of a body: angles (rad), angular speeds (rad/s), activations of the muscles, and the torque that acted last (N m)."""

    q: Any
    speed: Any
    activation: Any
    torque: Any


@dataclass(frozen=True)
class Body:
    """An arm, its muscles, where it starts, and how late it is felt.

    Commands are torques in N m; with muscles they are the logits of their excitations, so that any real number is a command and 0 is half of
    full excitation.

    Attributes:
        arm: segments.
        muscles: None for an arm that is driven by torques.
        home: place of the hand at the start, m from the shoulder.
        delay: of what is felt, s.

    Raises:
        PlantError: home is out of reach, or the delay is negative.
    """

    arm: Arm
    muscles: Muscles | None
    home: tuple[float, float]
    delay: float = 0.05

    def __post_init__(self) -> None:
        self.arm.joints(np.array(self.home))
        if self.delay < 0:
            raise PlantError(f"{self.arm.name}: delay {self.delay!r} s should be 0 or more.")

    @property
    def commands(self) -> int:
        """Number of commands: muscles, or joints."""
        return self.muscles.count if self.muscles else 2

    @property
    def sensors(self) -> int:
        """Number of things felt: lengths and velocities of muscles, or angles and speeds of joints."""
        return 2 * self.commands

    def late(self, dt: float) -> int:
        """Steps between what happens and what is felt.

        Raises:
            PlantError: the delay is no multiple of the step.
        """
        steps = round(self.delay / dt)
        if abs(self.delay / dt - steps) > 1e-6:
            raise PlantError(f"{self.arm.name}: delay {self.delay * 1e3:g} ms should be a multiple of the step, {dt * 1e3:g} ms.")
        return steps

    def start(self, commands: Any, xp: Any = np) -> Posture:
        """At rest at home, muscles as active as the first commands hold them.

        Args:
            commands: (trial, command).
            xp: module that the arrays belong to.
        """
        q = xp.asarray(np.tile(self.arm.joints(np.array(self.home)), (len(commands), 1)), dtype=commands.dtype)
        still = xp.zeros_like(q)
        if self.muscles is None:
            return Posture(q, still, commands, commands)
        activation = _excitation(commands, xp)
        return Posture(q, still, activation, self.muscles.torque(activation, q, still, xp))

    def step(self, posture: Posture, commands: Any, dt: float, xp: Any = np) -> Posture:
        """The body a step later, commands held."""
        q, speed, activation, _ = posture
        if self.muscles is None:
            return Posture(*self.arm.step(q, speed, commands, dt, xp), commands, commands)
        torque = self.muscles.torque(activation, q, speed, xp)
        after = activation + (dt / self.muscles.tau) * (_excitation(commands, xp) - activation)
        return Posture(*self.arm.step(q, speed, torque, dt, xp), after, torque)

    def felt(self, posture: Posture, xp: Any = np) -> Any:
        """What the body feels: departures from home, (trial, sensor); lengths in optimal lengths, angles in rad, velocities per second."""
        home = xp.asarray(self.arm.joints(np.array(self.home)), dtype=posture.q.dtype)
        if self.muscles is None:
            return xp.concatenate([posture.q - home, posture.speed], -1)
        length, velocity = self.muscles.lengths(posture.q, posture.speed, xp)
        rest, _ = self.muscles.lengths(home, xp.zeros_like(home), xp)
        return xp.concatenate([length - rest, velocity], -1)


class Movement(NamedTuple):
    """What a body did, at the start of every bin.

    Attributes:
        hand: m from the shoulder.
        angle: rad.
        torque: N m.
        activation: of the muscles, 0 to 1; empty where there are none.
    """

    hand: Float[ndarray, "trial time 2"]
    angle: Float[ndarray, "trial time 2"]
    torque: Float[ndarray, "trial time 2"]
    activation: Float[ndarray, "trial time muscle"]


def _excitation(commands: Any, xp: Any) -> Any:
    return 1 / (1 + xp.exp(-commands))
