r"""E-prop: weights learn from an eligibility trace at each synapse and a broadcast error, step by step, without propagation back in time.

The gradient of the error E with respect to a weight from unit i to unit j is approximated by :math:`\sum_t L_j^t\,\phi'(x_j^t)\,\epsilon_{ji}^t`.
The eligibility vector propagates forward through the unit's own leak alone, :math:`\epsilon_{ji}^{t+1} = \alpha_j \epsilon_{ji}^t + k_j r_i^t`; the
learning signal is the present error through feedback weights, :math:`L_j^t = \sum_o B_{jo}\,\partial E/\partial y_o^t`, with :math:`B = C^\top`
(symmetric) or fixed and random. Effects through other units, or through the unit's connection to itself, are neglected. The gradient is therefore
exact if no such path leads to an output, and partial otherwise. All synapses of a presynaptic unit share its trace, so one trace per unit is
stored. The readout learns by its exact gradient; parameters of single units (biases, gains) by the same truncation.

Source:
    Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass (2020) Nat Commun 11:3625; for rates, Murray (2019) eLife 8:e43299.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit, logsumexp, softmax

from cortex_sim.cards import Model, scale
from cortex_sim.errors import TaskError
from cortex_sim.fitting import _free_running as free_running
from cortex_sim.fitting._descent import Descent
from cortex_sim.fitting._options import Loss, Options, TrainingData, TrainingHistory, finite
from cortex_sim.fitting._own_scale import OwnScale
from cortex_sim.runtime import seed_of, stream
from cortex_sim.simulation import Problem
from cortex_sim.simulation.forms import Coefficients, Leaky

NUDGE = 1e-6  # half width of the differences that give the effect of a unit's parameters
LOSSES = ("squared", "binary cross-entropy", "cross-entropy")
ACCEPTS = ("epochs", "batch", "rate", "patience", "optimiser", "momentum", "weight_decay", "clip")
"""Options that are used, besides those of every rule."""
DELAYS = False
"""The rule assumes that the next state follows from the present one, which is not so with delayed projections."""


def learn(
    model: Model,
    data: TrainingData,
    check: TrainingData,
    *,
    options: Options,
    seed: int,
    report: Callable[[float, str], None],
    random_feedback: float = 0,
) -> TrainingHistory:
    """Descend along the e-prop gradient, and return the training history with the weights of lowest validation error.

    Args:
        model: a leaky network with a readout; arrays that its card marks ``learn`` change.
        data: trained on.
        check: decides when to stop and which weights are kept.
        options: of the optimiser, which steps after each batch of trials.
        seed: of the order of conditions and of random feedback.
        report: called with the completed fraction and a line of text.
        random_feedback: 1 for fixed random feedback weights, drawn once with the size of an untrained readout in the outputs' own scale.

    Raises:
        TaskError: the model is not a leaky network or has no readout.
    """
    free_running.check_options("eprop", options, LOSSES)
    leaky = Leaky.of(model, asked_by="rule 'eprop'")
    if model.readout is None:
        raise TaskError(f"{model.name}: rule 'eprop' sends errors back from a [readout]; there is none.")
    arrays, own = model.arrays(), OwnScale.of(model, data, options)
    descent, feedback = Descent(model, arrays, options, own), None
    if random_feedback:
        feedback = _random(arrays[model.readout.weights].shape, seed) * own.sizes.get(model.readout.weights, 1.0)
    history = TrainingHistory(arrays, best=_checked(leaky, arrays, check, options.loss))
    try:
        while history.goes_on(options):
            losses, noise = [], seed_of(seed, "student", "noise of an epoch of e-prop", history.epoch)
            order = stream(seed, "student", "order of an epoch of e-prop", history.epoch).permutation(len(data.rates))
            for chosen in np.array_split(order, max(1, round(len(order) / options.batch))):
                problem = Problem(model, arrays, data.task.select(chosen), noise)
                wanted = Wanted(data.rates[chosen], data.scale, data.weights[chosen], options.loss)
                loss, gradients = gradient(leaky, problem, wanted, feedback=feedback)
                arrays = descent.step(arrays, gradients, history.epoch)
                losses.append(loss)
                if not finite(arrays):
                    break
            checked = _checked(leaky, arrays, check, options.loss) if finite(arrays) else float("nan")
            history.keep(float(np.mean(losses)), checked, arrays, named=model.name)
            report(history.epoch / options.epochs, f"loss {history.train[-1]:.4f}, validation {history.validation[-1]:.4f}")
    except KeyboardInterrupt:
        history.interrupted = True
    return history


@dataclass(frozen=True)
class Wanted:
    """Target outputs, the scale of their errors, the weight of each bin, and the kind of error."""

    outputs: Float[ndarray, "trial time output"]
    scale: Float[ndarray, " output"]
    weights: Float[ndarray, "trial time 1"]
    loss: Loss = "squared"

    def at(self, found: Float[ndarray, "trial output"], time: int) -> tuple[float, Float[ndarray, "trial output"]]:
        """Return the contribution of one bin to the mean error, and its derivative with respect to the outputs."""
        wanted, weights, count = self.outputs[:, time], self.weights[:, time], self.weights.size
        match self.loss:
            case "binary cross-entropy":
                value, slope = (np.logaddexp(0.0, found) - wanted * found) / found.shape[1], (expit(found) - wanted) / found.shape[1]
            case "cross-entropy":
                share = wanted.sum(axis=1, keepdims=True)
                value, slope = wanted * (logsumexp(found, axis=1, keepdims=True) - found), share * softmax(found, axis=1) - wanted
            case _:
                apart = (found - wanted) / self.scale
                value, slope = apart**2 / found.shape[1], 2 * apart / self.scale / found.shape[1]
        return float((weights * value).sum()) / count, weights * slope / count


def gradient(
    leaky: Leaky, problem: Problem, wanted: Wanted, *, feedback: Float[ndarray, "output unit"] | None = None
) -> tuple[float, dict[str, ndarray]]:
    """Run forward once, and return the error and the e-prop gradient with respect to every array that the card marks ``learn``.

    Args:
        leaky: a network with a readout.
        problem: its weights and its inputs.
        wanted: its target outputs.
        feedback: weights of errors to units; the readout itself if omitted.
    """
    readout, arrays = leaky.model.readout, problem.arrays
    assert readout is not None
    C, d, W, found = arrays[readout.weights], arrays[readout.offset], arrays[leaky.recurrent], leaky.coefficients(arrays)
    steps, x, error = free_running.added(leaky, arrays, problem, found), problem.initial(), 0.0
    synapses, own = _Synapses(leaky, problem, found), _Own(leaky, problem, found)
    totals = {readout.weights: np.zeros_like(C), readout.offset: np.zeros_like(d)}
    for step in range(problem.steps):
        r = leaky.rate(x, arrays)
        if step % problem.every == 0:
            value, signal = wanted.at(r @ C.T + d, step // problem.every)
            error += value
            totals[readout.weights] += signal.T @ r
            totals[readout.offset] += signal.sum(axis=0)
            credit, slope = signal @ (C if feedback is None else feedback), leaky.slope(x, arrays)
            synapses.assign(credit * slope)
            own.assign(credit, slope, x)
        current = r @ W.T
        synapses.advance(r, step)
        own.advance(x, current, step)
        x = found.decay * x + found.coupling * current + steps[step]
    parts = leaky.model.projections | leaky.model.parameters
    return error, {name: total for name, total in (totals | synapses.totals() | own.totals).items() if parts[name].learn}


class _Synapses:
    """One trace per presynaptic unit and channel (and time constant), and the sums of credit times trace.

    The effect of an encoder on the first state has such a trace too, which only decays.
    """

    def __init__(self, leaky: Leaky, problem: Problem, found: Coefficients) -> None:
        model, trials = leaky.model, problem.task.trials
        self._recurrent, self._heard = leaky.recurrent, dict[str, ndarray]()
        self._factors: dict[str, Any] = {leaky.recurrent: found.coupling}
        for name, channels in problem.stimuli.items():
            weights = str(model.inputs[name].weights)
            self._factors[weights], self._heard[weights] = found.inputs[name] * scale(model.inputs[name].unit), channels
        decay = np.broadcast_to(found.decay, model.units)
        self._groups = [(value, np.flatnonzero(decay == value)) for value in np.unique(decay)]
        first = {leaky.recurrent: np.zeros((trials, model.units))}
        first |= {name: np.zeros((trials, channels.shape[2])) for name, channels in self._heard.items()}
        if (encoder := model.initial) and problem.task.initial is not None:
            first |= {encoder.weights: problem.task.initial, encoder.offset: np.ones((trials, 1))}
        self._factors |= dict.fromkeys(first.keys() - self._factors.keys(), 1.0)
        self._traces = [dict(first) for _ in self._groups]
        self._sums = {name: np.zeros((model.units, trace.shape[1])) for name, trace in first.items()}
        self._offset = encoder.offset if encoder else ""

    def assign(self, credit: Float[ndarray, "trial unit"]) -> None:
        """Add the credit of the present errors to every synapse."""
        for (_, rows), traces in zip(self._groups, self._traces, strict=True):
            for name, trace in traces.items():
                self._sums[name][rows] += credit[:, rows].T @ trace

    def advance(self, r: Float[ndarray, "trial unit"], step: int) -> None:
        """Update the traces with the present presynaptic activity."""
        for (decay, _), traces in zip(self._groups, self._traces, strict=True):
            for name in traces:
                heard = r if name == self._recurrent else self._heard[name][:, step] if name in self._heard else 0.0
                traces[name] = decay * traces[name] + heard

    def totals(self) -> dict[str, ndarray]:
        """Return the gradients with respect to the weights."""
        found = {name: np.broadcast_to(self._factors[name], len(total))[:, None] * total for name, total in self._sums.items()}
        return {name: total[:, 0] if name == self._offset else total for name, total in found.items()}


class _Own:
    """Eligibility of each unit's own parameters: their immediate effect on its rate, and their lasting effect on its state."""

    def __init__(self, leaky: Leaky, problem: Problem, found: Coefficients) -> None:
        model, arrays, self._leaky, self._decay = leaky.model, problem.arrays, leaky, found.decay
        names = [name for name in model.parsed.parameters if model.parameters[name].learn]
        self._sides = {name: [arrays | {name: arrays[name] + nudge} for nudge in (NUDGE, -NUDGE)] for name in names}
        self._steps: dict[str, list[tuple[Coefficients, ndarray]]] = {}
        for name, sides in self._sides.items():
            ways = [leaky.coefficients(side) for side in sides]
            self._steps[name] = [(way, free_running.added(leaky, side, problem, way)) for side, way in zip(sides, ways, strict=True)]
        self._traces = {name: np.zeros((problem.task.trials, model.units)) for name in names}
        self.totals = {name: np.zeros(model.units) for name in names}

    def assign(self, credit: Float[ndarray, "trial unit"], slope: Float[ndarray, "trial unit"], x: Float[ndarray, "trial unit"]) -> None:
        """Add the credit of the present errors to every parameter."""
        for name, (more, less) in self._sides.items():
            at_once = (self._leaky.rate(x, more) - self._leaky.rate(x, less)) / (2 * NUDGE)
            self.totals[name] += (credit * (at_once + slope * self._traces[name])).sum(axis=0)

    def advance(self, x: Float[ndarray, "trial unit"], current: Float[ndarray, "trial unit"], step: int) -> None:
        """Update the traces with the effect of each parameter on its unit's state."""
        for name, sides in self._steps.items():
            more, less = (way.decay * x + way.coupling * current + steps[step] for way, steps in sides)
            self._traces[name] = self._decay * self._traces[name] + (more - less) / (2 * NUDGE)


def _random(shape: tuple[int, ...], seed: int) -> Float[ndarray, "output unit"]:
    return stream(seed, "student", "feedback of e-prop").standard_normal(shape) / np.sqrt(shape[1])


def _checked(leaky: Leaky, arrays: dict[str, ndarray], data: TrainingData, loss: Loss) -> float:
    """Return the error of the free-running network on training data."""
    problem = Problem(leaky.model, arrays, data.task, data.seed)
    found = free_running.outputs(leaky, arrays, problem, free_running.run(leaky, arrays, problem))
    wanted = Wanted(data.rates, data.scale, data.weights, loss)
    return sum(wanted.at(found[:, time], time)[0] for time in range(found.shape[1]))
