"""Conversion between rates, which belong to points in time, and counts, which belong to bins.

Entry k of an array of rates is the rate at the left edge of bin k, as an equation gives it; entry k of an array of counts covers all spikes from that
edge to the next, half a bin later on average. Rates from spikes are therefore estimated at the edges, and rates compared with counts are averaged
over the bins; otherwise true rates would fit spikes best when shifted by half a bin.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

TRUNCATE = 4.0  # standard deviations at which the smoothing kernel ends


def smoothed_over_time(rate: Float[ndarray, "trial time unit"], sd: float) -> Float[ndarray, "trial time unit"]:
    """Return rates smoothed with a Gaussian of ``sd`` bins, truncated near the ends and renormalised to unit area."""
    from scipy.ndimage import gaussian_filter1d

    def filtered(values: ndarray) -> ndarray:
        return gaussian_filter1d(values, sd, axis=1, mode="constant", truncate=TRUNCATE)

    return filtered(rate) / filtered(np.ones((1, rate.shape[1], 1)))


def smoothed_at_edges(binned: Float[ndarray, "trial time unit"], sd: float) -> Float[ndarray, "trial time unit"]:
    """Return rates at left bin edges, estimated from binned spikes with a Gaussian of ``sd`` bins, truncated as in :func:`smoothed_over_time`."""
    from scipy.ndimage import correlate1d

    half = max(1, int(TRUNCATE * sd + 0.5))
    away = np.arange(-half, half) + 0.5  # bins, from an edge to the middles of the bins about it
    kernel = np.exp(-0.5 * (away**2 - 0.25) / sd**2)

    def filtered(values: ndarray) -> ndarray:
        return correlate1d(values, kernel, axis=1, mode="constant")

    return filtered(binned) / filtered(np.ones((1, binned.shape[1], 1)))


def over_bins(rate: Float[ndarray, "trial time unit"]) -> Float[ndarray, "trial time unit"]:
    """Return the means over bins of rates at their left edges, interpolated linearly; the last bin is extrapolated from the one before."""
    following = np.concatenate([rate[:, 1:], 2 * rate[:, -1:] - rate[:, -2:-1]], axis=1)
    return np.asarray((rate + following) / 2)
