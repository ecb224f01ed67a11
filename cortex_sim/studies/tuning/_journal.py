"""The journal of a study: a line for everything that happens, behind locks that a killed process does not keep."""

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
    """One process at a time, by a lock on a file; the system lets go of it when the process ends, however it ends.

    Optuna's own locks are files: after a kill everyone waits for half a minute, and who merely sleeps for longer loses his.

    Args:
        path: of the file; made if absent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: IO[bytes] | None = None
        if fcntl is None:
            from optuna.storages.journal import JournalFileOpenLock

            self._other: Any = JournalFileOpenLock(str(path))

    def acquire(self) -> bool:
        """Wait for the lock and take it, as Optuna asks for it."""
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
        """Let go of the lock."""
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
        OptionError: it is not installed, and how it is.
    """
    try:
        import optuna
    except ImportError:
        raise OptionError("tuning needs Optuna, which is not installed: pip install 'cortex-sim[tune]'.") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def opened(folder: Path, name: str, pruner: Any) -> Any:
    """Open a study of a journal, or begin it.

    Args:
        folder: of the journal.
        name: of the study in it.
        pruner: of its trials.

    Raises:
        FileProblem: the file is no journal, or is damaged.
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
    """Cut a last line off the journal that was not written to its end: its process was killed, and the next line would be spoilt by it."""
    path = folder / JOURNAL
    with Lock(path), path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content) and content.startswith(BEGINS):
            file.truncate(whole)
            os.fsync(file.fileno())


def works(process: str) -> bool:
    """Whether a process, by its mark, works still; one of another machine does, and one that did not come so far as to leave its mark does not."""
    machine, number = process.split("-")[:2] if process else ("", "")
    return bool(process) and (not mark().startswith(f"{machine}-") or alive(int(number)))
