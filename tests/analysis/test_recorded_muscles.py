"""Recorded muscles: the movement that was planted is found, and both protocols get what was recorded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.errors import CortexSimError
from cortex_sim.trials import Recording

MUSCLES, SAMPLES, CONDITIONS, RISE, STEP = 13, 1500, 8, 900, 1e-3
SLOPE = np.random.default_rng(0).uniform(1, 3, (MUSCLES, 1, CONDITIONS))
RAMP = np.maximum(np.arange(SAMPLES) - RISE, 0.0)[:, None] * STEP * SLOPE  # silent, then rising in a straight line: time can be read off


def wrote(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_the_planted_rise_is_found() -> None:
    rates = RAMP.transpose(2, 1, 0)
    onset = cs.analysis.activity_onset(rates)
    assert onset == RISE + np.ceil((SAMPLES - 1 - RISE) / 10)  # a tenth of the way up a straight line
    assert cs.analysis.activity_onset(7.0 + 3.0 * rates) == onset  # whatever the unit
    assert cs.analysis.activity_onset(rates[::-1, :, ::-1]) == onset
    late = np.concatenate([rates, np.zeros((CONDITIONS, SAMPLES, 2))], axis=2)
    assert cs.analysis.activity_onset(late) == onset  # silent muscles say nothing
    for wrong, message in ((np.ones((2, 5, 3)), "varies with neither condition nor time"), (-rates + rates.max(), "from the first bin on")):
        with pytest.raises(CortexSimError, match=message):
            cs.analysis.activity_onset(wrong)


def test_muscles_without_times_are_read_about_their_rise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = wrote(tmp_path / "emg.npz", emg=RAMP)
    with pytest.raises(
        CortexSimError, match=r"emg.npz: array 'time_ms' is missing; store it, or say how far samples are apart, for example step=0.001"
    ):
        cs.read(path)
    found = cs.analysis.recorded_muscles(Recording(path, {"step": STEP}), (-0.2, 0.4))
    onset = cs.analysis.activity_onset(RAMP.transpose(2, 1, 0)) * STEP
    line = np.maximum(found.time + onset - RISE * STEP, 0.0)
    np.testing.assert_allclose(found.rate, line[:, None] * SLOPE[:, 0].T[:, None, :], atol=1e-12)
    said = f"no times are stored; muscles rise {onset:g} s after the first sample, which is taken for the start of the movement."
    assert found.provenance["findings"] == [said] and f"emg.npz: {said}" in capsys.readouterr().err
    timed = wrote(tmp_path / "timed.npz", emg=RAMP, time_ms=np.arange(SAMPLES) - 1000.0)
    line = np.maximum(found.time + 1.0 - RISE * STEP, 0.0)
    np.testing.assert_allclose(cs.analysis.recorded_muscles(timed, (-0.2, 0.4)).rate, line[:, None] * SLOPE[:, 0].T[:, None, :], atol=1e-12)
    for source, window, message in (
        (timed, (-0.2, 0.9), "muscles are there from -1 to 0.499 s about the movement, not from -0.2 to 0.9 s"),
        (Recording(timed, {"step": STEP}), (-0.2, 0.4), "step does not apply where time_ms is there; leave it out"),
    ):
        with pytest.raises(CortexSimError, match=message):
            cs.analysis.recorded_muscles(source, window)


def test_conditions_that_end_early_move_neither_the_onset_nor_what_is_left(tmp_path: Path) -> None:
    """Muscles sampled every 20 ms, read in bins of 10: the last value before the end stands, not one on the way to nothing."""
    slow, level = RAMP[:, ::20] + 5.0, np.arange(1.0, CONDITIONS + 1)
    lasts = np.array([75, 60, 75, 55, 75, 75, 50, 75])
    gone = np.where(np.arange(75)[:, None] < lasts, 0.0, np.nan)
    onset = cs.analysis.activity_onset(slow.transpose(2, 1, 0))
    short = np.where(np.isnan(gone.T)[:, :, None], 1e6, slow.transpose(2, 1, 0))
    assert cs.analysis.activity_onset(short, ~np.isnan(gone.T)) == cs.analysis.activity_onset(np.where(short > 1e5, 7.0, short), ~np.isnan(gone.T))
    whole, cut = (
        cs.analysis.recorded_muscles(wrote(tmp_path / name, emg=values, time_ms=20.0 * (np.arange(75) - onset)), (-0.2, 0.4))
        for name, values in (("whole.npz", slow * level), ("cut.npz", slow * level + gone))
    )
    assert not cut.lasting.all() and cut.lasting.any(axis=1).all()
    inside = cut.lasting & np.roll(cut.lasting, -1, axis=1)  # before the last bin, whose next sample is gone
    np.testing.assert_allclose(cut.padded[inside], whole.rate[inside])
    last = [(trial, np.flatnonzero(there)[-1]) for trial, there in enumerate(cut.lasting) if not there.all()]
    assert all(cut.padded[place].min() >= whole.rate[trial, bin - 1].min() for place in last for trial, bin in [place])


def test_outputs_of_a_recording_are_its_muscles_or_its_hand_or_muscles_from_elsewhere(tmp_path: Path) -> None:
    rng, time = np.random.default_rng(1), np.arange(-300.0, 500.0, 10.0)
    rates = {"firing_rate": rng.uniform(0, 50, (20, time.size, CONDITIONS)), "time_ms": time}
    hand = {name: rng.normal(size=(CONDITIONS, time.size)) for name in ("xhandposition", "yhandposition")}
    emg = rng.uniform(size=(MUSCLES, time.size, CONDITIONS))
    inside = (time >= -200) & (time < 400)
    own, said = cs.analysis.recorded_outputs(wrote(tmp_path / "own.npz", **rates, **hand, emg=emg), (-0.2, 0.4))
    np.testing.assert_allclose(own.rate, emg.transpose(2, 1, 0)[:, inside])
    assert said == "its 13 muscles"
    moved, said = cs.analysis.recorded_outputs(wrote(tmp_path / "hand.npz", **rates, **hand), (-0.2, 0.4))
    place = np.stack(list(hand.values()), axis=2)[:, inside]
    np.testing.assert_allclose(moved.rate[:, :, :2], place / place.std())
    assert said == "place and velocity of the hand"
    fist = rng.normal(size=(2, time.size, CONDITIONS))
    named, said = cs.analysis.recorded_outputs(wrote(tmp_path / "fist.npz", **rates, **hand, emg=emg, faust=fist), (-0.2, 0.4), hand="faust")
    np.testing.assert_allclose(named.rate[:, :, :2], fist.transpose(2, 1, 0)[:, inside] / fist[:, inside].std())
    assert said == "place and velocity of the hand, 'faust'"
    with pytest.raises(CortexSimError, match="hand 'faust' takes the place of muscles, which are given too; leave one of them out"):
        cs.analysis.recorded_outputs(tmp_path / "fist.npz", (-0.2, 0.4), tmp_path / "emg.npz", hand="faust")
    other = Recording(wrote(tmp_path / "emg.npz", emg=RAMP), {"step": STEP})
    driven, said = cs.analysis.recorded_outputs(tmp_path / "own.npz", (-0.2, 0.4), other)
    np.testing.assert_array_equal(driven.rate, cs.analysis.recorded_muscles(other, (-0.2, 0.4)).rate)
    assert said == "13 muscles of emg.npz, recorded elsewhere, conditions paired in the order of the files"
    few = Recording(wrote(tmp_path / "few.npz", emg=RAMP[:, :, :5]), {"step": STEP})
    with pytest.raises(CortexSimError, match=r"few.npz: muscles of 5 conditions; .*own.npz has 8, and each needs its own"):
        cs.analysis.recorded_outputs(tmp_path / "own.npz", (-0.2, 0.4), few)
    with pytest.raises(CortexSimError, match=r"bare.npz: has no positions of the hand"):
        cs.analysis.recorded_outputs(wrote(tmp_path / "bare.npz", **rates), (-0.2, 0.4))


def test_recorded_muscles_are_what_a_network_is_asked_to_generate(tmp_path: Path) -> None:
    recorded = cs.analysis.recorded_muscles(Recording(wrote(tmp_path / "emg.npz", emg=RAMP), {"step": STEP}), (-0.5, 0.4))
    task = cs.tasks.recorded_movement(recorded, seed=3)
    assert (task.trials, task.start, task.stop) == (CONDITIONS, pytest.approx(-0.4), pytest.approx(0.5))
    wanted = task.wanted.rate
    assert wanted.min() == 0 and (wanted.max(axis=(0, 1)) == 1).all()
    np.testing.assert_allclose(wanted * np.ptp(recorded.rate, axis=(0, 1)) + recorded.rate.min(axis=(0, 1)), recorded.rate, atol=1e-12)
    assert "emg.npz" in cs.tasks.muscles_said(task) and "Gaussian bumps" in cs.tasks.muscles_said(cs.tasks.muscle_activity())
    with pytest.raises(CortexSimError, match="muscle 2 does not vary; leave it out"):
        still = recorded.rate.copy()
        still[:, :, 1] = 3.0
        cs.tasks.recorded_movement(cs.Trials.from_arrays(still, recorded.time))
    with pytest.raises(CortexSimError, match="they should begin before it and end after it"):
        cs.tasks.recorded_movement(recorded.window(0.0, 0.4))


def test_step_belongs_to_the_muscles_where_there_are_some(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(
        '"""Which options does each file get?"""\nimport cortex_sim as cs\nMODEL = "murphy_miller_2009"\n'
        "def run(model, *, seed, smoke, recording=None, muscles=None):\n"
        '    return cs.Report(title="t", question="q", answer=repr((dict(recording.options), dict(muscles.options))), seed=seed)\n'
    )
    report = cs.run(str(tmp_path / "asks.py"), recording="a.npz", muscles="b.npz", step=0.001, window=(0.0, 0.2))
    assert report.answer == "({'window': (0.0, 0.2)}, {'step': 0.001})"
