"""A random order of conditions or trials that depends on what they hold, not on where they stand, so that folds drawn in it are always the same."""

from hashlib import blake2b

import numpy as np
from jaxtyping import Int, Real
from numpy import ndarray

DIGITS = 5  # of a squared distance whose mean is one, beyond which two are taken for equal: neither round-off nor a quiet unit makes another order
COARSE = 4  # of what tells places at equal distance apart


def order_by_content(*sides: Real[ndarray, "place ..."]) -> Int[ndarray, " place"]:
    """Return the places in a random order that a permutation of them, or of units, leaves as it is.

    It is the order of the digests of their squared distances from the mean, in each side's mean one, summed over sides: an order of the distances
    themselves would make folds depend on what is measured. Places at equal distance are told apart by what sums over the last axis tell of their
    values, and those that mirror one another in all of these by the values as they stand.

    Args:
        sides: of one or several systems, each with as many places; other axes may differ.
    """
    distance, given = np.zeros(len(sides[0])), [np.asarray(side, dtype=float).reshape(len(side), -1, np.shape(side)[-1] if np.ndim(side) > 1 else 1)
                                                for side in sides]  # fmt: skip
    for place, side in enumerate(given):
        moved = side - side.mean(axis=0)
        squares = (moved**2).sum(axis=(1, 2))
        size = max(float(squares.mean()), np.finfo(float).tiny)
        distance += squares / size
        given[place] = moved / np.sqrt(size)
    keys = [_digest(each) for each in np.round(distance, DIGITS)]
    if len(set(keys)) == len(keys):
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=int)
    sums, values = ([_digest(*(part[place] for part in told)) for place in range(len(keys))] for told in ([_sums(side) for side in given], given))
    return np.array(sorted(range(len(keys)), key=lambda place: (keys[place], sums[place], values[place])), dtype=int)


def _sums(side: ndarray) -> ndarray:
    """Return sums of powers over the last axis, in which units count equally and by how much they vary: no order of units changes them."""
    varied = (side**2).mean(axis=(0, 1))
    weights = [varied**power / max(float(varied.mean()) ** power, np.finfo(float).tiny) for power in (0, 1, 2)]
    scale = np.sqrt(side[0].size)
    return np.stack([((scale * side) ** power * weight).mean(axis=2) for power in (1, 2, 3) for weight in weights], axis=1)


def _digest(*parts: ndarray) -> bytes:
    return blake2b(b"".join((np.round(part, COARSE if np.ndim(part) else DIGITS) + 0.0).tobytes() for part in parts), digest_size=8).digest()
