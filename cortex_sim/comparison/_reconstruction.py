r"""State space divergence and Hellinger distance of spectra: do two systems visit the same states, and at the same frequencies?

:math:`D_\mathrm{stsp} = \sum_k p_k \log(p_k / q_k)` compares how often the bins k of state space are visited, or kernel densities where there are too
many bins; :math:`D_H = \sqrt{1 - \sum_f \sqrt{P_f Q_f}}` compares smoothed power spectra of area 1. Both ignore which state follows in which trial.

Source:
    Koppe, Toutounji, Kirsch, Lis & Durstewitz (2019) PLoS Comput Biol 15:e1007263; Brenner, Hess, Mikhaeil et al. (2022) ICML, arXiv:2207.02542.
    Random states for mixtures: Hershey & Olsen (2007) ICASSP. Thirty bins, 1e-5 samples and kernels of one s.d. are those of the group's public code.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from cortex_sim.comparison._measures import every
from cortex_sim.errors import ComparisonError
from cortex_sim.fitting import unit_scale
from cortex_sim.runtime import stream
from cortex_sim.trials import Trials

AXES = 3  # leading components of the reference; above, bins are too many
MOST_BINS, FILLED = 30, 5  # of an axis; samples of the smaller side for each bin on average
EMPTY = 1e-5  # samples that every bin has beside those counted, so that an empty one has a logarithm
BEYOND = 0.1  # standard deviations by which the outer bins exceed the reference
WIDTH, MOST = 1.0, 2000  # of the kernels, in root mean squares of the compared axes; samples of a side at most
SMOOTHED = 1.0  # frequencies, standard deviation of the kernel that smooths spectra

Reference = Float[ndarray, "trial time unit"]
Other = Float[ndarray, "other moment unit"]


def state_space_divergence(a: Reference, b: Other, *, axes: int = AXES, bins: int | None = None) -> float:
    """Return the Kullback-Leibler divergence of the states that a system visits from those of a reference, counted in bins, nats; 0 for the same.

    Units are in standard deviations of the reference, and both sides in its leading components. States outside the bins, which hold the reference,
    count in the outermost ones (the papers leave them out), and every bin has 1e-5 samples more, on both sides.

    Args:
        a: the reference: single trials of rates, or long runs.
        b: the other system, with the same units; the numbers of trials and bins may be others.
        axes: number of components, 1 to 3; see :func:`mixture_divergence` for more.
        bins: of each axis; if None, as many as leave five samples for each, 2 to 30.

    Raises:
        ComparisonError: units differ, the reference does not vary, or a number is out of range.
    """
    if not 1 <= axes <= AXES or (bins is not None and bins < 2):
        raise ComparisonError(f"state space divergence: {axes} axes, bins {bins}; there should be 1 to {AXES} axes and 2 bins or more.")
    x, y = _leading("state space divergence", a, b, axes)
    each = bins or int(np.clip((min(len(x), len(y)) / FILLED) ** (1 / x.shape[1]) + 1e-9, 2, MOST_BINS))
    p, q = (_visited(side, x, each) for side in (x, y))
    return float((p * np.log(p / q)).sum())


def mixture_divergence(a: Reference, b: Other, *, axes: int = 6, width: float = WIDTH, seed: int = 0) -> float:
    """Return the same of densities in which every state is the centre of a Gaussian, for components that are too many for bins, nats.

    It is the mean log ratio of the densities at random states of the reference's: 0 for the same, and slightly below 0 by chance at worst. Sides of
    more than 2,000 states are taken at evenly spaced ones.

    Args:
        a: the reference, as for :func:`state_space_divergence`.
        b: the other system.
        axes: number of components.
        width: standard deviation of the Gaussians, in root mean squares of the compared components.
        seed: of the random states.

    Raises:
        ComparisonError: as for :func:`state_space_divergence`.
    """
    if axes < 1 or not width > 0:
        raise ComparisonError(f"mixture divergence: {axes} axes, width {width:g}; there should be an axis at least, and a width above 0.")
    sides = _leading("mixture divergence", a, b, axes)
    size = width * float(np.sqrt(sides[0].var(axis=0).mean()))
    x, y = (side[np.lexsort(side.T)][:: every(len(side), MOST)] for side in sides)  # in an order that trials have no part in
    drawn = x + size * stream(seed, "analysis", "states of mixture divergence").standard_normal(x.shape)
    own, other = (_log_density(drawn, side, size) for side in (x, y))
    return float((own - other).mean())


def spectral_distance(a: Reference, b: Float[ndarray, "other time unit"], *, smoothed: float = SMOOTHED) -> float:
    """Return the Hellinger distance of the power spectra of two systems, mean over units: 0 for the same, 1 for disjoint ones.

    The mean of every trial is taken off. Power is averaged over trials, smoothed by a Gaussian, and divided by its sum, so that neither the size of a
    rate nor its mean counts. Units that do not vary on either side are left out; one that does on one side only counts 1.

    Args:
        a: single trials of rates, or long runs.
        b: the other system, with the same bins and units.
        smoothed: standard deviation of the Gaussian, in steps of frequency (one over the length of a trial); 0 for none.

    Raises:
        ComparisonError: units or bins differ, trials have fewer than four bins, or nothing varies.
    """
    _check_units("spectral distance", a, b)
    if a.shape[1] != b.shape[1] or a.shape[1] < 4 or smoothed < 0:
        raise ComparisonError(f"spectral distance: trials of {a.shape[1]} and {b.shape[1]} bins, smoothed by {smoothed:g}; as many bins, at least 4.")
    P, Q = (_spectrum(side, smoothed) for side in (a, b))
    varying = P.any(axis=0) | Q.any(axis=0)
    if not varying.any():
        raise ComparisonError("spectral distance: no unit varies in time; there is no spectrum to compare.")
    alone = P.any(axis=0) != Q.any(axis=0)
    squared = np.where(alone, 1.0, ((np.sqrt(P) - np.sqrt(Q)) ** 2).sum(axis=0) / 2)  # 1 minus the overlap, exact where it is 1
    return float(np.sqrt(squared[varying]).mean())


def divergence_of_trials(a: Trials, b: Trials) -> float:
    """Return :func:`state_space_divergence` of single trials."""
    return state_space_divergence(a.rate, b.rate)


def spectra_of_trials(a: Trials, b: Trials) -> float:
    """Return :func:`spectral_distance` of single trials, in bins of the same width."""
    if not np.isclose(a.bin, b.bin):
        raise ComparisonError(f"spectral distance: bins of {a.bin:g} s and {b.bin:g} s; they should have one width.")
    return spectral_distance(a.rate, b.rate)


def _check_units(name: str, a: ndarray, b: ndarray) -> None:
    if a.shape[2] != b.shape[2]:
        raise ComparisonError(f"{name}: {a.shape[2]} units on one side, {b.shape[2]} on the other; this measure compares unit by unit.")


def _leading(name: str, a: ndarray, b: ndarray, axes: int) -> tuple[Float[ndarray, "sample axis"], Float[ndarray, "other axis"]]:
    """Return samples of both sides in the leading components of the first."""
    _check_units(name, a, b)
    if not np.ptp(a, axis=(0, 1)).any():
        raise ComparisonError(f"{name}: the reference does not vary; it visits one state.")
    mean, scale = a.mean(axis=(0, 1)), unit_scale(a)
    x, y = ((side.reshape(-1, side.shape[2]) - mean) / scale for side in (a, b))
    leading = np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :axes]
    return x @ leading, y @ leading


def _visited(samples: Float[ndarray, "sample axis"], reference: Float[ndarray, "other axis"], bins: int) -> Float[ndarray, " bin"]:
    """Return the share of the samples in each bin."""
    beyond = BEYOND * reference.std(axis=0)
    low, high = reference.min(axis=0) - beyond, reference.max(axis=0) + beyond
    place = np.clip(bins * (samples - low) / np.maximum(high - low, np.finfo(float).tiny), 0, bins - 1).astype(int)
    counts = np.bincount(place @ bins ** np.arange(place.shape[1]), minlength=bins ** place.shape[1]) + EMPTY
    return counts / counts.sum()


def _log_density(at: Float[ndarray, "sample axis"], centres: Float[ndarray, "other axis"], width: float) -> Float[ndarray, " sample"]:
    return np.asarray(logsumexp(-cdist(at, centres, "sqeuclidean") / (2 * width**2), axis=1) - np.log(len(centres)))


def _spectrum(rates: Float[ndarray, "trial time unit"], smoothed: float) -> Float[ndarray, "frequency unit"]:
    """Return power at all frequencies but 0, of sum 1 for each unit; 0 for units that do not vary in time."""
    moving = rates - rates.mean(axis=1, keepdims=True)
    still = np.abs(moving).max(axis=(0, 1)) <= 1e-12 * np.abs(rates).max(axis=(0, 1))
    power = (np.abs(np.fft.rfft(moving, axis=1)[:, 1:]) ** 2).mean(axis=0)
    power = gaussian_filter1d(power, smoothed, axis=0, mode="reflect") if smoothed > 0 else power
    return np.where(still, 0.0, power / np.maximum(power.sum(axis=0), np.finfo(float).tiny))
