"""Names of temporary files tell which process owns them, so that those of killed processes can be removed."""

import hashlib
import os
import platform
import re
import shutil
import sys
from functools import lru_cache
from pathlib import Path

MARKED = re.compile(r"^(?:\..+\.|cortex-sim-)([0-9a-f]{8})-(\d+)-")
_swept: set[Path] = set()


def mark() -> str:
    """Return the prefix of the names of this process's temporary files: a hash of where it runs, and its number."""
    return f"{_where()}-{os.getpid()}-"


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes of this machine left in a folder; once per folder."""
    if folder in _swept:
        return
    _swept.add(folder)
    for path in folder.iterdir():
        found = MARKED.match(path.name)
        if found and found[1] == _where() and not alive(int(found[2])):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def alive(process: int) -> bool:
    """Return whether a process of this machine is alive; True if that cannot be determined."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@lru_cache(maxsize=1)
def _where() -> str:
    """Return a hash of the machine and of the process namespace: containers may share a name and a disk."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()}\0{space}".encode()).hexdigest()[:8]
