"""Running the torch twin: the equation text that Brian2 runs, as a differentiable step."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from cortex_sim.cards import Model, refuse_delays, scale
from cortex_sim.simulation._dynamics import check_state
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._pieces import runs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks.body import BodyTrajectory


def run(problem: Problem, device: str = "cpu") -> tuple[Float[ndarray, "trial time observed"], BodyTrajectory | None]:
    """Integrate the model's equations in float64; only what is returned is kept beyond each segment.

    Args:
        problem: to run.
        device: of torch's, to compute on.

    Returns:
        Observed rates at every bin, and the trajectory of the task's body, if it has one.

    Raises:
        Diverged: a state or rate grew without bound.
    """
    twin, task = Twin(problem.model, problem.arrays, dtype=torch.float64, device=device), problem.task
    found = np.empty((task.trials, task.bins, problem.model.size("observed")))
    courses: list[BodyTrajectory] = []
    with torch.no_grad():
        for span, piece in runs(twin, problem, watched=True):
            found[:, span] = twin.observe(piece.rates).cpu().numpy()
            courses += [piece.course] if piece.course else []
    if not courses:
        return found, None
    return found, BodyTrajectory(*(torch.cat(parts, dim=1).cpu().numpy() for parts in zip(*courses, strict=True)))


def linearise(model: Model, arrays: Mapping[str, Float[ndarray, "..."]], state: Float[ndarray, " state"]) -> Float[ndarray, "state state"]:
    """Return the Jacobian of one undriven step of the model's own integrator, in float64; dimensionless.

    With several variables, all units of the first come first; entries between variables have the ratio of their SI units.

    Raises:
        TaskError: the state has the wrong number of entries, or a projection has a delay.
    """
    check_state(model, state)
    refuse_delays(model, "a linearised step")
    twin = Twin(model, arrays, dtype=torch.float64)
    with torch.no_grad():
        return twin.jacobian(torch.tensor(state, dtype=torch.float64)).numpy()


def use_one_thread() -> None:
    """Limit this process to one thread, for workers that train side by side."""
    torch.set_num_threads(1)


def gpu() -> str:
    """Return the name of the GPU that torch sees; empty if it sees none."""
    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else ""


def own_slopes(
    model: Model, arrays: Mapping[str, Float[ndarray, "..."]], state: Float[ndarray, " state"], driven: Sequence[str]
) -> tuple[Float[ndarray, " state"], Float[ndarray, " state"]]:
    """Return derivatives of the flow with respect to each unit's own state, projections held fixed, and to its drive, in float64.

    Args:
        model: its equation text is differentiated as it stands.
        arrays: weights and per-unit parameters.
        state: where to take them, in SI units; with several variables, all units of the first come first.
        driven: names of the inputs that change together, by 1 in their units.

    Returns:
        Two arrays (state,), in SI units per second.
    """
    twin = Twin(model, arrays, dtype=torch.float64)
    held, at = _held(twin, arrays), torch.tensor(state, dtype=torch.float64)
    factors = {name: scale(item.unit) for name, item in model.inputs.items()}

    def flow(x: Tensor, drive: Tensor) -> Tensor:
        variables = dict(zip(model.parsed.states, x.split(model.units), strict=True))
        inputs = {name: (lambda *_, now=factors[name] * drive if name in driven else 0.0: now) for name in model.inputs}
        known = model.parsed.subexpressions({**held, **inputs, **variables})
        return torch.cat([model.parsed.derivative(known, name) + torch.zeros_like(variables[name]) for name in variables])

    at.requires_grad_(True)
    drive = torch.zeros(model.units, dtype=torch.float64, requires_grad=True)
    speeds = (flow(at, drive) + 0 * at).view(-1, model.units)  # of one unit, of its own state and drive alone: a sum has the slopes of each
    leaks, driving = [], []
    for place, speed in enumerate(speeds):
        own, by_drive = torch.autograd.grad(speed.sum(), (at, drive), retain_graph=True, materialize_grads=True)
        leaks.append(own.view_as(speeds)[place])
        driving.append(by_drive)
    return torch.cat(leaks).numpy(), torch.cat(driving).numpy()


def _held(twin: Twin, arrays: Mapping[str, Float[ndarray, "..."]]) -> dict[str, Any]:
    """Return every constant that the equations name, and projections as functions without a derivative."""
    model = twin.model
    fixed = twin.constants | {name: twin.tensor(arrays[name]) for name in model.parsed.parameters} | {"t": 0.0, "i": None}
    weights = {name: twin.tensor(arrays[name]) for name in model.parsed.called() & model.projections.keys()}
    return fixed | {name: (lambda rate, W=W: torch.nn.functional.linear(rate, W).detach()) for name, W in weights.items()}
