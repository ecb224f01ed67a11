"""The rate of a noisy integrator is the published integral, solves its own first-passage equation, and closes on itself in a network."""

import mpmath
import numpy as np
import pytest
import torch
from numpy import ndarray
from scipy.linalg import solve_banded
from scipy.optimize import brentq
from scipy.special import erfcx

from cortex_sim.cards import catalogue
from cortex_sim.cards._siegert import Background, Neuron, first_passage, siegert, stationary_rates
from cortex_sim.errors import OptionError, Undetermined
from cortex_sim.simulation.torch._twin import Twin

BRUNEL = {"tau": 0.02, "refractory": 0.002, "threshold": 0.02, "reset": 0.01}  # s, V: Brunel (2000)
NEURON = Neuron(**BRUNEL)


def published(mu: float, sigma: float, tau: float = 0.02, refractory: float = 0.002, threshold: float = 0.02, reset: float = 0.01) -> float:
    """The integral as it is printed, with 30 digits and steps of at most 1."""
    low, high = (reset - mu) / sigma, (threshold - mu) / sigma
    steps = np.linspace(low, high, int(np.ceil(high - low)) + 1) if high - low < 60 else -np.geomspace(-low, -high, 60)
    with mpmath.workdps(30):
        integral = mpmath.quad(lambda u: mpmath.exp(u**2) * mpmath.erfc(-u), [mpmath.mpf(float(edge)) for edge in steps])
        return float(1 / (refractory + tau * mpmath.sqrt(mpmath.pi) * integral))


@pytest.mark.parametrize("sigma", [3e-4, 1e-3, 5e-3, 3e-2])
@pytest.mark.parametrize("mu", [-0.02, 0.0, 0.01, 0.0155, 0.02, 0.021, 0.05, 0.2])
def test_the_rate_is_the_published_integral(mu: float, sigma: float) -> None:
    if mu - 0.02 < -23 * sigma:
        assert 0 <= siegert(mu, sigma, **BRUNEL) < 1e-200
    else:
        assert siegert(mu, sigma, **BRUNEL) == pytest.approx(published(mu, sigma), rel=1e-12, abs=0)  # 2 u^2 eps, at most 2e-13


def test_no_input_overflows_and_every_rate_lies_between_silence_and_the_refractory_limit() -> None:
    mu, sigma = np.meshgrid(np.r_[-10.0, np.linspace(-0.1, 0.1, 41), 10.0], np.r_[0.0, np.geomspace(1e-12, 10.0, 27)])
    with np.errstate(over="raise", divide="raise", invalid="raise", under="raise"):
        found = siegert(mu, sigma, **BRUNEL)
    assert (found > 0).all() and (found < 500).all()
    assert (np.diff(found[:, 1:-1], axis=1) >= -1e-240).all()  # more input, more spikes, but for the floor of exp(-600)


def test_without_noise_it_is_the_closed_form_curve_of_the_leaky_integrator() -> None:
    mu = np.array([-0.01, 0.0, 0.0199, 0.0201, 0.025, 0.1])
    with np.errstate(invalid="ignore"):
        exact = np.where(mu > 0.02, 1 / (0.002 + 0.02 * np.log((mu - 0.01) / (mu - 0.02))), 0.0)
    np.testing.assert_allclose(siegert(mu, 0.0, **BRUNEL), exact, rtol=1e-10, atol=1e-200)  # of noise 1e-11 V, squared over (0.1 mV)^2
    coarse, fine = (np.abs(siegert(0.025, sigma, **BRUNEL) - exact[4]) for sigma in (2e-5, 1e-5))
    assert coarse / fine == pytest.approx(4, rel=1e-3)  # approached with the square of the noise


def passage_time(mu: float, sigma: float, nodes: int) -> float:
    """Mean time from reset to threshold from the backward equation (mu - v) T' + sigma^2/2 T'' = -tau, T = 0 at threshold, on a grid."""
    v = np.linspace(-0.06, 0.02, nodes)
    h, drift, spread = v[1] - v[0], mu - v[:-1], sigma**2 / 2
    bands = np.zeros((3, nodes - 1))
    bands[0, 1:] = (spread / h**2 + drift / (2 * h))[:-1]
    bands[1] = -2 * spread / h**2
    bands[2, :-1] = (spread / h**2 - drift / (2 * h))[1:]
    bands[0, 1] += spread / h**2 - drift[0] / (2 * h)  # reflecting at the far end
    T = solve_banded((1, 1), bands, np.full(nodes - 1, -0.02))
    return float(np.interp(0.01, v[:-1], T))


@pytest.mark.parametrize(("mu", "sigma"), [(0.012, 0.005), (0.02, 0.008), (0.03, 0.01), (0.005, 0.01)])
def test_the_interval_solves_the_backward_equation_of_the_stochastic_process(mu: float, sigma: float) -> None:
    """Fixes the convention: sigma^2/2 is the variance of the free membrane. Richardson removes the h^2 error of the grid."""
    coarse, fine = (passage_time(mu, sigma, 8 * n + 1) for n in (400, 800))
    found = 1 / siegert(mu, sigma, **BRUNEL) - 0.002
    assert (4 * fine - coarse) / 3 == pytest.approx(found, rel=1e-6)
    assert abs(fine - found) < abs(coarse - found) / 3.5


def test_colored_noise_raises_threshold_and_reset() -> None:
    alpha = float(mpmath.sqrt(2) * abs(mpmath.zeta(0.5)))
    shift = 0.005 * alpha / 2 * np.sqrt(0.002 / 0.02)
    found = siegert(0.015, 0.005, tau_synapse=0.002, **BRUNEL)
    assert found == pytest.approx(published(0.015, 0.005, threshold=0.02 + shift, reset=0.01 + shift), rel=1e-12)
    assert siegert(0.015, 0.005, tau_synapse=0.0, **BRUNEL) == siegert(0.015, 0.005, **BRUNEL) > found


def test_inputs_broadcast_and_each_neuron_keeps_its_own_constants() -> None:
    tau, mu = np.array([0.01, 0.02, 0.03]), np.array([[0.01], [0.03]])
    found = siegert(mu, 0.004, tau=tau, refractory=0.0, threshold=0.02, reset=0.0)
    assert found.shape == (2, 3)
    for row, column in np.ndindex(2, 3):
        assert found[row, column] == pytest.approx(published(mu[row, 0], 0.004, tau[column], 0.0, 0.02, 0.0), rel=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tau": 0.0}, "siegert: tau is 0 s; it should be positive"),
        ({"tau": np.nan}, "siegert: tau is nan s; it should be positive"),
        ({"refractory": -0.001}, "siegert: refractory is -0.001; it should be 0 or positive"),
        ({"tau_synapse": -1.0}, "siegert: tau_synapse is -1; it should be 0 or positive"),
        ({"sigma": np.array([1.0, -2.0])}, "siegert: sigma is -2; it should be 0 or positive"),
        ({"reset": 0.02}, "siegert: threshold 0.02 V and reset 0.02 V; the threshold should lie above the reset"),
    ],
)
def test_constants_out_of_range_are_refused(changed: dict[str, float], message: str) -> None:
    given = {"sigma": 0.005} | BRUNEL | changed
    with pytest.raises(OptionError, match=f"^{message}"):
        siegert(0.01, given.pop("sigma"), **given)


def siegert_inputs() -> tuple[ndarray, ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(-0.02, 0.1, 2000), 10 ** rng.uniform(-3, -1.5, 2000)


def test_siegert_is_the_same_number_in_torch_and_numpy() -> None:
    mu, sigma = siegert_inputs()
    card = catalogue.load("leaky_tanh")
    function = Twin(card, card.arrays()).constants["siegert"]
    found = function(torch.tensor(mu), torch.tensor(sigma), *BRUNEL.values())
    exact = siegert(mu, sigma, **BRUNEL)
    assert exact.min() < 1e-200 and exact.max() > 200
    np.testing.assert_allclose(found.numpy(), exact, rtol=1e-12, atol=0)
    single = Twin(card, card.arrays(), dtype=torch.float32).constants["siegert"](torch.tensor([0.02]), 0.005, *BRUNEL.values())
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(float(siegert(0.02, 0.005, **BRUNEL)), rel=1e-4)


def test_the_slopes_of_siegert_are_those_of_its_integral() -> None:
    """d(1/nu) of the integral of f(u) = erfcx(-u) between y_r and y_theta, y = (v - mu)/sigma, is f(y) dy at both ends."""
    mu, sigma = siegert_inputs()
    mu, sigma = mu[(0.02 - mu) / sigma < 12], sigma[(0.02 - mu) / sigma < 12]
    inputs = [torch.tensor(array, requires_grad=True) for array in (mu, sigma)]
    rates = first_passage(*inputs, *(torch.tensor(value, dtype=torch.float64) for value in BRUNEL.values()), xp=torch, special=torch.special)
    rates.sum().backward()
    nu, high, low = rates.detach().numpy(), (0.02 - mu) / sigma, (0.01 - mu) / sigma
    common = nu**2 * 0.02 * np.sqrt(np.pi) / sigma
    slopes = common * (erfcx(-high) - erfcx(-low)), common * (high * erfcx(-high) - low * erfcx(-low))
    for given, slope in zip(inputs, slopes, strict=True):
        assert given.grad is not None
        np.testing.assert_allclose(given.grad.numpy(), slope, rtol=1e-8, atol=1e-12 * np.abs(slope).max())


@pytest.mark.parametrize(("g", "eta", "rate"), [(3, 2, 327.0), (6, 4, 55.84), (5, 2, 37.95), (4.5, 0.9, 6.52)], ids="ABCD")
def test_the_four_states_of_brunel_have_their_rates(g: float, eta: float, rate: float) -> None:
    """Self-consistent rates of Brunel (2000), computed elsewhere; excitatory and inhibitory neurons get the same input."""
    J = 1e-4
    found = stationary_rates(np.array([[1000, 250]] * 2), np.array([[J, -g * J]] * 2), Background(1000, J, eta * 10.0), NEURON)
    assert found == pytest.approx([rate, rate], abs=0.5 * 10 ** -(1 if rate > 100 else 2))

    def surplus(nu: float) -> float:
        mu, variance = 0.02 * J * 1000 * (nu * (1 - g / 4) + eta * 10), 0.02 * J**2 * 1000 * (nu * (1 + g**2 / 4) + eta * 10)
        return published(mu, variance**0.5) - nu

    assert found[0] == pytest.approx(brentq(surplus, rate - 0.1, rate + 0.1, xtol=1e-10), rel=1e-9)


def test_the_matrices_are_target_by_source_and_every_population_has_its_own_constants() -> None:
    K, J = np.array([[0.0, 0.0], [200.0, 0.0]]), np.array([[0.0, 0.0], [2e-4, 0.0]])  # the first drives the second
    outside = Background(np.array([1000.0, 800.0]), np.array([1e-4, 2e-4]), np.array([9.5, 5.0]))
    found = stationary_rates(K, J, outside, Neuron(np.array([0.02, 0.01]), 0.002, 0.02, np.array([0.01, 0.0])))
    first = published(0.02 * 0.95, (0.02 * 9500) ** 0.5 * 1e-4)
    mu, power = 0.01 * (0.8 + 0.04 * first), 0.01 * (4000 * 4e-8 + 200 * first * 4e-8)
    assert found == pytest.approx([first, published(mu, power**0.5, tau=0.01, reset=0.0)], rel=1e-10)


def test_the_start_decides_between_two_stable_states() -> None:
    K, J, outside = np.array([[1000.0]]), np.array([[1e-4]]), Background(1000, 1e-4, 7.0)
    low, high = (float(stationary_rates(K, J, outside, NEURON, start=start)[0]) for start in (0.0, 400.0))
    assert low < 1 and high > 100
    for rate in (low, high):
        assert rate == pytest.approx(published(2e-3 * (rate + 7.0), (2e-7 * (rate + 7.0)) ** 0.5), rel=1e-8)


def test_a_network_too_stiff_to_settle_is_reported_and_a_nearer_start_helps() -> None:
    """Inhibition of 10 kV per Hz: a rate of 3 uHz silences what 30 mV excite."""
    network = np.array([[1e12]]), np.array([[-5e-7]]), Background(1e12, 1e-12, 1.5), Neuron(0.02, 0.0, 0.02, 0.01)
    with pytest.raises(Undetermined, match="^stationary_rates: from 0.0 Hz the rates settle nowhere; start nearer to a stationary state"):
        stationary_rates(*network)

    def surplus(logarithm: float) -> float:
        rate = np.exp(logarithm)
        found = siegert(0.03 - 1e4 * rate, np.sqrt(0.005 * rate + 3e-14), **BRUNEL | {"refractory": 0.0})
        return float(np.log(found)) - logarithm

    exact = np.exp(brentq(surplus, -16, np.log(3e-6), xtol=1e-14))
    assert stationary_rates(*network, start=exact * 1.0001) == pytest.approx([exact], rel=1e-9)
