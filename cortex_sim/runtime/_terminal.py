"""Terminal streams in all their states: closed, abandoned by their reader, of limited encoding, and interrupted by Ctrl-C."""

import contextlib
import os
import signal
import sys
from typing import TextIO

from cortex_sim.runtime._progress import note_interrupt
from cortex_sim.runtime._visible import put

_kept: TextIO | None = None  # standard output, where only messages of ours go there


def prepare_terminal(status: int) -> None:
    """Make sure that all three streams exist and replace characters they cannot encode by ``?``; a second Ctrl-C ends the process at once.

    Args:
        status: exit status of a process ended this way.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed; the next file that is opened would take its place, and be written to
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - stays open
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def leave(*_: object) -> None:
        os.write(2, b"\ncortex-sim: ended at once.\n")
        os._exit(status)

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, leave)
        note_interrupt()
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, stop)


def say(text: str) -> None:
    """Print on standard output, with control characters escaped; output is discarded once its reader is gone, as after ``| head``.

    Args:
        text: one or more lines.
    """
    put(text, _kept or sys.stdout)


def keep_output() -> None:
    """Keep standard output for what :func:`say` prints; what anything else prints, this process's workers too, goes to standard error.

    Output that is not the process's own, as where a program calls this one and has put something else in its place, stays as it is.
    """
    global _kept  # noqa: PLW0603 - of the process
    out = sys.stdout
    if _kept is None and out is sys.__stdout__ and out is not None:
        out.flush()
        _kept = open(os.dup(1), "w", encoding=out.encoding, errors="replace")  # noqa: SIM115 - stays open
        os.dup2(2, 1)
