"""simulate(model, task) -> Trials, whichever backend runs it."""

import os
import time
from pathlib import Path
from typing import Literal

from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model
from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.errors import FileProblem, OptionError, TaskError
from cortex_sim.runtime import code_key, content_key, run_cache, say_once, workers
from cortex_sim.simulation._device import VARIABLE, Device, device_of
from cortex_sim.simulation._meaning import driven_inputs
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.adapters._wrapped import Wrapped
from cortex_sim.tasks import Task
from cortex_sim.tasks.body import BodyTrajectory, Movement, Moving
from cortex_sim.trials import Trials

Backend = Literal["brian", "torch"]
Target = Literal["numpy", "cython", "standalone"]
CUSTOMARY: dict[str, Backend] = {"rate": "brian", "rnn": "torch"}
THREADED = 500  # units below which a second thread brings nothing
WORTH = 0.2  # s from which a simulation is kept in the folder of a run
CHECK = "kept"  # attribute of a kept file: the key of its trials


def _key(model: Model | SpikingModel, task: Task, seed: int, how: list[str | None]) -> str:
    return content_key("simulated", model.key, task.key, seed, how, code_key())


def _write(path: Path, trials: Trials) -> None:
    Trials(trials.dataset.assign_attrs({CHECK: trials.key})).save(path)


def _read(path: Path) -> Trials:
    found = Trials.load(path)
    stated = found.dataset.attrs.pop(CHECK, "")
    if stated != found.key:
        raise FileProblem(f"{path}: is damaged; its trials are not those that were kept.")
    return found


KEPT = workers.Kept(_key, _write, _read, "simulated", ".nc")


def simulate(
    model: Model | SpikingModel | Wrapped,
    task: Task,
    *,
    seed: int = 0,
    backend: Backend | None = None,
    target: Target | None = None,
    device: Device | None = None,
) -> Trials:
    """Run a circuit or a network on a task.

    Args:
        model: circuit or network, trained or not; or a model of another library, as :func:`.wrap` returns it, which runs as it was made.
        task: to run it on; its drives and initial rates are in the space of the observed rates.
        seed: of the noise, if the model has any; its weights follow ``model.seed``.
        backend: ``"brian"`` or ``"torch"``; by default circuits (``rate``) run in Brian2 and networks (``rnn``) in torch. Both run the same
            equation text and agree to round-off.
        target: for a spiking circuit, which code Brian2 generates: ``"numpy"``, ``"cython"`` or ``"standalone"`` (C++); by default the one
            predicted to finish first. All run the same network with the same noise.
        device: where torch computes: ``"cpu"``, or ``"cuda"``, a GPU, which gives the same to round-off; by default that of the run
            (``--device``), else the CPU.

    Returns:
        Observed rates (trial, time, unit) at the start of every bin; for a spiking circuit, the spikes.

    Raises:
        TaskError: the task does not fit the model.
        Diverged: a state or rate grew without bound; the message says which, and when.
        OptionError: the backend, target or device is unknown or does not apply.
    """
    if isinstance(model, Wrapped):
        if chosen := [f"{name} {value!r}" for name, value in (("backend", backend), ("target", target), ("device", device)) if value is not None]:
            raise OptionError(f"{chosen[0]} does not apply to {model.name}, which is wrapped and runs as it was made.")
        if os.environ.get(VARIABLE, "cpu") != "cpu":
            say_once(f"{model.name}: is wrapped and runs where it was made, not on the run's device {os.environ[VARIABLE]!r}")
        return model.run(task, seed)
    if run_cache() is None:
        return _simulated(model, task, seed, backend, target, device)
    path = KEPT.path((model, task, seed, [backend, target or os.environ.get("CORTEX_SIM_TARGET"), device or os.environ.get(VARIABLE)]))
    for known in KEPT.known(path):
        return known
    began = time.monotonic()
    trials = _simulated(model, task, seed, backend, target, device)
    if time.monotonic() - began > WORTH:
        KEPT.put(path, trials)
    return trials


def _simulated(model: Model | SpikingModel, task: Task, seed: int, backend: Backend | None, target: Target | None, device: Device | None) -> Trials:
    runs_in = "brian" if isinstance(model, SpikingModel) else backend or CUSTOMARY[model.kind]
    if device is not None and runs_in != "torch":
        raise OptionError(f"device {device!r} is one of torch's; {model.name} runs in {runs_in!r}.")
    if isinstance(model, SpikingModel):
        if backend not in (None, "brian"):
            raise OptionError(f"backend {backend!r} runs no spiking circuit; {model.name} runs in 'brian'.")
        from cortex_sim.simulation import _spiking_backend as spiking
        from cortex_sim.simulation._spiking_problem import SpikingProblem

        return spiking.simulate(SpikingProblem(model, task, seed), target)
    if target is not None:
        raise OptionError(f"target {target!r} applies to spiking circuits; {model.name} is of kind {model.kind!r}.")
    return _run(Problem(model, model.arrays(), task, seed), backend, device)[0]


def move(model: Model, task: Task, *, seed: int = 0, backend: Backend | None = None) -> tuple[Trials, Movement]:
    """Run a circuit or a network on a task with a body, in closed loop if it receives the body's feedback.

    Args:
        model: its observed outputs command the body.
        task: one with a body.
        seed: of the noise.
        backend: as in :func:`simulate`; the body is stepped alongside Brian2, or in torch, and both agree to round-off.

    Returns:
        Commands (trial, time, command), and the body's movement.

    Raises:
        TaskError: the task has no body, or does not fit the model.
        PlantError: a joint exceeds its limits, or a number is not finite; the message says which, in which trial and when.
    """
    if task.body is None:
        raise TaskError(f"task {task.name!r}: has no body to be moved; give it one, or use simulate.")
    problem = Problem(model, model.arrays(), task, seed)
    trials, trajectory = _run(problem, backend)
    assert trajectory is not None
    return trials, problem.moved(trajectory)


def replay(model: Model, task: Task, movement: Movement) -> Movement:
    """Return the movement of a task's body, with its loads, under the commands of another movement, without feedback.

    Args:
        model: that gave the commands, one at each of its steps.
        task: one with a body, with as many trials and as long.
        movement: whose commands are replayed.

    Raises:
        TaskError: the task has no body.
    """
    if task.body is None:
        raise TaskError(f"task {task.name!r}: has no body to be moved; give it one.")
    schedule = Problem(model, model.arrays(), task)
    postures = Moving.replay(task.body, movement.commands, schedule.dt, schedule.loads)[:, :: schedule.every]
    return Movement.of(task.body, postures, movement.commands, task.time)


def refuse_unheard(model: Model, task: Task) -> None:
    """Check that a model can receive a task's drives, or its channels if the task gives nothing else.

    Raises:
        TaskError: it cannot; the message names the task's inputs, the model's inputs and the cure.
    """
    heard = ", ".join(f"{name} (channels)" if item.listens else name for name, item in model.inputs.items() if not item.noise) or "nothing"
    if any(drive.pattern.any() for drive in task.drives) and not driven_inputs(model):
        raise TaskError(f"task {task.name!r}: drives {model.name}, which hears {heard}; give the card an input without weights and name it in dx/dt.")
    silent = task.channels is None or not task.channels.values.any() or (model.channels and any(item.listens for item in model.inputs.values()))
    if silent or task.drives or task.clamps or task.body or task.initial is not None:
        return
    channels = ", ".join(map(str, task.channels["channel"].values)) if task.channels is not None and "channel" in task.channels.coords else "channels"
    if task.channels is not None and any(item.listens for item in model.inputs.values()):
        count = task.channels.shape[2]
        cure = f"give it weights for them: with_arrays({{}}, channels={count})"
        raise TaskError(f"task {task.name!r}: has {count} channels ({channels}), and {model.name} was made for none; {cure}.")
    cure = "prepare it with currents (cs.reaches, or holding= of the task), or take a model with channels (cs.edit.embodied(model), an rnn card)"
    raise TaskError(f"task {task.name!r}: gives channels alone ({channels}), but {model.name} hears {heard}; {cure}.")


def _run(problem: Problem, backend: Backend | None, device: Device | None = None) -> tuple[Trials, BodyTrajectory | None]:
    refuse_unheard(problem.model, problem.task)
    with threadpool_limits(1 if problem.model.units < THREADED else None):
        return _run_in(problem, backend or CUSTOMARY[problem.model.kind], device)


def _run_in(problem: Problem, backend: Backend, device: Device | None) -> tuple[Trials, BodyTrajectory | None]:
    match backend:
        case "brian":
            from cortex_sim.simulation import brian

            rates, trajectory = brian.run(problem)
            return problem.observe(rates), trajectory
        case "torch":
            from cortex_sim.simulation import torch as pytorch

            rates, trajectory = pytorch.run(problem, device_of(device))
            return problem.trials(rates), trajectory
        case other:
            raise OptionError(f"backend {other!r} is unknown. Choose from 'brian', 'torch'.")
