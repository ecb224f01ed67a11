"""Integrated gradients through a circuit's dynamics: exact for a linear one, complete for any."""

from typing import Any

import numpy as np
import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import OptionError
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation._simulate import simulate
from cortex_sim.simulation.torch._attribution import integrated_gradients
from cortex_sim.tasks._free import free_run

UNITS, TRIALS = 5, 3


def states(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(TRIALS, UNITS))


def attributed(model: Model, initial: np.ndarray, w: np.ndarray, baseline: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    task = free_run(initial, 0.1)
    found, missed = integrated_gradients(model, model.arrays(), Problem(model, model.arrays(), task), w, baseline)
    return found, missed, simulate(model, task).rate[:, -1] @ w - simulate(model, free_run(baseline, 0.1)).rate[0, -1] @ w


def test_a_linear_circuit_passes_each_unit_through_its_propagator(linear_circuit: Any) -> None:
    rng = np.random.default_rng(1)
    W, w, baseline = rng.normal(size=(UNITS, UNITS)), rng.normal(size=UNITS), rng.normal(size=UNITS)
    model = linear_circuit(W)
    found, missed, difference = attributed(model, states(), w, baseline)
    unit = np.stack([simulate(model, free_run(np.eye(UNITS), 0.1)).rate[:, -1] @ w])
    np.testing.assert_allclose(found, (states() - baseline) * unit, rtol=1e-7)  # captum weighs its points in single precision
    np.testing.assert_allclose(found.sum(axis=1), difference, rtol=1e-6)
    assert np.abs(missed).max() < 1e-6


@pytest.mark.parametrize("name", ["hennequin_2014", "leaky_tanh", "leaky_readout", "gru"])
def test_attributions_add_up_to_the_change_of_the_output(name: str) -> None:
    rng = np.random.default_rng(2)
    given = {"hennequin_2014": {"W": rng.normal(size=(UNITS, UNITS))}, "leaky_tanh": {"C": 5 * np.eye(UNITS)}}.get(name, {})
    model = catalogue.load(name)
    model = model.with_arrays(given, units=UNITS, observed=UNITS) if model.kind == "rnn" else model.with_arrays(given, units=UNITS)
    found, missed, difference = attributed(model, 0.5 * states(), rng.normal(size=UNITS), np.zeros(UNITS))
    np.testing.assert_allclose(found.sum(axis=1), difference, rtol=1e-4, atol=1e-6)  # 20 Gauss-Legendre points of a smooth path
    assert np.abs(found).max() > 1e-3 and np.abs(missed).max() < 1e-4


def test_rates_beyond_the_range_of_a_gain_leave_nothing_out() -> None:
    """Along a path through rates the sum missed a seventh of the spread with 640 points: at the end of the range a state has no bound."""
    rng = np.random.default_rng(3)
    model = catalogue.load("leaky_tanh").with_arrays({"W": 1.5 * rng.normal(size=(UNITS, UNITS))}, units=UNITS, observed=UNITS)
    initial = np.where(rng.random((TRIALS, UNITS)) < 0.4, 3.0, 0.5) * np.sign(states())  # of a range of -1 to 1
    found, missed, difference = attributed(model, initial, rng.normal(size=UNITS), np.full(UNITS, -0.9))
    np.testing.assert_allclose(found.sum(axis=1), difference, rtol=1e-4)
    assert np.abs(missed).max() < 1e-5


def test_without_captum_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, linear_circuit: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(OptionError, match=r"^integrated gradients need captum, which is not installed; pip install 'cortex-sim\[explain\]'\.$"):
        attributed(linear_circuit(np.eye(UNITS)), states(), np.ones(UNITS), np.zeros(UNITS))


def test_a_flat_gain_gives_no_nan_and_weights_that_are_handed_over_are_the_ones_inverted() -> None:
    rng = np.random.default_rng(4)
    flat = catalogue.load("michaels_2020").with_arrays({}, units=12, observed=UNITS)
    found, _, _ = attributed(flat, 0.5 * states(), np.ones(UNITS), np.zeros(UNITS))
    assert np.isfinite(found).all()
    card = catalogue.load("leaky_gain").with_arrays({"C": np.eye(UNITS), "g": np.ones(UNITS)}, units=UNITS, observed=UNITS)
    arrays, task = dict(card.arrays()) | {"g": np.full(UNITS, 2.0)}, free_run(0.3 * rng.normal(size=(TRIALS, UNITS)), 0.1)
    given, own = ((one, Problem(one, arrays, task)) for one in (card, card.with_arrays({"g": arrays["g"]})))
    sums = [integrated_gradients(one, arrays, problem, np.ones(UNITS), np.zeros(UNITS))[0] for one, problem in (given, own)]
    np.testing.assert_allclose(*sums, rtol=1e-9)
