"""Similarity of two sides with the same members, its chance level and its interval."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.statistics._summaries import Estimated, estimated_over

Places = Int[ndarray, " place"]


class Matched(Estimated):
    """Fields of a :class:`Score` of two sides with the same members."""

    null: Float[ndarray, " surrogate"]


def matched_over(what: str, count: int, evaluate: Callable[[Places, Places], float], *, rng: np.random.Generator, draws: int) -> Matched:
    """Return the similarity of two sides; the null permutes members of the second side, the interval omits members in turn.

    Args:
        what: name of the members, which are omitted in turn on both sides: units, groups, populations.
        count: number of members.
        evaluate: returns the measure for these members of the first side and these of the second.
        rng: of the permutations.
        draws: number of permutations.
    """
    everyone = np.arange(count)
    null = np.array([evaluate(everyone, rng.permutation(count)) for _ in range(draws)])
    return {**estimated_over(what, count, lambda kept: evaluate(kept, kept)), "null": null}
