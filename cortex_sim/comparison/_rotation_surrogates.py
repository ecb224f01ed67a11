"""Rotations compared with those of surrogates, as proposed by both sides of the debate about the meaning of rotations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Rotations, jpca_spanned, leading_components
from cortex_sim.comparison._geometry import principal_part
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import (
    MaximumEntropy,
    inverted_contrasts,
    one_course_per_unit,
    p_value,
    permuted_conditions,
    random_phases,
    reversed_contrasts,
)

SHUFFLED, MIRRORED = "conditions of each unit permuted", "contrasts of conditions inverted at random"
REVERSED = "contrasts of conditions reversed in time at random"
PHASES, ENTROPY, ONE_COURSE = "phases randomised", "tensor maximum entropy", "one course a unit"
NO_TEST = {
    PHASES: "a window is not a period, and the jump between its ends enters the surrogates alone",
    ENTROPY: "their covariances are those of the same data, not of the population that these are drawn from",
    ONE_COURSE: "they are one value",
}
Rates = Float[ndarray, "condition time unit"]


@dataclass(frozen=True)
class Turning:
    """Results of jPCA for a data set.

    Attributes:
        states: the analysed states, with the mean over conditions removed.
        found: their rotations.
        nulls: R²(M_skew) of surrogates, by name of the surrogate.
    """

    states: Rates
    found: Rotations
    nulls: Mapping[str, Float[ndarray, " draw"]]

    def p(self, surrogate: str) -> float:
        """Return the p-value of R²(M_skew) under a null.

        Raises:
            ComparisonError: these surrogates are a comparison and no null.
        """
        if surrogate in NO_TEST:
            raise ComparisonError(f"rotations: surrogates by {surrogate} give no p-value, since {NO_TEST[surrogate]}.")
        return p_value(self.found.r2_skew, self.nulls[surrogate])

    def told(self) -> dict[str, dict[str, Any]]:
        """Return null and surrogate of a score of R²(M_skew), by name of the surrogate; a comparison without a test is told in words."""
        return {name: {"null": drawn, "surrogate": name} if name not in NO_TEST or len(drawn) == 1 else _compared(name, drawn)
                for name, drawn in self.nulls.items()}  # fmt: skip


def _compared(name: str, drawn: Float[ndarray, " draw"]) -> dict[str, Any]:
    low, middle, high = np.percentile(drawn, [2.5, 50, 97.5])
    return {"null": None, "surrogate": f"{name}: {middle:.3f} ({low:.3f} to {high:.3f}) is a comparison and no test, since {NO_TEST[name]}"}


def rotations_against_surrogates(states: Rates, dt: float, *, rng_of: Callable[[int, int], np.random.Generator], draws: int) -> Turning:
    """Return the rotations of states, and those of surrogates of six kinds.

    Three are draws from a null and give p-values: that units are independent of each other (conditions of each permuted), that activity sets out from
    a state in either direction alike (contrasts of the conditions inverted), that it is as likely forwards as backwards (reversed in time). The
    others are comparisons, for the reasons in ``NO_TEST``. Surrogates that do not depend on the choice of axes are made from principal components,
    which are fewer than units. The surrogate that reduces every unit to its best single time course, scaled by condition, has a single value.

    Args:
        states: with the mean over conditions removed.
        dt: width of a bin, s.
        rng_of: returns the generator for a kind of surrogate and a draw, by their numbers.
        draws: number of draws of each kind.
    """
    few = principal_part(states)
    makers: dict[str, Callable[[np.random.Generator], Rates]] = {
        SHUFFLED: lambda rng: permuted_conditions(states, rng),
        MIRRORED: lambda rng: inverted_contrasts(few, rng),
        PHASES: lambda rng: random_phases(few, rng),
        ENTROPY: MaximumEntropy.of(few).draw,
        REVERSED: lambda rng: reversed_contrasts(few, rng),
    }
    nulls = {name: np.array([_skew(make(rng_of(number, draw)), dt) for draw in range(draws)]) for number, (name, make) in enumerate(makers.items())}
    return Turning(states, jpca_spanned(few, dt), nulls | {ONE_COURSE: np.array([_skew(one_course_per_unit(states), dt)])})


def _skew(states: Rates, dt: float) -> float:
    about = principal_part(states - states.mean(axis=0))
    return jpca_spanned(about, dt).r2_skew if leading_components(about, 2).shape[2] > 1 else 0.0
