"""Networks trained by several rules, compared with the circuit whose reaches they reproduce: outputs, activity, and differences between rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import jpca_spanned, soft_normalised
from cortex_sim.comparison._geometry import linear_cka, principal_part, procrustes_angle
from cortex_sim.comparison._prediction import training_reference, variance_explained
from cortex_sim.runtime import stream
from cortex_sim.statistics import (
    PERMUTATION,
    Score,
    estimated_over,
    median_interval,
    pairwise_distances,
    permuted,
    permuted_conditions,
    relabelled_separations,
    separation,
)
from cortex_sim.trials import Trials

ERROR, ANGLE, CKA, SKEW, FREQUENCY = RULE_MEASURES = (
    "error of held-out reaches", "Procrustes angle (rad)", "linear CKA, debiased", "jPCA R²(M_skew)", "jPCA frequency (Hz)",
)  # fmt: skip
APART = "angle to networks of other rules minus own (rad)"
NOISELESS = "networks and circuit are noiseless, so a perfect copy reaches the value of identical systems"
Rates = Float[ndarray, "condition time unit"]
Values = dict[str, dict[str, Float[ndarray, " value"]]]  # by measure and rule


@dataclass(frozen=True)
class Activity:
    """Rates of a system in training and test conditions, and the time window for rotations, s."""

    taught: Trials
    test: Trials
    window: tuple[float, float]

    @property
    def scaled(self) -> Rates:
        """Return test rates on principal axes, each unit in standard deviations about its mean over the training conditions."""
        mean, scale = training_reference(self.taught)
        return principal_part((self.test.rate - mean) / scale)

    def turning(self) -> tuple[float, float]:
        """Return R²(M_skew) and the frequency of the plane with most rotation, Hz."""
        return _rotation(self._states(), self.test.bin)

    def turning_under_surrogates(self, rng: np.random.Generator, count: int) -> Float[ndarray, "surrogate 2"]:
        """Return R²(M_skew) and that frequency for ``count`` surrogates with conditions permuted in each unit."""
        states = self._states()
        return np.array([_rotation(permuted_conditions(states, rng), self.test.bin) for _ in range(count)])

    def _states(self) -> Rates:
        return soft_normalised(self.test.window(*self.window).rate, np.ptp(self.taught.rate, axis=(0, 1)))


def read_rules(
    wanted: Trials, made: Mapping[str, Sequence[Trials]], circuit: Activity, hidden: Mapping[str, Sequence[Activity]], *, seed: int, count: int
) -> tuple[Values, Values]:
    """Return the values of every rule's networks by each measure, and medians over networks under surrogates.

    Args:
        wanted: target outputs in test conditions.
        made: outputs of every rule's networks.
        circuit: activity of the circuit, for comparison.
        hidden: activity of every rule's networks.
        seed: of the surrogates.
        count: number of surrogates.
    """
    teacher, rng = circuit.scaled, stream(seed, "null", "permuted units of learning_rules")
    measures = {ANGLE: flattened(procrustes_angle), CKA: flattened(linear_cka)}
    values: Values = {measure: {} for measure in RULE_MEASURES}
    nulls: Values = {measure: {} for measure in RULE_MEASURES}
    for name, networks in hidden.items():
        found: dict[str, list[float]] = {measure: [] for measure in RULE_MEASURES}
        drawn: dict[str, list[ndarray]] = {measure: [] for measure in RULE_MEASURES}
        for output, activity in zip(made[name], networks, strict=True):
            sides = {ERROR: (_error, wanted.rate, output.rate)} | {measure: (f, teacher, activity.scaled) for measure, f in measures.items()}
            for measure, (evaluate, a, b) in sides.items():
                found[measure].append(evaluate(a, b))
                drawn[measure].append(permuted(evaluate, a, b, seed=seed, count=count))
            surrogates = activity.turning_under_surrogates(rng, count)
            for place, (measure, value) in enumerate(zip((SKEW, FREQUENCY), activity.turning(), strict=True)):
                found[measure].append(value)
                drawn[measure].append(surrogates[:, place])
        for measure, numbers in found.items():
            values[measure][name], nulls[measure][name] = np.array(numbers), np.median(drawn[measure], axis=0)
    return values, nulls


def rule_scores(values: Values, nulls: Values, circuit: Activity, split: str) -> list[Score]:
    """Return the median over networks for every measure and rule, with an interval from order statistics."""
    identical = {ERROR: 0.0, ANGLE: 0.0, CKA: 1.0} | dict(zip((SKEW, FREQUENCY), circuit.turning(), strict=True))
    scores = []
    for measure, by_rule in values.items():
        better = {ERROR: "lower", ANGLE: "lower", CKA: "higher"}.get(measure, "closer")
        surrogate = "conditions of each unit permuted" if measure in (SKEW, FREQUENCY) else PERMUTATION
        for name, networks in by_rule.items():
            interval = median_interval(networks)
            over = "networks (median and its order statistics)" if interval else f"{len(networks)} networks; at least 6 are needed"
            scores.append(Score(
                measure, name, split, float(np.median(networks)), better, identical[measure], nulls[measure][name],  # type: ignore[arg-type]
                surrogate + "; median over networks", interval, over, ceiling_reason=NOISELESS, settings={"networks": networks.tolist()},
            ))  # fmt: skip
    return scores


def distances_between(hidden: Mapping[str, Sequence[Activity]]) -> Float[ndarray, "rule network rule network"]:
    """Return Procrustes angles between the activity of all networks, rad."""
    return pairwise_distances([[activity.scaled for activity in networks] for networks in hidden.values()], flattened(procrustes_angle))


def separation_scores(
    distance: Float[ndarray, "rule network rule network"], rules: Sequence[str], split: str, *, seed: int, count: int
) -> list[Score]:
    """Return how much farther each rule's networks are from those of other rules than from each other.

    Args:
        distance: between all networks.
        rules: names of the rules.
        split: description of the conditions it was computed on.
        seed: of the null, which permutes the rules of each network.
        count: number of draws of the null.
    """
    networks = distance.shape[1]
    return [
        Score(
            APART, name, split, better="closer", identical=0.0, null=relabelled_separations(distance, place, seed=seed, count=count),
            surrogate="rules of each network in random order", ceiling_reason=NOISELESS,
            **estimated_over("networks", networks, lambda kept, place=place: separation(distance[:, kept][..., kept], place), least=4),
        )
        for place, name in enumerate(rules)
    ]  # fmt: skip


def flattened(measure: Callable[[ndarray, ndarray], float]) -> Callable[[Rates, Rates], float]:
    """Return the measure as a function of two sides whose samples are all bins of all conditions."""
    return lambda a, b: measure(a.reshape(-1, a.shape[2]), b.reshape(-1, b.shape[2]))


def _error(wanted: Rates, made: Rates) -> float:
    return 1 - variance_explained(wanted, made, mean=wanted.mean(axis=(0, 1)), scale=np.ones(1))


def _rotation(states: Rates, bin: float) -> tuple[float, float]:
    found = jpca_spanned(states, bin)
    return found.r2_skew, found.main_frequency
