"""Statistics of spike trains, all computed by elephant: rates, irregularity, variability over trials, synchrony, correlations.

elephant takes a second to import, so the functions that need it do so.
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
    """Statistics of one population; NaN where no unit of it has one.

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
    """What the spikes of every unit look like.

    Attributes:
        population: name of the population of each unit.
        rate: mean over trials of the rate in each, Hz.
        cv2: irregularity from pair to pair of successive intervals; NaN with fewer than ``PAIRS`` pairs.
        cv: coefficient of variation of the intervals, which short trials bias downwards; NaN where ``cv2`` is.
        fano: variance over mean of the count, over the trials of a condition; NaN with a mean of ``COUNTED`` spikes or fewer, or one trial.
        correlation: of counts over trials, the mean of each condition removed; between the units ``paired``, NaN of a unit with itself.
        paired: positions of the units that were paired.
        synchrony: Fano factor of the spikes of a whole population in bins of ``bin`` s, by population, ``ALL`` among them.
        counting: start and stop of the window in which spikes were counted for ``fano`` and ``correlation``, s.
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
        """Average ``"rate"``, ``"cv2"``, ``"cv"``, ``"fano"`` or ``"correlation"`` over these units, by position; over all that have one if None."""
        return _over(np.mean, self._values(measure, units))

    def median(self, measure: str, units: Sequence[int] | ndarray | None = None) -> float:
        """Take the median where :meth:`mean` takes the mean."""
        return _over(np.median, self._values(measure, units))

    def _values(self, measure: str, units: Sequence[int] | ndarray | None) -> ndarray:
        kept = np.arange(len(self.rate)) if units is None else np.asarray(units, dtype=int)
        if measure == "correlation":
            inside = np.isin(self.paired, kept)
            return self.correlation[np.ix_(inside, inside)]
        return getattr(self, measure)[..., kept]

    def summary(self) -> dict[str, SpikeSummary]:
        """Summarise each population, in order of first appearance, and all units together."""
        found = {}
        for name in self.synchrony:
            kept = np.flatnonzero((self.population == name) | (name == ALL_UNITS))
            typical = (self.median("cv2", kept), self.median("fano", kept), self.mean("correlation", kept))
            found[name] = SpikeSummary(len(kept), self.mean("rate", kept), *typical, self.synchrony[name])
        return found


def spike_statistics(
    trials: Trials, *, window: tuple[float, float] | None = None, bin: float = SYNCHRONY_BIN, paired: int = PAIRED, seed: int = 0
) -> SpikeStatistics:
    r"""Describe the spikes of every unit.

    Intervals and pairs of intervals are pooled over trials and never reach from one trial into the next. For a Poisson process CV2 is 1 in
    expectation however short the trials are, since given their number spikes lie uniformly; so is the Fano factor with the unbiased variance
    :math:`\sum(n_k-\bar n)^2/(K-1)`, which elephant's population variance is brought to. Counts are taken from the start until the first
    trial ends; for counts of 400 ms give a window of 400 ms. Correlations are covariances within conditions, pooled over conditions and
    divided by the deviations pooled alike, which is the correlation of counts less their condition mean.

    Args:
        trials: spikes.
        window: start and stop in s of what is looked at; everything if left out, but for trials that were broken off
            (:func:`.without_aborted`).
        bin: of the population's count, s.
        paired: most units that correlations are computed between, drawn from those that fire.
        seed: of that draw.

    Raises:
        TrialsError: the trials are rates.
        ComparisonError: some trial ends before the window starts.

    Source:
        Elephant (Denker et al. 2018); CV2: Holt et al. (1996) J Neurophysiol 75:1806. Fano factors of a condition where the mean count is above
        1 and CV2 of at least 20 pairs are the definitions by which recordings of the Shenoy lab have a median of 1.20 and 0.88.
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
    """Give the Fano factor over bins of how many spikes a whole population fires: 1 for independent Poisson units, N for N identical ones.

    Rates that change over time or between conditions add to it; the unfinished bin at the end of a trial is left out.

    Args:
        trials: spikes.
        population: name of the units taken together; all of them by default.
        bin: width, s.

    Raises:
        ComparisonError: fewer than two bins.
    """
    first = _first_bins(trials, bin)
    if first[-1] < 2:
        raise ComparisonError(f"synchrony: trials hold {first[-1]} bins of {bin * 1e3:g} ms; at least 2 are needed.")
    places = _places(trials, bin, first, population)
    return _fanofactor(np.split(places, np.searchsorted(places, np.arange(1, first[-1]))))


def population_spectrum(
    trials: Trials, *, population: str = ALL_UNITS, bin: float = SPECTRUM_BIN
) -> tuple[Float[ndarray, " frequency"], Float[ndarray, " frequency"]]:
    """Estimate the power spectrum of a population's mean rate by Welch's method, averaged over trials.

    N independent Poisson units of rate r have the flat one-sided spectrum 2 r/N.

    Args:
        trials: spikes; looked at from the start until the first one ends that was not broken off.
        population: name of the units taken together; all of them by default.
        bin: in which the rate is sampled, s.

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
    """Import a part of elephant without its filter, which would show everybody's warnings from then on."""
    with warnings.catch_warnings():
        return importlib.import_module(f"elephant.{part}")


def _trains(trials: Trials, until: float = np.inf) -> list[list[ndarray]]:
    """Times of every unit in every trial, s, before ``until``."""
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
    """CV2 and CV of every unit, intervals pooled over trials."""
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
    """Where the bins of each trial start, trials end to end, and how many bins there are."""
    return np.concatenate([[0], np.cumsum(np.floor((trials.stop - trials.time[0]) / bin + EDGE).astype(int))])


def _places(trials: Trials, bin: float, first: Int[ndarray, " edge"], population: str) -> Int[ndarray, " spike"]:
    """The bin of every spike of a population, trials end to end, rising."""
    when, unit, trial = trials.spikes
    place = np.floor((when - trials.time[0]) / bin + EDGE).astype(int)
    kept = (place < np.diff(first)[trial]) & _members(trials, population)[unit]
    return np.sort(first[trial[kept]] + place[kept])


def _over(average: Callable[[ndarray], float], values: ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(average(finite)) if finite.size else float("nan")
