"""Figures and the animation of moving arms: what they draw is what was moved."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from cortex_sim.report._report import Animation, Report
from cortex_sim.report.figures._movements import in_motion, pushed, side_by_side
from cortex_sim.tasks.body._body import Movement
from cortex_sim.tasks.body._moving import Moving
from cortex_sim.tasks.body._muscles import MUSCLE_NAMES
from cortex_sim.tasks.body._standard import REACHING

TIME = np.round(-0.1 + 0.01 * np.arange(31), 9)
WANTED = np.cumsum(np.random.default_rng(0).normal(size=(3, 31, 2)), axis=1)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def movement() -> Movement:
    commands = np.random.default_rng(1).normal(size=(3, 31, 6))
    return Movement.of(REACHING, Moving.replay(REACHING, commands, 0.01), commands, TIME)


def test_side_by_side_draws_every_quantity_of_every_system_with_its_unit(movement: Movement) -> None:
    figure = side_by_side({"one": movement, "other": movement}, WANTED, TIME, MUSCLE_NAMES)
    axes = np.array(figure.axes).reshape(4 + len(MUSCLE_NAMES), 2)
    labels = [ax.get_ylabel() for ax in axes[:, 0]]
    assert all(any(unit in label for unit in ("(cm)", "(cm/s)", "(N m)", "(activation)")) for label in labels)
    lines = [[line.get_ydata() for line in ax.lines] for ax in axes[:, 1]]
    for trial in range(3):
        np.testing.assert_array_equal(lines[2][trial], movement.torque[trial, :, 0])
        np.testing.assert_array_equal(lines[4][trial], movement.activation[trial, :, 0])
    assert [ax.get_xlabel() for ax in axes[-1]] == ["time from the go cue (s)"] * 2


def test_pushed_has_a_row_a_circumstance(movement: Movement) -> None:
    figure = pushed({"pushed": {"a": movement, "b": movement}, "not": {"a": movement, "b": movement}}, WANTED)
    assert [ax.get_title() for ax in figure.axes] == ["a\npushed", "b\npushed", "a\nnot", "b\nnot"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "x (cm)", "x (cm)"]


def test_the_animation_holds_every_joint_of_every_frame(movement: Movement) -> None:
    root = ElementTree.fromstring(in_motion({"one": movement}, REACHING.arm, TIME, ["a", "b", "c"]))
    sticks = root.findall(f".//{SVG}polyline")
    assert [stick.findtext(f"{SVG}title") for stick in sticks] == ["a", "b", "c"]
    frames = str(sticks[1].find(f"{SVG}animate").get("values")).split(";")  # type: ignore[union-attr]
    assert len(frames) == 16  # every 20 ms
    points = np.array([[[float(x) for x in point.split(",")] for point in frame.split()] for frame in frames])
    lengths = np.linalg.norm(np.diff(points, axis=1), axis=2)
    shares = np.array(REACHING.arm.length) / sum(REACHING.arm.length)
    np.testing.assert_allclose(lengths / lengths.sum(axis=1, keepdims=True), np.tile(shares, (16, 1)), atol=2e-3)  # of 300 pixels, to 0.1
    assert np.ptp(points[:, 2], axis=0).max() > 1


def test_an_animation_is_written_as_it_is(movement: Movement, tmp_path: Path) -> None:
    svg = in_motion({"one": movement}, REACHING.arm, TIME, ["a", "b", "c"])
    page = Report("t", "q", "a", pictures={"arms": Animation(svg, "Arms", "moving")}).write(tmp_path / "out")
    assert (tmp_path / "out" / "figures" / "arms.svg").read_text() == svg
    assert 'id="arms"' in page.read_text()
