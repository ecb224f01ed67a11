"""one_thread(): linear algebra and torch with one thread, so that sums are rounded alike whatever the number of cores."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class _Limit:
    """The limit of this process to one thread, and the number of blocks that need it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    held: ExitStack = field(default_factory=ExitStack)
    blocks: int = 0


_limit = _Limit()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra and torch use one thread while the block runs: sums divided among threads are rounded differently.

    The limit applies to the process: if blocks in several threads overlap, the first sets it and the last removes it.
    """
    with _limit.lock:
        if not _limit.blocks:
            _limit.held.enter_context(_limited())
        _limit.blocks += 1
    try:
        yield
    finally:
        with _limit.lock:
            _limit.blocks -= 1
            if not _limit.blocks:
                _limit.held.close()


@contextmanager
def _limited() -> Iterator[None]:
    known: Any = sys.modules.get("torch")
    before, variables = known.get_num_threads() if known else 0, {name: os.environ.get(name) for name in THREADS}
    os.environ |= dict.fromkeys(THREADS, "1")  # for what is loaded meanwhile
    with threadpool_limits(1):
        try:
            if known:
                known.set_num_threads(1)
            yield
        finally:
            for name, value in variables.items():
                os.environ.pop(name)
                os.environ |= {name: value} if value else {}
            if torch := sys.modules.get("torch"):
                asked = (variables["OMP_NUM_THREADS"] or "").split(",")[0]
                torch.set_num_threads(before or (int(asked) if asked.isdigit() and int(asked) else os.cpu_count() or 1))
