"""Scores of spikes: what no unit has is left out, and no score is made of it."""

import numpy as np
import pytest

from cortex_sim.analysis import spike_statistics
from cortex_sim.comparison._spike_scores import CV2, INDEPENDENT, NO_SURROGATE, RATE, spike_estimates, spike_scores, synchrony_scores
from cortex_sim.trials import Trials

TIME = 0.01 * np.arange(40)


def trials(each: int) -> Trials:
    """So many spikes of each of five units in each of six trials, at random."""
    rng, size = np.random.default_rng(0), 30 * each
    return Trials.from_spikes((rng.uniform(0, 0.4, size), np.arange(size) % 5, np.arange(size) // 5 % 6), TIME, units=5, condition=[0] * 6)


@pytest.mark.parametrize(("each", "has"), [(1, False), (25, True)])
def test_a_statistic_that_no_unit_has_is_left_out(each: int, has: bool) -> None:
    """CV2 needs pairs of intervals: units with one spike a trial have none."""
    seen = trials(each)
    found = spike_statistics(seen)
    assert np.isnan(spike_estimates(found)[CV2]) != has
    scores = {score.measure: score for score in spike_scores("units", seen, found, wanted=INDEPENDENT | {RATE: 10.0}, draws=3, seed=0)}
    assert (CV2 in scores) is has and RATE in scores
    assert all(np.isfinite(score.estimate) and (score.null is None or np.isfinite(score.null).all()) for score in scores.values())


def test_what_the_reference_lacks_is_left_out_and_so_are_surrogates_that_lack_it() -> None:
    seen = trials(25)
    found = spike_statistics(seen)
    assert CV2 not in {score.measure for score in spike_scores("units", seen, found, wanted=INDEPENDENT | {CV2: np.nan}, draws=2, seed=0)}
    few = trials(3)  # regular enough for CV2 in the data, by the pairs that are asked for, and hardly in a surrogate
    for score in spike_scores("units", few, spike_statistics(few), wanted=INDEPENDENT, draws=4, seed=1):
        assert score.null is None or np.isfinite(score.null).all()
        assert score.null is not None or score.surrogate == NO_SURROGATE


def test_every_surrogate_is_another_draw_in_every_null() -> None:
    seen = trials(25)
    found = spike_scores("units", seen, spike_statistics(seen), wanted=INDEPENDENT, draws=4, seed=0)
    nulls = [score.null for score in (*found, *synchrony_scores(seen, draws=4, seed=0)) if score.null is not None]
    assert len(nulls) > 3 and all(len(np.unique(null)) == 4 for null in nulls)
