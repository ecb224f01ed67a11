"""Files that are written completely or not at all, and cached arrays keyed by the content of their inputs."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from cortex_sim.errors import FileProblem
from cortex_sim.runtime._arguments import missing_allowed
from cortex_sim.runtime._left_over import mark, sweep
from cortex_sim.runtime._visible import warn

RUN = "CORTEX_SIM_RUN"  # variable that names where a run keeps what it has done, for itself and its worker processes


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside the path; it replaces the path only if the block succeeds.

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
    """Write a text file completely or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file completely or not at all.

    Files are first assembled in memory: when a disk is full, format libraries crash or raise unexpected errors.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is removed after the block; those of killed processes are removed too.

    Raises:
        FileProblem: the folder cannot be made.
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
    """Return the folder where the present run keeps its results so far; None if there is none."""
    return Path(found) if (found := os.environ.get(RUN)) else None


def cache_folder() -> Path:
    """Return the folder of caches: ``CORTEX_SIM_CACHE``, else the user's cache folder."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("CORTEX_SIM_CACHE") or user_cache_dir("cortex-sim"))


@missing_allowed("arrays")
def save_arrays(path: Path, arrays: Mapping[str, Shaped[ndarray, "..."]]) -> None:
    """Write named arrays as safetensors, with a checksum of their content."""
    from safetensors.numpy import save

    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_bytes(path, save(plain, metadata={"sha256": _checksum(plain)}))


def load_arrays(path: Path) -> dict[str, ndarray]:
    """Return the arrays that :func:`save_arrays` wrote.

    Raises:
        FileProblem: the file is missing or damaged, or its content has changed.
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
    """Return arrays cached under a name that contains their content key; build and cache them if absent or damaged.

    If the cache cannot be written, a warning is printed and the arrays are returned all the same.
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
    """Return the hash of named arrays stored in files; it must not change, so that older files can be read."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}={array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes() + b";")
    digest.update(b"\0")
    return digest.hexdigest()
