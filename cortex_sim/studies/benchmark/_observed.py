"""What a measure is given: averages, single trials, their residuals, or responses to pushes, of all or some units, as rates or as spikes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.runtime import stream
from cortex_sim.simulation import drive_gain, time_constant
from cortex_sim.statistics import spike_averages
from cortex_sim.studies.benchmark._families import BIN, EVERY, NOISE, Family, System
from cortex_sim.trials import Trials

AVERAGES, SINGLE, RESIDUALS, RESPONSES = "averages", "single trials", "residuals", "responses to pushes"
VIEWS = (AVERAGES, SINGLE, RESIDUALS, RESPONSES)
BINS = 30
PUSHES, WHEN, LASTING, JUMP = 3, 5, 1, 1.0  # of each condition; bins from the go cue on; bins; s.d. of a unit's state that a push would move it by
BASE, DEPTH, SMOOTHED = 10.0, 5.0, 0.03  # Hz at the mean of a unit's rate; Hz for a typical s.d.; s, kernel of spikes

Rates = Float[ndarray, "trial time unit"]


@dataclass(frozen=True)
class Observed:
    """Rates of trials or of conditions, with a label for each.

    Attributes:
        rates: those of one condition stand together, and conditions are in the same order on both sides.
        condition: label of each.
    """

    rates: Rates
    condition: Int[ndarray, " trial"]

    def image(self, matrix: Float[ndarray, "axis unit"]) -> "Observed":
        """Return the same in other coordinates."""
        return replace(self, rates=self.rates @ matrix.T)

    def of_units(self, units: Int[ndarray, " seen"]) -> "Observed":
        """Return the same of some of the units."""
        return replace(self, rates=self.rates[:, :, units])

    @property
    def trials(self) -> Trials:
        """Return the same as trials; responses and residuals are differences of rates."""
        return Trials.from_arrays(self.rates, BIN * np.arange(self.rates.shape[1]), condition=self.condition, units="1")


@dataclass(frozen=True)
class Observer:
    """Observations of the systems of one family, each as often as asked, and independent.

    Attributes:
        family: the family.
        trials: number of single trials of each condition; averages are of as many.
    """

    family: Family
    trials: int
    _known: dict[tuple[str, int, float], list[Observed]] = field(default_factory=dict, repr=False, compare=False)

    def see(self, view: str, system: System, count: int, name: str, *, louder: float = 1.0) -> list[Observed]:
        """Return independent observations of a system.

        Args:
            view: one of :data:`VIEWS`.
            system: of the family, or driven otherwise.
            count: number of observations.
            name: of this set of observations; the same name gives the same noise.
            louder: factor of the noise.
        """
        if view in (SINGLE, RESIDUALS):
            return [self._residuals(one) if view == RESIDUALS else one for one in self.single(system, count, name, louder=louder)]
        exact = self._binned(system.rates(system.states())) if view == AVERAGES else self.responses(system)
        rng = stream(self.family.drawn.place.seed, "circuit", "noise of averages of the benchmark", view, name)
        size = louder * self.deviation * np.sqrt((2 if view == RESPONSES else 1) / self.trials)
        return [Observed(exact + size * self._lasting(rng, exact.shape), np.arange(len(exact))) for _ in range(count)]

    def single(self, system: System, count: int, name: str, *, louder: float = 1.0) -> list[Observed]:
        """Return independent sets of single trials of a system, simulated once for a name."""
        known = (name, count, louder)
        if known not in self._known:
            self._known[known] = self._simulated(system, count, name, louder)
        return self._known[known]

    def _simulated(self, system: System, count: int, name: str, louder: float) -> list[Observed]:
        conditions = len(system.start)
        noise = louder * self.family.noise(conditions * count * self.trials, name)
        rates = self._binned(system.rates(system.states(noise, count * self.trials)))
        apart = rates.reshape(conditions, count, self.trials, *rates.shape[1:])
        labels = np.repeat(np.arange(conditions), self.trials)
        return [Observed(apart[:, place].reshape(-1, *rates.shape[1:]), labels) for place in range(count)]

    @property
    def deviation(self) -> float:
        """Return the typical standard deviation of a unit's single trials about their average."""
        return NOISE * self.spread

    @property
    def spread(self) -> float:
        """Return the mean over units of the standard deviation of their averages."""
        return float(self.family.circuit.rates(self.family.path).std(axis=(0, 1)).mean())

    def responses(self, system: System) -> Rates:
        """Return the changes of the rates by pushes of random units through the system's own input, the same for all systems of the family."""
        model, conditions = system.model, len(system.start)
        rng = stream(self.family.drawn.place.seed, "task", "pushes of arm 1 of the benchmark")
        moved = JUMP * float(np.median(self.family.path.std(axis=(0, 1)))) / (LASTING * BIN)
        pushed = np.zeros((conditions * PUSHES, *system.inputs.shape[1:]))
        pushed[:, WHEN * EVERY : (WHEN + LASTING) * EVERY] = (moved / np.abs(drive_gain(model)) * rng.standard_normal((len(pushed), model.units)))[
            :, None
        ]
        still = system.rates(system.states())
        return self._binned(system.rates(system.states(pushed, PUSHES)) - np.repeat(still, PUSHES, axis=0))

    def _lasting(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Rates:
        """Return noise of variance 1 that is forgotten with the time constant of the units: what averaging over trials leaves of theirs."""
        kept = np.exp(-BIN / np.median(time_constant(self.family.drawn.model)))
        noise = rng.standard_normal(shape)
        for bin in range(1, shape[1]):
            noise[:, bin] = kept * noise[:, bin - 1] + np.sqrt(1 - kept**2) * noise[:, bin]
        return noise

    @staticmethod
    def _residuals(single: Observed) -> Observed:
        labels, place = np.unique(single.condition, return_inverse=True)
        means = np.stack([single.rates[single.condition == label].mean(axis=0) for label in labels])
        return replace(single, rates=single.rates - means[place])

    @staticmethod
    def _binned(rates: Float[ndarray, "trial step unit"]) -> Rates:
        return rates[:, ::EVERY][:, :BINS]


def spiking(observed: Sequence[Observed], spread: float, middle: Float[ndarray, " unit"], seed: int, *name: int | str) -> list[Observed]:
    """Return single trials as smoothed spikes of Poisson processes, converted back to the unit of the rates.

    Args:
        observed: single trials.
        spread: change of rate that fires 5 Hz more.
        middle: rates at which units fire at 10 Hz.
        seed: of the spikes.
        name: which draw.
    """
    found = []
    for place, one in enumerate(observed):
        rng = stream(seed, "analysis", "spikes of the benchmark", *name, place)
        fired = spike_averages(BASE + DEPTH * (one.rates - middle) / spread, BIN, repeats=1, sd=SMOOTHED, rng=rng)
        found.append(replace(one, rates=(fired - BASE) / DEPTH * spread + middle))
    return found
