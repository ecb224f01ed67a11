"""Named arrays of a file, ``.npz``, ``.mat`` or ``.csv``; nothing in it is executed, and what would have to be is left and named."""

import csv
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy import ndarray

from cortex_sim.errors import FileProblem
from cortex_sim.trials._mat_structs import Columns, hdf5_tables, struct_table

SUFFIXES = (".npz", ".mat", ".csv")
BROKEN = (zipfile.BadZipFile, zlib.error, tokenize.TokenError, EOFError, OSError, RuntimeError, NotImplementedError)
WRONG = (ValueError, TypeError, LookupError, AttributeError, MemoryError, OverflowError)


class Named(NamedTuple):
    """What a file holds.

    Attributes:
        arrays: numbers and texts, by name.
        left: what was not read and why, by name.
        tables: arrays of structs among it, by name.
    """

    arrays: dict[str, ndarray]
    left: dict[str, str]
    tables: dict[str, Columns]

    def findings(self, taken: str | None = None) -> list[str]:
        """Say what was left; one table may have been taken."""
        return [f"{name!r} {why}, and was left." for name, why in self.left.items() if name != taken]


def named_arrays(path: Path) -> Named:
    """Read all arrays of a file.

    Raises:
        FileProblem: it is no such file, or damaged.
    """
    if not path.is_file():
        raise FileProblem(f"{path}: there is no such file.")
    reader = {".mat": _matlab, ".csv": _columns}.get(path.suffix, _numpy)
    kind = path.suffix if path.suffix in SUFFIXES else ".npz"
    try:
        return reader(path)
    except (*BROKEN, *WRONG) as problem:
        how = " without executing anything in it" if kind == ".npz" else ""
        why = "it is pickled" if "pickle" in str(problem) else str(problem)
        raise FileProblem(f"{path}: cannot be read as {kind}{how} ({why}).") from None


def _numpy(path: Path) -> Named:
    found = Named({}, {}, {})
    with np.load(path, allow_pickle=False) as file:
        for name in file.files:
            try:
                found.arrays[name] = file[name]
            except ValueError as problem:
                if "pickle" not in str(problem):
                    raise
                found.left[name] = "is pickled (an object of Python, which could execute anything)"
    return found


def _matlab(path: Path) -> Named:
    """MATLAB's files: up to version 7 by SciPy, 7.3 is HDF5 with axes in reverse."""
    found = Named({}, {}, {})
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            for name, item in file.items():
                plain = isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf" and item.attrs.get("MATLAB_class", b"double") != b"char"
                if plain and not item.attrs.get("MATLAB_empty", 0):
                    found.arrays[name] = item[()].T
                elif not name.startswith("#"):
                    found.left[name] = "is a struct, cell, text or empty"
            found.tables.update(hdf5_tables(file))
        return found
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path)
    except MatReadError as problem:
        raise ValueError(str(problem)) from None
    for name, array in content.items():
        if isinstance(array, ndarray) and array.dtype.kind in "biufU":
            found.arrays[name] = np.char.rstrip(array) if array.dtype.kind == "U" else array
        elif not name.startswith("__"):
            found.left[name] = "is a struct, cell, object or sparse"
            if (table := struct_table(array)) is not None:
                found.tables[name] = table
    return found


def _columns(path: Path) -> Named:
    """Columns of a table with commas, numbers where all of it are numbers."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *rows = [row for row in csv.reader(file) if row]
    if len({len(row) for row in [header, *rows]}) > 1:
        raise ValueError(f"rows have {min(map(len, rows))} to {max(map(len, rows))} values for {len(header)} columns")
    return Named({name.strip(): _numbers(list(column)) for name, column in zip(header, zip(*rows, strict=True), strict=True)} if rows else {}, {}, {})


def _numbers(texts: list[str]) -> ndarray:
    try:
        return np.array([float(text) if text.strip() else np.nan for text in texts])
    except ValueError:
        return np.array([text.strip() for text in texts])


def vectors(arrays: Mapping[str, ndarray], *names: str) -> dict[str, ndarray]:
    """Return the arrays, the named ones without axes of length 1: MATLAB and others keep columns as (n, 1) or (1, n)."""
    flat = {
        name: arrays[name].reshape(-1) for name in names if name in arrays and arrays[name].ndim > 1 and max(arrays[name].shape) == arrays[name].size
    }
    return {**arrays, **flat}
