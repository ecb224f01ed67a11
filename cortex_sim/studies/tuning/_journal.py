"""The journal of a study: one line per event, behind locks that are released when a process is killed."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from cortex_sim.errors import FileProblem, OptionError
from cortex_sim.runtime import alive, mark

try:
    import fcntl
except ImportError:  # no POSIX: Optuna's own locks, which are taken from a killed process after half a minute
    fcntl = None  # type: ignore[assignment]

JOURNAL, BEGINS = "journal.log", b'{"op_code":'


class Lock:
    """A lock on a file that admits one process at a time; the system releases it when the process ends, for whatever reason.

    Optuna's own locks are files: after a kill everyone waits for half a minute, and a process that merely sleeps for longer loses its lock.

    Args:
        path: of the file; created if absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: IO[bytes] | None = None
        if fcntl is None:
            from optuna.storages.journal import JournalFileOpenLock

            self._other: Any = JournalFileOpenLock(str(path))

    def acquire(self) -> bool:
        """Wait for the lock and take it, as Optuna's interface requires."""
        if fcntl is None:
            return bool(self._other.acquire())
        file = open(self.path, "ab")  # noqa: SIM115 - open as long as the lock is held
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            file.close()
            raise
        self._held = file
        return True

    def release(self) -> None:
        """Release the lock."""
        if fcntl is None:
            self._other.release()
        elif self._held:
            self._held.close()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def optuna_there() -> Any:
    """Return Optuna.

    Raises:
        OptionError: it is not installed; the message says how to install it.
    """
    try:
        import optuna
    except ImportError:
        raise OptionError("tuning needs Optuna, which is not installed: pip install 'cortex-sim[tune]'.") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def opened(folder: Path, name: str, pruner: Any) -> Any:
    """Return a study of a journal, opened or newly created.

    Args:
        folder: of the journal.
        name: name of the study in it.
        pruner: pruner of its trials.

    Raises:
        FileProblem: the file is not a journal, or is damaged.
    """
    optuna = optuna_there()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = folder / JOURNAL
    try:
        storage = JournalStorage(JournalFileBackend(str(path), Lock(path)))
        return optuna.create_study(storage=storage, study_name=name, direction="maximize", pruner=pruner, load_if_exists=True)
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise FileProblem(f"{path}: is no journal of a study, or is damaged ({problem}). Choose another --study.") from None


def mended(folder: Path) -> None:
    """Remove an incomplete last line from the journal: its process was killed, and the next line would be appended to it."""
    path = folder / JOURNAL
    with Lock(path), path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content) and content.startswith(BEGINS):
            file.truncate(whole)
            os.fsync(file.fileno())


def works(process: str) -> bool:
    """Return whether the process with a mark is still running; processes of other machines count as running, a missing mark as not running."""
    machine, number = process.split("-")[:2] if process else ("", "")
    return bool(process) and (not mark().startswith(f"{machine}-") or alive(int(number)))
