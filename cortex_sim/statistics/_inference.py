r"""Uncertainty of a comparison: intervals by resampling the unit of inference, p-values by rearranging it, power by planting differences.

The unit of inference is what would be drawn anew if the study were repeated: networks, seeds, sessions or conditions. Samples over time of one run
are not such units: they depend on each other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import binom, binomtest, kstest, norm
from scipy.stats import t as student_t

from cortex_sim.errors import ComparisonError, Undetermined
from cortex_sim.runtime import stream
from cortex_sim.statistics._paired import differences, holm

UNITS = ("networks", "seeds", "sessions", "conditions")  # that are drawn anew when a study is repeated
DRAWS, LEVEL = 2000, 0.95
EXACT = 14  # units of which all signs are tried: 2^13 of them, since turning every sign changes nothing
TIE = 1e-9  # relative: sums that differ by less are the same

Places = Int[ndarray, " drawn"]
Labels = Sequence[object] | ndarray


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

    Bias-corrected and accelerated (BCa): with :math:`z_0 = \Phi^{-1}(\#\{\theta^* < \theta\}/B)` and the acceleration a from leaving out units, the
    bounds are the quantiles :math:`\Phi(z_0 + \frac{z_0 + z}{1 - a(z_0 + z)})` of resampled values. For few units a bootstrap is too narrow, since
    the spread of resamples divides by n, not n - 1, and takes it as known; so :math:`z = \pm\sqrt{n/(n-1)}\,t_{n-1}` instead of the normal
    quantile. For a mean of Gaussian units that is Student's interval. Skewed units are still covered less often than they should be.

    With ``within``, every resampled unit is one whose own parts are resampled too, as for networks each with conditions of its own. For m parts a
    unit, with variances :math:`\sigma_b^2` between units and :math:`\sigma_w^2` between the parts of one, the mean of n units has the variance
    :math:`(\sigma_b^2 + \sigma_w^2/m)/n`, which resampling units alone reproduces already; resampling parts as well adds
    :math:`(1 - 1/m)\sigma_w^2/(nm)`. That is safe, never narrow; where units hold many parts it makes no difference.

    Args:
        evaluate: the number, of these places; a place comes as often as it was drawn. A measure that compares conditions with each other is made
            more alike by doubles, and cross-validation leaks through them: for those, :func:`cortex_sim.statistics._score.jackknifed`.
        units: of each place, the label of its unit; places of one are drawn together.
        over: what the units are: networks, seeds, sessions or conditions.
        within: of each place, the label of its part of the unit; parts are not resampled if left out.
        level: probability that the interval should hold the truth.
        draws: resamples.
        seed: of them.

    Raises:
        ComparisonError: ``over`` names no unit of inference, or there are too few units for this level.
        Undetermined: resamples give no number.

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
    """Quantiles of the resampled values that are the bounds."""
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
    """Fewest units whose extremes enclose the median with this probability, 1 - 2^(1 - n): no resample goes beyond them."""
    return int(np.ceil(1 - np.log2(1 - level) - TIE))


def p_value(estimate: float, null: Float[ndarray, " surrogate"], *, better: str = "higher") -> float:
    r"""Probability of a value at least as good if only the surrogate's structure were shared: :math:`(1 + \#\{\ge\})/(1 + n)`, never 0.

    Args:
        estimate: of the data.
        null: values of surrogates.
        better: higher or lower.

    Raises:
        ComparisonError: another word, or no surrogates.

    Source:
        Phipson & Smyth (2010) Stat Appl Genet Mol Biol 9:39.
    """
    if better not in ("higher", "lower") or not len(null):
        raise ComparisonError(f"p-value: better is {better!r} and there are {len(null)} surrogates; it should be 'higher' or 'lower', of some.")
    sign = 1.0 if better == "higher" else -1.0
    slack = TIE * max(abs(estimate), float(np.abs(null).max()))
    return float((1 + (sign * (null - estimate) >= -slack).sum()) / (1 + len(null)))


def sign_flip(differences: Float[ndarray, " unit"], *, draws: int = 9999, seed: int = 0) -> float:
    r"""Two-sided p-value of paired differences, symmetric about 0 under the null: the share of signs with a mean at least as far from it.

    Exact, over all :math:`2^n`, up to 14 units; else from draws, as in :func:`p_value`. No fewer than 6 units can give less than 0.05, since the
    smallest possible value is :math:`2^{1-n}`.

    Args:
        differences: one a unit of inference.
        draws: of signs, where there are more units.
        seed: of them.

    Raises:
        ComparisonError: there are none, or one is not finite.
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
    """All signs with the first one positive."""
    turned = np.arange(2 ** (count - 1))[:, None] >> np.arange(count - 1) & 1
    return np.concatenate([np.ones((len(turned), 1)), 1.0 - 2.0 * turned], axis=1)


@dataclass(frozen=True)
class Contrast:
    """How two students differ over the same units of inference.

    Attributes:
        mean: of the differences, first minus second.
        interval: 95 % bootstrap interval of it; None where there are too few units.
        p: by sign flips, corrected by Holm's method for all pairs tested together.
        wilcoxon: by Wilcoxon's signed ranks, corrected alike.
    """

    mean: float
    interval: tuple[float, float] | None
    p: float
    wilcoxon: float


def contrasts(values: Mapping[str, Float[ndarray, " unit"]], *, over: str, seed: int = 0) -> dict[tuple[str, str], Contrast]:
    """Compare every two students, unit by unit.

    Args:
        values: of each student, unit by unit in the same order: one number a network, seed, session or condition.
        over: what the units are.
        seed: of the resamples.

    Raises:
        ComparisonError: students have different numbers of units, or ``over`` names no unit of inference.
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
    """How often an event happened.

    Attributes:
        hits: number of times that it happened.
        runs: number of times that it could have.
    """

    hits: int
    runs: int

    @property
    def value(self) -> float:
        """The share."""
        return self.hits / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the probability (Clopper and Pearson), exact or wider."""
        found = binomtest(self.hits, self.runs).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


def expected_share(probability: float, runs: int, *, sure: float = 0.999) -> tuple[float, float]:
    """Interval in which the share of so many runs lies for a known probability of each: the central interval of the binomial distribution.

    Args:
        probability: of each run.
        runs: independent of each other.
        sure: probability that the share lies in it, or more.
    """
    low, high = binom.interval(sure, runs, probability)
    return float(low / runs), float(high / runs)


def power(test: Callable[[np.random.Generator], float], *, runs: int = 200, alpha: float = 0.05, seed: int = 0) -> Share:
    """How often a test finds a planted difference; the share of false alarms where none was planted.

    Args:
        test: draws data from a generator, the difference in it, and gives the p-value.
        runs: independent draws of data.
        alpha: p-values up to this count as found.
        seed: of the data.
    """
    return Share(sum(test(stream(seed, "null", "planted effects", run)) <= alpha * (1 + TIE) for run in range(runs)), runs)


def uniformity(p: Float[ndarray, " run"], *, steps: int, seed: int = 0) -> float:
    r"""Probability, if the null holds, of p-values at least as far from uniform as these, by the test of Kolmogorov and Smirnov.

    Values on a grid of 1/steps are spread evenly over the step below each, :math:`p - U/\text{steps}`: uniform if, and only if, the grid's are.

    Args:
        p: of independent data, each a multiple of 1/steps.
        steps: one more than the number of surrogates; half the number of signs where all are tried.
        seed: of the spread.
    """
    rng = stream(seed, "null", "uniform p values")
    return float(kstest(np.asarray(p) - rng.uniform(size=len(p)) / steps, "uniform").pvalue)


def silhouette(distances: Float[ndarray, "place place"], labels: Labels) -> float:
    """Return the silhouette of groups: for each place the mean distance to the nearest other group minus that to its own, over the larger.

    It is 1 where places of a group coincide and others do not, 0 where distances do not depend on groups; a group of one counts as 0.

    Args:
        distances: of all places from each other.
        labels: group of each place.

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
