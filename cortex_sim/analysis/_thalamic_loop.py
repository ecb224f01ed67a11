"""A circuit that prepares by a loop through layer 4 and thalamus, optimal given that the cortex is seen through them alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis._feedback import Controlled, States
from cortex_sim.analysis._output_feedback import Factors, output_feedback, relayed, signed_factors
from cortex_sim.analysis._trained_reaches import Released, fading_loop
from cortex_sim.cards import Model, load, spectral_abscissa
from cortex_sim.cards.edit import with_step, with_values
from cortex_sim.runtime import doored, stream
from cortex_sim.simulation import time_constant

CARD = "kao_2021_loop"
STEPS = {"feedback": 100, "factors": 1000}  # of optimisation, at most


@doored("of")
@dataclass(frozen=True)
class ThalamicLoop:
    """A circuit with its loop.

    Attributes:
        model: card kao_2021_loop with these connections, at rest.
        feedback: weights of the circuit on itself by way of layer 4 and thalamus, once both have settled.
        factors: signed weights to and from thalamus.
        abscissa: largest real part of the eigenvalues of the closed circuit before rectification, per time constant.
        share: of a relay's time constant that a step takes.
    """

    model: Model
    feedback: Float[ndarray, "unit unit"]
    factors: Factors
    abscissa: float
    share: float

    @classmethod
    def of(cls, direct: Controlled, cells: int, *, density: float, penalty: float, seed: int, steps: Mapping[str, int] = STEPS) -> "ThalamicLoop":
        r"""Return the loop of a circuit whose first cells drive as many of layer 4, with as many thalamic units as the circuit has.

        Layer 4 hears each cell with a probability p, with the weight 1/(p cells). The feedback K from what thalamus would relay one to one is that
        of least cost; then K is split into positive weights onto thalamus, and positive and negative ones onto the circuit.

        Args:
            direct: circuit, cost of its states and state at rest; its own feedback is not used.
            cells: number of excitatory cells, the first ones.
            density: p.
            penalty: of the feedback, lambda.
            seed: of connections to layer 4 and of the start of the split.
            steps: of optimisation, at most.
        """
        units, card, relays = direct.model.units, load(CARD), slice(0, cells)
        assert isinstance(card, Model)
        tau = float(np.median(time_constant(direct.model)))
        Y, Z, Q = np.zeros((units, units)), np.zeros((units, units)), np.zeros((units + 2 * cells,) * 2)
        Y[relays, relays] = (stream(seed, "circuit", "connections to layer 4").random((cells, cells)) < density) / (density * cells)
        Q[:units, :units] = direct.Q
        plant = relayed(direct.W - np.eye(units), Y[relays], speed=tau / card.parameters["tau_z"].si)
        K = output_feedback(plant, Q, penalty=penalty, steps=steps["feedback"])
        factors = signed_factors(K, units, rng=stream(seed, "circuit", "thalamic weights"), steps=steps["factors"])
        Z[:, relays], product = factors.into, factors.out @ factors.into
        model = with_values(with_step(card, 1e3 * direct.model.dt.si), {"tau": 1e3 * tau})
        begun = {"x": {"value": direct.rest.tolist(), "meaning": "at rest", "over": "units"}}
        weights = {"W": direct.W, "x_rest": direct.rest, "W_hold": np.ones((units, 1)), "Y": Y, "Z": Z, "X": factors.out}
        model = model.with_arrays(weights, units=units, initial_values=begun)
        abscissa = spectral_abscissa(plant.A + plant.B @ product @ plant.C)
        return cls(model, product @ Y[relays], factors, abscissa, model.dt.si / card.parameters["tau_z"].si)

    def left_by(self, circuit: Released) -> Released:
        """Return the circuit after the go cue with what is still on the way through the loop, which is then opened."""
        return circuit._replace(loop=self.feedback, fading=fading_loop((self.share, self.share), len(circuit.course)))

    def holding_input(self, wanted: States, direct: Controlled) -> States:
        """Return the constant input that makes these states fixed points while the loop is closed."""
        return direct.holding_input(wanted, feedback=False) - np.maximum(wanted, 0) @ self.feedback.T
