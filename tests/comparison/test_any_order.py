"""No measure, and no held-out score, depends on the order of conditions, of trials or of units."""

import numpy as np
import pytest

from cortex_sim.analysis import co_smoothing
from cortex_sim.analysis._linear_system import held_out_likelihood
from cortex_sim.comparison._few_shot import few_shot_co_smoothing
from cortex_sim.comparison._measures import MEASURES
from cortex_sim.comparison._predictivity import decoding_transfer
from cortex_sim.comparison._trial_measures import TRIAL_MEASURES
from cortex_sim.trials import Trials

ROUND_OFF = 1e-9
CONDITIONS, REPEATS, BINS, UNITS = 9, 8, 24, 6


def sides(conditions: int = CONDITIONS, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Two systems that share most of what they do."""
    rng = np.random.default_rng(0)
    one, other = (np.cumsum(rng.normal(0, 4, (conditions, bins, UNITS)), axis=1) for _ in range(2))
    return one, 0.6 * one @ np.linalg.qr(rng.normal(size=(UNITS, UNITS)))[0] + 0.4 * other


def of_single_trials(seed: int) -> Trials:
    """Noisy trials of conditions whose names are in no order."""
    rng = np.random.default_rng(seed)
    means, noise = sides(5)[seed], np.cumsum(rng.normal(0, 2, (5 * REPEATS, BINS, UNITS)), axis=1)
    labels = np.repeat(["up", "left", "down", "right", "nowhere"], REPEATS)
    return Trials.from_arrays(np.repeat(means, REPEATS, axis=0) + noise, np.arange(BINS) * 0.01, condition=labels)


def with_spikes(counts: np.ndarray) -> Trials:
    trial, bin, unit, number = np.stack([*np.nonzero(counts), counts[np.nonzero(counts)]])
    when, unit, trial = (np.repeat(each, number) for each in ((bin + 0.5) * 0.02, unit, trial))
    return Trials.from_spikes((when, unit, trial), np.arange(counts.shape[1]) * 0.02, units=counts.shape[2], condition=np.arange(len(counts)) % 2)


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_does_not_depend_on_the_order_of_conditions_or_units(name: str) -> None:
    rng = np.random.default_rng(1)
    for shape in ((CONDITIONS, BINS), (40, 130)) if name != "DSA, Procrustes" else ((CONDITIONS, BINS),):  # the longer so that states are left out
        teacher, student = sides(*shape)
        expected, measure = MEASURES[name](teacher, student, 0.01), MEASURES[name]
        conditions, units = rng.permutation(len(teacher)), rng.permutation(UNITS)
        assert measure(teacher[conditions], student[conditions], 0.01) == pytest.approx(expected, rel=ROUND_OFF, abs=ROUND_OFF)
        assert measure(teacher[..., units], student[..., units], 0.01) == pytest.approx(expected, rel=ROUND_OFF, abs=ROUND_OFF)
        if not measure.same_units:
            apart = measure.of_images(teacher, student, 0.01)
            assert measure.of_images(teacher[..., units], student, 0.01) == pytest.approx(apart, rel=ROUND_OFF, abs=ROUND_OFF)


@pytest.mark.parametrize("name", TRIAL_MEASURES)
def test_a_measure_of_trials_does_not_depend_on_the_order_of_trials_conditions_or_units(name: str) -> None:
    rng, measure, a, b = np.random.default_rng(2), TRIAL_MEASURES[name], of_single_trials(0), of_single_trials(1)
    expected, count, units = measure(a, b), len(a.rate), rng.permutation(UNITS)
    assert measure(a.select(rng.permutation(count)), b.select(rng.permutation(count))) == pytest.approx(expected, rel=ROUND_OFF, abs=ROUND_OFF)
    assert measure(a.units(units), b.units(units)) == pytest.approx(expected, rel=ROUND_OFF, abs=ROUND_OFF)


def test_scores_of_held_out_trials_units_and_conditions_do_not_depend_on_their_order() -> None:
    rng = np.random.default_rng(3)
    teacher, student = sides(12)
    order, units = rng.permutation(12), rng.permutation(UNITS)
    output = teacher[..., :2] + rng.normal(0, 5, teacher[..., :2].shape)
    assert decoding_transfer(teacher[order], student[order], output[order]) == pytest.approx(
        decoding_transfer(teacher, student, output), rel=ROUND_OFF
    )
    shots = few_shot_co_smoothing(teacher, output, shots=[9])
    assert few_shot_co_smoothing(teacher[order], output[order], shots=[9]) == pytest.approx(shots, rel=ROUND_OFF)
    gains = held_out_likelihood(teacher, 2)
    assert held_out_likelihood(teacher[order][..., units], 2) == pytest.approx(gains[order], rel=1e-6)  # iterations end at one in a million
    counts = rng.poisson(np.exp(rng.normal(0, 0.5, (20, 15, 1)) + rng.normal(-1, 0.5, UNITS)))
    told = co_smoothing(with_spikes(counts)).bits
    mixed = 2 * rng.permutation(10)[:, None] + [0, 1]  # of trials within conditions, which alternate
    assert co_smoothing(with_spikes(counts[mixed.ravel()][..., units])).bits == pytest.approx(told, rel=1e-6)


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "DSA, Procrustes"])
def test_conditions_that_mirror_one_another_or_stand_in_the_middle_have_an_order_too(name: str) -> None:
    one, other = sides(4)
    still = np.zeros((1, BINS, UNITS))
    teacher, student = (np.concatenate([side, -side, still]) for side in (one, other))
    expected = MEASURES[name](teacher, student, 0.01)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(teacher))
        assert MEASURES[name](teacher[order], student[order], 0.01) == pytest.approx(expected, rel=ROUND_OFF, abs=ROUND_OFF)


def test_few_spikes_tell_trials_and_units_apart() -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(0.04, (40, 10, 8))
    told = co_smoothing(with_spikes(counts)).bits
    assert co_smoothing(with_spikes(counts[..., rng.permutation(8)])).bits == pytest.approx(told, rel=1e-6)
