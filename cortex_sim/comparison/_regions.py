"""A circuit of several regions and a network fitted to its recording: are the currents between regions the same in both?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.analysis import Currents, current_correlations, currents, share_from_others
from cortex_sim.cards import Model
from cortex_sim.comparison._prediction import training_reference, variance_explained
from cortex_sim.fitting import Fitted
from cortex_sim.simulation import recurrent_weights, simulate
from cortex_sim.tasks import Task, region_thirds
from cortex_sim.trials import Trials


@dataclass(frozen=True)
class RegionFit:
    """A circuit of three regions, and a network with the same number of units that was fitted to it.

    Attributes:
        circuit: with known connections.
        recorded: its rates, one trial.
        fitted: the network.
        task: the input that the network received while it was fitted.
    """

    circuit: Model
    recorded: Trials
    fitted: Fitted
    task: Task

    @cached_property
    def free(self) -> Trials:
        """Return the trial of the free-running network from the first recorded rates."""
        return simulate(self.fitted.model, replace(self.task, initial=self.recorded.rate[:, 0]))

    @cached_property
    def true(self) -> Currents:
        """Return the currents of the circuit."""
        return currents(recurrent_weights(self.circuit), self.recorded.rate[0], region_thirds(self.circuit.units))

    @cached_property
    def found(self) -> Currents:
        """Return the currents of the network."""
        return self.shuffled(np.arange(self.circuit.units))

    def shuffled(self, order: Int[ndarray, " unit"]) -> Currents:
        """Return the currents of the network with its sources permuted."""
        return currents(recurrent_weights(self.fitted.model)[:, order], self.free.rate[0], region_thirds(self.circuit.units))

    def agreement(self, found: Currents) -> tuple[float, float, float]:
        """Return the agreement of currents with those of the circuit.

        Returns:
            The mean correlation of currents within regions, that of currents between regions, and the fraction of power from other regions, inferred
            minus true, mean over regions.
        """
        correlations = current_correlations(self.true, found).items()
        within, between = (float(np.mean([r for (a, b), r in correlations if (a == b) is same])) for same in (True, False))
        true, share = share_from_others(self.true), share_from_others(found)
        return within, between, float(np.mean([share[name] - true[name] for name in true]))

    def explained(self, order: Int[ndarray, " unit"]) -> float:
        """Return R² of the free-running network with its units permuted."""
        mean, scale = training_reference(self.recorded)
        return variance_explained(self.recorded.rate, self.free.rate[:, :, order], mean=mean, scale=scale)

    @property
    def explained_in_training(self) -> float:
        """Return R² of the last training pass about the mean of all units, as computed by Perich et al. (2020)."""
        rates, made = self.recorded.rate, self.fitted.outputs
        assert made is not None
        return variance_explained(rates, made, mean=np.full(rates.shape[2], rates.mean()), scale=np.ones(rates.shape[2]))


def mean_current_correlations(fits: Sequence[RegionFit]) -> Float[ndarray, "target source"]:
    """Return the correlations of true and inferred currents from each region to each, mean over circuits."""
    table = np.mean([list(current_correlations(fit.true, fit.found).values()) for fit in fits], axis=0)
    return table.reshape(round(len(table) ** 0.5), -1)


def shares_from_others(fits: Sequence[RegionFit]) -> tuple[Float[ndarray, "circuit region"], Float[ndarray, "circuit region"]]:
    """Return the fraction of current power that each region of each circuit receives from others: true and inferred."""
    true, found = (
        np.array([list(share_from_others(given).values()) for given in side]) for side in zip(*((f.true, f.found) for f in fits), strict=True)
    )
    return true, found
