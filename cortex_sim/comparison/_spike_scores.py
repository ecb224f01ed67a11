"""Statistics of spikes as scores, with Poisson units of the same rates as the null, and a recording or independence as the reference."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from scipy.special import stdtrit

from cortex_sim.analysis import ALL_UNITS, DECODING_FOLDS, SpikeStatistics, co_smoothing, population_synchrony, spike_statistics
from cortex_sim.runtime import seed_of
from cortex_sim.statistics import Score, jackknifed, poisson_surrogate
from cortex_sim.trials import Trials

RATE, CV2, FANO, CORRELATION = "mean rate (Hz)", "CV2", "Fano factor", "count correlation"
SPIKE_MEASURES = {RATE: "rate", CV2: "cv2", FANO: "fano", CORRELATION: "correlation"}
CO_SMOOTHING = "co-smoothing (bits per spike)"
SYNCHRONY, NETWORK_SYNCHRONY = "5 ms synchrony", "5 ms synchrony of whole populations"
INDEPENDENT = {CV2: 1.0, FANO: 1.0, CORRELATION: 0.0, SYNCHRONY: 1.0}  # what independent Poisson units have
POISSON = "Poisson units of the same rates in each condition"
NO_SURROGATE = "no unit of the surrogates has one"
SAME = "a surrogate of the same rates has the same rate"
NO_CEILING = "nothing is predicted trial by trial; the recording's own value is given with its interval"
SMOOTHED_NULLS = 10  # of co-smoothing
TENTHS = 10  # parts of the trials that are omitted in turn


def spike_estimates(found: SpikeStatistics) -> dict[str, float]:
    """Return the mean of every statistic over units, and the synchrony of all units."""
    return {label: found.mean(key) for label, key in SPIKE_MEASURES.items()} | {SYNCHRONY: found.synchrony[ALL_UNITS]}


def spike_scores(name: str, trials: Trials, found: SpikeStatistics, *, wanted: Mapping[str, float], draws: int, seed: int) -> list[Score]:
    """Return the statistics of some units as scores; intervals are over units and trials, that of synchrony over trials.

    All units were recorded in the same trials, whose gain they share, so that omitting units alone gives too narrow an interval. Errors from omitting
    units, and tenths of the trials, add up as their squares do, which is slightly too wide: both hold what is peculiar to a unit in a trial.

    A statistic that no unit has, there or in what it is compared with, has no score; surrogates where no unit has it are left out of the null.

    Args:
        name: name of the units.
        trials: their spikes.
        found: their statistics.
        wanted: target value of every statistic that has one.
        draws: number of surrogates.
        seed: of the surrogates, and of the choice of units for correlations.
    """
    null = [spike_estimates(spike_statistics(_surrogate(trials, seed, draw), seed=seed)) for draw in range(draws)]
    scores, by_trials = [], _over_trials(trials, seed)
    for label, estimate in spike_estimates(found).items():
        if label not in wanted or not np.isfinite([estimate, wanted[label]]).all():
            continue
        over, having, evaluate = _left_out(label, trials, found)
        values = np.array([drawn[label] for drawn in null])
        surrogates = values[np.isfinite(values)] if label != RATE and np.isfinite(values).any() else None
        interval = jackknifed(evaluate, having) if having >= 3 else None
        if interval and over == "units" and by_trials:
            reach = float(np.hypot((interval[1] - interval[0]) / 2, by_trials[label]))
            interval, over_both = (estimate - reach, estimate + reach), "units and trials"
        else:
            over_both = over
        drawn_from = POISSON if surrogates is not None else SAME if label == RATE else NO_SURROGATE
        scores.append(Score(
            label, name, f"{trials.shape[0]} trials of {trials.time.size * trials.bin * 1e3:g} ms", estimate, "closer", wanted[label],
            surrogates, drawn_from, interval, over_both if interval else f"{having} {over} have one; 3 are needed",
            ceiling_reason=NO_CEILING, settings={"drawn": trials.shape[2], over: having},
        ))  # fmt: skip
    return scores


def synchrony_scores(trials: Trials, *, draws: int, seed: int) -> list[Score]:
    """Return the synchrony of whole populations as scores; intervals omit trials in turn.

    Args:
        trials: with the spikes of all neurons.
        draws: number of surrogates.
        seed: of the surrogates.
    """
    surrogates, count = [_surrogate(trials, seed, draw) for draw in range(draws)], trials.shape[0]
    shorter = [trials.select(np.delete(np.arange(count), left)) for left in range(count)]
    scores = []
    for name in (*(name for name in dict.fromkeys(trials.population.tolist()) if name), ALL_UNITS):
        estimate = population_synchrony(trials, population=name)
        null = np.array([population_synchrony(drawn, population=name) for drawn in surrogates])
        without = [population_synchrony(kept, population=name) for kept in shorter]

        def evaluate(kept: ndarray, without: list[float] = without, estimate: float = estimate) -> float:
            return estimate if len(kept) == count else without[np.setdiff1d(np.arange(count), kept)[0]]

        interval, over = (jackknifed(evaluate, count), "trials") if count >= 3 else (None, f"{count} trials; 3 are needed")
        units = int(((trials.population == name) | (name == ALL_UNITS)).sum())
        scores.append(Score(
            NETWORK_SYNCHRONY, name, f"{count} trials", estimate, "closer", 1.0, null, POISSON, interval, over, ceiling_reason=NO_CEILING,
            settings={"units": units},
        ))  # fmt: skip
    return scores


def co_smoothing_scores(sides: Mapping[str, Trials], recording: str, *, seed: int) -> list[Score]:
    """Return how well three quarters of the units predict the spikes of the rest; sides with too few trials for cross-validation have no score.

    Args:
        sides: spikes by name.
        recording: name of the side that is the target of the others; if it is absent, the target is 0.
        seed: of the quarters, and of the surrogates.
    """
    enough = {name: trials for name, trials in sides.items() if np.unique(trials.condition, return_counts=True)[1].min() >= DECODING_FOLDS}
    found = {name: co_smoothing(trials, seed=seed) for name, trials in enough.items()}
    wanted = found[recording].bits if recording in found else 0.0
    nulls = {name: np.array([co_smoothing(_surrogate(trials, seed, draw), seed=seed).bits for draw in range(SMOOTHED_NULLS)])
             for name, trials in enough.items()}  # fmt: skip
    return [
        Score(CO_SMOOTHING, name, f"{len(told.gain)} trials", told.bits, "closer", wanted, nulls[name], POISSON,
              jackknifed(told.of, len(told.gain)), "trials, for the quarter held out", ceiling_reason="other units' spikes are no model of the rates")
        for name, told in found.items()
    ]  # fmt: skip


def _surrogate(trials: Trials, seed: int, draw: int) -> Trials:
    return poisson_surrogate(trials, seed=seed_of(seed, "null", "surrogates of spike_statistics", draw))


def _over_trials(trials: Trials, seed: int) -> dict[str, float]:
    """Return half the width of the interval of every statistic over tenths of the trials of each condition; empty with fewer than three trials."""
    order = np.argsort(np.unique(trials.condition, return_inverse=True)[1], kind="stable")
    parts = min(TENTHS, len(order))
    if parts < 3:
        return {}
    part = np.empty(len(order), dtype=int)
    part[order] = np.arange(len(order)) % parts
    without = [spike_estimates(spike_statistics(trials.select(np.flatnonzero(part != left)), seed=seed)) for left in range(parts)]
    values = {label: np.array([found[label] for found in without]) for label in without[0]}
    reach = float(stdtrit(parts - 1, 0.975))
    return {label: reach * float(np.sqrt((parts - 1) * np.nanvar(each))) if np.isfinite(each).any() else 0.0 for label, each in values.items()}


def _left_out(label: str, trials: Trials, found: SpikeStatistics) -> tuple[str, int, Callable[[Int[ndarray, " kept"]], float]]:
    """Return what is omitted in turn for the interval of a statistic, their number, and the statistic as a function of those kept."""
    if label == SYNCHRONY:
        return "trials", trials.shape[0], lambda kept: population_synchrony(trials.select(kept))
    key = SPIKE_MEASURES[label]
    values = found.correlation if key == "correlation" else np.atleast_2d(getattr(found, key))
    having = np.flatnonzero(np.isfinite(values).any(axis=0))
    having = found.paired[having] if key == "correlation" else having
    return "units", len(having), lambda kept: found.mean(key, having[kept])
