"""Circuits that prepare movements by feedback: their parts, the optimal feedback, and the constant input that holds a state."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis._control import cost_without_feedback, lqr, observability
from cortex_sim.cards import Model, dimensions
from cortex_sim.errors import OptionError
from cortex_sim.runtime import doored, stream
from cortex_sim.simulation import flow, recurrent_projections, trajectories_from
from cortex_sim.tasks import Task

States = Float[ndarray, "condition unit"]


class FeedbackParts(NamedTuple):
    """The card's names for the connections, the feedback, the weights of the input that gates feedback, and the state at rest."""

    W: str
    K: str
    W_hold: str
    x_rest: str


def feedback_parts(model: Model) -> FeedbackParts:
    """Return the names of the parts: connections, feedback (which acts only while the input with weights is on), and spontaneous state.

    Raises:
        OptionError: the circuit lacks one of these parts.
    """
    hold, recurrent, text = [item.weights for item in model.inputs.values() if item.listens], recurrent_projections(model), model.parsed
    measured = {name: dimensions(line.unit) for name, line in text.equations.items()}
    rest = [name for name in text.parameters if measured[name] == measured[text.states[0]]]
    if len(hold) == len(rest) == 1 and len(recurrent) == 2 and len(text.states) == 1:
        still, arrays = np.ones(model.units), model.own_parameters()
        off = [not np.ptp([flow(model, arrays, still, dict.fromkeys(recurrent, 0.0) | {name: size}) for size in (0.0, 1.0)], axis=0).any()
               for name in recurrent]  # fmt: skip
        if sum(off) == 1:
            return FeedbackParts(recurrent[off.index(False)], recurrent[off.index(True)], str(hold[0]), rest[0])
    found = f"it has {len(rest)} parameters of every unit in the state's unit, {len(recurrent)} projections and {len(hold)} inputs with weights"
    needed = "preparation needs a spontaneous state, connections, and feedback that an input lets act"
    raise OptionError(f"{model.name}: {needed}; {found}, where kao_2021 has 1, 2 and 1.")


def spontaneous_state(units: int, *, spread: float, seed: int) -> Float[ndarray, " unit"]:
    """Return a state of rest that scatters about 1 over units (Kao et al. 2021).

    Args:
        units: number of units.
        spread: standard deviation over units.
        seed: the same one gives the same state wherever it is asked for.
    """
    return 1 + spread * stream(seed, "circuit", "spontaneous state").standard_normal(units)


@doored("of")
@dataclass(frozen=True)
class Controlled:
    """A circuit with the feedback that minimises the cost of errors of its readout.

    Attributes:
        model: with its feedback.
        readout: weights of outputs on units.
        Q: the cost of a deviation x is x' Q x; its trace is the number of units.
        costs: minimal cost with feedback, summed over directions, and the cost without it.
    """

    model: Model
    readout: Float[ndarray, "output unit"]
    Q: Float[ndarray, "unit unit"]
    costs: tuple[float, float]

    @classmethod
    def of(cls, model: Model, readout: Float[ndarray, "output unit"], *, penalty: float) -> "Controlled":
        """Return the circuit with its linear quadratic regulator, computed as if its rates were its states.

        Args:
            model: circuit with a spontaneous state and a projection for feedback.
            readout: weights of outputs on units; errors of these outputs are the cost.
            penalty: of the feedback, lambda.

        Raises:
            OptionError: the circuit lacks one of these parts.
            Undetermined: the circuit is not stable.
        """
        parts = feedback_parts(model)
        A = model.arrays()[parts.W] - np.eye(model.units)
        Q = observability(A, readout)
        Q *= model.units / np.trace(Q)
        control = lqr(A, Q, penalty)
        costs = float(np.trace(control.S)), float(np.trace(cost_without_feedback(A, Q)))
        return cls(model.with_arrays({parts.K: control.K}), readout, Q, costs)

    @property
    def W(self) -> Float[ndarray, "unit unit"]:
        """Return its connections, without the feedback."""
        return self.model.arrays()[feedback_parts(self.model).W]

    @property
    def rest(self) -> Float[ndarray, " unit"]:
        """Return its spontaneous state."""
        return self.model.arrays()[feedback_parts(self.model).x_rest]

    def holding_input(self, wanted: States, *, feedback: bool) -> States:
        """Return the constant input that makes these states fixed points, with or without the feedback."""
        steady = wanted - self.rest - (np.maximum(wanted, 0) - np.maximum(self.rest, 0)) @ self.W.T
        return steady - np.maximum(wanted, 0) @ self.model.arrays()[feedback_parts(self.model).K].T if feedback else steady

    def from_rest(self, task: Task) -> Float[ndarray, "condition time unit"]:
        """Return the states of the circuit on a task, starting from its spontaneous state."""
        return trajectories_from(self.model, task, np.tile(self.rest, (task.trials, 1)))

    def prospective_error(self, states: Float[ndarray, "condition time unit"], wanted: States) -> Float[ndarray, "condition time"]:
        """Return the output error of a linear circuit that evolves freely from these states: the squared error, integrated over time."""
        off = states - wanted[:, None]
        return np.asarray(np.einsum("rtu,uv,rtv->rt", off, self.Q, off))


def seen_directions(model: Model, readout: Float[ndarray, "output unit"], count: int) -> Float[ndarray, "unit direction"]:
    """Return the directions of state space, in columns, from which an autonomous circuit generates most output, in descending order.

    Args:
        model: circuit with connections and feedback; the feedback is ignored.
        readout: weights of outputs on units.
        count: maximum number of directions.
    """
    A = model.arrays()[feedback_parts(model).W] - np.eye(model.units)
    return np.linalg.eigh(observability(A, readout))[1][:, ::-1][:, :count]


def unseen(rates: States) -> Float[ndarray, "unit unit"]:
    """Return the projection onto the orthogonal complement of these rates: weights within it do not respond to the rates."""
    return np.eye(rates.shape[1]) - np.linalg.pinv(rates) @ rates


def blind_readout(
    rates: Float[ndarray, "condition time unit"],
    outputs: Float[ndarray, "condition time output"],
    blind: Float[ndarray, "unit unit"],
    *,
    ridge: float,
) -> Float[ndarray, "output unit"]:
    """Return the ridge regression of outputs on rates, with weights confined to the remaining directions.

    Args:
        rates: of the units that are read out.
        outputs: of the same conditions and bins.
        blind: projection onto the remaining directions, see :func:`unseen`.
        ridge: penalty, relative to the mean squared rate in them.
    """
    units = rates.shape[2]
    X, Y = (rates @ blind).reshape(-1, units), outputs.reshape(-1, outputs.shape[2])
    gram = X.T @ X + ridge * np.trace(X.T @ X) / units * np.eye(units)
    return np.linalg.solve(gram, X.T @ Y).T @ blind
