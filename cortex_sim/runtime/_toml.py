"""Cards and spaces as TOML; a few odd lines can occupy the TOML reader for minutes and are refused first."""

import re
import tomllib
from pathlib import Path
from typing import Any

from cortex_sim.errors import CortexSimError, FileProblem

LARGEST = 1_000_000  # bytes; it takes about a second
PARTS = 20  # of a key, a.b.c; the reader takes the square of their number
LONG_KEY = re.compile(rf"(?<![\w\"'-])(?:(?:\"[^\"\n]*\"|'[^'\n]*'|[\w-]++)[ \t]*+\.[ \t]*+){{{PARTS}}}")


def read_toml(path: Path, wrong: type[CortexSimError]) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Args:
        path: of the file.
        wrong: error to raise if it is not TOML.

    Raises:
        FileProblem: it cannot be read, or is larger than a megabyte.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise FileProblem(
                f"{path}: has {path.stat().st_size / 1e6:.3g} MB; {LARGEST / 1e6:g} MB is the most. Numbers belong in a .safetensors file."
            )
        if not path.is_file():
            raise FileProblem(f"{path}: cannot be read (it is no plain file).")
        text = path.read_text(encoding="utf-8")
    except FileProblem:
        raise
    except UnicodeDecodeError as problem:
        raise wrong(f"{path}: is no TOML: {problem}.") from None
    except OSError as problem:
        raise FileProblem(f"{path}: cannot be read ({problem.strerror}).") from None
    if found := LONG_KEY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise wrong(f"{path}: is no TOML that is read here: a key in line {line} has more than {PARTS} parts.")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise wrong(f"{path}: is no TOML that is read here: tables or lists lie too deep within one another.") from None
    except ValueError as problem:
        raise wrong(f"{path}: is no TOML: {problem}.") from None
