"""Tables of trials in MATLAB files: arrays of structs, one element per row, in version 5 (through SciPy) and 7.3 (HDF5)."""

from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np
from numpy import ndarray

from cortex_sim.trials._door import check_together, whole

Columns = dict[str, list[ndarray]]
"""A table: the entries of every row, by column name."""


def struct_table(value: Any) -> Columns | None:
    """Return an array of structs read by SciPy, or a cell array of structs with equal fields, as a table; None if it is neither."""
    if not isinstance(value, ndarray) or not value.size:
        return None
    if value.dtype.names:
        return {name: [np.asarray(row) for row in value[name].ravel()] for name in value.dtype.names}
    rows = (
        [row.ravel()[0] for row in value.ravel() if isinstance(row, ndarray) and row.dtype.names and row.size == 1] if value.dtype == object else []
    )
    if not rows or len(rows) < value.size or len({row.dtype.names for row in rows}) > 1:
        return None
    return {name: [np.asarray(row[name]) for row in rows] for name in rows[0].dtype.names}


def hdf5_tables(file: h5py.File) -> Iterator[tuple[str, Columns]]:
    """Yield the arrays of structs in a file of version 7.3: groups whose fields all hold one reference per row; a single struct does not count."""
    for name, group in file.items():
        fields = dict(group.items()) if isinstance(group, h5py.Group) and not name.startswith("#") else {}
        plain = [isinstance(item, h5py.Dataset) and h5py.check_ref_dtype(item.dtype) is h5py.Reference for item in fields.values()]
        if fields and all(plain) and len({item.size for item in fields.values()}) == 1:
            found = {field: [file[reference] for reference in whole(item).ravel()] for field, item in fields.items()}
            check_together([item for column in found.values() for item in column], f"entries of {name!r}")
            yield name, {field: [_value(item) for item in column] for field, column in found.items()}


def _value(item: h5py.Dataset | h5py.Group) -> ndarray:
    """Return what a reference leads to: numbers and texts with MATLAB's axes; for anything else, an empty array of objects."""
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "biuf":
        return np.empty(0, dtype=object)
    kind = item.attrs.get("MATLAB_class", b"double")
    if item.attrs.get("MATLAB_empty", 0):
        return np.array([""]) if kind == b"char" else np.empty((0, 0))
    if kind == b"char":
        return np.array(["".join(map(chr, whole(item).ravel()))])
    return whole(item).T


def single(columns: Mapping[str, list[ndarray]], name: str) -> ndarray | None:
    """Return a column with one value per row, numbers (NaN where missing) or texts ("" where missing); None for any other column."""
    cells = [np.ravel(cell) for cell in columns[name]]
    if any(cell.size > 1 or cell.dtype.kind not in "biufUO" for cell in cells) or any(cell.dtype.kind == "O" and cell.size for cell in cells):
        return None
    if any(cell.dtype.kind == "U" for cell in cells):
        if any(cell.size and cell.dtype.kind != "U" for cell in cells):
            return None
        return np.array([str(cell[0]).rstrip() if cell.size else "" for cell in cells])
    return np.array([float(cell[0]) if cell.size else np.nan for cell in cells])
