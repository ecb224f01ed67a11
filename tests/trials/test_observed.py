"""What was not recorded is neither zero nor a category; short trials cut nobody else; masks are masks."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim.errors import OptionError, TrialsError
from cortex_sim.trials import complete, of_one_length, pieces, write_nwb
from cortex_sim.trials._trials import Trials

RATE, LASTS = 20, 1.0  # Hz, s: every unit fires evenly whenever it is seen
TRIALS, UNITS = 10, 3


def evenly(observed: np.ndarray | None = None, stop: np.ndarray | None = None) -> Trials:
    """Units that fire 20 times a second in trials in which they are observed, for as long as each trial lasts."""
    seen = np.ones((TRIALS, UNITS), dtype=bool) if observed is None else observed
    ends = np.full(TRIALS, LASTS) if stop is None else stop
    trial, unit, spike = np.nonzero(seen[:, :, None] & ((np.arange(RATE) + 0.5) / RATE < ends[:, None, None]))
    spikes = ((spike + 0.5) / RATE, unit, trial)
    trials = Trials.from_spikes(spikes, 0.05 * np.arange(20), units=UNITS, condition=np.arange(TRIALS) % 2, stop=ends)
    return trials if observed is None else trials.with_observed(observed)


def half() -> np.ndarray:
    """The last unit is lost after half of the trials."""
    seen = np.ones((TRIALS, UNITS), dtype=bool)
    seen[TRIALS // 2 :, -1] = False
    return seen


def test_averages_are_of_what_was_observed(tmp_path: Path) -> None:
    trials = evenly(half())
    for average in (trials.binned().averaged(), trials.smoothed(0.1).averaged()):
        np.testing.assert_allclose(average.rate.mean(axis=1), RATE)  # Hz, of all units in both conditions
        assert average.observed.all()
    trials.save(tmp_path / "t.nc")
    assert (Trials.load(tmp_path / "t.nc").observed == half()).all()
    assert trials.key != evenly(np.ones((TRIALS, UNITS), dtype=bool)).key


@pytest.mark.parametrize(
    "asked",
    [
        lambda trials, path: trials.counts(), lambda trials, path: trials.spikes, lambda trials, path: trials.binned().rate,
        lambda trials, path: pieces(trials, 0.5), lambda trials, path: write_nwb(trials, path / "t.nwb"),
    ],
)  # fmt: skip
def test_nothing_else_takes_what_was_not_observed_for_silence(tmp_path: Path, asked: Any) -> None:
    with pytest.raises(TrialsError, match="5 of 30 pairs of trial and unit were not observed, first trial 5, unit 2; average them"):
        asked(evenly(half()), tmp_path)


def test_what_has_gaps_can_be_left_out_with_as_little_as_possible(capsys: pytest.CaptureFixture[str]) -> None:
    by_unit, by_trial = half(), np.ones((TRIALS, UNITS), dtype=bool)
    by_trial[3] = False
    assert complete(evenly(by_unit)).shape == (TRIALS, 20, UNITS - 1)
    left = complete(evenly(by_trial))
    assert left.shape == (TRIALS - 1, 20, UNITS) and (left.counts().sum(axis=1) == RATE).all()
    assert left.provenance["findings"] == ["0 units and 1 trials that were not observed throughout are left out."]
    assert "trials: 0 units and 1 trials that were not" in capsys.readouterr().err
    whole = evenly()
    assert complete(whole) is whole


def test_a_unit_that_was_never_seen_in_a_condition_has_no_average() -> None:
    seen = half()
    seen[::2, 1] = False
    with pytest.raises(TrialsError, match="unit 1 was observed in no trial of condition 0; leave it out"):
        evenly(seen).binned().averaged()
    with pytest.raises(TrialsError, match=re.escape("observed holds bool of shape (10, 2); it should be True and False, (10, 3) (trial, unit).")):
        evenly().with_observed(seen[:, :2])


@pytest.mark.parametrize("axis", ["units", "select"])
def test_masks_are_masks_and_positions_positions(axis: str) -> None:
    trials, number = evenly(), {"units": UNITS, "select": TRIALS}[axis]
    mask = np.arange(number) % 2 == 1
    by_mask, by_position = (getattr(trials, axis)(chosen) for chosen in (mask, np.flatnonzero(mask)))
    assert by_mask.dataset.identical(by_position.dataset)
    assert getattr(trials, axis)(mask.tolist()).dataset.identical(by_mask.dataset)
    for wrong in (mask[:-1], [0.5], ["0"], [number], [-1], [[0]]):
        with pytest.raises(OptionError, match=rf"^(unit|trial)s of these trials: .*0 to {number - 1}"):
            getattr(trials, axis)(wrong)


def test_one_short_trial_is_set_aside_and_cuts_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    stop = np.full(TRIALS, LASTS)
    stop[4], stop[7] = 0.08, 0.93  # s: one was broken off, one is a little shorter
    trials = evenly(stop=stop)
    found = of_one_length(trials)
    assert found.shape == (TRIALS - 1, 18, UNITS) and np.ptp(found.stop) == 0 and found.stop[0] == pytest.approx(0.9)  # whole bins that all hold
    assert found.provenance["findings"] == ["1 of 10 trials last less than 0.5 s, half as long as is typical; they are set aside."]
    assert of_one_length(trials, 0.4).shape[1] == 8
    window = trials.window(0.0, 0.95)
    assert window.shape[0] == TRIALS - 2 and window.binned().rate.mean() == pytest.approx(RATE)
    assert window.provenance["findings"] == ["2 of 10 trials end before 0.95 s, the end of the window, and are set aside."]
    assert "2 of 10 trials end before 0.95 s" in capsys.readouterr().err
    trials.window(0.0, 0.95)
    assert capsys.readouterr().err == ""  # said once
    with pytest.raises(TrialsError, match=r"all 10 trials end before 1 s, the end of the window; the longest ends at 0.08 s"):
        evenly(stop=np.full(TRIALS, 0.08)).window(0.0, LASTS)


def test_labels_that_differ_by_round_off_are_one_condition_and_missing_ones_none() -> None:
    angles = np.arange(8) * np.pi / 4
    noisy = np.concatenate([angles, angles.astype(np.float32).astype(float), (angles / 3) * 3])
    trials = Trials.from_arrays(np.ones((24, 3, 2)), [0.0, 0.01, 0.02], condition=noisy)
    assert trials.condition.tolist() == np.tile(angles, 3).tolist()
    around = Trials.from_arrays(np.ones((9, 3, 2)), [0.0, 0.01, 0.02], condition=np.linspace(-np.pi, np.pi, 9))
    assert len(set(around.condition)) == 8 and around.condition[0] == around.condition[8]  # directions that differ by a turn
    assert len(set(Trials.from_arrays(np.ones((3, 3, 2)), [0.0, 0.01, 0.02], condition=[0.0, 2 * np.pi, 7.0]).condition)) == 3  # beyond a turn
    for labels in ([0.0, np.nan], ["a", ""], np.array(["a", None], dtype=object), np.array([1, np.nan], dtype=object)):
        with pytest.raises(TrialsError, match="1 trials have no condition, first trial 1; leave them out"):
            Trials.from_arrays(np.ones((2, 3, 2)), [0.0, 0.01, 0.02], condition=labels)


@pytest.mark.parametrize("start", [0.0, -0.6, 1.7e9], ids=["zero", "before", "UNIX time"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, ">f8", ">f4"])
def test_bins_are_even_to_within_the_round_off_of_their_numbers(start: float, kind: Any) -> None:
    time = (start + 0.01 * np.arange(61)).astype(kind)
    if start > 1 and np.dtype(kind).itemsize == 4:  # float32 holds UNIX time to 128 s
        with pytest.raises(TrialsError, match="bins should be even and rising"):
            Trials.from_arrays(np.ones((2, 61, 3)), time)
        return
    trials = Trials.from_arrays(np.ones((2, 61, 3)), time)
    assert trials.bin == pytest.approx(0.01, abs=2 * np.spacing(max(abs(start), 1.0)))
    uneven = time.copy()
    uneven[30] += 1e-3
    with pytest.raises(TrialsError, match="bins should be even and rising"):
        Trials.from_arrays(np.ones((2, 61, 3)), uneven)


def test_bins_after_the_end_of_a_trial_hold_no_zeros() -> None:
    trials = Trials.from_spikes(([0.01], [0], [0]), 0.01 * np.arange(40), units=1, condition=[0, 0], stop=np.array([0.03, 0.4]))
    for count in (trials.counts, trials.binned, lambda: trials.smoothed(0.02)):
        with pytest.raises(TrialsError, match=r"trials end between 0\.03 and 0\.4 s; cut them to one length first"):
            count()
    assert trials.window(0.0, 0.03).counts().shape == (2, 3, 1)
