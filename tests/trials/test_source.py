"""A recording is a file and what is asked of it; protocols get both, and nobody drops what was asked."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.errors import OptionError, TrialsError
from cortex_sim.trials import OPTIONS, Recording, Trials, hand, read, read_window

RATES = np.random.default_rng(0).uniform(0, 60, (9, 40, 5))


@pytest.fixture
def averages(tmp_path: Path) -> Path:
    np.savez(
        tmp_path / "a.npz", firing_rate=RATES, time_ms=np.arange(-100.0, 300.0, 10.0), xhandposition=np.zeros((5, 40)), yhandposition=np.ones((5, 40))
    )
    return tmp_path / "a.npz"


def test_a_recording_is_read_as_it_says(averages: Path) -> None:
    chosen = Recording(averages, {"window": (0.0, 0.2), "dims": ("unit", "time", "condition")})
    assert read(chosen).dataset.identical(read(averages, window=(0.0, 0.2), dims=("unit", "time", "condition")).dataset)
    assert (chosen.name, str(chosen), chosen.window((1, 2)), Recording.of(averages).window((1, 2))) == ("a.npz", str(averages), (0.0, 0.2), (1, 2))
    assert Recording.of(chosen) is chosen and chosen.looked_at((1, 2)) == "a.npz, 0 to 200 ms"
    assert hand(chosen).shape == (5, 20, 2) and hand(chosen.whole).shape == (5, 40, 2)
    with pytest.raises(OptionError, match="bin is given beside a Recording, which has options of its own"):
        read(chosen, bin=0.02)
    with pytest.raises(OptionError, match="windw does not choose from a recording. Did you mean 'window'?"):
        Recording(averages, {"windw": (0, 1)})
    assert set(OPTIONS) == set(__import__("inspect").signature(read).parameters) - {"path"}


def test_a_fixed_window_is_not_changed_in_silence_nor_are_bins(averages: Path) -> None:
    assert read_window(Recording(averages, {"window": (-0.05, 0.2)}), -0.05, 0.2).shape == (5, 40, 9)  # whole: ranges are over all of it
    with pytest.raises(OptionError, match="window does not apply: -50 to 100 ms are looked at. Leave it out."):
        read_window(Recording(averages, {"window": (-0.05, 0.2)}), -0.05, 0.1)
    np.savez(averages, firing_rate=RATES, time_ms=np.arange(-200.0, 600.0, 20.0))
    with pytest.raises(TrialsError, match=r"a.npz: bins are 20 ms; 10 ms are needed beside what is simulated in such bins"):
        read_window(averages, -0.05, 0.1)


PROTOCOL = '''"""Is what was asked of the recording what is read?"""
import cortex_sim as cs
MODEL = "murphy_miller_2009"
def run(model, *, seed, smoke, recording=None):
    trials = cs.read(recording)
    return cs.Report(title="t", question="q", answer=repr(trials), seed=seed)
'''


def test_options_of_a_recording_reach_it_through_a_protocol(tmp_path: Path, averages: Path) -> None:
    (tmp_path / "asks.py").write_text(PROTOCOL)
    protocol = str(tmp_path / "asks.py")
    assert "20 bins (0 to 0.2 s)" in cs.run(protocol, recording=averages, window=(0.0, 0.2)).answer
    assert "40 bins" in cs.run(protocol, recording=str(averages)).answer
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"window": (0, 1)}, "options of a recording, window, without one; give it with recording=..."),
        ({"recording": averages, "align": "go"}, "a.npz: align does not apply to condition averages; it takes window, dims, step."),
        ({"recording": averages, "windw": (0, 1)}, "windw does not apply to protocol"),
    ]
    for options, message in wrong:
        with pytest.raises(OptionError) as refused:
            cs.run(protocol, **options)
        assert message in str(refused.value)
    with pytest.raises(OptionError, match="window does not apply to protocol 'mechanism'"):
        cs.run("mechanism", window=(0, 1))


@pytest.mark.parametrize("name", ["decode", "match", "rotations", "spike_statistics", "subspaces", "tangling"])
def test_every_protocol_reads_its_recording_before_anything_else(name: str, averages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording that cannot be read ends the run at once: in the words of the reader, without a simulation."""
    monkeypatch.setattr("cortex_sim.simulation._simulate.simulate", lambda *given, **named: pytest.fail("simulated first"))
    with pytest.raises(OptionError, match=r"a.npz: where does not apply to condition averages; it takes window, dims, step"):
        cs.run(name, recording=averages, where="success == 1", smoke=True)


def test_bins_that_would_change_nothing_are_refused(averages: Path) -> None:
    with pytest.raises(OptionError, match="a.npz: bin does not apply; every statistic of spikes has a width of its own"):
        cs.run("spike_statistics", recording=averages, bin=0.02, smoke=True)


def test_the_command_line_asks_the_same(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from cortex_sim.cli import app

    trials = Trials.from_spikes(([0.05, 0.15, 0.25], [0, 1, 0], [0, 1, 1]), 0.01 * np.arange(30), units=2, condition=["a", "b"])
    spikes = {"spike_time_ms": trials.spikes.time * 1e3, "spike_unit": trials.spikes.unit, "spike_trial": trials.spikes.trial}
    more = {"trial_condition": trials.condition, "trial_duration_ms": trials.stop * 1e3, "trial_hit": np.array([True, False])}
    np.savez(tmp_path / "a.npz", **spikes, **more)

    def convert(*asked: str) -> Any:
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        (tmp_path / "out").mkdir()
        done = CliRunner().invoke(app, ["convert", str(tmp_path / "a.npz"), str(tmp_path / "out/b.nc"), *asked])
        return done.exception if done.exception else Trials.load(tmp_path / "out/b.nc")

    many = ["--where", "trial_hit == 0", "--window", "0.1", "0.3", "--bin", "0.02", "--condition", "trial_condition", "--condition", "trial_hit"]
    found = convert(*many)
    assert found.shape == (1, 10, 2) and found.condition.tolist() == ["b, False"] and found.spikes.unit.tolist() == [1, 0]
    assert convert("--condition", "trial_hit").condition.tolist() == [True, False]
    for asked, message in (
        (["--bin", "0"], "bin 0.0 s should be above 0"),
        (["--align", "go"], "align does not apply"),
        (["--where", ""], "where ''"),
    ):
        assert message in str(convert(*asked))
