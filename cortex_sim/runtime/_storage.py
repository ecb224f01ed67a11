"""Files that are written whole or not at all, and arrays kept by the content of what made them."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy import ndarray

from cortex_sim.errors import FileProblem
from cortex_sim.runtime._left_over import mark, sweep
from cortex_sim.runtime._visible import warn

RUN = "CORTEX_SIM_RUN"  # variable that names where a run keeps what it has done, for itself and its worker processes


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside the path; it takes the path's place only if the block ends well.

    Raises:
        FileProblem: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.{mark()}", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as problem:
        raise FileProblem(f"{path}: cannot be written ({problem.strerror}); choose another folder.") from None
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as problem:
        if isinstance(problem, FileProblem):
            raise
        raise FileProblem(f"{path}: cannot be written ({problem.strerror or problem}); nothing was kept.") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all.

    Formats are put together in memory first and written so: libraries of formats crash, or raise what nobody expects, where a disk is full.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is removed after the block; those of killed processes are removed too.

    Raises:
        FileProblem: none can be made.
    """
    try:
        place = Path(tempfile.gettempdir())
        sweep(place)
        made = tempfile.TemporaryDirectory(prefix=f"cortex-sim-{mark()}", ignore_cleanup_errors=True)
    except OSError as problem:
        raise FileProblem(f"no temporary folder can be made ({problem.strerror}); free some space, or set TMPDIR to another folder.") from None
    with made as name:
        yield Path(name)


def run_cache() -> Path | None:
    """Give the folder where the present run keeps what it has done, if there is a run that does."""
    return Path(found) if (found := os.environ.get(RUN)) else None


def cache_folder() -> Path:
    """Give the folder that caches live in: ``CORTEX_SIM_CACHE``, else the user's cache folder."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("CORTEX_SIM_CACHE") or user_cache_dir("cortex-sim"))


def save_arrays(path: Path, arrays: Mapping[str, ndarray]) -> None:
    """Write named arrays as safetensors with a checksum of their content inside."""
    from safetensors.numpy import save

    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_bytes(path, save(plain, metadata={"sha256": _checksum(plain)}))


def load_arrays(path: Path) -> dict[str, ndarray]:
    """Read what :func:`save_arrays` wrote.

    Raises:
        FileProblem: the file is missing, damaged, or not what was written.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            stated = (file.metadata() or {}).get("sha256")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as problem:
        raise FileProblem(f"{path}: cannot be read as safetensors ({problem}).") from None
    if stated != _checksum(arrays):
        raise FileProblem(f"{path}: its content does not match its own checksum, so it is damaged; write or fetch it again.")
    return arrays


def cached_arrays(name: str, build: Callable[[], dict[str, ndarray]]) -> dict[str, ndarray]:
    """Return arrays kept under a name that holds their content key; build and keep them if absent or damaged.

    A cache that cannot be written is no reason to lose the result: it is said on standard error and the arrays are returned.
    """
    path = cache_folder() / f"{name}.safetensors"
    if path.exists():
        try:
            return load_arrays(path)
        except FileProblem as problem:
            warn(f"cache entry rebuilt: {problem}")
    arrays = build()
    try:
        save_arrays(path, arrays)
    except FileProblem as problem:
        warn(f"not cached: {problem}")
    return arrays


def _checksum(arrays: Mapping[str, ndarray]) -> str:
    """Hash of named arrays as it is written into files; it stays as it is, so that older files can be read."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}={array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes() + b";")
    digest.update(b"\0")
    return digest.hexdigest()
