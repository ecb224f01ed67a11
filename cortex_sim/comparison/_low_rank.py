"""A low-rank circuit and a network fitted to it: do they have the same activity, and the same connections?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.comparison._connectivity import effective_connectivity, entry_correlation
from cortex_sim.comparison._prediction import variance_explained
from cortex_sim.simulation import recurrent_projection, simulate
from cortex_sim.statistics import permuted
from cortex_sim.tasks import Task


@dataclass(frozen=True)
class LowRankFit:
    """A circuit and a network with equal numbers of units, each with one low-rank recurrent projection and one input projection.

    Attributes:
        circuit: with known connections, without noise.
        network: without noise.
        battery: trials that the network was not trained on.
        rank: of the connections.
    """

    circuit: Model
    network: Model
    battery: Task
    rank: int = 1

    def explained(self, count: int, *, seed: int) -> tuple[float, Float[ndarray, " surrogate"]]:
        """Return R² of the trials, and R² with the network's trials permuted ``count`` times."""
        wanted, made = (simulate(side, self.battery).rate for side in (self.circuit, self.network))
        mean, scale = wanted.mean(axis=(0, 1)), np.ones(wanted.shape[2])

        def measure(a: ndarray, b: ndarray) -> float:
            return variance_explained(a, b, mean=mean, scale=scale)

        return measure(wanted, made), permuted(measure, wanted, made, seed=seed, count=count)

    def connections(self, *, effective: bool) -> tuple[Float[ndarray, "unit unit"], Float[ndarray, "unit unit"]]:
        """Return the connections of the circuit and of the network, as they are or as far as they determine activity."""
        true, found = (self._connections(side, effective) for side in (self.circuit, self.network))
        return true, found

    def correlation(self, *, effective: bool, rng: np.random.Generator | None = None) -> float:
        """Return the correlation of true and inferred connections; with the network's units permuted if a random generator is given."""
        true, found = self.connections(effective=effective)
        order = np.arange(len(found)) if rng is None else rng.permutation(len(found))
        return entry_correlation(true, found[np.ix_(order, order)])

    def _connections(self, side: Model, effective: bool) -> Float[ndarray, "unit unit"]:
        arrays, recurrent = side.arrays(), recurrent_projection(side)
        entry = next(str(item.weights) for item in side.inputs.values() if item.listens)
        return effective_connectivity(arrays[recurrent], arrays[entry], self.rank) if effective else arrays[recurrent]
