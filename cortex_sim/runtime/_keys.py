"""Keys: hashes of everything that affects a result, and of nothing else; the same in every process."""

import hashlib
import struct
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from cortex_sim.errors import OptionError
from cortex_sim.runtime._arguments import missing_allowed

CODE = Path(__file__).parents[1]
Chunk = bytes | memoryview


def content_key(*parts: Any) -> str:
    """Return a hash of the inputs of a computation: numbers, text, arrays, None, and lists, tuples and mappings of them.

    Each is encoded with its type and its length, so that 1, 1.0, "1" and True differ, and so do [[1], [2]] and [[1, 2]]; arrays differ by dtype
    and shape too. A list equals a tuple, mappings are equal in any order, and NumPy scalars equal plain numbers.

    Raises:
        OptionError: a part is of another type.
    """
    found = hashlib.sha256()
    for chunk in _written(parts):
        found.update(chunk)
    return found.hexdigest()


@lru_cache(maxsize=1)
def code_key() -> str:
    """Return a hash of this package's code, as on disk at the first call: results computed by other code do not count as the same."""
    return content_key({str(path.relative_to(CODE)): path.read_bytes() for path in sorted(CODE.rglob("*.py"))})


@missing_allowed("array")
def read_only(array: Shaped[ndarray, "..."]) -> ndarray:
    """Return an immutable array: the given one if it already is, else a copy."""
    found = np.asarray(array)
    if not found.flags.writeable and (not isinstance(found.base, ndarray) or not found.base.flags.writeable):
        return found
    copy = np.array(found)
    copy.flags.writeable = False
    return copy


def _written(part: Any) -> list[Chunk]:
    """Return the type of a part, the length of its content, and its content, in chunks of which arrays are not copied."""
    kind, content = _encoded(part)
    return [kind + str(sum(len(chunk) for chunk in content)).encode() + b":", *content]


def _encoded(part: Any) -> tuple[bytes, list[Chunk]]:
    found: tuple[bytes, list[Chunk]]
    match part:
        case None:
            found = b"n", []
        case bool() | np.bool_():
            found = b"b", [b"1" if part else b"0"]
        case int() | np.integer():
            found = b"i", [str(int(part)).encode()]
        case float() | np.floating():
            found = b"f", [struct.pack("<d", float(part))]
        case str():
            found = b"s", [part.encode("utf-8", "surrogatepass")]
        case bytes():
            found = b"y", [part]
        case ndarray():
            found = _of_array(part)
        case Mapping():
            named = sorted((b"".join(_written(key)), value) for key, value in part.items())
            found = b"m", [chunk for key, value in named for chunk in (key, *_written(value))]
        case list() | tuple():
            found = b"l", [chunk for item in part for chunk in _written(item)]
        case _:
            raise OptionError(f"key: {type(part).__name__} {part!r} cannot be part of one; give numbers, text, arrays, lists or mappings of them.")
    return found


def _of_array(array: ndarray) -> tuple[bytes, list[Chunk]]:
    """Return the bytes of an array: characters of text whatever the width of its dtype, and numbers in little-endian order."""
    if array.dtype.kind in "OUS":
        return b"t", [*_written(array.shape), *_written(array.ravel().tolist())]
    little = array.dtype.newbyteorder("<")
    plain = np.ascontiguousarray(array, dtype=little).reshape(-1)
    return b"a", [*_written(little.str), *_written(array.shape), plain.view(np.uint8).data if plain.size else b""]
