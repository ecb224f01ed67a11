"""Two sides with the same members: their similarity, its value at chance and its interval."""

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
    """Return the similarity of two sides, with the members of the second in random order as the null, and members left out for the interval.

    Args:
        what: name of the members, which are left out in turn on both sides: units, groups, populations.
        count: how many there are.
        evaluate: the measure, of these members of the first side and these of the second.
        rng: of the orders.
        draws: number of orders.
    """
    everyone = np.arange(count)
    null = np.array([evaluate(everyone, rng.permutation(count)) for _ in range(draws)])
    return {**estimated_over(what, count, lambda kept: evaluate(kept, kept)), "null": null}
