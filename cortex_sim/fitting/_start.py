"""Students before training: one adapted to the size of the data, and one with a circuit's own equations."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.runtime import warn
from cortex_sim.simulation import drive_parameter, drive_time_constant, recurrent_projections
from cortex_sim.tasks import BIN, Task
from cortex_sim.trials import Trials

QUIET_FLOOR = 0.1  # of the median standard deviation of the units: what a quiet unit counts as
HEADROOM = 1.05  # of the largest training rate, where a bounded unit saturates


def unit_scale(rates: Float[ndarray, "condition time unit"]) -> Float[ndarray, " unit"]:
    """Return the standard deviation of each unit over conditions and time, at least a tenth of the median one.

    Errors are divided by it wherever each unit counts: a unit that hardly fires would otherwise outweigh all others.
    """
    sd = rates.std(axis=(0, 1))
    return np.maximum(sd, max(QUIET_FLOOR * float(np.median(sd)), np.finfo(float).tiny))


def counted(trials: Trials, mask: Float[ndarray, "trial time"] | None) -> Float[ndarray, "sample unit"]:
    """Return the rates of the bins that count, concatenated; of all bins without a mask."""
    return trials.rate.reshape(-1, trials.rate.shape[2]) if mask is None else trials.rate[mask > 0]


def held_where_unseen(trials: Trials, mask: Float[ndarray, "trial time"] | None) -> Trials:
    """Return the trials with bins that do not count replaced by the last rate that does, so that nothing can be learned from them.

    Bins before the first one that counts take its rate; a trial in which no bin counts takes the mean of all bins that do.
    """
    if mask is None or (mask > 0).all():
        return trials
    counts, bins = mask > 0, np.arange(mask.shape[1])
    last = np.maximum.accumulate(np.where(counts, bins, -1), axis=1)
    last = np.where(last < 0, counts.argmax(axis=1)[:, None], last)
    rates = np.take_along_axis(trials.rate, last[:, :, None], axis=1)
    rates[~counts.any(axis=1)] = counted(trials, mask).mean(axis=0)
    return Trials.from_arrays(rates, trials.time, condition=trials.condition)


def one_unit_each(model: Model) -> bool:
    """Return whether each observed rate is that of one unit, so that the state can be computed from the rates."""
    diagonal = model.readout is None or model.projections[model.readout.weights].rule == "diagonal"
    return diagonal and model.initial is None and model.rate != model.parsed.state


def learned(model: Model) -> bool:
    """Return whether some of the recurrent weights that a model learns are given, as those of a trained one are."""
    return any(model.given(name) and model.projections[name].learn for name in recurrent_projections(model))


def untrained(model: Model) -> Model:
    """Return a model without what it has learned: its card makes these weights and parameters again."""
    return model.made_anew(*(name for name, part in (model.projections | model.parameters).items() if part.learn))


def own_class(circuit: Model, bin: float = BIN) -> Model:
    """Return a student with a circuit's own equations and constants, a step of one bin (s) and recurrent weights to be learned."""
    recurrent = circuit.parsed.called() & circuit.projections.keys()
    untrained = {"rule": "gaussian", "arguments": {"gain": {"value": 0.9, "meaning": "spectral radius before training"}}, "learn": True}
    changes = {
        "name": "own_class", "kind": "rnn", "title": f"Network with the equations of {circuit.name}, its weights to be learned", "weights": None,
        "dt": {"value": bin, "unit": "second", "meaning": "integration step, one bin", "source": "chosen"},
        "projections": {name: part.model_dump() | (untrained if name in recurrent else {}) for name, part in circuit.projections.items()},
    }  # fmt: skip
    kept = {name: array for name, array in circuit.arrays().items() if name not in recurrent}
    return Model.model_validate(circuit.model_dump() | changes).with_arrays(kept)


def with_time_constant_of(student: Model, circuit: Model) -> Model:
    """Return the student with the circuit's time constant for its response to drives and pushes.

    This parameter is found by measuring which one the student's response to a drive is inversely proportional to: the time constant of a
    leaky network, or that of the pushes alone if the card has one. A circuit whose drive is not in the unit of its state has no such constant, and
    the student is then unchanged; if the circuit's units differ, their median is used.
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
    """Return a student adapted to the size of the data, with untrained weights drawn from the seed and a readout scaled to each unit's range.

    A step that does not fit the bins is replaced by the largest smaller one that does.

    A student whose readout is given, as that of a trained one, goes on with its own numbers.

    If the task has a body, the outputs are the body's commands, which are unknown beforehand, and the channels include its sensory feedback.
    """
    observed = task.body.commands if task.body else trials.rate.shape[2]
    sizes = {"observed": observed} | ({"units": observed} if one_unit_each(model) else {})
    heard = (0 if task.channels is None else task.channels.shape[2]) + (task.body.sensors if task.body else 0)
    channels = heard if any(item.listens for item in model.inputs.values()) else 0
    step = _step(model, task)
    if step and model.is_map:
        pace = f"{model.dt.si * 1e3:g} ms becomes {step['dt']['value'] * 1e3:g} ms, so that it fits the bins"
        warn(f"{model.name}: is a map, whose step of {pace}; trained so, it is another network at any other step")
    sized = model.with_arrays({}, **sizes, **step, channels=channels, seed=seed)
    if sized.readout is None or task.body:
        return sized
    seen, drawn = counted(trials, task.mask), not sized.given(sized.readout.weights)
    rest, scale = seen.mean(axis=0), unit_scale(seen[None])
    if drawn and one_unit_each(sized):
        low, high = seen.min(axis=0), seen.max(axis=0)
        middle, half = (low + high) / 2, np.maximum(HEADROOM * (high - low) / 2, scale)
        return sized.with_arrays({sized.readout.weights: np.diag(half), sized.readout.offset: middle})
    arrays, ready = sized.arrays(), dict[str, ndarray]()
    if drawn:
        ready |= {sized.readout.weights: arrays[sized.readout.weights] * scale[:, None], sized.readout.offset: rest}
    if sized.initial and not sized.given(sized.initial.weights):
        encoder = arrays[sized.initial.weights] / scale
        ready |= {sized.initial.weights: encoder, sized.initial.offset: -encoder @ rest}
    return sized.with_arrays(ready)


def _step(model: Model, task: Task) -> dict[str, Any]:
    """Return the largest step, up to the card's own, that fits the task's bins and grid; empty if the card's own does, or if none fits."""
    steps = task.bin / np.arange(1, round(task.bin / task.step) + 1)
    if abs(task.bin / model.dt.si - round(task.bin / model.dt.si)) < 1e-6 and round(task.bin / model.dt.si):
        return {}
    fits = [step for step in steps if step <= model.dt.si + 1e-12 and abs(step / task.step - round(step / task.step)) < 1e-6]
    return {"dt": model.dt.model_dump() | {"value": float(fits[0]), "unit": "second"}} if fits else {}
