"""State trajectories of a run, for when rates are not enough."""

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model, scale
from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.errors import OptionError, suggestion
from cortex_sim.simulation._divergence import refuse_divergence
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.adapters._wrapped import Wrapped
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._pieces import runs
from cortex_sim.simulation.torch._twin import Twin
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials


def trajectory(problem: Problem) -> Float[ndarray, "trial time state"]:
    """Integrate the model's equations in float64 and return its states at every bin, in SI units."""
    twin = Twin(problem.model, problem.arrays, dtype=torch.float64)
    with torch.no_grad():
        found = twin.step_through(twin.start(problem), Inputs(twin, problem), problem, range(problem.steps)).states
        assert found is not None
        return found.numpy()


def trajectories_from(model: Model, task: Task, states: Float[ndarray, "trial unit"]) -> Float[ndarray, "trial time unit"]:
    """Integrate a model with one state per unit from given states, and return its states at every bin, in the unit of the card.

    Args:
        model: one whose state is dimensionless.
        task: has one trial for each initial state.
        states: initial states.
    """
    found = []
    for trial, state in enumerate(states):
        begun = {model.parsed.state: {"value": state.tolist(), "unit": "1", "meaning": "where it begins"}}
        ready = model.with_arrays({}, initial_values=begun, channels=0 if task.channels is None else task.channels.shape[2])
        found.append(trajectory(Problem(ready, ready.arrays(), task.select([trial])))[0])
    return np.stack(found)


def hidden(model: Model | SpikingModel | Wrapped, task: Task, *, of: str | None = None, seed: int = 0) -> Trials:
    """Run a network and return what its own units do, in place of the outputs that a readout makes of them.

    Of torch's networks, wrapped, these are the hidden states after each input: ``hidden(wrap(net), task).rate`` is what ``net.rnn(x)`` gives first.

    Args:
        model: a network or a circuit of rates, or a wrapped module or function with a state.
        task: to run it on.
        of: variable of the card's equations: its rate, if omitted, or one of its state variables, such as ``"x"`` of a leaky network or ``"c"``, the
            cell states of an LSTM.
        seed: of the noise, as of :func:`.simulate`.

    Returns:
        One trial per trial of the task, (trial, time, unit), at the start of every bin; states of what is wrapped as :func:`.wrap` says, and
        variables in the unit that the equations give them.

    Raises:
        TaskError: the task does not fit, or only the outputs of the model are known.
        OptionError: the equations have no such variable, or it is neither a state nor the rate.
        Diverged: a state or rate grew without bound.
    """
    if isinstance(model, SpikingModel):
        raise OptionError(f"{model.name}: is a spiking circuit, whose units are all observed: simulate gives their spikes.")
    if isinstance(model, Wrapped):
        if of is not None:
            raise OptionError(f"{model.name}: is wrapped, and its states have no names (got of={of!r}); leave it out.")
        made, unit = model.states(task), "1"
    else:
        of = model.rate if of is None else of
        if of not in (known := [*model.parsed.states, model.rate]):
            raise OptionError(f"{model.name}: of {of!r} is no state variable and not the rate. {suggestion(of, known)}")
        unit = model.parsed.equations[of].unit
        made = _followed(Problem(model, model.arrays(), task, seed), of)
    refuse_divergence(model.name, made, task.time, "state")
    said = {"model": model.name, "model_key": model.key, "task": task.name, "seed": seed, "of": of or "state"}
    return Trials.from_arrays(made / scale(unit), task.time, condition=task.condition, units=unit, provenance=said)


def _followed(problem: Problem, of: str) -> Float[ndarray, "trial time unit"]:
    """Return a variable of every unit at every bin, in SI units."""
    names, units = problem.model.parsed.states, problem.model.units
    if of in names and of != problem.model.rate:
        first = names.index(of) * units
        return trajectory(problem)[..., first : first + units]
    twin = Twin(problem.model, problem.arrays, dtype=torch.float64)
    with torch.no_grad():
        return torch.cat([piece.rates for _, piece in runs(twin, problem, watched=True)], dim=1).numpy()
