"""Rows of a table of trials: which are chosen, and the condition of each."""

import operator
import re
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from cortex_sim.errors import OptionError
from cortex_sim.trials._labels import absent

COMPARED = {"==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
PART = re.compile(r"\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*")
WANTED = "columns compared with values, such as \"success == 1 and target != 'left'\""
Column = Callable[[str], ndarray]


def chosen(where: str, column: Column) -> Bool[ndarray, " row"]:
    """Return which rows satisfy a comparison; missing values (NaN) satisfy none. Nothing is executed.

    Args:
        where: comparisons of columns with values, joined by "and": ``success == 1 and target != 'left'``.
        column: gives a column by its name.

    Raises:
        OptionError: it cannot be parsed, texts are compared by size, or a column of numbers is compared with a text.
        NotFound: a column does not exist.
    """
    found = None
    for match in _parts(where):
        name, sign, value = match.groups()
        holds = _compared(column(name), sign, value, where)
        found = holds if found is None else found & holds
    return np.asarray(found)


def selected(where: str | None, unless: str | None, column: Column) -> dict[str, Bool[ndarray, " row"]]:
    """Return, by what is said of the others, which rows satisfy a comparison and certainly do not satisfy another; see :func:`chosen`.

    Args:
        where: comparison that they satisfy; all do if None.
        unless: comparison that they do not satisfy; rows in which a compared value is missing are no such rows.
        column: gives a column by its name.
    """
    found = {} if where is None else {f"are not where {where}": chosen(where, column)}
    if unless is not None:
        lost = np.any([absent(column(name)) for name in names_in(unless)], axis=0)
        found[f"are where {unless}, or do not say"] = ~chosen(unless, column) & ~lost
    return found


def names_in(where: str) -> list[str]:
    """Return the columns that a comparison names.

    Raises:
        OptionError: it cannot be parsed.
    """
    return [part.groups()[0] for part in _parts(where)]


def _parts(where: str) -> list[re.Match[str]]:
    found = []
    for part in re.split(r"\band\b", where):
        match = PART.fullmatch(part)
        if match is None:
            raise OptionError(f"where {where!r}: {part.strip()!r} is no comparison; it should be {WANTED}.")
        found.append(match)
    return found


def _compared(values: ndarray, sign: str, text: str, where: str) -> Bool[ndarray, " row"]:
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else None
    if values.dtype.kind in "US":
        if sign not in ("==", "!="):
            raise OptionError(f"where {where!r}: a column of texts can be == or !=, not {sign}.")
        return np.asarray(COMPARED[sign](values.astype(str), text if bare is None else bare) & (values.astype(str) != ""))
    named = {"True": 1.0, "False": 0.0}
    try:
        number = named[text] if text in named else float(text)
    except ValueError:
        raise OptionError(f"where {where!r}: the column holds {values.dtype}, which {text} is not; compare it with a number.") from None
    if values.dtype.kind not in "biuf":
        raise OptionError(f"where {where!r}: the column holds {values.dtype}; numbers and texts can be compared.")
    return np.asarray(COMPARED[sign](values, number) & ~np.isnan(values.astype(float)))


def joined(columns: Sequence[ndarray]) -> ndarray:
    """Return one label per row: a single column as it is; several joined to a text with commas, empty where one is absent."""
    if len(columns) == 1:
        return columns[0]
    texts = [[f"{value:g}" if isinstance(value, float) else str(value) for value in column.tolist()] for column in columns]
    lost = np.any([absent(column) for column in columns], axis=0)
    return np.array(["" if gone else ", ".join(row) for gone, row in zip(lost, zip(*texts, strict=True), strict=True)])
