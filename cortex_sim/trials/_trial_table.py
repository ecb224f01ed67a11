"""PyalData's table of trials: an array of structs with binned spikes, behaviour and events by bin, one row per trial."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import NotFound, OptionError, TrialsError, suggestion
from cortex_sim.trials._averages import LONGEST, SHORTEST
from cortex_sim.trials._findings import noted
from cortex_sim.trials._labels import absent
from cortex_sim.trials._labels import labels as labels_of
from cortex_sim.trials._mat_structs import Columns, single
from cortex_sim.trials._nwb_cut import CONDITIONS, Choice, asked_of, broken_off, usable
from cortex_sim.trials._rows import joined, selected
from cortex_sim.trials._trials import Trials

SPIKES, EVENT = "_spikes", "idx_"
MOST = 1000  # spikes of one unit in one bin
TARGETS = (*CONDITIONS, "tgtDir")
TRIAL_TABLE = "an array of structs, one a trial, with 'bin_size' (s) and spikes such as 'M1_spikes' (time, unit)"


class TableCut(NamedTuple):
    """Which bins of which rows form the trials.

    Attributes:
        row: of each trial in the table.
        zero: for each trial, the bin of its row whose left edge is time 0.
        first: first bin of all trials, counted from zero.
        stop: end of each trial, in bins from zero.
        size: width of the table's bins, s.
        width: of the requested bins, in bins of the table.
        labels: of the conditions.
        origin: what was requested, for the provenance.
        findings: what was noticed, one sentence each.
    """

    row: Int[ndarray, " trial"]
    zero: Int[ndarray, " trial"]
    first: int
    stop: Int[ndarray, " trial"]
    size: float
    width: int
    labels: ndarray
    origin: dict[str, Any]
    findings: list[str]

    @property
    def time(self) -> Float[ndarray, " time"]:
        """Left edges of the bins, s."""
        bins = max(2, -(-int(self.stop.max() - self.first) // self.width))
        return np.round(self.size * (self.first + self.width * np.arange(bins)), 12)


def from_trial_table(columns: Columns, made: Mapping[str, object], choice: Choice, area: str | Sequence[str] | None = None) -> Trials:
    """Return the trials of a table of trials.

    Spike times are known only to within a bin. Spikes are spread evenly over their bin, which keeps counts in these bins and multiples of them exact.

    Args:
        columns: bin_size (s), spikes by area (``M1_spikes``: time x unit, counts), events by bin (``idx_go_cue``), conditions.
        made: their provenance.
        choice: event, window, conditions, rows and bins.
        area: whose spikes are read, or several; may be omitted if there is only one.

    Raises:
        TrialsError: something is missing, has the wrong shape, is not a count or is in another unit, or no trial is left.
        NotFound: a requested column or area does not exist.
        OptionError: there are several areas and none is chosen, or the requested bin is not a multiple of the table's.
    """
    areas = _areas(columns, area)
    counts = {name: _counts(columns, name + SPIKES) for name in areas}
    cut = cut_table(columns, choice, [len(trial) for trial in counts[areas[0]]])
    for name in areas[1:]:
        if [len(trial) for trial in counts[name]] != [len(trial) for trial in counts[areas[0]]]:
            raise TrialsError(f"{name}{SPIKES} and {areas[0]}{SPIKES} have different numbers of bins; they should have the same in every row.")
    parts = [_spikes(np.concatenate([counts[name][row] for name in areas], axis=1), cut, place) for place, row in enumerate(cut.row)]
    when, unit, trial = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not when.size:
        raise TrialsError(f"no spike of {', '.join(areas)} lies in a trial; at least one should.")
    of = np.repeat(areas, [counts[name][0].shape[1] for name in areas])
    origin = dict(made) | cut.origin | {"area": ", ".join(areas), "spikes known to within": f"{cut.size * 1e3:g} ms"}
    trials = Trials.from_spikes(
        (when, unit, trial), cut.time, units=of.size, condition=cut.labels, stop=np.round(cut.size * cut.stop, 12), population=of, provenance=origin
    )
    said = f"spikes are counts in bins of {cut.size * 1e3:g} ms, and were put evenly into them; intervals between spikes say no more than that."
    return noted(trials, *cut.findings, said)


def table_series(columns: Columns, choice: Choice, name: str | None) -> xr.DataArray:
    """Return one behavioural series, such as ``pos`` or ``vel`` (time x axis), at the left bin edges of the trials; NaN after the end of a trial.

    Args:
        columns: of the table.
        choice: as for :func:`from_trial_table`.
        name: of the column; may be omitted if there is only one.

    Raises:
        NotFound: no series has this name, or several match.
        TrialsError: as :func:`from_trial_table`, or rows have different numbers of axes.
    """
    spikes = [field for field in columns if field.endswith(SPIKES)]
    lengths = [len(cell) for cell in columns[spikes[0]]] if spikes else []
    known = [field for field, cells in columns.items() if field not in spikes and lengths and [len(np.atleast_1d(cell)) for cell in cells] == lengths
             and all(cell.ndim == 2 and cell.dtype.kind in "biuf" for cell in cells)]  # fmt: skip
    found = [field for field in known if name in (None, field)]
    if len(found) != 1:
        asked = "which series is meant" if name is None else f"there is no series {name!r} with as many bins as the spikes"
        raise NotFound(f"{asked}? {suggestion(name or '', known)}")
    cells, cut = columns[found[0]], cut_table(columns, choice, lengths)
    axes = {cell.shape[1] for cell in cells}
    if len(axes) > 1:
        raise TrialsError(f"{found[0]} has {min(axes)} to {max(axes)} axes; it should have as many in every row.")
    made = np.full((cut.row.size, cut.time.size, axes.pop()), np.nan)
    for place, (row, zero, stop) in enumerate(zip(cut.row, cut.zero, cut.stop, strict=True)):
        inside = np.asarray(cells[row][zero + cut.first : zero + stop : cut.width], dtype=float)
        made[place, : len(inside)] = inside
    return xr.DataArray(made, dims=("trial", "time", "axis"), coords={"time": cut.time}, attrs={"units": "", "series": found[0]})


def cut_table(columns: Columns, choice: Choice, lengths: Sequence[int]) -> TableCut:
    """Return the trials of a table whose rows have these numbers of bins; see :func:`from_trial_table`."""
    size, long, asked = _bin_size(columns), np.array(lengths), choice.window
    width = 1 if choice.bin is None else round(choice.bin / size)
    if choice.bin is not None and (width < 1 or abs(width * size - choice.bin) > 1e-6 * size):
        raise OptionError(f"bin {choice.bin * 1e3:g} ms is no whole number of the table's bins of {size * 1e3:g} ms; leave it out, or ask for one.")
    if asked is not None and not (np.isfinite(asked).all() and asked[0] < asked[1]):
        raise OptionError(f"window {asked!r} should be (start, stop) in s, start before stop.")
    zero, findings = (np.zeros(long.size), []) if choice.align is None else _events(columns, choice.align, long)
    labels, named = _labels(columns, choice.condition, long.size)
    event = choice.align or "the start"
    reasons = {f"have no {event}": np.isfinite(zero)}
    reasons |= selected(choice.where, choice.unless, lambda name: _column(columns, name))
    reasons[f"have no label in {named}"] = ~absent(labels)
    begin, end = -zero, long - zero
    if asked is None:
        reasons |= broken_off(size * begin, size * end, event, np.all(list(reasons.values()), axis=0))
    else:
        first, last = (int(np.ceil(edge / size - 0.25)) for edge in asked)
        reasons[f"do not cover {asked[0]:g} to {asked[1]:g} s"] = (begin <= first) & (end >= last)
    kept, left = usable(reasons)
    if asked is None:
        first = int(begin[kept].max())
    stop = end[kept].astype(int) if asked is None else np.full(kept.size, last)
    if stop.min() <= first:
        raise TrialsError(
            f"a trial ends {size * stop.min():g} s from {event} and another starts at {size * first:g} s; give a window that suits all."
        )
    origin = {"align": event, "condition": named} | asked_of(choice)
    return TableCut(kept, zero[kept].astype(int), first, stop, size, width, labels_of(labels[kept]), origin, [*left, *findings])


def _areas(columns: Columns, asked: str | Sequence[str] | None) -> list[str]:
    known = [name.removesuffix(SPIKES) for name in columns if name.endswith(SPIKES)]
    if not known:
        raise TrialsError(f"the table has no column that ends in {SPIKES!r} (found {', '.join(columns)}); it should be {TRIAL_TABLE}.")
    if asked is None and len(known) > 1:
        raise OptionError(f"the table has spikes of {', '.join(known)}; say which are read, for example area={known[0]!r}.")
    names = known if asked is None else [asked] if isinstance(asked, str) else list(asked)
    for name in names:
        if name not in known:
            raise NotFound(f"there are no spikes of area {name!r}. {suggestion(name, known)}")
    return names


def _counts(columns: Columns, name: str) -> list[Int[ndarray, "time unit"]]:
    """Return the spike counts of every row, checked to be whole numbers."""
    cells = columns[name]
    for row, cell in enumerate(cells):
        if cell.ndim != 2 or cell.dtype.kind not in "biuf":
            raise TrialsError(f"{name} of row {row} holds {cell.dtype} of shape {cell.shape}; it should hold counts over (time, unit).")
        wrong = ~np.isfinite(cell) | (cell < 0) | (cell > MOST) | (cell != np.round(cell))
        if wrong.any():
            time, unit = np.argwhere(wrong)[0]
            raise TrialsError(f"{name} holds {cell[time, unit]:g} at row {row}, bin {time}, unit {unit}; spikes should be whole numbers to {MOST}.")
    units = {cell.shape[1] for cell in cells}
    if len(units) > 1 or not max(units):
        turned = " It seems to be (unit, time)." if len({cell.shape[0] for cell in cells}) == 1 else ""
        raise TrialsError(f"{name} has {min(units)} to {max(units)} units; it should be (time, unit), of as many in every row.{turned}")
    return [cell.astype(np.int64) for cell in cells]


def _bin_size(columns: Columns) -> float:
    size = single(columns, "bin_size") if "bin_size" in columns else None
    if size is None or size.dtype.kind != "f" or np.isnan(size).any() or np.ptp(size) > 1e-9 * abs(size[0]):
        raise TrialsError("column 'bin_size' should be there and hold one number, in s, the same in every row.")
    if not SHORTEST <= size[0] <= LONGEST:
        likely = "; it is probably in ms" if SHORTEST <= size[0] / 1e3 <= LONGEST else ""
        raise TrialsError(f"bin_size is {size[0]:g} s; it should be {SHORTEST:g} to {LONGEST:g}{likely}.")
    return float(size[0])


def _events(columns: Columns, name: str, long: ndarray) -> tuple[Float[ndarray, " row"], list[str]]:
    """Return the bin of an event in each row, counted from 0, NaN if there is none; and a finding that says where the file's count starts."""
    known = {key: found for key in columns if key.startswith(EVENT) and (found := single(columns, key)) is not None and found.dtype.kind == "f"}
    if name not in known:
        raise NotFound(f"there is no event {name!r} of one bin a row. {suggestion(name, known)}")
    base = 0 if any((found == 0).any() for found in known.values()) else 1
    place = known[name] - base
    wrong = np.isfinite(place) & ((place < 0) | (place > long) | (place != np.round(place)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TrialsError(f"{name} is {known[name][row]:g} in row {row}, which has {long[row]} bins; it should be the number of a bin.")
    why = "one of them is 0" if base == 0 else "as MATLAB does; none of them is 0"
    return place, [f"columns {EVENT}… are taken to count bins from {base} ({why})."]


def _column(columns: Columns, name: str) -> ndarray:
    if name not in columns:
        raise NotFound(f"the table has no column {name!r}. {suggestion(name, columns)}")
    if (found := single(columns, name)) is None:
        raise TrialsError(f"column {name!r} holds several values a row; a column of one value a row is needed.")
    return found


def _labels(columns: Columns, asked: str | Sequence[str] | None, rows: int) -> tuple[ndarray, str]:
    usual = [name for name in TARGETS if name in columns and single(columns, name) is not None][:1]
    names = [asked] if isinstance(asked, str) else list(asked) if asked is not None else usual
    return (joined([_column(columns, name) for name in names]), ", ".join(names)) if names else (np.arange(rows), "number")


def _spikes(counts: Int[ndarray, "time unit"], cut: TableCut, place: int) -> tuple[ndarray, ndarray, ndarray]:
    """Return the times, units and trials of the spikes of one trial, spread evenly over their bins."""
    inside = counts[cut.zero[place] + cut.first : cut.zero[place] + cut.stop[place]]
    bins, unit = np.nonzero(inside)
    many = inside[bins, unit]
    rank = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    within = (rank + 0.5) / np.repeat(many, many)
    return cut.size * (cut.first + np.repeat(bins, many) + within), np.repeat(unit, many), np.full(many.sum(), place)
