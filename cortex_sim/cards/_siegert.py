"""Rates of a leaky integrate-and-fire neuron in white noise, and of recurrently coupled populations of such neurons."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import scipy.special
from jaxtyping import Float, Real
from numpy import ndarray
from scipy.optimize import root

from cortex_sim.errors import OptionError, Undetermined

RULE = np.polynomial.legendre.leggauss(64)  # nodes and weights, used in each of two intervals
DECAYED = 40.0  # exponent at which exp(-x) no longer counts: 4e-18
FLOOR = 600.0  # exponent of the smallest rate that is told from zero: exp(-600)/tau
QUIET = 1e-9  # of threshold - reset: noise below this counts as this
ALPHA = 2**0.5 * 1.4603545088095868  # sqrt(2) |zeta(1/2)|
STEPS, STEP = 2000, 0.05  # time constants; how a network is relaxed towards its stationary state
SETTLED = 1e-8  # of the largest rate: how far a stationary state may be from closing on itself

Rates = Float[ndarray, " population"]


def siegert(mu: Any, sigma: Any, *, tau: Any, refractory: Any, threshold: Any, reset: Any, tau_synapse: Any = 0.0) -> Float[ndarray, "..."]:
    r"""Return the stationary rate of the leaky integrate-and-fire neuron in white noise.

    The neuron is :math:`\tau\dot v = -v + \mu + \sigma\sqrt{\tau}\,\xi(t)`, with unit white noise :math:`\xi`, a threshold, a reset and a
    refractory period; without a threshold v has mean mu and variance :math:`\sigma^2/2`. With :math:`y = (v - \mu)/\sigma`

    .. math:: 1/\nu = t_{ref} + \tau\sqrt\pi \int_{y_r}^{y_\theta} e^{u^2}(1 + \mathrm{erf}\,u)\,du .

    Args:
        mu: mean input, V above rest; any shapes that broadcast.
        sigma: noise, V; 0 gives the closed form :math:`1/(t_{ref} + \tau\ln\frac{\mu - v_r}{\mu - \theta})`, or silence below threshold.
        tau: membrane time constant, s.
        refractory: s.
        threshold: V above rest.
        reset: V above rest, below the threshold.
        tau_synapse: time constant of exponential synapses, s, which turn the noise into a current of equal intensity; to first order in
            :math:`\sqrt{\tau_s/\tau}` both threshold and reset rise by :math:`\sigma\frac{\alpha}{2}\sqrt{\tau_s/\tau}`,
            :math:`\alpha = \sqrt2\,|\zeta(1/2)|`.

    Returns:
        Rate, Hz. Rates below exp(-600)/tau are returned as about exp(-600)/tau.

    Raises:
        OptionError: a time constant, the noise or the threshold is out of range.

    Source:
        Siegert (1951) Phys Rev 81:617; in this convention Brunel (2000) J Comput Neurosci 8:183, eq. 21; the shift: Brunel & Sergi (1998) J
        Theor Biol 195:87 and Fourcaud & Brunel (2002) Neural Comput 14:2057.
    """
    values = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (mu, sigma, tau, refractory, threshold, reset, tau_synapse)))
    mu, sigma, tau, refractory, threshold, reset, tau_synapse = values
    if not (tau > 0).all():
        raise OptionError(f"siegert: tau is {tau.min():g} s; it should be positive.")
    for name, value in (("sigma", sigma), ("refractory", refractory), ("tau_synapse", tau_synapse)):
        if not (value >= 0).all():
            raise OptionError(f"siegert: {name} is {value.min():g}; it should be 0 or positive.")
    if not (threshold > reset).all():
        found = f"threshold {threshold.ravel()[0]:g} V and reset {reset.ravel()[0]:g} V"
        raise OptionError(f"siegert: {found}; the threshold should lie above the reset.")
    shift = sigma * ALPHA / 2 * np.sqrt(tau_synapse / tau)
    return first_passage(mu, sigma, tau, refractory, threshold + shift, reset + shift)


def first_passage(mu: Any, sigma: Any, tau: Any, refractory: Any, threshold: Any, reset: Any, *, xp: ModuleType = np, special: Any = None) -> Any:
    r"""Return the rate of `siegert` for arrays of NumPy or of a module with the same function names, by the same nodes in the same order.

    :math:`e^{u^2}(1 + \mathrm{erf}\,u) = \mathrm{erfcx}(-u)`. Below the mean (u < 0) it decays like 1/|u| and is integrated over asinh(-u).
    Above, it rises like :math:`e^{u^2}` and is integrated relative to its value at the threshold, down to where it is negligible. Both integrands
    are entire and bounded in a strip about the real axis, so that a fixed Gauss-Legendre rule converges geometrically.

    Args:
        mu: as in `siegert`, like all that follow; arrays of `xp` that broadcast.
        sigma: V.
        tau: s.
        refractory: s.
        threshold: V.
        reset: V.
        xp: NumPy or torch.
        special: module with its erfc and erfcx; scipy.special by default.
    """
    special = special or scipy.special
    sigma = xp.maximum(sigma, QUIET * (threshold - reset))
    low, high = (reset - mu) / sigma, (threshold - mu) / sigma
    zero = 0.0 * high
    below = _below(xp.maximum(-high, zero), xp.maximum(-low, zero), xp, special)
    top = xp.maximum(high, zero)
    scale = xp.exp(-xp.minimum(top * top, zero + FLOOR))
    above = _above(xp.maximum(low, zero), top, xp, special)
    return scale / (scale * (refractory + np.pi**0.5 * tau * below) + np.pi**0.5 * tau * above)


def _below(start: Any, stop: Any, xp: ModuleType, special: Any) -> Any:
    """Return the integral of erfcx from start to stop, both nonnegative."""
    nodes, weights = (xp.asarray(part, dtype=start.dtype) for part in RULE)
    first, half = xp.arcsinh(start), (xp.arcsinh(stop) - xp.arcsinh(start)) / 2
    s = first[..., None] + half[..., None] * (1 + nodes)
    return half * ((special.erfcx(xp.sinh(s)) * xp.cosh(s)) @ weights)


def _above(start: Any, stop: Any, xp: ModuleType, special: Any) -> Any:
    """Return the integral of exp(u^2 - stop^2) (1 + erf u) from start to stop, both nonnegative."""
    nodes, weights = (xp.asarray(part, dtype=start.dtype) for part in RULE)
    length = xp.minimum(stop - start, DECAYED / xp.maximum(stop, 0.0 * stop + 1.0))
    back, stop = (length / 2)[..., None] * (1 - nodes), stop[..., None]
    return length / 2 * ((xp.exp(-back * (2 * stop - back)) * special.erfc(back - stop)) @ weights)


@dataclass(frozen=True)
class Neuron:
    """Neuron parameters for `siegert`; each is one number, or one per population.

    Attributes:
        tau: membrane time constant, s.
        refractory: s.
        threshold: V above rest.
        reset: V above rest.
    """

    tau: float | Rates
    refractory: float | Rates
    threshold: float | Rates
    reset: float | Rates


@dataclass(frozen=True)
class Background:
    """External Poisson input; each attribute is one number, or one per population.

    Attributes:
        indegree: number of external synapses on each neuron.
        weight: jump of the membrane potential per spike, V.
        rate: of each external source, Hz.
    """

    indegree: float | Rates
    weight: float | Rates
    rate: float | Rates


def stationary_rates(
    K: Real[ndarray, "target source"], J: Float[ndarray, "target source"], background: Background, neuron: Neuron, *, start: Rates | float = 0.0
) -> Rates:
    r"""Return self-consistent rates of sparsely connected populations with delta synapses.

    In the diffusion approximation :math:`\mu = \tau(KJ\,\nu + K_x J_x \nu_x)` and :math:`\sigma^2 = \tau(KJ^2\,\nu + K_x J_x^2 \nu_x)`. The
    state that :math:`\dot\nu = \Phi(\mu(\nu), \sigma(\nu)) - \nu` reaches from `start` is refined to round-off with Powell's method.

    Args:
        K: number of synapses that a neuron of the target population receives from the source population.
        J: jump of the membrane potential per spike, V.
        background: external input.
        neuron: of every population.
        start: initial rates, Hz; if several states exist, it decides which is found.

    Returns:
        Rates, Hz.

    Raises:
        Undetermined: no stationary state is reached.

    Source:
        Amit & Brunel (1997) Cereb Cortex 7:237; Brunel (2000) J Comput Neurosci 8:183, eqs. 4, 5 and 21.
    """
    mean, power = K * J, K * J**2
    outside = np.multiply(background.indegree, background.rate)

    def surplus(rates: Rates) -> Rates:
        rates = np.abs(rates)
        mu = neuron.tau * (mean @ rates + outside * background.weight)
        sigma = np.sqrt(neuron.tau * (power @ rates + outside * np.square(background.weight)))
        found = siegert(mu, sigma, tau=neuron.tau, refractory=neuron.refractory, threshold=neuron.threshold, reset=neuron.reset)
        return found - rates

    near = np.full(len(K), start, dtype=float)
    for _ in range(STEPS):
        near = near + STEP * surplus(near)
    found = root(surplus, near, tol=1e-13)
    if not np.abs(surplus(found.x)).max() <= SETTLED * (1 + np.abs(found.x).max()):
        raise Undetermined(f"stationary_rates: from {start!r} Hz the rates settle nowhere; start nearer to a stationary state.")
    return np.abs(found.x)
