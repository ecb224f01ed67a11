"""Two sides whose members belong to each other: how alike they are, at chance, and give or take."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.statistics._summaries import Estimated, estimated_over

Places = Int[ndarray, " place"]


class Matched(Estimated):
    """Fields of a :class:`Score` that tell of two sides with the same members."""

    null: Float[ndarray, " surrogate"]


def matched_over(what: str, count: int, evaluate: Callable[[Places, Places], float], *, rng: np.random.Generator, draws: int) -> Matched:
    """Return how alike two sides are, with the members of the second in random order as the null, and members left out for the interval.

    Args:
        what: is left out in turn, of both sides: units, groups, populations.
        count: how many there are.
        evaluate: the measure, of these members of the first side and these of the second.
        rng: of the orders.
        draws: number of orders.
    """
    everyone = np.arange(count)
    null = np.array([evaluate(everyone, rng.permutation(count)) for _ in range(draws)])
    return {**estimated_over(what, count, lambda kept: evaluate(kept, kept)), "null": null}
