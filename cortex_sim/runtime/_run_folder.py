"""The folder of a run: reserved before the run begins, filled when it is done, and used to resume a killed run."""

import datetime
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import IO, Any

from cortex_sim.errors import FileProblem
from cortex_sim.runtime._storage import RUN

try:
    import fcntl
except ImportError:  # no POSIX: the process that is named in the marker is asked for instead
    fcntl = None  # type: ignore[assignment]

MARKER, KEPT, STAGED, LAST = "unfinished.json", ".kept", ".report", "report.html"
_held: dict[Path, "RunFolder"] = {}


class RunFolder:
    """A folder that this process holds until the run is done.

    It contains a marker, locked by the process, that names the run; the results so far (``.kept``); and at the end the report, which is
    assembled in ``.report`` and moved into place, its page last. A folder with a page contains a complete report; one with a marker and no page
    contains an unfinished run.

    Attributes:
        path: of the folder.
        marker: open and locked.
        made: parent folders that were created for it.
    """

    def __init__(self, path: Path, marker: IO[str], made: list[Path]) -> None:
        self.path, self.marker, self.made, self.filled = path, marker, made, False

    def fill(self, write: Callable[[Path], None]) -> None:
        """Write the report to a temporary folder, and move it into place once it is complete.

        Args:
            write: writes the report to a folder; its files include the page.
        """
        staged = self.path / STAGED
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        moved: list[Path] = []
        try:
            write(staged)
            for old in [each for each in self.path.iterdir() if each.name not in (MARKER, KEPT, STAGED)]:
                _remove(old)
            for each in sorted(staged.iterdir(), key=lambda path: path.name == LAST):
                moved.append(self.path / each.name)
                each.rename(moved[-1])
        except BaseException:
            for each in filter(os.path.lexists, moved):
                _remove(each)
            raise
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        self.filled = True

    def release(self) -> None:
        """Release the folder: a finished run leaves its report, an unfinished one its results so far, or no folder if there are none."""
        kept = any(path.is_file() for path in (self.path / KEPT).rglob("*"))
        if self.filled or not kept:
            shutil.rmtree(self.path / KEPT, ignore_errors=True)
            (self.path / MARKER).unlink(missing_ok=True)
        self.marker.close()
        if not self.filled and not kept:
            with suppress(OSError):  # something of others is in it
                for folder in (self.path, *self.made):
                    folder.rmdir()


@contextmanager
def run_folder(folder: Path, *, asked: Mapping[str, Any] | None = None, resume: bool = False) -> Iterator[RunFolder]:
    """Hold a new folder, or that of a killed run, while the block runs; results of the block are kept in it.

    Args:
        folder: must not exist, unless a run is resumed.
        asked: settings that determine the run, as JSON values.
        resume: whether to resume an unfinished run, if there is one.

    Raises:
        FileProblem: the folder exists, another process works in it, it contains a different run, or it cannot be made.
    """
    path = Path(os.path.abspath(folder))
    if path in _held:
        yield _held[path]
        return
    held = _taken(folder, path, json.loads(json.dumps(dict(asked or {}))), resume)
    _held[path], before = held, os.environ.get(RUN)
    os.environ[RUN] = str(path / KEPT)
    try:
        yield held
    finally:
        del _held[path]
        os.environ.pop(RUN)
        os.environ |= {RUN: before} if before else {}
        held.release()


def check_new(folder: Path, *, resume: bool = False) -> None:
    """Check that a folder does not exist yet, unless it contains an unfinished run to resume.

    Raises:
        FileProblem: what it contains, and what to do.
    """
    if os.path.lexists(folder) and Path(os.path.abspath(folder)) not in _held and not (resume and _unfinished(folder)):
        raise FileProblem(_why(folder))


def free(folder: Path) -> Path:
    """Return a folder that does not exist: this one, or one with a number appended. Names made of the time need this, since clocks can go back."""
    numbered = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], numbered) if not os.path.lexists(path))


def finished(folder: Path) -> bool:
    """Return whether the folder contains the complete report of a run; remnants of a run killed at its very end are removed."""
    if not (folder / LAST).is_file() or not (folder / "run.json").is_file():
        return False
    if (folder / MARKER).is_file() and not _locked(folder / MARKER):
        shutil.rmtree(folder / KEPT, ignore_errors=True)
        (folder / MARKER).unlink(missing_ok=True)
    return True


def _taken(folder: Path, path: Path, asked: dict[str, Any], resume: bool) -> RunFolder:
    made = [each for each in path.parents if not each.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make(path, folder, resume)
        return RunFolder(path, _marked(folder, path / MARKER, asked), made)
    except FileProblem:
        raise
    except OSError as problem:
        with suppress(OSError):  # it was not made, or holds something
            for each in (path, *made):
                each.rmdir()
        raise FileProblem(f"{folder}: cannot be written ({problem.strerror}); choose another --out.") from None


def _marked(folder: Path, path: Path, asked: dict[str, Any]) -> IO[str]:
    """Return the marker, locked and signed; a new one that cannot be signed is removed."""
    new = not path.exists()
    marker = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - stays open as long as the run
    try:
        _lock(marker, folder)
        _agree(folder, asked)
        _sign(marker, asked)
    except BaseException as problem:
        with suppress(OSError):  # what could not be written is tried again on closing
            marker.close()
        if new and isinstance(problem, OSError) and not isinstance(problem, FileProblem):
            path.unlink(missing_ok=True)
        raise
    return marker


def _make(path: Path, folder: Path, resume: bool) -> None:
    try:
        path.mkdir()
    except FileExistsError:
        if not resume or not _unfinished(path):
            raise FileProblem(_why(folder)) from None


def _lock(marker: IO[str], folder: Path) -> None:
    """Lock the marker; the system releases it when the process ends, for whatever reason."""
    if fcntl is None:
        return
    try:
        fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FileProblem(_why(folder)) from None
    if not os.path.exists(marker.name) or os.fstat(marker.fileno()).st_ino != os.stat(marker.name).st_ino:
        raise FileProblem(f"{folder}: another process has just finished there; look at it, or choose another --out.")


def _agree(folder: Path, asked: dict[str, Any]) -> None:
    before = _signed(folder).get("asked", asked)
    for name in dict.fromkeys((*before, *asked)):
        if before.get(name) != asked.get(name):
            found = f"{name} was {before.get(name)!r} and is {asked.get(name)!r}"
            raise FileProblem(f"{folder}: holds an unfinished run of something else: {found}. Give the same again, or choose another --out.")


def _sign(marker: IO[str], asked: dict[str, Any]) -> None:
    marker.seek(0)
    marker.truncate()
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    marker.write(json.dumps({"process": os.getpid(), "machine": platform.node(), "began": now, "asked": asked}, indent=1))
    marker.flush()


def _signed(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's marker; empty if its writer did not get that far."""
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _unfinished(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MARKER).is_file() or not any(folder.iterdir())) and not (folder / LAST).is_file()


def _why(folder: Path) -> str:
    """Return why a folder is refused."""
    if not _unfinished(folder) or not (folder / MARKER).is_file():
        return f"{folder}: exists already, and a finished run is never overwritten. Choose another --out or remove it."
    signed = _signed(folder)
    who = f"process {signed['process']} on {signed['machine']}, begun {signed['began']}" if signed else "another process"
    if _locked(folder / MARKER):
        return f"{folder}: a run is being written there ({who}). Wait for it, or choose another --out."
    return f"{folder}: holds a run that did not finish ({who}). Go on with it by --resume, or remove the folder."


def _locked(marker: Path) -> bool:
    if fcntl is None:
        return False
    try:
        with open(marker, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
