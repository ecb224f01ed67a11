r"""Cycle consistency of two sets of noisy single trials, relative to the most that their noise leaves to be found.

A linear map to another system and one back are :math:`\Sigma_{ba}\Sigma_{aa}^{-1}` and :math:`\Sigma_{ab}\Sigma_{bb}^{-1}`, with covariances of the
true averages; both together shrink every canonical direction by its squared correlation. Noise of measured averages adds to :math:`\Sigma_{aa}` and
:math:`\Sigma_{bb}` and so shrinks both maps: equal systems look inconsistent. Averages of two halves of the trials have independent noise, so that
their products have none on average: covariances, and the squared error of the cycle in held-out conditions, are all taken between halves.

Source:
    Versteeg et al. (2025), Computation-thru-Dynamics Benchmark, for the cycle; the removal of noise is derived above.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._predictivity import FOLDS, cycle_consistency
from cortex_sim.comparison._residuals import in_one_order
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import folds, halves, order_by_content
from cortex_sim.trials import Trials

SPLITS = 4  # into halves
AXES = 10  # components of each side at most
SPANNED = 1e-6  # of the largest covariance: components below are left out

Averages = Float[ndarray, "condition time unit"]
Halves = tuple[Averages, Averages]


def noisy_cycle_consistency(a: Trials, b: Trials, *, splits: int = SPLITS, seed: int = 0) -> float:
    """Return the share of one system's variance that survives a linear map to another and one back, held out; 1 is the ceiling, whatever the noise.

    It is the share of what halves of the first system's trials agree on, in the components in which they do; 0 if they agree on nothing, or if the
    other system does not vary. It may be slightly above 1 by chance.

    Args:
        a: single trials, at least two of every condition; where a condition has one, averages are compared as by :func:`.cycle_consistency`.
        b: of the other system, with as many conditions, in the order of their first trials, and bins; units may be others.
        splits: number of random halvings.
        seed: of the halvings and of the folds of conditions.

    Raises:
        ComparisonError: conditions or bins differ, or there are fewer than two conditions, or than four of one trial.
    """
    a, b = in_one_order(a, b)
    counts = [len(dict.fromkeys(side.condition.tolist())) for side in (a, b)]
    if counts[0] != counts[1] or a.rate.shape[1] != b.rate.shape[1] or counts[0] < 2:
        found = f"(condition, time) are {(counts[0], a.rate.shape[1])} and {(counts[1], b.rate.shape[1])}"
        raise ComparisonError(f"cycle consistency under noise: {found}; they should match, with two conditions at least.")
    if not np.ptp(b.rate, axis=(0, 1)).any():
        return 0.0
    if min(int(np.unique(side.condition, return_counts=True)[1].min()) for side in (a, b)) < 2:
        return cycle_consistency(*(_averages(side, np.arange(len(side.rate))) for side in (a, b)), seed=seed)
    lost, total = 0.0, 0.0
    order = order_by_content(*(_averages(side, np.arange(len(side.rate))) for side in (a, b)))
    for one, other in zip(_halved(a, splits, seed), _halved(b, splits, seed), strict=True):
        for each in folds(range(counts[0]), count=min(FOLDS, counts[0]), seed=seed):
            split = each.within(order)
            axes, centre, cycle = _cycle(_of(one, split.train), _of(other, split.train))
            first, second = ((half[split.test] - centre).reshape(-1, len(centre)) @ axes for half in one)
            lost += float(((first - first @ cycle.T) * (second - second @ cycle.T)).sum())
            total += float((first * second).sum())
    return 1 - lost / total if total > 0 else 0.0


def _halved(trials: Trials, splits: int, seed: int) -> Iterator[Halves]:
    order = order_by_content(trials.rate)
    for half in halves(range(len(order)), strata=trials.condition[order].tolist(), count=splits, seed=seed):
        split = half.within(order)
        yield _averages(trials, split.train), _averages(trials, split.test)


def _averages(trials: Trials, kept: ndarray) -> Averages:
    """Return averages over some of the trials; conditions in the order of their first trials."""
    labels, rates = trials.condition[kept], trials.rate[kept]
    return np.stack([rates[labels == label].mean(axis=0) for label in dict.fromkeys(trials.condition.tolist())])


def _of(sides: Halves, conditions: ndarray) -> Halves:
    return sides[0][conditions], sides[1][conditions]


def _cycle(one: Halves, other: Halves) -> tuple[Float[ndarray, "unit axis"], Float[ndarray, " unit"], Float[ndarray, "axis axis"]]:
    """Return the components of the first system on which its halves agree, its centre, and the matrix there and back in these components."""
    a, b = _Agreed.of(one), _Agreed.of(other)
    crossed = a.states.T @ b.states / np.sqrt(np.outer(a.values, b.values))
    turn, correlations, _ = np.linalg.svd(crossed, full_matrices=False)
    back = (turn * np.minimum(correlations, 1.0) ** 2) @ turn.T  # canonical correlations, which chance may carry beyond 1
    sizes = np.sqrt(a.values)
    return a.axes, a.centre, sizes[:, None] * back / sizes


class _Agreed(NamedTuple):
    """Components on which the halves of a system agree.

    Eigenvalues of the covariance between halves that are noise alone lie evenly about 0: those above the most negative one's size are kept.
    """

    axes: Float[ndarray, "unit axis"]
    values: Float[ndarray, " axis"]
    states: Float[ndarray, "sample axis"]
    centre: Float[ndarray, " unit"]

    @classmethod
    def of(cls, sides: Halves) -> "_Agreed":
        centre = (sides[0] + sides[1]).mean(axis=(0, 1)) / 2
        first, second = ((half - centre).reshape(-1, len(centre)) for half in sides)
        product = first.T @ second
        values, axes = np.linalg.eigh((product + product.T) / 2)
        kept = np.flatnonzero(values > max(-values[0], SPANNED * values[-1]))[::-1][:AXES]
        return cls(axes[:, kept], values[kept], (first + second) @ axes[:, kept] / 2, centre)
