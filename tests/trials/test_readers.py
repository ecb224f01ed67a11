"""The same recording by any door: .npz, MATLAB 5 and 7.3, .csv, .nc; axes named by the user; what is odd is said once and kept."""

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from cortex_sim.errors import FileProblem, NotFound, OptionError, TrialsError
from cortex_sim.trials import hand, read

UNITS, BINS, CONDITIONS = 12, 41, 8
DIMS = ("unit", "time", "condition")
AVERAGES: dict[str, Any] = {
    "firing_rate": np.random.default_rng(0).uniform(0, 60, (UNITS, BINS, CONDITIONS)), "time_ms": np.arange(-200.0, 210.0, 10.0),
    "direction_deg": np.arange(0.0, 360.0, 45.0), "xhandposition": np.zeros((CONDITIONS, BINS)), "yhandposition": np.ones((CONDITIONS, BINS)),
}  # fmt: skip
SPIKES = 300
RNG = np.random.default_rng(1)
TABLE: dict[str, Any] = {
    "spike_time_ms": RNG.uniform(-150, 400, SPIKES), "spike_unit": np.arange(SPIKES) % 5, "spike_trial": np.arange(SPIKES) % 10,
    "trial_condition": np.arange(10) % 2, "trial_duration_ms": np.full(10, 400.0), "trial_success": np.arange(10) % 3 > 0,
}  # fmt: skip


def wrote(path: Path, arrays: dict[str, Any]) -> Path:
    """The arrays as a file of the kind that its suffix, or the end of its name, says."""
    if path.stem.endswith("73"):
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, array in arrays.items():
                file[name] = np.atleast_2d(array).T.astype(float)  # MATLAB knows no vectors, and writes axes in reverse
            file.create_group("#refs#")
    elif path.suffix == ".mat":
        savemat(path, arrays)
    elif path.suffix == ".csv":
        columns = {name: array if name.startswith("spike") else np.asarray(array)[arrays["spike_trial"]] for name, array in arrays.items()}
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])
    else:
        np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("name", ["a.mat", "a73.mat"])
def test_averages_are_the_same_from_matlab(tmp_path: Path, name: str) -> None:
    path, plain = wrote(tmp_path / name, AVERAGES), wrote(tmp_path / "a.npz", AVERAGES)
    found, expected = read(path), read(plain)
    assert found.dataset.drop_attrs().identical(expected.dataset.drop_attrs())
    np.testing.assert_array_equal(hand(path), hand(plain))


@pytest.mark.parametrize("name", ["a.mat", "a73.mat", "a.csv"])
def test_spikes_are_the_same_from_matlab_and_from_a_table_with_commas(tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {"where": "trial_success == 1" if name.endswith("mat") else "trial_success == 'True'", "bin": 0.02}
    found, expected = read(wrote(tmp_path / name, TABLE), **options), read(wrote(tmp_path / "a.npz", TABLE), where="trial_success == 1", bin=0.02)
    assert found.dataset.drop_attrs().identical(expected.dataset.drop_attrs()) and found.shape[0] == TABLE["trial_success"].sum()


def test_structs_texts_and_pickled_objects_are_left_and_named(tmp_path: Path) -> None:
    more = AVERAGES | {"meta": {"animal": "R"}, "cells": np.array([1, "a"], dtype=object)}
    found = read(wrote(tmp_path / "a.mat", more)).provenance["findings"]
    assert found == ["'meta' is a struct, cell, object or sparse, and was skipped.", "'cells' is a struct, cell, object or sparse, and was skipped."]
    found = read(wrote(tmp_path / "a.npz", AVERAGES | {"meta": np.array({"animal": "R"})})).provenance["findings"]
    assert found == ["'meta' is pickled (an object of Python, which could execute anything), and was skipped."]
    with pytest.raises(FileProblem, match=r"time_ms' is a struct, cell, object or sparse; save it as plain numbers or texts"):
        read(wrote(tmp_path / "b.mat", AVERAGES | {"time_ms": {"a": 1}}))


@pytest.mark.parametrize("content", [b"", b"spikes, mostly", b"MATLAB 5.0 MAT-file" + b" " * 105 + b"\x00\x01IM" + b"\xff" * 400])
@pytest.mark.parametrize("suffix", [".mat", ".csv", ".npz"])
def test_damaged_files_are_refused_in_our_words(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises((FileProblem, TrialsError), match=rf"a\{suffix}: ") as refused:
        read(tmp_path / f"a{suffix}")
    assert "allow_pickle" not in str(refused.value)


@pytest.mark.parametrize("dims", [DIMS, ("condition", "time", "unit"), ("time", "unit", "condition"), ("condition", "unit", "time")])
def test_axes_are_in_the_order_that_is_said(tmp_path: Path, dims: tuple[str, ...]) -> None:
    turned = AVERAGES["firing_rate"].transpose([DIMS.index(name) for name in dims])
    path = wrote(tmp_path / "a.npz", AVERAGES | {"firing_rate": turned})
    np.testing.assert_array_equal(read(path, dims=dims).rate, AVERAGES["firing_rate"].T)
    assert hand(path, dims=dims).shape == (CONDITIONS, BINS, 2)
    for wrong in (("unit", "time"), ("unit", "time", "trial")):
        with pytest.raises(OptionError, match="should be 'unit', 'time' and 'condition', in the order in which the file has them"):
            read(path, dims=wrong)


def test_more_conditions_than_units_are_said_prominently(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turned = {"firing_rate": AVERAGES["firing_rate"].T, "time_ms": AVERAGES["time_ms"]}
    trials = read(wrote(tmp_path / "turned.npz", turned))
    assert trials.provenance["findings"][0].startswith("8 units x 12 conditions: more conditions than units.")
    assert "turned.npz: 8 units x 12 conditions" in capsys.readouterr().err
    trials.save(tmp_path / "t.nc")
    assert read(tmp_path / "t.nc").provenance["findings"] == trials.provenance["findings"]


@pytest.mark.parametrize(("conditions", "said"), [(6, False), (7, True), (24, True)])
@pytest.mark.parametrize("suffix", [".npz", ".mat", ".csv"])
def test_more_conditions_than_units_are_said_of_spikes_too(tmp_path: Path, suffix: str, conditions: int, said: bool) -> None:
    """24 trials of six units, of which the conditions are as many, one more, or as many as the trials."""
    spikes = {"spike_time_ms": np.linspace(1, 390, 288), "spike_unit": np.arange(288) % 6, "spike_trial": np.arange(288) // 12}
    table = spikes | {"trial_condition": np.arange(24) % conditions * 10, "trial_duration_ms": np.full(24, 400.0)}
    path = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        rows = zip(*spikes.values(), *(table[name][spikes["spike_trial"]] for name in ("trial_condition", "trial_duration_ms")), strict=True)
        path.write_text("\n".join([",".join(table), *(",".join(map(str, row)) for row in rows)]))
    else:
        wrote(path, table)
    found = [line for line in read(path).provenance.get("findings", []) if "more conditions than units" in line]
    assert bool(found) == said
    assert all("If trial_condition is another for every trial, condition=... names the column" in line for line in found)
    assert all(("or units and trials are exchanged" in line) == (conditions == 24) for line in found)


@pytest.mark.parametrize("kind", [np.float32, ">f4", np.int16, np.float64])
def test_numbers_of_any_type_are_read_alike(tmp_path: Path, kind: Any) -> None:
    made = {name: array.astype(kind) for name, array in AVERAGES.items() if name != "firing_rate"} | {"firing_rate": AVERAGES["firing_rate"]}
    found, expected = read(wrote(tmp_path / "a.npz", made)), read(wrote(tmp_path / "b.npz", AVERAGES))
    np.testing.assert_array_equal(found.time, expected.time)
    np.testing.assert_array_equal(found.rate, expected.rate)


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        (np.arange(8) * np.pi / 4, "direction_deg lies between 0 and 5.49779; these are probably radians, and should be degrees."),
        (np.append(AVERAGES["direction_deg"][:7], 360.0), "names a direction more than once"),
        (np.append(AVERAGES["direction_deg"][:7], 45.0 * (1 + 1e-9)), "names a direction more than once"),
    ],
)
def test_directions_that_are_not_eight_are_refused(tmp_path: Path, direction: np.ndarray, message: str) -> None:
    with pytest.raises(TrialsError, match=message):
        read(wrote(tmp_path / "a.npz", AVERAGES | {"direction_deg": direction}))


def test_trials_start_where_their_spikes_do(tmp_path: Path) -> None:
    trials = read(wrote(tmp_path / "a.npz", TABLE | {"spike_time_ms": np.append(TABLE["spike_time_ms"][1:], -143.0)}))
    assert trials.time[0] == pytest.approx(np.floor(min(trials.spikes.time) * 100) / 100) and trials.bin == pytest.approx(0.01)
    assert trials.spikes.time.size == SPIKES and (trials.stop == 0.4).all()
    assert trials.provenance["findings"] == [f"spikes before 0: trials are taken to start at {trials.time[0] * 1e3:g} ms."]


def test_what_is_odd_about_units_labels_and_spikes_is_said(tmp_path: Path) -> None:
    from_one = TABLE | {"spike_unit": TABLE["spike_unit"] + 1, "spike_time_ms": abs(TABLE["spike_time_ms"])}
    found = read(wrote(tmp_path / "a.npz", from_one)).provenance["findings"]
    assert found == ["no spike is of unit 0, which is taken for silent; if units are numbered from 1, subtract 1."]
    assert "findings" not in read(wrote(tmp_path / "a.npz", from_one | {"n_units": 6})).provenance
    for silent, listed in ((2, "4, 5"), (6, "4, 5, 6, 7, 8, 9"), (7, "4, 5, 6, 7, 8, 9, …"), (500, "4, 5, 6, 7, 8, 9, …")):
        unit = np.where(from_one["spike_unit"] == 5, 4 + silent, from_one["spike_unit"] - 1)
        found = read(wrote(tmp_path / "a.npz", from_one | {"spike_unit": unit})).provenance["findings"]
        assert found == [f"no spike is of unit {listed}, which are taken for silent; 'n_units' says how many there are."]
    lost = read(wrote(tmp_path / "a.npz", from_one | {"n_units": 6, "trial_condition": np.where(np.arange(10) < 3, np.nan, np.arange(10) % 2)}))
    assert lost.provenance["findings"] == ["3 of 10 trials have no label in trial_condition, and are left out."]
    assert lost.shape[0] == 7 and lost.spikes.time.size == SPIKES * 7 // 10
    twice = {name: np.append(array, array[:4]) for name, array in from_one.items() if name.startswith("spike")}
    found = read(wrote(tmp_path / "a.npz", from_one | twice | {"n_units": 6})).provenance["findings"]
    assert found == ["4 spikes are there more than once; each counts."]


def test_conditions_of_a_table_may_be_any_of_its_columns(tmp_path: Path) -> None:
    path = wrote(tmp_path / "a.npz", TABLE)
    assert read(path, condition="trial_success").condition.tolist() == TABLE["trial_success"].tolist()
    both = read(path, condition=["trial_condition", "trial_success"])
    assert both.condition[:3].tolist() == ["0, False", "1, True", "0, True"] and both.provenance["condition"] == "trial_condition, trial_success"
    with pytest.raises(NotFound, match=r"a.npz: there is no column 'trial_sucess' with one entry a trial. Did you mean 'trial_success'\?"):
        read(path, where="trial_sucess == 1")
    assert read(path, window=(0.0, 0.2)).shape[:2] == (10, 20)


def test_a_table_with_commas_says_one_thing_of_a_trial(tmp_path: Path) -> None:
    path = wrote(tmp_path / "a.csv", TABLE)
    lines = path.read_text().splitlines()
    kept = [line for line in lines if line.split(",")[2] != "4"]
    path.write_text("\n".join(kept))
    found = read(path)
    assert found.shape[0] == 9
    assert found.provenance["findings"][-1] == "1 numbers of trials between the first and the last have no spike, so that nothing is known of them."
    path.write_text("\n".join([lines[0], lines[1].replace(",400.0,", ",300.0,"), *lines[2:]]))
    with pytest.raises(TrialsError, match=r"a.csv: column 'trial_duration_ms' says different things of trial 0; it should say one"):
        read(path)
    path.write_text("\n".join(line.rsplit(",", 2)[0] for line in lines))
    with pytest.raises(
        TrialsError, match=r"a.csv: column 'trial_duration_ms' is missing \(found spike_time_ms, spike_unit, spike_trial, trial_condition\)"
    ):
        read(path)


@pytest.mark.parametrize(
    ("arrays", "options"),
    [
        (AVERAGES, {"align": "go"}), (AVERAGES, {"condition": "direction_deg"}), (AVERAGES, {"where": "a == 1"}), (AVERAGES, {"bin": 0.01}),
        (AVERAGES, {"table": "epochs"}), (TABLE, {"dims": DIMS}), (TABLE, {"table": "epochs"}),
    ],
)  # fmt: skip
def test_an_option_that_does_not_choose_is_refused(tmp_path: Path, arrays: dict[str, Any], options: dict[str, Any]) -> None:
    path = wrote(tmp_path / "a.npz", arrays)
    with pytest.raises(OptionError, match=rf"a.npz: {next(iter(options))} does not apply to (a spike table|condition averages); it takes window"):
        read(path, **options)
    read(path).save(tmp_path / "a.nc")
    with pytest.raises(OptionError, match=rf"a.nc: {next(iter(options))} does not apply to saved trials; it takes window"):
        read(tmp_path / "a.nc", **options)


def test_trials_that_may_be_numbered_from_one_are_said(tmp_path: Path) -> None:
    rng, trial = np.random.default_rng(0), np.repeat(np.arange(1, 8), 30)
    table = {"spike_time_ms": rng.uniform(0, 500, trial.size), "spike_unit": np.arange(trial.size) % 6, "spike_trial": trial,
             "trial_condition": np.arange(8) % 4, "trial_duration_ms": np.full(8, 500.0)}  # fmt: skip
    np.savez(tmp_path / "from_one.npz", **table)
    assert any("if trials are numbered from 1, subtract 1" in said for said in read(tmp_path / "from_one.npz").provenance["findings"])
    np.savez(tmp_path / "from_zero.npz", **table | {"spike_trial": np.where(trial == 7, 0, trial)})
    assert not any("numbered from 1" in said for said in read(tmp_path / "from_zero.npz").provenance.get("findings", ()))
