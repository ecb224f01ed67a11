"""Text of others as text: what would steer a terminal, break a file or turn the reading direction is written out."""

STEERING = {chr(code) for code in (*range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF)}


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
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(letter) for letter in text)


def _shown(letter: str) -> str:
    seen = letter.isprintable() or letter in "\n\t" or (letter.isspace() and letter > "\x9f")  # no-break and other wide blanks
    return letter if seen and letter not in STEERING else letter.encode("unicode_escape").decode()
