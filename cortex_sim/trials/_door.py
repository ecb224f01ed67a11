"""How every file is opened: HDF5 (NetCDF, NWB, MATLAB 7.3) is inspected before it is read, and every error names the file."""

import contextlib
import mmap
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from h5py import h5d, h5l, h5o, h5r, h5z
from numpy import ndarray

from cortex_sim.errors import CortexSimError, FileProblem
from cortex_sim.runtime import visible
from cortex_sim.trials._blocks import LZF, check_blocks, check_filters, check_lengths
from cortex_sim.trials._checks import check_fits, fits

HEAP = b"GCOL\1\0\0\0"  # that a heap begins with
FILTERS = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_SZIP, h5z.FILTER_NBIT, h5z.FILTER_SCALEOFFSET, LZF}
"""Filters that only turn stored bytes into numbers and come with h5py; any other is third-party code."""
LISTS = 3  # place of the byte of an encoded type that says, in four bits, whether it is of lists (0) or texts (1)
WIDE = 8  # bytes of a number; texts of fixed length and compounds take more
LONGEST = 300  # characters of what a library said
OBJECTS = {h5py.h5g.GroupID: h5py.Group, h5d.DatasetID: h5py.Dataset}


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn any error raised while a file is read into one of this package, with the file's path in front.

    On corrupted bytes the underlying libraries raise errors of any kind that do not name the file; only this function catches them.

    Args:
        path: of the file.
        kind: of file that it is read as.

    Raises:
        CortexSimError: as raised, with the path in front.
        FileProblem: any other error was raised.
    """
    try:
        yield
    except CortexSimError as problem:
        raise problem if str(problem).startswith(f"{path}: ") else type(problem)(f"{path}: {problem}") from None
    except MemoryError as problem:
        raise FileProblem(f"{path}: asks for more memory than there is ({problem}); it is damaged, or too large to be read here.") from problem
    except Exception as problem:
        said = visible(" ".join(f"{type(problem).__name__}: {problem}".split()), LONGEST)
        raise FileProblem(f"{path}: cannot be read as {kind} ({said}); it is damaged or something else. Fetch or write it again.") from problem


@contextlib.contextmanager
def hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, after checking that nothing in it leads to other files or needs third-party code.

    Raises:
        FileProblem: it is not a regular file; or it has links to other files, data stored in other files, or data behind a filter that does
            not come with h5py.
    """
    if not path.is_file():
        raise FileProblem("is no plain file." if path.exists() else "there is no such file.")
    _check_heaps(path)
    with h5py.File(path, "r") as file:
        _walk(file, path)
        yield file


@contextlib.contextmanager
def netcdf(path: Path) -> Iterator[xr.Dataset]:
    """Open a netCDF-4 file as a dataset, checked as in :func:`hdf5`.

    Raises:
        TrialsError: what it declares does not fit in memory.
    """
    with hdf5(path) as file:
        check_together([item for item in file.values() if isinstance(item, h5py.Dataset)], "arrays")
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            yield dataset


def whole(dataset: h5py.Dataset) -> ndarray:
    """Return all of a dataset, if it fits in memory.

    Raises:
        TrialsError: it does not fit.
    """
    check_whole(dataset)
    return np.asarray(dataset[()])


def check_whole(dataset: h5py.Dataset) -> None:
    """Check that all of a dataset fits in memory.

    Raises:
        TrialsError: it does not.
    """
    wide = f" with {dataset.dtype.itemsize:g} bytes each" if dataset.dtype.itemsize > WIDE else ""
    check_fits(_size(dataset), f"array {dataset.name!r} of shape {dataset.shape}{wide}")


def check_together(datasets: Sequence[h5py.Dataset | h5py.Group], what: str) -> None:
    """Check that several datasets fit in memory together, each as often as it is named.

    Args:
        datasets: to be read; groups do not count.
        what: they are, in the plural, for the message.

    Raises:
        TrialsError: they do not.
    """
    check_fits(sum(_size(item) for item in datasets if isinstance(item, h5py.Dataset)), f"all of the {len(datasets)} {what}")


def in_parts(dataset: h5py.Dataset) -> h5py.Dataset:
    """Return a dataset of any size of which parts are read, once its blocks are known to unpack to what they should hold.

    Raises:
        FileProblem: one does not.
    """
    check_blocks(str(dataset.name), dataset.id)
    return dataset


def _size(dataset: h5py.Dataset) -> float:
    """How many numbers a dataset has, or as many as take its bytes; as a float, which does not overflow."""
    return float(np.prod(dataset.shape or (), dtype=float)) * max(1.0, dataset.dtype.itemsize / WIDE)


def check_folder(folder: Path) -> None:
    """Check that a folder holds only files and folders, and no link that leads out of it.

    Raises:
        FileProblem: it holds something else; the message says where.
    """
    root = folder.resolve()
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            item = Path(place, name)
            if item.is_symlink() and not item.resolve().is_relative_to(root):
                raise FileProblem(f"{item.relative_to(folder)} is a link to {str(item.readlink())!r}, out of the folder; {COPY}.")
            if not (item.is_symlink() or stat.S_ISREG(item.lstat().st_mode) or item.is_dir()):
                raise FileProblem(f"{item.relative_to(folder)} is neither a file nor a folder; remove it.")


COPY = "what lies elsewhere is not read. Copy it in, and try again"


def _check_heaps(path: Path) -> None:
    """Refuse heaps (of texts and lists) whose free space has no size, on which the HDF5 library loops for ever."""
    if not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(HEAP)
        while place >= 0:
            size = struct.unpack_from("<Q", data, place + 8)[0] if place + 16 <= len(data) else 0
            at, end = place + 16, min(place + size, len(data))
            while at + 16 <= end:
                index, _, _, length = struct.unpack_from("<HHIQ", data, at)
                if index == 0 and length < 16:
                    raise FileProblem("has a heap with free space of no size; it is damaged. Fetch or write it again.")
                at += length if index == 0 else 16 + length + (-length % 8)
            place = data.find(HEAP, place + 4)


def _walk(file: h5py.File, path: Path) -> None:
    """Check every object once, whether a link or a reference leads to it."""
    seen: set[int] = set()
    waiting = [("/", file["/"].id)]
    while waiting:
        name, item = waiting.pop()
        address = h5o.get_info(item).addr
        if address in seen:
            continue
        seen.add(address)
        if isinstance(item, h5py.h5g.GroupID):
            waiting += [(f"{name.rstrip('/')}/{key.decode(errors='replace')}", h5o.open(item, key)) for key in item if _hard(item, key, name)]
        elif isinstance(item, h5d.DatasetID):
            _check_stored(name, item)
            check_lengths(name, item, path)
        if type(item) in OBJECTS:
            for reference in _references(OBJECTS[type(item)](item)):
                with contextlib.suppress(ValueError, RuntimeError, KeyError):  # what was removed: whoever follows it will say so
                    waiting += [(f"{name} (reference)", h5r.dereference(reference, file.id))] if reference else []


def _hard(group: h5py.h5g.GroupID, key: bytes, name: str) -> bool:
    """Return whether a link is hard; the target of a soft link lies in the same file and is visited anyway. Refuse links to other files."""
    kind = group.links.get_info(key).type
    if kind not in (h5l.TYPE_HARD, h5l.TYPE_SOFT):
        leads = f" to {group.links.get_val(key)[0].decode(errors='replace')!r}" if kind == h5l.TYPE_EXTERNAL else " of a kind of its own"
        raise FileProblem(f"{key.decode(errors='replace')!r} in {name!r} is a link{leads}, out of the file; {COPY}.")
    return bool(kind == h5l.TYPE_HARD)


def _check_stored(name: str, dataset: h5d.DatasetID) -> None:
    stored = dataset.get_create_plist()
    if stored.get_layout() == h5d.VIRTUAL or stored.get_external_count():
        how = "put together of other files" if stored.get_layout() == h5d.VIRTUAL else "stored in another file"
        raise FileProblem(f"{name!r} is {how}; {COPY}.")
    for number in range(stored.get_nfilters()):
        if (used := stored.get_filter(number))[0] not in FILTERS:
            called = used[3].decode(errors="replace") or f"number {used[0]}"
            raise FileProblem(f"{name!r} is stored through the filter {called!r}, a plug-in; store it by gzip (h5repack -f GZIP=4 OLD NEW).")
    check_filters(name, dataset)
    if fits(_size(h5py.Dataset(dataset))):  # of others only parts are read: see in_parts
        check_blocks(name, dataset)


def _references(item: h5py.Group | h5py.Dataset) -> Iterator[h5py.h5r.Reference]:
    """Yield all references that an object holds, in its attributes or as its content."""
    for number in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=number)
        if _may_refer(attribute):
            yield from _inside(item.attrs[attribute.name])
    if isinstance(item, h5py.Dataset) and _may_refer(item.id):
        yield from _inside(whole(item))


def _may_refer(item: h5d.DatasetID | h5py.h5a.AttrID) -> bool:
    """Return whether an object may hold references. Refuse lists that are neither lists nor texts, on which the HDF5 library crashes."""
    waiting = [item.get_type()]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, h5py.h5t.TypeVlenID) and kind.encode()[LISTS] & 15:
            name = item.name if isinstance(item, h5py.h5a.AttrID) else h5py.h5i.get_name(item)
            raise FileProblem(f"{name.decode(errors='replace')!r} holds lists of no kind that HDF5 has; it is damaged. Fetch or write it again.")
        if isinstance(kind, h5py.h5t.TypeReferenceID):
            return True
        if isinstance(kind, h5py.h5t.TypeCompoundID):
            waiting += [kind.get_member_type(number) for number in range(kind.get_nmembers())]
        elif isinstance(kind, h5py.h5t.TypeVlenID | h5py.h5t.TypeArrayID):
            waiting.append(kind.get_super())
    return False


def _inside(value: object) -> Iterator[h5py.h5r.Reference]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, h5py.h5r.Reference):
            yield part
        elif isinstance(part, np.void) and part.dtype.names:
            waiting += [part[name] for name in part.dtype.names]
        elif isinstance(part, ndarray) and (part.dtype.kind == "O" or part.dtype.names):
            waiting += list(part.ravel())
