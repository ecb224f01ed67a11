"""A circuit beside a network that is the circuit itself, or one whose connections differ where activity cannot tell."""

from dataclasses import replace

import numpy as np
import pytest

from cortex_sim.cards import load
from cortex_sim.cards.edit import with_values
from cortex_sim.comparison import LowRankFit, RegionFit, mean_current_correlations, shares_from_others
from cortex_sim.fitting import Fitted
from cortex_sim.simulation import recurrent_projections, recurrent_weights, simulate
from cortex_sim.tasks import random_dots, regions


def test_a_network_that_is_the_circuit_has_its_currents_and_a_shuffled_one_has_not() -> None:
    circuit = load("three_regions").with_arrays({}, units=30)
    task = regions(30, duration=1.0)
    recorded = simulate(circuit, task)
    fit = RegionFit(circuit, recorded, Fitted(circuit, circuit, [], [], (1, 0), 0.0, outputs=recorded.rate), task)
    within, between, excess = fit.agreement(fit.found)
    connected = [current.std() > 0 for (target, source), current in fit.true.items() if target != source]  # others correlate 0
    assert (within, between, excess) == pytest.approx((1, np.mean(connected), 0), abs=1e-9)
    assert fit.explained(np.arange(30)) == pytest.approx(1) and fit.explained_in_training == pytest.approx(1)
    order = np.random.default_rng(0).permutation(30)
    assert fit.agreement(fit.shuffled(order))[0] < 0.9 and fit.explained(order) < 0.9
    assert np.allclose(np.diag(mean_current_correlations([fit])), 1) and np.allclose(*shares_from_others([fit]))


def test_connections_that_activity_does_not_explore_are_left_out_where_effective_ones_are_compared() -> None:
    rng, units = np.random.default_rng(0), 12
    card = with_values(load("valente_2022").with_arrays({}, units=units, channels=1), {"s": 0.0})
    m, vector, hidden = rng.standard_normal((3, units))
    hidden -= np.linalg.lstsq(np.stack([m, vector], axis=1), hidden, rcond=None)[0] @ np.stack([m, vector])
    plain, more = (card.with_arrays({"P": np.outer(m, m + vector + extra) / units, "W_in": vector[:, None]}) for extra in (0, 3 * hidden))
    fit = LowRankFit(plain, more, replace(random_dots(5, seed=0), mask=None))
    assert fit.correlation(effective=True) == pytest.approx(1) and fit.correlation(effective=False) < 0.9
    assert LowRankFit(plain, plain, fit.battery).explained(3, seed=0)[0] == pytest.approx(1)
    assert fit.correlation(effective=True, rng=rng) < 0.9
    np.testing.assert_array_equal(recurrent_weights(plain), plain.arrays()[recurrent_projections(plain)[0]])
