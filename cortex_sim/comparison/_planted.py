"""Activity with planted dynamics, or with none, on which every measure of dynamics should be tested first.

All arrays are (condition, time, unit) in bins of dt s, in any one unit.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import block_diag, expm
from scipy.ndimage import gaussian_filter1d

RISE = 0.08  # s, width of the speed profile
PEAK = 0.15  # s, where it stands
BUMP = 0.04  # s, width of the peaks of a sequence
BEYOND = 0.05  # s, how far beyond either end of the window a sequence reaches
EDGE = 8  # widths of the filter on either side of smooth noise, cut away again

Rates = Float[ndarray, "condition time unit"]


def planted_rotation(rng: np.random.Generator, *, frequency: float, noise: float, conditions: int, bins: int, units: int, dt: float) -> Rates:
    """Return states that rotate in one plane, with the phases of conditions evenly spread.

    Args:
        rng: of the plane and of the noise.
        frequency: Hz.
        noise: standard deviation of independent noise, relative to that of a unit.
        conditions: number of conditions.
        bins: number of bins.
        units: number of units.
        dt: width of a bin, s.
    """
    angle = 2 * np.pi * (np.arange(conditions)[:, None] / conditions + frequency * dt * np.arange(bins))
    plane = np.linalg.qr(rng.standard_normal((units, 2)))[0]
    states = np.stack([np.cos(angle), np.sin(angle)], axis=2) @ plane.T
    return states + noise * states.std() * rng.standard_normal(states.shape)


def smooth_noise(rng: np.random.Generator, *, width: float, conditions: int, bins: int, units: int, dt: float) -> Rates:
    """Return white noise of every unit in every condition, smoothed by a Gaussian of this width, in s: no unit drives another."""
    edge = int(np.ceil(EDGE * width / dt))
    return gaussian_filter1d(rng.standard_normal((conditions, bins + 2 * edge, units)), width / dt, axis=1)[:, edge : edge + bins]


def velocity_tuned(rng: np.random.Generator, *, latency: float, conditions: int, bins: int, units: int, dt: float) -> Rates:
    """Return rates tuned to the velocity of reaches in evenly spread directions, with a latency per unit: an output, not a dynamical system.

    Args:
        rng: of preferred directions, depths and latencies.
        latency: standard deviation of latencies over units, s.
        conditions: number of directions.
        bins: number of bins.
        units: number of units.
        dt: width of a bin, s.

    Source:
        Michaels, Dann & Scherberger (2016) PLoS Comput Biol 12:e1005175; Lebedev et al. (2019) Sci Rep 9:18978.
    """
    direction, preferred = 2 * np.pi * np.arange(conditions) / conditions, rng.uniform(0, 2 * np.pi, units)
    speed = np.exp(-0.5 * ((dt * np.arange(bins)[:, None] - PEAK - rng.normal(0, latency, units)) / RISE) ** 2)
    return np.cos(direction[:, None, None] - preferred) * speed * rng.uniform(0.5, 1, units)


def peak_sequence(rng: np.random.Generator, *, conditions: int, bins: int, units: int, dt: float) -> Rates:
    """Return rates that peak one unit after another, each scaled by a two-dimensional tuning to the condition: a sequence without dynamics."""
    peaks = np.linspace(-BEYOND, dt * (bins - 1) + BEYOND, units)
    course = np.exp(-0.5 * ((dt * np.arange(bins)[:, None] - peaks) / BUMP) ** 2)
    return rng.normal(size=(conditions, 1, 2)) @ rng.normal(size=(2, units)) * course


def random_decay(rng: np.random.Generator, *, gain: float, tau: float, conditions: int, bins: int, units: int, dt: float) -> Rates:
    r"""Return runs of a linear network :math:`\tau \dot x = -x + Jx`, :math:`J_{ij} \sim N(0, g^2/N)`, from random states.

    Args:
        rng: of the weights and the states.
        gain: g; below 1 everything decays.
        tau: time constant, s.
        conditions: number of initial states.
        bins: number of bins.
        units: N.
        dt: width of a bin, s.
    """
    step = expm(dt / tau * (gain * rng.standard_normal((units, units)) / np.sqrt(units) - np.eye(units)))
    states = [rng.standard_normal((conditions, units))]
    for _ in range(bins - 1):
        states.append(states[-1] @ step.T)
    return np.stack(states, axis=1)


def white_samples(rng: np.random.Generator, columns: Float[ndarray, "unit axis"], *, samples: int) -> Float[ndarray, "sample unit"]:
    """Return samples along these columns that are exactly uncorrelated and of equal variance along each.

    Args:
        rng: of the draw.
        columns: orthogonal; a column of twice the length has twice the standard deviation.
        samples: number of samples, more than columns.
    """
    x = rng.standard_normal((samples, columns.shape[1]))
    return np.linalg.qr(x - x.mean(axis=0))[0] @ columns.T


def driven_by_few(rng: np.random.Generator, *, units: int, outputs: int, drivers: int) -> Float[ndarray, "unit output"]:
    """Return the weights of outputs, such as muscles, each driven by some randomly chosen units with random weights; 0 elsewhere.

    Args:
        rng: of the choice and the weights.
        units: number of units.
        outputs: number of outputs.
        drivers: maximum number of units that drive an output.
    """
    weights = np.zeros((units, outputs))
    for column in weights.T:
        chosen = rng.choice(units, min(drivers, units), replace=False)
        column[chosen] = rng.standard_normal(len(chosen))
    return weights


def damped_rotations(angles: Float[ndarray, " plane"], radii: Float[ndarray, " plane"]) -> Float[ndarray, "axis axis"]:
    r"""Return the matrix of a step that rotates each plane by its angle (rad) and shrinks it by its radius; eigenvalues :math:`r e^{\pm i\theta}`."""
    turns = [
        radius * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) for angle, radius in zip(angles, radii, strict=True)
    ]
    return block_diag(*turns)


def noisy_steps(
    A: Float[ndarray, "axis axis"], start: Float[ndarray, "trial axis"], steps: int, rng: np.random.Generator, noise: float
) -> Float[ndarray, "trial step axis"]:
    """Return states of :math:`x(t+1) = A x(t)` plus noise of this standard deviation, from each initial state."""
    x = np.empty((len(start), steps, len(A)))
    x[:, 0] = start
    for t in range(steps - 1):
        x[:, t + 1] = x[:, t] @ A.T + noise * rng.standard_normal(start.shape)
    return x
