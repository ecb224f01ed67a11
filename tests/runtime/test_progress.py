"""Progress is silent at first, then says how long it still takes, on standard error only."""

import io
import sys
from types import SimpleNamespace

import pytest

from cortex_sim.runtime import _progress as progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until it is set."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_lines_come_every_ten_seconds_with_the_time_left(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.track("training") as report:
        for seconds, done in ((1.0, 0.1), (9.0, 0.2), (20.0, 0.25), (29.0, 0.3), (31.0, 0.5)):
            clock.now = 100.0 + seconds
            report(done, f"loss {done}")
    said = capsys.readouterr()
    assert said.out == ""
    # a quarter done after 20 s leaves three quarters, 60 s; half done after 31 s leaves 31 s
    assert said.err.splitlines() == ["training: 25%, loss 0.25, about 60 s left", "training: 50%, loss 0.5, about 31 s left"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "shown"), [(1.9, False), (2.1, True)])
def test_a_terminal_shows_a_bar_after_two_seconds(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, seconds: float, shown: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress.track("training") as report:
        clock.now += seconds
        report(0.5, "loss 3")
    assert ("training" in terminal.getvalue() and "loss 3" in terminal.getvalue()) is shown


def test_stages_add_up_even_when_one_fails(clock: SimpleNamespace) -> None:
    seconds: dict[str, float] = {}
    for lasts in (3.0, 4.0):
        with pytest.raises(ValueError, match="stop"), progress.timed(seconds, "simulate"):
            clock.now += lasts
            raise ValueError("stop")
    assert seconds == {"simulate": 7.0}
