"""Tangling: how different the derivatives of similar states are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cortex_sim.analysis._rotations import leading_components, observed
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import doored
from cortex_sim.statistics import factored_distances, intervals_of

SHARE = 0.1  # of the mean squared norm, added to squared distances
TANGLING_AXES = 8  # principal components
TINY = 1e-9  # standard deviation that a silent unit counts as having
BLOCK = 256  # states compared with as many others at a time, so that their distances stay in the processor's cache


def tangling(
    rates: Float[ndarray, "condition time unit"],
    dt: float,
    *,
    axes: int = TANGLING_AXES,
    lasting: Bool[ndarray, "condition time"] | None = None,
    every: int = 1,
) -> Float[ndarray, "condition time"]:
    r"""Return :math:`Q(t) = \max_{t'} |\dot x_t - \dot x_{t'}|^2 / (|x_t - x_{t'}|^2 + \varepsilon)` over all times and conditions.

    Epsilon is a tenth of the mean squared norm of the centred state; states are the leading principal components, derivatives are central
    differences within each condition.

    Args:
        rates: in any one unit, which does not affect Q.
        dt: width of a bin, s.
        axes: maximum number of principal components.
        lasting: at which times each condition lasts, if movements differ in length; each from one bin to another without gaps. All if
            omitted. Rates at other times have no effect.
        every: 1 for Q of every state; with n, of every nth over all conditions, each still compared with all states.

    Returns:
        Q in 1/s²; NaN where a condition does not last, and for states between those that were asked for.

    Raises:
        ComparisonError: there are fewer than 3 bins, overall or in a condition, nothing varies, or a condition has gaps.

    Source:
        Russo et al. (2018) Neuron 97:953.
    """
    if rates.shape[1] < 3:
        raise ComparisonError(f"tangling: {rates.shape[1]} bins; at least 3 are needed for a derivative.")
    if not np.ptp(observed(rates, lasting), axis=0).any():
        raise ComparisonError("tangling: nothing varies over conditions and time.")
    states = leading_components(rates, axes, lasting=lasting)
    velocity = np.gradient(states, dt, axis=1) if lasting is None else _velocity(states, dt, lasting)
    x, v = observed(states, lasting), observed(velocity, lasting)
    epsilon = SHARE * (x**2).sum(axis=1).mean()
    found, q = np.full(len(x), np.nan), np.full(rates.shape[:2], np.nan)
    found[::every] = _largest(x, v, epsilon, every)
    q[np.ones_like(q, dtype=bool) if lasting is None else lasting] = found
    return q


def _largest(x: Float[ndarray, "state axis"], v: Float[ndarray, "state axis"], epsilon: float, every: int) -> Float[ndarray, " asked"]:
    """Return the largest ratio of every nth state with any other; between all states, each pair is used for both."""
    (x_one, x_other), (v_one, v_other) = factored_distances(x), factored_distances(v)
    x_other[:, -1] += epsilon
    asked = (x_one[::every], v_one[::every])
    largest = np.zeros(len(asked[0]))
    for start in range(0, len(largest), BLOCK):
        rows = slice(start, start + BLOCK)
        for other in range(start if every == 1 else 0, len(x), BLOCK):
            columns = slice(other, other + BLOCK)
            ratio = asked[1][rows] @ v_other[columns].T
            ratio /= asked[0][rows] @ x_other[columns].T
            largest[rows] = np.maximum(largest[rows], ratio.max(axis=1))
            if every == 1:
                largest[columns] = np.maximum(largest[columns], ratio.max(axis=0))
    return largest


def _velocity(states: Float[ndarray, "condition time axis"], dt: float, lasting: Bool[ndarray, "condition time"]) -> ndarray:
    """Return central differences within each condition, one-sided at its own ends."""
    velocity = np.zeros_like(states)
    for number, there in enumerate(lasting):
        bins = np.flatnonzero(there)
        if bins.size < 3 or bins[-1] - bins[0] >= bins.size:
            found = f"condition {number} has {bins.size} bins{', with gaps between them' if bins.size > 2 else ''}"
            raise ComparisonError(f"tangling: {found}; at least 3 in a row are needed for a derivative.")
        velocity[number, bins] = np.gradient(states[number, bins], dt, axis=0)
    return velocity


@doored("of")
@dataclass(frozen=True)
class Tangled:
    """Tangling of a population, of the outputs that it drives, and of equally many random projections of the population.

    Attributes:
        rates: of the population.
        outputs: for example muscles, in the same conditions and bins.
        own: tangling of the population, (condition, time), 1/s².
        driven: tangling of the outputs.
        projected: tangling of every set of random projections, (set, condition, time).
        lasting: at which times each condition lasts, if they differ in length; tangling is NaN at the others.
    """

    rates: Float[ndarray, "condition time unit"]
    outputs: Float[ndarray, "condition time output"]
    own: Float[ndarray, "condition time"]
    driven: Float[ndarray, "condition time"]
    projected: Float[ndarray, "set condition time"]
    lasting: Bool[ndarray, "condition time"] | None = None

    @classmethod
    def of(
        cls,
        rates: Float[ndarray, "condition time unit"],
        outputs: Float[ndarray, "condition time output"],
        dt: float,
        *,
        rng: np.random.Generator,
        sets: int,
        rectified: bool = False,
        lasting: Bool[ndarray, "condition time"] | None = None,
    ) -> "Tangled":
        """Return the tangling of a population, its outputs and its random projections.

        Args:
            rates: of the population.
            outputs: outputs that it drives.
            dt: width of a bin, s.
            rng: of the projections, which are of units scaled to equal variance.
            sets: number of sets, each with as many projections as outputs.
            rectified: whether projections are rectified at their mean, as outputs are that are silent below a threshold: a trajectory that stays at 0
                while its population moves is tangled, whatever the population does.
            lasting: at which times each condition lasts; all if omitted.
        """
        seen = observed(rates, lasting)
        scaled = (rates - seen.mean(axis=0)) / np.maximum(seen.std(axis=0), TINY)
        draws = rng.standard_normal((sets, rates.shape[2], outputs.shape[2]))
        made = (scaled @ weights for weights in draws)
        projected = np.array([tangling(np.maximum(course, 0.0) if rectified else course, dt, lasting=lasting) for course in made])
        return cls(rates, outputs, tangling(rates, dt, lasting=lasting), tangling(outputs, dt, lasting=lasting), projected, lasting)

    def select(self, kept: ndarray) -> "Tangled":
        """Return some of the conditions, or another order; tangling is not recomputed."""
        lasting = None if self.lasting is None else self.lasting[kept]
        return Tangled(self.rates[kept], self.outputs[kept], self.own[kept], self.driven[kept], self.projected[:, kept], lasting)

    def intervals(self, dt: float, readings: Mapping[str, Callable[["Tangled"], float]]) -> dict[str, tuple[float, float]]:
        """Return the 95 % interval over conditions of each reading, from subsets of them, in which tangling is computed anew, projections excepted.

        Args:
            dt: width of a bin, s.
            readings: numbers that are read off the tangling, by name.

        Raises:
            ComparisonError: there are fewer than 3 conditions.
        """

        def among(kept: ndarray) -> Tangled:
            some = self.select(kept)
            own, driven = (tangling(part, dt, lasting=some.lasting) for part in (some.rates, some.outputs))
            return replace(some, own=own, driven=driven)

        return intervals_of(among, len(self.rates), readings)

    @property
    def below_outputs(self) -> float:
        """Return the fraction of times at which the population is less tangled than its outputs."""
        return float((self.own < self.driven)[self.there].mean())

    @property
    def below_projections(self) -> Float[ndarray, " set"]:
        """Return the fraction of times at which the population is less tangled than each set of random projections."""
        return np.asarray((self.own < self.projected)[:, self.there].mean(axis=1))

    @property
    def there(self) -> Bool[ndarray, "condition time"]:
        """Return at which times there is tangling to speak of: those at which each condition lasts."""
        return np.isfinite(self.own)
