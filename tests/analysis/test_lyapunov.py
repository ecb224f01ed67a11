"""Lyapunov exponents against eigenvalues, determinants and mean-field theory."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import brentq

from cortex_sim.analysis._lyapunov import Exponents, lyapunov
from cortex_sim.cards import catalogue
from cortex_sim.cards._model import Model
from cortex_sim.errors import ComparisonError
from cortex_sim.simulation.torch._run import linearise

TAU, DT = 0.01, 5e-4  # s, of the card


def network(J: np.ndarray) -> Model:
    return catalogue.load("sompolinsky_1988").with_arrays({"J": J}, units=len(J))


@pytest.mark.long
def test_near_rest_they_are_the_rates_of_decay_of_the_modes() -> None:
    rng = np.random.default_rng(0)
    J = 0.5 * rng.standard_normal((6, 6)) / np.sqrt(6)
    found = lyapunov(network(J), np.full(6, 1e-9), duration=1.0, transient=1.0, count=6)
    modes = np.sort(np.log(np.abs(1 + DT / TAU * (np.linalg.eigvals(J) - 1))) / DT)[::-1]
    np.testing.assert_allclose(found.values, modes, atol=1 / 1.0)  # directions that turn with a pair of modes grow by a bounded factor of order 1
    assert found.values.sum() == pytest.approx(modes.sum(), rel=1e-9)
    assert found.dimension == 0


def test_at_a_stable_point_they_are_its_eigenvalues() -> None:
    """x = kappa m with kappa = 2 tanh kappa: along m the flow is -1 + 2 (1 - tanh²), across it -1, per time constant."""
    m = np.where(np.arange(8) % 2, 1.0, -1.0)
    kappa = brentq(lambda k: 2 * np.tanh(k) - k, 0.5, 5)
    found = lyapunov(network(2 * np.outer(m, m) / 8), kappa * m, duration=0.5, transient=0.5, count=2)
    along, across = (np.log(1 + DT / TAU * slope) / DT for slope in (-1 + 2 * (1 - np.tanh(kappa) ** 2), -1))
    np.testing.assert_allclose(found.values, [along, across], rtol=1e-6)  # directions have turned to within exp(-17/s 0.5 s), which counts squared
    assert found.error.max() < 1e-5 * abs(along)


@pytest.mark.long
def test_all_of_them_add_up_to_the_mean_contraction_of_volume() -> None:
    rng = np.random.default_rng(1)
    model = network(2.5 * rng.standard_normal((10, 10)) / np.sqrt(10))
    state, arrays, volume = rng.standard_normal(10), model.arrays(), []
    first = state
    for _ in range(400):
        volume.append(np.linalg.slogdet(linearise(model, arrays, state))[1])
        state = state + DT / TAU * (-state + arrays["J"] @ np.tanh(state))
    found = lyapunov(model, first, duration=0.2, transient=0.0, count=10)
    assert found.values.sum() == pytest.approx(np.mean(volume) / DT, rel=1e-9)
    assert (np.diff(found.values) <= 0).all()


@pytest.mark.long
def test_a_chaotic_network_parts_states_as_fast_as_mean_field_theory_says() -> None:
    """0.1125 per time constant at g = 2 (Sompolinsky et al. 1988); 0.025 for one network of 1000 units, and 3 standard errors."""
    card = catalogue.load("sompolinsky_1988")
    projections = card.model_dump()["projections"]
    projections["J"]["arguments"]["gain"]["value"] = 2.0
    model = card.with_arrays({}, projections=projections)
    found = lyapunov(model, np.random.default_rng(7).standard_normal(model.units), duration=1.5, transient=0.5)
    assert found.values[0] * TAU == pytest.approx(0.1125, abs=0.025 + 3 * found.error[0] * TAU)
    assert found.values[0] > 5 * found.error[0] > 0


@pytest.mark.parametrize(
    ("values", "dimension"),
    [([-1.0, -2.0], 0.0), ([1.0, 0.0, -2.0], 2.5), ([1.0, 0.5], np.inf), ([0.0, -1.0], 1.0), ([0.9, 0.0, -14.6], 2 + 0.9 / 14.6)],
)
def test_the_dimension_is_that_of_kaplan_and_yorke(values: list[float], dimension: float) -> None:
    assert Exponents(np.array(values), np.zeros(len(values))).dimension == pytest.approx(dimension)


def test_what_has_no_exponents_is_refused(linear_circuit: Callable[..., Model]) -> None:
    model = network(np.zeros((3, 3)))
    with pytest.raises(ComparisonError, match=r"^sompolinsky_1988: 4 exponents of a state of 3 numbers"):
        lyapunov(model, np.zeros(3), duration=1.0, transient=0.0, count=4)
    with pytest.raises(ComparisonError, match=r"^sompolinsky_1988: 0\.01 s are 2 times 10 steps"):
        lyapunov(model, np.zeros(3), duration=0.01, transient=0.0)
    with pytest.raises(ComparisonError, match=r"^linear: the state or a direction is not finite after"):
        lyapunov(linear_circuit(np.diag([1e9, 1.0])), np.ones(2), duration=1.0, transient=0.0)
