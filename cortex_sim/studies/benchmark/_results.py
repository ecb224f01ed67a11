"""Results as JSON: numbers of one measure or method with the versions and hashes that they belong to."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cortex_sim.errors import FileProblem, NotFound, OptionError
from cortex_sim.runtime import code_key, content_key, write_text
from cortex_sim.statistics import median_interval
from cortex_sim.studies.benchmark._circuits import Set
from cortex_sim.studies.benchmark._entries import Entry
from cortex_sim.studies.benchmark._pupils import Pupils
from cortex_sim.studies.benchmark._pushed import KINDS_OF_PUSH
from cortex_sim.studies.benchmark._ranked import networks, ranks, ranks_of_less, reliabilities
from cortex_sim.studies.benchmark._scored import summary
from cortex_sim.studies.benchmark._sizes import VERSION

Result = dict[str, Any]
PACKAGES = ("cortex-sim", "numpy", "scipy", "torch", "brian2")
WANTED = "a result that cortex-sim benchmark run wrote"
TEXTS = ("benchmark", "set", "kind", "name", "file", "sha256", "code", "data")
SIZED: dict[str, type] = {"smoke": bool, "circuits": int, "departure": float}
PARTS: dict[str, type] = dict.fromkeys(TEXTS, str) | SIZED | dict.fromkeys(("versions", "numbers", "networks", "reliability"), dict)


def result_of(entry: Entry, readings: Mapping[str, Any], data: Mapping[str, Any], pupils: Mapping[str, Pupils], *, smoke: bool, of: Set) -> Result:
    """Return the result of a measure or method.

    Args:
        entry: what was put to the test.
        readings: what it made of each circuit.
        data: numbers by which the data of each circuit are known.
        pupils: networks that were fitted to each circuit.
        smoke: whether the run only shows that everything works.
        of: set of seeds.
    """
    rounded = {name: {what: f"{number:.4g}" for what, number in each.items()} for name, each in data.items()}
    if entry.kind == "measure":
        numbers = summary(readings) | {"ranks": ranks(readings, pupils), "ranks of less": ranks_of_less(readings, pupils)}
    else:
        numbers = method_summary(readings)
    return {
        "benchmark": VERSION, "set": of, "smoke": smoke, "kind": entry.kind, "name": entry.name, "file": Path(entry.path).name,
        "sha256": entry.digest, "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}, "code": code_key(),
        "data": content_key(rounded), "circuits": len(readings), "numbers": numbers, "networks": networks(pupils),
        "reliability": reliabilities(pupils), "departure": float(np.mean([each["departure"] for each in data.values()])),
    }  # fmt: skip


def method_summary(readings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a method explains of rates and of responses by kind: median over circuits and its interval.

    Args:
        readings: by circuit.
    """
    found: dict[str, Any] = {"R²": _median([reading["r2"] for reading in readings.values()])}
    for kind in KINDS_OF_PUSH:
        if values := [reading["explained"][kind] for reading in readings.values() if kind in reading["explained"]]:
            found[kind] = _median(values)
    return {"explained": found, "seconds": sum(reading["seconds"] for reading in readings.values())}


def _median(values: Sequence[float]) -> dict[str, Any]:
    interval = median_interval(np.array(values))
    return {"median": float(np.median(values)), "interval": list(interval) if interval else None}


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
