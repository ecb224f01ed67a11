r"""The adjoint of a step of a body, in closed form: from derivatives with respect to the posture after it to those for the posture before.

With :math:`a = M^{-1} n`, a derivative w with respect to the acceleration becomes :math:`z = M^{-1} w` for the torque, and for the elbow angle
:math:`z \cdot (\partial n/\partial q_2 - (\partial M/\partial q_2)\,a)`. The four stages of a Runge-Kutta step are reversed one after another.
"""

from typing import Any

import numpy as np

from cortex_sim.tasks.body._arm import Arm
from cortex_sim.tasks.body._body import Body, Posture
from cortex_sim.tasks.body._muscles import LONGEST, SHORTEST, Muscles, force_length, force_length_slope, force_velocity, force_velocity_slopes


def step_back(body: Body, before: Posture, commands: Any, after: Posture, by: Posture, dt: float, load: Any, xp: Any = np) -> tuple[Any, ...]:
    """Return derivatives with respect to what a step started from, given those with respect to the posture after it.

    Args:
        body: that took the step.
        before: posture before it.
        commands: held during it, (trial, command).
        after: posture after it.
        by: derivatives with respect to the posture after it.
        dt: s.
        load: external torque during it, (trial, 2), or None.
        xp: module that the arrays belong to.

    Returns:
        Derivatives with respect to angles, speeds and activations before the step, to commands, and to the load.
    """
    by_torque = by.torque
    by_q, by_speed, by_load = by.q, by.speed, None
    if not body.held:
        total = after.torque if load is None else after.torque + load
        by_q, by_speed, by_load = _arm_back(body.arm, before.q, before.speed, total, by.q, by.speed, dt, xp)
        by_torque = by_torque + by_load
    if body.muscles is None:
        return by_q, by_speed, 0 * by.activation, by_torque + by.activation, by_load
    share = dt / body.muscles.tau
    excitation = body.excitation(commands, xp)
    from_q, from_speed, from_activation = _muscles_back(body.muscles, before, by_torque, xp)
    by_commands = share * by.activation * excitation * (1 - excitation)
    return by_q + from_q, by_speed + from_speed, (1 - share) * by.activation + from_activation, by_commands, by_load


def _arm_back(arm: Arm, q: Any, speed: Any, torque: Any, by_q: Any, by_speed: Any, dt: float, xp: Any) -> tuple[Any, Any, Any]:
    """Propagate derivatives back through the four stages of :meth:`.Arm.step`, which are recomputed."""
    parts, points, rate = (0.0, dt / 2, dt / 2, dt), [], None
    for part in parts:
        point = (q, speed) if rate is None else (q + part * rate[0], speed + part * rate[1])
        rate = point[1], arm.acceleration(*point, torque, xp)
        points.append((*point, rate[1]))
    total_q, total_speed, total_torque = by_q, by_speed, 0.0
    later_q, later_speed, onward = 0.0, 0.0, 0.0
    for (at_q, at_speed, acceleration), weight, part in zip(reversed(points), (1, 2, 2, 1), reversed(parts), strict=True):
        by_velocity = dt / 6 * weight * by_q + onward * later_q
        by_acceleration = dt / 6 * weight * by_speed + onward * later_speed
        from_q, from_speed, from_torque = _acceleration_back(arm, at_q, at_speed, acceleration, by_acceleration, xp)
        later_q, later_speed, onward = from_q, by_velocity + from_speed, part
        total_q, total_speed, total_torque = total_q + later_q, total_speed + later_speed, total_torque + from_torque
    return total_q, total_speed, total_torque


def _acceleration_back(arm: Arm, q: Any, speed: Any, acceleration: Any, by: Any, xp: Any) -> tuple[Any, Any, Any]:
    (a1, a2, a3), B = arm.constants, arm.damping
    v1, v2, w1, w2 = speed[..., 0], speed[..., 1], by[..., 0], by[..., 1]
    bend, twist = a2 * xp.cos(q[..., 1]), a2 * xp.sin(q[..., 1])
    m11, m12 = a1 + 2 * bend, a3 + bend
    determinant = m11 * a3 - m12 * m12
    z1, z2 = (a3 * w1 - m12 * w2) / determinant, (m11 * w2 - m12 * w1) / determinant
    inertia = twist * (z1 * (2 * acceleration[..., 0] + acceleration[..., 1]) + z2 * acceleration[..., 0])
    by_elbow = inertia + bend * (z1 * v2 * (2 * v1 + v2) - z2 * v1 * v1)
    by_v1 = z1 * (2 * twist * v2 - B[0][0]) - z2 * (2 * twist * v1 + B[1][0])
    by_v2 = z1 * (2 * twist * (v1 + v2) - B[0][1]) - z2 * B[1][1]
    return xp.stack([0 * by_elbow, by_elbow], -1), xp.stack([by_v1, by_v2], -1), xp.stack([z1, z2], -1)


def _muscles_back(muscles: Muscles, before: Posture, by_torque: Any, xp: Any) -> tuple[Any, Any, Any]:
    shortening, offset, moments = muscles.arrays(xp, before.q.dtype, before.q.device)
    bare = offset - before.q @ shortening
    length, velocity = xp.clip(bare, SHORTEST, LONGEST), -(before.speed @ shortening)
    by_force = muscles.strength * (by_torque @ moments.T)
    still, moving = force_length(length, xp), force_velocity(length, velocity, xp)
    by_length, by_velocity = force_velocity_slopes(length, velocity, xp)
    active = by_force * before.activation
    inside = (bare >= SHORTEST) & (bare <= LONGEST)
    from_length = inside * active * (force_length_slope(length, xp) * moving + still * by_length)
    return -(from_length @ shortening.T), -((active * still * by_velocity) @ shortening.T), by_force * still * moving
