"""A terminal as it may be: closed, left by its reader, without letters, and with somebody at Ctrl-C."""

import contextlib
import os
import signal
import sys

from cortex_sim.runtime._visible import visible


def prepare_terminal(status: int) -> None:
    """Let all three streams be there, show what they cannot encode as ``?``, and a second Ctrl-C end the process at once.

    Args:
        status: of a process that is ended so.
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
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, stop)


def say(text: str) -> None:
    """Print on standard output, with what steers a terminal written out; where nobody reads any more, as after ``| head``, it goes nowhere.

    Args:
        text: one or more lines.
    """
    try:
        print(visible(text), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
