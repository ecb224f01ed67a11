"""Objects of xarray, pandas and pynapple become trials with the numbers that they hold."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cortex_sim.errors import NotFound, OptionError, TrialsError
from cortex_sim.trials import Trials

RATE = np.random.default_rng(0).random((4, 5, 3))
TIME = -0.02 + 0.01 * np.arange(5)


@pytest.mark.parametrize("order", [("trial", "time", "unit"), ("unit", "trial", "time"), ("time", "unit", "trial")])
def test_a_dataarray_is_read_whatever_the_order_and_names_of_its_axes(order: tuple[str, ...]) -> None:
    array = xr.DataArray(RATE, dims=("trial", "time", "unit"), coords={"time": TIME, "unit": ["a", "b", "c"]}, attrs={"units": "spikes/s"})
    array = array.assign_coords(condition=("trial", ["l", "r", "l", "r"])).transpose(*order)
    for found in (Trials(array), Trials(array.rename(trial="Trial No", unit="cell"), names={"trial": "Trial No", "unit": "cell"})):
        np.testing.assert_array_equal(found.rate, RATE)
        np.testing.assert_array_equal(found.time, TIME)
        assert found.condition.tolist() == ["l", "r", "l", "r"]
        assert found.dataset["unit"].values.tolist() == ["a", "b", "c"] and found.dataset["rate"].attrs["units"] == "spikes/s"


def test_a_dataarray_that_holds_no_trials_is_told_why() -> None:
    array = xr.DataArray(RATE, dims=("trial", "time", "unit"), coords={"time": TIME})
    with pytest.raises(TrialsError, match=r"first at \(1, 2, 0\); remove or fill them"):
        Trials(array.where((array.trial != 1) | (array.time != TIME[2]) | (array.unit != 0)))
    with pytest.raises(TrialsError, match="has the axes trial, time, cell; it should have trial, time, unit, in any order"):
        Trials(array.rename(unit="cell"))
    with pytest.raises(TrialsError, match="no coordinate 'time'"):
        Trials(array.drop_vars("time"))
    with pytest.raises(OptionError, match="there is no axis 'cel'. Did you mean 'cell'"):
        Trials(array.rename(unit="cell"), names={"unit": "cel"})
    with pytest.raises(OptionError, match="epochs does not apply to a DataArray; it takes names"):
        Trials(array, epochs=3)
    with pytest.raises(
        TrialsError, match=r"list is no xarray.Dataset; make trials .* or give a DataArray of xarray, a DataFrame of pandas, or a TsGroup"
    ):
        Trials([1, 2])


def frame(**named: str) -> Any:
    pandas = pytest.importorskip("pandas")
    place = np.indices(RATE.shape).reshape(3, -1)
    columns = {"trial": place[0], "time": TIME[place[1]], "unit": place[2], "rate": RATE.ravel(), "condition": np.array(list("lrlr"))[place[0]]}
    return pandas.DataFrame({named.get(name, name): column for name, column in columns.items()})


@pytest.mark.parametrize("seed", range(4))
def test_a_long_dataframe_is_read_whatever_the_order_and_names_of_its_columns(seed: int) -> None:
    plain, strange = frame(), {"trial": "Trial No.", "rate": "fr", "unit": "μ cell"}
    rows, order = np.random.default_rng(seed).permutation(len(plain)), np.random.default_rng(seed).permutation(5)
    shuffled = plain.iloc[rows, order]
    indexed = shuffled.set_index(["trial", "unit"])
    for found in (Trials(shuffled), Trials(indexed), Trials(frame(**strange).iloc[rows, order], names=strange)):
        np.testing.assert_array_equal(found.rate, RATE)
        np.testing.assert_allclose(found.time, TIME, rtol=0, atol=1e-15)
        assert found.condition.tolist() == ["l", "r", "l", "r"]


def test_what_is_missing_in_a_dataframe_is_refused_or_not_observed() -> None:
    plain = frame()
    gone = plain.copy()
    gone.loc[7, "rate"] = np.nan
    with pytest.raises(TrialsError, match="'rate' is nan in row 7; it should hold finite numbers. Leave out the rows of what was not observed"):
        Trials(gone)
    gone["rate"] = gone["rate"].astype("Float64").where(gone["rate"].notna())  # pandas.NA
    with pytest.raises(TrialsError, match="'rate' is nan in row 7"):
        Trials(gone)
    named = plain.astype({"trial": object})
    named.loc[3, "trial"] = None
    with pytest.raises(TrialsError, match="column 'trial' .* in row 3|'trial' is empty in row 3"):
        Trials(named)
    found = Trials(plain[(plain.trial != 2) | (plain.unit != 1)])
    assert np.argwhere(~found.observed).tolist() == [[2, 1]]
    with pytest.raises(NotFound, match="there is no column 'rte'. Did you mean 'rate'"):
        Trials(plain, names={"rate": "rte"})
    with pytest.raises(TrialsError, match=r"column 'rate' is missing \(found trial, time, unit, fr, condition\)"):
        Trials(frame(rate="fr"))


def test_spikes_of_a_session_of_pynapple_are_cut_into_trials() -> None:
    nap = pytest.importorskip("pynapple")
    rng = np.random.default_rng(1)
    spikes = {key: np.sort(rng.random(300) * 30) for key in (4, 9)}
    start, zero = np.array([1.0, 7.5, 20.0]), np.array([1.25, 7.75, 20.25])
    end = np.array([2.0, 8.75, 21.0])
    session = nap.TsGroup({key: nap.Ts(when) for key, when in spikes.items()})
    found = Trials(session, epochs=nap.IntervalSet(start, end), zero=zero, condition=["a", "b", "a"])
    assert found.dataset["unit"].values.tolist() == [4, 9] and found.condition.tolist() == ["a", "b", "a"]
    np.testing.assert_allclose(found.stop, end - zero, rtol=0, atol=1e-9)
    for trial in range(3):
        for place, when in enumerate(spikes.values()):
            wanted = when[(when >= start[trial]) & (when < end[trial])] - zero[trial]
            mine = (found.spikes.trial == trial) & (found.spikes.unit == place)
            np.testing.assert_allclose(found.spikes.time[mine], wanted, rtol=0, atol=1e-9)
    with pytest.raises(OptionError, match="epochs= should be an IntervalSet"):
        Trials(session)
    with pytest.raises(TrialsError, match="should start equally long from it"):
        Trials(session, epochs=nap.IntervalSet(start, end), zero=[1.25, 7.75, 20.5])


def test_rates_of_a_session_and_of_aligned_trials_of_pynapple() -> None:
    nap = pytest.importorskip("pynapple")
    time = 0.02 * np.arange(1000)
    values = np.random.default_rng(2).random((1000, 3))
    epochs = nap.IntervalSet([1.0, 5.0], [2.0, 6.5])
    found = Trials(nap.TsdFrame(t=time, d=values, columns=["x", "y", "z"]), epochs=epochs)
    assert found.shape == (2, 75, 3) and found.dataset["unit"].values.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(found.padded[0, :50], values[50:100])
    np.testing.assert_array_equal(found.padded[1], values[250:325])
    np.testing.assert_allclose(found.stop, [1.0, 1.5], rtol=0, atol=1e-9)
    aligned = Trials(nap.TsdTensor(t=TIME, d=np.moveaxis(RATE, 1, 0)), condition=list("abab"))
    np.testing.assert_array_equal(aligned.rate, RATE)
    gone = RATE.copy()
    gone[0, 1, 2] = np.nan
    with pytest.raises(TrialsError, match="rates are not finite in 1 places"):
        Trials(nap.TsdTensor(t=TIME, d=np.moveaxis(gone, 1, 0)))


def test_no_package_is_imported_for_objects_of_others() -> None:
    code = "import sys, numpy as np, cortex_sim as cs; cs.Trials.from_arrays(np.ones((4, 5, 6)), 0.01*np.arange(5)); print('pynapple' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
