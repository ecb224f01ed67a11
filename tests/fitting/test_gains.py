"""Factors of known connections, against planted ones."""

import numpy as np
import pytest

from cortex_sim.cards import load
from cortex_sim.errors import OptionError
from cortex_sim.fitting import with_fitted_gains
from cortex_sim.simulation import simulate
from cortex_sim.tasks import free_run

UNITS = 6


def test_factors_and_biases_of_known_connections_are_recovered() -> None:
    rng = np.random.default_rng(0)
    W, b, factor = rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS), 0.1 * rng.standard_normal(UNITS), np.exp(rng.standard_normal(UNITS))
    W[2] = 0.0  # heard by nobody: a unit with a bias alone
    truth = load("leaky_tanh").with_arrays({"W": W, "b": b, "C": 2 * np.eye(UNITS), "d": np.full(UNITS, 0.5)}, units=UNITS, observed=UNITS)
    task = free_run(0.5 + 2 * np.tanh(rng.standard_normal((20, UNITS))), 0.3)
    trials = simulate(truth, task, backend="torch")
    known = truth.with_arrays({"W": factor[:, None] * W, "b": np.zeros(UNITS)})
    found = with_fitted_gains(known, trials, task).arrays()
    np.testing.assert_allclose(found["W"], W, atol=1e-8)  # one Euler step is exact: what is left is round-off, times the condition of the fit
    np.testing.assert_allclose(found["b"], b, atol=1e-8)


def test_a_network_without_a_closed_form_is_refused() -> None:
    student, task = load("gru").with_arrays({}, units=UNITS, observed=UNITS), free_run(np.zeros((2, UNITS)), 0.1)
    with pytest.raises(OptionError, match="gains have no closed form, since"):
        with_fitted_gains(student, simulate(load("leaky_tanh").with_arrays({}, units=UNITS, observed=UNITS), task, backend="torch"), task)
