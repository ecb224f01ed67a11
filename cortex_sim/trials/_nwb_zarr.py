"""NWB in Zarr, as hdmf-zarr writes it: what trials need is copied into an HDF5 file in memory, which is read like any other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cortex_sim.errors import FileProblem, OptionError
from cortex_sim.trials._blocks import check_zarr
from cortex_sim.trials._checks import check_fits
from cortex_sim.trials._door import check_folder

ACTIVITY = ("units", "intervals", "general", "identifier", "session_description")
BEHAVIOUR = ("processing", "acquisition")
LEFT = "left out on reading"
HEAVY = ("waveform", "stimulus")  # beginnings of names under /units and /general that no trial needs
CODECS = {"blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "shuffle", "bitround", "delta", "fixedscaleoffset", "packbits", "vlen-utf8", "json2"}
"""Codecs that only turn bytes into numbers and texts. Others, above all "pickle", may execute code from the file."""


@contextmanager
def zarr_as_hdf5(path: Path, series: str | None = None, *, behaviour: bool = False) -> Iterator[h5py.File]:
    """Open a Zarr store as HDF5 in memory.

    References between objects, which hdmf-zarr pickles, and anything else whose reading may execute code, are skipped and listed in the attribute
    :data:`LEFT` of the file.

    Args:
        path: of the folder.
        series: behavioural series that is needed; of others only the names are copied.
        behaviour: whether behaviour is copied as well.

    Raises:
        FileProblem: it is not a Zarr store of version 2.
        OptionError: zarr is not installed.
    """
    if not (path / ".zgroup").is_file():
        raise FileProblem(f"{path}: is a folder without '.zgroup'; a folder is read as NWB in Zarr of version 2, as hdmf-zarr writes it.")
    try:
        import zarr
    except ImportError:
        raise OptionError(f"{path}: reading NWB in Zarr needs hdmf-zarr, which is not installed; say: pip install 'cortex-sim[nwb]'") from None
    check_folder(path)
    store = zarr.open_group(str(path), mode="r")
    with h5py.File(f"{path.name}.h5", "w", driver="core", backing_store=False) as file:
        left: list[str] = []
        _attributes(store, file)
        for name in ACTIVITY + BEHAVIOUR * behaviour:
            if name in store:
                _copy(store[name], file, name, series, left)
        if left:
            file.attrs[LEFT] = left
        yield file


def _copy(item: Any, parent: h5py.Group, name: str, series: str | None, left: list[str]) -> None:
    """Copy an array, or a group with everything below it."""
    if hasattr(item, "dtype"):
        made = _array(item, parent, name, left)
    else:
        made = parent.create_group(name)
        unasked = series is not None and "data" in item and series not in (name, item.name.strip("/"))
        for child in item:
            if unasked and child == "data":
                made.create_dataset("data", data=np.empty(0))
            elif not child.startswith(HEAVY):
                _copy(item[child], made, child, series, left)
    if made is not None:
        _attributes(item, made)


def _array(item: Any, parent: h5py.Group, name: str, left: list[str]) -> h5py.Dataset | None:
    codecs = [*([item.compressor] if item.compressor else ()), *reversed(item.filters or ())]
    if (unsafe := {codec.codec_id for codec in codecs} - CODECS) or item.dtype.names:
        why = f"stored by {', '.join(sorted(unsafe))}, which may execute something" if unsafe else "a table within a column"
        left.append(f"{item.name} is {why}")
        return None
    check_fits(max(np.prod(sizes, dtype=float) for sizes in (item.shape, item.chunks)), f"array {item.name!r} of shape {item.shape}")
    block = np.inf if item.dtype == object else float(np.prod(item.chunks, dtype=float)) * item.dtype.itemsize
    check_zarr(item.name, codecs, Path(item.store.dir_path(item.path)), block, int(np.prod(item.chunks)))
    values = item[()]
    if values.dtype == object:
        if not all(isinstance(value, str) for value in values.ravel()):
            left.append(f"{item.name} holds neither numbers nor texts")
            return None
        values = values.astype(h5py.string_dtype())
    scalar = item.attrs.get("zarr_dtype") == "scalar" and values.size == 1
    return parent.create_dataset(name, data=values.ravel()[0] if scalar else values, dtype=values.dtype)


def _attributes(item: Any, made: h5py.Group | h5py.Dataset) -> None:
    """Copy attributes that are numbers or texts; a reference is copied as its path."""
    for name, value in item.attrs.items():
        referred = value.get("value") if isinstance(value, dict) else None
        known = referred.get("path") if isinstance(referred, dict) else value
        if isinstance(known, str | int | float):
            made.attrs[name] = known
