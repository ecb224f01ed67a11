"""Published numbers that a shipped card alone decides."""

import numpy as np
import pytest

from cortex_sim import simulate
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.tasks._free import free_run

TRANSIENT, OBSERVED = 1.0, 2.0  # s: 100 and 200 time constants
NUDGE = 1e-8


def chaotic(gain: float) -> Model:
    card = catalogue.load("sompolinsky_1988")
    projections = card.model_dump()["projections"]
    projections["J"]["arguments"]["gain"]["value"] = gain
    return card.with_arrays({}, projections=projections)


def settled(model: Model, runs: int = 1) -> np.ndarray:
    """Rates after the transient."""
    start = np.tanh(np.random.default_rng(7).standard_normal((runs, model.units)))
    return simulate(model, free_run(start, TRANSIENT)).rate[:, -1]


@pytest.mark.parametrize(("gain", "variance"), [(1.5, 0.7477), pytest.param(2.0, 1.9248, marks=pytest.mark.long)])
def test_chaos_has_the_variance_of_mean_field_theory(gain: float, variance: float) -> None:
    """Delta_0 of dynamic mean-field theory (Sompolinsky et al. 1988); 6 % for one network of 1000 units over 200 time constants."""
    model = chaotic(gain)
    states = np.arctanh(simulate(model, free_run(settled(model), OBSERVED)).rate)
    assert states.var() == pytest.approx(variance, rel=0.06)


@pytest.mark.parametrize(
    ("gain", "exponent"), [(0.9, -0.1), *(pytest.param(*pair, marks=pytest.mark.long) for pair in ((1.5, 0.0467), (2.0, 0.1125)))]
)
def test_two_trajectories_part_as_fast_as_theory_says(gain: float, exponent: float) -> None:
    """Largest Lyapunov exponent, per time constant: below chaos g - 1, above it from the mean-field theory; within 0.025."""
    model = chaotic(gain)
    start = settled(model, runs=6) if gain > 1 else np.full((1, model.units), 1e-3)
    both = np.concatenate([start, start + NUDGE * np.random.default_rng(1).standard_normal(start.shape)])
    apart = np.linalg.norm(np.subtract(*np.split(simulate(model, free_run(both, OBSERVED)).rate, 2)), axis=2)
    steps = np.arange(apart.shape[1])  # a bin is one time constant
    late = steps >= len(steps) // 4  # once the nudge has turned into the fastest direction
    assert np.polyfit(steps[late], np.log(apart[:, late]).mean(axis=0), 1)[0] == pytest.approx(exponent, abs=0.025)


def test_an_isolated_unit_forgets_with_its_time_constant() -> None:
    """h' = -h: after 5 time constants exp(-5), up to the error of Euler's method, half a step relative at each of 100 steps."""
    model = chaotic(0.0)
    task = free_run(np.full((1, 2), np.tanh(0.5)), 0.06)
    found = np.arctanh(simulate(model.with_arrays({}, units=2), task).rate[0, 5, 0])
    assert found == pytest.approx(0.5 * 0.95**100, rel=1e-12)
