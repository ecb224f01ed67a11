"""A spike table becomes trials of spikes: nothing moved, nothing lost, each trial as long as it was."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim.errors import FileProblem, OptionError, TrialsError
from cortex_sim.trials._recordings import read
from cortex_sim.trials._trials import Trials

TABLE: dict[str, Any] = {
    "spike_time_ms": np.array([30, 0, 12.5, 199]), "spike_unit": np.array([2, 0, 2, 1], dtype=np.int16), "spike_trial": np.array([0, 0, 0, 1]),
    "trial_condition": np.array(["left", "right"]), "trial_duration_ms": np.array([95, 200]),
}  # fmt: skip


def wrote(folder: Path, **changes: Any) -> Path:
    """The table with some arrays replaced, added or (None) left out."""
    path = folder / "spikes.npz"
    np.savez(path, **{name: array for name, array in (TABLE | changes).items() if array is not None})
    return path


def test_every_spike_is_where_it_was_in_s_in_order_of_trial_and_time(tmp_path: Path) -> None:
    trials = read(wrote(tmp_path))
    assert [column.tolist() for column in trials.spikes] == [[0.0, 0.0125, 0.03, 0.199], [0, 2, 2, 1], [0, 0, 0, 1]]
    assert trials.condition.tolist() == ["left", "right"] and trials.stop.tolist() == [0.095, 0.2]
    assert trials.shape == (2, 20, 3) and trials.bin == pytest.approx(0.01)
    assert (trials.time[0], trials.provenance["recording"]) == (0.0, "spikes.npz")


def test_units_that_never_fire_are_kept_where_their_number_is_said(tmp_path: Path) -> None:
    trials = read(wrote(tmp_path, n_units=np.array(7)))
    assert trials.shape[2] == 7 and np.bincount(trials.spikes.unit, minlength=7).tolist() == [1, 1, 2, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("name", "shape", "rate", "durations", "conditions"),
    [("delay", (210, 40, 61), 9.83, (0.4, 0.4), [30] * 7), ("reach", (112, 153, 61), 11.93, (1.018, 1.526), [56] * 2)],
)
def test_the_recorded_spikes_have_their_known_counts_and_rates(
    shared_data: Path, name: str, shape: tuple[int, ...], rate: float, durations: tuple[float, float], conditions: list[int]
) -> None:
    trials = read(shared_data / f"shenoy_{name}_spikes.npz")
    assert trials.shape == shape and (trials.stop.min(), trials.stop.max()) == durations
    assert np.unique(trials.condition, return_counts=True)[1].tolist() == conditions
    each = np.bincount(trials.spikes.trial, minlength=shape[0]) / trials.stop / shape[2]  # Hz
    assert each.mean() == pytest.approx(rate, abs=0.005)  # as precise as it is published
    with np.load(shared_data / f"shenoy_{name}_spikes.npz") as raw:
        assert trials._counts(None).sum() == raw["spike_time_ms"].size
        assert sorted(np.rint(trials.spikes.time * 1e3).astype(int).tolist()) == sorted(raw["spike_time_ms"].tolist())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spike_unit": None}, "array 'spike_unit' is missing (found spike_time_ms (4,), spike_trial (4,), trial_condition (2,), trial_duration_ms"),
        ({"trial_duration_ms": None}, "array 'trial_duration_ms' is missing"),
        ({"spike_unit": np.zeros(3, int)}, "spike_time_ms, spike_unit, spike_trial have shapes (4,), (3,), (4,); they should have one entry"),
        ({"trial_condition": np.array(["left"])}, "trial_condition, trial_duration_ms have shapes (1,), (2,); they should have one entry a trial."),
        ({name: np.zeros(0, int) for name in TABLE if name.startswith("spike")}, "there is no spike (spike_time_ms is empty)"),
        ({name: np.zeros(0, int) for name in TABLE if name.startswith("trial")}, "there is no trial (trial_condition is empty)"),
        ({"spike_time_ms": np.array([1, 2, np.nan, 3])}, "array 'spike_time_ms' holds float64, not all of it finite numbers"),
        ({"spike_time_ms": np.array(list("1234"))}, "array 'spike_time_ms' holds <U1, not all of it finite numbers"),
        ({"spike_unit": np.array([0, 1, 0.5, 2])}, "array 'spike_unit' holds float64; it should hold whole numbers."),
        ({"n_units": np.array([3, 4])}, "n_units has shape (2,); it should be one number."),
        ({"n_units": np.array(2)}, "trials: spikes name units 0 to 2; there are 2, numbered from 0."),
        ({"spike_trial": np.array([0, 0, 0, 2])}, "trials: spikes name trials 0 to 2; there are 2, numbered from 0."),
        ({"trial_duration_ms": np.array([95, 0])}, "trial_duration_ms is 0 ms somewhere; every trial should last."),
        ({"trial_duration_ms": np.array([20, 200])}, "trials: a spike of unit 2 at 0.03 s lies outside its trial 0, 0 to 0.02 s."),
        ({name: np.tile(TABLE[name], 9) for name in TABLE if name.startswith("spike")} | {"trial_duration_ms": np.array([95e3, 200e3])},
         "all spikes lie within 199 ms of 0, in trials of 147500 ms; spike_time_ms is probably in s, and should be in ms."),
        ({"trial_duration_ms": np.array([0.095, 0.2])},
         "spikes run to 199 ms, and trials last 0.1475 ms; trial_duration_ms is probably in s, and should be in ms."),
    ],
)  # fmt: skip
def test_a_table_that_is_not_well_formed_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = wrote(tmp_path, **changes)
    with pytest.raises(TrialsError, match=f"^{re.escape(f'{path}: {message}')}"):
        read(path)


def test_nothing_in_a_table_is_executed(tmp_path: Path) -> None:
    path = wrote(tmp_path, trial_condition=np.array(["left", None], dtype=object))
    with pytest.raises(FileProblem, match=r"cannot be read as \.npz without executing anything in it"):
        read(path)


def test_saved_spikes_come_back_by_the_same_door_and_options_of_nwb_are_refused(tmp_path: Path) -> None:
    trials = read(wrote(tmp_path))
    trials.save(tmp_path / "spikes.nc")
    again = read(tmp_path / "spikes.nc")
    assert isinstance(again, Trials) and again.dataset.identical(trials.dataset)
    with pytest.raises(OptionError, match=r"spikes\.npz: align does not apply to a spike table; it takes window, condition, where, unless, bin\."):
        read(tmp_path / "spikes.npz", align="go_cue_time")


def paced(factor: float) -> dict[str, Any]:
    """Five units at 25 Hz in ten trials of 400 ms, with times that are so many times what their names say."""
    rng = np.random.default_rng(0)
    spikes = {"spike_time_ms": rng.uniform(0, 400, 500) * factor, "spike_unit": np.arange(500) % 5, "spike_trial": np.arange(500) // 5 % 10}
    return spikes | {"trial_condition": np.arange(10) % 4 * 1.5, "trial_duration_ms": np.full(10, 400.0 * factor)}


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "s"), (1e3, "us")])
def test_a_table_all_in_another_unit_is_told_by_its_rates(tmp_path: Path, factor: float, unit: str) -> None:
    np.savez(tmp_path / "a.npz", **paced(factor))
    with pytest.raises(TrialsError, match=rf"which is not plausible; times are probably in {unit} \(25 Hz\), and should be in ms"):
        read(tmp_path / "a.npz")


def test_labels_that_look_like_radians_are_said_and_others_are_not(tmp_path: Path) -> None:
    """1.5 and 4.5 are no whole numbers, and lie within a turn."""
    for labels, said in (
        (np.arange(10) % 4 * 1.5, True),
        (np.arange(10) % 4 * 90.0, False),
        (np.arange(10) % 4, False),
        (np.arange(10) % 4 / 4, False),
    ):
        np.savez(tmp_path / "a.npz", **(paced(1.0) | {"trial_condition": labels}))
        findings = read(tmp_path / "a.npz").provenance.get("findings", [])
        assert any("they are in radians" in finding for finding in findings) is said
