"""NWB files of others are read, lazily and as they are, or refused in clear words."""

import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import h5py
import numpy as np
import pytest

from cortex_sim.errors import CortexSimError, FileProblem, NotFound, OptionError, TrialsError
from cortex_sim.trials._behaviour import behaviour
from cortex_sim.trials._recordings import read, read_nwb

pynwb = pytest.importorskip("pynwb")

ONSET = np.array([1.25, 3.5, np.nan, 8.0])  # s, of movement; the third trial was aborted
STARTS, STOPS = np.array([1.0, 3.0, 5.0, 7.75]), np.array([2.0, 4.25, 6.0, 9.0])
AFTER = 0.05  # s: unit u fires u + 1 times this after each onset


def session(**more: Any) -> Any:
    date = datetime(2010, 5, 6, tzinfo=UTC)
    return pynwb.NWBFile(session_description="reaches", identifier="r1", session_start_time=date, file_create_date=date, **more)


def foreign(path: Path, change: Callable[[Any], None] = lambda nwb: None, labelled: dict[str, list[Any]] | None = None) -> Path:
    """A file in another laboratory's style: aligned to movement, raw voltage, electrodes, a unit that never fires, spikes between trials."""
    nwb = session()
    said: dict[str, Any] = {"description": "array", "device": nwb.create_device(name="array")}
    groups = [nwb.create_electrode_group(name=area, location=area, **said) for area in ("M1", "PMd")]
    for site in range(4):
        nwb.add_electrode(location=f"site {site}", group=groups[site % 2])
    region = nwb.create_electrode_table_region([0, 1], "two")
    nwb.add_acquisition(pynwb.ecephys.ElectricalSeries(name="raw", data=np.zeros((50, 2)), electrodes=region, rate=30e3))
    nwb.add_trial_column(name="move_onset_time", description="s")
    for name in labelled or {}:
        nwb.add_trial_column(name=name, description="a label")
    for row, onset in enumerate(ONSET):
        labels = {name: column[row] for name, column in (labelled or {}).items()}
        nwb.add_trial(start_time=STARTS[row], stop_time=STOPS[row], move_onset_time=onset, **labels)
    for unit in range(4):
        planted = ONSET[[0, 1, 3]] + AFTER * (unit + 1)
        times = [] if unit == 1 else np.sort([0.5, 2.5, *planted, 100.0])
        nwb.add_unit(spike_times=times, electrode_group=groups[unit % 2], electrodes=[unit, 0])
    kinematics(nwb)
    change(nwb)
    with pynwb.NWBHDF5IO(path, "w") as file:
        file.write(nwb)
    return path


def kinematics(nwb: Any) -> None:
    """Position 2 t, 1 - 3 t of session time t at uneven moments, with a pause of 0.2 s; the speed 0.01 t every 8 ms."""
    times = np.cumsum(np.random.default_rng(0).uniform(0.004, 0.006, 2200))
    times[times > 8.5] += 0.2
    hand = pynwb.behavior.SpatialSeries(name="hand", data=np.stack([2 * times, 1 - 3 * times], 1), timestamps=times, reference_frame="", unit="cm")
    module = nwb.create_processing_module(name="behavior", description="hand")
    module.add(pynwb.behavior.Position(spatial_series=hand))
    speed = pynwb.TimeSeries(name="speed", data=0.5 + 0.008 * np.arange(1200), starting_time=0.5, rate=125.0, unit="m/s", conversion=0.01)
    nwb.add_acquisition(speed)


def test_a_file_of_another_style_gives_the_planted_spikes(tmp_path: Path) -> None:
    trials = read(foreign(tmp_path / "f.nwb"), align="move_onset_time", window=(-0.2, 0.4))
    assert trials.shape == (3, 60, 4) and trials.condition.tolist() == [0, 1, 3]  # rows; the aborted one is left out
    assert np.bincount(trials.spikes.unit, minlength=4).tolist() == [3, 0, 3, 3]
    np.testing.assert_allclose(trials.spikes.time, AFTER * (trials.spikes.unit + 1), atol=1e-12)
    assert trials.population.tolist() == ["M1", "PMd", "M1", "PMd"]
    assert trials.provenance["trials left out"] == 1 and trials.provenance["align"] == "move_onset_time"
    assert (trials.stop == 0.4).all() and trials.time[0] == -0.2


def test_by_default_trials_run_from_their_start_to_their_own_end(tmp_path: Path) -> None:
    trials = read(foreign(tmp_path / "f.nwb"))
    np.testing.assert_allclose(trials.stop, STOPS - STARTS)
    assert (trials.time[0], trials.shape[:2]) == (0.0, (4, 125))
    with pynwb.NWBHDF5IO(tmp_path / "f.nwb", "r") as file:
        units = file.read().units
        for unit in range(4):
            for trial, interval in enumerate(zip(STARTS, STOPS, strict=True)):
                mine = trials.spikes.time[(trials.spikes.unit == unit) & (trials.spikes.trial == trial)]
                np.testing.assert_allclose(mine, units.get_unit_spike_times(unit, in_interval=interval) - STARTS[trial], atol=1e-12)
    aligned = read(tmp_path / "f.nwb", align="move_onset_time")
    assert aligned.time[0] == pytest.approx((STARTS - ONSET)[[0, 1, 3]].max()) == -0.25  # no bin lies before its trial
    np.testing.assert_allclose(aligned.stop, (STOPS - ONSET)[[0, 1, 3]])


def test_spikes_in_any_order_are_found(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.nwb")
    expected = read(path).dataset
    replaced("units/spike_times", lambda times: np.concatenate([times[5::-1], times[6:12][[3, 1, 5, 0, 2, 4]], times[12:]]))(path)
    found = read(path)
    assert "spike times of 2 units go back, first unit 0, 5 times" in found.provenance["findings"][-1]
    assert found.dataset.drop_attrs().identical(expected.drop_attrs())


def test_a_spike_between_two_trials_that_touch_belongs_to_the_later(tmp_path: Path) -> None:
    nwb = session()
    for start in (0.0, 1.0, 2.0):
        nwb.add_trial(start_time=start, stop_time=start + 1)
    nwb.add_unit(spike_times=[1.0, 1.5, 2.0])
    with pynwb.NWBHDF5IO(tmp_path / "f.nwb", "w") as file:
        file.write(nwb)
    when, _, trial = read(tmp_path / "f.nwb").spikes
    assert trial.tolist() == [1, 1, 2] and when.tolist() == [0.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("labelled", "asked", "found"),
    [
        ({"target_dir": [0.0, 90.0, 180.0, 90.0]}, None, [0.0, 90.0, 180.0, 90.0]),
        ({"trial_type": ["a", "b", "c", "b"], "direction": [3, 1, 2, 1]}, None, [3, 1, 2, 1]),
        ({"trial_type": ["a", "b", "c", "b"], "direction": [3, 1, 2, 1]}, "trial_type", ["a", "b", "c", "b"]),
        ({"direction": [[0.0, 1.0]] * 4, "trial_type": ["a", "b", "ü", "b"]}, None, ["a", "b", "ü", "b"]),
    ],
)
def test_conditions_are_the_column_that_is_asked_for_or_the_first_that_labels(tmp_path: Path, labelled: Any, asked: Any, found: list[Any]) -> None:
    path = foreign(tmp_path / "f.nwb", labelled=labelled)
    assert read(path, condition=asked).condition.tolist() == found
    assert read(path, condition=asked, align="move_onset_time", window=(0, 0.2)).condition.tolist() == [found[row] for row in (0, 1, 3)]


def without(*names: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            for name in names:
                del file[name]

    return change


def test_populations_come_from_a_column_else_the_group_else_the_first_electrode(tmp_path: Path) -> None:
    def column(nwb: Any) -> None:
        nwb.add_unit_column(name="location", description="area", data=["S1", "M1", "S1", ""])

    assert read(foreign(tmp_path / "a.nwb", column)).population.tolist() == ["S1", "M1", "S1", ""]
    path = foreign(tmp_path / "b.nwb")
    without("units/electrode_group")(path)
    assert read(path).population.tolist() == ["site 0", "site 1", "site 2", "site 3"]
    without("units/electrodes")(path)
    assert "population" not in read(path).dataset.coords


def test_uneven_and_even_behaviour_is_interpolated_on_the_bins_of_the_spikes(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.nwb")
    options: dict[str, Any] = {"align": "move_onset_time", "window": (-0.2, 1.0)}
    moment = ONSET[[0, 1, 3], None] + read(path, **options).time
    hand, speed = behaviour(path, "hand", **options), behaviour(path, "speed", **options)
    expected, pause = np.stack([2 * moment, 1 - 3 * moment], axis=-1), np.isnan(hand.values[..., 0])
    np.testing.assert_allclose(hand.values[~pause], expected[~pause], atol=1e-9)  # a straight line is interpolated exactly
    assert not pause[:2].any() and 18 <= pause[2].sum() <= 21 and (np.abs(moment[2][pause[2]] - 8.6) < 0.11).all()
    np.testing.assert_allclose(speed.values[..., 0], 0.01 * moment, atol=1e-9)
    assert (hand.dims, hand.attrs["units"], speed.attrs["units"]) == (("trial", "time", "axis"), "cm", "m/s")


def test_behaviour_that_is_not_there_is_named_beside_what_is(tmp_path: Path) -> None:
    path = foreign(tmp_path / "f.nwb")
    for asked, message in (("hands", "there is no series 'hands'?"), (None, "which series is meant?")):
        with pytest.raises(NotFound, match=re.escape(f"{path}: {message} Choose from acquisition/speed, processing/behavior/Position/hand.")):
            behaviour(path, asked)


def test_only_what_the_trials_need_is_read(tmp_path: Path) -> None:
    """Raw voltage, hand and spare spike times claim 8 petabytes each: reading any of them whole cannot succeed."""
    path, huge = foreign(tmp_path / "f.nwb"), 10**15
    with h5py.File(path, "a") as file:
        for name, rows in (("acquisition/raw/data", 50), ("acquisition/speed/data", 1200), ("units/spike_times", 18)):
            kept, said = file[name][:rows], dict(file[name].attrs)
            del file[name]
            large = file.create_dataset(name, (huge, *kept.shape[1:]), kept.dtype, chunks=(4096, *kept.shape[1:]))
            large[:rows] = kept
            large.attrs.update(said)
        with pytest.raises((MemoryError, ValueError)):
            file["acquisition/raw/data"][:]
    trials = read(path, align="move_onset_time", window=(-0.2, 0.4))
    assert np.bincount(trials.spikes.unit, minlength=4).tolist() == [3, 0, 3, 3]
    speed = behaviour(path, "speed", align="move_onset_time", window=(-0.2, 0.4))
    np.testing.assert_allclose(speed.values[..., 0], 0.01 * (ONSET[[0, 1, 3], None] + trials.time), atol=1e-9)


def test_the_samples_of_behaviour_that_are_read_are_those_of_the_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read_rows, whole = foreign(tmp_path / "f.nwb"), [], h5py.Dataset.__getitem__

    def counted(self: Any, *arguments: Any, **more: Any) -> Any:
        found = whole(self, *arguments, **more)
        if self.name.endswith(("hand/data", "hand/timestamps")):
            read_rows.append((self.name.rsplit("/", 1)[-1], np.size(found, 0) if np.ndim(found) else 1))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    behaviour(path, "hand", align="move_onset_time", window=(0.0, 0.1))
    rows = {name: sum(count for key, count in read_rows if key == name) for name in ("data", "timestamps")}
    assert 3 * 15 <= rows["data"] <= 3 * 30  # 100 ms at 4 to 6 ms a sample, and one sample on either side
    monkeypatch.undo()
    with h5py.File(path) as file:
        between = np.diff(np.searchsorted(file["processing/behavior/Position/hand/timestamps"][:], (ONSET[0], ONSET[3] + 0.1)))[0]
    assert rows["timestamps"] <= between + 2 * (np.log2(2200) + 1) + 4 < 2200 * 0.7  # from the first trial to the last, each found by halving


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (without("units"), TrialsError, "there is no table of units (found ['acquisition', "),
        (without("units/spike_times_index", "units/spike_times"), TrialsError, "the table of units has columns ['electrode_group', 'electrodes',"),
        (without("intervals"), TrialsError, "there is no table of trials (found ['acquisition', 'analysis',"),
        (without("intervals/trials/stop_time"), NotFound, "table '/intervals/trials' has no column 'stop_time'; choose from id, move_onset_time"),
    ],
    ids=["no units", "no spike times", "no trials", "no stop time"],
)
def test_what_a_file_lacks_is_said_with_what_it_has(tmp_path: Path, change: Callable[[Path], None], kind: Any, message: str) -> None:
    path = foreign(tmp_path / "f.nwb")
    change(path)
    with pytest.raises(kind, match=f"^{re.escape(f'{path}: {message}')}"):
        read(path)


def replaced(name: str, values: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "a") as file:
            file[name][:] = values(file[name][:])

    return change


@pytest.mark.parametrize(
    ("change", "options", "kind", "message"),
    [
        (replaced("units/spike_times_index", lambda ends: 0 * ends), {}, TrialsError, "none of the 4 units has a spike; at least one should."),
        (replaced("units/spike_times", lambda times: 1e3 * times), {}, TrialsError, "no spike lies in a trial: spikes run from 500 to 100000 s"),
        (replaced("units/spike_times", lambda times: times * np.nan), {}, TrialsError, "unit 0 has 6 spike times that are not finite; remove them."),
        (replaced("units/spike_times_index", lambda ends: ends + 9), {}, FileProblem, "'spike_times_index' runs to 27 for 18 spike times"),
        (replaced("intervals/trials/stop_time", lambda stops: stops - 10), {}, TrialsError, "none of the 4 trials has a moment 'start_time' and an"),
        (
            replaced("intervals/trials/move_onset_time", lambda t: np.add(t, [5, 20, 0, 3])),
            {"align": "move_onset_time"},
            TrialsError,
            "a trial ends -19.25 s",
        ),
        (replaced("intervals/trials/stop_time", lambda stops: 1e9 * stops), {}, TrialsError, "a trial lasts 9e+09 s, more than a day; times in NWB"),
        (replaced("intervals/trials/stop_time", lambda stops: stops + np.inf), {}, TrialsError, "none of the 4 trials has a moment 'start_time'"),
        (lambda path: None, {"align": "go_cue_time"}, NotFound, "table '/intervals/trials' has no column 'go_cue_time'; choose from id, label,"),
        (lambda path: None, {"align": "label"}, TrialsError, "column 'label' of table '/intervals/trials' holds <U1; it should hold moments in s."),
        (lambda path: None, {"condition": "lable"}, NotFound, "table '/intervals/trials' has no column 'lable'; choose from id, label, move"),
        (lambda path: None, {"table": "trial"}, NotFound, "there is no table of intervals 'trial'. Did you mean 'trials'?"),
        (lambda path: None, {"window": (0.3, 0.3)}, OptionError, "window (0.3, 0.3) should be (start, stop) in s, start before stop."),
    ],
)
def test_bad_content_and_bad_options_are_refused(tmp_path: Path, change: Any, options: Any, kind: Any, message: str) -> None:
    path = foreign(tmp_path / "f.nwb", labelled={"label": list("abca")})
    change(path)
    with pytest.raises(kind, match=f"^{re.escape(f'{path}: {message}')}"):
        read(path, **options)


def test_files_that_are_no_nwb_or_cut_short_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.nwb"
    with pytest.raises(FileProblem, match=rf"^{re.escape(str(path))}: there is no such file\.$"):
        read_nwb(path)
    path.write_text("spikes, mostly")
    with pytest.raises(FileProblem, match=rf"^{re.escape(str(path))}: cannot be read as NWB \("):
        read(path)
    with h5py.File(path, "w") as file:
        file["spikes"] = [1.0]
    with pytest.raises(FileProblem, match=r"it is HDF5 but no NWB 2 \(found \['spikes'\]\)"):
        read(path)
    with h5py.File(path, "a") as file:
        file.attrs["nwb_version"] = "1.0.6"
    with pytest.raises(FileProblem, match=r"it is NWB 1\.0\.6; NWB 2 is read"):
        read(path)
    whole = foreign(tmp_path / "whole.nwb").read_bytes()
    for part in (0.1, 0.5, 0.95):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(FileProblem, match=rf"^{re.escape(str(path))}: cannot be read as NWB \("):
            read(path)


def test_notes_of_others_are_left_alone_and_hdf5_of_another_name_is_read(tmp_path: Path) -> None:
    for notes in ("the animal was tired", json.dumps({"cortex-sim": {"align": "x"}}), "[1]"):
        nwb = session(notes=notes)
        nwb.add_trial(start_time=1.0, stop_time=2.0)
        nwb.add_unit(spike_times=[1.5])
        with pynwb.NWBHDF5IO(tmp_path / "f.nwb", "w") as file:
            file.write(nwb)
        (tmp_path / "f.nwb").rename(tmp_path / "f.h5")
        assert read(tmp_path / "f.h5").spikes.time.tolist() == [0.5]


@pytest.mark.long
def test_flipped_bytes_give_trials_or_a_clear_error_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = itertools.count()  # in place of random ones, so that the same bytes are flipped every time
    monkeypatch.setattr("hdmf.container.uuid4", lambda: UUID(int=next(names)))
    whole, path, rng, outcomes = foreign(tmp_path / "whole.nwb").read_bytes(), tmp_path / "f.nwb", np.random.default_rng(2), []
    for _ in range(150):
        damaged, first = np.frombuffer(whole, np.uint8).copy(), rng.integers(0, len(whole) - 600)
        stretch = slice(first, first + rng.integers(8, 600))
        damaged[stretch] = rng.integers(0, 256, damaged[stretch].size)
        path.write_bytes(damaged.tobytes())
        for door in (read, lambda path: behaviour(path, "hand")):
            try:
                outcomes.append(type(door(path)).__name__)
            except CortexSimError as problem:
                outcomes.append(str(problem)[: len(str(path))])
    assert set(outcomes) == {"Trials", "DataArray", str(path)}
