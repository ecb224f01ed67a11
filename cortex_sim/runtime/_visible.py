"""Foreign text made safe: characters that would control a terminal, break a file or change the reading direction are escaped."""

import os
import sys
from typing import TextIO

STEERING = {chr(code) for code in (0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
JOINING = "\u200c\u200d"  # which some scripts need, and nobody sees


def visible(text: str, longest: int | None = None) -> str:
    r"""Return a text in which invisible characters are escaped as in Python (``\x1b``); line breaks and tabs are kept.

    These are control characters, lone surrogates, and marks that change the direction of the following text: all that can make a line look like
    another, or a file unreadable.

    Args:
        text: of any origin.
        longest: number of characters; the rest of a longer text is replaced by an ellipsis.
    """
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def warn(line: str) -> None:
    """Print a line on standard error; control characters in it are escaped."""
    put(line, sys.stderr)


def put(text: str, stream: TextIO) -> None:
    """Print on a stream at once, with control characters escaped; output is discarded once its reader is gone."""
    try:
        print(visible(text), file=stream, flush=True)
    except BrokenPipeError:
        unread(stream)


def unread(stream: TextIO) -> None:
    """Discard all further output to a stream whose reader is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _shown(letter: str) -> str:
    seen = letter.isprintable() or letter in "\n\t" or letter in JOINING or (letter.isspace() and letter > "\x9f")
    return letter if seen and letter not in STEERING else letter.encode("unicode_escape").decode()
