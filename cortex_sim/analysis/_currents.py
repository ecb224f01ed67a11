"""Currents between regions: J_ab r_b from region b to region a, and the fraction of a region's input that comes from other regions."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import ComparisonError

Currents = dict[tuple[str, str], Float[ndarray, "sample target"]]


def currents(weights: Float[ndarray, "unit unit"], rates: Float[ndarray, "sample unit"], regions: Mapping[str, Int[ndarray, " member"]]) -> Currents:
    """Return the currents from every region to every region, by (target, source).

    The currents into a region from all regions add up to its total recurrent input.

    Args:
        weights: rows are targets.
        rates: of all units.
        regions: indices of the units of each; every unit belongs to exactly one.

    Raises:
        ComparisonError: a unit belongs to no region or to more than one.
    """
    members = np.concatenate([np.asarray(one) for one in regions.values()])
    if not np.array_equal(np.sort(members), np.arange(len(weights))):
        raise ComparisonError(f"currents: regions {', '.join(regions)} name {len(members)} units; each of {len(weights)} should be in one region.")
    return {(a, b): rates[:, source] @ weights[np.ix_(target, source)].T for a, target in regions.items() for b, source in regions.items()}


def current_correlations(true: Currents, found: Currents) -> dict[tuple[str, str], float]:
    """Return correlations of currents over samples and target units; 0 if one of the two does not vary."""
    return {pair: _correlation(current, found[pair]) for pair, current in true.items()}


def share_from_others(given: Currents) -> dict[str, float]:
    """Return squared currents from other regions over squared currents from all, by target region: 0 for unconnected regions."""
    power = {pair: float((current**2).sum()) for pair, current in given.items()}
    whole = {target: sum(value for (a, _), value in power.items() if a == target) for target, _ in given}
    return {target: sum(value for (a, b), value in power.items() if a == target != b) / total if total else 0.0 for target, total in whole.items()}


def _correlation(a: ndarray, b: ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0
