"""PyalData's table of trials, as MATLAB 5 and 7.3 write it: the spikes, events and behaviour that were put in come out."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

import cortex_sim as cs
from cortex_sim.errors import CortexSimError
from cortex_sim.trials import Recording, behaviour, read

SIZE, ROWS, UNITS, LONG = 0.02, 9, 4, (60, 75, 66, 60, 81, 60, 70, 60, 64)
RNG = np.random.default_rng(0)
COUNTS = [RNG.poisson(0.6, (long, UNITS)) for long in LONG]
GO = np.array([20, 25, 30, 22, 20, 24, 20, 28, 21])  # from 0


def table(base: int = 1, **changed: Any) -> list[dict[str, Any]]:
    """Rows of a session: events count from ``base``."""
    rows = [
        {"trial_id": row + 1, "bin_size": SIZE, "M1_spikes": COUNTS[row].astype(float), "vel": np.cumsum(np.ones((LONG[row], 2)), axis=0) + 100 * row,
         "idx_trial_start": base, "idx_go_cue": GO[row] + base, "target_id": float(row % 3), "result": "F" if row == 4 else "R",
         "force": np.arange(3.0), "task": "CO"}
        for row in range(ROWS)
    ]  # fmt: skip
    return [row | {name: value[number] for name, value in changed.items()} for number, row in enumerate(rows)]


def wrote(path: Path, rows: list[dict[str, Any]], name: str = "trial_data", **beside: Any) -> Path:
    """The rows as MATLAB writes an array of structs; as Python does, a cell array of structs, where the file is called so."""
    if path.stem.endswith("73"):
        with h5py.File(path, "w", userblock_size=512) as file:
            group = file.create_group(name)
            group.attrs["MATLAB_class"] = np.bytes_("struct")
            for field in rows[0]:
                references = np.empty((len(rows), 1), dtype=h5py.ref_dtype)
                for number, row in enumerate(rows):
                    text, value = isinstance(row[field], str), row[field]
                    found = np.array([list(map(ord, value))], np.uint16) if text else np.atleast_2d(value)
                    item = file.create_dataset(f"#refs#/{field}{number}", data=found.T if found.size else np.zeros(2, np.uint64))
                    item.attrs["MATLAB_class"] = np.bytes_("char" if text else "double")
                    if not found.size:
                        item.attrs["MATLAB_empty"] = 1
                    references[number] = item.ref
                group[field] = references
            for other, value in beside.items():
                file[other] = value
        return path
    kinds = [(field, object) for field in rows[0]]
    struct = rows if path.stem.endswith("cell") else np.array([tuple(row[field] for field in rows[0]) for row in rows], dtype=kinds)
    savemat(path, {name: struct} | beside)
    return path


FILES = pytest.mark.parametrize("name", ["v5.mat", "cell.mat", "v73.mat"])


@FILES
def test_counts_come_back_about_the_event(tmp_path: Path, name: str) -> None:
    trials = read(wrote(tmp_path / name, table()), align="idx_go_cue", window=(-0.4, 0.6), condition="target_id")
    assert trials.shape == (ROWS, 50, UNITS) and trials.bin == pytest.approx(SIZE) and trials.time[0] == pytest.approx(-0.4)
    np.testing.assert_array_equal(trials.counts(), [counts[go - 20 : go + 30] for counts, go in zip(COUNTS, GO, strict=True)])
    assert trials.condition.tolist() == [0.0, 1.0, 2.0] * 3 and set(trials.population) == {"M1"}
    wide = read(tmp_path / name, align="idx_go_cue", window=(-0.4, 0.6), bin=0.1)
    np.testing.assert_array_equal(wide.counts(), trials.counts(0.1))
    assert trials.provenance["table"] == "trial_data" and trials.provenance["align"] == "idx_go_cue"
    assert trials.provenance["findings"] == [
        "columns idx_… are taken to count bins from 1 (as MATLAB does; none of them is 0).",
        "spikes are counts in bins of 20 ms, and were put evenly into them; intervals between spikes say no more than that.",
    ]


@FILES
def test_whole_trials_end_when_they_do(tmp_path: Path, name: str) -> None:
    trials = read(wrote(tmp_path / name, table()))
    np.testing.assert_allclose(trials.stop, SIZE * np.array(LONG))
    assert np.bincount(trials.spikes.trial).tolist() == [counts.sum() for counts in COUNTS]
    about = read(tmp_path / name, align="idx_go_cue")
    assert about.time[0] == pytest.approx(-SIZE * GO.min())
    np.testing.assert_allclose(about.stop, SIZE * (np.array(LONG) - GO))


@FILES
def test_rows_are_chosen_labelled_and_left_out_as_everywhere(tmp_path: Path, name: str) -> None:
    rows = table(target_id=[*np.arange(8.0) % 2, np.nan], idx_go_cue=[*(GO[:7] + 1), np.empty((0, 0)), 22])
    path = wrote(tmp_path / name, rows)
    trials = read(path, align="idx_go_cue", window=(-0.4, 0.75), condition=["target_id", "result"], where="result == R and trial_id < 9")
    assert trials.condition.tolist() == ["0, R", "1, R", "1, R", "0, R"]  # 4 failed, 7 has no cue, 8 is not asked for, 2 and 5 are short
    said = trials.provenance["findings"]
    assert said[:3] == [
        "1 of 9 trials have no idx_go_cue, and are left out.",
        "2 of 9 trials are not where result == R and trial_id < 9, and are left out.",
        "2 of 9 trials do not cover -0.4 to 0.75 s, and are left out.",
    ]
    lost = read(path)
    assert lost.condition.size == 8 and "1 of 9 trials have no label in target_id, and are left out." in lost.provenance["findings"]


def test_events_count_from_zero_where_one_is_zero(tmp_path: Path) -> None:
    one, zero = (read(wrote(tmp_path / f"{base}.mat", table(base)), align="idx_go_cue", window=(-0.2, 0.4)) for base in (1, 0))
    np.testing.assert_array_equal(one.counts(), zero.counts())
    assert zero.provenance["findings"][0] == "columns idx_… are taken to count bins from 0 (one of them is 0)."


@FILES
def test_behaviour_has_the_trials_of_the_spikes(tmp_path: Path, name: str) -> None:
    chosen = {"align": "idx_go_cue", "window": (-0.1, 0.2), "where": "result == R"}
    path = wrote(tmp_path / name, table())
    trials, vel = read(path, **chosen), behaviour(path, "vel", **chosen)
    kept = [row for row in range(ROWS) if row != 4]
    expected = [100 * row + 1 + np.arange(GO[row] - 5, GO[row] + 10) for row in kept]
    np.testing.assert_array_equal(vel, np.stack([expected, expected], axis=2))
    np.testing.assert_allclose(vel.time, trials.time)
    whole = behaviour(Recording(path))  # the only series
    assert np.isnan(whole.values[0, LONG[0] :]).all() and np.isfinite(whole.values[0, : LONG[0]]).all()


@FILES
def test_areas_are_asked_for(tmp_path: Path, name: str) -> None:
    path = wrote(tmp_path / name, table(PMd_spikes=[counts[:, :2] + 1 for counts in COUNTS]))
    both = read(path, area=("PMd", "M1"))
    assert both.population.tolist() == ["PMd"] * 2 + ["M1"] * UNITS
    for part, area in (((0, 1), "PMd"), ((2, 3, 4, 5), "M1")):
        alone = read(path, area=area)
        np.testing.assert_array_equal(both.units(part)._counts(None), alone._counts(None))
    with pytest.raises(CortexSimError, match=r"\.mat: the table has spikes of M1, PMd; say which are read, for example area='M1'\."):
        read(path)
    with pytest.raises(CortexSimError, match=r"no spikes of area 'pmd'. Did you mean 'PMd'\?"):
        read(path, area="pmd")


def test_a_table_is_found_or_asked_for(tmp_path: Path) -> None:
    meta = np.array([(1.0, 2.0)], dtype=[("a", object), ("b", object)])
    path = wrote(tmp_path / "a.mat", table(), "session", meta=meta)
    assert read(path).dataset.drop_attrs().identical(read(path, table="session").dataset.drop_attrs())
    assert "'meta' is a struct, cell, object or sparse, and was skipped." in read(path).provenance["findings"]
    with pytest.raises(CortexSimError, match=r"there is no table of trials 'sesion'\? Did you mean 'session'\?"):
        read(path, table="sesion")
    savemat(tmp_path / "two.mat", {name: table()[:3] for name in ("monday", "tuesday")})
    with pytest.raises(CortexSimError, match=r"which table of trials is meant \(table=...\)\? Choose from monday, tuesday\."):
        read(tmp_path / "two.mat")
    with pytest.raises(CortexSimError, match="dims does not apply to a table of trials; it takes align"):
        read(path, dims=("unit", "time", "condition"))


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"bin_size": [20.0] * ROWS}, {}, "bin_size is 20 s; it should be 0.0005 to 0.1; it is probably in ms."),
        ({"bin_size": [0.02] * 8 + [0.01]}, {}, "column 'bin_size' should be there and hold one number, in s, the same in every row."),
        ({"M1_spikes": [0 * counts + 0.5 for counts in COUNTS]}, {}, "M1_spikes holds 0.5 at row 0, bin 0, unit 0; spikes should be whole numbers"),
        ({"M1_spikes": [counts.T for counts in COUNTS]}, {}, "M1_spikes has 60 to 81 units; it should be (time, unit), of as many in every row."),
        ({}, {"align": "idx_go"}, "there is no event 'idx_go' of one bin a row. Did you mean 'idx_go_cue'?"),
        ({}, {"align": "target_id"}, "there is no event 'target_id' of one bin a row."),
        ({"idx_go_cue": GO + 60}, {"align": "idx_go_cue"}, "idx_go_cue is 80 in row 0, which has 60 bins; it should be the number of a bin."),
        ({}, {"bin": 0.03}, "bin 30 ms is no whole number of the table's bins of 20 ms"),
        ({}, {"condition": "force"}, "column 'force' holds several values a row; a column of one value a row is needed."),
        ({}, {"where": "resul == R"}, "the table has no column 'resul'. Did you mean 'result'?"),
        ({}, {"window": (0.5, 0.1)}, "window (0.5, 0.1) should be (start, stop) in s, start before stop."),
        ({}, {"window": (0.0, 9.0)}, "no trial is left: 9 of 9 trials do not cover 0 to 9 s, and are left out. Ask for others."),
        ({"M1_spikes": [0 * counts for counts in COUNTS]}, {}, "no spike of M1 lies in a trial; at least one should."),
    ],
)
@pytest.mark.parametrize("name", ["v5.mat", "v73.mat"])
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, name: str, changed: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(CortexSimError) as refused:
        read(wrote(tmp_path / name, table(**changed)), **options)
    assert message in str(refused.value) and name in str(refused.value)


def test_the_command_line_converts_a_table(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from cortex_sim.cli import app

    path, out = wrote(tmp_path / "v73.mat", table()), tmp_path / "out.nc"
    asked = ["--table", "trial_data", "--align", "idx_go_cue", "--window", "-0.2", "0.4", "--where", "result == R", "--condition", "target_id"]
    done = CliRunner().invoke(app, ["convert", str(path), str(out), *asked, "--area", "M1"])
    assert done.exit_code == 0, done.output
    expected = read(path, align="idx_go_cue", window=(-0.2, 0.4), where="result == R", condition="target_id")
    assert cs.Trials.load(out).key == expected.key
