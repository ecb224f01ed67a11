r"""full-FORCE: a second random network, driven by the target output, provides a target for each unit's recurrent input.

The teacher has the weights J that the card draws and receives the target output as an input, :math:`F = J r_D + U f`. The student does not; it
learns, by recursive least squares on its own rates r, to generate :math:`W r = F` and :math:`C r = f`, and runs on the input it generates.

Source:
    DePasquale, Cueva, Rajan, Escola & Abbott (2018) PLoS ONE 13:e0191527.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.fitting._online import Network, Pace, check_data, teach
from cortex_sim.fitting._options import Options, TrainingData, TrainingHistory
from cortex_sim.fitting._recursive import Recursive

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
    every: int = 2,
    feedback: float = 1.0,
    continued: bool = False,
    start: float = 0.5,
) -> TrainingHistory:
    """Correct recurrent weights and readout while the student runs; return the training history, see :func:`cortex_sim.fitting._online.teach`.

    Args:
        model: leaky, with a readout of many units; the recurrent weights of its card are the teacher's, its own start at 0.
        data: trained on, trial after trial.
        check: never trained on.
        options: at most ``epochs`` passes, ``patience`` without improvement.
        seed: of the teacher's weights for the target output, and of the noise.
        report: called with the completed fraction and a line of text.
        alpha: ridge penalty; its inverse is the initial learning rate.
        every: bins between corrections.
        feedback: largest weight of the teacher's input, for an output one standard deviation from its mean.
        continued: the first trial begins in a random state and each other where the one before it ended; the returned network begins where the
            last one ended. For one pattern that repeats without end.
        start: standard deviation of that random state.

    Raises:
        TaskError: the student is not a leaky network, or a constraint of its card forbids the weights.
    """
    check_data(model, data, options, continued=continued, asked_by="full_force")
    network = Network.of(model, asked_by="full_force")
    student = Student(network, network.feedback(data.scale, feedback, seed), alpha)
    return teach(student, network.leaky, data, check, pace=Pace(every, continued, start), options=options, seed=seed, report=report)


class Student:
    """A network that learns to generate its own input, and the driven teacher network."""

    def __init__(self, network: Network, U: Float[ndarray, "unit observed"], alpha: float) -> None:
        """Start without recurrent weights.

        Args:
            network: its recurrent weights are the teacher's.
            U: weights of the target output onto the teacher.
            alpha: ridge penalty.
        """
        self.network, self.U = network, U
        self.J, self.C = network.weights[network.leaky.recurrent], network.weights[network.readout].copy()
        self.W = np.zeros_like(self.J)
        self.one = network.leaky.coefficients(network.weights)
        self.inputs, self.outputs = Recursive(len(self.W), alpha), Recursive(len(self.W), alpha)

    def begin(self, state: Float[ndarray, " unit"]) -> None:
        """Start both networks from this state."""
        self.state = self.driven = state

    def step(self, current: Float[ndarray, " unit"], wanted: Float[ndarray, " observed"], weight: float, *, correct: bool) -> ndarray:
        """Advance both networks by one step, correct the student's weights, and return the output before the step."""
        r = self.network.leaky.rate(self.state)
        shown = self.J @ self.network.leaky.rate(self.driven) + self.U @ (wanted - self.network.offset)
        made, output = self.W @ r, self.C @ r + self.network.offset
        self.state, self.driven = (
            self.one.decay * x + self.one.coupling * total + current for x, total in ((self.state, made), (self.driven, shown))
        )
        if correct:
            self.inputs.learn(self.W, r, made - shown)
            if weight > 0:
                self.outputs.learn(self.C, r * weight**0.5, (output - wanted) * weight**0.5)
        return output

    def arrays(self) -> dict[str, ndarray]:
        """Return the student's weights."""
        return self.network.weights | {self.network.leaky.recurrent: self.W.copy(), self.network.readout: self.C.copy()}
