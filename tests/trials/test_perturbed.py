"""Trials that are left out, in every table; and stimuli of NWB: when they were on, and how strong."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from cortex_sim.errors import CortexSimError, OptionError, TrialsError
from cortex_sim.trials import read
from cortex_sim.trials._nwb_stimuli import stimuli, stimulus_names
from cortex_sim.trials._rows import names_in, selected

COLUMNS = {"opto": np.array([0, 1, np.nan, 1, 0]), "side": np.array(["left", "", "right", "left", "right"])}


def test_rows_are_kept_unless_they_are_or_do_not_say() -> None:
    found = selected("opto < 2", "side == 'left'", COLUMNS.__getitem__)
    kept = {why: fine.tolist() for why, fine in found.items()}
    assert kept == {
        "are not where opto < 2": [True, True, False, True, True],
        "are where side == 'left', or do not say": [False, False, True, False, True],
    }
    assert not selected(None, None, COLUMNS.__getitem__)
    assert names_in("opto == 1 and side != 'left'") == ["opto", "side"]
    with pytest.raises(OptionError, match="is no comparison"):
        selected(None, "opto", COLUMNS.__getitem__)


def spike_table(path: Path) -> Path:
    trial = np.repeat(np.arange(6), 4)
    np.savez(path, spike_time_ms=np.tile([10.0, 20, 30, 40], 6), spike_unit=np.tile([0, 1, 2, 3], 6), spike_trial=trial,
             trial_condition=np.arange(6) % 3, trial_duration_ms=np.full(6, 100.0), trial_light=np.array([0, 0, 1, 1, 0, 1]))  # fmt: skip
    return path


def test_unless_leaves_out_what_where_keeps(tmp_path: Path) -> None:
    path = spike_table(tmp_path / "spikes.npz")
    lit, dark = read(path, where="trial_light == 1"), read(path, unless="trial_light == 1")
    assert (lit.shape[0], dark.shape[0]) == (3, 3)
    assert sorted([*lit.condition, *dark.condition]) == [0, 0, 1, 1, 2, 2]
    assert dark.provenance["unless"] == "trial_light == 1" and "where" not in dark.provenance
    np.savez(tmp_path / "averages.npz", firing_rate=np.random.default_rng(0).normal(size=(6, 5, 4)), time_ms=10 * np.arange(5))
    with pytest.raises(OptionError, match="unless does not apply to condition averages"):
        read(tmp_path / "averages.npz", unless="trial_light == 1")


@pytest.fixture
def file(tmp_path: Path) -> h5py.File:
    with h5py.File(tmp_path / "stimuli.h5", "w") as made:
        light = made.create_group("stimulus/presentation/laser")
        light["data"] = np.array([0, 0, -3, 4, 0.1, 0, 2, 2.0])
        light["data"].attrs["conversion"] = 1e-3
        light["timestamps"] = np.array([0, 1, 2, 2.5, 3, 4, 5, 6.0])
        current = made.create_group("stimulus/presentation/current")
        current["data"] = np.array([[0, 0], [5, 0], [0, -7], [0, 0]])
        current["starting_time"] = 10.0
        current["starting_time"].attrs["rate"] = 2.0
        made.create_group("stimulus/presentation/images")["data"] = np.zeros((2, 3, 3))
        for name in ("trials", "epochs"):
            made[f"intervals/{name}/start_time"], made[f"intervals/{name}/stop_time"] = np.array([1.0, 5, 7]), np.array([2.0, 5, 9])
        yield made


def test_a_stimulus_is_on_from_a_sample_that_is_large_to_one_that_is_not(file: h5py.File) -> None:
    assert stimulus_names(file) == ["current", "laser", "epochs"]
    np.testing.assert_allclose(stimuli(file, "laser"), [(2, 3, 4e-3), (5, 7, 2e-3)])  # the last sample lasts as long as is usual
    np.testing.assert_allclose(stimuli(file, "current"), [(10.5, 11.5, 7)])
    assert stimuli(file, "epochs") == [(1.0, 2.0, 1.0), (7.0, 9.0, 1.0)]
    assert stimuli(file, "images") == stimuli(file, "absent") == stimuli(file, "trials") == []


def test_a_stimulus_without_numbers_or_times_is_refused(file: h5py.File) -> None:
    del file["stimulus/presentation/laser/timestamps"]
    file["stimulus/presentation/laser/timestamps"] = np.arange(3.0)
    with pytest.raises(TrialsError, match="stimulus 'laser' has 8 samples and 3 times"):
        stimuli(file, "laser")
    del file["stimulus/presentation/current/data"]
    file["stimulus/presentation/current/data"] = ["a", "b"]
    with pytest.raises(CortexSimError, match="stimulus 'current' holds"):
        stimuli(file, "current")
