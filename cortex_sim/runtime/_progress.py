"""Progress on standard error for anything that takes more than two seconds."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

QUIET = 2.0  # s before anything is shown
LINES = 10.0  # s between lines where standard error is no terminal
WORTH = 4  # calls that a process should have, since it takes seconds to start
EARLY = 0.02  # share done before which nothing is said about the time left

Report = Callable[[float, str], None]


@contextmanager
def track(label: str) -> Iterator[Report]:
    """Show how far a task is: a bar with the time left on a terminal, a line every ten seconds elsewhere.

    Args:
        label: what is being done.

    Yields:
        A function of the fraction done (0 to 1) and a line of text.
    """
    show = _bar(label) if sys.stderr.isatty() else _line(label)
    started = time.monotonic()

    def report(done: float, text: str) -> None:
        if time.monotonic() - started > QUIET:
            show((done, text))

    try:
        yield report
    finally:
        show(None)


def in_parallel(label: str, function: Callable[..., Any], calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
    """Make calls of a function, with progress: in as many processes as there are cores, one thread each, where there are enough calls for them.

    Args:
        label: what is being done.
        function: called in another process.
        calls: what each is called, and its arguments.

    Returns:
        What the calls returned, in their order.
    """
    from joblib import Parallel, cpu_count, delayed
    from joblib.externals.loky import get_reusable_executor

    found: list[Any] = []
    processes = max(1, min(len(calls) // WORTH, cpu_count()))
    with track(label) as report:
        try:
            made = Parallel(n_jobs=processes, return_as="generator")(delayed(function)(*given) for _, given in calls)
            for (name, _), one in zip(calls, made, strict=True):
                found.append(one)
                report(len(found) / len(calls), name)
        finally:
            if processes > 1:
                get_reusable_executor().shutdown(wait=True)  # idle workers would keep half a gigabyte each
    return found


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the wall time of the block to the stage's entry."""
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - began


def _line(label: str) -> Callable[[tuple[float, str] | None], None]:
    started = last = time.monotonic()

    def show(frame: tuple[float, str] | None) -> None:
        nonlocal last
        if frame and (now := time.monotonic()) - last > LINES:
            last = now
            left = f", about {(now - started) * (1 - frame[0]) / frame[0]:.0f} s left" if frame[0] > EARLY else ""
            print(f"{label}: {frame[0]:.0%}, {frame[1]}{left}", file=sys.stderr, flush=True)

    return show


def _bar(label: str) -> Callable[[tuple[float, str] | None], None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=1.0, text="")

    def show(frame: tuple[float, str] | None) -> None:
        if frame is None:
            bar.stop()
            return
        bar.start()
        bar.update(task, completed=frame[0], text=frame[1])

    return show
