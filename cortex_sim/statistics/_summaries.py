"""Fields of a score that summarise a sample: estimate, interval and unit of inference, or why there is no interval."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.special import ndtri, stdtrit

from cortex_sim.statistics._score import Score, jackknifed, subsampled, subsets


class Estimated(TypedDict):
    """The three fields of a :class:`Score` that summarise a sample."""

    estimate: float
    interval: tuple[float, float] | None
    interval_over: str


def estimated_over(
    what: str,
    count: int,
    evaluate: Callable[[Int[ndarray, " kept"]], float],
    *,
    least: int = 3,
    otherwise: str | None = None,
    selects: bool = False,
) -> Estimated:
    """Return a number with its 95 % jackknife interval, as fields of a score.

    Args:
        what: name of what is omitted in turn: networks, trials, conditions.
        count: their number.
        evaluate: returns the number for those with these indices.
        least: how many are needed for an interval.
        otherwise: reason to give if there are fewer; if omitted, that ``least`` are needed.
        selects: whether ``evaluate`` selects axes; the interval then comes from subsets of half of them (:func:`subsampled`).
    """
    estimate = evaluate(np.arange(count))
    if count < least:
        return {"estimate": estimate, "interval": None, "interval_over": otherwise or f"{count} {what}; at least {least} are needed"}
    interval = subsampled(evaluate, count, subsets(count)) if selects else jackknifed(evaluate, count)
    return {"estimate": estimate, "interval": interval, "interval_over": f"subsets of the {what}" if selects else what}


def mean_over(what: str, values: Float[ndarray, " member"], *, otherwise: str | None = None) -> Estimated:
    """Return the mean of a sample with its 95 % jackknife interval, as fields of a score; see :func:`estimated_over`."""
    return estimated_over(what, len(values), lambda kept: float(values[kept].mean()), otherwise=otherwise)


def share_over(what: str, hits: Bool[ndarray, " member"]) -> Estimated:
    r"""Return the share of members of which something is true, with Wilson's 95 % interval, as fields of a score.

    With k of n and z = 1.96 the bounds are :math:`(k + z^2/2 \pm z\sqrt{k(n-k)/n + z^2/4})/(n + z^2)`. Unlike an interval from the spread of the
    sample, it has a width where all members are alike: a decoder that is right in all of 60 trials may well err in one of a hundred.

    Args:
        what: name of the members.
        hits: of each, whether it is true.

    Source:
        Wilson (1927) J Am Stat Assoc 22:209.
    """
    count, k, z = len(hits), float(np.sum(hits)), float(ndtri(0.975))
    reach, middle = z * np.sqrt(k * (count - k) / count + z**2 / 4), k + z**2 / 2
    interval = (float((middle - reach) / (count + z**2)), float((middle + reach) / (count + z**2)))
    return {"estimate": k / count, "interval": interval, "interval_over": f"{what} (Wilson's)"}


def mean_interval(values: Sequence[float] | Float[ndarray, " member"]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of independent values, by Student's t; None if there are fewer than two."""
    if len(values) < 2:
        return None
    reach = float(stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - reach, float(np.mean(values)) + reach


def named(scores: Iterable[Score]) -> dict[tuple[str, str], Score]:
    """Return the scores by measure and student."""
    return {(score.measure, score.student): score for score in scores}


def estimates(scores: Iterable[Score]) -> dict[tuple[str, str], float]:
    """Return the estimate of every measure and student."""
    return {key: score.estimate for key, score in named(scores).items()}


def by_measure(scores: Sequence[Score]) -> list[Score]:
    """Return the scores grouped by measure, measures in order of first appearance."""
    order = list(dict.fromkeys(score.measure for score in scores))
    return sorted(scores, key=lambda score: order.index(score.measure))
