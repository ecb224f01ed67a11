r"""FORCE: the output is fed back into a chaotic network while recursive least squares keeps its error small from the start.

The student runs with :math:`W_0 r + U z`, where :math:`z = C r` is its own output, right or wrong, and U is random and fixed; only C learns.
Since z is linear in r, this is a network with the recurrent weights :math:`W = W_0 + U C`, and it is returned in this form.

Source:
    Sussillo & Abbott (2009) Neuron 63:544.
"""

from collections.abc import Callable

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
    """Correct the readout while the student runs, and return the training history; see :func:`cortex_sim.fitting._online.teach`.

    Args:
        model: leaky, with a readout of many units; its readout and recurrent weights are learned.
        data: trained on, trial after trial; outputs at bins between corrections, or at bins of zero weight, are ignored.
        check: never trained on.
        options: at most ``epochs`` passes, ``patience`` without improvement.
        seed: of the feedback weights and the noise.
        report: called with the completed fraction and a line of text.
        alpha: ridge penalty towards the initial weights; its inverse is the initial learning rate.
        every: bins between corrections.
        feedback: largest weight of the feedback of an output, for an output one standard deviation from its mean.
        continued: the first trial begins in a random state and each other where the one before it ended; the returned network begins where the
            last one ended. For one pattern that repeats without end.
        start: standard deviation of that random state.

    Raises:
        TaskError: the student is not a leaky network, or a constraint of its card forbids the weights.
    """
    check_data(model, data, options, continued=continued, asked_by="force")
    network = Network.of(model, asked_by="force")
    student = Student(network, network.feedback(data.scale, feedback, seed), alpha)
    return teach(student, network.leaky, data, check, pace=Pace(every, continued, start), options=options, seed=seed, report=report)


class Student:
    """A network whose output is fed back and whose readout is learned."""

    def __init__(self, network: Network, U: Float[ndarray, "unit observed"], alpha: float) -> None:
        """Start with the weights of the card.

        Args:
            network: provides the initial weights.
            U: feedback weights.
            alpha: ridge penalty.
        """
        self.network, self.U = network, U
        self.W, self.C = network.weights[network.leaky.recurrent], network.weights[network.readout].copy()
        self.one = network.leaky.coefficients(network.weights)
        self.recursion = Recursive(len(self.W), alpha)

    def begin(self, state: Float[ndarray, " unit"]) -> None:
        """Start from this state."""
        self.state = state

    def step(self, current: Float[ndarray, " unit"], wanted: Float[ndarray, " observed"], weight: float, *, correct: bool) -> ndarray:
        """Advance by one step with the output fed back, then correct the readout, and return that output."""
        r = self.network.leaky.rate(self.state)
        z = self.C @ r
        output = z + self.network.offset
        self.state = self.one.decay * self.state + self.one.coupling * (self.W @ r + self.U @ z) + current
        if correct and weight > 0:
            self.recursion.learn(self.C, r * weight**0.5, (output - wanted) * weight**0.5)
        return output

    def arrays(self) -> dict[str, ndarray]:
        """Return the weights of the network, with its feedback as part of the recurrent weights."""
        return self.network.weights | {self.network.leaky.recurrent: self.W + self.U @ self.C, self.network.readout: self.C.copy()}
