"""Repetition of a run from its record, and comparison of the results."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cortex_sim.errors import CortexSimError, FileProblem
from cortex_sim.runtime import check_new, temporary_folder
from cortex_sim.studies._asked import VARIABLES, perform

RESULTS = ("scores.json", "claims.json")
AROUND = ("versions", "code", "checkout", "machine", "processor", "cores", "threads", "targets", "protocol", "inputs")  # what results may depend on


@dataclass(frozen=True)
class Repeated:
    """Whether a repetition gave the same results, and sentences about it."""

    same: bool
    lines: list[str]


def repeat(run: Path, out: Path | None = None, *, command: str = "") -> Repeated:
    """Repeat a finished run from its record and compare its scores and claims with the recorded ones, number by number.

    Args:
        run: folder of the run.
        out: new folder for the repetition; if omitted, it is not kept.
        command: the command that was typed.

    Raises:
        FileProblem: the folder contains no finished run, its results have changed since, or the run was made from Python objects.
    """
    record = _json(run / "run.json")
    before = {name: _json(run / name) for name in RESULTS}
    if not isinstance(record, dict) or not record.get("asked"):
        said = record.get("command") if isinstance(record, dict) else ""
        raise FileProblem(f"{run}: its run.json names objects of Python, which no file holds; repeat it yourself: {said or 'no command is known'}.")
    if out is not None:
        check_new(out)
    place, given = Path(os.path.abspath(run)), {name: os.environ[name] for name in VARIABLES.values() if name in os.environ}
    with contextlib.ExitStack() as stack:
        folder = Path(os.path.abspath(out)) if out else stack.enter_context(temporary_folder()) / "run"
        stack.enter_context(_inside(record.get("cwd")))
        try:
            perform(record["asked"], folder, command=command)
        except CortexSimError as problem:
            return Repeated(False, [f"cannot be repeated: {problem}"])
        finally:
            for name in VARIABLES.values():
                os.environ.pop(name, None)
            os.environ |= given
        now, after = _json(folder / "run.json"), {name: _json(folder / name) for name in RESULTS}
        same = [(place / name).read_bytes() == (folder / name).read_bytes() for name in RESULTS]
    changed = [f"changed since: {name}: {_short(old)} -> {_short(new)}" for name, old, new in _changes(record, now)]
    if all(same):
        return Repeated(True, [f"{run}: identical results: {len(before['scores.json'])} scores, {len(before['claims.json'])} claims.", *changed])
    return Repeated(False, [f"{run}: results differ.", *_first(before, after), *(changed or ["nothing that is recorded has changed since"])])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise FileProblem(f"{path}: cannot be read ({getattr(problem, 'strerror', None) or problem}); give the folder of a finished run.") from None


@contextlib.contextmanager
def _inside(folder: str | None) -> Iterator[None]:
    """Work in the folder where the run was started, if it still exists, so that relative paths keep their meaning."""
    if folder and Path(folder).is_dir():
        with contextlib.chdir(folder):
            yield
    else:
        yield


def _first(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return sentences that say which number differs first and by how much, and how many do."""
    differing = [(name, *one) for name in RESULTS for one in _differences(before[name], after[name])]
    if not differing:
        return ["the files differ, but no value in them does"]
    name, place, old, new = differing[0]
    by = f", by {abs(new - old):.3g}" if _number(old) and _number(new) else ""
    return [f"first difference: {name}, {place}: {_short(old)} -> {_short(new)}{by}", f"values that differ: {len(differing)}"]


def _differences(old: Any, new: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        label = " ".join(str(old[key]) for key in ("measure", "student", "text") if key in old)
        at = f"{place} ({label})" if label else place
        for key in dict.fromkeys((*old, *new)):
            yield from _differences(old.get(key), new.get(key), f"{at}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif old != new or type(old) is not type(new):
        yield place, old, new


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in AROUND:
        yield from _differences(old.get(name), new.get(name), name)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
