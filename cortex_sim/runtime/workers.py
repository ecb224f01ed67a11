"""One way to run many jobs: in parallel, with progress, one thread each, resumable after an interruption."""

import importlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from cortex_sim.errors import CortexSimError, FileProblem
from cortex_sim.runtime._cluster import on_cluster, submitted
from cortex_sim.runtime._progress import Report, say_once, track
from cortex_sim.runtime._storage import cache_folder, run_cache, temporary_folder, write_text
from cortex_sim.runtime._streams import note_streams, streams_used
from cortex_sim.runtime._threads import one_thread
from cortex_sim.runtime._visible import warn

Streams = Mapping[str, list[str]]
TOGETHER = 10.0  # s that a process waits for others that are to start with it
LOOK = 0.5  # s between looks at how far the jobs are, and whether the process that asked for them lives


@dataclass(frozen=True)
class Kept:
    """How results are kept on disk, so that no job is done twice.

    Attributes:
        key: returns a hash of everything that affects the result of a job, from the job's arguments.
        write: writes a result to a file, completely or not at all.
        read: reads it; nothing in the file may be executed. If it raises, the file is damaged and the result is computed again.
        folder: name of the files' folder, inside that of the present run if it keeps results, else inside the cache.
        suffix: of the files.
        shared: whether they lie in the cache during a run too, so that other runs find them.
    """

    key: Callable[..., str]
    write: Callable[[Path, Any], None]
    read: Callable[[Path], Any]
    folder: str
    suffix: str
    shared: bool = False

    def path(self, arguments: tuple[Any, ...]) -> Path:
        """Return the file of a job's result."""
        return ((None if self.shared else run_cache()) or cache_folder()) / self.folder / f"{self.key(*arguments)}{self.suffix}"

    def known(self, path: Path) -> list[Any]:
        """Return the result in a file as a list; empty if there is no such file or if it is damaged, which is reported."""
        try:
            return [self.read(path)] if path.exists() else []
        except CortexSimError as problem:
            warn(f"result computed anew: {problem}")
            return []

    def put(self, path: Path, result: Any) -> None:
        """Keep a result; if that fails, a warning is printed and the result is still used."""
        try:
            self.write(path, result)
        except FileProblem as problem:
            say_once(f"result not kept: {problem}")


def map(
    label: str,
    function: Callable[..., Any],
    jobs: Mapping[Any, tuple[Any, ...]],
    *,
    workers: int | None = None,
    each: int = 1,
    threads: bool = False,
    tells: bool = False,
    apart: bool = False,
    kept: Kept | None = None,
    report: Report | None = None,
) -> dict[Any, Any]:
    """Call a function for every job and return the results by job name, in the order of the jobs, for any number of workers.

    Workers are processes of this machine, by joblib, unless :func:`joblib.parallel_config` names another of its backends; or the workers of a Dask
    cluster, inside of :func:`cortex_sim.runtime.cluster`. Linear algebra and torch use one thread in each, and what a job divides in turn is done
    by its own worker. After Ctrl-C, or after the first job that fails, no further job begins and processes are ended; results that were kept remain.

    Args:
        label: name of the work.
        function: takes a job's arguments; with ``tells`` also ``report``, which it calls with the completed fraction and a line of text.
        jobs: arguments, by name.
        workers: maximum number at a time; the number of cores if omitted.
        each: number of jobs that justifies one more process.
        threads: use threads of this process: for work done outside Python, or for a function that cannot be sent to another process.
        tells: see ``function``.
        apart: whether even a single job is done by another process, because it may end its process.
        kept: how results are kept on disk; not kept if omitted.
        report: receives progress; shown on standard error if omitted.
    """
    from joblib import Parallel, cpu_count, delayed
    from joblib.parallel import get_active_backend

    _together.wait()
    paths = {name: kept.path(arguments) for name, arguments in jobs.items()} if kept else {}
    done = {name: result for name, path in paths.items() for result in (kept.known(path) if kept else ())}
    left = {name: arguments for name, arguments in jobs.items() if name not in done}
    alone = _inside(os.getppid())
    count = 1 if alone else max(2 if apart else 1, min(workers or cpu_count(), len(left) // each))
    backend, asked = get_active_backend()
    remote = on_cluster() and not (threads or alone)
    local = threads or alone or (not remote and type(backend).__name__ == "LokyBackend" and asked is None)
    how: dict[str, Any] = {"n_jobs": count} if local else {}
    how |= {"backend": "sequential" if alone else "threading"} if alone or threads else {}  # a cluster does whole jobs, not their parts
    with ExitStack() as stack:
        shown = report or stack.enter_context(track(label))
        boards: dict[Any, Path | None] = dict.fromkeys(left)
        if tells:
            folder = stack.enter_context(temporary_folder())
            boards |= {name: folder / f"{number}.json" for number, name in enumerate(left)}
            stack.enter_context(_watched(boards, len(done), shown))
        stack.enter_context(one_thread() if threads else _ended_after(local and count > 1))
        parent = None if threads else os.getpid() if local else _ME
        places = {name: (kept, paths[name]) if kept else None for name in left}
        calls = {name: (function, arguments, boards[name], places[name], parent) for name, arguments in left.items()}
        if remote:
            results = submitted(_alone, calls)
        else:
            results = zip(calls, Parallel(return_as="generator", **how)(delayed(_alone)(*call) for call in calls.values()), strict=True)
        for name, (result, drawn) in results:
            done[name] = result
            note_streams(drawn)
            if not tells:
                shown(len(done) / len(jobs), str(name))
    return {name: done[name] for name in jobs}


def _alone(
    function: Callable[..., Any], arguments: tuple[Any, ...], board: Path | None, kept: tuple[Kept, Path] | None, parent: int | str | None
) -> tuple[Any, Streams]:
    """Do one job with one thread for linear algebra; a process of ours ends when the one that started it does.

    Args:
        function: of the arguments, and of ``report`` if there is a board.
        arguments: of the job.
        board: file that states the progress of the job.
        kept: how and where the result is kept.
        parent: the process that asked; its name if processes of a library or of a cluster may do the job, None if threads do.
    """

    def report(done: float, text: str) -> None:
        if board and board.parent.exists():  # not on a machine of a cluster that shares no disk with this one
            write_text(board, json.dumps([done, text]))

    if isinstance(parent, str):
        if parent != _ME:
            _parents.add(os.getppid())
    elif parent and parent != os.getpid():
        _parents.add(parent)
        _end_with(parent)
    with nullcontext() if parent is None else one_thread():
        result = function(*arguments, report=report) if board else function(*arguments)
    if kept:
        kept[0].put(kept[1], result)
    if board:
        report(1.0, "")
    return result, streams_used()


_ME = uuid4().hex  # names this process among those of all machines
_parents: set[int] = set()  # of this process, if it is a worker


def _inside(parent: int) -> bool:
    """Return whether this process is a worker, whose core is all that it has: what it divides among threads it does faster alone."""
    return parent in _parents


@lru_cache(maxsize=1)
def _end_with(parent: int) -> None:
    """End this process when its parent is gone: otherwise it would run until its job is done, and keep the run's files open."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _ended_after(started: bool) -> Iterator[None]:
    """End the worker processes after the block: idle ones would keep half a gigabyte each, and those of an interrupted run would go on."""
    failed = True
    try:
        yield
        failed = False
    finally:
        if started and (failed or not _together.blocks):
            _end()


def _end() -> None:
    """End the processes there are: at once, since what they did is here, and leaving torch in good order takes them over a second."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


@dataclass
class _Together:
    """How many blocks keep the worker processes, and the thread that has them import what they will need."""

    blocks: int = 0
    warming: threading.Thread | None = None

    def wait(self) -> None:
        """Wait until the processes are ready."""
        if self.warming and self.warming is not threading.current_thread():
            self.warming.join()
            self.warming = None


_together = _Together()


@contextmanager
def together(*modules: str) -> Iterator[None]:
    """Keep the worker processes from one :func:`map` to the next while the block runs; meanwhile they import these modules. They end with the block.

    A process needs seconds for its imports: so it has them while this one does what cannot be divided.

    Args:
        modules: by their names.
    """
    from joblib import cpu_count
    from joblib.parallel import get_active_backend

    backend, asked = get_active_backend()
    local = type(backend).__name__ == "LokyBackend" and asked is None and cpu_count() > 1
    _together.blocks += local
    if local and modules and _together.blocks == 1:

        def warm() -> None:
            try:
                with temporary_folder() as folder:
                    jobs = {number: (modules, folder, cpu_count()) for number in range(cpu_count())}
                    map("starting processes", _imported, jobs, report=lambda done, text: None)
            except Exception as problem:
                say_once(f"worker processes were not started ahead of time ({type(problem).__name__}).")

        _together.warming = threading.Thread(target=warm, daemon=True)
        _together.warming.start()
    try:
        yield
    finally:
        _together.wait()
        _together.blocks -= local
        if local and not _together.blocks:
            _end()


def _imported(modules: tuple[str, ...], folder: Path, count: int) -> None:
    """Import modules, and stay until all processes have begun to, so that none of them takes the turn of another."""
    (folder / str(os.getpid())).touch()
    for name in modules:
        importlib.import_module(name)
    waited = time.monotonic() + TOGETHER
    while len(list(folder.iterdir())) < count and time.monotonic() < waited:
        time.sleep(0.01)


@contextmanager
def _watched(boards: Mapping[Any, Path | None], known: int, report: Report) -> Iterator[None]:
    """Show the progress of all jobs in one line while the block runs."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(LOOK):
            found = {name: json.loads(board.read_text()) for name, board in boards.items() if board and board.exists()}
            texts = "; ".join(f"{name} {text}" for name, (done, text) in found.items() if done < 1)
            report((known + sum(done for done, _ in found.values())) / (known + len(boards)), texts)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
