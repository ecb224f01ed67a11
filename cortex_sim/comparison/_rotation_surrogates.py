"""Rotations compared with those of surrogates, as proposed by both sides of the debate about the meaning of rotations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Rotations, jpca_spanned, leading_components
from cortex_sim.comparison._geometry import principal_part
from cortex_sim.statistics import MaximumEntropy, half_inverted, one_course_per_unit, permuted_conditions, random_phases

SHUFFLED, MIRRORED, PHASES = "conditions of each unit permuted", "half of the conditions inverted", "phases randomised"
ENTROPY, ONE_COURSE = "tensor maximum entropy", "one course a unit"
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


def rotations_against_surrogates(states: Rates, dt: float, *, rng_of: Callable[[int, int], np.random.Generator], draws: int) -> Turning:
    """Return the rotations of states, and those of surrogates of five kinds.

    Surrogates that do not depend on the choice of axes are made from principal components, which are fewer than units. The surrogate that
    reduces every unit to its best single time course, scaled by condition, is deterministic and has a single value.

    Args:
        states: with the mean over conditions removed.
        dt: width of a bin, s.
        rng_of: returns the generator for a kind of surrogate and a draw, by their numbers.
        draws: number of draws of each kind.
    """
    few = principal_part(states)
    makers: dict[str, Callable[[np.random.Generator], Rates]] = {
        SHUFFLED: lambda rng: permuted_conditions(states, rng),
        MIRRORED: lambda rng: half_inverted(few, rng),
        PHASES: lambda rng: random_phases(few, rng),
        ENTROPY: MaximumEntropy.of(few).draw,
    }
    nulls = {name: np.array([_skew(make(rng_of(number, draw)), dt) for draw in range(draws)]) for number, (name, make) in enumerate(makers.items())}
    return Turning(states, jpca_spanned(states, dt), nulls | {ONE_COURSE: np.array([_skew(one_course_per_unit(states), dt)])})


def _skew(states: Rates, dt: float) -> float:
    about = principal_part(states - states.mean(axis=0))
    return jpca_spanned(about, dt).r2_skew if leading_components(about, 2).shape[2] > 1 else 0.0
