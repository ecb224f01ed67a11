r"""A two-joint arm in a plane: the position of its hand, and its motion under torques.

With shoulder and elbow angles q, :math:`M(q)\ddot q + C(q, \dot q) + B\dot q = \tau`, where

.. math::
    M = \begin{pmatrix} a_1 + 2 a_2 \cos q_2 & a_3 + a_2 \cos q_2 \\ a_3 + a_2 \cos q_2 & a_3 \end{pmatrix}, \quad
    C = a_2 \sin q_2 \begin{pmatrix} -\dot q_2 (2 \dot q_1 + \dot q_2) \\ \dot q_1^2 \end{pmatrix}.

For inertias about the joints, :math:`a_1 = I_1 + I_2 + m_2 l_1^2, a_2 = m_2 l_1 s_2, a_3 = I_2`; for inertias about the centres of mass,
the parallel-axis terms :math:`m_1 s_1^2` and :math:`m_2 s_2^2` are added to I_1 and I_2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import PlantError

Pair = tuple[float, float]
DEGREE = pi / 180


@dataclass(frozen=True)
class Arm:
    """The segments of an arm, upper arm first.

    Functions take ``xp``, the module that the arrays belong to: ``numpy``, or ``torch`` for differentiable results.

    Attributes:
        name: of the arm.
        length: m.
        mass: kg.
        inertia: kg m².
        centre: distance of the centre of mass from the segment's own joint, m.
        about: whether inertias are about the joints or about the centres of mass.
        damping: of the joints, N m s/rad, row by row.
        limits: lowest and highest angle of each joint, rad.
        source: of the numbers.
    """

    name: str
    length: Pair
    mass: Pair
    inertia: Pair
    centre: Pair
    about: Literal["joint", "centre"]
    damping: tuple[Pair, Pair] = ((0.05, 0.025), (0.025, 0.05))
    limits: tuple[Pair, Pair] = ((-pi, pi), (0.0, pi))
    source: str = ""

    @property
    def constants(self) -> tuple[float, float, float]:
        """a_1, a_2 and a_3, kg m²."""
        m1, m2 = self.mass
        s1, s2 = self.centre
        I1, I2 = self.inertia
        if self.about == "centre":
            I1, I2 = I1 + m1 * s1**2, I2 + m2 * s2**2
        return I1 + I2 + m2 * self.length[0] ** 2, m2 * self.length[0] * s2, I2

    def hand(self, q: Any, xp: Any = np) -> Any:
        """Return the position of the hand, m from the shoulder; angles (..., 2) in rad."""
        first, both = q[..., 0], q[..., 0] + q[..., 1]
        l1, l2 = self.length
        return xp.stack([l1 * xp.cos(first) + l2 * xp.cos(both), l1 * xp.sin(first) + l2 * xp.sin(both)], -1)

    def velocity(self, q: Any, speed: Any, xp: Any = np) -> Any:
        """Return the velocity of the hand, m/s."""
        first, both = q[..., 0], q[..., 0] + q[..., 1]
        one, two = self.length[0] * speed[..., 0], self.length[1] * (speed[..., 0] + speed[..., 1])
        return xp.stack([-one * xp.sin(first) - two * xp.sin(both), one * xp.cos(first) + two * xp.cos(both)], -1)

    def jacobian(self, q: Float[ndarray, "... 2"]) -> Float[ndarray, "... 2 2"]:
        """Return the derivative of the hand's position with respect to the angles, m/rad."""
        return np.stack([self.velocity(q, np.broadcast_to(axis, q.shape)) for axis in np.eye(2)], axis=-1)

    def pull(self, q: Any, force: Any, xp: Any = np) -> Any:
        """Return the joint torque, N m, equivalent to a force at the hand, N: the transposed Jacobian times the force."""
        first, both = q[..., 0], q[..., 0] + q[..., 1]
        (l1, l2), x, y = self.length, force[..., 0], force[..., 1]
        elbow = l2 * (xp.cos(both) * y - xp.sin(both) * x)
        return xp.stack([l1 * (xp.cos(first) * y - xp.sin(first) * x) + elbow, elbow], -1)

    def push(self, q: Any, torque: Any, xp: Any = np) -> Any:
        """Return the force, N, that the hand exerts on what holds it in place, under a torque at the joints, N m."""
        first, both = q[..., 0], q[..., 0] + q[..., 1]
        (l1, l2), t2 = self.length, torque[..., 1]
        t1 = torque[..., 0] - t2
        x = (l2 * xp.cos(both) * t1 - l1 * xp.cos(first) * t2) / (l1 * l2 * xp.sin(q[..., 1]))
        y = (l2 * xp.sin(both) * t1 - l1 * xp.sin(first) * t2) / (l1 * l2 * xp.sin(q[..., 1]))
        return xp.stack([x, y], -1)

    def joints(self, hand: Float[ndarray, "... 2"]) -> Float[ndarray, "... 2"]:
        """Return the angles that bring the hand to a position, with the elbow bent forward (a positive angle), rad.

        Raises:
            PlantError: a position is out of reach; the message says which, and how far the arm reaches.
        """
        hand = np.asarray(hand, dtype=float)
        (l1, l2), distance = self.length, np.linalg.norm(hand, axis=-1)
        low, high = abs(l1 - l2), l1 + l2
        if (far := (distance > high) | (distance < low)).any():
            number = int(np.flatnonzero(far.ravel())[0])
            x, y = hand.reshape(-1, 2)[number]
            where = f"place {number} at ({x:.3g}, {y:.3g}) m is {distance.ravel()[number]:.3g} m from the shoulder"
            raise PlantError(f"{self.name}: {where}; the arm reaches {low:.3g} to {high:.3g} m.")
        elbow = np.arccos(np.clip((distance**2 - l1**2 - l2**2) / (2 * l1 * l2), -1.0, 1.0))
        shoulder = np.arctan2(hand[..., 1], hand[..., 0]) - np.arctan2(l2 * np.sin(elbow), l1 + l2 * np.cos(elbow))
        return np.stack([(shoulder + pi) % (2 * pi) - pi, elbow], axis=-1)

    def inertia_matrix(self, q: Float[ndarray, "... 2"]) -> Float[ndarray, "... 2 2"]:
        """Return the inertia matrix M(q), kg m²."""
        a1, a2, a3 = self.constants
        bend = a2 * np.cos(q[..., 1])
        off = a3 + bend
        return np.stack([np.stack([a1 + 2 * bend, off], axis=-1), np.stack([off, a3 + 0 * bend], axis=-1)], axis=-2)

    def acceleration(self, q: Any, speed: Any, torque: Any, xp: Any = np) -> Any:
        """Return the angular acceleration under a torque, rad/s²; torque in N m."""
        (a1, a2, a3), B = self.constants, self.damping
        v1, v2 = speed[..., 0], speed[..., 1]
        bend, twist = a2 * xp.cos(q[..., 1]), a2 * xp.sin(q[..., 1])
        t1 = torque[..., 0] + twist * v2 * (2 * v1 + v2) - B[0][0] * v1 - B[0][1] * v2
        t2 = torque[..., 1] - twist * v1 * v1 - B[1][0] * v1 - B[1][1] * v2
        m11, m12 = a1 + 2 * bend, a3 + bend
        determinant = m11 * a3 - m12 * m12
        return xp.stack([(a3 * t1 - m12 * t2) / determinant, (m11 * t2 - m12 * t1) / determinant], -1)

    def torque(self, q: Float[ndarray, "... 2"], speed: Float[ndarray, "... 2"], acceleration: Float[ndarray, "... 2"]) -> Float[ndarray, "... 2"]:
        """Return the torque that a movement requires (inverse dynamics), N m."""
        v1, v2 = speed[..., 0], speed[..., 1]
        twist = self.constants[1] * np.sin(q[..., 1])
        centrifugal = np.stack([-twist * v2 * (2 * v1 + v2), twist * v1**2], axis=-1)
        return (self.inertia_matrix(q) @ acceleration[..., None])[..., 0] + centrifugal + speed @ np.array(self.damping).T

    def torque_along(self, hand: Float[ndarray, "trial time 2"], dt: float) -> Float[ndarray, "trial time 2"]:
        """Return the torque that moves the hand along these positions (m from the shoulder, one every dt s), N m.

        Raises:
            PlantError: a position is out of reach.
        """
        q = self.joints(hand)
        speed = np.gradient(q, dt, axis=1)
        return self.torque(q, speed, np.gradient(speed, dt, axis=1))

    def energy(self, q: Float[ndarray, "... 2"], speed: Float[ndarray, "... 2"]) -> Float[ndarray, "..."]:
        """Return the kinetic energy, J; the arm moves in a horizontal plane."""
        return 0.5 * np.einsum("...i,...ij,...j->...", speed, self.inertia_matrix(q), speed)

    def step(self, q: Any, speed: Any, torque: Any, dt: float, xp: Any = np) -> tuple[Any, Any]:
        """Return angles and angular speeds a step later under a constant torque: one Runge-Kutta step of fourth order."""
        one = self.acceleration(q, speed, torque, xp)
        half = 0.5 * dt
        s2 = speed + half * one
        two = self.acceleration(q + half * speed, s2, torque, xp)
        s3 = speed + half * two
        three = self.acceleration(q + half * s2, s3, torque, xp)
        s4 = speed + dt * three
        four = self.acceleration(q + dt * s3, s4, torque, xp)
        return q + dt / 6 * (speed + 2 * s2 + 2 * s3 + s4), speed + dt / 6 * (one + 2 * two + 2 * three + four)

    def check_limits(self, q: Float[ndarray, "trial time 2"], time: Float[ndarray, " time"]) -> None:
        """Check that angles are finite and within the limits of the joints.

        Raises:
            PlantError: one is not; the message says which joint of which trial, when, and what its limits are.
        """
        if not np.isfinite(q).all():
            trial, bin_, _ = np.argwhere(~np.isfinite(q))[0]
            raise PlantError(f"{self.name}: trial {trial} leaves all bounds at {time[bin_]:.3g} s; what drives the arm is too strong or unstable.")
        for joint, (name, (low, high)) in enumerate(zip(("shoulder", "elbow"), self.limits, strict=True)):
            outside = (q[..., joint] < low) | (q[..., joint] > high)
            if outside.any():
                trial, bin_ = np.argwhere(outside)[0]
                found = f"{name} at {q[trial, bin_, joint] / DEGREE:.1f} deg in trial {trial} at {time[bin_]:.3g} s"
                raise PlantError(f"{self.name}: {found}; it bends from {low / DEGREE:.0f} to {high / DEGREE:.0f} deg.")


def _degrees(*limits: Sequence[float]) -> Any:
    return tuple((low * DEGREE, high * DEGREE) for low, high in limits)


HUMAN = Arm(
    "human arm", (0.30, 0.33), (1.4, 1.0), (0.025, 0.045), (0.11, 0.16), "joint", limits=_degrees((-60, 160), (0, 180)),
    source="Li & Todorov (2004), as in the code of Kao et al. (2021); limits chosen, wide enough for their home posture",
)  # fmt: skip
MONKEY = Arm(
    "monkey arm", (0.145, 0.284), (0.2108, 0.1938), (0.025, 0.045), (0.0749, 0.0757), "joint", limits=_degrees((-60, 160), (0, 170)),
    source="code of Kalidindi et al. (2021); the inertias are those of the human arm, kept there and here, which does not fit the masses",
)  # fmt: skip
MOTORNET = Arm(
    "arm26", (0.309, 0.333), (1.82, 1.43), (0.051, 0.057), (0.135, 0.165), "centre", ((0.0, 0.0), (0.0, 0.0)), _degrees((0, 135), (0, 155)),
    source="MotorNet, effector.py, after Nijhof & Kouwenhoven (2000)",
)  # fmt: skip
ARMS = {arm.name: arm for arm in (HUMAN, MONKEY, MOTORNET)}
