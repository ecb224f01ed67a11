"""Arms and muscles against closed forms, conservation laws and the limits of what can be asked of them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from cortex_sim.errors import PlantError
from cortex_sim.simulation.adapters._motornet import arm_of
from cortex_sim.simulation.torch import _body_kernel as body_kernel
from cortex_sim.tasks.body._arm import ARMS, HUMAN, MONKEY, MOTORNET
from cortex_sim.tasks.body._body import Body, Posture
from cortex_sim.tasks.body._moving import moved_by_torques
from cortex_sim.tasks.body._muscles import LILLICRAP_SCOTT, Muscles, force_length, force_velocity

RIGHT = np.array([0.3, np.pi / 2])
FREE = ((0.0, 0.0), (0.0, 0.0))


def random(count: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    q = np.stack([rng.uniform(-0.5, 2.0, count), rng.uniform(0.2, 2.5, count)], axis=1)
    return q, rng.normal(size=(count, 2)), rng.normal(size=(count, 2))


def test_inertia_at_a_right_angle_is_the_closed_form_of_either_convention() -> None:
    np.testing.assert_allclose(HUMAN.inertia_matrix(RIGHT), [[0.16, 0.045], [0.045, 0.045]], rtol=1e-12)
    np.testing.assert_allclose(MOTORNET.inertia_matrix(RIGHT), [[0.3166, 0.0959], [0.0959, 0.0959]], atol=5e-5)


def test_the_same_rods_have_the_same_inertia_in_both_conventions() -> None:
    by_centre = replace(HUMAN, about="centre", inertia=tuple(np.array(HUMAN.inertia) - np.array(HUMAN.mass) * np.array(HUMAN.centre) ** 2))
    np.testing.assert_allclose(by_centre.inertia_matrix(random()[0]), HUMAN.inertia_matrix(random()[0]), rtol=1e-12)


@pytest.mark.parametrize("name", ARMS)
def test_without_friction_and_torque_the_energy_stays(name: str) -> None:
    arm = replace(ARMS[name], damping=FREE)
    q, speed, _ = random(20)
    before = arm.energy(q, speed)
    for _ in range(1000):
        q, speed = arm.step(q, speed, np.zeros_like(q), 1e-3)
    np.testing.assert_allclose(arm.energy(q, speed), before, rtol=1e-10)  # a fourth-order step of 1 ms


@pytest.mark.parametrize("name", ARMS)
def test_work_is_the_change_of_energy_and_friction_takes_some(name: str) -> None:
    arm, (q, speed, torque) = ARMS[name], random()
    power = (speed * (torque - speed @ np.array(arm.damping).T)).sum(axis=1)
    dt = 1e-6
    after = arm.step(q, speed, torque, dt)
    np.testing.assert_allclose((arm.energy(*after) - arm.energy(q, speed)) / dt, power, atol=1e-3)


def test_runge_kutta_converges_with_the_fourth_power_of_the_step() -> None:
    q, speed, torque = random(5)

    def after(steps: int) -> np.ndarray:
        a, b = q, speed
        for _ in range(steps):
            a, b = HUMAN.step(a, b, torque, 0.2 / steps)
        return a

    exact = after(640)
    errors = [np.abs(after(steps) - exact).max() for steps in (10, 20, 40)]
    assert [round(np.log2(a / b)) for a, b in pairwise(errors)] == [4, 4]


@pytest.mark.parametrize("name", ARMS)
def test_inverse_dynamics_undo_the_dynamics(name: str) -> None:
    q, speed, torque = random()
    acceleration = ARMS[name].acceleration(q, speed, torque)
    np.testing.assert_allclose(ARMS[name].torque(q, speed, acceleration), torque, rtol=1e-10, atol=1e-12)


def test_torques_along_a_path_move_the_hand_along_it() -> None:
    time = 1e-3 * np.arange(400)
    home = (0.0, 0.2)
    path = np.array(home) + 0.1 * (np.sin(np.pi * time / time[-1] / 2) ** 4)[:, None] * np.array([1.0, 0.5])
    moved = moved_by_torques(HUMAN, HUMAN.torque_along(path[None], 1e-3), home=home, time=time, bin=1e-3)
    np.testing.assert_allclose(moved.made[0], 100 * (path - home), atol=0.05)  # cm; torques are held for a step


def test_the_hand_and_the_joints_are_inverse_and_the_jacobian_is_the_derivative() -> None:
    q, speed, _ = random()
    np.testing.assert_allclose(MONKEY.joints(MONKEY.hand(q)), q, atol=1e-9)
    step = 1e-6
    numeric = (MONKEY.hand(q + step * speed) - MONKEY.hand(q - step * speed)) / (2 * step)
    np.testing.assert_allclose((MONKEY.jacobian(q) @ speed[..., None])[..., 0], numeric, atol=1e-9)
    np.testing.assert_allclose(MONKEY.velocity(q, speed), numeric, atol=1e-9)


def test_the_home_posture_of_the_human_arm_is_the_published_one() -> None:
    q = np.radians([10.0, 143.54])  # Kao et al. (2021): the hand straight before the shoulder
    np.testing.assert_allclose(HUMAN.hand(q), [0, 0.1991], atol=1e-4)


def test_places_out_of_reach_are_refused_with_the_reach() -> None:
    message = r"^human arm: place 1 at \(0\.5, 0\.5\) m is 0\.707 m from the shoulder; the arm reaches 0\.03 to 0\.63 m\.$"
    with pytest.raises(PlantError, match=message):
        HUMAN.joints(np.array([[0.2, 0.3], [0.5, 0.5]]))


def test_angles_beyond_a_joint_or_no_numbers_are_told_with_trial_and_time() -> None:
    q, time = np.full((2, 3, 2), 0.5), np.array([0.0, 0.01, 0.02])
    HUMAN.check_limits(q, time)
    q[1, 2, 1] = -0.2
    with pytest.raises(PlantError, match=r"^human arm: elbow at -11\.5 deg in trial 1 at 0\.02 s; it bends from 0 to 180 deg\.$"):
        HUMAN.check_limits(q, time)
    q[0, 1, 0] = np.nan
    with pytest.raises(PlantError, match=r"^human arm: trial 0 leaves all bounds at 0\.01 s; what drives the arm is too strong or unstable\.$"):
        HUMAN.check_limits(q, time)


def test_a_muscle_is_strongest_at_its_optimal_length_and_at_rest() -> None:
    length = np.linspace(0.3, 1.8, 301)
    assert force_length(1.0) == 1 and length[np.argmax(force_length(length))] == pytest.approx(1)
    np.testing.assert_allclose(force_velocity(length, np.zeros(301)), 1)
    assert force_velocity(1.0, -7.39) == 0 and force_velocity(1.0, -20.0) == 0
    velocity = np.linspace(-7.3, 7.3, 201)
    assert (np.diff(force_velocity(np.ones(201), velocity)) > 0).all()  # the faster it shortens, the weaker


def test_forces_are_finite_and_fall_with_shortening_at_every_length() -> None:
    length, velocity = np.meshgrid(np.linspace(0.2, 1.9, 60), np.linspace(-12, 12, 401), indexing="ij")
    factor = force_velocity(length, velocity)
    assert np.isfinite(factor).all() and factor.min() == 0 and (np.diff(factor, axis=1) > -1e-12).all()
    assert factor.max() < 3.12 - 4.21 * 1.9 + 2.67 * 1.9**2  # of lengthening, for infinite speed at the longest


def test_at_its_optimal_angles_each_muscle_has_its_optimal_length() -> None:
    for number, (shoulder, elbow) in enumerate(LILLICRAP_SCOTT.optimum):
        length, _ = LILLICRAP_SCOTT.lengths(np.radians([shoulder, elbow]), np.zeros(2))
        assert length[number] == pytest.approx(1)


def test_torque_is_the_work_that_muscles_do_by_shortening() -> None:
    q, speed, _ = random()
    q = np.clip(q, [0.0, 0.8], [0.6, 2.0])  # lengths within their range
    activation = np.random.default_rng(1).uniform(size=(50, 6))
    force = LILLICRAP_SCOTT.forces(activation, q, speed)
    assert (force >= 0).all()
    metres = np.array(LILLICRAP_SCOTT.length) / 100
    power = -(force * LILLICRAP_SCOTT.lengths(q, speed)[1] * metres).sum(axis=1)
    np.testing.assert_allclose((LILLICRAP_SCOTT.torque(activation, q, speed) * speed).sum(axis=1), power, rtol=1e-10)


def test_a_force_at_the_hand_and_its_torque_do_the_same_work_and_a_held_hand_gives_it_back() -> None:
    q, speed, force = random()
    torque = MONKEY.pull(q, force)
    np.testing.assert_allclose((torque * speed).sum(axis=1), (force * MONKEY.velocity(q, speed)).sum(axis=1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(MONKEY.push(q, torque), force, rtol=1e-9, atol=1e-11)


def test_torch_and_numpy_give_the_same_body() -> None:
    body = Body(MONKEY, LILLICRAP_SCOTT, (0.0, 0.25))
    commands = np.random.default_rng(2).normal(size=(7, 6))
    found, like = body.posture(body.start(7)), body.posture(torch.tensor(body.start(7)))
    for _ in range(20):
        found, like = body.step(found, commands, 0.01), body.step(like, torch.tensor(commands), 0.01, torch)
    for a, b in zip(found, like, strict=True):
        np.testing.assert_allclose(b.numpy(), a, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(body.felt(like, torch).numpy(), body.felt(found), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("muscles", [None, LILLICRAP_SCOTT])
def test_gradients_through_a_movement_are_those_of_differences(muscles: Muscles | None) -> None:
    body = Body(MONKEY, muscles, (0.0, 0.25))

    def hand(commands: torch.Tensor) -> torch.Tensor:
        posture = body.posture(torch.tensor(body.start(2)))
        for _ in range(5):
            posture = body.step(posture, commands, 0.01, torch)
        return body.arm.hand(posture.q, torch)

    commands = (0.5 * torch.randn(2, body.commands, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).requires_grad_()
    assert torch.autograd.gradcheck(hand, commands)


def test_bad_bodies_are_refused() -> None:
    with pytest.raises(PlantError, match=r"^muscles: muscle 1 has moment arms \(0, 0\); it should turn at least one joint\.$"):
        Muscles(((2.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (0.0, 0.0)), (5.0, 5.0), 100.0, 0.05)
    with pytest.raises(PlantError, match=r"^muscles: length is given for 1 muscles; there are 2 moment arms\.$"):
        Muscles(((2.0, 0.0), (0.0, 1.0)), ((0.0, 0.0), (0.0, 0.0)), (5.0,), 100.0, 0.05)
    with pytest.raises(PlantError, match=r"^monkey arm: place 0 at \(0, 0\.9\) m is 0\.9 m from the shoulder"):
        Body(MONKEY, None, (0.0, 0.9))
    with pytest.raises(PlantError, match=r"^monkey arm: tone 0 should lie between 0 and 1\.$"):
        Body(MONKEY, None, (0.0, 0.25), tone=0)
    with pytest.raises(PlantError, match=r"^monkey arm: held at \(0\.42899999, 0\.0\) m the arm is straight"):
        Body(MONKEY, None, (0.42899999, 0.0), held=True)
    with pytest.raises(PlantError, match=r"^monkey arm: delay 25 ms should be a multiple of the step, 10 ms\.$"):
        Body(MONKEY, None, (0.0, 0.25), delay=0.025).late(0.01)


@pytest.mark.parametrize("body", [
    Body(MONKEY, LILLICRAP_SCOTT, (0.0, 0.25)), Body(MOTORNET, None, (0.0, 0.4)), Body(HUMAN, LILLICRAP_SCOTT, (0.1, 0.3), held=True),
])  # fmt: skip
@pytest.mark.parametrize("loaded", [False, True])
def test_a_step_taken_back_in_closed_form_gives_the_gradient_of_the_step(body: Body, loaded: bool) -> None:
    """Against torch's own history of the step as it is written, over postures where muscles are short and long, slow and fast."""
    rng = np.random.default_rng(3)
    q, speed = rng.uniform([-1.0, 0.1], [2.5, 2.9], (200, 2)), rng.normal(0, 12, (200, 2))
    activation, commands, load = rng.uniform(size=(200, body.commands)), rng.normal(size=(200, body.commands)), rng.normal(size=(200, 2))
    given = [torch.tensor(array, requires_grad=True) for array in (q, speed, activation, commands, load)]
    random = [torch.tensor(rng.normal(size=shape)) for shape in ((200, 2), (200, 2), (200, body.commands), (200, 2))]
    results = []
    for own in (False, True):
        posture, push = Posture(*given[:3], None), given[4] if loaded else None
        after = body_kernel.step(body, posture, given[3], 0.01, push) if own else body.step(posture, given[3], 0.01, torch, push)
        loss = sum((part * weight).sum() for part, weight in zip(after, random, strict=True))
        results.append([*after, *torch.autograd.grad(loss, given, allow_unused=True)])
    for written, closed in zip(*results, strict=True):
        if written is None:
            assert closed is None or not closed.any()
        else:
            torch.testing.assert_close(closed, written, rtol=1e-9, atol=1e-9)


def test_an_arm_of_motornet_moves_here_as_it_does_there() -> None:
    motornet = pytest.importorskip("motornet", reason="MotorNet is not installed (GPL-3, optional)")
    effector = motornet.effector.RigidTendonArm26(muscle=motornet.muscle.RigidTendonHillMuscle())
    arm = arm_of(effector.skeleton)
    assert replace(arm, name=MOTORNET.name, source=MOTORNET.source, limits=MOTORNET.limits) == MOTORNET
    np.testing.assert_allclose(arm.limits, MOTORNET.limits, rtol=1e-6)
    q, speed, torque = random()
    state, force = torch.tensor(np.hstack([q, speed]), dtype=torch.float32), np.random.default_rng(4).normal(size=(50, 2))
    there = effector.skeleton.ode(torch.tensor(torque, dtype=torch.float32), state, endpoint_load=torch.tensor(force, dtype=torch.float32))
    here = arm.acceleration(q, speed, torque + arm.pull(q, force))
    np.testing.assert_allclose(there.numpy(), here, rtol=1e-4, atol=1e-4 * np.abs(here).max())  # float32 there
    place = effector.joint2cartesian(state).numpy()
    np.testing.assert_allclose(place, np.hstack([arm.hand(q), arm.velocity(q, speed)]), rtol=1e-4, atol=1e-5)


def test_what_is_no_arm_of_motornet_is_refused() -> None:
    with pytest.raises(PlantError, match=r"^arm_of: object has no m1, m2, l1, l2, i1, i2, l1g, l2g; give the skeleton of a two-joint arm"):
        arm_of(object())
