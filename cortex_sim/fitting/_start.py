"""Where training starts from: a student of the data's size, and the closed-form regression of its own equation."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from cortex_sim.cards import Model
from cortex_sim.runtime import stream
from cortex_sim.simulation import Problem, drive_parameter, drive_time_constant, driven_inputs, flow, recurrent_projections, state_of
from cortex_sim.tasks import BIN, Task
from cortex_sim.trials import Trials

PROBES = 5  # states at which a parameter is taken for a bias
PART = 64  # trials regressed at a time, to keep memory small
QUIET_FLOOR = 0.1  # of the median standard deviation of the units: what a quiet unit counts as
RIDGE = 1e-6  # of the mean squared rate
HEADROOM = 1.05  # of the largest training rate, where a bounded unit saturates


def unit_scale(rates: Float[ndarray, "condition time unit"]) -> Float[ndarray, " unit"]:
    """Return the standard deviation of each unit over conditions and time, at least a tenth of the median one.

    It is what errors are divided by wherever each unit counts: a unit that hardly fires would else outweigh all others.
    """
    sd = rates.std(axis=(0, 1))
    return np.maximum(sd, max(QUIET_FLOOR * float(np.median(sd)), np.finfo(float).tiny))


def one_unit_each(model: Model) -> bool:
    """Say whether each observed rate is one unit's, so that the state can be read off the rates."""
    diagonal = model.readout is None or model.projections[model.readout.weights].rule == "diagonal"
    return diagonal and model.initial is None and model.rate != model.parsed.state


def own_class(circuit: Model, bin: float = BIN) -> Model:
    """Make a student of a circuit's own equations and constants, with a step of one bin (s) and recurrent weights to be learned."""
    recurrent = circuit.parsed.called() & circuit.projections.keys()
    untrained = {"rule": "gaussian", "arguments": {"gain": {"value": 0.9, "meaning": "spectral radius before training"}}, "learn": True}
    changes = {
        "name": "own_class", "kind": "rnn", "title": f"Network with the equations of {circuit.name}, its weights to be learned", "weights": None,
        "dt": {"value": bin, "unit": "second", "meaning": "integration step, one bin", "source": "chosen"},
        "projections": {name: part.model_dump() | (untrained if name in recurrent else {}) for name, part in circuit.projections.items()},
    }  # fmt: skip
    return Model.model_validate(circuit.model_dump() | changes)


def with_time_constant_of(student: Model, circuit: Model) -> Model:
    """Return the student moved by drives and pushes as fast as the circuit is.

    The parameter that says so is found by measuring which one the student's response to a drive is inversely proportional to: the time constant of a
    leaky network, or that of the pushes alone where the card has one. A circuit whose drive is not in the unit of its state has no such time, and
    the student stays as it is; of a circuit whose units differ it takes the median.
    """
    name, tau = drive_parameter(student), drive_time_constant(circuit)
    if name is None or tau is None:
        return student
    changed: dict[str, Any] = {"value": float(np.median(tau)), "unit": "second"}
    arrays = {name: np.full(student.units, changed["value"])} if student.parameters[name].over else {}
    if student.parameters[name].shape:
        changed["value"] = arrays[name].tolist()
    return student.with_arrays(arrays, parameters={key: p.model_dump() | (changed if key == name else {}) for key, p in student.parameters.items()})


def adapt(model: Model, trials: Trials, task: Task, seed: int) -> Model:
    """Bring a student to the size of the data, its untrained weights to the seed, and its readout to the range of each unit.

    A step that does not fit the bins becomes the largest that does.

    Where the task has a body, its outputs are the body's commands, which are not known beforehand, and it hears what the body feels.
    """
    observed = task.body.commands if task.body else trials.rate.shape[2]
    sizes = {"observed": observed} | ({"units": observed} if one_unit_each(model) else {})
    heard = (0 if task.channels is None else task.channels.shape[2]) + (task.body.sensors if task.body else 0)
    channels = heard if any(item.listens for item in model.inputs.values()) else 0
    sized = model.with_arrays({}, **sizes, **_step(model, task), channels=channels, seed=seed)
    if sized.readout is None or task.body:
        return sized
    rest = trials.rate.mean(axis=(0, 1))
    scale = unit_scale(trials.rate)
    if one_unit_each(sized):
        low, high = trials.rate.min(axis=(0, 1)), trials.rate.max(axis=(0, 1))
        middle, half = (low + high) / 2, np.maximum(HEADROOM * (high - low) / 2, scale)
        return sized.with_arrays({sized.readout.weights: np.diag(half), sized.readout.offset: middle})
    arrays = sized.arrays()
    ready = {sized.readout.weights: arrays[sized.readout.weights] * scale[:, None], sized.readout.offset: rest}
    if sized.initial:
        encoder = arrays[sized.initial.weights] / scale
        ready |= {sized.initial.weights: encoder, sized.initial.offset: -encoder @ rest}
    return sized.with_arrays(ready)


def _step(model: Model, task: Task) -> dict[str, Any]:
    """Largest step up to the card's own that fits the task's bins and grid, where the card's own does not."""
    steps = task.bin / np.arange(1, round(task.bin / task.step) + 1)
    if abs(task.bin / model.dt.si - round(task.bin / model.dt.si)) < 1e-6 and round(task.bin / model.dt.si):
        return {}
    fits = [step for step in steps if step <= model.dt.si + 1e-12 and abs(step / task.step - round(step / task.step)) < 1e-6]
    return {"dt": model.dt.model_dump() | {"value": float(fits[0]), "unit": "second"}} if fits else {}


def regress(model: Model, trials: Trials, task: Task) -> Model:
    r"""Solve for the recurrent weights in closed form, under teacher forcing.

    With the state x read off the rates, one Euler step gives :math:`(x_{t+1} - x_t)/\Delta t = f(x_t, 0) + a\,W r_t`, which is linear in W;
    f and a are evaluated from the model's own equation text. Bias terms that enter like W r are fitted with it. Under Dale's law the same
    squared error is minimised over weights of the right signs, which is convex. Weights held to a rank are left as they are.

    Args:
        model: with one unit for each observed rate, a step of one bin, and one recurrent projection.
        trials: rates to reproduce.
        task: its drives are the inputs.
    """
    equations = model.parsed
    recurrent = [name for name in equations.called() & model.projections.keys() if model.projections[name].learn]
    if len(recurrent) != 1 or abs(model.dt.si - task.bin) > 1e-9 or model.projections[recurrent[0]].rank:
        return model
    bias = next((name for name in equations.parameters if model.parameters[name].learn and _adds_to(model, recurrent[0], name)), None)
    parts = np.array_split(np.arange(task.trials), -(-task.trials // PART))
    sums = [_normal_equations(model, recurrent[0], trials.select(part), task.select(part), bias) for part in parts]
    gram, moments = (np.sum(each, axis=0) for each in zip(*sums, strict=True))
    units = moments.shape[1]
    gram += RIDGE * np.trace(gram[:units, :units]) / units * np.eye(len(gram))
    signs = None if model.projections[recurrent[0]].excitatory is None else model.signs(recurrent[0])
    solution = (np.linalg.solve(gram, moments) if signs is None else _signed(gram, moments, signs)).T
    return model.with_arrays({recurrent[0]: solution[:, :units]} | ({bias: solution[:, -1]} if bias else {}))


def _adds_to(model: Model, recurrent: str, parameter: str) -> bool:
    """Say whether a parameter moves every unit as recurrent input of the same size does."""
    rng = stream(0, "analysis", "states to measure a flow at")
    state, size = rng.standard_normal((2, PROBES, model.units))
    arrays = {name: np.zeros_like(value) if name == parameter else value for name, value in model.own_parameters().items()}
    held = dict.fromkeys(recurrent_projections(model), 0.0)
    as_parameter, as_input, still = (
        np.stack([flow(model, arrays | {parameter: row}, x, held) for x, row in zip(state, given, strict=True)])
        if given is not None else flow(model, arrays, state, held | {recurrent: size})
        for given in (size, None, 0 * size)
    )  # fmt: skip
    return bool(np.abs(as_input - still).max() > 0) and np.allclose(as_parameter, as_input, rtol=1e-9, atol=1e-9 * np.abs(as_input).max())


def _normal_equations(
    model: Model, recurrent: str, trials: Trials, task: Task, bias: str | None
) -> tuple[Float[ndarray, "regressor regressor"], Float[ndarray, "regressor unit"]]:
    """Sums of products of the regressors (rates, and 1 for a bias) with themselves and with what W r has to be."""
    arrays, rates = model.arrays(), trials.rate
    if model.readout:
        rates = (rates - arrays[model.readout.offset]) / np.diag(arrays[model.readout.weights])
    state = state_of(model, rates, arrays)
    unbiased = arrays | ({bias: 0.0 * arrays[bias]} if bias else {})
    still, gain = (flow(model, unbiased, state, {recurrent: coupling}) for coupling in (0.0, 1.0))
    gain = gain - still
    moved = flow(model, unbiased, state, {recurrent: 0.0} | dict.fromkeys(driven_inputs(model), 1.0)) - still
    still = still + moved * _driven(Problem(model, arrays, task), state.shape)
    wanted = (np.diff(state, axis=1) / model.dt.si - still[:, :-1]) / gain[:, :-1]
    regressors = rates[:, :-1].reshape(-1, rates.shape[2])
    design = np.hstack([regressors, np.ones((len(regressors), int(bias is not None)))])
    return design.T @ design, design.T @ wanted.reshape(len(design), -1)


def _signed(
    gram: Float[ndarray, "regressor regressor"], moments: Float[ndarray, "regressor unit"], signs: Float[ndarray, " source"]
) -> Float[ndarray, "regressor unit"]:
    """Solve the same least squares with every source's weights of one sign (Dale's law); regressors beyond the sources are free.

    With gram = L L', the squared error is that of L' w against L^-1 moments, and weights of a sign are non-negative after the sign is
    moved into the columns; a free regressor is the difference of two non-negative ones.
    """
    L = np.linalg.cholesky(gram)
    targets = solve_triangular(L, moments, lower=True)
    free = len(gram) - len(signs)
    columns = np.hstack([L.T[:, : len(signs)] * signs, L.T[:, len(signs) :], -L.T[:, len(signs) :]])
    found = np.array([nnls(columns, target)[0] for target in targets.T]).T
    sources, plus, minus = np.split(found, [len(signs), len(signs) + free])
    return np.vstack([sources * signs[:, None], plus - minus])


def _driven(problem: Problem, shape: tuple[int, ...]) -> Float[ndarray, "trial time unit"]:
    """Input to each unit at each bin."""
    total = np.zeros(shape)
    for pattern, course in problem.patterns:
        total += pattern[:, None, :] * course[None, :, None]
    return total
