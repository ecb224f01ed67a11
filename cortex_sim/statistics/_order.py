"""A random order of conditions or trials that depends on what they hold, not on where they stand, so that folds drawn in it are always the same."""

from hashlib import blake2b

import numpy as np
from jaxtyping import Int, Real
from numpy import ndarray

DIGITS = 9  # of a size, beyond which two are taken for equal: sums over units in another order differ in the last of 16


def order_by_content(*sides: Real[ndarray, "place ..."]) -> Int[ndarray, " place"]:
    """Return the places in a random order that a permutation of them, or of units, leaves as it is.

    It is the order of the digests of their squared distances from the mean, in each side's mean one, summed over sides: an order of the distances
    themselves would make folds depend on what is measured. Places at equal distance are ordered by the digests of their values.

    Args:
        sides: of one or several systems, each with as many places; other axes may differ.
    """
    distance, flat = np.zeros(len(sides[0])), [np.asarray(side, dtype=float).reshape(len(side), -1) + 0.0 for side in sides]
    for side in flat:
        squares = ((side - side.mean(axis=0)) ** 2).sum(axis=1)
        distance += squares / max(float(squares.mean()), np.finfo(float).tiny)
    keys = [_digest(f"{value:.{DIGITS}g}".encode()) for value in distance]
    if len(set(keys)) == len(keys):
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=int)
    values = [_digest(*(side[place].tobytes() for side in flat)) for place in range(len(keys))]
    return np.array(sorted(range(len(keys)), key=lambda place: (keys[place], values[place])), dtype=int)


def _digest(*parts: bytes) -> bytes:
    return blake2b(b"".join(parts), digest_size=8).digest()
