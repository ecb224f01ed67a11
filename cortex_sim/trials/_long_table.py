"""Long tables of rates: one row for each trial, time and unit, in any order, as data frames and spreadsheets have them."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import NotFound, TrialsError, suggestion
from cortex_sim.trials._checks import check_fits
from cortex_sim.trials._labels import absent
from cortex_sim.trials._trials import Trials

NEEDED, MORE = ("trial", "time", "unit", "rate"), ("condition", "stop")
LONG_TABLE = "columns trial, time (s), unit, rate (Hz) and, where there are conditions, condition"
HEADER = re.compile(r"(?P<role>[a-z]+)(?:[\s_]*\(?(?P<unit>[^()]*)\)?)?", re.IGNORECASE)
SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3}
FINE = 9  # digits behind the point of s at which two times are one


class Column(NamedTuple):
    """A column of a long table: its name in the table, its unit ("" if the name has none) and its entries."""

    name: str
    unit: str
    entries: ndarray


def is_long(columns: Mapping[str, ndarray]) -> bool:
    """Return whether columns are those of a long table of rates, by their names."""
    return set(NEEDED) <= {role for name in columns if (role := role_of(name)[0])}


def from_long_table(columns: Mapping[str, ndarray], made: Mapping[str, object], names: Mapping[str, str] | None = None) -> Trials:
    """Return the trials of a long table of rates; trials and units in the order of their numbers or names, whatever that of the rows.

    A unit without rows in a trial was not observed in it. A trial ends after its last row, or where the column ``stop`` says.

    Args:
        columns: trial, time, unit and rate, and where there are, condition and stop; units stand behind, as in ``time (ms)`` or ``rate (Hz)``.
        made: their provenance.
        names: of columns that are called otherwise, by what they hold: ``{"rate": "firing"}``.

    Raises:
        TrialsError: a column is missing or holds what it cannot, a row is missing, or is there twice.
        NotFound: a column that ``names`` gives does not exist.
    """
    found = _columns(columns, names or {})
    time = numbers_of(found["time"]) * seconds_of(found["time"])
    trials, trial = places_of(found["trial"])
    units, unit = places_of(found["unit"])
    _, first, place = np.unique(np.round(time, FINE), return_index=True, return_inverse=True)
    shape = (trials.size, first.size, units.size)
    check_fits(float(np.prod(shape, dtype=float)), f"{shape[0]} trials x {shape[1]} times x {shape[2]} units")
    flat = np.ravel_multi_index((trial, place, unit), shape)
    count: Any = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    if (count > 1).any():
        again = np.argwhere(count > 1)[0]
        raise TrialsError(f"{_where(again, (trials, time[first], units))} has {count.max()} rows; it should have one.")
    rate = np.zeros(int(np.prod(shape)))
    rate[flat] = numbers_of(found["rate"])
    stop = _stops(found, count, time[first], trial)
    return _trials(rate.reshape(shape), count, (trials, time[first], units), stop, _labels(found, trial, trials), found["rate"].unit, made)


def trial_numbers(columns: Mapping[str, ndarray]) -> ndarray:
    """Return the number or name of each trial of a long table, in the order of :func:`from_long_table`."""
    return places_of(_columns(columns, {})["trial"])[0]


def _trials(
    rate: ndarray, count: Any, axes: tuple[ndarray, ndarray, ndarray], stop: ndarray | None, labels: ndarray, unit: str,
    made: Mapping[str, object],
) -> Trials:  # fmt: skip
    _, time, units = axes
    whole = Trials.from_arrays(rate, time, condition=labels, stop=stop, units=unit or "Hz", provenance=made)
    observed = count.any(axis=1)
    gaps = (count == 0) & observed[:, None, :] & whole.lasting[:, :, None]
    if gaps.any():
        raise TrialsError(f"{_where(np.argwhere(gaps)[0], axes)} has no row, though the unit has others in that trial; {gaps.sum()} are missing.")
    dataset = whole.dataset.assign_coords(unit=units)
    if not observed.all():
        there = observed[:, None, :] & whole.lasting[:, :, None]
        dataset = dataset.assign_coords(observed=(("trial", "unit"), observed))
        dataset = dataset.assign(rate=(dataset["rate"].dims, np.where(there, dataset["rate"].values, np.nan), dataset["rate"].attrs))
    return Trials(dataset)


def role_of(name: str) -> tuple[str, str]:
    """Return what a column holds by its name, and the unit that stands behind; empty if the name says neither."""
    match = HEADER.fullmatch(str(name).strip())
    role = match["role"].lower() if match else ""
    return (role, (match["unit"] or "").strip()) if match and role in (*NEEDED, *MORE) else ("", "")


def _columns(columns: Mapping[str, ndarray], names: Mapping[str, str]) -> dict[str, Column]:
    """Return the columns by what they hold."""
    if unknown := [role for role in names if role not in (*NEEDED, *MORE)]:
        raise NotFound(f"names: {unknown[0]!r} is nothing that a long table holds. {suggestion(unknown[0], (*NEEDED, *MORE))}")
    if gone := [name for name in names.values() if name not in columns]:
        raise NotFound(f"names: there is no column {gone[0]!r}. {suggestion(str(gone[0]), map(str, columns))}")
    found = {role: Column(name, role_of(name)[1], columns[name]) for role, name in names.items()}
    for name, entries in columns.items():
        role, unit = role_of(name)
        if role and role not in names and name not in names.values():
            if role in found:
                raise TrialsError(f"columns {found[role].name!r} and {name!r} both say {role}; say which by names={{{role!r}: {name!r}}}.")
            found[role] = Column(name, unit, entries)
    for role in NEEDED:
        if role not in found:
            listed = ", ".join(map(str, columns)) or "none"
            raise TrialsError(f"column {role!r} is missing (found {listed}); a long table has {LONG_TABLE}; names={{{role!r}: ...}} names another.")
    return found


def numbers_of(column: Column) -> Float[ndarray, " row"]:
    """Return the entries of a column as finite numbers.

    Raises:
        TrialsError: they are not; the message says in which row.
    """
    if column.entries.dtype.kind not in "biuf":
        raise TrialsError(f"column {column.name!r} holds {column.entries.dtype}; it should hold numbers.")
    numbers = np.asarray(column.entries, dtype=float)
    if not numbers.size or not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers))) if numbers.size else 0
        found = f"is {numbers[row]:g} in row {row}" if numbers.size else "is empty"
        raise TrialsError(f"column {column.name!r} {found}; it should hold finite numbers. Leave out the rows of what was not observed.")
    return numbers


def seconds_of(column: Column) -> float:
    """Return how many s the unit of a column of times is.

    Raises:
        TrialsError: it is neither s nor ms.
    """
    if column.unit not in SECONDS:
        raise TrialsError(f"column {column.name!r} is in {column.unit!r}; times should be in s or ms.")
    return SECONDS[column.unit]


def places_of(column: Column) -> tuple[ndarray, Int[ndarray, " row"]]:
    """Return the numbers or names in a column, in order, and which of them each row has.

    Raises:
        TrialsError: a row has none.
    """
    entries = np.asarray(column.entries)
    entries = entries.astype(str) if entries.dtype.kind not in "biuf" else entries
    if entries.size and (gone := np.asarray(absent(entries))).any():
        raise TrialsError(f"column {column.name!r} is empty in row {int(np.argmax(gone))}; every row should say which {column.name}.")
    known, place = np.unique(entries, return_inverse=True)
    whole = known.dtype.kind == "f" and (known == np.round(known)).all()
    return (known.astype(np.int64) if whole else known), place.reshape(-1)


def _labels(found: Mapping[str, Column], trial: ndarray, trials: ndarray) -> ndarray:
    """Return the condition of each trial; the trial itself where no column says one."""
    if "condition" not in found:
        return trials
    known, place = places_of(found["condition"])
    return known[_one_each(found["condition"], place, trial, trials)]


def _one_each(column: Column, entries: ndarray, trial: ndarray, trials: ndarray) -> ndarray:
    """Return the entry of each trial, the same in all its rows."""
    _, first = np.unique(trial, return_index=True)
    if (other := entries != entries[first][trial]).any():
        raise TrialsError(f"column {column.name!r} says different things of trial {trials[trial[np.argmax(other)]]}; it should say one.")
    return entries[first]


def _stops(found: Mapping[str, Column], count: Any, time: ndarray, trial: ndarray) -> Float[ndarray, " trial"] | None:
    """Return where each trial ends; None if all have the last bin."""
    if "stop" in found:
        return _one_each(found["stop"], numbers_of(found["stop"]) * seconds_of(found["stop"]), trial, np.arange(len(count)))
    last = time.size - 1 - np.argmax(count.any(axis=2)[:, ::-1], axis=1)
    return None if (last == time.size - 1).all() or time.size < 2 else np.append(time, 2 * time[-1] - time[-2])[last + 1]


def _where(place: ndarray, axes: tuple[ndarray, ndarray, ndarray]) -> str:
    trials, time, units = axes
    return f"trial {trials[place[0]]}, time {time[place[1]]:g} s, unit {units[place[2]]}"
