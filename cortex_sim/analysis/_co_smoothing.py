"""How well rates predict spikes, in bits per spike, and how well some units of a population predict the others (co-smoothing).

Source:
    Pei, Ye, Zoltowski et al. (2021) NeurIPS Datasets and Benchmarks 34, the Neural Latents Benchmark.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import Split, folds, order_by_content, set_aside
from cortex_sim.trials import Trials, smoothed_over_time

FLOOR = 1e-3  # Hz; a rate predicted below counts as this, so that a spike there costs something finite
PENALTIES, PASSES = (0.1, 1.0, 10.0), 300  # of the Poisson regression, inputs being standardised; iterations
CO_SMOOTHING_FOLDS = 5
HELD_OUT = 0.25  # share of the units
SD, BIN = 0.04, 0.02  # s: of the kernel that smooths the other units' spikes; of the bins


@dataclass(frozen=True)
class SpikeInformation:
    """How well rates predict spikes, trial by trial.

    Attributes:
        gain: log-likelihood of each trial's spikes relative to that under each unit's mean rate, nats.
        spikes: number of spikes in each trial.
    """

    gain: Float[ndarray, " trial"]
    spikes: Float[ndarray, " trial"]

    @property
    def bits(self) -> float:
        """Return bits per spike: 0 for rates equal to the mean, below 0 for rates that predict worse than the mean."""
        return self.of(np.arange(len(self.gain)))

    def of(self, trials: Int[ndarray, " kept"]) -> float:
        """Return the bits per spike in some of the trials."""
        return float(self.gain[trials].sum() / (self.spikes[trials].sum() * np.log(2)))


def spike_information(rates: Float[ndarray, "trial time unit"], counts: Float[ndarray, "trial time unit"], bin: float) -> SpikeInformation:
    r"""Return how well rates predict counts: :math:`\sum n\log(r/\bar r) - (r - \bar r)\,\Delta t` over bins and units, with each unit's mean rate.

    Args:
        rates: Hz; for the same trials, bins and units.
        counts: spikes in each bin.
        bin: width of a bin, s.

    Raises:
        ComparisonError: shapes differ, or there are no spikes.
    """
    if rates.shape != counts.shape:
        raise ComparisonError(f"bits per spike: rates are {rates.shape} and counts {counts.shape}; they should be of the same trials and bins.")
    if not counts.sum() > 0:
        raise ComparisonError("bits per spike: there is no spike to predict.")
    mean = counts.mean(axis=(0, 1)) / bin
    fires = mean > 0
    r = np.maximum(rates, FLOOR)
    gain = (counts * np.log(r / np.where(fires, mean, 1.0)) - (r - mean) * bin)[..., fires]
    return SpikeInformation(gain.sum(axis=(1, 2)), counts.sum(axis=(1, 2)))


@threadpool_limits.wrap(limits=1)
def co_smoothing(trials: Trials, *, share: float = HELD_OUT, sd: float = SD, bin: float = BIN, seed: int = 0) -> SpikeInformation:
    """Return how well the smoothed spikes of some units predict those of the others, in trials that were not used for the regression.

    Each held-out unit has a Poisson regression on the standardised smoothed counts of the other units; of three penalties, the one that best
    predicts a fifth of the training trials is used.

    Args:
        trials: trials with spikes.
        share: fraction of the units that is held out.
        sd: standard deviation of the Gaussian that smooths the other units' spikes, s.
        bin: width of a bin, s.
        seed: of the choice of held-out units and of the folds.

    Raises:
        ComparisonError: there are fewer than two units, a condition has fewer trials than there are folds, or the held-out units never fire.
    """
    counts = trials.counts(bin).astype(float)
    units = set_aside(range(counts.shape[2]), share, seed=seed).within(order_by_content(counts.T))
    heard, wanted = smoothed_over_time(counts[..., units.train], sd / bin), counts[..., units.test]
    rates, strata = np.empty_like(wanted), trials.condition
    order = order_by_content(counts)
    for each in folds(range(len(counts)), count=CO_SMOOTHING_FOLDS, strata=strata[order].tolist(), seed=seed):
        split = each.within(order)
        inner = set_aside(range(len(split.train)), 1 / CO_SMOOTHING_FOLDS, strata=strata[split.train].tolist(), seed=seed).within(split.train)
        tried = [spike_information(_predicted(heard, wanted, inner, penalty) / bin, wanted[inner.test], bin).gain.sum() for penalty in PENALTIES]
        rates[split.test] = _predicted(heard, wanted, split, PENALTIES[int(np.argmax(tried))]) / bin
    return spike_information(rates, wanted, bin)


def _predicted(heard: ndarray, wanted: ndarray, split: Split, penalty: float) -> Float[ndarray, "trial time unit"]:
    """Return expected counts in the test trials."""
    from sklearn.linear_model import PoissonRegressor

    train, test = (heard[part].reshape(-1, heard.shape[2]) for part in (split.train, split.test))
    mean, scale = train.mean(axis=0), np.maximum(train.std(axis=0), FLOOR)
    found = np.zeros((len(split.test), *wanted.shape[1:]))
    for unit in np.flatnonzero(wanted[split.train].any(axis=(0, 1))):
        fitted = PoissonRegressor(alpha=penalty, max_iter=PASSES).fit((train - mean) / scale, wanted[split.train, :, unit].ravel())
        found[..., unit] = fitted.predict((test - mean) / scale).reshape(found.shape[:2])
    return found
