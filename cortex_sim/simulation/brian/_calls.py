"""Calls into Brian2: interrupts that end cleanly, errors in one sentence, units by name."""

import contextlib
import gc
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import brian2 as b2
from brian2.core.base import BrianObjectException
from brian2.core.namespace import DEFAULT_UNITS
from brian2.equations.equations import EquationError
from brian2.stateupdaters.base import UnsupportedEquationsException

from cortex_sim.cards import combined
from cortex_sim.errors import CardError, CortexSimError, Diverged

HERE = str(Path(__file__).parent)
REFUSALS = (BrianObjectException, EquationError, UnsupportedEquationsException, ValueError, TypeError, KeyError, SyntaxError, NotImplementedError)

T = TypeVar("T")

b2.BrianLogger.suppress_hierarchy("brian2.codegen")
b2.prefs.logging.file_log = False
logging.getLogger("brian2.core.base.unused_brian_object").addFilter(lambda said: HERE not in said.getMessage())  # left behind by a refused card


@contextlib.contextmanager
def stopped_cleanly() -> Iterator[list[int]]:
    """Turn Ctrl-C into a stop of the simulation and raise KeyboardInterrupt at its end: raised amid Brian2's weak references, it would be lost."""
    asked: list[int] = []

    def stop(number: int, frame: object) -> None:  # noqa: ARG001 - signature of a handler
        asked.append(number)
        b2.stop()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    previous = signal.signal(signal.SIGINT, stop)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, previous)
    if asked:
        raise KeyboardInterrupt


@dataclass
class _Frozen:
    """Who keeps objects out of garbage collection: runs of ours, or somebody before them; counting objects takes 40 ms, so others are asked once."""

    runs: int = 0
    others: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


frozen = _Frozen()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Keep what is there out of garbage collection, which Brian2 asks for before every run: 0.25 s in a process with torch and Matplotlib.

    What a run leaves behind is collected at its end, when its frame is gone.
    """
    with frozen.lock:
        frozen.others = frozen.others or (not frozen.runs and gc.get_freeze_count() > 0)
        ours = not frozen.runs and not frozen.others
        frozen.runs += 1
        if ours:
            gc.freeze()
    try:
        yield
    finally:
        with frozen.lock:
            frozen.runs -= 1
            if ours:
                gc.collect()
                gc.unfreeze()


def sentence_of(name: str, action: Callable[[], T], names: Mapping[str, str] | None = None) -> T:
    """Run a call into Brian2; if it fails, raise its innermost message, with the card's name in front.

    Args:
        name: of the card.
        action: the call.
        names: Brian2's name for each name of the card; the message uses the card's own.

    Raises:
        CardError: Brian2 refused the card.
    """
    try:
        return action()
    except CortexSimError:
        raise
    except REFUSALS as problem:
        inner: BaseException = problem
        while inner.__cause__ is not None:
            inner = inner.__cause__
        if isinstance(inner, Diverged):
            raise inner from None
        sentence = " ".join(str(inner).split())
        for own, given in (names or {}).items():
            sentence = sentence.replace(given, own)
        raise CardError(f"{name}: {sentence}") from problem


@lru_cache(maxsize=1024)
def unit_named(name: str) -> b2.Unit:
    """Return the Brian2 unit of a unit expression such as ``mV*ms``.

    Raises:
        CardError: a card may not name this unit.
    """
    return combined(name, DEFAULT_UNITS, b2.Unit(1))


def base_unit(name: str) -> str:
    """Return the unprefixed unit of the same dimensions, as Brian2's equation text requires: ``mV`` becomes ``volt``."""
    dimensions = b2.get_dimensions(unit_named(name))
    return "1" if dimensions.is_dimensionless else repr(b2.get_unit(dimensions))
