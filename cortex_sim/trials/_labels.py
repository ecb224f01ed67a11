"""Labels of conditions: numbers that differ by round-off are one, what is missing is none, and texts are such as files can hold."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from cortex_sim.errors import TrialsError
from cortex_sim.runtime import hidden, read_only, shown

SEVERAL = 3  # labels that could be directions
TURN = 2 * np.pi
NOTHING = 1e-12  # of the largest label: a number below is 0 up to round-off
UNSAID = ("", "#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null")
SAME = 1e-6  # of two labels: numbers nearer than this are one condition, apart by round-off


def labels(found: Any) -> ndarray:
    """Return one label per trial; numbers that differ only by round-off, or by exactly a turn in radians, become the first of them.

    Raises:
        TrialsError: they do not form one array.
    """
    if masked := int(hidden(found).sum()):
        raise TrialsError(f"condition: {masked} labels are masked; leave out the trials that have none.")
    if isinstance(found, list | tuple) and (lost := [place for place, label in enumerate(found) if label is None or label != label]):  # noqa: PLR0124
        raise TrialsError(f"trials: {len(lost)} trials have no condition, first trial {lost[0]}; leave them out.")
    try:
        array = read_only(np.asarray(found))
    except ValueError:
        raise TrialsError(f"condition: should be one label a trial (got {shown(found)}).") from None
    if array.ndim != 1:
        raise TrialsError(f"condition has shape {array.shape}; give one label a trial.")
    if array.dtype.kind == "U":
        return read_only(storable(array))
    if array.dtype.kind != "f" or array.ndim != 1 or not array.size or not np.isfinite(array).all():
        return array
    values, first, place = np.unique(array, return_index=True, return_inverse=True)
    if np.array_equal(values, np.round(values)):  # whole numbers, such as dates, have no round-off
        return array
    group = _groups(values)
    if group.max() + 1 == values.size:
        return array
    earliest = np.full(group.max() + 1, array.size)
    np.minimum.at(earliest, group, first)
    return read_only(array[earliest[group[place]]])


def _groups(values: Float[ndarray, " value"]) -> Int[ndarray, " value"]:
    """Return a number for each of these rising values: the same for those that differ by round-off or, within a turn, by 2 pi."""
    apart, size = SAME * np.abs(values).max(), np.abs(values)
    fine = apart if values.dtype.itemsize < np.dtype(float).itemsize else NOTHING * size.max()
    group = np.concatenate([[0], np.cumsum(np.diff(values) > np.maximum(SAME * np.maximum(size[1:], size[:-1]), fine))])
    if values[-1] - values[0] <= TURN + apart:
        group[values >= values[0] + TURN - apart] = 0
    return group


def likely_radians(name: str, found: ndarray) -> list[str]:
    """Return a finding if labels look like directions in radians: fractions, several, none beyond a turn."""
    if found.dtype.kind != "f" or not (known := found[np.isfinite(found)]).size:
        return []
    several, beyond = len(np.unique(known)) >= SEVERAL, np.abs(known).max() > TURN * (1 + SAME)
    if beyond or not several or np.abs(known).max() <= np.pi / 2 or np.array_equal(known, np.round(known)):
        return []
    return [
        f"{name} lies between {known.min():g} and {known.max():g}: if these are directions, they are in radians, and degrees are asked for elsewhere."
    ]


def storable(texts: ndarray) -> ndarray:
    """Return texts that files can hold: NUL and lone surrogates become escape sequences."""
    if not any("\0" in text or not text.isascii() for text in texts.ravel().tolist()):
        return texts
    plain = [text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode() for text in texts.ravel().tolist()]
    return np.array(plain).reshape(texts.shape)


def absent(labels: ndarray) -> Bool[ndarray, " trial"]:
    """Return which labels are missing: NaN, NaT, None, an empty text, or one of the texts by which tables say so (:data:`UNSAID`)."""
    if labels.dtype.kind in "fc":
        return np.isnan(labels)
    if labels.dtype.kind in "mM":
        return np.isnat(labels)
    if labels.dtype.kind == "O":
        return np.array(
            [label is None or (isinstance(label, str) and label in UNSAID) or (isinstance(label, float) and np.isnan(label)) for label in labels],
            dtype=bool,
        )
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    return np.isin(labels, UNSAID) if labels.dtype.kind == "U" else np.zeros(labels.shape, dtype=bool)


def check_labels(labels: ndarray) -> None:
    """Check that every trial has a label.

    Raises:
        TrialsError: a trial has none.
    """
    if (missing := absent(labels)).any():
        raise TrialsError(f"trials: {missing.sum()} trials have no condition, first trial {int(np.argmax(missing))}; leave them out.")
