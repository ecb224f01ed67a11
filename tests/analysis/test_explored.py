"""The flow of what is observed: in closed form for a circuit, and the same for a network that hides it."""

import numpy as np
import pytest

from cortex_sim.analysis._explored import explored_flow, flow_distance, observed_rates
from cortex_sim.cards import catalogue
from cortex_sim.errors import ComparisonError

TAU = 0.01  # s, of the card


def test_rates_of_a_tanh_circuit_flow_as_the_chain_rule_says() -> None:
    """r = tanh(h): dr/dt = D (-h + J r)/tau, whose slope by r is D ((-1 + J D) D^-1)/tau with D = 1 - r²."""
    rng = np.random.default_rng(0)
    J, h = rng.standard_normal((5, 5)) / 2, rng.standard_normal(5)
    circuit = catalogue.load("sompolinsky_1988").with_arrays({"J": J}, units=5)
    D = np.diag(1 - np.tanh(h) ** 2)
    exact = D @ (-np.eye(5) + J @ D) @ np.linalg.inv(D) / TAU
    P = np.linalg.qr(rng.standard_normal((5, 3)))[0]
    np.testing.assert_allclose(explored_flow(circuit, h, P), P.T @ exact @ P, rtol=1e-6, atol=1e-6 * np.abs(exact).max())
    np.testing.assert_allclose(observed_rates(circuit, h), np.tanh(h))
    with pytest.raises(ComparisonError, match=r"^sompolinsky_1988: axes of 4 units; it has 5 observed ones\.$"):
        explored_flow(circuit, h, P[:4])


def test_a_network_that_hides_a_linear_system_flows_as_it_does() -> None:
    """Hidden units near rest are linear: y = R x with W = R^+ (A + 1) R shows dy/dt = A y / tau in every direction."""
    rng = np.random.default_rng(1)
    card = catalogue.load("leaky_readout")
    A, R = rng.standard_normal((3, 3)) / 2, rng.standard_normal((3, 12))
    W = np.linalg.pinv(R) @ (A + np.eye(3)) @ R
    arrays = {"W": W, card.readout.weights: R, card.readout.offset: np.zeros(3)}
    network = card.with_arrays(arrays, units=12, observed=3)
    found = explored_flow(network, np.zeros(network.dimension), np.eye(3))
    np.testing.assert_allclose(found, A / network.scalars["tau"], rtol=1e-6, atol=1e-6)
    assert flow_distance(found, found) == 0 and flow_distance(found, 2 * found) == pytest.approx(1)
