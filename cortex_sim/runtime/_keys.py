"""Keys: hashes of everything that affects a result, and of nothing else; the same in every process."""

import hashlib
import struct
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from cortex_sim.errors import OptionError

CODE = Path(__file__).parents[1]


def content_key(*parts: Any) -> str:
    """Return a hash of the inputs of a computation: numbers, text, arrays, None, and lists, tuples and mappings of them.

    Each is encoded with its type and its length, so that 1, 1.0, "1" and True differ, and so do [[1], [2]] and [[1, 2]]; arrays differ by dtype
    and shape too. A list equals a tuple, mappings are equal in any order, and NumPy scalars equal plain numbers.

    Raises:
        OptionError: a part is of another type.
    """
    return hashlib.sha256(_written(parts)).hexdigest()


@lru_cache(maxsize=1)
def code_key() -> str:
    """Return a hash of this package's code, as on disk at the first call: results computed by other code do not count as the same."""
    return content_key({str(path.relative_to(CODE)): path.read_bytes() for path in sorted(CODE.rglob("*.py"))})


def read_only(array: ndarray) -> ndarray:
    """Return an immutable array: the given one if it already is, else a copy."""
    found = np.asarray(array)
    if not found.flags.writeable and (not isinstance(found.base, ndarray) or not found.base.flags.writeable):
        return found
    copy = np.array(found)
    copy.flags.writeable = False
    return copy


def _written(part: Any) -> bytes:
    kind, text = _encoded(part)
    return kind + str(len(text)).encode() + b":" + text


def _encoded(part: Any) -> tuple[bytes, bytes]:
    found: tuple[bytes, bytes]
    match part:
        case None:
            found = b"n", b""
        case bool() | np.bool_():
            found = b"b", b"1" if part else b"0"
        case int() | np.integer():
            found = b"i", str(int(part)).encode()
        case float() | np.floating():
            found = b"f", struct.pack("<d", float(part))
        case str():
            found = b"s", part.encode("utf-8", "surrogatepass")
        case bytes():
            found = b"y", part
        case ndarray():
            found = _of_array(part)
        case Mapping():
            found = b"m", b"".join(sorted(_written(key) + _written(value) for key, value in part.items()))
        case list() | tuple():
            found = b"l", b"".join(_written(item) for item in part)
        case _:
            raise OptionError(f"key: {type(part).__name__} {part!r} cannot be part of one; give numbers, text, arrays, lists or mappings of them.")
    return found


def _of_array(array: ndarray) -> tuple[bytes, bytes]:
    """Return the bytes of an array: characters of text whatever the width of its dtype, and numbers in little-endian order."""
    if array.dtype.kind in "OUS":
        return b"t", _written(array.shape) + _written(array.ravel().tolist())
    little = array.dtype.newbyteorder("<")
    return b"a", _written(little.str) + _written(array.shape) + np.ascontiguousarray(array, dtype=little).tobytes()
