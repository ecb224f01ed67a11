"""simulate(model, task) -> Trials, whichever backend runs it."""

from typing import Literal

from threadpoolctl import threadpool_limits

from cortex_sim.errors import OptionError
from cortex_sim.model import Model
from cortex_sim.schedule import Schedule
from cortex_sim.spiking import SpikingModel
from cortex_sim.task import Task
from cortex_sim.trials import Trials

Backend = Literal["brian", "torch"]
Target = Literal["numpy", "cython", "standalone"]
CUSTOMARY: dict[str, Backend] = {"rate": "brian", "rnn": "torch"}
THREADED = 500  # units below which a second thread brings nothing


def simulate(model: Model | SpikingModel, task: Task, *, seed: int = 0, backend: Backend | None = None, target: Target | None = None) -> Trials:
    """Run a circuit or a network on a task.

    Args:
        model: circuit or network, trained or not.
        task: what it is run on; its drives and initial rates are in the space of the observed rates.
        seed: of the noise, where the model has any; its weights follow ``model.seed``.
        backend: ``"brian"`` or ``"torch"``; by default circuits (``rate``) run in Brian2 and networks (``rnn``) in torch. Both run the same
            equation text and agree to round-off.
        target: for a spiking circuit, which code Brian2 makes of it: ``"numpy"``, ``"cython"`` or ``"standalone"`` (C++); by default
            whichever is predicted to be done first. All run the same network with the same noise.

    Returns:
        Observed rates, (trial, time, unit), at the start of every 10 ms bin; of a spiking circuit, the spikes.

    Raises:
        TaskError: the task does not fit the model.
        OptionError: the backend or target is unknown or does not apply.
    """
    if isinstance(model, SpikingModel):
        if backend not in (None, "brian"):
            raise OptionError(f"backend {backend!r} runs no spiking circuit; {model.name} runs in 'brian'.")
        from cortex_sim.backends import spiking
        from cortex_sim.spiking.plan import Plan

        return spiking.simulate(Plan(model, task, seed), target)
    if target is not None:
        raise OptionError(f"target {target!r} applies to spiking circuits; {model.name} is of kind {model.kind!r}.")
    schedule = Schedule(model, model.arrays(), task, seed)
    with threadpool_limits(1 if model.units < THREADED else None):
        return _run(schedule, backend or CUSTOMARY[model.kind])


def _run(schedule: Schedule, backend: Backend) -> Trials:
    match backend:
        case "brian":
            from cortex_sim.backends import brian

            return schedule.observe(brian.run(schedule))
        case "torch":
            from cortex_sim.backends import pytorch

            return schedule.trials(pytorch.run(schedule))
        case other:
            raise OptionError(f"backend {other!r} is unknown. Choose from 'brian', 'torch'.")
