"""Progress on standard error for anything that takes more than two seconds."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cortex_sim.runtime._visible import visible, warn

QUIET = 2.0  # s before anything is shown
LINES = 10.0  # s between lines where standard error is no terminal
EARLY = 0.02  # share done before which nothing is said about the time left

Report = Callable[[float, str], None]
EVERY = 0.5  # s between signs of progress that are passed on
_said: set[str] = set()
_passed_on: Report | None = None
_shown = False
_interrupted = False


def note_interrupt() -> None:
    """Note that the process was interrupted, so that it ends at the next sign of progress if a library loses the exception."""
    global _interrupted  # noqa: PLW0603 - of the process
    _interrupted = True


def _heed() -> None:
    """Raise what a library has lost: an exception raised in an import, a destructor or a callback may be swallowed there."""
    if _interrupted and threading.current_thread() is threading.main_thread() and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
        raise KeyboardInterrupt


def show_stages(shown: bool) -> None:
    """Choose whether every stage prints, on standard error, when it begins and how long it took."""
    global _shown  # noqa: PLW0603 - of the process
    _shown = shown


def say_once(line: str) -> None:
    """Print a line on standard error, unless this process has already printed it."""
    if line not in _said:
        _said.add(line)
        warn(line)


@contextmanager
def passed_on(report: Report) -> Iterator[None]:
    """Pass what the block shows of its progress on to a function, as the label and fraction of the task that is going on, instead of showing it.

    Args:
        report: of the completed fraction of all, which tasks one after another do not tell (0), and a line of text.
    """
    global _passed_on  # noqa: PLW0603 - of the process
    before, _passed_on = _passed_on, report
    try:
        yield
    finally:
        _passed_on = before


@contextmanager
def track(label: str) -> Iterator[Report]:
    """Show the progress of a task: a bar with the remaining time on a terminal, a line every ten seconds elsewhere.

    Args:
        label: name of the task.

    Yields:
        A function of the completed fraction (0 to 1) and a line of text.
    """
    _heed()
    show = _passing(label, _passed_on) if _passed_on else _bar(label) if sys.stderr.isatty() else _line(label)
    started = time.monotonic()

    def report(done: float, text: str) -> None:
        _heed()
        if time.monotonic() - started > QUIET:
            show((done, text))

    try:
        yield report
    finally:
        show(None)


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the wall time of the block to the stage's entry; see :func:`show_stages`."""
    _heed()
    began = time.monotonic()
    if _shown:
        warn(f"{time.strftime('%H:%M:%S')} {stage} ...")
    try:
        yield
    finally:
        took = time.monotonic() - began
        seconds[stage] = seconds.get(stage, 0.0) + took
        if _shown:
            warn(f"{time.strftime('%H:%M:%S')} {stage}: {took:.1f} s")


def _passing(label: str, report: Report) -> Callable[[tuple[float, str] | None], None]:
    last = 0.0

    def show(frame: tuple[float, str] | None) -> None:
        nonlocal last
        if frame and (now := time.monotonic()) - last > EVERY:
            last = now
            report(0.0, f"{label} {frame[0]:.0%}")

    return show


def _line(label: str) -> Callable[[tuple[float, str] | None], None]:
    started = last = time.monotonic()

    def show(frame: tuple[float, str] | None) -> None:
        nonlocal last
        if frame and (now := time.monotonic()) - last > LINES:
            last = now
            left = f", about {(now - started) * (1 - frame[0]) / frame[0]:.0f} s left" if frame[0] > EARLY else ""
            warn(f"{label}: {frame[0]:.0%}, {frame[1]}{left}")

    return show


def _bar(label: str) -> Callable[[tuple[float, str] | None], None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[text]}", markup=False), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(visible(label), total=1.0, text="")

    def show(frame: tuple[float, str] | None) -> None:
        if frame is None:
            bar.stop()
            return
        bar.start()
        bar.update(task, completed=frame[0], text=visible(frame[1]))

    return show
