r"""Six muscles of an arm: activation, length, force, and the torques that they exert.

Length in units of the optimal length is :math:`l_m = 1 + \sum_j \rho_{mj}(\theta^*_{mj} - q_j)/L_m`; the force of a muscle is its strength times its
activation times the force-length and force-velocity factors; the torque of joint j is :math:`\sum_m \rho_{mj} F_m`. Excitation u becomes
activation by :math:`\tau\,\dot a = u - a`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import PlantError
from cortex_sim.tasks.body._arm import DEGREE

MUSCLE_NAMES = ("shoulder flexor", "shoulder extensor", "elbow flexor", "elbow extensor", "biarticular flexor", "biarticular extensor")
BENT = -0.9  # least bend of the curve of shortening; at -1 it has a pole
SHORTEST, LONGEST = 0.2, 1.9  # of the optimal length: where the factors end


@dataclass(frozen=True)
class Muscles:
    """The parameters of the muscles.

    Attributes:
        arm: moment arms rho of shoulder and elbow, cm; positive where the muscle flexes.
        optimum: angle of each joint at which the muscle has its optimal length, deg.
        length: optimal length L, cm.
        strength: isometric force of a fully active muscle at its optimal length, N.
        tau: time constant of activation, s.
        source: of the numbers.

    Raises:
        PlantError: a muscle has no moment arm, numbers are missing, or strength or tau is not above 0.
    """

    arm: tuple[tuple[float, float], ...]
    optimum: tuple[tuple[float, float], ...]
    length: tuple[float, ...]
    strength: float
    tau: float
    source: str = ""

    def __post_init__(self) -> None:
        for name, value in (("optimum", self.optimum), ("length", self.length)):
            if len(value) != len(self.arm):
                raise PlantError(f"muscles: {name} is given for {len(value)} muscles; there are {len(self.arm)} moment arms.")
        for number, moment in enumerate(self.arm):
            if not any(moment):
                raise PlantError(f"muscles: muscle {number} has moment arms (0, 0); it should turn at least one joint.")
        for name in ("strength", "tau"):
            if getattr(self, name) <= 0:
                raise PlantError(f"muscles: {name} {getattr(self, name)!r} should be above 0.")

    @property
    def count(self) -> int:
        """Number of muscles."""
        return len(self.arm)

    @property
    def moments(self) -> Float[ndarray, "muscle 2"]:
        """Moment arms, m."""
        return np.array(self.arm) / 100

    @property
    def shortening(self) -> Float[ndarray, "muscle 2"]:
        """Shortening of each muscle per angle of each joint, in optimal lengths per rad."""
        return np.array(self.arm) / np.array(self.length)[:, None]

    @property
    def offset(self) -> Float[ndarray, " muscle"]:
        """Length at angles of 0, in optimal lengths."""
        return 1 + (self.shortening * np.array(self.optimum) * DEGREE).sum(axis=1)

    def lengths(self, q: Any, speed: Any, xp: Any = np) -> tuple[Any, Any]:
        """Return the length (in optimal lengths) and velocity (in optimal lengths per second) of each muscle; angles (..., 2) in rad."""
        shortening, offset, _ = self.arrays(xp, q.dtype, q.device)
        return xp.clip(offset - q @ shortening, SHORTEST, LONGEST), -(speed @ shortening)

    def forces(self, activation: Any, q: Any, speed: Any, xp: Any = np) -> Any:
        """Return the force of each muscle, N; never negative."""
        length, velocity = self.lengths(q, speed, xp)
        return self.strength * activation * force_length(length, xp) * force_velocity(length, velocity, xp)

    def torque(self, activation: Any, q: Any, speed: Any, xp: Any = np) -> Any:
        """Return the torque at each joint, N m."""
        return self.forces(activation, q, speed, xp) @ self.arrays(xp, q.dtype, q.device)[2]

    @lru_cache(maxsize=32)  # noqa: B019 - a handful of muscles, frozen
    def arrays(self, xp: Any, dtype: Any, device: Any) -> tuple[Any, ...]:
        """Return shortening per joint angle (2, muscle), length at angles of 0, and moment arms, computed once and not at every step."""
        return tuple(xp.asarray(array, dtype=dtype, device=device) for array in (self.shortening.T, self.offset, self.moments))


def force_length(length: Any, xp: Any = np) -> Any:
    """Return the factor of the force at a length in optimal lengths: 1 at the optimum."""
    return xp.exp(-(xp.abs((length**1.55 - 1) / 0.81) ** 2.12))


def force_length_slope(length: Any, xp: Any = np) -> Any:
    """Return the derivative of :func:`force_length`."""
    u = (length**1.55 - 1) / 0.81
    return -force_length(length, xp) * 2.12 * xp.abs(u) ** 1.12 * xp.sign(u) * (1.55 / 0.81) * length**0.55


def force_velocity(length: Any, velocity: Any, xp: Any = np) -> Any:
    """Return the factor of the force at a velocity in optimal lengths per second, negative for shortening: 1 at rest, 0 at -7.39 and below.

    The published shortening curve has a pole below 0.53 optimal lengths, where it was never measured; its curvature is held constant there.
    """
    slow = xp.clip(velocity, -7.39, 0.0)
    shortening = (-7.39 - slow) / (-7.39 + slow * xp.clip(-3.21 + 4.17 * length, BENT, 1e3))
    fast = xp.clip(velocity, 0.0, 1e3)
    lengthening = (0.62 - fast * (-3.12 + 4.21 * length - 2.67 * length**2)) / (0.62 + fast)  # the quadratic is negative for every length
    return xp.where(velocity < 0, shortening, lengthening)


def force_velocity_slopes(length: Any, velocity: Any, xp: Any = np) -> tuple[Any, Any]:
    """Return the derivatives of :func:`force_velocity` with respect to length and to velocity."""
    slow, fast, free = xp.clip(velocity, -7.39, 0.0), xp.clip(velocity, 0.0, 1e3), -3.21 + 4.17 * length
    bend, rest = xp.clip(free, BENT, 1e3), -7.39 - slow
    below = (-7.39 + slow * bend) ** 2
    curve, late = -3.12 + 4.21 * length - 2.67 * length**2, 0.62 + fast
    by_length = xp.where(velocity < 0, -rest * slow * 4.17 * (free >= BENT) / below, -fast * (4.21 - 5.34 * length) / late)
    shortening = 7.39 * (1 + bend) * (velocity >= -7.39) / below
    return by_length, xp.where(velocity < 0, shortening, -0.62 * (1 + curve) / late**2)


LILLICRAP_SCOTT = Muscles(
    arm=((2.0, 0.0), (-2.0, 0.0), (0.0, 2.0), (0.0, -2.0), (1.5, 2.0), (-2.0, -1.5)),
    optimum=((15.0, 0.0), (4.88, 0.0), (0.0, 80.86), (0.0, 109.32), (4.5, 92.96), (2.12, 91.52)),
    length=(7.32, 3.26, 6.4, 4.26, 5.95, 4.04), strength=300.0, tau=0.05,
    source="Lillicrap & Scott (2013), as in the code of Kalidindi et al. (2021); strength chosen, alike for all muscles",
)  # fmt: skip
