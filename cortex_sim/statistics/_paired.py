"""Many networks, each trained by every rule: differences between rules within networks, corrected for multiple tests."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import binom, binomtest, ttest_rel, wilcoxon

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Difference:
    """The difference between two rules over the same networks.

    Attributes:
        median: of the differences, first minus second.
        p: Wilcoxon's signed-rank test, two-sided, corrected by Holm's method for all pairs tested together.
    """

    median: float
    p: float


def differences(values: Mapping[str, Float[ndarray, " network"]]) -> dict[tuple[str, str], Difference]:
    """Return the difference of every pair of rules, network by network.

    Args:
        values: of each rule, in the same order of networks.

    Raises:
        ComparisonError: rules have different numbers of networks.
    """
    sizes = {name: len(each) for name, each in values.items()}
    if len(set(sizes.values())) > 1:
        raise ComparisonError(f"paired differences need the same networks under every rule; there are {sizes}.")
    pairs = list(combinations(values, 2))
    apart = [np.asarray(values[a]) - np.asarray(values[b]) for a, b in pairs]
    found = holm(np.array([wilcoxon(each).pvalue if np.any(each) else 1.0 for each in apart]))
    return {pair: Difference(float(np.median(each)), float(p)) for pair, each, p in zip(pairs, apart, found, strict=True)}


def paired_t(
    pairs: Mapping[Key, tuple[Float[ndarray, " network"], Float[ndarray, " network"]]],
) -> dict[Key, float]:
    """Return the p-values of two-sided paired t tests, corrected by Holm's method for all; each pair holds the same networks in the same order."""
    p = holm(np.array([float(ttest_rel(a, b).pvalue) for a, b in pairs.values()]))
    return dict(zip(pairs, p.tolist(), strict=True))


def mcnemar(first: Bool[ndarray, " trial"], second: Bool[ndarray, " trial"]) -> tuple[int, int, float]:
    """Return how many trials only the first of two decoders has right, how many only the second, and the exact p-value of McNemar's test.

    Args:
        first: whether the first is right in each trial.
        second: whether the second is.

    Source:
        McNemar (1947) Psychometrika 12:153, here with the exact binomial distribution.
    """
    only, other = int((first & ~second).sum()), int((second & ~first).sum())
    return only, other, float(binomtest(only, only + other).pvalue) if only + other else 1.0


def holm(p: Float[ndarray, " test"]) -> Float[ndarray, " test"]:
    """Return p-values corrected for their number m: the k-th smallest times m - k + 1, none smaller than one before it, none above 1.

    Source:
        Holm (1979) Scand J Stat 6:65.
    """
    order = np.argsort(p)
    corrected = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(corrected, 1.0)[np.argsort(order)]


def median_interval(values: Float[ndarray, " network"], level: float = 0.95) -> tuple[float, float] | None:
    """Return the narrowest symmetric pair of order statistics that encloses the median with at least this probability, for any distribution.

    From the k-th smallest to the k-th largest, the probability is 1 - 2 P(Binomial(n, 1/2) < k). None if even the extremes give less,
    as for fewer than six values at 95 %.
    """
    ordered, n = np.sort(values), len(values)
    held = [k for k in range(1, n // 2 + 1) if 1 - 2 * binom.cdf(k - 1, n, 0.5) >= level]
    return (float(ordered[held[-1] - 1]), float(ordered[-held[-1]])) if held else None


def pairwise_distances(
    samples: Sequence[Sequence[Float[ndarray, "..."]]], measure: Callable[[ndarray, ndarray], float]
) -> Float[ndarray, "rule network rule network"]:
    """Return the distances between all networks, by a symmetric measure.

    Args:
        samples: of each rule, of each network.
        measure: returns the distance of two samples.
    """
    flat = [each for networks in samples for each in networks]
    upper = np.array([[measure(a, b) if i < j else 0.0 for j, b in enumerate(flat)] for i, a in enumerate(flat)])
    shape = len(samples), len(samples[0])
    return (upper + upper.T).reshape(*shape, *shape)


def separation(distance: Float[ndarray, "rule network rule network"], rule: int) -> float:
    """Return how much farther a rule's networks are from those of other rules than from each other; no network is compared with itself.

    Args:
        distance: symmetric; the entry (a, s, b, u) is that of network s under rule a from network u under rule b.
        rule: its index.
    """
    rules, count = distance.shape[:2]
    different = ~np.eye(count, dtype=bool)
    own, others = distance[rule, :, rule], np.delete(distance[rule], rule, axis=1)
    return float(others[np.broadcast_to(different[:, None], (count, rules - 1, count))].mean() - own[different].mean())


def relabelled_separations(
    distance: Float[ndarray, "rule network rule network"], rule: int, *, seed: int, count: int
) -> Float[ndarray, " surrogate"]:
    """Return separations with the names of the rules randomly permuted for every network."""
    rng = stream(seed, "null", "permuted rules")
    rules, networks = distance.shape[:2]
    found = []
    for _ in range(count):
        order = np.array([rng.permutation(rules) for _ in range(networks)]).T
        at = order, np.broadcast_to(np.arange(networks), order.shape)
        found.append(separation(distance[at][:, :, at[0], at[1]], rule))
    return np.array(found)
