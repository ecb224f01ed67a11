"""A second table brings the hand and muscles to a table of spikes or rates: what was put in comes out on the bins of the same trials."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.errors import CortexSimError, FileProblem, NotFound, OptionError, TrialsError
from cortex_sim.trials import Recording, behaviour, hand, muscles, read

NUMBERS, UNITS = [7, 3, 12, 5], 6  # of the trials, in the order of the rows
SLOPE = {number: float(number) for number in NUMBERS}


def spikes(folder: Path, numbers: list[Any] = NUMBERS) -> Path:
    rows = ["spike_time_ms,spike_unit,spike_trial,trial_condition,trial_duration_ms"]
    rng = np.random.default_rng(0)
    for trial in numbers:
        rows += [
            f"{when:.3f},{unit},{trial},{'left' if trial in (3, 5) else 'right'},400" for unit in range(UNITS) for when in rng.uniform(0, 399, 6)
        ]
    (folder / "spikes.csv").write_text("\n".join(rows) + "\n")
    return folder / "spikes.csv"


def moved(folder: Path, header: str, *, factor: float = 1.0, numbers: list[int] = NUMBERS, more: str = "", changes: Any = None) -> Path:
    """A hand that moves at a speed of its own in each trial, x forth and y back, with 5 ms between rows, in random order."""
    rows = [[n, factor * t, SLOPE[n] * t, -SLOPE[n] * t, 2.0 + t, 3.0 - t] for n in numbers for t in np.linspace(-0.1, 0.5, 121)]
    rows = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))]
    lines = [",".join(f"{entry:.12g}" for entry in row) for row in rows]
    for row, line in (changes or {}).items():
        lines[row] = line
    (folder / "hand.csv").write_text("\n".join([header, *lines]) + more + "\n", encoding="utf-8")
    return folder / "hand.csv"


USUAL = "trial,time,hand_x,hand_y,emg_biceps,emg_triceps"


def expected(trials: cs.Trials, numbers: list[int]) -> np.ndarray:
    line = np.array([SLOPE[n] for n in numbers])[:, None] * trials.time
    return np.stack([line, -line], axis=2)


@pytest.mark.parametrize(
    ("header", "factor", "series"),
    [
        (USUAL, 1.0, "hand"), ("Trial,time (ms),hand_x (cm),hand_y (cm),emg_biceps,emg_triceps", 1e3, "hand"),
        ("trial,time_ms,xhandposition,yhandposition,emg 1,emg 2", 1e3, "hand"),
        ("trial,time,Größe links X [mm],Größe links Y [mm],emg.a,emg.b", 1.0, "Größe links"),
        ("TRIAL,Time (s),cursor_pos_x,cursor_pos_y,muscles_a,muscles_b", 1.0, "cursor_pos"),
    ],
)  # fmt: skip
def test_a_straight_hand_is_read_exactly_in_the_order_of_the_trials(tmp_path: Path, header: str, factor: float, series: str) -> None:
    options: dict[str, Any] = {"behaviour": str(moved(tmp_path, header, factor=factor))}
    path = spikes(tmp_path)
    trials, place = read(path, **options), hand(path, series=series, **options)
    np.testing.assert_allclose(place, expected(trials, sorted(NUMBERS)), atol=1e-9)
    force = muscles(path, **options)
    assert np.abs(force - np.stack([2 + trials.time, 3 - trials.time], axis=1)).max() < 1e-9
    np.testing.assert_array_equal(hand(Recording(path, options), series=series), place)
    some = options | {"where": "trial_condition == 'left'", "window": (0.1, 0.3), "bin": 0.02}
    np.testing.assert_allclose(hand(path, series=series, **some), expected(read(path, **some), [3, 5]), atol=1e-9)
    assert behaviour(path, series, **options).attrs["units"] == {"[": "mm", "(": "cm"}.get(header[header.find("X") + 2 :][:1] or "(", "") or (
        "cm" if "(cm)" in header else ""
    )


def test_a_long_table_of_rates_has_a_hand_too(tmp_path: Path) -> None:
    trials = read(spikes(tmp_path)).binned()
    cs.write_csv(trials, tmp_path / "rates.csv")
    table = moved(tmp_path, USUAL).read_text().splitlines()
    again = [
        line if place == 0 else str(sorted(NUMBERS).index(int(line.split(",")[0]))) + line[line.index(",") :] for place, line in enumerate(table)
    ]
    (tmp_path / "hand.csv").write_text("\n".join(again))  # with the numbers that the written table has: 0, 1, ...
    np.testing.assert_allclose(hand(tmp_path / "rates.csv", behaviour=tmp_path / "hand.csv"), expected(trials, sorted(NUMBERS)), atol=1e-9)


def test_columns_and_axes_may_stand_in_any_order(tmp_path: Path) -> None:
    path = spikes(tmp_path)
    first = hand(path, behaviour=moved(tmp_path, USUAL))
    turned = hand(path, behaviour=moved(tmp_path, "trial,time,hand_y,hand_x,emg_a,emg_b"))
    np.testing.assert_array_equal(turned, first[:, :, ::-1])


def test_trials_without_rows_have_no_hand_and_it_is_said(tmp_path: Path) -> None:
    path = spikes(tmp_path)
    options = {"behaviour": moved(tmp_path, USUAL, numbers=[3, 7, 12])}
    found, trials = hand(path, **options), read(path, **options)
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [False, True, False, False]
    assert "hand.csv has no row of 1 trials, first trial 5." in trials.provenance["findings"]
    again = {"behaviour": moved(tmp_path, USUAL)}
    more = read(spikes(tmp_path, [7, 3]), **again).provenance["findings"]
    assert "hand.csv has rows of 2 trials of which there is no activity, first trial 5." in more


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"header": USUAL.replace("trial", "number")}, "column 'trial' is missing in hand.csv (found number, time, hand_x"),
        ({"header": USUAL.replace("time", "when")}, "column 'time' is missing in hand.csv"),
        ({"header": USUAL.replace("time", "time (min)")}, "column 'time (min)' is in 'min'; times should be in s or ms."),
        ({"header": USUAL, "factor": 1e3}, "rows of a trial of hand.csv span 600 s, and trials last 0.4 s; its times are probably in ms"),
        ({"header": USUAL.replace("time", "time_ms")}, "rows of a trial of hand.csv span 0.0006 s, and trials last 0.4 s; its times are"),
        ({"header": USUAL, "changes": {5: "3,0.1234,,1,2,3"}}, "column 'hand_x' is nan in row 5; it should hold finite numbers."),
        ({"header": USUAL, "changes": {5: "3,0.1,0,0,2,3", 6: "3,0.1,0,0,2,3"}}, "hand.csv has more than one row of trial 3 at 0.1 s; it"),
        ({"header": USUAL, "changes": {5: ",0.1,0,0,2,3"}}, "column 'trial' is empty in row 5; every row should say which trial."),
        ({"header": USUAL, "changes": {5: "3,soon,0,0,2,3"}}, "column 'time' holds"),
        ({"header": USUAL.replace("hand_y", "hand_X (m)")}, "columns 'hand_x' and 'hand_X (m)' of hand.csv are the same axis of 'hand'; leave one"),
        ({"header": USUAL.replace("emg_biceps", "Time (s)")}, "columns 'time' and 'Time (s)' of hand.csv both say time; leave one out."),
    ],
)  # fmt: skip
def test_a_table_that_is_not_well_formed_is_refused(tmp_path: Path, how: dict[str, Any], message: str) -> None:
    path = spikes(tmp_path)
    table = moved(tmp_path, **how)
    with pytest.raises(TrialsError, match=re.escape(message)):
        hand(path, behaviour=table)


def test_texts_are_skipped_and_a_table_without_the_trials_is_refused(tmp_path: Path) -> None:
    path = spikes(tmp_path)
    table = moved(tmp_path, USUAL)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0] + ",note", *(line + ",fine" for line in lines[1:])]))
    assert "columns 'note' of hand.csv hold texts, and were skipped." in read(path, behaviour=table).provenance["findings"]
    with pytest.raises(TrialsError, match=r"hand\.csv has two rows of no trial; trials are numbered as in the table of activity"):
        read(spikes(tmp_path, [1, 2]), behaviour=table)


def test_where_there_is_no_second_table_the_message_says_how_to_give_one(tmp_path: Path) -> None:
    path = spikes(tmp_path)
    for asks in (hand, muscles, behaviour):
        with pytest.raises(
            NotFound, match=r"spikes\.csv: a table of spikes or rates holds no series; behaviour='hand\.csv' \(--behaviour\) names a second"
        ):
            asks(path)
    with pytest.raises(FileProblem, match=r"nowhere\.csv: there is no such file"):
        hand(path, behaviour="nowhere.csv")
    with pytest.raises(OptionError, match=r"behaviour 'hand\.npz' should be a \.csv"):
        hand(path, behaviour="hand.npz")
    np.savez(
        tmp_path / "a.npz", **{"spike_time_ms": [1.0], "spike_unit": [0], "spike_trial": [0], "trial_condition": [0], "trial_duration_ms": [9.0]}
    )
    with pytest.raises(OptionError, match=r"behaviour does not apply to a spike table; it takes window"):
        read(tmp_path / "a.npz", behaviour="hand.csv")


def test_the_decoder_reads_a_hand_from_the_second_table(tmp_path: Path) -> None:
    decode = cs.cards.catalogue.protocol("decode")
    source = Recording(spikes(tmp_path), {"behaviour": moved(tmp_path, USUAL)})
    _, (rates, velocity, _) = decode._recording(source, None)
    assert rates.shape == (4, 40, UNITS)
    np.testing.assert_allclose(velocity[:, :, 0], np.broadcast_to(np.sort([*SLOPE.values()])[:, None], (4, 40)), atol=1e-9)


def test_dirty_bytes_end_in_an_error_of_ours(tmp_path: Path) -> None:
    path, table = spikes(tmp_path), moved(tmp_path, USUAL)
    raw, rng = table.read_bytes(), np.random.default_rng(2)
    for _ in range(60):
        broken = bytearray(raw)
        for place in rng.integers(0, min(400, len(raw)), 4):
            broken[place] = rng.integers(256)
        table.write_bytes(bytes(broken))
        try:
            assert hand(path, behaviour=table).shape[2] == 2
        except CortexSimError:
            continue
