"""Rates that are written as NWB read back as they were, in any order of trials asked for, and other tools find them."""

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.errors import FileProblem, OptionError, TrialsError
from cortex_sim.trials import Trials, read, write_nwb
from cortex_sim.trials._recordings import read_nwb

pynwb = pytest.importorskip("pynwb")

RNG = np.random.default_rng(2)
TIME = -0.3 + 0.02 * np.arange(40)
NAMES = ["Tür, links", 'sagt "rechts"', "Zeile\nzwei", "übrig"] * 2


def rates(conditions: Any = NAMES, *, ended: bool = False, unseen: bool = False, units: str = "1/s, ü") -> Trials:
    """Rates of 8 trials of 7 units, some of which end early or were not observed."""
    stop = np.array([0.5, 0.1, 0.5, 0.31, 0.5, 0.5, 0.02, 0.5]) if ended else None
    made = Trials.from_arrays(
        RNG.normal(20, 9, (8, 40, 7)), TIME, condition=conditions, stop=stop, units=units, provenance={"é": [1, None], "dt_s": 1e-3}
    )
    if not unseen:
        return made
    mask = np.ones((8, 7), dtype=bool)
    mask[[0, 3, 3], [2, 0, 6]] = False
    values = np.where(mask[:, None], made.dataset["rate"].values, np.nan)
    return Trials(
        made.dataset.assign(rate=(("trial", "time", "unit"), values, made.dataset["rate"].attrs)).assign_coords(observed=(("trial", "unit"), mask))
    )


@pytest.mark.parametrize("conditions", [NAMES, [1, 2, 3, 4] * 2, [0.0, 45.0, 0.1 + 0.2, 90.0] * 2])
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("unseen", [False, True])
def test_written_rates_read_back_equal(tmp_path: Path, conditions: Any, ended: bool, unseen: bool) -> None:
    trials = rates(conditions, ended=ended, unseen=unseen)
    trials = Trials(trials.dataset.assign_coords(population=("unit", ["L5, é"] * 3 + ["L2"] * 4), unit=[9, 4, 2, 30, 1, 0, 7]))
    write_nwb(trials, tmp_path / "Größe.nwb")
    for found in (read(tmp_path / "Größe.nwb"), read_nwb(tmp_path / "Größe.nwb")):
        assert set(found.dataset.variables) == set(trials.dataset.variables)
        for name in trials.dataset.variables:
            if name in ("time", "stop"):
                np.testing.assert_allclose(found.dataset[name], trials.dataset[name], rtol=0, atol=1e-12)
            else:
                np.testing.assert_array_equal(found.dataset[name].values, trials.dataset[name].values)  # to the last bit, what is missing too
        assert found.provenance == trials.provenance and found.dataset["rate"].attrs["units"] == "1/s, ü"


def test_trials_are_chosen_and_cut_as_those_in_memory_are(tmp_path: Path) -> None:
    trials = rates([0, 90, 180, 270] * 2)
    write_nwb(trials, tmp_path / "s.nwb")
    chosen = read(tmp_path / "s.nwb", where="condition > 0", window=(-0.1, 0.2))
    np.testing.assert_array_equal(chosen.rate, trials.select(trials.condition > 0).window(-0.1, 0.2).rate)
    left = read(tmp_path / "s.nwb", unless="condition == 0", align="go_cue_time", bin=0.02)
    np.testing.assert_array_equal(left.rate, trials.select(trials.condition > 0).rate)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"align": "start_time"}, "align 'start_time' does not apply: the file holds rates, of align 'go_cue_time'"),
        ({"bin": 0.01}, "bin 0.01 does not apply: the file holds rates, of bin 0.02"), ({"dims": ("unit",)}, "dims does not apply to NWB"),
    ]  # fmt: skip
    for asked, said in refused:
        with pytest.raises(OptionError, match=re.escape(said)):
            read(tmp_path / "s.nwb", **asked)
    with pytest.raises(TrialsError, match=r"2 conditions; at least 4 are needed"):
        write_nwb(trials.select([0, 1]), tmp_path / "few.nwb")
        read(tmp_path / "few.nwb")


def test_protocols_take_them_for_averages(tmp_path: Path) -> None:
    time = 0.01 * np.arange(-60, 60)
    made = Trials.from_arrays(20 + RNG.normal(size=(5, 120, 8)).cumsum(axis=1), time, condition=[0.0, 72.0, 144.0, 216.0, 288.0])
    write_nwb(made, tmp_path / "s.nwb")
    chosen = cs.trials.Recording(tmp_path / "s.nwb", {"window": (-0.5, 0.5)})
    np.testing.assert_array_equal(cs.trials.averages(chosen, -0.3, 0.4).rate, made.rate)  # averages are taken as they are
    np.testing.assert_array_equal(read(chosen).rate, made.window(-0.5, 0.5).rate)


def test_others_find_a_series_with_a_row_a_sample_and_the_file_is_valid(tmp_path: Path) -> None:
    trials, path = rates(ended=True), tmp_path / "s.nwb"
    write_nwb(trials, path)
    assert pynwb.validate(path=str(path)) == []
    with pynwb.NWBHDF5IO(path, "r") as file:
        nwb = file.read()
        series, table = nwb.processing["ecephys"]["firing_rates"], nwb.trials.to_dataframe()
        assert (
            series.unit == "1/s, ü"
            and len(nwb.processing["ecephys"]["simulated_units"]) == 7
            and nwb.units is None
            and table.condition.tolist() == NAMES
        )
        for trial, row in table.iterrows():  # as anyone would cut it
            own = (series.timestamps[:] >= row.start_time - 1e-9) & (series.timestamps[:] < row.stop_time - 1e-9)
            np.testing.assert_array_equal(series.data[:][own], trials.dataset["rate"].values[trial][trials.lasting[trial]])
    inspector = pytest.importorskip("nwbinspector")
    found = list(inspector.inspect_nwbfile(nwbfile_path=str(path)))
    assert [message.message for message in found if message.importance.name != "BEST_PRACTICE_SUGGESTION"] == []


def test_a_damaged_series_is_refused(tmp_path: Path) -> None:
    for number, harm in enumerate((
        lambda file: file["processing/ecephys/firing_rates/timestamps"].__setitem__(5, 1e6), lambda file: file.pop("processing/ecephys/firing_rates"),
        lambda file: file.pop("processing/ecephys/simulated_units"),
    )):  # fmt: skip
        path = tmp_path / f"{number}.nwb"
        write_nwb(rates(), path)
        with h5py.File(path, "r+") as file:
            harm(file)
        with pytest.raises(FileProblem, match=rf"{number}\.nwb: .*it is damaged"):
            read(path)


def test_converting_writes_rates(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from cortex_sim.cli import app

    rates().save(tmp_path / "r.nc")
    result = CliRunner().invoke(app, ["convert", str(tmp_path / "r.nc"), str(tmp_path / "r.nwb")])
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(read(tmp_path / "r.nwb").rate, Trials.load(tmp_path / "r.nc").rate)
