"""Random streams by name: what is drawn for one purpose never depends on, or repeats, what is drawn for another."""

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
    """Give the random generator of one purpose.

    Its entropy is the SHA-256 of seed, role, purpose and index, each with its type and length, so that two streams are the same only if all
    four are; the same four give the same bits in every process.

    Args:
        seed: of the run; any whole number.
        role: whose randomness it is: ``circuit`` (what is taken for cortex), ``student`` (a network and its training), ``task``,
            ``null`` (surrogates and permutations) or ``analysis`` (splits, bootstraps, starts of searches).
        purpose: what is drawn, in words; one place in the code for each.
        index: which one, where a purpose has several: positions, or names that the caller chose.

    Raises:
        OptionError: the role is unknown, the purpose is empty, or the seed or an index is of another type.
    """
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(_digest(seed, role, purpose, index, b"stream"), "big")))


def seed_of(seed: int, role: Role, purpose: str, *index: int | str) -> int:
    """Give a seed for one purpose, from 0 to below 2**53: of the k-th network, or for a library that takes whole numbers only.

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
    """Return the purposes that this process, and those that did jobs for it, have drawn for, by role."""
    return {role: sorted(purpose for of, purpose in _used if of == role) for role in ROLES if any(of == role for of, _ in _used)}


def note_streams(drawn: Mapping[str, list[str]]) -> None:
    """Add what another process has drawn for.

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
        text = str(part).encode()
        digest.update(f"{'s' if isinstance(part, str) else 'i'}{len(text)}:".encode() + text)
    return digest.digest()


def _whole(what: str, number: int) -> int:
    try:
        return int(operator.index(number))
    except TypeError:
        raise OptionError(f"random stream: {what} {number!r} should be a whole number.") from None
