"""Fields of a score that summarise a sample: estimate, interval and its unit of inference, or why there is none."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import t as student_t

from cortex_sim.statistics._score import Score, jackknifed


class Estimated(TypedDict):
    """The three fields of a :class:`Score` that summarise a sample."""

    estimate: float
    interval: tuple[float, float] | None
    interval_over: str


def estimated_over(
    what: str, count: int, evaluate: Callable[[Int[ndarray, " kept"]], float], *, least: int = 3, otherwise: str | None = None
) -> Estimated:
    """Return a number with its 95 % jackknife interval, as fields of a score.

    Args:
        what: name of what is left out in turn: networks, trials, conditions.
        count: how many there are.
        evaluate: the number, of those at these positions.
        least: how many of them give an interval.
        otherwise: why there is no interval if there are fewer; that so many are needed, if left out.
    """
    estimate = evaluate(np.arange(count))
    if count < least:
        return {"estimate": estimate, "interval": None, "interval_over": otherwise or f"{count} {what}; at least {least} are needed"}
    return {"estimate": estimate, "interval": jackknifed(evaluate, count), "interval_over": what}


def mean_over(what: str, values: Float[ndarray, " member"], *, otherwise: str | None = None) -> Estimated:
    """Return the mean of a sample with its 95 % jackknife interval, as fields of a score; see :func:`estimated_over`."""
    return estimated_over(what, len(values), lambda kept: float(values[kept].mean()), otherwise=otherwise)


def mean_interval(values: Sequence[float] | Float[ndarray, " member"]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of independent values, by Student's t; None for fewer than two."""
    if len(values) < 2:
        return None
    reach = float(student_t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - reach, float(np.mean(values)) + reach


def named(scores: Iterable[Score]) -> dict[tuple[str, str], Score]:
    """Return the scores by measure and student."""
    return {(score.measure, score.student): score for score in scores}


def estimates(scores: Iterable[Score]) -> dict[tuple[str, str], float]:
    """Return the estimate of every measure and student."""
    return {key: score.estimate for key, score in named(scores).items()}


def by_measure(scores: Sequence[Score]) -> list[Score]:
    """Return the scores of each measure together, measures in the order in which they first appear."""
    order = list(dict.fromkeys(score.measure for score in scores))
    return sorted(scores, key=lambda score: order.index(score.measure))
