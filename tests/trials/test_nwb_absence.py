"""What a session does not hold is left out and counted; clocks that cannot be are refused, with the unit that was probably meant."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cortex_sim.errors import NotFound, OptionError, TrialsError
from cortex_sim.trials._behaviour import behaviour
from cortex_sim.trials._recordings import read

pynwb = pytest.importorskip("pynwb")

RATE, TRIALS = 20, 12  # Hz; trials of 1 s that start every 2 s, at 1 s
STARTS = 1.0 + 2.0 * np.arange(TRIALS)
EVENLY = (np.arange(RATE * (2 * TRIALS + 2)) + 0.5) / RATE  # s
PLACES = np.stack([np.arange(3000.0), -np.arange(3000.0)], axis=1) / 100


def wrote(
    path: Path,
    columns: dict[str, Any] | None = None,
    units: list[dict[str, Any]] | None = None,
    *,
    scale: float = 1.0,
    change: Callable[[Any], None] = lambda nwb: None,
) -> Path:
    """A session of two units that fire evenly throughout; every moment times a scale."""
    nwb = pynwb.NWBFile(session_description="reaches", identifier="x", session_start_time=datetime(2010, 5, 6, tzinfo=UTC))
    for name in columns or {}:
        nwb.add_trial_column(name=name, description=name)
    for row, start in enumerate(STARTS):
        more = {name: values[row] for name, values in (columns or {}).items()}
        nwb.add_trial(start_time=scale * start, stop_time=scale * (start + 1), **more)
    for unit in units or [{}, {}]:
        nwb.add_unit(**({"spike_times": scale * EVENLY} | unit))
    change(nwb)
    with pynwb.NWBHDF5IO(path, "w") as file:
        file.write(nwb)
    return path


def findings(trials: Any) -> list[str]:
    return trials.provenance.get("findings", [])


def test_what_a_unit_was_not_observed_in_is_no_silence(tmp_path: Path) -> None:
    half = [{"obs_intervals": [[0, 30]]}, {"obs_intervals": [[0, 8], [8, 13.5]], "spike_times": EVENLY[EVENLY < 13.5]}, {"obs_intervals": [[-1, 99]]}]
    trials = read(wrote(tmp_path / "f.nwb", {"direction": [0.0, 90.0] * 6}, half))
    # the sixth trial ends at 12 s, of the next half was seen; two intervals that touch are one
    assert trials.observed.sum(axis=0).tolist() == [12, 6, 12]
    np.testing.assert_allclose(trials.binned().averaged().rate.mean(axis=1), RATE)
    assert findings(trials) == ["6 of 36 pairs of trial and unit were not observed throughout (obs_intervals); averages leave them out."]


def test_invalid_times_take_their_trials_with_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def mark(nwb: Any) -> None:
        nwb.add_invalid_time_interval(start_time=4.5, stop_time=5.5)
        nwb.add_invalid_time_interval(start_time=8.0, stop_time=9.0)  # touches trials, and overlaps none

    path = wrote(tmp_path / "f.nwb", change=mark)
    trials = read(path)
    assert trials.shape[0] == TRIALS - 1 and trials.condition.tolist() == [0, 1, *range(3, TRIALS)]
    assert findings(trials) == ["1 of 12 trials lie in invalid_times, and are left out."] and trials.provenance["trials left out"] == 1
    read(path)
    assert capsys.readouterr().err.count("invalid_times") == 1


def test_trials_without_a_label_are_no_condition(tmp_path: Path) -> None:
    for labels, left in (([0.0, 90.0, np.nan] * 4, [0.0, 90.0]), (["a", "", "b"] * 4, ["a", "b"])):
        trials = read(wrote(tmp_path / "f.nwb", {"target_dir": labels}))
        assert trials.condition.tolist() == left * 4
        assert findings(trials) == ["4 of 12 trials have no label in target_dir, and are left out."]
    with pytest.raises(TrialsError, match="no trial is left: 12 of 12 trials have no label in target_dir, and are left out"):
        read(wrote(tmp_path / "f.nwb", {"target_dir": [np.nan] * 12}))


def test_a_condition_may_be_several_columns(tmp_path: Path) -> None:
    columns = {"kind": [0, 0, 1, 1] * 3, "version": [0.5, 1.5, np.nan] * 4}
    trials = read(wrote(tmp_path / "f.nwb", columns), condition=("kind", "version"))
    assert list(dict.fromkeys(trials.condition.tolist())) == ["0, 0.5", "0, 1.5", "1, 0.5", "1, 1.5"] and trials.shape[0] == 8
    assert trials.provenance["condition"] == "kind, version"
    with pytest.raises(NotFound, match="has no column 'versoin'"):
        read(tmp_path / "f.nwb", condition=["kind", "versoin"])


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("success == 1", [0, 2, 4, 6, 8, 10]), ("success == False and split == 'test'", [1, 5, 9]), ("reaction<0.35", [0, 1]),
        ("reaction != 0.3", [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]), ('split != "test" and reaction >= 0.85', [6, 7, 8, 10, 11]),
    ],
)  # fmt: skip
def test_trials_are_chosen_by_what_their_columns_hold(tmp_path: Path, where: str, rows: list[int]) -> None:
    reaction = 0.3 + 0.1 * np.arange(12)
    reaction[1], reaction[2] = 0.31, np.nan  # what is not known is neither equal nor unequal
    path = wrote(tmp_path / "f.nwb", {"success": [True, False] * 6, "split": ["train", "test", "val", "none"] * 3, "reaction": reaction})
    trials = read(path, where=where)
    assert trials.condition.tolist() == rows and trials.provenance["where"] == where


@pytest.mark.parametrize(
    ("where", "kind", "message"),
    [
        ("success", OptionError, "where 'success': 'success' is no comparison; it should be columns compared with values"),
        ("__import__('os') == 1", OptionError, "is no comparison"),
        ("sucess == 1", NotFound, "has no column 'sucess'"), ("split < 'b'", OptionError, "a column of texts can be == or !=, not <"),
        ("success == yes", OptionError, "the column holds bool, which yes is not; compare it with a number"),
        ("success == 2", TrialsError, "no trial is left: 12 of 12 trials are not where success == 2"),
    ],
)  # fmt: skip
def test_a_choice_that_cannot_be_made_is_refused(tmp_path: Path, where: str, kind: Any, message: str) -> None:
    path = wrote(tmp_path / "f.nwb", {"success": [True, False] * 6, "split": ["a", "b"] * 6})
    with pytest.raises(kind, match="f.nwb: ") as refused:
        read(path, where=where)
    assert message in str(refused.value)


def test_columns_of_one_value_in_rows_of_their_own_are_read(tmp_path: Path) -> None:
    path = wrote(tmp_path / "f.nwb", {"target_dir": np.arange(12.0) % 3})
    expected = read(path)
    with h5py.File(path, "a") as file:
        for name in ("start_time", "stop_time", "target_dir"):
            kept, said = file["intervals/trials"][name][:][:, None], dict(file["intervals/trials"][name].attrs)
            del file["intervals/trials"][name]
            file["intervals/trials"][name] = kept
            file["intervals/trials"][name].attrs.update(said)
    assert read(path).dataset.identical(expected.dataset)


@pytest.mark.parametrize(
    ("scale", "options", "message"),
    [
        (1e3, {}, "units fire at 0.02 Hz and trials are 2000 s apart, which is not plausible; times are probably in ms (20"),
        (1.0, {"align": "start_time", "window": (-200, 600)}, "is longer than the session, 23 s; it is in s: (-0.2, 0.6) may be meant."),
        (1.0, {"align": "start_time", "window": (0, 20)}, "windows overlap, 90% from 3 s on, so that a spike would be counted in several trials; it"),
        (1.0, {"align": "go", "window": (-0.2, 0.6)}, "a spike would be counted in several trials; spikes and trials should be on one clock"),
    ],
)
def test_clocks_that_cannot_be_are_refused_with_the_unit_that_was_probably_meant(tmp_path: Path, scale: float, options: Any, message: str) -> None:
    path = wrote(tmp_path / "f.nwb", {"go": 1.0 + 0.01 * np.arange(12)}, scale=scale)
    with pytest.raises(TrialsError, match="f.nwb: ") as refused:
        read(path, **options)
    assert message in str(refused.value)


def test_spikes_in_other_units_than_trials_are_told_apart_from_spikes_elsewhere(tmp_path: Path) -> None:
    for factor, said in ((1e3, " (spikes may be in ms)."), (1e6, " (spikes may be in µs).")):
        with pytest.raises(TrialsError, match="no spike lies in a trial") as refused:
            read(wrote(tmp_path / "f.nwb", units=[{"spike_times": factor * EVENLY[EVENLY > 1]}]))
        assert str(refused.value).endswith(said)


def test_windows_that_share_a_little_and_odd_spike_times_are_said(tmp_path: Path) -> None:
    back, twice = np.concatenate([EVENLY[200:], EVENLY[:200]]), np.repeat(EVENLY, 2)
    trials = read(wrote(tmp_path / "f.nwb", units=[{"spike_times": back}, {"spike_times": twice}]), window=(-0.3, 1.9))
    said = findings(trials)
    assert said[0] == "11 windows overlap the one before, so that spikes there are in both."
    assert said[1].startswith("spike times of 1 units go back, first unit 0, 1 times; they were sorted.")
    assert said[2] == f"{EVENLY.size} spike times of 1 units are there more than once, first unit 1; each counts."


def test_one_trial_that_was_broken_off_does_not_cut_all(tmp_path: Path) -> None:
    go = STARTS + 0.4
    go[3], go[7] = STARTS[3] + 0.01, STARTS[7] + 0.98  # one begins 10 ms before its go cue, one ends 20 ms after
    trials = read(wrote(tmp_path / "f.nwb", {"go": go}), align="go")
    assert trials.shape[0] == TRIALS - 2 and trials.time[0] == pytest.approx(-0.4) and trials.stop == pytest.approx(np.full(TRIALS - 2, 0.6))
    assert findings(trials) == [
        "1 of 12 trials start less than half as long before 'go' as is typical (0.4 s), and are left out.",
        "1 of 12 trials end less than half as long after 'go' as is typical (0.6 s), and are left out.",
    ]


def test_spikes_that_all_lie_at_the_start_of_trials_are_said(tmp_path: Path) -> None:
    early = [{"spike_times": np.concatenate([STARTS, STARTS + 0.005]).tolist()}]
    said = findings(read(wrote(tmp_path / "f.nwb", units=early)))
    assert said[-1].startswith("all spikes lie in the first 0.005 s of trials of 1 s; trials are probably in other units")


def test_a_session_on_the_clock_of_the_computer_loses_no_spike(tmp_path: Path) -> None:
    unix = 1.7e9  # s; a double holds it to 2.4e-7 s
    with h5py.File(wrote(tmp_path / "f.nwb"), "a") as file:
        for name in ("intervals/trials/start_time", "intervals/trials/stop_time", "units/spike_times"):
            file[name][...] = file[name][:] + unix
        file["units/spike_times"][20] = unix + 1.0 - 2e-7  # of the start of the first trial, but for round-off
    trials = read(tmp_path / "f.nwb")
    assert np.bincount(trials.spikes.trial).tolist() == [40] * 12


def series(data: np.ndarray, **when: Any) -> Callable[[Any], None]:
    return lambda nwb: nwb.add_acquisition(pynwb.TimeSeries(name="hand", data=data, unit="cm", **when))


@pytest.mark.parametrize(
    ("data", "when", "message"),
    [
        (PLACES.T, {"starting_time": 0.0, "rate": 100.0}, "has shape (2, 3000), which seems to be (axis, time); NWB has (time, axis)."),
        (PLACES, {"starting_time": 500.0, "rate": 100.0}, "has no sample in any trial, or none that is a number; trials run from 1 to 24 s"),
        (PLACES * np.nan, {"starting_time": 0.0, "rate": 100.0}, "has no sample in any trial, or none that is a number"),
    ],
    ids=["axis first", "another clock", "no numbers"],
)
def test_behaviour_that_says_nothing_is_refused(tmp_path: Path, data: np.ndarray, when: Any, message: str) -> None:
    path = wrote(tmp_path / "f.nwb", change=series(data, **when))
    with pytest.raises(TrialsError, match="series '/acquisition/hand' ") as refused:
        behaviour(path, "hand")
    assert message in str(refused.value)


def test_behaviour_has_the_trials_of_the_spikes(tmp_path: Path) -> None:
    path = wrote(tmp_path / "f.nwb", {"go": [1.0, np.nan, 0.0] * 4}, change=series(PLACES, starting_time=0.0, rate=100.0))
    options: dict[str, Any] = {"condition": "go", "where": "go == 1", "bin": 0.02}
    trials, hand = read(path, **options), behaviour(path, "hand", **options)
    assert hand.shape == (4, *trials.shape[1:2], 2)
    np.testing.assert_allclose(hand.values[:, :, 0], STARTS[::3, None] + trials.time, atol=1e-9)


def test_a_window_that_leaves_the_session_in_part_takes_its_trial_with_it(tmp_path: Path) -> None:
    """Units fire at 20 Hz until 26 s; a window until 3.9 s from the last start, 23 s, would end at 26.9 s, one from -1.9 s begin before 0."""
    path = wrote(tmp_path / "f.nwb")
    trials = read(path, window=(-0.5, 1.9))
    assert trials.shape[0] == TRIALS
    trials = read(path, window=(2.1, 3.9))
    assert trials.shape[0] == TRIALS - 1
    assert "1 of 12 trials have windows that leave the session in part, and are left out." in findings(trials)
    np.testing.assert_allclose(trials.binned(0.1).averaged().rate.mean(), RATE)
    trials = read(path, window=(-1.9, -0.1))
    assert findings(trials) == ["1 of 12 trials have windows that leave the session in part, and are left out."]
