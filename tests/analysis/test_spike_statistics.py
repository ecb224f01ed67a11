"""Statistics of spikes: Poisson, clocks and gamma processes have them in closed form, and a recording has known ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim.analysis import _spike_statistics as stats
from cortex_sim.analysis._decoding import decoding
from cortex_sim.errors import ComparisonError, TrialsError
from cortex_sim.statistics._surrogates import poisson_surrogate
from cortex_sim.trials._trials import Trials


def spikes(trains: Sequence[Sequence[Any]], duration: float, **more: Any) -> Trials:
    """Trials from times in s, by trial and unit, on bins of 10 ms."""
    flat = [(t, unit, trial) for trial, units in enumerate(trains) for unit, train in enumerate(units) for t in train]
    when, unit, trial = np.array(flat).reshape(-1, 3).T
    more = {"condition": np.zeros(len(trains)), "units": len(trains[0])} | more
    return Trials.from_spikes((when, unit.astype(int), trial.astype(int)), np.arange(round(duration * 100)) / 100, **more)


def random(rate: float | np.ndarray, duration: float, trials: int, units: int, *, seed: int = 0, **more: Any) -> Trials:
    """Independent Poisson units; rates in Hz, (trial, unit)."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(np.broadcast_to(rate, (trials, units)) * duration)
    trial, unit = (np.repeat(place.ravel(), counts.ravel()) for place in np.indices(counts.shape))
    more = {"condition": np.zeros(trials), "units": units} | more
    return Trials.from_spikes((rng.uniform(0, duration, trial.size), unit, trial), np.arange(round(duration * 100)) / 100, **more)


def renewal(intervals: np.ndarray) -> Trials:
    """One trial, a row of intervals in s for each unit."""
    times = np.cumsum(intervals, axis=1)
    return spikes([times], np.ceil(times.max()) + 1)


def shenoy(folder: Path, name: str) -> Trials:
    with np.load(folder / f"shenoy_{name}_spikes.npz") as file:
        stop = file["trial_duration_ms"] / 1e3
        where = (file["spike_time_ms"] / 1e3, file["spike_unit"], file["spike_trial"])
        return Trials.from_spikes(where, np.arange(np.ceil(stop.max() * 100)) / 100, units=61, condition=file["trial_condition"], stop=stop)


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


@pytest.mark.parametrize("duration", [0.4, 5.0])
def test_poisson_units_are_as_theory_says_however_short_the_trials(duration: float) -> None:
    rate, trials, units = 12.0, round(200 / duration), 30
    given = random(rate, duration, trials, units)
    found = stats.spike_statistics(given)
    counts = np.bincount(given.spikes.trial * units + given.spikes.unit, minlength=trials * units).reshape(trials, units)
    pairs = np.maximum(counts - 2, 0).sum(axis=0)  # each value is uniform on 0..2 given the count, and shares an interval with two others at most
    assert found.mean("rate") == pytest.approx(rate, abs=5 * np.sqrt(rate / (trials * duration * units)))
    assert found.mean("cv2") == pytest.approx(1, abs=5 * np.sqrt((1 / pairs).sum()) / units)
    assert found.mean("fano") == pytest.approx(1, abs=5 * np.sqrt(2 / (trials - 1) / units))  # variance given the total: 2 (1 - 1/N)/(K - 1)
    noise = off_diagonal(found.correlation)  # of independent units: uncorrelated, with variance 1/(K - 1)
    assert noise.mean() == pytest.approx(0, abs=5 / np.sqrt((trials - 1) * noise.size))
    assert noise.std() == pytest.approx(1 / np.sqrt(trials - 1), rel=5 / np.sqrt(2 * units))  # no fewer than `units` independent values
    x = (np.arange(100_000) + 0.5) * duration / 100_000  # the trap: an interval of x s fits into a trial at duration - x places, so CV is below 1
    weight = np.exp(-rate * x) * (duration - x)
    first, second = (np.average(x**power, weights=weight) for power in (1, 2))
    assert found.mean("cv") == pytest.approx(np.sqrt(second / first**2 - 1), abs=5 * found.cv.std(ddof=1) / np.sqrt(units))


def test_a_clock_is_regular_and_trials_are_not_joined() -> None:
    clock = [[np.arange(start, 0.5, 0.05) for start in (0.01 + 0.007 * trial, 0.04)] for trial in range(4)]
    found = stats.spike_statistics(spikes(clock, 0.5))
    np.testing.assert_allclose([found.cv2, found.cv], 0, atol=1e-12)  # round-off of times / interval


@pytest.mark.parametrize(("order", "cv2"), [(1, 1.0), (2, 0.75)])
def test_gamma_intervals_have_the_irregularity_of_their_order(order: int, cv2: float) -> None:
    """CV = 1/sqrt(k); a/(a + b) of two intervals is Beta(k, k), so CV2 = 2 E|2B - 1|, which is 1 for k = 1 and 3/4 for k = 2."""
    number, units = 2000, 40
    found = stats.spike_statistics(renewal(np.random.default_rng(order).gamma(order, 0.05 / order, (units, number))), paired=2)
    error = 5 * found.cv.std(ddof=1) / np.sqrt(units)
    assert found.mean("cv") == pytest.approx(1 / np.sqrt(order), abs=error + 2 / number)  # bias of a ratio is of order 1/number
    assert found.mean("cv2") == pytest.approx(cv2, abs=5 * found.cv2.std(ddof=1) / np.sqrt(units))


def test_alternating_intervals_are_exact() -> None:
    found = stats.spike_statistics(renewal(np.tile([0.03, 0.01], (1, 30))))  # CV2 = 2 |3 - 1|/(3 + 1); 59 intervals lie between 60 spikes
    assert found.cv2[0] == pytest.approx(1.0, rel=1e-9)
    between = np.r_[np.full(30, 0.01), np.full(29, 0.03)]
    assert found.cv[0] == pytest.approx(between.std() / between.mean(), rel=1e-9)


def counted(counts: Sequence[Sequence[int]], **more: Any) -> Trials:
    """So many spikes by trial and unit, evenly spread in 1 s."""
    return spikes([[np.linspace(0.1, 0.9, number) for number in row] for row in counts], 1.0, **more)


def test_fano_factor_and_correlation_are_within_conditions() -> None:
    given = counted([[2, 30], [20, 4], [6, 40], [22, 0], [5, 1], [1, 35]], condition=["a", "b", "a", "b", "c", "a"])
    found = stats.spike_statistics(given)
    expected = np.array([[7 / 3, 25 / 35], [2 / 21, 8 / 2], [np.nan, np.nan]])  # unbiased variance over mean; one trial has none
    np.testing.assert_allclose(found.fano, expected, rtol=1e-12)
    residuals = np.array([[-1, -5], [3, 5], [-2, 0], [-1, 2], [1, -2]])  # from the means (3, 35) and (21, 2)
    assert found.correlation[0, 1] == pytest.approx((residuals[:, 0] @ residuals[:, 1]) / np.sqrt((residuals**2).sum(axis=0).prod()), rel=1e-12)
    assert np.isnan(np.diag(found.correlation)).all()
    assert found.median("fano", [1]) == pytest.approx((25 / 35 + 4) / 2) and found.mean("fano") == pytest.approx(np.nanmean(expected))


def test_a_unit_of_one_spike_a_trial_or_fewer_has_no_fano_factor() -> None:
    found = stats.spike_statistics(counted([[1, 0, 2], [1, 0, 1]]))
    assert np.isnan(found.fano[0, :2]).all() and found.fano[0, 2] == pytest.approx(0.5 / 1.5)
    assert found.paired.tolist() == [0, 2] and np.isnan(found.correlation).all()  # the silent one is not paired; one that does not vary has none


def test_a_common_process_correlates_counts_by_its_share() -> None:
    """Counts of two units with spikes of a common process added: covariance is its rate, so the correlation is its share of the rate."""
    own, common, trials, groups = 12.0, 8.0, 300, 100
    a, b, shared = (random(rate, 1.0, trials, groups, seed=seed).spikes for seed, rate in ((1, own), (2, own), (3, common)))
    when = np.concatenate([a.time, b.time, shared.time, shared.time])
    unit = np.concatenate([2 * a.unit, 2 * b.unit + 1, 2 * shared.unit, 2 * shared.unit + 1])
    trial = np.concatenate([a.trial, b.trial, shared.trial, shared.trial])
    given = Trials.from_spikes((when, unit, trial), np.arange(100) / 100, units=2 * groups, condition=np.zeros(trials))
    found = stats.spike_statistics(given)
    planted = found.correlation[np.arange(0, 2 * groups, 2), np.arange(1, 2 * groups, 2)]
    expected, bias = common / (own + common), 1 / trials  # r is biased by less than r/(2 n)
    assert planted.mean() == pytest.approx(expected, abs=5 * planted.std(ddof=1) / np.sqrt(groups) + bias)
    apart = found.correlation[np.arange(0, 2 * groups, 4), np.arange(2, 2 * groups, 4)]
    assert apart.mean() == pytest.approx(0, abs=5 / np.sqrt(trials * len(apart)))


def test_tuning_alone_is_no_correlation() -> None:
    condition = np.arange(200) % 2
    given = random(np.where(condition, 30.0, 5.0)[:, None], 1.0, 200, 40, condition=condition)
    pairs = (np.arange(0, 40, 2), np.arange(1, 40, 2))
    tuned = np.corrcoef(given.counts().sum(axis=1).T)[pairs]
    assert tuned.mean() > 0.8  # the trap: both prefer the same condition
    assert stats.spike_statistics(given).correlation[pairs].mean() == pytest.approx(0, abs=5 / np.sqrt(198 * 20))


def test_correlations_are_between_a_seeded_draw_of_units_that_fire() -> None:
    given = random(np.where(np.arange(50) % 2, 10.0, 0.0), 1.0, 20, 50)
    first, again, other = (stats.spike_statistics(given, paired=8, seed=seed) for seed in (0, 0, 1))
    assert first.correlation.shape == (8, 8) and (first.paired % 2 == 1).all() and len(set(first.paired)) == 8
    assert first.paired.tolist() == again.paired.tolist() != other.paired.tolist()
    whole = stats.spike_statistics(given)
    np.testing.assert_allclose(first.correlation, whole.correlation[np.ix_(first.paired // 2, first.paired // 2)])


@pytest.mark.parametrize(("copies", "units"), [(1, 40), (40, 1)])
def test_synchrony_is_one_for_independent_units_and_their_number_for_identical_ones(copies: int, units: int) -> None:
    given = random(20.0, 10.0, 3, units)
    when, unit, trial = (np.tile(part, copies) for part in given.spikes)
    unit = unit + np.repeat(np.arange(copies), given.spikes.time.size) * units
    both = Trials.from_spikes((when, unit, trial), given.time, units=40, condition=np.zeros(3), population=np.repeat(["a", "b"], 20))
    bins = 3 * 2000
    assert stats.population_synchrony(both) == pytest.approx(copies, rel=5 * np.sqrt(2 / (bins - 1)))
    assert stats.population_synchrony(both, population="b") == pytest.approx(max(1, copies / 2), rel=5 * np.sqrt(2 / (bins - 1)))
    assert list(stats.spike_statistics(both).synchrony) == ["a", "b", "all"]


def test_spikes_on_the_edge_of_a_bin_fall_into_the_bin_that_starts_there() -> None:
    every = np.round(np.arange(0, 0.4, 0.005), 9)
    given = spikes([[every], [every[:61]]], 0.4, stop=[0.4, 0.303])  # the second trial ends within a bin, which is left out with its spike
    assert stats.population_synchrony(given) == 0.0  # one spike in every bin
    with pytest.raises(ComparisonError, match=r"trials hold 1 bins of 300 ms; at least 2 are needed"):
        stats.population_synchrony(given.select([1]), bin=0.3)


def test_rates_count_every_trial_the_same() -> None:
    given = spikes([[[0.0, 0.2, 0.5], []], [[0.1], [0.1, 1.0]]], 1.0, stop=[0.5, 1.0])
    np.testing.assert_allclose(stats.spike_statistics(given).rate, [(3 / 0.5 + 1) / 2, (0 + 2) / 2])


def test_a_window_cuts_everything_and_counts_end_with_the_first_trial() -> None:
    given = spikes([[[0.05, 0.2, 0.3]], [[0.2, 0.3, 0.7, 0.8]]], 1.0, stop=[0.5, 1.0])
    whole, cut = stats.spike_statistics(given), stats.spike_statistics(given, window=(0.1, 0.4))
    assert whole.counting == (0.0, 0.5) and whole.fano[0, 0] == pytest.approx(0.5 / 2.5)
    assert cut.counting == pytest.approx((0.1, 0.4)) and cut.fano[0, 0] == 0 and cut.rate[0] == pytest.approx(2 / 0.3)
    late = stats.spike_statistics(given, window=(0.6, 0.9))
    assert late.rate[0] == pytest.approx(2 / 0.3)  # the trial that ended before is set aside


def test_order_of_units_and_trials_does_not_matter() -> None:
    given = random(15.0, 0.5, 24, 12, condition=np.arange(24) % 3)
    units, trials = np.random.default_rng(1).permutation(12), np.random.default_rng(2).permutation(24)
    plain, mixed = stats.spike_statistics(given), stats.spike_statistics(given.units(units).select(trials))
    labels = list(dict.fromkeys(given.condition[trials].tolist()))
    for name in ("rate", "cv2", "cv"):
        np.testing.assert_allclose(getattr(mixed, name), getattr(plain, name)[units], rtol=1e-12)
    np.testing.assert_allclose(mixed.fano, plain.fano[np.ix_(labels, units)], rtol=1e-12)
    np.testing.assert_allclose(mixed.correlation, plain.correlation[np.ix_(units, units)], rtol=1e-9, atol=1e-12)
    assert mixed.synchrony == pytest.approx(plain.synchrony)


def test_a_summary_has_every_population_and_all() -> None:
    given = random(np.repeat([2.0, 20.0, 0.0], [6, 4, 2]), 1.0, 40, 12, population=np.repeat(["slow", "fast", "silent"], [6, 4, 2]))
    found = stats.spike_statistics(given)
    summary = found.summary()
    assert list(summary) == ["slow", "fast", "silent", "all"] and [s.units for s in summary.values()] == [6, 4, 2, 12]
    assert summary["fast"].rate == pytest.approx(found.rate[6:10].mean()) and summary["fast"].cv2 == np.median(found.cv2[6:10])
    assert summary["fast"].correlation == pytest.approx(off_diagonal(found.correlation[6:10, 6:10]).mean())
    assert summary["silent"].rate == 0 and np.isnan(summary["silent"][2:]).all()


def test_power_is_flat_for_poisson_units_and_peaks_at_a_rhythm() -> None:
    rate, units, trials = 10.0, 50, 40
    frequency, density = stats.population_spectrum(random(rate, 1.0, trials, units))
    assert frequency[0] == 2.0 and frequency[-1] == 498.0
    spread = np.sqrt(2 / (density.size * trials))  # a periodogram's deviation is its mean; the Hann window ties neighbours
    assert density.mean() == pytest.approx(2 * rate / units, rel=5 * spread)
    rng = np.random.default_rng(0)
    candidates = random(2 * rate, 1.0, trials, units).spikes
    kept = rng.uniform(size=candidates.time.size) < (1 + np.sin(2 * np.pi * 30 * candidates.time)) / 2
    thinned = Trials.from_spikes(tuple(part[kept] for part in candidates), np.arange(100) / 100, units=units, condition=np.zeros(trials))
    frequency, density = stats.population_spectrum(thinned)
    assert frequency[density.argmax()] == 30.0


def test_the_surrogate_keeps_rates_in_every_condition_and_nothing_else() -> None:
    condition, stop = np.array(["a", "b"] * 30), np.where(np.arange(60) < 30, 0.8, 1.0)
    clock = [[np.arange(0.01, 0.8, 0.02 if label == "a" else 0.1) for _ in range(5)] for label in condition]
    given = spikes(clock, 1.0, condition=condition, stop=stop, population=list("vwxyz"))
    drawn, again, other = (poisson_surrogate(given, seed=seed) for seed in (0, 0, 1))
    assert drawn.dataset.identical(again.dataset) and not drawn.dataset.identical(other.dataset)
    for label in "ab":
        before, after = (np.bincount(side.select(np.flatnonzero(condition == label)).spikes.unit) for side in (given, drawn))
        assert (np.abs(after - before) < 5 * np.sqrt(before)).all()
    np.testing.assert_array_equal(drawn.stop, stop)
    assert drawn.population.tolist() == list("vwxyz") and drawn.condition.tolist() == condition.tolist()
    late = np.bincount(drawn.spikes.trial, minlength=60)
    assert late[stop == 1.0].sum() / late[stop == 0.8].sum() == pytest.approx(1.25, rel=5 * np.sqrt(2 / late[stop == 0.8].sum()))
    times = drawn.spikes.time[stop[drawn.spikes.trial] == 1.0]
    assert times.mean() == pytest.approx(0.5, abs=5 / np.sqrt(12 * times.size))  # spread over the whole trial
    assert stats.spike_statistics(drawn).mean("cv2") > 0.9 > 0.01 > stats.spike_statistics(given).mean("cv2")


def test_rates_have_no_spike_statistics() -> None:
    with pytest.raises(TrialsError, match="trials hold rates, not spikes"):
        stats.spike_statistics(Trials.from_arrays(np.ones((2, 5, 3)), np.arange(5) / 100))


def test_counts_without_information_decode_at_chance_and_labelled_lines_perfectly() -> None:
    condition = np.arange(300) % 3
    alike = decoding(random(20.0, 0.4, 300, 10, condition=condition))
    assert alike == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / 300))
    assert decoding(random(np.where(condition[:, None] == np.arange(3), 100.0, 0.1), 0.4, 300, 3, condition=condition)) == 1.0


def test_decoding_looks_at_its_window_alone() -> None:
    condition, rng = np.repeat(["a", "b"], 50), np.random.default_rng(0)
    trains = [[np.linspace(0.0, 0.19, (10 if label == "a" else 2) + rng.integers(2)), rng.uniform(0.2, 0.5, rng.poisson(6))] for label in condition]
    given = spikes(trains, 0.5, condition=condition)
    assert decoding(given) == 1.0 and decoding(given, window=(0.0, 0.2)) == 1.0
    assert decoding(given, window=(0.2, 0.5)) == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 100))


def test_longer_trials_do_not_give_their_condition_away() -> None:
    condition = np.repeat(["a", "b"], 100)
    whole = random(30.0, 0.8, 200, 3, condition=condition)
    kept = whole.spikes.time < np.where(condition == "a", 0.4, 0.8)[whole.spikes.trial]
    where = tuple(part[kept] for part in whole.spikes)
    given = Trials.from_spikes(where, whole.time, units=3, condition=condition, stop=np.where(condition == "a", 0.4, 0.8))
    assert decoding(given) == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 200))


@pytest.mark.parametrize(("condition", "found"), [(["a"] * 10, "1 conditions of 10"), (["a"] * 6 + ["b"] * 4, "2 conditions of 4")])
def test_decoding_needs_conditions_and_repeats(condition: list[str], found: str) -> None:
    with pytest.raises(ComparisonError, match=rf"decoding: {found} trials or more; there should be 2 of at least 5 trials"):
        decoding(random(5.0, 0.2, 10, 3, condition=condition))


def test_the_known_answers_of_the_delay_recording_come_out(shared_data: Path) -> None:
    delay = shenoy(shared_data, "delay")
    found = stats.spike_statistics(delay)
    assert round(found.mean("rate"), 2) == 9.83
    assert round(found.median("fano"), 2) == 1.20
    assert round(found.median("cv2"), 2) == 0.88
    assert round(decoding(delay), 3) == 0.976


def test_the_known_answers_of_the_reach_recording_come_out(shared_data: Path) -> None:
    found = stats.spike_statistics(shenoy(shared_data, "reach"))
    assert round(found.mean("rate"), 2) == 11.93
    assert round(found.median("cv2"), 2) == 0.92


def test_the_surrogate_of_a_recording_is_poisson_at_its_rates(shared_data: Path) -> None:
    delay = shenoy(shared_data, "delay")
    found = stats.spike_statistics(poisson_surrogate(delay))
    number = delay.spikes.time.size
    assert found.mean("rate") == pytest.approx(9.83, rel=5 / np.sqrt(number) + 1e-3)
    assert found.mean("fano") == pytest.approx(1, abs=5 * np.sqrt(2 / 29 / np.isfinite(found.fano).sum()))
