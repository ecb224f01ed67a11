"""Preparation and movement of one system, together with its muscle activity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis._rotations import soft_normalised, soft_range
from cortex_sim.analysis._subspaces import NEURAL, RIDGE, PotentAndNull, leading_axes, potent_and_null, tuning_ratio
from cortex_sim.runtime import doored
from cortex_sim.trials import Trials

Rates = Float[ndarray, "condition time unit"]
Later = Float[ndarray, "condition moment unit"]
Muscles = Mapping[str, Float[ndarray, "_ _ _"]]  # condition, bin of both epochs, muscle
Span = tuple[float, float]


@doored("of", "driving")
@dataclass(frozen=True)
class Epochs:
    """Preparation and movement of a system, with the mean over conditions removed.

    Attributes:
        preparation: rates over their soft range (:func:`.soft_range`), the mean over conditions removed.
        movement: likewise during movement.
        muscles: activity by name, both epochs concatenated, the mean over conditions removed.
        rates: during movement, over their soft range, the mean over conditions not removed.
        ranges: the soft range of each unit, in the unit of the rates.
    """

    preparation: Rates
    movement: Later
    muscles: Muscles
    rates: Later
    ranges: Float[ndarray, " unit"]

    @classmethod
    def of(cls, trials: Trials, windows: Sequence[Span], muscles: Muscles) -> "Epochs":
        """Return the epochs of trials, normalised.

        Args:
            trials: one per condition.
            windows: of preparation and of movement, s.
            muscles: activity in both windows, concatenated.
        """
        spread = np.ptp(trials.rate, axis=(0, 1))
        before, after = (trials.window(*span).rate for span in windows)
        return cls(
            soft_normalised(before, spread),
            soft_normalised(after, spread),
            {name: output - output.mean(axis=0) for name, output in muscles.items()},
            after / soft_range(spread),
            soft_range(spread),
        )

    @classmethod
    def driving(cls, trials: Trials, windows: Sequence[Span], weights: Mapping[str, Float[ndarray, "unit muscle"]]) -> "Epochs":
        """Return the epochs of trials whose rates drive muscles through these weights, normalised."""
        both = np.concatenate([trials.window(*span).rate for span in windows], axis=1)
        return cls.of(trials, windows, {name: both @ W for name, W in weights.items()})

    @property
    def together(self) -> Rates:
        """Return both epochs, concatenated."""
        return np.concatenate([self.preparation, self.movement], axis=1)

    def select(self, kept: ndarray) -> "Epochs":
        """Return the epochs of these conditions."""
        muscles = {name: output[kept] for name, output in self.muscles.items()}
        return replace(self, preparation=self.preparation[kept], movement=self.movement[kept], muscles=muscles, rates=self.rates[kept])

    def spaces(self, muscle: str, *, alone: bool = False, ridge: float = RIDGE) -> PotentAndNull:
        """Return muscle-potent and null directions, by regression on both epochs or on movement alone.

        Args:
            muscle: name of the set of muscles.
            alone: whether to use movement alone, as published.
            ridge: penalty relative to the mean variance.
        """
        output = self.muscles[muscle]
        if not alone:
            return potent_and_null(self.together, output, ridge=ridge)
        return potent_and_null(self.movement, output[:, -self.movement.shape[1] :], within=self.together, ridge=ridge)

    def hidden(self, muscle: str, *, alone: bool = False, ridge: float = RIDGE) -> float:
        """Return the tuning ratio, by which preparation is more confined to the null space than movement is; arguments as for :meth:`spaces`."""
        return tuning_ratio(self.preparation, self.movement, self.spaces(muscle, alone=alone, ridge=ridge))

    def hidden_by_chance(
        self, muscle: str, *, rng: np.random.Generator, draws: int, alone: bool = False, ridge: float = RIDGE
    ) -> Float[ndarray, " draw"]:
        """Return tuning ratios of as many muscles driven by random sums of the rates, each found by the same regression.

        The null is that muscles are such sums, so that whatever regression prefers, as directions that vary most, it prefers in surrogates too.

        Args:
            muscle: name of the set of muscles.
            rng: of the weights.
            draws: number of sets of muscles.
            alone: as for :meth:`spaces`.
            ridge: likewise.
        """
        outputs, both, units = self.muscles[muscle].shape[2], self.together * self.ranges, len(self.ranges)
        axes = leading_axes(self.together, NEURAL)
        few = Epochs(self.preparation @ axes, self.movement @ axes, {}, self.rates @ axes, np.ones(NEURAL))  # no other direction enters the ratio

        def drawn() -> float:
            return replace(few, muscles={muscle: both @ rng.standard_normal((units, outputs))}).hidden(muscle, alone=alone, ridge=ridge)

        return np.array([drawn() for _ in range(draws)])
