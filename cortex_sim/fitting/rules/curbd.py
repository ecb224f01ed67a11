r"""CURBD's online learning: every unit models one recorded neuron, and recursive least squares moves its rate towards the recorded one.

The network runs on its own rates r and, at each bin, :math:`W \leftarrow W - e\,(P r)^\top` with the running inverse P of
:mod:`cortex_sim.fitting._recursive`, so that the weights are the ridge regression of :math:`W r - e`, the actual input minus the error, on all
rates that the learner has visited. The error is :math:`e = \phi(x + \ell \dot x) - \phi(\hat x + \ell \dot{\hat x})`, with the network's states x
and the recorded ones. The published error is that of the rates, :math:`\ell = 0`. With :math:`\ell = \tau` it is an error of the input that the
regression predicts, since :math:`x + \tau \dot x` is the input of a leaky unit.

The authors' code compares each step with the recorded sample before it; here both are of the same time.

Source:
    Perich et al. (2020) bioRxiv 2020.12.18.423348.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.fitting._online import Pace, check_data, check_free, teach
from cortex_sim.fitting._options import Options, TrainingData, TrainingHistory
from cortex_sim.fitting._recursive import Recursive
from cortex_sim.fitting._start import one_unit_each
from cortex_sim.simulation import state_of
from cortex_sim.simulation.forms import Leaky

ACCEPTS = ("epochs", "patience")
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
    alpha: float = 1.0,
    every: int = 1,
    lead: float = 0.0,
) -> TrainingHistory:
    """Correct the recurrent weights while the student runs, and return the training history; see :func:`cortex_sim.fitting._online.teach`.

    Args:
        model: leaky, one unit per observed rate; its recurrent weights are learned.
        data: trained on, trial after trial, each from its first bin.
        check: never trained on.
        options: at most ``epochs`` passes, ``patience`` without improvement.
        seed: of the noise.
        report: called with the completed fraction and a line of text.
        alpha: ridge penalty towards the initial weights; 1/P0 of the paper.
        every: bins between corrections.
        lead: the l of the error, s; 0 as published, the time constant for an error of the input.

    Raises:
        TaskError: the student is not a leaky network with one unit per observed rate, or a constraint of its card forbids the weights.
        OptionError: lead is negative, or the loss is not the squared error.
    """
    check_data(model, data, options, continued=False, asked_by="curbd")
    if lead < 0:
        raise OptionError(f"rule 'curbd': lead {lead!r} s should be 0 or more.")
    leaky = Leaky.of(model, asked_by="curbd")
    if not one_unit_each(model):
        raise TaskError(f"{model.name}: curbd needs one unit for each observed rate, as in leaky_recorded; here outputs mix hidden units.")
    check_free(model, leaky.recurrent, asked_by="curbd")
    student, bin = Student(leaky, alpha, lead), float(data.task.time[1] - data.task.time[0])
    pace, shown = Pace(every, continued=False, start=0.0), student.shown(data.rates, bin)
    return teach(student, leaky, data, check, pace=pace, options=options, seed=seed, report=report, shown=shown)


class Student:
    """A network whose recurrent weights are corrected while it runs."""

    def __init__(self, leaky: Leaky, alpha: float, lead: float) -> None:
        """Start with the weights of the card.

        Args:
            leaky: the network.
            alpha: ridge penalty.
            lead: the l of the error, s.
        """
        self.leaky, self.steps = leaky, lead / leaky.model.dt.si
        self.weights, readout = leaky.model.arrays(), leaky.model.readout
        self.range = np.diag(self.weights[readout.weights]) if readout else np.ones(leaky.model.units)
        self.middle = self.weights[readout.offset] if readout else np.zeros(leaky.model.units)
        self.W = self.weights[leaky.recurrent].copy()
        self.one, self.recursion = leaky.coefficients(self.weights), Recursive(len(self.W), alpha)

    def shown(self, observed: Float[ndarray, "trial time unit"], bin: float) -> Float[ndarray, "trial time unit"]:
        """Return the second term of the error; derivatives of the recorded states are central differences over two bins of this width, s."""
        rates = (observed - self.middle) / self.range
        if not self.steps:
            return rates
        x = state_of(self.leaky.model, rates)
        return self.leaky.rate(x + self.steps * self.leaky.model.dt.si * np.gradient(x, bin, axis=1))

    def begin(self, state: Float[ndarray, " unit"]) -> None:
        """Start from this state."""
        self.state = state

    def step(self, current: Float[ndarray, " unit"], wanted: Float[ndarray, " unit"], weight: float, *, correct: bool) -> ndarray:
        """Advance by one step, correct the weights after it, and return the output before it."""
        r = self.leaky.rate(self.state)
        before, self.state = self.state, self.one.decay * self.state + self.one.coupling * (self.W @ r) + current
        if correct and weight > 0:
            found = self.leaky.rate(before + self.steps * (self.state - before)) if self.steps else r
            self.recursion.learn(self.W, r * weight**0.5, (found - wanted) * weight**0.5)
        return self.range * r + self.middle

    def arrays(self) -> dict[str, ndarray]:
        """Return the present weights."""
        return self.weights | {self.leaky.recurrent: self.W.copy()}
