"""Animations: as many frames as there should be, shown as long as said, and what is drawn moves as the numbers say."""

import shutil
import subprocess
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from cortex_sim.errors import OptionError, TrialsError
from cortex_sim.report import figures
from cortex_sim.tasks.body import Arm, Movement
from cortex_sim.trials import Trials

TIME = 0.02 * np.arange(11)
ARM = Arm("arm", length=(0.3, 0.33), mass=(1.4, 1.0), inertia=(0.025, 0.045), centre=(0.11, 0.16), about="joint")


def turning(conditions: int = 3) -> Trials:
    """Two axes that turn by half a circle in 200 ms, mixed into five units, from places of their own."""
    angle = np.pi * TIME / TIME[-1] + 2 * np.pi * np.arange(conditions)[:, None] / conditions
    states = np.stack([3 * np.cos(angle), np.sin(angle)], axis=-1)
    return Trials.from_arrays(20 + states @ np.random.default_rng(0).standard_normal((2, 5)), TIME, condition=list("abcdefgh"[:conditions]))


def reach(trials: int = 1) -> Movement:
    """An arm both of whose joints turn, by amounts that differ from trial to trial."""
    course = np.linspace(0, 1, TIME.size)[:, None]
    q = np.array([[0.4, 1.2]]) + course * np.array([[[0.9 - 0.5 * trial, 0.5]] for trial in range(trials)])
    none = np.zeros((*q.shape[:2], 0))
    return Movement(q, q, q, q, none, none)


def frames(path: Path) -> tuple[list[np.ndarray], list[int]]:
    with Image.open(path) as picture:
        assert picture.info["loop"] == 0
        found, lasting = [], []
        for number in range(picture.n_frames):
            picture.seek(number)
            found.append(np.asarray(picture.convert("RGB")).astype(int))
            lasting.append(picture.info["duration"])
    return found, lasting


@pytest.mark.parametrize(("speed", "number", "shown"), [(0.25, 11, 80), (1.0, 6, 40), (2.0, 3, 40), (0.1, 11, 200)])
def test_frames_last_as_long_as_the_clock_says(tmp_path: Path, speed: float, number: int, shown: int) -> None:
    figures.animate_trajectories(turning(), tmp_path / "a.gif", speed=speed)
    found, lasting = frames(tmp_path / "a.gif")
    assert len(found) == number
    assert lasting == [shown] * (number - 1) + [1000]
    assert {picture.shape for picture in found} == {(440, 480, 3)}
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_the_drawn_hand_moves_as_the_posture_says(tmp_path: Path) -> None:
    """The dot at the hand is the only thing of its colour that is as thick; its centre is a scaled and shifted position, y upwards."""
    movement = reach()
    figures.animate_arm(movement, ARM, TIME, tmp_path / "arm.gif", speed=1.0)
    found, _ = frames(tmp_path / "arm.gif")
    hand = 100 * ARM.hand(movement.angle[0])[::2]
    assert len(found) == len(hand) == 6
    places = np.array([_centre_of_dot(picture) for picture in found])
    scale = np.linalg.norm(places[-1] - places[0]) / np.linalg.norm(hand[-1] - hand[0])
    wanted = places[0] + scale * (hand - hand[0]) * [1, -1]
    assert scale > 2  # pixels a cm
    assert np.abs(places - wanted).max() < 1.5  # pixels: the grid, twice


def _centre_of_dot(picture: np.ndarray) -> np.ndarray:
    """Return where a disc of 7 pixels fits best into what has the colour of the only trial."""
    shade = 255 * np.array(matplotlib.colormaps["twilight"](0.1)[:3])
    ink = (np.abs(picture - shade).sum(axis=2) < 40).astype(float)
    y, x = np.mgrid[-3:4, -3:4]
    disc = (x**2 + y**2 <= 9.5).astype(float)
    spectrum = np.fft.rfft2(ink) * np.conj(np.fft.rfft2(disc, ink.shape))
    fits = np.fft.irfft2(spectrum, ink.shape)
    best = fits >= fits.max() - 1e-6 * abs(fits.max())
    rows, columns = np.nonzero(best)
    return np.array([columns.mean() + 3, rows.mean() + 3])


def test_equal_trials_are_equal_files_and_single_trials_move_with_the_average(tmp_path: Path) -> None:
    once = turning()
    twice = Trials.from_arrays(np.repeat(once.rate, 2, axis=0) + np.array([1.0, -1.0] * 3)[:, None, None], TIME, condition=list("aabbcc"))
    for name, trials in (("a.gif", once), ("b.gif", turning()), ("c.gif", twice)):
        figures.animate_trajectories(trials, tmp_path / name, speed=1.0)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    for one, other in zip(frames(tmp_path / "a.gif")[0], frames(tmp_path / "c.gif")[0], strict=True):
        assert (np.abs(one - other).max(axis=2) > 32).mean() < 1e-3


def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r"suffix '.avi' is unknown; an animation is .gif or .mp4"):
        figures.animate_trajectories(turning(), tmp_path / "a.avi")
    with pytest.raises(OptionError, match="speed 0 should be above 0"):
        figures.animate_trajectories(turning(), tmp_path / "a.gif", speed=0.0)
    with pytest.raises(TrialsError, match="two are drawn"):
        figures.animate_trajectories(turning().units([0]), tmp_path / "a.gif")
    with pytest.raises(TrialsError, match="for 10 times; it should be"):
        figures.animate_arm(reach(), ARM, TIME[1:], tmp_path / "a.gif")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OptionError, match=r"MP4 is written by ffmpeg, which is not there; install it, or write .gif"):
        figures.animate_hand(reach().made, TIME, tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None, reason="ffmpeg is absent")
def test_mp4_has_the_frames_of_the_gif_and_equal_trials_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        figures.animate_arm(reach(2), ARM, TIME, tmp_path / name, speed=1.0)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    asked = ["-count_frames", "-show_entries", "stream=width,height,nb_read_frames,r_frame_rate", "-of", "csv=p=0"]
    said = subprocess.run(["ffprobe", "-v", "error", *asked, str(tmp_path / "a.mp4")], capture_output=True, text=True, check=True).stdout
    assert said.strip().split(",") == ["480", "440", "25/1", "31"]  # 6 frames, and the last for a second more


def test_the_command_animates_a_file_and_the_trials_of_a_run(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from cortex_sim.cli._main import app

    def said(*words: str) -> str:
        done = CliRunner().invoke(app, ["animate", *words])
        return f"{done.output} {done.exception or ''}"

    rates = np.random.default_rng(1).random((4, 11, 6))
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    for name in ("cortex", "network"):
        Trials.from_arrays(rates, TIME).save(run / f"{name}.nc")
    assert "4 trials" in said(str(run / "cortex.nc"), "--out", str(tmp_path / "a.gif"), "--speed", "2")
    assert "4 trials" in said(str(run), "--trials", "network", "--out", str(tmp_path / "b.gif"), "--speed", "2")
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    assert "which trials are meant (--trials)? Choose from cortex, network." in said(str(run), "--out", str(tmp_path / "c.gif"))
    assert "has no positions of the hand" in said(str(run / "cortex.nc"), "--hand", "--out", str(tmp_path / "c.gif"))
    assert not (tmp_path / "c.gif").exists()
