"""Text of others as text: what would steer a terminal, break a file or turn the reading direction is written out."""

import sys

STEERING = {chr(code) for code in (0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
JOINING = "\u200c\u200d"  # which some scripts need, and nobody sees


def visible(text: str, longest: int | None = None) -> str:
    r"""Return a text in which characters that nobody sees are written out, as Python writes them (``\x1b``); line breaks and tabs stay.

    Such are control characters, halves of surrogate pairs, and marks that change the direction of what follows: all that makes a line look like
    another, or a file unreadable.

    Args:
        text: of any origin.
        longest: number of characters; the rest of a longer text becomes an ellipsis.
    """
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def warn(line: str) -> None:
    """Print a line on standard error; what it quotes cannot steer the terminal."""
    print(visible(line), file=sys.stderr, flush=True)


def _shown(letter: str) -> str:
    seen = letter.isprintable() or letter in "\n\t" or letter in JOINING or (letter.isspace() and letter > "\x9f")
    return letter if seen and letter not in STEERING else letter.encode("unicode_escape").decode()
