"""Comma-separated text that every reader takes apart as it was put together."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    r"""Return rows as comma-separated text, lines ended by ``\n``.

    Python's writer leaves a carriage return in a field without quotes where lines do not end by one, and every reader then begins a row there; such
    rows are written as if lines did.

    Args:
        rows: the header first; numbers keep all their digits.
    """
    given = list(rows)
    text = _written(given, "\n")
    return text if "\r" not in text else "".join(_written([row], "\r\n")[:-2] + "\n" for row in given)


def _written(rows: Iterable[Sequence[Any]], end: str) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator=end).writerows(rows)
    return written.getvalue()
