"""Statistics of spike trains, all computed by elephant: rates, irregularity, trial-to-trial variability, synchrony, correlations.

elephant takes a second to import, so the functions that need it import it themselves.
"""

import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream
from cortex_sim.trials import Trials, without_aborted

CORRELATED_PAIRS = 20  # pairs of successive intervals below which a unit's irregularity is not estimated
COUNT_WINDOW = 1.0  # spikes a trial at or below which there is no Fano factor
SYNCHRONY_BIN = 5e-3  # s
SPECTRUM_BIN, SEGMENT = 1e-3, 0.5  # s: sampling of the population rate, and the stretch one spectrum is taken of
PAIRED = 300  # units between which correlations are computed
ALL_UNITS = "all"
EDGE = 1e-7  # bins by which a spike at an edge may be misplaced by round-off


class SpikeSummary(NamedTuple):
    """Statistics of one population; NaN if none of its units has a value.

    Attributes:
        units: number of units.
        rate: mean over units, Hz.
        cv2: median over units.
        fano: median over units and conditions.
        correlation: mean over pairs.
        synchrony: Fano factor of the population's count.
    """

    units: int
    rate: float
    cv2: float
    fano: float
    correlation: float
    synchrony: float


@dataclass(frozen=True)
class SpikeStatistics:
    """Spike statistics of every unit.

    Attributes:
        population: name of the population of each unit.
        rate: firing rate of each unit, mean over trials, Hz.
        cv2: local irregularity of successive intervals; NaN with fewer than ``PAIRS`` pairs.
        cv: coefficient of variation of the intervals, which short trials bias downwards; NaN if ``cv2`` is.
        fano: variance over mean of the count, over the trials of a condition; NaN with a mean of ``COUNTED`` spikes or fewer, or one trial.
        correlation: of counts over trials, the mean of each condition removed; between the units ``paired``, NaN on the diagonal.
        paired: indices of these units.
        synchrony: Fano factor of the spikes of a whole population in bins of ``bin`` s, by population, with ``ALL`` for all units.
        counting: start and stop of the window for ``fano`` and ``correlation``, s.
        bin: width of the bins of ``synchrony``, s.
    """

    population: ndarray
    rate: Float[ndarray, " unit"]
    cv2: Float[ndarray, " unit"]
    cv: Float[ndarray, " unit"]
    fano: Float[ndarray, "condition unit"]
    correlation: Float[ndarray, "paired paired"]
    paired: Int[ndarray, " paired"]
    synchrony: dict[str, float]
    counting: tuple[float, float]
    bin: float

    def mean(self, measure: str, units: Sequence[int] | ndarray | None = None) -> float:
        """Return the mean of ``"rate"``, ``"cv2"``, ``"cv"``, ``"fano"`` or ``"correlation"`` over these units; over all with a value if None."""
        return _over(np.mean, self._values(measure, units))

    def median(self, measure: str, units: Sequence[int] | ndarray | None = None) -> float:
        """Return the median; arguments as for :meth:`mean`."""
        return _over(np.median, self._values(measure, units))

    def _values(self, measure: str, units: Sequence[int] | ndarray | None) -> ndarray:
        kept = np.arange(len(self.rate)) if units is None else np.asarray(units, dtype=int)
        if measure == "correlation":
            inside = np.isin(self.paired, kept)
            return self.correlation[np.ix_(inside, inside)]
        return getattr(self, measure)[..., kept]

    def summary(self) -> dict[str, SpikeSummary]:
        """Return a summary of each population, in order of first appearance, and of all units together."""
        found = {}
        for name in self.synchrony:
            kept = np.flatnonzero((self.population == name) | (name == ALL_UNITS))
            typical = (self.median("cv2", kept), self.median("fano", kept), self.mean("correlation", kept))
            found[name] = SpikeSummary(len(kept), self.mean("rate", kept), *typical, self.synchrony[name])
        return found


def spike_statistics(
    trials: Trials, *, window: tuple[float, float] | None = None, bin: float = SYNCHRONY_BIN, paired: int = PAIRED, seed: int = 0
) -> SpikeStatistics:
    r"""Return statistics of the spikes of every unit.

    Intervals and pairs of intervals are pooled over trials and never span two trials. For a Poisson process the expectation of CV2 is 1
    however short the trials are, since spikes are uniformly distributed given their number. So is that of the Fano factor with the unbiased variance
    :math:`\sum(n_k-\bar n)^2/(K-1)`, to which elephant's population variance is converted. Counts run from the start until the first
    trial ends; for counts over 400 ms give a window of 400 ms. Correlations are covariances within conditions, pooled over conditions and
    divided by standard deviations pooled likewise, which is the correlation of counts minus their condition mean.

    Args:
        trials: trials with spikes.
        window: start and stop in s of the analysed part; if omitted, everything except aborted trials
            (:func:`.without_aborted`).
        bin: width of the bins of synchrony, s.
        paired: maximum number of units between which correlations are computed, drawn from those that fire.
        seed: of that draw.

    Raises:
        TrialsError: the trials contain rates, not spikes.
        ComparisonError: a trial ends before the window starts.

    Source:
        Elephant (Denker et al. 2018); CV2: Holt et al. (1996) J Neurophysiol 75:1806. Fano factors of conditions with a mean count above
        1, and CV2 from at least 20 pairs, are the definitions by which recordings of the Shenoy lab have medians of 1.20 and 0.88.
    """
    trials = without_aborted(trials) if window is None else trials.window(*window)
    start, stop = float(trials.time[0]), float(trials.stop.min())
    if stop <= start:
        raise ComparisonError(f"spikes: a trial ends at {stop:g} s, and what is looked at starts at {start:g} s; leave that trial out.")
    whole, counted = _trains(trials), _trains(trials, stop)
    conditions = [np.flatnonzero(trials.condition == label) for label in dict.fromkeys(trials.condition.tolist())]
    firing = np.flatnonzero([any(train.size for train in unit) for unit in counted])
    rng = stream(seed, "analysis", "neurons sampled")
    chosen = np.sort(rng.choice(firing, paired, replace=False)) if len(firing) > paired else firing
    cv2, cv = _irregularity(whole)
    names = [name for name in dict.fromkeys(trials.population.tolist()) if name]
    return SpikeStatistics(
        population=trials.population, rate=_rates(trials), cv2=cv2, cv=cv, fano=_fano(counted, conditions),
        correlation=_correlation([counted[unit] for unit in chosen], conditions), paired=chosen,
        synchrony={name: population_synchrony(trials, population=name, bin=bin) for name in (*names, ALL_UNITS)}, counting=(start, stop), bin=bin,
    )  # fmt: skip


def population_synchrony(trials: Trials, *, population: str = ALL_UNITS, bin: float = SYNCHRONY_BIN) -> float:
    """Return the Fano factor over bins of the spike count of a whole population: 1 for independent Poisson units, N for N identical ones.

    Rates that vary over time or between conditions increase it; the incomplete bin at the end of a trial is omitted.

    Args:
        trials: trials with spikes.
        population: name of the units to combine; all of them by default.
        bin: width of a bin, s.

    Raises:
        ComparisonError: there are fewer than two bins.
    """
    first = _first_bins(trials, bin)
    if first[-1] < 2:
        raise ComparisonError(f"synchrony: trials hold {first[-1]} bins of {bin * 1e3:g} ms; at least 2 are needed.")
    places = _places(trials, bin, first, population)
    return _fanofactor(np.split(places, np.searchsorted(places, np.arange(1, first[-1]))))


def population_spectrum(
    trials: Trials, *, population: str = ALL_UNITS, bin: float = SPECTRUM_BIN
) -> tuple[Float[ndarray, " frequency"], Float[ndarray, " frequency"]]:
    """Return the power spectrum of a population's mean rate by Welch's method, averaged over trials.

    N independent Poisson units with rate r have the flat one-sided spectrum 2 r/N.

    Args:
        trials: trials with spikes; used from the start until the first end of a trial that was not aborted.
        population: name of the units to combine; all of them by default.
        bin: sampling interval of the rate, s.

    Returns:
        Frequencies in Hz, between 0 and the Nyquist frequency, and the power spectral density in Hz²/Hz.
    """
    welch_psd = _elephant("spectral").welch_psd

    trials = without_aborted(trials)
    first = _first_bins(trials, bin)
    bins = int(np.diff(first).min())
    filled = np.bincount(_places(trials, bin, first, population), minlength=first[-1])
    counts = np.stack([filled[begin : begin + bins] for begin in first[:-1]])
    rate = counts / (bin * max(1, int(_members(trials, population).sum())))
    segment = min(bins, round(SEGMENT / bin))
    frequency, density = welch_psd(rate, len_segment=segment, fs=1 / bin)
    inner = slice(1, (segment + 1) // 2)  # a one-sided spectrum counts 0 and the Nyquist frequency once, all others twice
    return frequency[inner], density.mean(axis=0)[inner]


def _elephant(part: str) -> ModuleType:
    """Import a part of elephant without its warning filter, which would from then on show all warnings."""
    with warnings.catch_warnings():
        return importlib.import_module(f"elephant.{part}")


def _trains(trials: Trials, until: float = np.inf) -> list[list[ndarray]]:
    """Return the spike times of every unit in every trial, s, before ``until``."""
    (count, _, units), (when, unit, trial) = trials.shape, trials.spikes
    order = np.argsort(unit, kind="stable")  # which keeps trials, and times within them, in order
    order = order[when[order] < until]
    edges = np.searchsorted(unit[order].astype(np.int64) * count + trial[order], np.arange(1, units * count))
    flat = np.split(when[order], edges)
    return [flat[k * count : (k + 1) * count] for k in range(units)]


def _rates(trials: Trials) -> Float[ndarray, " unit"]:
    mean_firing_rate = _elephant("statistics").mean_firing_rate

    (count, _, units), start, stop, spikes = trials.shape, float(trials.time[0]), trials.stop, trials.spikes
    found = np.empty((count, units))
    for number, (begin, end) in enumerate(pairwise(np.searchsorted(spikes.trial, np.arange(count + 1)))):
        unit = spikes.unit[begin:end]
        order, fired = np.argsort(unit, kind="stable"), np.bincount(unit, minlength=units)
        padded = np.full((units, max(1, fired.max())), np.inf)  # one row a unit, so that one call does for all
        rank = np.arange(unit.size) - np.repeat(np.cumsum(fired) - fired, fired)
        padded[unit[order], rank] = np.clip(spikes.time[begin:end][order], start, stop[number])
        found[number] = mean_firing_rate(padded, t_start=start, t_stop=stop[number], axis=1)
    return found.mean(axis=0)


def _irregularity(trains: list[list[ndarray]]) -> tuple[Float[ndarray, " unit"], Float[ndarray, " unit"]]:
    """Return CV2 and CV of every unit, intervals pooled over trials."""
    cv = _elephant("statistics").cv
    cv2 = _elephant("statistics").cv2
    isi = _elephant("statistics").isi

    found = np.full((2, len(trains)), np.nan)
    for place, unit in enumerate(trains):
        intervals = [isi(train) for train in unit if train.size > 2]
        pairs = np.array([len(each) - 1 for each in intervals])
        if pairs.sum() >= CORRELATED_PAIRS:
            found[0, place] = np.average([cv2(each) for each in intervals], weights=pairs)
            found[1, place] = cv(np.concatenate([isi(train) for train in unit if train.size > 1]))
    return found[0], found[1]


def _fano(trains: list[list[ndarray]], conditions: list[ndarray]) -> Float[ndarray, "condition unit"]:
    found = np.full((len(conditions), len(trains)), np.nan)
    for row, kept in enumerate(conditions):
        for column, unit in enumerate(trains):
            repeats = [unit[trial] for trial in kept]
            if len(kept) > 1 and sum(map(len, repeats)) > COUNT_WINDOW * len(kept):
                found[row, column] = _fanofactor(repeats)
    return found


def _fanofactor(groups: Sequence[ndarray]) -> float:
    fanofactor = _elephant("statistics").fanofactor

    return float(fanofactor(groups)) * len(groups) / (len(groups) - 1)


def _correlation(trains: list[list[ndarray]], conditions: list[ndarray]) -> Float[ndarray, "paired paired"]:
    BinnedSpikeTrain = _elephant("conversion").BinnedSpikeTrain
    covariance = _elephant("spike_train_correlation").covariance
    from quantities import s

    repeated = [kept for kept in conditions if len(kept) > 1]
    if not trains or not repeated:
        return np.full((len(trains), len(trains)), np.nan)
    counts = np.array([[len(train) for train in unit] for unit in trains])
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.filterwarnings("ignore", message="Detected empty spike trains")  # in one of the conditions
        warnings.filterwarnings("ignore", message="The 'copy' argument in Quantity")  # elephant's own affair
        within = [covariance(BinnedSpikeTrain(counts[:, kept], bin_size=1 * s, t_start=0 * s)) for kept in repeated]  # a trial is a bin
        pooled = np.atleast_2d(np.average(within, axis=0, weights=[len(kept) - 1 for kept in repeated]))
        deviation = np.sqrt(np.diag(pooled))
        found = pooled / np.outer(deviation, deviation)
    np.fill_diagonal(found, np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _members(trials: Trials, population: str) -> ndarray:
    return (trials.population == population) | (population == ALL_UNITS)


def _first_bins(trials: Trials, bin: float) -> Int[ndarray, " edge"]:
    """Return the index at which the bins of each trial start, trials concatenated, and the total number of bins."""
    return np.concatenate([[0], np.cumsum(np.floor((trials.stop - trials.time[0]) / bin + EDGE).astype(int))])


def _places(trials: Trials, bin: float, first: Int[ndarray, " edge"], population: str) -> Int[ndarray, " spike"]:
    """Return the bin of every spike of a population, trials concatenated, in ascending order."""
    when, unit, trial = trials.spikes
    place = np.floor((when - trials.time[0]) / bin + EDGE).astype(int)
    kept = (place < np.diff(first)[trial]) & _members(trials, population)[unit]
    return np.sort(first[trial[kept]] + place[kept])


def _over(average: Callable[[ndarray], float], values: ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(average(finite)) if finite.size else float("nan")
