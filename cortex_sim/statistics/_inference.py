r"""Uncertainty of a comparison: intervals by resampling the unit of inference, p-values by permuting it, power by planting differences.

The unit of inference is what would be sampled again if the study were repeated: networks, seeds, sessions, conditions or circuits. Time samples of
one run are not such units, because they are not independent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray
from scipy.stats import binom, binomtest, kstest, norm
from scipy.stats import t as student_t

from cortex_sim.errors import ComparisonError, Undetermined
from cortex_sim.runtime import stream
from cortex_sim.statistics._paired import differences, holm

UNITS = ("networks", "seeds", "sessions", "conditions", "circuits")  # that are drawn anew when a study is repeated
DRAWS, LEVEL = 2000, 0.95
EXACT = 14  # units of which all signs are tried: 2^13 of them, since turning every sign changes nothing
TIE = 1e-9  # relative: sums that differ by less are the same

Places = Int[ndarray, " drawn"]
Labels = Shaped[ndarray, " sample"] | Sequence[object]


def bootstrapped(
    evaluate: Callable[[Places], float],
    units: Labels,
    *,
    over: str,
    within: Labels | None = None,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    r"""Return the bootstrap interval of a number over the units it was computed from.

    Bias-corrected and accelerated (BCa): with :math:`z_0 = \Phi^{-1}(\#\{\theta^* < \theta\}/B)` and the acceleration a from omitting units, the
    bounds are the quantiles :math:`\Phi(z_0 + \frac{z_0 + z}{1 - a(z_0 + z)})` of resampled values. For few units a bootstrap is too narrow, since
    the variance of resamples divides by n, not n - 1, and is taken as known; hence :math:`z = \pm\sqrt{n/(n-1)}\,t_{n-1}` instead of the normal
    quantile. For a mean of Gaussian units that is Student's interval. For skewed units, coverage remains below its nominal level.

    With ``within``, the parts of every resampled unit are resampled too, as for networks that each have conditions of their own. For m parts per
    unit, with variances :math:`\sigma_b^2` between units and :math:`\sigma_w^2` between the parts of one, the mean of n units has the variance
    :math:`(\sigma_b^2 + \sigma_w^2/m)/n`, which resampling units alone already reproduces; resampling parts as well adds
    :math:`(1 - 1/m)\sigma_w^2/(nm)`. The interval is then conservative, never too narrow; if units have many parts it makes no difference.

    Args:
        evaluate: returns the number for these samples, each included as often as it was drawn. Duplicates make a measure that compares conditions
            too similar, and leak through cross-validation; for such measures use :func:`cortex_sim.statistics._score.jackknifed`.
        units: label of each sample's unit; samples of one unit are drawn together.
        over: what the units are: networks, seeds, sessions, conditions or circuits.
        within: label of each sample's part of its unit; parts are not resampled if omitted.
        level: probability that the interval contains the true value.
        draws: number of resamples.
        seed: of the resamples.

    Raises:
        ComparisonError: ``over`` is not a unit of inference, or there are too few units for this level.
        Undetermined: resamples give no finite number.

    Source:
        Efron (1987) J Am Stat Assoc 82:171; the quantiles for few units are those of Hesterberg (2015) Am Stat 69:371.
    """
    places = _places(units)
    count = len(places)
    _check_unit(over)
    if count < (least := _least(level)):
        held = f"the extremes of {count} hold the median with a probability of {1 - 2.0 ** (1 - count):.3g} only"
        raise ComparisonError(f"bootstrap over {over}: {held}; at {level:g} there should be at least {least} {over}. Give the values themselves.")
    rng = stream(seed, "analysis", "bootstrap")
    parts = None if within is None else [[part[each] for each in _places(np.asarray(within)[part])] for part in places]
    found = np.sort([evaluate(_drawn(places, parts, rng)) for _ in range(draws)])
    estimate, without = evaluate(np.concatenate(places)), np.array([evaluate(np.concatenate(places[:k] + places[k + 1 :])) for k in range(count)])
    if not np.isfinite([*found, *without, estimate]).all():
        raise Undetermined(f"bootstrap over {over}: some resamples give no number; the measure should be defined for every choice of {over}.")
    low, high = np.quantile(found, _levels(found, estimate, without, level))
    return float(low), float(high)


def _places(labels: Labels) -> list[Places]:
    number = {name: k for k, name in enumerate(dict.fromkeys(np.asarray(labels).tolist()))}
    of = np.array([number[name] for name in np.asarray(labels).tolist()])
    return [np.flatnonzero(of == k) for k in range(len(number))]


def _drawn(places: list[Places], parts: list[list[Places]] | None, rng: np.random.Generator) -> Places:
    chosen = rng.integers(len(places), size=len(places))
    if parts is None:
        return np.concatenate([places[k] for k in chosen])
    return np.concatenate([parts[k][each] for k in chosen for each in rng.integers(len(parts[k]), size=len(parts[k]))])


def _levels(found: ndarray, estimate: float, without: ndarray, level: float) -> Float[ndarray, " bound"]:
    """Return the quantile levels of the resampled values that give the bounds."""
    count, draws = len(without), len(found)
    below = (np.searchsorted(found, estimate, "left") + np.searchsorted(found, estimate, "right")) / (2 * draws)
    bias = norm.ppf(np.clip(below, 0.5 / draws, 1 - 0.5 / draws))
    pull = without.mean() - without
    size = (pull**2).sum() ** 1.5
    acceleration = (pull**3).sum() / (6 * size) if size > 0 else 0.0
    z = np.sqrt(count / (count - 1)) * student_t.ppf(0.5 + level / 2, count - 1)
    shifted = bias + np.array([-z, z])
    return np.asarray(norm.cdf(bias + shifted / np.maximum(1 - acceleration * shifted, 0.1)))


def _check_unit(over: str) -> None:
    if over not in UNITS:
        raise ComparisonError(f"bootstrap over {over!r}: the unit of inference should be one of {', '.join(UNITS)}; samples over time are no unit.")


def _least(level: float) -> int:
    """Return the fewest units whose extremes enclose the median with this probability, 1 - 2^(1 - n): no resample goes beyond them."""
    return int(np.ceil(1 - np.log2(1 - level) - TIE))


def p_value(estimate: float, null: Float[ndarray, " surrogate"], *, better: str = "higher") -> float:
    r"""Return the probability under the null of a value at least as good as the estimate: :math:`(1 + \#\{\ge\})/(1 + n)`, never 0.

    NaN if the estimate is not finite or a surrogate has no value: nothing is then known.

    Args:
        estimate: value on the data.
        null: values on surrogates.
        better: ``higher`` or ``lower``.

    Raises:
        ComparisonError: ``better`` is another word, or there are no surrogates.

    Source:
        Phipson & Smyth (2010) Stat Appl Genet Mol Biol 9:39.
    """
    if better not in ("higher", "lower") or not len(null):
        raise ComparisonError(f"p-value: better is {better!r} and there are {len(null)} surrogates; it should be 'higher' or 'lower', of some.")
    if np.isnan(null).any() or not np.isfinite(estimate):
        return float("nan")
    sign = 1.0 if better == "higher" else -1.0
    slack = TIE * max(abs(estimate), float(np.abs(null[np.isfinite(null)]).max(initial=0.0)))
    return float((1 + (sign * (null - estimate) >= -slack).sum()) / (1 + len(null)))


def sign_flip(differences: Float[ndarray, " unit"], *, draws: int = 9999, seed: int = 0) -> float:
    r"""Return the two-sided p-value of paired differences: the fraction of sign assignments whose mean is at least as far from 0.

    Under the null, differences are symmetric about 0. Exact, over all :math:`2^n`, up to 14 units; else from draws, as in :func:`p_value`. The
    smallest possible value is :math:`2^{1-n}`, so that p < 0.05 needs at least 6 units.

    Args:
        differences: one per unit of inference.
        draws: number of sign assignments drawn, if there are more units.
        seed: of the draws.

    Raises:
        ComparisonError: there are no differences, or one is not finite.
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ComparisonError(f"sign flips: differences of shape {values.shape}; there should be a finite one for every unit of inference.")
    observed = abs(values.sum()) - TIE * np.abs(values).sum()
    if len(values) <= EXACT:
        return float((np.abs(_signs(len(values)) @ values) >= observed).mean())
    rng = stream(seed, "null", "flipped signs")
    sums = rng.choice([-1.0, 1.0], (draws, len(values))) @ values
    return float((1 + (np.abs(sums) >= observed).sum()) / (1 + draws))


@lru_cache(maxsize=EXACT)
def _signs(count: int) -> Float[ndarray, "draw unit"]:
    """Return all sign assignments with the first sign positive."""
    turned = np.arange(2 ** (count - 1))[:, None] >> np.arange(count - 1) & 1
    return np.concatenate([np.ones((len(turned), 1)), 1.0 - 2.0 * turned], axis=1)


@dataclass(frozen=True)
class Contrast:
    """The difference between two students over the same units of inference.

    Attributes:
        mean: of the differences, first minus second.
        interval: its 95 % bootstrap interval; None if there are too few units.
        p: by sign flips, corrected by Holm's method for all pairs tested together.
        wilcoxon: by Wilcoxon's signed-rank test, corrected likewise.
    """

    mean: float
    interval: tuple[float, float] | None
    p: float
    wilcoxon: float


def contrasts(values: Mapping[str, Float[ndarray, " unit"]], *, over: str, seed: int = 0) -> dict[tuple[str, str], Contrast]:
    """Return the contrast of every pair of students, unit by unit.

    Args:
        values: of each student, in the same order of units: one number per network, seed, session or condition.
        over: what the units are.
        seed: of the resamples.

    Raises:
        ComparisonError: students have different numbers of units, or ``over`` is not a unit of inference.
    """
    _check_unit(over)
    ranked = differences(values)
    apart = {(a, b): np.asarray(values[a], dtype=float) - np.asarray(values[b], dtype=float) for a, b in combinations(values, 2)}
    corrected = holm(np.array([sign_flip(each, seed=seed) for each in apart.values()]))
    return {
        pair: Contrast(float(each.mean()), _interval(each, over, seed), float(p), ranked[pair].p)
        for (pair, each), p in zip(apart.items(), corrected, strict=True)
    }


def _interval(values: Float[ndarray, " unit"], over: str, seed: int) -> tuple[float, float] | None:
    if len(values) < _least(LEVEL):
        return None
    return bootstrapped(lambda drawn: float(values[drawn].mean()), range(len(values)), over=over, seed=seed)


@dataclass(frozen=True)
class Share:
    """The frequency of an event.

    Attributes:
        hits: number of times that it occurred.
        runs: number of times that it could have occurred.
    """

    hits: int
    runs: int

    @property
    def value(self) -> float:
        """Return the fraction of runs with the event."""
        return self.hits / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the probability (Clopper and Pearson), exact or wider."""
        found = binomtest(self.hits, self.runs).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


def expected_share(probability: float, runs: int, *, sure: float = 0.999) -> tuple[float, float]:
    """Return the central interval of the binomial distribution for the fraction of runs with an event of known probability.

    Args:
        probability: of the event in each run.
        runs: number of independent runs.
        sure: least probability that the fraction is in the interval.
    """
    low, high = binom.interval(sure, runs, probability)
    return float(low / runs), float(high / runs)


def power(test: Callable[[np.random.Generator], float], *, runs: int = 200, alpha: float = 0.05, seed: int = 0) -> Share:
    """Return how often a test detects a planted difference; the rate of false alarms if none was planted.

    Args:
        test: draws data, including the difference, from a generator and returns the p-value.
        runs: number of independent data sets.
        alpha: p-values up to this count as detections.
        seed: of the data.
    """
    return Share(sum(test(stream(seed, "null", "planted effects", run)) <= alpha * (1 + TIE) for run in range(runs)), runs)


def uniformity(p: Float[ndarray, " run"], *, steps: int, seed: int = 0) -> float:
    r"""Return the p-value of the Kolmogorov-Smirnov test that these p-values are uniform.

    Values on a grid of 1/steps are spread evenly over the step below each, :math:`p - U/\text{steps}`: uniform if, and only if, the grid's are.

    Args:
        p: from independent data, each a multiple of 1/steps.
        steps: one more than the number of surrogates; half the number of sign assignments if all are tried.
        seed: of the spreading.
    """
    rng = stream(seed, "null", "uniform p values")
    return float(kstest(np.asarray(p) - rng.uniform(size=len(p)) / steps, "uniform").pvalue)


def silhouette(distances: Float[ndarray, "place place"], labels: Labels) -> float:
    """Return the mean silhouette: for each member, mean distance to the nearest other group minus that to its own, over the larger of the two.

    It is 1 if members of a group coincide and others do not, 0 if distances do not depend on groups; a group of one counts as 0.

    Args:
        distances: between all members.
        labels: group of each member.

    Raises:
        ComparisonError: there are fewer than two groups.

    Source:
        Rousseeuw (1987) J Comput Appl Math 20:53.
    """
    known = np.asarray(labels)
    groups = {label: np.flatnonzero(known == label) for label in dict.fromkeys(known.tolist())}
    if len(groups) < 2:
        raise ComparisonError(f"silhouette: {len(groups)} group of places; there should be two or more.")
    each = []
    for place, label in enumerate(known.tolist()):
        own = np.delete(groups[label], groups[label] == place)
        within = float(distances[place, own].mean()) if len(own) else 0.0
        nearest = min(float(distances[place, other].mean()) for name, other in groups.items() if name != label)
        each.append((nearest - within) / max(nearest, within) if len(own) and max(nearest, within) > 0 else 0.0)
    return float(np.mean(each))
