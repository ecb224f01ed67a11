"""Recordings enter as trials or are refused with the path, what was found and what would be right; nothing in a file is executed."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim.errors import FileProblem, TrialsError
from cortex_sim.trials._behaviour import averaged_hand
from cortex_sim.trials._recordings import averages, read, read_window

UNITS, BINS, CONDITIONS = 8, 12, 5
RATE = np.random.default_rng(0).uniform(0, 60, (UNITS, BINS, CONDITIONS))
TIME = np.arange(-50.0, 70.0, 10.0)
ANGLES = np.arange(0.0, 360.0, 72.0)


def wrote(folder: Path, **changes: Any) -> Path:
    """A well-formed recording with some arrays replaced, added or (None) left out."""
    arrays = {"firing_rate": RATE, "time_ms": TIME, "direction_deg": ANGLES} | changes
    path = folder / "monkey.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def spoiled(value: float) -> np.ndarray:
    """Rates of which unit 3, bin 7, condition 2 is no number."""
    rate = RATE.copy()
    rate[3, 7, 2] = value
    return rate


def test_averages_cover_a_window_or_are_refused(tmp_path: Path) -> None:
    path = wrote(tmp_path)
    assert read_window(path, -0.05, 0.07).rate.shape == (CONDITIONS, BINS, UNITS)
    for start, stop in ((-0.07, 0.0), (0.0, 0.09)):
        with pytest.raises(TrialsError, match=f"monkey.npz: should hold condition averages from {start * 1e3:g} to {stop * 1e3:g} ms"):
            read_window(path, start, stop)


def test_a_recording_becomes_trials_of_condition_time_unit(tmp_path: Path) -> None:
    trials = read(wrote(tmp_path))
    assert trials.rate.shape == (CONDITIONS, BINS, UNITS)
    assert trials.rate[2, 7, 3] == RATE[3, 7, 2]
    np.testing.assert_array_equal(trials.rate, RATE.T)
    np.testing.assert_allclose(trials.time, TIME / 1e3, atol=1e-12)  # s
    assert trials.condition.tolist() == ANGLES.tolist() and trials.provenance["recording"] == "monkey.npz"
    assert read(str(wrote(tmp_path, direction_deg=None))).condition.tolist() == list(range(CONDITIONS))


def test_trials_that_were_saved_are_read_back_bit_for_bit(tmp_path: Path) -> None:
    trials = read(wrote(tmp_path))
    trials.save(tmp_path / "copy.nc")
    again = read(tmp_path / "copy.nc")
    assert again.rate.tobytes() == trials.rate.tobytes() and again.time.tobytes() == trials.time.tobytes()
    assert again.condition.tolist() == trials.condition.tolist() and again.provenance == trials.provenance


def test_the_recorded_reaches_are_read(shared_data: Path) -> None:
    trials = read(shared_data / "hatsopoulos2007_rs_centerout.npz")
    assert trials.rate.shape == (8, 121, 141)
    assert (trials.time[0], trials.time[-1], trials.bin) == pytest.approx((-0.8, 0.4, 0.01))
    np.testing.assert_array_equal(trials.condition, np.arange(0, 360, 45))
    assert trials.rate.min() >= 0 and 50 < trials.rate.max() < 500  # Hz


def test_recordings_of_another_kind_are_told_what_is_missing(shared_data: Path) -> None:
    with pytest.raises(TrialsError, match=r"churchland2012_27cond_6pc\.npz: array 'firing_rate' is missing \(found "):
        read(shared_data / "churchland2012_27cond_6pc.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"firing_rate": spoiled(np.nan)}, "trials: rate is not finite at 1 places, first at trial 2, bin 7, unit 3; remove or fill them."),
        ({"firing_rate": spoiled(np.inf)}, "trials: rate is not finite at 1 places, first at trial 2, bin 7, unit 3; remove or fill them."),
        ({"firing_rate": RATE[0]}, "firing_rate has shape (12, 5) and time_ms (12,); they should be (unit, time, condition) and (time,)."),
        ({"firing_rate": np.moveaxis(RATE, 1, 2)}, "firing_rate has shape (8, 5, 12) and time_ms (12,); they should be"),
        ({"firing_rate": RATE.T}, "direction_deg has shape (5,); firing_rate has 8 conditions."),
        ({"time_ms": TIME[:-1]}, "firing_rate has shape (8, 12, 5) and time_ms (11,); they should be"),
        ({"direction_deg": ANGLES[:-1]}, "direction_deg has shape (4,); firing_rate has 5 conditions."),
        ({"firing_rate": RATE[..., :3], "direction_deg": None}, "3 conditions; at least 4 are needed to hold some out."),
        ({"firing_rate": RATE[:5]}, "5 units; at least 6 are needed for six principal components."),
        ({"time_ms": 20 * TIME}, "bins are 200 ms; they should be 0.5 to 100 ms; check that times are in the unit that their name says."),
        ({"time_ms": TIME / 1e3}, "bins are 0.01 ms; they should be 0.5 to 100 ms; check that times are in the unit that their name says (they are"),
        ({"time_ms": TIME[::-1]}, "trials: time steps lie between -0.01 and -0.01 s; bins should be even and rising."),
        ({"time_ms": TIME**3}, "trials: time steps lie between"),
        ({"firing_rate": None}, "array 'firing_rate' is missing (found time_ms (12,), direction_deg (5,)); a recording holds 'firing_rate' (unit,"),
        ({"time_ms": None}, "array 'time_ms' is missing (found firing_rate (8, 12, 5), direction_deg (5,)); a recording holds"),
    ],
    ids=[
        "NaN", "infinite", "two axes", "bins last", "transposed", "time", "directions", "conditions", "units", "bin", "seconds", "falling", "uneven",
        "no rate", "no time",
    ],
)  # fmt: skip
def test_a_recording_that_is_not_well_formed_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = wrote(tmp_path, **changes)
    with pytest.raises(TrialsError, match=f"^{re.escape(f'{path}: {message}')}"):
        read(path)


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("where", ["firing_rate", "direction_deg", "notes", "the file itself"])
def test_nothing_in_a_file_is_executed(tmp_path: Path, where: str) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / "monkey.npz"
    trap = np.full(1, Trap(sprung), dtype=object)
    if where == "the file itself":
        path.write_bytes(pickle.dumps(trap))
    else:
        wrote(tmp_path, **{where: trap})
    if where == "notes":
        assert "'notes' is pickled (an object of Python" in read(path).provenance["findings"][0]
    else:
        with pytest.raises(FileProblem, match=rf"^{re.escape(str(path))}: cannot be read as \.npz without executing anything in it \(") as refused:
            read(path)
        assert "allow_pickle" not in str(refused.value)
    assert not sprung.exists()


@pytest.mark.parametrize("name", ["monkey.npz", "monkey.nc"])
def test_files_that_are_something_else_or_damaged_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(FileProblem, match=rf"^{re.escape(str(path))}: there is no such file\.$"):
        read(path)
    path.write_text("spikes, mostly")
    with pytest.raises(FileProblem, match=rf"^{re.escape(str(path))}: cannot be read as \.?n"):
        read(path)
    read(wrote(tmp_path)).save(tmp_path / "whole.nc")
    whole = (tmp_path / "whole.nc" if name.endswith("nc") else wrote(tmp_path)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileProblem, match=rf"^{re.escape(str(path))}: cannot be read as \.?n"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda path: path.touch(), id="empty file"),
        pytest.param(lambda path: np.save(path.with_suffix(".npy"), RATE) or path.with_suffix(".npy").rename(path), id="a bare .npy"),
        pytest.param(lambda path: wrote(path.parent, firing_rate=RATE.astype(str)), id="rates as text"),
        pytest.param(lambda path: wrote(path.parent, time_ms=TIME.astype(str)), id="times as text"),
        pytest.param(lambda path: wrote(path.parent, firing_rate=RATE * (1 + 1j)), id="complex rates"),
        pytest.param(lambda path: wrote(path.parent, direction_deg=np.zeros(CONDITIONS)), id="one direction five times"),
    ],
)
def test_other_wrong_content_is_refused_with_its_path(tmp_path: Path, content: Callable[[Path], None]) -> None:
    content(tmp_path / "monkey.npz")
    with pytest.raises((FileProblem, TrialsError), match=r"monkey\.npz: "):
        read(tmp_path / "monkey.npz")


def test_spikes_become_averages_of_the_trials_that_cover_the_window_and_the_hand_with_them(tmp_path: Path) -> None:
    rng, moments = np.random.default_rng(5), np.arange(0.0, 401.0, 10.0)
    lengths, labels = np.where(np.arange(12) == 4, 250.0, 400.0), np.arange(12) % 3
    slope = rng.normal(size=12)
    spikes = {"spike_time_ms": rng.uniform(0, 250, 900), "spike_unit": rng.integers(0, 6, 900), "spike_trial": rng.integers(0, 12, 900)}
    hand = {"time_ms": moments, "xhandposition": slope[:, None] * moments, "yhandposition": 0 * slope[:, None] * moments}
    np.savez(tmp_path / "s.npz", **spikes, trial_condition=labels, trial_duration_ms=lengths, **hand)
    made, place = averages(tmp_path / "s.npz", 0.0, 0.3), averaged_hand(tmp_path / "s.npz", 0.0, 0.3)
    single, kept = read(tmp_path / "s.npz", window=(0.0, 0.3)).smoothed(0.025).rate, np.delete(np.arange(12), 4)  # trial 4 ends too early
    wanted = np.stack([single[labels[kept] == label].mean(axis=0) for label in range(3)])
    np.testing.assert_allclose(made.rate, wanted, rtol=1e-12)
    assert made.condition.tolist() == [0, 1, 2] and "spikes of 11 trials in 3 conditions became averages" in str(made.provenance["findings"])
    means = np.array([slope[kept][labels[kept] == label].mean() for label in range(3)])
    np.testing.assert_allclose(place[:, :, 0], means[:, None] * 1e3 * made.time, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(read_window(tmp_path / "s.npz", 0.0, 0.3).rate, made.rate)
    fist = np.broadcast_to(np.array([2.0, 5.0])[:, None, None] * moments[:, None], (2, moments.size, 12))
    np.savez(tmp_path / "f.npz", **spikes, trial_condition=labels, trial_duration_ms=lengths, **hand, faust=fist)
    place = averaged_hand(tmp_path / "f.npz", 0.0, 0.3, series="faust")
    np.testing.assert_allclose(place, 1e3 * np.array([2.0, 5.0]) * np.broadcast_to(made.time[:, None], (3, 30, 1)), rtol=1e-9, atol=1e-9)


def test_averages_of_a_file_of_averages_are_those_of_the_file(tmp_path: Path) -> None:
    path = wrote(tmp_path)
    np.testing.assert_array_equal(averages(path, 0.0, 0.03).rate, read(path).rate)
