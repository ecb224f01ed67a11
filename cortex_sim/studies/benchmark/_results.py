"""Results as JSON: numbers of one measure or method with the versions and hashes that they belong to."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cortex_sim.errors import FileProblem, NotFound, OptionError
from cortex_sim.runtime import code_key, content_key, write_text
from cortex_sim.studies.benchmark._circuits import Set
from cortex_sim.studies.benchmark._entries import Entry
from cortex_sim.studies.benchmark._scored import summary
from cortex_sim.studies.benchmark._sizes import VERSION

Result = dict[str, Any]
PACKAGES = ("cortex-sim", "numpy", "scipy", "torch", "brian2")
WANTED = "a result that cortex-sim benchmark run wrote"
TEXTS = ("benchmark", "set", "kind", "name", "file", "sha256", "code", "data")
PARTS = dict.fromkeys(TEXTS, str) | {"smoke": bool, "versions": dict, "circuits": int, "numbers": dict}


def result_of(entry: Entry, readings: Mapping[str, Any], data: Mapping[str, Any], *, smoke: bool, of: Set) -> Result:
    """Return the result of a measure or method.

    Args:
        entry: what was put to the test.
        readings: what it made of each circuit.
        data: numbers by which the data of each circuit are known.
        smoke: whether the run only shows that everything works.
        of: set of seeds.
    """
    rounded = {name: {what: f"{number:.4g}" for what, number in each.items()} for name, each in data.items()}
    return {
        "benchmark": VERSION, "set": of, "smoke": smoke, "kind": entry.kind, "name": entry.name, "file": Path(entry.path).name,
        "sha256": entry.digest, "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}, "code": code_key(),
        "data": content_key(rounded), "circuits": len(readings), "numbers": summary(readings),
    }  # fmt: skip


def write_results(results: Sequence[Result], folder: Path) -> list[Path]:
    """Write each result into a file of its own, named after it, and return the files."""
    paths = []
    for result in results:
        name = "".join(letter if letter.isalnum() else "-" for letter in result["name"]).strip("-")
        while "--" in name:
            name = name.replace("--", "-")
        paths.append(folder / f"{name or 'result'}.json")
        write_text(paths[-1], json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return paths


def read_result(path: Path) -> Result:
    """Return a result from its file.

    Raises:
        NotFound: there is no such file.
        OptionError: it is no result, or is one of another version.
        FileProblem: it cannot be read.
    """
    if not path.is_file():
        raise NotFound(f"{path}: there is no such file; give {WANTED}.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise FileProblem(f"{path}: cannot be read ({problem.strerror}).") from None
    except (ValueError, RecursionError):
        raise OptionError(f"{path}: is not JSON; give {WANTED}.") from None
    if not isinstance(found, dict) or not str(found.get("benchmark", "")).startswith("mechanism-"):
        raise OptionError(f"{path}: is no result of this benchmark; give {WANTED}.")
    if found["benchmark"] != VERSION:
        raise OptionError(f"{path}: is of {found['benchmark']!r}, whose numbers are not comparable with those of {VERSION!r}; run it again.")
    for name, kind in PARTS.items():
        if not isinstance(found.get(name), kind):
            raise OptionError(f"{path}: {name} should be {kind.__name__}, not {found.get(name)!r}; give {WANTED}.")
    return found
