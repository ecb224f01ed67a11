"""Trials as tables: what is written reads back equal, in CSV as in netCDF and NWB; what a table would not hold is refused."""

import csv
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from cortex_sim.errors import NotFound, OptionError, TrialsError
from cortex_sim.trials import Trials, read, write_csv, write_nwb
from cortex_sim.trials._long_table import from_long_table


def rates(seed: int, *, masked: bool, unequal: bool, labels: str) -> Trials:
    """Rates of any size of numbers, with what a recording may lack."""
    rng = np.random.default_rng(seed)
    trials, bins, units = rng.integers(4, 9), rng.integers(4, 12), rng.integers(6, 10)
    values = rng.standard_normal((trials, bins, units)) * 10.0 ** rng.integers(-8, 8, (trials, bins, units))
    time = rng.choice([-0.3, 0.0, 0.07]) + rng.choice([0.01, 0.02, 1 / 30]) * np.arange(bins)
    number = rng.integers(0, 3, trials)
    condition = {"text": np.array(["left, up", 'a "b"', "→ right"])[number], "whole": number, "angle": np.array([0.0, 0.1 + 0.2, 90.5])[number]}
    stop = time[rng.integers(2, bins, trials)] + rng.choice([0.0, 0.003], trials) if unequal else None
    if stop is not None:
        stop[0] = 2 * time[-1] - time[-2]
    made = Trials.from_arrays(values, time, condition=condition[labels], stop=stop)
    seen = rng.random((trials, units)) < 0.7
    seen[rng.integers(trials), :] = seen[:, rng.integers(units)] = True
    seen[np.arange(trials), np.arange(trials) % units] = seen[np.arange(units) % trials, np.arange(units)] = True
    seen[0] = True
    return made.with_observed(seen) if masked else made


def check_equal(found: Trials, wanted: Trials, *, exact: bool = True) -> None:
    assert found.shape == wanted.shape
    assert found.condition.tolist() == wanted.condition.tolist()
    np.testing.assert_array_equal(found.observed, wanted.observed)
    np.testing.assert_allclose(found.stop, wanted.stop, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.time, wanted.time, rtol=0, atol=0 if exact else 1e-12)
    if "rate" in wanted.dataset:
        there = wanted.observed[:, None, :] & wanted.lasting[:, :, None]
        np.testing.assert_array_equal(found.lasting, wanted.lasting)
        np.testing.assert_array_equal(found.dataset["rate"].values[there], wanted.dataset["rate"].values[there])
        assert found.dataset["rate"].attrs["units"] == wanted.dataset["rate"].attrs["units"]
    else:
        np.testing.assert_allclose(found.spikes.time, wanted.spikes.time, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(found.spikes.unit, wanted.spikes.unit)
        np.testing.assert_array_equal(found.spikes.trial, wanted.spikes.trial)
        np.testing.assert_array_equal(found._counts(None), wanted._counts(None))


@pytest.mark.parametrize("seed", range(24))
def test_rates_read_back_to_the_last_digit(tmp_path: Path, seed: int) -> None:
    wanted = rates(seed, masked=seed % 2 == 1, unequal=seed % 4 > 1, labels=("text", "whole", "angle")[seed % 3])
    wanted.save(tmp_path / "r.nc")
    write_csv(wanted, tmp_path / "r.csv")
    for name in ("r.nc", "r.csv"):
        check_equal(read(tmp_path / name), wanted)
    if seed < 4 and find_spec("pynwb"):
        write_nwb(wanted, tmp_path / "r.nwb")
        check_equal(read(tmp_path / "r.nwb"), wanted, exact=False)


@pytest.mark.parametrize("seed", range(8))
def test_spikes_read_back_to_a_picosecond(tmp_path: Path, seed: int) -> None:
    rng, start, unequal = np.random.default_rng(seed), (-0.2, 0.0)[seed % 2], seed % 4 > 1
    trials, stop = 5, 0.4 + (0.2 * rng.random(5) if unequal else 0.2 + np.zeros(5))
    stop[0] = 0.6
    trial = np.concatenate([np.arange(trials), rng.integers(0, trials, 200)])
    when = start + rng.random(trial.size) * (stop[trial] - start)
    time = start + 0.02 * np.arange(round((0.6 - start) / 0.02))
    wanted = Trials.from_spikes((when, rng.integers(0, 7, trial.size), trial), time, units=9, condition=rng.choice(["l", "r"], 5), stop=stop)
    wanted.save(tmp_path / "s.nc")
    write_csv(wanted, tmp_path / "s.csv")
    names = ["s.nc", "s.csv"]
    if seed < 2 and find_spec("pynwb"):
        write_nwb(wanted, tmp_path / "s.nwb")
        names.append("s.nwb")
    for name in names:
        check_equal(read(tmp_path / name), wanted, exact=False)


def table(**more: list[object]) -> dict[str, np.ndarray]:
    """Two trials, two times and two units whose rates say where they belong: 100 trial + 10 time + unit."""
    places = [(trial, time, unit) for trial in (0, 1) for time in (0, 1) for unit in (0, 1)]
    made = {"trial": [p[0] for p in places], "time": [0.01 * p[1] for p in places], "unit": [p[2] for p in places]}
    made |= {"rate": [100.0 * p[0] + 10 * p[1] + p[2] for p in places]}
    return {name: np.array(column) for name, column in (made | more).items()}


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_rows_and_columns_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, order = rng.permutation(8), rng.permutation(["Trial", "time (ms)", "UNIT", "rate (spikes/s)"])
    plain = table()
    renamed = {"Trial": plain["trial"], "time (ms)": 1e3 * plain["time"], "UNIT": plain["unit"], "rate (spikes/s)": plain["rate"]}
    found = from_long_table({name: renamed[name][rows] for name in order}, {})
    np.testing.assert_array_equal(found.rate, [[[0, 1], [10, 11]], [[100, 101], [110, 111]]])
    np.testing.assert_allclose(found.time, [0, 0.01], rtol=1e-12)
    assert found.dataset["rate"].attrs["units"] == "spikes/s"


def test_columns_with_names_of_their_own_are_named() -> None:
    plain = table()
    found = from_long_table(
        {"fr": plain["rate"], "t": plain["time"], "cell": np.where(plain["unit"], "b", "a"), "k": plain["trial"], "rate": plain["unit"]}, {},
        {"rate": "fr", "time": "t", "unit": "cell", "trial": "k"},
    )  # fmt: skip
    np.testing.assert_array_equal(found.rate, [[[0, 1], [10, 11]], [[100, 101], [110, 111]]])
    assert found.dataset["unit"].values.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"rate": [*range(7), np.nan]}, r"'rate' is nan in row 7; .* Leave out the rows of what was not observed"),
        ({"time": [0, 0, 0.01, 0.01, 0, 0, 0, 0.01]}, r"trial 1, time 0 s, unit 0 has 2 rows"),
        (
            {"unit": [0, 1, 0, 1, 0, 1, 0, 2]},
            r"trial 1, time 0 s, unit 2 has no row, though .*; 2 are missing|trial 1, time 0.01 s, unit 1 has no row",
        ),
        ({"condition": ["a", "a", "b", "a", "c", "c", "c", "c"]}, "'condition' says different things of trial 0"),
        ({"condition": ["a", "a", "a", "a", "", "", "", ""]}, "'condition' is empty in row 4"),
        ({"rate": ["x"] * 8}, "'rate' holds <U1; it should hold numbers"),
        ({"Rate": [0.0] * 8}, "columns 'rate' and 'Rate' both say rate"),
    ],
)
def test_a_table_that_is_no_table_of_trials_is_refused(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(TrialsError, match=message):
        from_long_table(table(**columns), {})


def test_what_is_missing_or_unknown_is_told() -> None:
    plain = table()
    with pytest.raises(TrialsError, match=r"column 'rate' is missing \(found trial, time, unit\)"):
        from_long_table({name: column for name, column in plain.items() if name != "rate"}, {})
    with pytest.raises(NotFound, match="there is no column 'raet'. Did you mean 'rate'"):
        from_long_table(plain, {}, {"rate": "raet"})
    with pytest.raises(TrialsError, match="'time .min.' is in 'min'; times should be in s or ms"):
        from_long_table({("time (min)" if name == "time" else name): column for name, column in plain.items()}, {})


def test_what_a_table_would_not_hold_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    rate, time = np.ones((4, 5, 6)), 0.01 * np.arange(5)
    seen = np.ones((4, 6), dtype=bool)
    seen[2] = False
    spikes = (np.array([0.01, 0.02]), np.array([0, 1]), np.array([0, 2]))
    cases = {
        "trial 2 was observed nowhere": Trials.from_arrays(rate, time).with_observed(seen),
        "unit 3 was observed nowhere": Trials.from_arrays(rate, time).with_observed(np.arange(6) != np.full((4, 1), 3)),
        "condition '1' would be read as 1": Trials.from_arrays(rate, time, condition=["1", "2", "3", "4"]),
        "trial 1 has no spike": Trials.from_spikes(spikes, time, units=3, condition=[0, 1, 2]),
        "are read in the order of their numbers or names": Trials.from_arrays(rate, time).units([3, 1, 0, 2, 4, 5]),
    }
    for message, trials in cases.items():
        with pytest.raises(TrialsError, match=re.escape(message)):
            write_csv(trials, tmp_path / "t.csv")
    assert not list(tmp_path.iterdir())


def test_a_spreadsheet_sees_one_row_for_each_number(tmp_path: Path) -> None:
    write_csv(Trials.from_arrays(np.arange(240.0).reshape(4, 10, 6), 0.01 * np.arange(10), condition=list("abca")), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["trial", "condition", "time (s)", "unit", "rate (Hz)"]
    assert len(rows) == 240
    assert rows[7] == ["0", "a", "0.01", "1", "7.0"]
    with pytest.raises(OptionError, match="align does not apply to a long table of rates"):
        read(tmp_path / "t.csv", align="go")
    assert read(tmp_path / "t.csv", window=(0.02, 0.05)).shape == (4, 3, 6)
