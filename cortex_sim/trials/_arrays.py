"""Named arrays from a ``.npz``, ``.mat`` or ``.csv`` file; nothing in it is executed, and what would need to be is skipped and reported."""

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple, TextIO

import h5py
import numpy as np
from numpy import ndarray

from cortex_sim.errors import FileProblem
from cortex_sim.trials._checks import check_fits
from cortex_sim.trials._door import check_together, hdf5, reading, whole
from cortex_sim.trials._mat_five import check_five
from cortex_sim.trials._mat_structs import Columns, hdf5_tables, struct_table

SUFFIXES = (".npz", ".mat", ".csv")
PICKLED = "is pickled (an object of Python, which could execute anything)"
PICKLE = b"\x80"  # that every pickle of today begins with
LONGEST = 10_000  # bytes of an array's header, as NumPy allows
CELL = 15  # numbers' worth of memory that a byte of a table with commas may take, as a text of its own


class Named(NamedTuple):
    """The contents of a file.

    Attributes:
        arrays: numbers and texts, by name.
        left: why something was not read, by name.
        tables: arrays of structs in it, by name.
    """

    arrays: dict[str, ndarray]
    left: dict[str, str]
    tables: dict[str, Columns]

    def findings(self, taken: str | None = None) -> list[str]:
        """Return a sentence for each item that was not read, except a table that was taken."""
        return [f"{name!r} {why}, and was skipped." for name, why in self.left.items() if name != taken]


def named_arrays(path: Path) -> Named:
    """Return all arrays of a file.

    Raises:
        FileProblem: the file does not exist, has another format or is damaged.
    """
    if not path.is_file():
        raise FileProblem(f"{path}: there is no such file.")
    reader = {".mat": _matlab, ".csv": _columns}.get(path.suffix, _numpy)
    kind = path.suffix if path.suffix in SUFFIXES else ".npz"
    with reading(path, f"{kind} without executing anything in it" if kind == ".npz" else kind):
        return reader(path)


def _numpy(path: Path) -> Named:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            start = file.read(6)
        what = "it is one array without a name; save it with numpy.savez" if start == b"\x93NUMPY" else "it is no archive of arrays"
        raise FileProblem(f"cannot be read as .npz without executing anything in it ({'it is pickled' if start[:1] == PICKLE else what}).")
    found = Named({}, {}, {})
    with zipfile.ZipFile(path) as archive:
        members = {item.filename.removesuffix(".npy"): item for item in archive.infolist()}
        declared = {name: (item, *_declared(archive, item)) for name, item in members.items() if item.filename.endswith(".npy")}
        check_fits(sum(item.file_size for item, _, plain in declared.values() if plain) / 8, f"all of the {len(declared)} arrays")
        found.left.update({name: "is no array" for name in members if name not in declared})
        for name, (item, bytes_, plain) in declared.items():
            if not plain:
                found.left[name] = PICKLED
            elif bytes_ > item.file_size:
                raise FileProblem(f"array {name!r} should take {bytes_:.3g} bytes by its header, and has {item.file_size}; it is damaged.")
            else:
                with archive.open(item) as file:
                    found.arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return found


def _declared(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> tuple[float, bool]:
    """Return the bytes of an array by its header, and whether it holds only numbers or texts."""
    if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # Python unpacks others without a limit
        raise FileProblem(f"array {item.filename!r} is compressed by method {item.compress_type}; save it with numpy.savez_compressed.")
    with archive.open(item) as file:
        shape, _, dtype = _header(file)
    return float(np.prod(shape, dtype=float)) * dtype.itemsize, not dtype.hasobject


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    announced = file.read(2 if version == (1, 0) else 4)
    if (length := int.from_bytes(announced, "little")) > LONGEST:
        raise FileProblem(f"an array has a header of {length} bytes, at most {LONGEST} are read; it is damaged.")
    head = io.BytesIO(announced + file.read(length))
    return np.lib.format.read_array_header_1_0(head) if version == (1, 0) else np.lib.format.read_array_header_2_0(head)


def _matlab(path: Path) -> Named:
    """Read a MATLAB file: with SciPy up to version 7; version 7.3 is HDF5 with reversed axes."""
    found = Named({}, {}, {})
    if h5py.is_hdf5(path):
        with hdf5(path) as file:
            check_together([item for name, item in file.items() if not name.startswith("#")], "arrays")
            for name, item in file.items():
                plain = isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf" and item.attrs.get("MATLAB_class", b"double") != b"char"
                if plain and not item.attrs.get("MATLAB_empty", 0):
                    found.arrays[name] = whole(item).T
                elif not name.startswith("#"):
                    found.left[name] = "is a struct, cell, text or empty"
            found.tables.update(hdf5_tables(file))
        return found
    from scipy.io import loadmat, whosmat

    check_five(path)
    known = whosmat(path)
    check_fits(sum(float(np.prod(shape, dtype=float)) for _, shape, _ in known), f"all of the {len(known)} arrays")
    content = loadmat(path)
    for name, array in content.items():
        if isinstance(array, ndarray) and array.dtype.kind in "biufU":
            found.arrays[name] = np.char.rstrip(array) if array.dtype.kind == "U" else array
        elif not name.startswith("__"):
            found.left[name] = "is a struct, cell, object or sparse"
            if (table := struct_table(array)) is not None:
                found.tables[name] = table
    return found


def _columns(path: Path) -> Named:
    """Read the columns of a comma-separated table; a column holds numbers if all its entries are numbers."""
    check_fits(CELL * path.stat().st_size, f"a table of {path.stat().st_size / 1e6:.3g} MB")
    with path.open(newline="", encoding="utf-8-sig") as file:
        return Named(csv_columns(file), {}, {})


def csv_columns(file: TextIO) -> dict[str, ndarray]:
    """Return the columns of comma-separated text by the names in its first row."""
    header, *rows = [row for row in csv.reader(file) if row]
    if len({len(row) for row in [header, *rows]}) > 1:
        raise ValueError(f"rows have {min(map(len, rows))} to {max(map(len, rows))} values for {len(header)} columns")
    return {name.strip(): _numbers(list(column)) for name, column in zip(header, zip(*rows, strict=True), strict=True)} if rows else {}


def _numbers(texts: list[str]) -> ndarray:
    try:
        return np.array([float(text) if text.strip() else np.nan for text in texts])
    except ValueError:
        return np.array([text.strip() for text in texts])


def vectors(arrays: Mapping[str, ndarray], *names: str) -> dict[str, ndarray]:
    """Return the arrays, the named ones flattened if only one axis is longer than 1: MATLAB and others keep columns as (n, 1) or (1, n)."""
    flat = {
        name: arrays[name].reshape(-1) for name in names if name in arrays and arrays[name].ndim > 1 and max(arrays[name].shape) == arrays[name].size
    }
    return {**arrays, **flat}
