"""Trials are well formed, and stay what they are through a file."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cortex_sim.errors import CortexSimError, FileProblem, OptionError, TrialsError
from cortex_sim.trials._trials import Trials


def counting(trials: int = 4, bins: int = 6, units: int = 3, **more: Any) -> Trials:
    """Rates that say where they stand: 100 trial + 10 bin + unit, every 10 ms from -20 ms."""
    rate = 100.0 * np.arange(trials)[:, None, None] + 10.0 * np.arange(bins)[:, None] + np.arange(units)
    return Trials.from_arrays(rate, np.round(-0.02 + 0.01 * np.arange(bins), 9), **more)


@pytest.mark.parametrize("condition", [None, ["left", "rechts \u2192"], [45.0, 1 / 3], [7, -1], np.array(["a", "b"], dtype=object)])
def test_a_file_keeps_every_bit_label_unit_and_origin(tmp_path: Path, condition: Any) -> None:
    rate = np.random.default_rng(0).standard_normal((2, 3, 4)) * 1e3
    rate[0, 0] = [-0.0, 5e-324, 1e308, 1 / 3]
    origin = {"model": "m", "seeds": [1, 2], "deep": {"é": None, "x": 0.1 + 0.2}}
    trials = Trials.from_arrays(rate, [-0.01, 0.0, 0.01], condition=condition, units="1", provenance=origin)
    trials.save(tmp_path / "t.nc")
    found = Trials.load(tmp_path / "t.nc")
    assert (found.rate.tobytes(), found.time.tobytes()) == (rate.tobytes(), np.array([-0.01, 0.0, 0.01]).tobytes())
    assert found.condition.tolist() == ([0, 1] if condition is None else list(condition))
    assert found.dataset["rate"].attrs["units"] == "1" and found.dataset["time"].attrs["units"] == "s"
    assert found.provenance == origin
    assert found.dataset.identical(trials.dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["t.nc"]


@pytest.mark.parametrize("strides", ["rows", "columns", "swapped", "every second"])
def test_rates_are_stored_row_by_row_so_that_another_process_sums_them_in_the_same_order(strides: str) -> None:
    """Scores of a student that was sent to a worker differed in the last digit from those of one that was not."""
    rate = np.random.default_rng(0).standard_normal((6, 20, 8))
    given = {
        "rows": rate, "columns": np.asfortranarray(rate), "swapped": np.ascontiguousarray(rate.transpose(1, 0, 2)).transpose(1, 0, 2),
        "every second": np.repeat(rate, 2, axis=2)[:, :, ::2],
    }[strides]  # fmt: skip
    trials = Trials.from_arrays(given, 0.01 * np.arange(20))
    made = [trials, trials.window(0.05, 0.15), trials.select([4, 1]), trials.units([1, 2]), Trials(trials.dataset.isel(time=slice(2, 9)))]
    for one in made:
        sent = pickle.loads(pickle.dumps(one))
        assert one.rate.flags.c_contiguous and sent.rate.flags.c_contiguous
        assert one.rate.mean().tobytes() == sent.rate.mean().tobytes()
    np.testing.assert_array_equal(trials.rate, rate)


def nan_at(trial: int, sample: int, unit: int) -> np.ndarray:
    rate = np.zeros((2, 3, 4))
    rate[trial, sample, unit] = np.nan
    rate[-1, -1, -1] = np.inf
    return rate


TIME = [0.0, 0.01, 0.02]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((3, 4)), TIME), r"rates have shape \(3, 4\); they should be \(trial, time, unit\)"),
        ((np.zeros((2, 4, 3)), TIME), r"rates has 4 samples per trial but time has 3; rates is \(trial, time, unit\)"),
        ((np.zeros((2, 3, 4)), TIME, [1, 2, 3]), r"condition has shape \(3,\) but there are 2 trials; give one label a trial"),
        ((nan_at(1, 2, 0), TIME), "rate is not finite at 2 places, first at trial 1, bin 2, unit 0; remove or fill them"),
        ((np.zeros((2, 3, 4)), [0, 0.01, 0.03]), r"time steps lie between 0.01 and 0.02 s; bins should be even and rising"),
        ((np.zeros((2, 3, 4)), [0.02, 0.01, 0]), r"time steps lie between -0.01 and -0.01 s; bins should be even and rising"),
        ((np.zeros((2, 3, 4)), [0.5, 0.5, 0.5]), "time steps lie between 0 and 0 s"),
        ((np.zeros((2, 3, 4)), [0, 0.01, np.nan]), "bins should be even and rising"),
        ((np.zeros((2, 1, 4)), [0]), r"rate has shape \(2, 1, 4\); there should be at least one trial, two bins and one unit"),
        ((np.zeros((0, 3, 4)), TIME), r"rate has shape \(0, 3, 4\)"),
        ((np.zeros((2, 3, 0)), TIME), r"rate has shape \(2, 3, 0\)"),
    ],
)
def test_arrays_that_are_no_trials_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TrialsError, match=message):
        Trials.from_arrays(*arguments[:2], condition=arguments[2] if len(arguments) > 2 else None)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d.rename(rate="spikes"), r"variables are \['spikes'\]; one of them should be 'rate'"),
        (lambda d: d.transpose("time", "trial", "unit"), r"rate has dimensions \('time', 'trial', 'unit'\); it should have \('trial', 'time', 'unit"),
        (lambda d: d.drop_vars("time"), "coordinate 'time' along 'time' is missing"),
        (lambda d: d.drop_vars("condition"), "coordinate 'condition' along 'trial' is missing"),
    ],
)
def test_a_dataset_or_a_file_without_what_trials_need_is_refused(tmp_path: Path, damage: Any, message: str) -> None:
    damaged: xr.Dataset = damage(counting().dataset)
    with pytest.raises(TrialsError, match=message):
        Trials(damaged)
    damaged.to_netcdf(tmp_path / "t.nc", engine="h5netcdf")
    with pytest.raises(TrialsError, match=message):
        Trials.load(tmp_path / "t.nc")


def test_files_that_cannot_be_read_or_written_are_reported_with_their_path(tmp_path: Path) -> None:
    (tmp_path / "t.nc").write_text("no netCDF")
    with pytest.raises(FileProblem, match=r"t\.nc: cannot be read as netCDF"):
        Trials.load(tmp_path / "t.nc")
    with pytest.raises(FileProblem, match=r"absent\.nc: there is no such file"):
        Trials.load(tmp_path / "absent.nc")
    with pytest.raises(FileProblem, match=r"u\.nc: cannot be written"):
        counting().save(tmp_path / "t.nc" / "u.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["t.nc"]


def test_a_window_holds_the_bins_that_start_in_it_and_neighbouring_windows_share_none() -> None:
    trials = counting(bins=60)
    assert trials.bin == pytest.approx(0.01)
    assert np.round(trials.window(0.0, 0.03).time, 9).tolist() == [0.0, 0.01, 0.02]
    assert np.round(trials.window(0.1 * 3, 0.1 * 3 + 0.03).time, 9).tolist() == [0.3, 0.31, 0.32]  # 0.1 * 3 lies above 0.3 by round-off
    for cut in np.arange(0.02, 0.5, 0.01):
        parts = trials.window(-0.02, cut), trials.window(cut, 1.0)
        assert np.concatenate([part.time for part in parts]).tolist() == trials.time.tolist()
    with pytest.raises(TrialsError, match="window 0.1 to 0.11 s holds 1 bins; time runs from -0.02 to 0.57 s"):
        trials.window(0.1, 0.11)


def test_trials_and_units_are_kept_by_position_in_the_order_asked_for() -> None:
    trials = counting(condition=["a", "b", "c", "d"])
    chosen = trials.select([2, 0, 2]).units([1, 0])
    assert chosen.condition.tolist() == ["c", "a", "c"]
    assert chosen.rate[:, 3].tolist() == [[231, 230], [31, 30], [231, 230]]
    assert repr(chosen) == "<Trials: 3 trials, 2 conditions, 6 bins (-0.02 to 0.04 s), 2 units>"
    assert counting(provenance={"seed": 3}).select([1]).provenance == {"seed": 3}


@pytest.mark.parametrize("width", [0.01, 0.02, 0.005])
def test_a_window_counts_as_the_whole_does(width: float) -> None:
    """Spikes on every edge: 0.07 s lies before 7 * 0.01 in binary, and belongs to bin 7 all the same."""
    when = np.arange(400) / 1e3
    trials = Trials.from_spikes((when, np.zeros(400), np.zeros(400)), width * np.arange(round(0.4 / width)), units=1, condition=[0])
    whole = trials.counts()
    assert (whole == round(1e3 * width)).all()
    for first in range(whole.shape[1] - 2):
        part = trials.window(width * first, 0.4)
        np.testing.assert_array_equal(part.counts(), whole[:, first:])
        assert part.spikes.time.size == whole[:, first:].sum()


TIME, RATES = 0.01 * np.arange(3), np.arange(12.0).reshape(2, 3, 2)
WRONG = {
    "masked rates": lambda: Trials.from_arrays(np.ma.masked_equal(RATES, 5), TIME),
    "complex rates": lambda: Trials.from_arrays(RATES + 1j, TIME),
    "texts for rates": lambda: Trials.from_arrays(RATES.astype(str), TIME),
    "masked labels": lambda: Trials.from_arrays(RATES, TIME, condition=np.ma.masked_equal([0, 1], 1)),
    "one label": lambda: Trials.from_arrays(RATES, TIME, condition=3),
    "times in a table": lambda: Trials.from_arrays(RATES, TIME[None]),
    "no unit": lambda: Trials.from_arrays(RATES, TIME, units=None),
    "an array in the provenance": lambda: Trials.from_arrays(RATES, TIME, provenance={"a": RATES}),
    "half a unit": lambda: spiking(spikes=([0.005], [0.5], [0])),
    "two and a half units": lambda: spiking(units=2.5),
    "units in a text": lambda: spiking(units="2"),
    "an end that is not known": lambda: spiking(stop=[np.nan, 0.03]),
    "one end for two trials": lambda: spiking(stop=[0.03]),
    "one name for two units": lambda: spiking(population=["a"]),
    "masked spikes": lambda: spiking(spikes=(np.ma.masked_equal([0.005], 0.005), [0], [0])),
    "one label for spikes": lambda: spiking(condition=1),
    "a window from a": lambda: Trials.from_arrays(RATES, TIME).window("a", 1),
    "bins of 0": lambda: spiking().binned(0),
    "bins of no number": lambda: spiking().binned(np.nan),
    "bins of a list": lambda: spiking().counts([0.01]),
    "infinite smoothing": lambda: spiking().smoothed(np.inf),
    "a ragged mask": lambda: Trials.from_arrays(RATES, TIME).with_observed([[True], [True, False]]),
    "no path": lambda: Trials.from_arrays(RATES, TIME).save(None),
}


def spiking(**changes: Any) -> Trials:
    return Trials.from_spikes(**({"spikes": ([0.005], [0], [0]), "time": TIME, "units": 2, "condition": [0, 1]} | changes))


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_in_a_call_of_trials_is_said_in_our_words(what: str) -> None:
    with pytest.raises(CortexSimError):
        WRONG[what]()


def _as_array(time: np.ndarray) -> Trials:
    rate = xr.DataArray(np.ones((2, time.size, 3)), dims=("trial", "time", "unit"), coords={"time": time})
    return Trials(rate)


def _as_spikes(time: np.ndarray) -> Trials:
    return Trials.from_spikes((time[[1, 2]], [0, 2], [0, 1]), time, units=3, condition=[0, 1])


MAKERS = {"arrays": lambda time: Trials.from_arrays(np.ones((2, time.size, 3)), time), "spikes": _as_spikes, "DataArray": _as_array}


@pytest.mark.parametrize("step", [1, 2, 5, 10, 20, 50])
@pytest.mark.parametrize("first", [-100, 0])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_times_in_ms_are_refused_and_the_same_in_s_are_taken(make: Callable[[np.ndarray], Trials], first: int, step: int) -> None:
    time = np.arange(first, 400, step)
    with pytest.raises(TrialsError, match=rf"bins of {step} s in trials of .*probably in ms \({step} ms\), and should be in s: divide them by 1000"):
        make(time)
    assert make(time / 1000).bin == pytest.approx(step / 1000)


@pytest.mark.parametrize("how", [{"time": np.arange(4)}, {"rate": 1}])
def test_arrays_given_to_the_class_itself_are_told_where_to_go(how: dict[str, Any]) -> None:
    for call in (lambda: Trials(np.ones((2, 4, 3)), np.arange(4)), lambda: Trials(np.ones((2, 4, 3)), **how)):
        with pytest.raises(
            TrialsError, match=r"^Trials: takes one object .* \(got .*\); arrays become trials with Trials\.from_arrays\(rate, time\)"
        ):
            call()


@pytest.mark.parametrize(
    "given", [["left", np.nan, "right", "left"], ["left", None, "right", "left"], ["left", "NaN", "right", "left"], ["a", "NA", "b", "a"]]
)
def test_a_label_that_is_missing_is_no_category(given: list[object]) -> None:
    with pytest.raises(TrialsError, match="trials: 1 trials have no condition, first trial 1; leave them out"):
        Trials.from_arrays(np.ones((4, 5, 2)), 0.01 * np.arange(5), condition=given)


@pytest.mark.parametrize(("given", "count"), [
    (20240101001.0 + np.arange(4), 4), ([0.0, 1.0, 2.0, 1e7], 4), ([1e-9, 1e-8, 1e-7, 1e-1], 4), (1.7e9 + 600.0 * np.arange(3), 3),
    (np.array([0.0, 1.2e-16, np.pi / 4, np.pi / 4 * (1 + 1e-9)]), 2), (np.array([-2e-8, 0.0, 0.7853982, 0.7853981], "f4"), 2),
])  # fmt: skip
def test_labels_are_one_only_up_to_round_off(given: object, count: int) -> None:
    labels = Trials.from_arrays(np.ones((len(given), 5, 2)), 0.01 * np.arange(5), condition=given).condition  # type: ignore[arg-type]
    assert len(np.unique(labels)) == count


def test_a_mask_of_numbers_is_not_taken_for_positions() -> None:
    trials = Trials.from_arrays(np.ones((2, 5, 3)), 0.01 * np.arange(5))
    with pytest.raises(OptionError, match=r"3 times 0 or 1 in bytes is a mask .* give \.astype\(bool\)"):
        trials.units(np.array([1, 0, 1], "u1"))
    assert trials.units(np.array([1, 0], "u1")).shape == (2, 5, 2)
    assert trials.units(np.array([1, 0, 1])).shape == (2, 5, 3)  # drawn with repeats
