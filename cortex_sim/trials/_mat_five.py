"""Checks of MATLAB files of version 5 before SciPy reads them: SciPy trusts their tags, and crashes with a segmentation fault if they are wrong."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cortex_sim.errors import FileProblem
from cortex_sim.trials._checks import check_fits

HEADER, FIVE = 128, 1  # bytes before the first element, and how SciPy numbers this version
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
TYPES = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14, 15, 16, 17, 18}
NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # bytes of one, by the type of the element
TEXTS = {16, 17, 18}
SIZES, NAMES = {INT32, UINT32}, {INT8, 16}  # types that programs write them in, the second ones against the format
CELL, STRUCT, OBJECT, CHAR, SPARSE, FUNCTION, OPAQUE = 1, 2, 3, 4, 5, 16, 17
CLASSES = range(1, 19)
COMPLEX = 0x800
SMALL, TAG = 4, 8  # bytes of data that fit into a tag, and of a tag
DEEPEST = 50  # structs and cells within one another
EMPTY = 10**6  # elements of an array of structs without fields
WRONG = "it is damaged. Fetch or write it again"


class Element(NamedTuple):
    """A data element, as its tag announces it.

    Attributes:
        kind: number of its type.
        content: its bytes.
    """

    kind: int
    content: memoryview


def check_five(path: Path) -> None:
    """Check the tags of a file of version 5 at every depth; files of other versions pass.

    Raises:
        FileProblem: a tag has an unknown type, reaches beyond the element that contains it, or announces wrong contents; or cells and structs
            are nested too deeply.
        TrialsError: what it announces does not fit in memory.

    Source:
        MathWorks, MAT-File Format (version 5), sections on data elements and on array data elements.
    """
    from scipy.io.matlab import matfile_version

    if matfile_version(path)[0] != FIVE:
        return
    data = memoryview(path.read_bytes())
    order = ">" if data[126:HEADER] == b"MI" else "<"
    waiting, numbers = [(Element(0, data[HEADER:]), 0)], 0.0
    while waiting:
        element, depth = waiting.pop()
        if depth > DEEPEST:
            raise FileProblem(f"holds structs or cells that lie more than {DEEPEST} deep within one another; {WRONG}.")
        parts = list(_elements(_unpacked(element, order) if element.kind == COMPRESSED else element.content, order))
        if element.kind == MATRIX and parts:
            numbers += _announced(parts, order)
            check_fits(numbers, "arrays of the sizes that it announces")
        inside = depth + (element.kind == MATRIX)
        waiting += [(part, inside) for part in parts if part.kind in (MATRIX, COMPRESSED)]


def _elements(content: memoryview, order: str) -> Iterator[Element]:
    place = 0
    while place < len(content):
        if place + TAG > len(content):
            raise FileProblem(f"ends within a tag; {WRONG}.")
        kind, size = struct.unpack_from(f"{order}II", content, place)
        small = kind >> 16
        start, kind, size = (place + SMALL, kind & 0xFFFF, small) if small else (place + TAG, kind, size)
        if kind not in TYPES or (small and (small > SMALL or kind in (MATRIX, COMPRESSED))) or start + size > len(content):
            raise FileProblem(f"has a tag of type {kind} that announces {size} bytes where {len(content) - start} follow; {WRONG}.")
        yield Element(kind, content[start : start + size])
        place = place + TAG if small else start + size + (-size % 8 if kind != COMPRESSED else 0)


def _unpacked(element: Element, order: str) -> memoryview:
    """Return the decompressed content: one element, of the size that its own tag gives."""
    unpacking = zlib.decompressobj()
    tag = unpacking.decompress(element.content, TAG)
    if len(tag) < TAG:
        raise FileProblem(f"has a compressed element without a tag; {WRONG}.")
    size = struct.unpack(f"{order}II", tag)[1]
    check_fits(size / 8, "a compressed array")
    return memoryview(tag + (unpacking.decompress(unpacking.unconsumed_tail, size) if size else b""))


def _announced(parts: list[Element], order: str) -> float:
    """Return how many numbers or parts an array announces, after checking its flags and sizes."""
    flags = parts[0]
    word = struct.unpack_from(f"{order}I", flags.content)[0] if flags.kind == UINT32 and len(flags.content) == 2 * SMALL else 0
    if (kind := word & 0xFF) not in CLASSES:
        raise FileProblem(f"has an array without flags, or of no known class; {WRONG}.")
    if kind == OPAQUE:
        return 0.0
    if (
        len(parts) < 3
        or parts[1].kind not in SIZES
        or len(parts[1].content) % SMALL
        or len(parts[1].content) < 2 * SMALL
        or parts[2].kind not in NAMES
    ):
        raise FileProblem(f"has an array without sizes or a name; {WRONG}.")
    sizes = np.frombuffer(parts[1].content, f"{order}i4")
    total, nested = float(np.prod(sizes, dtype=float)), sum(part.kind == MATRIX for part in parts)
    if (sizes < 0).any() or (kind in (CELL, STRUCT, OBJECT) and total > max(nested, EMPTY * (kind != CELL))):
        raise FileProblem(f"has an array of size {' x '.join(map(str, sizes))}, which it does not hold; {WRONG}.")
    if not _holds(kind, 1 + bool(word & COMPLEX), total, parts[3:], order):
        raise FileProblem(f"has an array of size {' x '.join(map(str, sizes))} and class {kind} that does not hold what it should; {WRONG}.")
    return total


def _holds(kind: int, times: int, total: float, parts: list[Element], order: str) -> bool:
    """Return whether what follows the sizes and the name of an array is what its class has, in types, number and length.

    Args:
        kind: class of the array.
        times: 2 if it is complex, else 1.
        total: number of its entries.
        parts: what follows.
        order: of the bytes.
    """
    found = [part.kind for part in parts]
    if kind in (CELL, FUNCTION):
        return set(found) <= {MATRIX}
    if kind in (STRUCT, OBJECT):
        named = parts[kind == OBJECT :]
        if [part.kind for part in named[:2]] != [INT32, INT8] or len(named[0].content) != SMALL or (kind == OBJECT and found[0] != INT8):
            return False
        length = struct.unpack(f"{order}i", named[0].content)[0]
        return length > 0 and len(named) - 2 == total * (len(named[1].content) // length) and {part.kind for part in named[2:]} <= {MATRIX}
    if kind == CHAR:
        return len(parts) == 1 and found[0] in TEXTS | NUMBERS.keys()
    if kind == SPARSE:
        return len(parts) == 2 + times and set(found) <= NUMBERS.keys()
    return len(parts) == times and all(part.kind in NUMBERS and len(part.content) == total * NUMBERS[part.kind] for part in parts)
