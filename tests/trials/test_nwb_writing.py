"""What is written as NWB reads back equal, is valid to others, and is written whole or not at all."""

import re
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from cortex_sim.errors import FileProblem, OptionError, TrialsError
from cortex_sim.trials._behaviour import behaviour
from cortex_sim.trials._recordings import read, read_nwb, write_nwb
from cortex_sim.trials._trials import Trials

pynwb = pytest.importorskip("pynwb")


def simulated(conditions: Any = ("left", "right", "left", "up"), population: bool = True, seed: int = 0, **more: Any) -> Trials:
    """Spikes at random moments of 4 trials of 9 units, of which 2 are silent; one spike lies at the very end of its trial."""
    rng, stop = np.random.default_rng(seed), np.array([0.7, 0.9, 0.4, 0.9])
    trial = rng.integers(0, 4, 400)
    when = -0.3 + rng.random(400) * (stop[trial] + 0.3)
    when[0] = stop[trial[0]]
    names = ["L5E"] * 5 + ["L5I"] * 4 if population else None
    spikes = (when, rng.integers(1, 8, 400), trial)
    time, origin = -0.3 + 0.01 * np.arange(120), {"model": "m", "dt_s": 5e-5, "seeds": [1, {"é": None}]}
    return Trials.from_spikes(spikes, time, units=9, condition=list(conditions), stop=stop, population=names, **({"provenance": origin} | more))


@pytest.mark.parametrize("conditions", [("left", "right", "left", "up →"), (1, 2, 1, 3), (0.0, 45.0, 0.1 + 0.2, 90.0), (True, False, True, True)])
@pytest.mark.parametrize("population", [True, False])
def test_a_written_session_reads_back_equal(tmp_path: Path, conditions: Any, population: bool) -> None:
    trials = simulated(conditions, population)
    write_nwb(trials, tmp_path / "s.nwb")
    for found in (read(tmp_path / "s.nwb"), read_nwb(tmp_path / "s.nwb")):
        for name in ("spike_time", "stop", "time"):
            np.testing.assert_allclose(found.dataset[name].values, trials.dataset[name].values, rtol=0, atol=1e-12)
        for name in set(trials.dataset.variables) - {"spike_time", "stop", "time"}:
            assert found.dataset[name].dtype.kind == trials.dataset[name].dtype.kind
            np.testing.assert_array_equal(found.dataset[name].values, trials.dataset[name].values)
        assert set(found.dataset.variables) == set(trials.dataset.variables)
        assert found.provenance == trials.provenance
        np.testing.assert_array_equal(found._counts(None), trials._counts(None))  # of unequal trials too
    assert [path.name for path in tmp_path.iterdir()] == ["s.nwb"]


def test_chosen_units_keep_their_names_and_equal_sessions_their_identifier(tmp_path: Path) -> None:
    chosen = simulated().units([7, 2, 0])
    write_nwb(chosen, tmp_path / "a.nwb")
    write_nwb(chosen, tmp_path / "b.nwb")
    write_nwb(simulated(seed=1), tmp_path / "c.nwb")
    assert read(tmp_path / "a.nwb").dataset["unit"].values.tolist() == [7, 2, 0]
    windowed = read(tmp_path / "a.nwb", window=(-0.2, 0.2), align="go_cue_time")
    expected = chosen.window(-0.2, 0.2).spikes
    np.testing.assert_allclose(windowed.spikes.time, expected.time, rtol=0, atol=1e-12)
    assert windowed.spikes.unit.tolist() == expected.unit.tolist() and windowed.provenance["seeds"] == [1, {"é": None}]
    names = []
    for name in "abc":
        with h5py.File(tmp_path / f"{name}.nwb") as file:
            names.append(file["identifier"].asstr()[()])
    assert names[0] == names[1] != names[2]


def test_hours_of_session_cost_no_more_than_the_last_place_of_the_clock(tmp_path: Path) -> None:
    rng, count = np.random.default_rng(0), 3000
    trials = Trials.from_spikes((4 * rng.random(count), np.zeros(count, int), np.arange(count)), [0.0, 2.0], units=1, condition=np.arange(count))
    write_nwb(trials, tmp_path / "s.nwb")
    with h5py.File(tmp_path / "s.nwb") as file:
        assert 3.5 < file["intervals/trials/stop_time"][-1] / 3600 < 4.5
    np.testing.assert_allclose(read(tmp_path / "s.nwb").spikes.time, trials.spikes.time, rtol=0, atol=1e-12)


def test_a_written_session_is_valid_and_the_inspector_finds_nothing_beyond_suggestions(tmp_path: Path) -> None:
    inspector = pytest.importorskip("nwbinspector")
    trials, path = simulated(), tmp_path / "s.nwb"
    hand = xr.DataArray(np.ones((4, 120, 2)), dims=("trial", "time", "axis"), coords={"time": trials.time}, attrs={"units": "meters"})
    write_nwb(trials, path, behaviour={"hand": hand, "velocity": hand.assign_attrs(units="m/s")})
    assert pynwb.validate(path=str(path)) == []
    found = list(inspector.inspect_nwbfile(nwbfile_path=str(path)))
    assert [message for message in found if message.importance.name != "BEST_PRACTICE_SUGGESTION"] == []
    with pynwb.NWBHDF5IO(path, "r") as file:
        nwb = file.read()
        table, units = nwb.trials.to_dataframe(), nwb.units
        assert units.resolution == 5e-5 and list(units["population"][:]) == ["L5E"] * 5 + ["L5I"] * 4
        assert (table.start_time.values[1:] - table.stop_time.values[:-1] >= 1 - 1e-9).all() and table.start_time[0] >= 0
        np.testing.assert_array_equal(table.go_cue_time % 1, 0)
        assert table.condition.tolist() == trials.condition.tolist()
        for unit in range(9):  # pynwb's own reading, trial by trial
            for trial, row in table.iterrows():
                when = units.get_unit_spike_times(unit, in_interval=(row.start_time - 1e-9, row.stop_time + 1e-9)) - row.go_cue_time
                mine = trials.spikes.time[(trials.spikes.unit == unit) & (trials.spikes.trial == trial)]
                np.testing.assert_allclose(when, mine, rtol=0, atol=1e-12)


def test_behaviour_is_written_within_the_trials_and_read_back(tmp_path: Path) -> None:
    trials = simulated()
    values = np.random.default_rng(0).standard_normal((4, 120, 2))
    hand = xr.DataArray(values, dims=("trial", "time", "axis"), coords={"time": trials.time}, attrs={"units": "meters"})
    write_nwb(trials, tmp_path / "s.nwb", behaviour={"hand": hand})
    found = behaviour(tmp_path / "s.nwb")
    within = trials.time < trials.stop[:, None] - 1e-9
    np.testing.assert_allclose(found.values[within], values[within], rtol=0, atol=1e-9)  # a bin is 10 ms, the clock exact to 1e-15 s
    assert np.isnan(found.values[~within]).all() and found.attrs["units"] == "meters"
    np.testing.assert_array_equal(found["time"], trials.time)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda hand: hand.isel(trial=[0, 1]), "behaviour 'hand' is {'trial': 2, 'time': 120, 'axis': 2}; it should be (trial, time, axis) with"),
        (lambda hand: hand.transpose("time", "trial", "axis"), "behaviour 'hand' is {'time': 120, 'trial': 4, 'axis': 2}; it should be"),
        (lambda hand: hand.assign_coords(time=hand.time - 1), "behaviour 'hand' starts at -1.3 s; trials start at -0.3 s."),
    ],
)
def test_behaviour_that_does_not_fit_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    trials = simulated()
    hand = xr.DataArray(np.ones((4, 120, 2)), dims=("trial", "time", "axis"), coords={"time": trials.time})
    with pytest.raises(TrialsError, match=re.escape(message)):
        write_nwb(trials, tmp_path / "s.nwb", behaviour={"hand": change(hand)})
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.nwb"
    silent = Trials.from_spikes(([], [], []), [0.0, 0.01], units=3, condition=[0])
    with pytest.raises(TrialsError, match="none of the 3 units has a spike"):
        write_nwb(silent, path)
    mixed = simulated().dataset.assign_coords(condition=("trial", np.array(["a", 1, 2.5, 2], dtype=object)))
    with pytest.raises(TrialsError, match=r"conditions \['a', 1, 2.5\] hold object; NWB takes one kind of label"):
        write_nwb(Trials(mixed), path)
    monkeypatch.setattr(pynwb.NWBHDF5IO, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(FileProblem, match=r"s\.nwb: cannot be written \(No space left on device\); nothing was kept"):
        write_nwb(simulated(), path)
    assert list(tmp_path.iterdir()) == []


def test_without_pynwb_files_are_read_and_writing_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nwb(simulated(), tmp_path / "s.nwb")
    monkeypatch.setitem(sys.modules, "pynwb", None)
    assert read(tmp_path / "s.nwb").shape == (4, 120, 9)
    with pytest.raises(OptionError, match=re.escape("pip install 'cortex-sim[nwb]'")):
        write_nwb(simulated(), tmp_path / "t.nwb")
