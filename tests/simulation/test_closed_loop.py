"""A body beside a network: Brian2 and torch move it alike, what it feels arrives when it should, and gradients go through both."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import OptionError, PlantError, TaskError
from cortex_sim.fitting._fit import train
from cortex_sim.fitting._footprint import gradient_distance, gradient_footprint
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._side_by_side import Job, _checkpoint
from cortex_sim.fitting._training import objective_of, whole
from cortex_sim.simulation._simulate import move, simulate
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import Task
from cortex_sim.tasks.body._arm import MONKEY
from cortex_sim.tasks.body._body import Body
from cortex_sim.tasks.body._load import Load
from cortex_sim.tasks.body._moving import Moving
from cortex_sim.tasks.body._muscles import LILLICRAP_SCOTT

BODY = Body(MONKEY, LILLICRAP_SCOTT, (0.0, 0.25), delay=0.03)
TORQUES = Body(MONKEY, None, (0.0, 0.25), delay=0.03)
TRIALS, BINS = 3, 20
ON = np.ones(10 * BINS)


def asked(body: Body | None = BODY, **changes: Any) -> Task:
    rng = np.random.default_rng(0)
    channels = xr.DataArray(rng.normal(size=(TRIALS, 10 * BINS, 2)), dims=("trial", "step", "channel"))
    targets = xr.DataArray(rng.normal(size=(TRIALS, BINS, 2)), dims=("trial", "time", "axis"))
    task = Task("reach", 0.0, 0.01 * BINS, np.arange(TRIALS), channels=channels, targets=targets, body=body)
    return replace(task, **changes)


def student(name: str = "leaky_readout", body: Body = BODY, *, feels: bool = True) -> Model:
    model = catalogue.load(name).with_arrays({}, units=12, observed=body.commands, channels=2 + (body.sensors if feels else 0), seed=1)
    assert model.readout is not None
    return model.with_arrays({model.readout.weights: model.arrays()[model.readout.weights] / 2})  # no joint is bent further than it can be


def loads() -> tuple[Load, ...]:
    rng = np.random.default_rng(1)
    late = (np.arange(10 * BINS) >= 60).astype(float)
    return (
        Load(late, force=rng.normal(size=(TRIALS, 2))), Load(ON, torque=0.1 * rng.normal(size=(TRIALS, 2))),
        Load(late, field=np.tile([[0.0, 5.0], [-5.0, 0.0]], (TRIALS, 1, 1))),
    )  # fmt: skip


@pytest.mark.parametrize("body", [BODY, TORQUES, replace(BODY, delay=0.0), replace(BODY, delay=None), replace(BODY, held=True)])
@pytest.mark.parametrize("name", ["leaky_readout", "gru", "elman_1990"])
def test_brian2_and_torch_move_the_same_body(name: str, body: Body) -> None:
    model = student(name, body)
    task = asked(body, loads=loads(), feeling=np.where(np.arange(10 * BINS) < 120, 1.0, 0.3))
    found = [move(model, task, backend=backend) for backend in ("brian", "torch")]
    np.testing.assert_allclose(found[0][0].rate, found[1][0].rate, rtol=1e-11, atol=1e-12)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11)
    moved = found[0][1].made
    assert (np.abs(np.diff(moved, axis=1)) > 0).any()
    np.testing.assert_array_equal(simulate(model, task).rate, found[1][0].rate)


def test_a_step_by_hand_is_what_the_loop_does() -> None:
    """Commands of bin k move the body from k to k + 1, and what is felt at k is heard 3 bins later."""
    model, task = student(), asked()
    trials, movement = move(model, task)
    posture = BODY.posture(BODY.start(TRIALS))
    felt = []
    for k in range(BINS):
        np.testing.assert_allclose(movement.angle[:, k], posture.q, rtol=1e-12)
        felt.append(BODY.felt(posture))
        posture = BODY.step(posture, trials.rate[:, k], 0.01)
    assert task.channels is not None
    late = np.concatenate([np.zeros((TRIALS, 3, BODY.sensors)), np.stack(felt, axis=1)[:, :-3]], axis=1)
    heard = np.concatenate([task.channels.values[:, ::10].copy(), late], axis=2)
    heard[:, :, :2] = task.channels.values.reshape(TRIALS, BINS, 10, 2).mean(axis=2)
    fed = xr.DataArray(np.repeat(heard, 10, axis=1), dims=("trial", "step", "channel"))
    np.testing.assert_allclose(simulate(model, replace(task, channels=fed, body=None)).rate, trials.rate, rtol=1e-9, atol=1e-11)


def test_without_feeling_the_network_does_what_it_does_alone() -> None:
    model, task = student(), asked(feeling=0 * ON)
    weights = next(str(item.weights) for item in model.inputs.values() if item.listens)
    deaf = model.with_arrays({weights: model.arrays()[weights][:, :2]}, channels=2)
    alone = simulate(deaf, replace(task, body=None, feeling=None)).rate
    np.testing.assert_allclose(simulate(model, task).rate, alone, rtol=1e-11, atol=1e-12)
    cut, felt = simulate(model, task).rate, simulate(model, asked()).rate
    np.testing.assert_array_equal(cut[:, :4], felt[:, :4])  # the first 30 ms it feels that it is at home
    assert np.abs(cut[:, 6:] - felt[:, 6:]).min() > 0


def test_a_constant_force_at_rest_accelerates_the_hand_as_newton_says() -> None:
    """At rest, hand acceleration = J M^-1 J' F."""
    body = replace(TORQUES, delay=None)
    force = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, -1.0]])
    moving = Moving(body, Moving.start(body, TRIALS, 1e-4), 1e-4, [Load(np.ones(10), force=force)])
    moving.keep()
    moving.step(np.zeros((TRIALS, 2)), 0)
    moving.keep()
    speed = body.posture(moving.postures[1])
    q = body.posture(moving.postures[0]).q
    J, M = MONKEY.jacobian(q), MONKEY.inertia_matrix(q)
    expected = (J @ np.linalg.solve(M, np.swapaxes(J, 1, 2) @ force[..., None]))[..., 0]
    np.testing.assert_allclose(MONKEY.velocity(speed.q, speed.speed) / 1e-4, expected, rtol=2e-3)  # damping within 0.1 ms


def test_a_held_hand_stays_and_its_force_is_that_of_the_torques() -> None:
    body = replace(BODY, held=True)
    movement = move(student(body=body), asked(body))[1]
    assert np.ptp(movement.angle, axis=1).max() == 0 and not movement.velocity.any()
    J = MONKEY.jacobian(movement.angle)
    back = (np.swapaxes(J, -1, -2) @ movement.made[..., None])[..., 0]
    np.testing.assert_allclose(back, movement.torque, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("body", [BODY, TORQUES])
def test_gradients_go_through_the_body_and_pieces_give_the_same(body: Body) -> None:
    model, task = student(body=body), asked(body, loads=loads())
    training = TrainingData(task, task.wanted.rate, np.ones(2))
    all_, parts = Options(start="rest", penalty_effort=0.1), Options(start="rest", through="checkpoints", segment=7, penalty_effort=0.1)
    whole_, pieces = (gradient_footprint(model, training, options, double=True) for options in (all_, parts))
    assert whole_.error == pytest.approx(pieces.error, rel=1e-12) and gradient_distance(whole_.arrays, pieces.arrays) < 1e-10
    twin = Twin(model, model.arrays())
    name, step = "C", 1e-6

    def objective(change: float) -> float:
        with torch.no_grad():
            getattr(twin, name)[1, 2] += change
            found = objective_of(twin, whole(twin, training, 0), all_)[1].item()
            getattr(twin, name)[1, 2] -= change
        return found

    slope = (objective(step) - objective(-step)) / (2 * step)
    error, total = objective_of(twin, whole(twin, training, 0), all_)
    total.backward()
    assert getattr(twin, name).grad[1, 2].item() == pytest.approx(slope, rel=1e-5) and total > error


def test_a_network_learns_to_bring_the_hand_where_it_should_be() -> None:
    task = asked(TORQUES)
    still = replace(task, targets=task.targets.copy(data=np.tile(np.array([[1.0, 0], [0, 1], [-1, 0]])[:, None], (1, BINS, 1))))
    channels = xr.DataArray(np.repeat(still.targets.values, 10, axis=1), dims=("trial", "step", "channel"))
    options = Options(epochs=60, batch=3, rate=1e-2, patience=60, validation=0)
    fitted = train(catalogue.load("leaky_readout").with_arrays({}, units=20), still.wanted, replace(still, channels=channels), options=options)
    assert fitted.model.size("observed") == 2 and fitted.model.channels == 2 + TORQUES.sensors
    assert fitted.train[-1] < 0.5 * fitted.train[0]


def test_bad_closed_loops_are_refused() -> None:
    task = asked()
    with pytest.raises(TaskError, match=r"leaky_readout listens to 5 channels; task 'reach' has 2 and its body feels 12 things"):
        simulate(student().with_arrays({}, channels=5), task)
    with pytest.raises(TaskError, match=r"body \(its commands\) is for 6 units; leaky_readout has 2"):
        simulate(student(body=TORQUES), task)
    with pytest.raises(PlantError, match="delay 25 ms should be a multiple of the step, 10 ms"):
        simulate(student(), asked(replace(BODY, delay=0.025)))
    with pytest.raises(TaskError, match="has no body to be moved"):
        move(student(), asked(None))
    with pytest.raises(TaskError, match="rule 'force' cannot learn through a body"):
        train(student(), task.wanted, task, rule="force")
    with pytest.raises(TaskError, match="loads or feeling are given without a body"):
        asked(None, loads=loads())
    with pytest.raises(TaskError, match="load has 3 trials; the task has 2"):
        replace(task, loads=loads(), condition=np.arange(2), channels=None, targets=None)
    with pytest.raises(TaskError, match="temporal_convolution hears the past of its channels"):
        simulate(student("temporal_convolution"), task)
    with pytest.raises(PlantError, match=r"field has shape \(3, 2\); it should be \(trial, 2, 2\)"):
        Load(ON, field=np.zeros((3, 2)))
    with pytest.raises(PlantError, match="no force, torque or field is given"):
        Load(ON)
    with pytest.raises(OptionError, match="penalty_effort -1.0 should be 0 or more"):
        Options(penalty_effort=-1)


def test_a_body_that_is_driven_too_hard_is_told_of_and_gives_no_nan() -> None:
    model = student(body=TORQUES)
    wild = model.with_arrays({"C": 1e3 * model.arrays()["C"]})
    with pytest.raises(PlantError, match=r"monkey arm: .* in trial \d at 0\.\d+ s"):
        move(wild, asked(TORQUES))


def test_drives_and_pushes_reach_a_network_with_a_body() -> None:
    push = Drive(np.ones((TRIALS, BODY.commands)), (np.arange(10 * BINS) >= 100).astype(float))
    pushed, free = (move(student(), asked(drives=drives))[1].made for drives in ((push,), ()))
    np.testing.assert_array_equal(pushed[:, :11], free[:, :11])
    assert np.abs(pushed[:, 14:] - free[:, 14:]).max() > 0


def test_whatever_a_body_adds_to_a_task_names_another_checkpoint() -> None:
    tasks = [asked(), asked(None), asked(replace(BODY, delay=0.04)), asked(loads=loads()), asked(loads=loads()[1:]), asked(feeling=0 * ON)]
    assert len({_checkpoint(Job(student(), task.wanted, task)).name for task in tasks}) == len(tasks)
