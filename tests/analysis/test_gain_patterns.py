"""Patterns of gains: steps are those of the shipped network, derivatives those of finite differences, planted patterns are learned again."""

from itertools import product

import numpy as np
import pytest

from cortex_sim.analysis._gain_patterns import GainedCircuit, convex_weights, gain_errors, learned_gains, outputs_with_gains
from cortex_sim.cards import load
from cortex_sim.cards.edit import with_step, with_values
from cortex_sim.simulation import simulate
from cortex_sim.tasks import BIN, from_inputs

UNITS, BINS, STEP, TAU = 12, 25, 2.5, 200.0  # ms
RNG = np.random.default_rng(0)
CIRCUIT = GainedCircuit(1.5 * RNG.normal(size=(UNITS, UNITS)) / np.sqrt(UNITS), RNG.normal(size=UNITS), STEP / TAU, round(1e3 * BIN / STEP), BINS,
                        RNG.normal(size=(2, UNITS)), np.array([0.3, -0.1]))  # fmt: skip
GAINS = RNG.uniform(0.6, 1.5, (3, UNITS))


def test_outputs_are_those_of_the_shipped_network() -> None:
    begun = {"x": {"value": CIRCUIT.start.tolist(), "meaning": "the start", "over": "units"}}
    card = with_values(with_step(load("leaky_gain"), STEP), {"tau": TAU})
    arrays = {"W": CIRCUIT.W, "C": CIRCUIT.readout, "d": CIRCUIT.offset}
    model = card.with_arrays(arrays, units=UNITS, observed=2, channels=1, initial_values=begun)
    task = from_inputs(np.zeros((1, BINS, 1)), bin=BIN)
    for gains, outputs in zip(GAINS, outputs_with_gains(CIRCUIT, GAINS), strict=True):
        np.testing.assert_allclose(outputs, simulate(model.with_arrays({"g": gains}), task, backend="brian").rate[0], atol=1e-12)


def test_derivatives_are_those_of_finite_differences_and_errors_are_relative_to_variance() -> None:
    wanted, change = RNG.normal(size=(3, BINS, 2)), RNG.normal(size=GAINS.shape)
    errors, slope = gain_errors(CIRCUIT, GAINS, wanted)
    up, down = (gain_errors(CIRCUIT, GAINS + sign * 1e-6 * change, wanted)[0] for sign in (1, -1))
    np.testing.assert_allclose((slope * change).sum(axis=1), (up - down) / 2e-6, rtol=1e-6)
    flat = np.broadcast_to(wanted.mean(axis=1, keepdims=True), wanted.shape)
    off = ((outputs_with_gains(CIRCUIT, GAINS) - wanted) ** 2).sum(axis=(1, 2)) / ((wanted - flat) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(errors, off)


def test_planted_patterns_of_groups_make_their_outputs_again() -> None:
    groups = np.arange(UNITS) % 4
    planted = RNG.uniform(0.8, 1.2, (3, 4))[:, groups]
    found = learned_gains(CIRCUIT, outputs_with_gains(CIRCUIT, planted), groups=groups, enough=1e-6)
    assert gain_errors(CIRCUIT, found, outputs_with_gains(CIRCUIT, planted))[0].max() < 1e-4
    assert all(np.ptp(found[:, groups == each], axis=1).max() == 0 for each in range(4))
    near = learned_gains(CIRCUIT, outputs_with_gains(CIRCUIT, planted), groups=groups, enough=0.0, within=0.05)
    assert np.abs(near - 1).max() <= 0.05 + 1e-12 and np.abs(planted - 1).max() > 0.1
    assert gain_errors(CIRCUIT, np.ones_like(planted), outputs_with_gains(CIRCUIT, planted))[0].min() > 1e-3


@pytest.mark.parametrize("inside", [True, False])
def test_convex_weights_are_the_planted_ones_or_the_nearest(inside: bool) -> None:
    parts = RNG.normal(size=(3, 20))
    planted = np.array([0.2, 0.5, 0.3]) if inside else np.array([1.4, -0.6, 0.2])
    found = convex_weights(parts, planted @ parts)
    assert (found >= 0).all() and found.sum() == pytest.approx(1)
    if inside:
        np.testing.assert_allclose(found, planted, atol=1e-6)
    grid = (np.array([a, b, 1 - a - b]) for a, b in product(np.linspace(0, 1, 101), repeat=2) if a + b <= 1)
    best = min((((weights - planted) @ parts) ** 2).sum() for weights in grid)
    assert (((found - planted) @ parts) ** 2).sum() <= best + 1e-9
