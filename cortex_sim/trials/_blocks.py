"""Checks of a file's compressed blocks before a library unpacks them: gzip expands data up to a thousandfold, and libraries do not limit it."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5d, h5t, h5z

from cortex_sim.errors import FileProblem
from cortex_sim.trials._checks import check_fits, fits

LZF = 32000
LISTED = 16  # bytes in which HDF5 stores the length of a text or list, and where it lies
DEFLATE, PIECE, CHECKSUM = 1032, 2**20, 4  # times its size that deflate unpacks to at most; bytes unpacked at once, and of a checksum
GROWTH = {h5z.FILTER_DEFLATE: DEFLATE, LZF: 264 / 3, h5z.FILTER_SZIP: np.inf}  # LZF: 3 bytes name up to 264 that were before
STATED = {h5z.FILTER_NBIT: (2, 4), h5z.FILTER_SCALEOFFSET: (2, 4), LZF: (2,)}  # parameters of filters whose product is what they make room for
STREAMS: dict[str, Callable[[], Any]] = {
    "zlib": zlib.decompressobj, "gzip": lambda: zlib.decompressobj(31), "bz2": bz2.BZ2Decompressor, "lzma": lzma.LZMADecompressor,
}  # fmt: skip
DEFLATED, PACKED = {"zlib", "gzip"}, {"blosc", "lz4", "zstd", *STREAMS}
TEXTS = "vlen-utf8"  # whose blocks begin with the number of texts, for which its library makes room
WIDEST = 8  # times its size in memory that a block takes before filters of Zarr narrow its numbers
LARGEST, HEAD = 1.01, 64  # times a block, and bytes, that it is stored in at most where it cannot be made smaller
STORE = "store it by gzip (h5repack -f GZIP=4 OLD NEW)"


def check_filters(name: str, dataset: h5d.DatasetID) -> None:
    """Check that HDF5 filters allocate no more than a block holds, and that blocks fit in memory.

    Raises:
        FileProblem: a filter's parameter allocates more, or a block is compressed twice.
        TrialsError: a block does not fit in memory.
    """
    stored = dataset.get_create_plist()
    used = [stored.get_filter(number) for number in range(stored.get_nfilters())]
    if not used:
        return
    block = _block(dataset)
    check_fits(block / 8, f"a block of {name!r}, of shape {stored.get_chunk()},")
    if sum(each[0] in GROWTH for each in used) > 1:
        raise FileProblem(f"{name!r} is compressed twice; {STORE}.")
    for number, _, parameters, label in used:
        room = np.prod([float(parameters[place]) if place < len(parameters) else 0.0 for place in STATED.get(number, ())])
        if number in STATED and room > block:
            called = label.decode(errors="replace")
            raise FileProblem(f"{name!r}: its filter {called!r} makes room for {room:.3g} bytes in blocks of {block}; {STORE}.")


def check_blocks(name: str, dataset: h5d.DatasetID) -> None:
    """Check that no HDF5 block unpacks to more than it should hold.

    Blocks are unpacked, in pieces, only if they are larger in the file than they should be in memory, or could fill it: looking up the size of
    a block takes 2 µs, reading one with 100 numbers takes 7.

    Raises:
        FileProblem: a block does, or cannot be checked.
    """
    stored = dataset.get_create_plist()
    filters = [stored.get_filter(number)[0] for number in range(stored.get_nfilters())]
    if not any(number in GROWTH for number in filters) or not _suspect(filters, dataset.get_storage_size(), block := _block(dataset)):
        return
    for place, mask, size in _stored(dataset):
        active = [number for bit, number in enumerate(filters) if not mask >> bit & 1]
        if not _suspect(active, size, block):
            continue
        found = _unpacked(name, active, dataset.read_direct_chunk(place)[1], block + CHECKSUM * len(active))
        if found > block + CHECKSUM * len(active):
            raise FileProblem(f"{name!r} has a block of {size} bytes that unpacks to more than the {block} it should hold; it is no array. Leave it.")


def _suspect(filters: list[int], size: int, block: int) -> bool:
    """Return whether data stored in this many bytes may unpack to more than a block, or than fits in memory."""
    growth = max((GROWTH.get(number, 1) for number in filters), default=1)
    return growth > 1 and (size > LARGEST * block + HEAD or not fits(growth * size / 8))


def check_lengths(name: str, dataset: h5d.DatasetID, path: Path) -> None:
    """Check that no text or list of an HDF5 dataset announces more than its file holds, for which the library would make room.

    Datasets that are compressed, or lie within the header of their object, pass.

    Raises:
        FileProblem: one does.
    """
    kind = dataset.get_type()
    text = isinstance(kind, h5t.TypeStringID) and kind.is_variable_str()
    if not (text or isinstance(kind, h5t.TypeVlenID)):
        return
    each, most = 1 if text else kind.get_super().get_size(), path.stat().st_size
    for data in _raw(dataset, path):
        lengths = np.frombuffer(data, "<u4")[:: LISTED // 4].astype(np.uint64)
        if lengths.size and (found := int(lengths.max()) * each) > most:
            raise FileProblem(f"{name!r} has an entry that announces {found} bytes, in a file of {most}; it is damaged. Fetch or write it again.")


def _raw(dataset: h5d.DatasetID, path: Path) -> Iterator[bytes]:
    """Yield the stored bytes of a dataset of texts or lists that is not compressed; none if the file has other addresses than of 8 bytes."""
    stored, count = dataset.get_create_plist(), int(dataset.get_space().get_simple_extent_npoints())
    if stored.get_layout() == h5d.CONTIGUOUS and dataset.get_offset() is not None and dataset.get_storage_size() == LISTED * count:
        with path.open("rb") as file:
            file.seek(dataset.get_offset())
            yield file.read(LISTED * count)
    elif stored.get_layout() == h5d.CHUNKED and not stored.get_nfilters():
        for place, _, size in _stored(dataset):
            if size == LISTED * np.prod(stored.get_chunk(), dtype=float):
                yield dataset.read_direct_chunk(place)[1]


def check_zarr(name: str, codecs: Sequence[Any], folder: Path, block: float, entries: int) -> None:
    """Check that no Zarr block unpacks to more than it should hold, or than fits in memory.

    Args:
        name: of the array.
        codecs: of numcodecs, in the order of unpacking; several may compress, for example with gzip from HDF5.
        folder: folder of the blocks.
        block: bytes that a block should hold; infinite if unknown, as for texts.
        entries: of a block.

    Raises:
        FileProblem: a block unpacks to more, announces more texts, or does not state its unpacked size.
        TrialsError: a block does not fit in memory.
    """
    names = [codec.codec_id for codec in codecs]
    last = max((place for place, codec in enumerate(names) if codec in {*PACKED, TEXTS}), default=-1)
    for path in (path for path in folder.rglob("*") if last >= 0 and path.is_file() and not path.name.startswith(".")):
        check_fits(path.stat().st_size / 8, f"block {path.name!r} of array {name!r}")
        data = path.read_bytes()
        for place, codec in enumerate(codecs[: last + 1]):
            if codec.codec_id == TEXTS:
                if (count := int.from_bytes(data[:4], "little")) > entries:
                    raise FileProblem(f"array {name!r} has a block that announces {count} texts, and holds {entries}; it is damaged.")
                break
            size = _size(name, codec.codec_id, data, WIDEST * block)
            check_fits(size / 8, f"block {path.name!r} of array {name!r}, which unpacks to {size:.3g} bytes or more,")
            after = codecs[place + 1 : last + 1]
            if (
                TEXTS not in names
                and all(each.codec_id in DEFLATED or each.codec_id not in PACKED for each in after)
                and fits(DEFLATE ** len(after) * size / 8)
            ):
                break
            data = bytes(codec.decode(data))


def _size(name: str, codec: str, data: bytes, most: float = np.inf) -> float:
    """Return the unpacked bytes of a Zarr block, or more than fit in memory; for blocks that certainly fit, an upper bound.

    Raises:
        FileProblem: the block unpacks to more than ``most``, if it has to be unpacked, or it does not state its size.
    """
    if codec not in PACKED or (codec in DEFLATED and fits(DEFLATE * len(data) / 8)):
        return float(len(data) * (DEFLATE if codec in DEFLATED else 1))
    if codec in STREAMS:
        if (found := _streamed(STREAMS[codec], data, lambda size: size <= most and fits(size / 8))) > most:
            raise FileProblem(
                f"array {name!r} has a block of {len(data)} bytes that unpacks to more than the {most:.0f} it may hold; it is no array."
            )
        return float(found)
    if codec == "zstd":
        return _of_zstd(name, data)
    return float(int.from_bytes(data[4:8] if codec == "blosc" else data[:4], "little"))


def _of_zstd(name: str, head: bytes) -> float:
    """Return the size that the header of a frame states (RFC 8878, 3.1.1.1)."""
    about = head[4] if len(head) > 4 else 0
    alone, flag = about >> 5 & 1, about >> 6
    start, length = 5 + (1 - alone) + (0, 1, 2, 4)[about & 3], (alone, 2, 4, 8)[flag]
    if not length:
        raise FileProblem(f"array {name!r} has a block that does not say what it unpacks to; store it by gzip.")
    return float(int.from_bytes(head[start : start + length], "little") + 256 * (flag == 1))


def _block(dataset: h5d.DatasetID) -> int:
    """Return the bytes of a block."""
    return int(np.prod(dataset.get_create_plist().get_chunk(), dtype=float)) * int(dataset.get_type().get_size())


def _stored(dataset: h5d.DatasetID) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """Return the place of each block, the filters that it skips, and its bytes in the file."""
    found: list[Any] = []
    if hasattr(dataset, "chunk_iter"):
        dataset.chunk_iter(found.append)
    else:
        found = [dataset.get_chunk_info(number) for number in range(dataset.get_num_chunks())]
    return ((each.chunk_offset, each.filter_mask, each.size) for each in found)


def _unpacked(name: str, filters: list[int], data: bytes, most: int) -> int:
    """Return the unpacked bytes of a block, or more than ``most``."""
    while filters and filters[-1] == h5z.FILTER_FLETCHER32:
        filters, data = filters[:-1], data[:-CHECKSUM]
    last = filters[-1] if filters else None
    if last == h5z.FILTER_DEFLATE:
        return _streamed(zlib.decompressobj, data, lambda size: size <= most)
    if last == h5z.FILTER_SZIP:
        return int.from_bytes(data[:4], "little")
    if last == LZF:
        return _of_lzf(data)
    raise FileProblem(f"{name!r} is compressed in an order of filters that is not known; {STORE}.")


def _streamed(unpacker: Callable[[], Any], data: bytes, enough: Callable[[int], bool]) -> int:
    """Return the bytes of concatenated streams, unpacked in pieces until there are too many."""
    size = 0
    while data:
        unpacking, rest = unpacker(), data
        while not unpacking.eof:
            piece = unpacking.decompress(rest, PIECE)
            size, rest = size + len(piece), getattr(unpacking, "unconsumed_tail", b"")
            if not enough(size) or not (piece or rest):
                return size
        data = unpacking.unused_data
    return size


def _of_lzf(data: bytes) -> int:
    """Return the sum of the lengths that precede stretches of LZF."""
    size = place = 0
    while place < len(data):
        first = data[place]
        if first < 32:
            size, place = size + first + 1, place + first + 2
        elif first >> 5 < 7:
            size, place = size + (first >> 5) + 2, place + 2
        else:
            size, place = size + 9 + data[place + 1] if place + 1 < len(data) else size, place + 3
    return size
