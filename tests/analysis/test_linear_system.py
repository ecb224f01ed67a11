"""Linear-system identification: likelihoods against dense normal densities, planted systems found, nothing found in noise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from cortex_sim.analysis._linear_system import LinearSystem, _filtered, _maximised, held_out_likelihood, identify_linear_system, likelihood_gain
from cortex_sim.errors import ComparisonError


def planted(units: int = 8, seed: int = 0) -> LinearSystem:
    """Two damped rotations, in as many units as asked for."""
    rng = np.random.default_rng(seed)
    turns = [r * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for r, a in ((0.97, 0.3), (0.9, 0.8))]
    return LinearSystem(block_diag(*turns), rng.standard_normal((units, 4)), rng.standard_normal(units), 0.1 * np.eye(4),
                        rng.uniform(0.2, 0.5, units), np.ones(4), 0.5 * np.eye(4))  # fmt: skip


def drawn(system: LinearSystem, conditions: int, bins: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal(system.start, system.spread, conditions)
    rates = []
    for _ in range(bins):
        rates.append(x @ system.C.T + system.offset + np.sqrt(system.R) * rng.standard_normal((conditions, len(system.C))))
        x = x @ system.A.T + rng.multivariate_normal(np.zeros(len(x.T)), system.Q, conditions)
    return np.stack(rates, axis=1)


def test_the_likelihood_is_that_of_one_large_normal_distribution() -> None:
    system, bins = planted(units=3), 6
    rates = drawn(system, 4, bins, seed=1)
    powers = [np.linalg.matrix_power(system.A, k) for k in range(bins)]
    mean = np.concatenate([system.C @ power @ system.start + system.offset for power in powers])
    variance = [system.spread]
    for _ in range(bins - 1):
        variance.append(system.A @ variance[-1] @ system.A.T + system.Q)
    states = np.block([[powers[s - t] @ variance[t] if s >= t else variance[s] @ powers[t - s].T for t in range(bins)] for s in range(bins)])
    C = block_diag(*[system.C] * bins)
    dense = multivariate_normal(mean, C @ states @ C.T + np.diag(np.tile(system.R, bins)))
    np.testing.assert_allclose(system.log_likelihood(rates), dense.logpdf(rates.reshape(4, -1)), rtol=1e-10)


def test_every_pass_makes_the_rates_more_likely() -> None:
    rates = drawn(planted(), 30, 25, seed=2)
    system, found = identify_linear_system(rates, 3, passes=1), []
    for _ in range(20):
        filtered = _filtered(system, rates)
        found.append(filtered.likelihood.sum())
        system = _maximised(system, rates, filtered)
    assert (np.diff(found) > -1e-9 * abs(found[0])).all() and found[-1] > found[0]


def test_a_planted_system_is_found_and_as_likely_as_the_truth() -> None:
    system = planted()
    training, others = drawn(system, 200, 60, seed=3), drawn(system, 100, 60, seed=4)
    found = identify_linear_system(training, 4)
    wanted = np.sort_complex(np.linalg.eigvals(system.A))
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(found.A)), wanted, atol=0.02)  # of 12,000 samples
    slowest = found.modes(0.01)[0]
    assert slowest.real == pytest.approx(np.log(0.97) / 0.01, abs=2) and abs(slowest.imag) == pytest.approx(30, abs=2)
    true, own, fewer = (likelihood_gain(one, training, others).mean() for one in (system, found, identify_linear_system(training, 2)))
    numbers = 4 * 4 + 8 * 4 + 3 * 8 + 10 + 14  # free parameters, each of which costs half a nat in all on as many samples as it was found from
    assert true - own == pytest.approx(0, abs=3 * numbers / training.size)
    assert own > fewer + 0.05


def test_noise_has_no_dynamics_that_others_share() -> None:
    rates = np.random.default_rng(5).standard_normal((40, 30, 5))
    assert abs(held_out_likelihood(rates, 2).mean()) < 0.01
    assert held_out_likelihood(drawn(planted(), 40, 30, seed=6), 4).mean() > 0.3


def test_turning_the_hidden_state_changes_no_likelihood() -> None:
    system = planted()
    T = np.random.default_rng(0).standard_normal((4, 4))
    inverse = np.linalg.inv(T)
    turned = replace(system, A=T @ system.A @ inverse, C=system.C @ inverse, Q=T @ system.Q @ T.T, start=T @ system.start,
                     spread=T @ system.spread @ T.T)  # fmt: skip
    rates = drawn(system, 5, 10, seed=7)
    np.testing.assert_allclose(turned.log_likelihood(rates), system.log_likelihood(rates), rtol=1e-10)


def test_what_cannot_be_identified_is_refused() -> None:
    rates = np.random.default_rng(0).standard_normal((4, 5, 3))
    with pytest.raises(ComparisonError, match=r"^linear system: 4 axes of 3 units in 5 bins"):
        identify_linear_system(rates, 4)
    with pytest.raises(ComparisonError, match=r"^linear system: nothing varies\.$"):
        identify_linear_system(np.ones((4, 5, 3)), 2)
    with pytest.raises(ComparisonError, match=r"^linear system: rates of 2 units under a system of 3"):
        identify_linear_system(rates, 2).log_likelihood(rates[:, :, :2])
