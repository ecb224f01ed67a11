"""What a student learns does not depend on the unit in which rates are given, on that of single units, or on a constant added to them."""

from dataclasses import replace

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.cards.catalogue import models
from cortex_sim.fitting import rules
from cortex_sim.fitting._start import one_unit_each
from cortex_sim.simulation._carrier import carrier_of

BINS, UNITS, CONDITIONS = 25, 7, 12
SIZES = np.array([6.0, 5.0, 1.0, 1.0, 0.3, 0.25, 0.2])  # the last are below a twentieth of the first, and above a tenth of the median
ADDED = np.array([0.0, 40.0, 3.0, 0.0, 7.0, 1.0, 2.0])
SAME = 2e-4  # of a unit's standard deviation: float32, after a few steps of an optimiser
REST = ("elman_1990", "feedforward", "michaels_2020", "temporal_convolution", "two_tap")  # whose states rates do not say, or not to round-off
BY_GRADIENT = [name for name in models() if (card := cs.load(name)).kind == "rnn" and card.readout]  # others give rates in a unit of their own
BY_RULE = {
    "eprop": ("leaky_readout", {}), "eprop, random feedback": ("leaky_readout", {"random_feedback": 1}), "force": ("sussillo_abbott_2009", {}),
    "full_force": ("depasquale_2018", {}), "curbd": ("leaky_tanh", {}), "target_regression": ("leaky_tanh", {}),
}  # fmt: skip


def rates() -> np.ndarray:
    """Return smooth rates of 12 conditions in Hz, all of about the same standard deviation."""
    rng = np.random.default_rng(0)
    phase, speed = rng.uniform(0, 2 * np.pi, (CONDITIONS, 1, UNITS)), rng.uniform(1, 3, UNITS)
    return 12 + 3 * np.sin(2 * np.pi * 0.01 * np.arange(BINS)[:, None] * speed + phase)


def after_training(card: str, observed: np.ndarray, rule: str = "bptt", *, hidden_start: bool = False, **how: float) -> np.ndarray:
    """Return the rates of a student that was trained on rates, running freely."""
    trials = cs.Trials.from_arrays(observed, 0.01 * np.arange(BINS), condition=np.arange(CONDITIONS))
    task = cs.tasks.recorded_conditions(trials)
    model = cs.load(card)
    sized = model if one_unit_each(model) else model.with_arrays({}, units=20)
    accepted = {"epochs": 2, "batch": 4, "rate": 5e-3}.items()
    changes = {name: value for name, value in accepted if name in rules._module(rule).ACCEPTS}
    options = cs.Options(**changes, hidden_start=hidden_start, start="rest" if card in REST else "first bin")
    student = cs.fitting.train(sized, trials, task, seed=3, options=options, rule=rule, how=how).model
    return cs.simulate(student, replace(task, initial=None if card in REST else observed[:, 0])).rate


@pytest.mark.parametrize("card", BY_GRADIENT)
def test_unit_of_rates_changes_nothing_that_back_propagation_learns(card: str) -> None:
    plain, scaled = after_training(card, rates()), after_training(card, rates() * SIZES + ADDED)
    assert np.abs((scaled - ADDED) / SIZES - plain).max() < SAME * rates().std()


def test_unit_of_rates_changes_nothing_in_the_closed_form_of_hidden_units() -> None:
    plain, scaled = (after_training("leaky_readout", observed, hidden_start=True) for observed in (rates(), rates() * SIZES + ADDED))
    assert np.abs((scaled - ADDED) / SIZES - plain).max() < SAME * rates().std()


@pytest.mark.parametrize("name", BY_RULE)
def test_unit_of_rates_changes_nothing_that_other_rules_learn(name: str) -> None:
    card, how = BY_RULE[name]
    rule = name.split(",")[0]
    plain, scaled = (after_training(card, observed, rule, **how) for observed in (rates(), rates() * SIZES + ADDED))
    assert np.abs((scaled - ADDED) / SIZES - plain).max() < SAME * rates().std()


def test_units_of_any_size_begin_where_the_first_bin_is() -> None:
    sizes = np.array([1e3, 50.0, 1.0, 1.0, 1.0, 0.3, 0.02])
    observed = rates() * sizes
    assert np.allclose(after_training("leaky_tanh", observed)[:, 0], observed[:, 0], rtol=1e-6)


def test_a_change_of_outputs_is_carried_alike_whatever_their_unit() -> None:
    rng = np.random.default_rng(1)
    readout, wanted, sizes = rng.standard_normal((5, 12)), rng.standard_normal(5), np.array([9.0, 2.0, 1.0, 1.0, 0.2])
    plain = carrier_of(readout, 0.05) @ wanted
    assert np.allclose(readout @ plain, wanted)
    assert np.allclose(carrier_of(readout * sizes[:, None], 0.05) @ (wanted * sizes), plain)
    assert np.allclose(carrier_of(readout), np.linalg.pinv(readout))


def test_an_output_that_is_read_from_nothing_is_not_carried() -> None:
    assert np.allclose(carrier_of(np.diag([2.0, 0.0, 1e-9])), np.diag([0.5, 0.0, 1e9]))
    assert np.array_equal(carrier_of(np.zeros((3, 4))), np.zeros((4, 3)))
    silent = carrier_of(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1e-6]]) @ np.array([[1.0, 1, 0], [1, -1, 0], [0, 0, 1]]), 0.05)
    assert np.abs(silent).max() < 2
