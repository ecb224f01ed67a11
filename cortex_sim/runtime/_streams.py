"""Random streams by name: draws for one purpose never depend on, or repeat, draws for another."""

import hashlib
import operator
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from cortex_sim.errors import OptionError, suggestion

Role = Literal["circuit", "student", "task", "null", "analysis"]
ROLES: tuple[str, ...] = get_args(Role)
_used: set[tuple[str, str]] = set()
SEED_BITS = 53  # whole numbers that every reader of JSON keeps exactly


def stream(seed: int, role: Role, purpose: str, *index: int | str) -> np.random.Generator:
    """Return the random generator for one purpose.

    Its entropy is the SHA-256 of seed, role, purpose and index, each with its type and length, so that two streams are equal only if all
    four are; equal names give the same bits in every process.

    Args:
        seed: of the run; any whole number.
        role: owner of the randomness: ``circuit`` (the simulated cortex), ``student`` (a network and its training), ``task``,
            ``null`` (surrogates and permutations) or ``analysis`` (splits, bootstraps, initial points of searches).
        purpose: what is drawn, in words; each occurs at one place in the code.
        index: which one, if a purpose has several: numbers, or names that the caller chose.

    Raises:
        OptionError: the role is unknown, the purpose is empty, or the seed or an index is of another type.
    """
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(_digest(seed, role, purpose, index, b"stream"), "big")))


def seed_of(seed: int, role: Role, purpose: str, *index: int | str) -> int:
    """Return a seed for one purpose, from 0 to below 2**53: for the k-th network, or for a library that takes only whole numbers.

    Args:
        seed: of the run.
        role: as in :func:`stream`.
        purpose: what it seeds.
        index: which one.

    Raises:
        OptionError: as in :func:`stream`.
    """
    return int.from_bytes(_digest(seed, role, purpose, index, b"seed"), "big") >> (256 - SEED_BITS)


def streams_used() -> dict[str, list[str]]:
    """Return, by role, the purposes for which this process and its workers have drawn."""
    return {role: sorted(purpose for of, purpose in _used if of == role) for role in ROLES if any(of == role for of, _ in _used)}


def note_streams(drawn: Mapping[str, list[str]]) -> None:
    """Add the purposes for which another process has drawn.

    Args:
        drawn: purposes by role.
    """
    _used.update((role, purpose) for role, purposes in drawn.items() for purpose in purposes)


def _digest(seed: int, role: str, purpose: str, index: tuple[int | str, ...], use: bytes) -> bytes:
    if role not in ROLES:
        raise OptionError(f"random stream: role {role!r} is unknown. {suggestion(str(role), ROLES)}")
    if not isinstance(purpose, str) or not purpose:
        raise OptionError(f"random stream: purpose {purpose!r} should say in words what is drawn.")
    _used.add((role, purpose))
    digest = hashlib.sha256(use)
    for part in (_whole("seed", seed), role, purpose, *(one if isinstance(one, str) else _whole("index", one) for one in index)):
        text = str(part).encode("utf-8", "surrogatepass")
        digest.update(f"{'s' if isinstance(part, str) else 'i'}{len(text)}:".encode() + text)
    return digest.digest()


def _whole(what: str, number: int) -> int:
    try:
        return int(operator.index(number))
    except TypeError:
        raise OptionError(f"random stream: {what} {number!r} should be a whole number.") from None
