"""Noise of single trials: how they scatter about the averages of their conditions, over times and over units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import doored

FEWEST = 10  # trials more than conditions
QUIET = 0.1  # of the median standard deviation: no unit counts as quieter


@doored("of")
@dataclass(frozen=True)
class TrialNoise:
    """Scatter of single trials: covariances over bins and over units, whose product is that of two bins of two units.

    Attributes:
        over_time: covariance over bins, of mean variance 1.
        over_units: covariance over units, in the squared unit of the rates.
    """

    over_time: Float[ndarray, "time time"]
    over_units: Float[ndarray, "unit unit"]

    @classmethod
    def of(cls, rates: Float[ndarray, "trial time unit"], condition: Sequence[Any] | ndarray) -> "TrialNoise":
        """Return the noise of single trials about the averages of their conditions.

        The covariance over units is shrunk towards its diagonal, as if bins were independent; that over time is the mean of those of the whitened
        units.

        Args:
            rates: as they are recorded, not smoothed.
            condition: label of each trial.

        Raises:
            ComparisonError: there are fewer than 10 trials more than conditions, or nothing varies from trial to trial.
        """
        labels, place = np.unique(np.asarray(condition), return_inverse=True)
        free = len(rates) - len(labels)
        if free < FEWEST:
            raise ComparisonError(f"noise: {len(rates)} trials of {len(labels)} conditions; give at least {len(labels) + FEWEST} single trials.")
        means = np.stack([rates[place == label].mean(axis=0) for label in range(len(labels))])
        off = (rates - means[place]) * np.sqrt(len(rates) / free)
        spread = off.std(axis=(0, 1))
        if not spread.any():
            raise ComparisonError("noise: nothing varies from trial to trial; give single trials, not averages.")
        least = QUIET * np.median(spread[spread > 0])
        units = shrunk_covariance(off.reshape(-1, rates.shape[2])) + np.diag(np.maximum(least**2 - spread**2, 0.0))
        white = np.linalg.solve(np.linalg.cholesky(units), off.transpose(0, 2, 1))
        time = np.einsum("nut,nus->ts", white, white)
        return cls(time / np.trace(time) * len(time), units)

    def whitened(self, responses: Float[ndarray, "... time unit"]) -> Float[ndarray, "... time unit"]:
        """Return responses in units of the noise, which so transformed has the identity as its covariance."""
        time, units = (np.linalg.inv(np.linalg.cholesky(matrix)) for matrix in (self.over_time, self.over_units))
        return time @ responses @ units.T

    def weighed(self, responses: Float[ndarray, "... time unit"]) -> Float[ndarray, "... time unit"]:
        """Return responses multiplied by the inverse of the covariance."""
        return np.linalg.inv(self.over_time) @ responses @ np.linalg.inv(self.over_units)


def shrunk_covariance(samples: Float[ndarray, "sample unit"]) -> Float[ndarray, "unit unit"]:
    r"""Return the covariance of samples of mean 0, its entries off the diagonal multiplied by :math:`1 - \lambda`.

    :math:`\lambda = \sum_{i \ne j} \widehat{\mathrm{Var}}(s_{ij}) / \sum_{i \ne j} s_{ij}^2`, at most 1, minimises the expected squared error.

    Source:
        Schäfer & Strimmer (2005) Stat Appl Genet Mol Biol 4:32.
    """
    count, off = len(samples), ~np.eye(samples.shape[1], dtype=bool)
    s = samples.T @ samples / count
    spread = ((samples**2).T @ samples**2 / count - s**2) / count
    total = (s[off] ** 2).sum()
    share = min(1.0, spread[off].sum() / total) if total > 0 else 1.0
    return np.where(off, (1 - share) * s, s)
