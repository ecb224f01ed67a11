"""Movements of unequal length: what stands behind the end of one changes nothing, and movements of equal length give what they gave."""

from pathlib import Path

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.analysis._rotations import jpca, jpca_spanned, principal_components, soft_normalised
from cortex_sim.analysis._tangling import Tangled, tangling
from cortex_sim.cards import catalogue
from cortex_sim.errors import ComparisonError, OptionError, TrialsError
from cortex_sim.trials import Recording, Trials

CONDITIONS, BINS, UNITS, DT = 5, 40, 9, 0.01
RNG = np.random.default_rng(0)
RATES = np.cumsum(RNG.normal(size=(CONDITIONS, BINS, UNITS)), axis=1)
LENGTHS = np.array([40, 25, 33, 10, 18])
LASTING = np.arange(BINS) < LENGTHS[:, None]
JUNK = np.where(LASTING[:, :, None], RATES, 1e6 * RNG.normal(size=RATES.shape))


def q_by_hand(axes: int) -> np.ndarray:
    """The definition, movement by movement: Q over all times of all movements that are there."""
    parts = [RATES[number, :length] for number, length in enumerate(LENGTHS)]
    flat = np.concatenate(parts)
    directions = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:axes].T
    x = (flat - flat.mean(axis=0)) @ directions
    v = np.concatenate([np.gradient(part @ directions, DT, axis=0) for part in parts])
    apart = lambda y: ((y[:, None] - y[None]) ** 2).sum(axis=2)  # noqa: E731
    return (apart(v) / (apart(x) + 0.1 * (x**2).sum(axis=1).mean())).max(axis=1)


@pytest.mark.parametrize("axes", [2, 8])
def test_tangling_is_over_all_times_that_are_there(axes: int) -> None:
    found = tangling(JUNK, DT, axes=axes, lasting=LASTING)
    np.testing.assert_allclose(found[LASTING], q_by_hand(axes), rtol=1e-9)
    assert np.isnan(found[~LASTING]).all()
    np.testing.assert_array_equal(found, tangling(RATES, DT, axes=axes, lasting=LASTING))


def test_equal_lengths_give_the_same_to_the_bit() -> None:
    everywhere = np.ones((CONDITIONS, BINS), dtype=bool)
    np.testing.assert_array_equal(tangling(RATES, DT, lasting=everywhere), tangling(RATES, DT))
    normal = soft_normalised(RATES, np.ptp(RATES, axis=(0, 1)))
    one, other = jpca_spanned(normal, DT), jpca_spanned(normal, DT, lasting=everywhere)
    assert (one.r2_skew, one.r2) == (other.r2_skew, other.r2)
    for name in ("frequency", "variance", "projection", "M_skew"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_rotations_are_of_the_movement_that_is_there() -> None:
    turn, phase = 2 * np.pi * 3.0, RNG.uniform(0, 2 * np.pi, CONDITIONS)
    step = np.arctan(turn * DT)  # forward differences of a growing spiral are exactly a turn: x(t + dt) = (1 + dt M) x(t)
    growth = np.hypot(1.0, turn * DT) ** np.arange(BINS)
    angle = phase[:, None] + step * np.arange(BINS)
    planted = growth[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=2)
    found = jpca(np.where(LASTING[:, :, None], planted, 1e6), DT, lasting=LASTING)
    assert found.r2_skew == pytest.approx(1.0, abs=1e-9) and found.main_frequency == pytest.approx(3.0, rel=1e-9)
    assert np.isnan(found.projection[~LASTING]).all() and found.variance.sum() == pytest.approx(1.0)
    spread = np.ptp(RATES, axis=(0, 1))
    left, right = (jpca_spanned(soft_normalised(rates, spread, lasting=LASTING), DT, lasting=LASTING) for rates in (RATES, JUNK))
    assert left.r2_skew == right.r2_skew and left.r2 == right.r2
    np.testing.assert_array_equal(left.M_skew, right.M_skew)


def test_the_mean_over_conditions_is_of_those_that_are_there() -> None:
    found = soft_normalised(JUNK, np.ones(UNITS), constant=0.0, lasting=LASTING)
    late = found[0, 34:]  # one condition alone is its own mean
    assert (late == 0).all() and (found[~LASTING] == 0).all()
    np.testing.assert_allclose(found[[0, 2], 30], RATES[[0, 2], 30] - RATES[[0, 2], 30].mean(axis=0))


def test_trials_say_which_bins_are_theirs() -> None:
    stop = np.array([0.4, 0.249, 0.25, 0.1])
    trials = Trials.from_spikes(([0.05], [0], [0]), DT * np.arange(BINS), units=1, condition=range(4), stop=stop)
    assert trials.lasting.sum(axis=1).tolist() == [40, 24, 25, 10]
    assert trials.window(0.05, 0.1).lasting.all()


def test_rates_that_end_are_nothing_afterwards() -> None:
    time, stop = DT * np.arange(BINS), DT * LENGTHS
    trials = Trials.from_arrays(JUNK, time, stop=stop)
    np.testing.assert_array_equal(trials.lasting, LASTING)
    np.testing.assert_array_equal(trials.padded, np.where(LASTING[:, :, None], RATES, 0.0))
    assert trials.key == Trials.from_arrays(RATES, time, stop=stop).key and trials.dataset["rate"].isnull().values[~LASTING].all()
    for ask in (lambda: trials.rate, trials.averaged):
        with pytest.raises(TrialsError, match=r"trials end between 0\.1 and 0\.4 s; cut them to one length first"):
            ask()
    cut = trials.window(0.05, 0.3)
    assert cut.condition.tolist() == [0, 2] and cut.provenance["findings"] == [
        "3 of 5 trials end before 0.3 s, the end of the window, and are set aside."
    ]
    np.testing.assert_array_equal(cut.rate, RATES[[0, 2], 5:30])
    kept = trials.window(0.12, 0.3, short=True)
    assert kept.condition.tolist() == [0, 1, 2, 4] and kept.lasting.sum(axis=1).tolist() == [18, 13, 18, 6]
    np.testing.assert_array_equal(trials.select([3, 1]).units([2]).padded, trials.padded[[3, 1]][:, :, [2]])
    assert Trials.from_arrays(RATES, time, stop=np.full(CONDITIONS, 0.4)).key == Trials.from_arrays(RATES, time).key
    holed = RATES.copy()
    holed[1, 24, 3] = np.nan
    with pytest.raises(TrialsError, match="not finite at 1 places, first at trial 1, bin 24, unit 3"):
        Trials.from_arrays(holed, time, stop=stop)


@pytest.mark.parametrize("what", ["emg", "hand"])
def test_averages_that_are_nan_at_the_end_are_movements_of_unequal_length(tmp_path: Path, what: str) -> None:
    """A file as others make it: what no trial of a condition reaches is NaN, in rates and beside them."""
    gone = np.where(LASTING.T, 0.0, np.nan)
    beside = {"emg": np.tile(gone, (13, 1, 1)) + RNG.uniform(size=(13, BINS, CONDITIONS))} if what == "emg" else {}
    beside |= {name: (gone + RNG.normal(size=(BINS, CONDITIONS))).T for name in ("xhandposition", "yhandposition")} if what == "hand" else {}
    path = tmp_path / "reaches.npz"
    np.savez(path, firing_rate=(RATES + gone.T[:, :, None]).transpose(2, 1, 0), time_ms=10.0 * np.arange(BINS) - 100, **beside)
    trials = cs.read(path)
    np.testing.assert_array_equal(trials.lasting, LASTING)
    assert trials.provenance["findings"] == ["4 of 5 conditions end before the others, the first at 0 s: they are NaN from then on."]
    again = tmp_path / "again.nc"
    trials.save(again)
    assert cs.Trials.load(again).key == trials.key
    outputs, _ = cs.analysis.recorded_outputs(path, (-0.1, 0.3))
    np.testing.assert_array_equal(outputs.lasting, LASTING)
    found = Tangled.of(trials.padded, outputs.padded, DT, rng=np.random.default_rng(0), sets=2, rectified=True, lasting=LASTING)
    np.testing.assert_allclose(found.own[LASTING], q_by_hand(8), rtol=1e-9)
    assert found.below_outputs == np.mean(found.own[LASTING] < tangling(outputs.padded, DT, lasting=LASTING)[LASTING])
    assert all(low <= high for low, high in found.intervals(DT, {"below": lambda some: some.below_outputs}).values())


def test_the_protocol_of_tangling_takes_movements_of_unequal_length(tmp_path: Path) -> None:
    module, path = catalogue.protocol("tangling"), tmp_path / "reaches.npz"
    gone = np.where(LASTING.T, 0.0, np.nan)
    np.savez(
        path, firing_rate=(RATES + gone.T[:, :, None]).transpose(2, 1, 0), time_ms=10.0 * np.arange(BINS) - 100, emg=gone + RATES.transpose(2, 1, 0)
    )
    report = module.run(cs.load(module.MODEL), smoke=True, recording=Recording(path, {"window": (-0.1, 0.3)}))
    (share,) = [score for score in report.scores if score.student == module.RECORDING and score.measure == module.BELOW]
    assert 0 <= share.estimate <= 1 and share.split == "5 conditions"


def test_what_cannot_be_a_movement_is_refused() -> None:
    gap = LASTING.copy()
    gap[2, 10] = False
    for wrong, message in (
        (gap, "condition 2 has 32 bins, with gaps between them"),
        (np.arange(BINS) < np.array([40, 2, 9, 9, 9])[:, None], "condition 1 has 2 bins"),
    ):
        with pytest.raises(ComparisonError, match=message):
            tangling(RATES, DT, lasting=wrong)
    with pytest.raises(OptionError, match=r"lasting has shape \(3, 40\); the states are \(5, 40, 9\)"):
        principal_components(RATES, 2, lasting=LASTING[:3])
