"""The hand and muscles of a recording by any door: what was put in comes out on the bins of the trials."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

import cortex_sim as cs
from cortex_sim.errors import CortexSimError, NotFound, OptionError, TrialsError
from cortex_sim.trials import Trials, behaviour, hand, muscles, read

TRIALS, MUSCLES, UNITS = 6, 3, 7
MOMENTS = np.arange(-100.0, 401.0, 5.0)  # ms
CLOCK = MOMENTS / 1e3
LENGTHS = np.array([400.0, 350.0, 400.0, 300.0, 400.0, 400.0])  # ms
SLOPE = np.arange(1.0, TRIALS + 1)
SPIKES: dict[str, Any] = {
    "spike_time_ms": np.linspace(-95, 290, 120), "spike_unit": np.arange(120) % UNITS, "spike_trial": np.arange(120) % TRIALS,
    "trial_condition": np.arange(TRIALS) % 2, "trial_duration_ms": LENGTHS, "time_ms": MOMENTS,
    "xhandposition": SLOPE[:, None] * CLOCK, "yhandposition": -SLOPE[:, None] * CLOCK,
    "emg": np.arange(MUSCLES)[:, None, None] + CLOCK[:, None] * SLOPE,
}  # fmt: skip
AVERAGES: dict[str, Any] = {
    "firing_rate": np.random.default_rng(0).uniform(0, 50, (UNITS, MOMENTS.size, TRIALS)), "time_ms": MOMENTS,
    **{name: SPIKES[name] for name in ("xhandposition", "yhandposition", "emg")},
}  # fmt: skip


def wrote(path: Path, arrays: dict[str, Any]) -> Path:
    (savemat if path.suffix == ".mat" else lambda path, arrays: np.savez(path, **arrays))(path, arrays)
    return path


@pytest.mark.parametrize("name", ["a.npz", "a.mat"])
def test_series_beside_spikes_are_straight_between_their_moments_and_end_with_their_trial(tmp_path: Path, name: str) -> None:
    path = wrote(tmp_path / name, SPIKES)
    trials, place, force = read(path), hand(path), muscles(path)
    seen = trials.time < trials.stop[:, None] - 1e-9
    line = np.where(seen, SLOPE[:, None] * trials.time, np.nan)
    np.testing.assert_allclose(place, np.stack([line, -line], axis=2), atol=1e-12)  # a straight line is interpolated exactly
    np.testing.assert_allclose(force, line[:, :, None] + np.arange(MUSCLES), atol=1e-12)
    chosen: dict[str, Any] = {"where": "trial_condition == 1", "window": (0.0, 0.32), "bin": 0.02}
    some = read(path, **chosen)
    assert some.shape[0] == 2  # one of the three ends before 320 ms
    np.testing.assert_allclose(hand(path, **chosen)[:, :, 0], SLOPE[[1, 5]][:, None] * some.time, atol=1e-12)


@pytest.mark.parametrize("name", ["a.npz", "a.mat"])
@pytest.mark.parametrize("dims", [("unit", "time", "condition"), ("condition", "time", "unit"), ("time", "condition", "unit")])
def test_series_beside_averages_have_their_bins_and_axes(tmp_path: Path, name: str, dims: tuple[str, ...]) -> None:
    order = [("unit", "time", "condition").index(axis) for axis in dims]
    path = wrote(tmp_path / name, AVERAGES | {array: AVERAGES[array].transpose(order) for array in ("firing_rate", "emg")})
    np.testing.assert_array_equal(muscles(path, dims=dims), AVERAGES["emg"].transpose(2, 1, 0))
    inside = (CLOCK >= -1e-9) & (CLOCK < 0.2 - 1e-9)
    np.testing.assert_array_equal(hand(path, dims=dims, window=(0.0, 0.2))[:, :, 1], AVERAGES["yhandposition"][:, inside])


def test_series_of_saved_trials_are_read_back(tmp_path: Path) -> None:
    path = wrote(tmp_path / "a.npz", SPIKES)
    found, trials = behaviour(path, "hand"), read(path)
    Trials(trials.dataset.assign(hand=(("trial", "time", "axis"), found.values))).save(tmp_path / "a.nc")
    again = behaviour(tmp_path / "a.nc")
    np.testing.assert_array_equal(again, found)
    np.testing.assert_array_equal(again.time, trials.time)
    np.testing.assert_array_equal(hand(tmp_path / "a.nc", window=(0.0, 0.1)), hand(path, window=(0.0, 0.1)))


def test_velocity_is_decoded_of_the_trials_and_bins_that_have_a_hand(tmp_path: Path) -> None:
    decode = cs.cards.catalogue.protocol("decode")
    spikes, (rates, velocity, _) = decode._recording(cs.trials.Recording(wrote(tmp_path / "a.npz", SPIKES)), None)
    assert velocity.shape == (TRIALS, 40, 2) and rates.shape == (TRIALS, 40, UNITS)  # -100 to 300 ms, where the shortest trial ends
    np.testing.assert_allclose(velocity[:, :, 0], np.broadcast_to(SLOPE[:, None], (TRIALS, 40)))
    np.testing.assert_allclose(rates, spikes.counts() / 0.01)


def test_a_hand_of_any_name_takes_the_place_of_the_usual_one(tmp_path: Path) -> None:
    """A second hand, which moves in the other direction, beside the one of the usual name."""
    path, name = wrote(tmp_path / "a.npz", SPIKES | {"Größe, links": -SPIKES["emg"][:2]}), "Größe, links"
    np.testing.assert_array_equal(hand(path, series=name), -muscles(path)[:, :, :2])
    np.testing.assert_array_equal(hand(path), hand(path, series="hand"))
    decode = cs.cards.catalogue.protocol("decode")
    _, (_, usual, _) = decode._recording(cs.trials.Recording(path), None)
    _, (_, velocity, _) = decode._recording(cs.trials.Recording(path), name)
    np.testing.assert_allclose(velocity[:, :, 0], -usual[:, :, 0], rtol=1e-9)
    with pytest.raises(NotFound, match=r"a\.npz: there is no series 'Größe, lincs' beside the activity\? Did you mean 'Größe, links'\?"):
        hand(path, series="Größe, lincs")
    with pytest.raises(TrialsError, match=rf"the hand, 'emg', has {MUSCLES} axes; positions in the plane have two"):
        hand(path, series="emg")
    with pytest.raises(NotFound, match="there is no series 'hnd'"):
        decode._recording(cs.trials.Recording(path), "hnd")  # which is not taken for a recording without a hand
    bare = wrote(tmp_path / "b.npz", {key: value for key, value in SPIKES.items() if "hand" not in key} | {"Größe, links": SPIKES["emg"][:2]})
    with pytest.raises(NotFound, match=r"Another series is named by --hand of a protocol \(hand= in Python\)"):
        hand(bare)
    with pytest.raises(OptionError, match=r"decode: a hand stands beside a recording; give one with --recording"):
        cs.run("decode", hand=name)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"xhandposition": None}, "has no xhandposition, but the other position of the hand."),
        ({"xhandposition": np.zeros((TRIALS, 7))}, "xhandposition holds float64 of shape (6, 7); it should hold numbers, (6, 101)"),
        ({"xhandposition": np.where(np.arange(101) == 4, np.nan, SPIKES["xhandposition"])}, "series 'hand' is not finite, first at trial 0, time 4,"),
        ({"time_ms": None}, "has no time_ms, so that nothing says when a series beside the spikes was taken"),
        ({"time_ms": MOMENTS[::-1].copy()}, "time_ms has 101 moments that do not rise throughout"),
        ({"xhandposition": None, "yhandposition": None}, "has no positions of the hand (hand, hand_pos, pos; or xhandposition and yhandposition)."),
        (dict.fromkeys(("xhandposition", "yhandposition", "emg", "time_ms")), "has no positions of the hand (hand, hand_pos, pos; or"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_hand_is_said(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    arrays = {name: array for name, array in (SPIKES | changed).items() if array is not None}
    with pytest.raises(CortexSimError) as refused:
        hand(wrote(tmp_path / "a.npz", arrays))
    assert message in str(refused.value) and str(refused.value).startswith(str(tmp_path / "a.npz"))
