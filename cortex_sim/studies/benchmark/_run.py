"""put_to_test(file) -> results: a measure or a method on all circuits, kept by key, so that nothing is computed twice."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cortex_sim.errors import ComparisonError, FileProblem, OptionError
from cortex_sim.runtime import cluster, code_key, content_key, workers, write_text
from cortex_sim.studies.benchmark._circuits import Place, Set, drawn
from cortex_sim.studies.benchmark._entries import Entry, built_in, entry, tried
from cortex_sim.studies.benchmark._families import family
from cortex_sim.studies.benchmark._observed import Observer
from cortex_sim.studies.benchmark._results import Result, result_of
from cortex_sim.studies.benchmark._sensed import Seen, SeenOfLess, Timed
from cortex_sim.studies.benchmark._sizes import FULL, SMOKE, VERSION, Sizes

HELD = Path(__file__).with_name("held.json")
EQUAL = 1e-6  # relative: numbers of the data that differ by less are the same, on any machine
Job = tuple[Place, tuple[Entry, ...], Sizes]


def put_to_test(
    file: str | Path | None = None,
    *,
    smoke: bool = False,
    of: Set = "development",
    jobs: int | None = None,
    scheduler: str | None = None,
) -> list[Result]:
    """Put a measure or a method to the test, or all measures of this package.

    Args:
        file: that holds ``alike(a, b)`` or ``fit(trials, task)``; all measures of this package if omitted.
        smoke: one small circuit of each class: shows that everything runs; its numbers mean nothing.
        of: set of seeds; the test set is for the last run of a study, not for choosing.
        jobs: number of processes, the number of cores if omitted.
        scheduler: address of a running Dask scheduler; its workers do the circuits.

    Returns:
        A result for each measure or method, as it stands in its JSON file.

    Raises:
        NotFound: there is no such file.
        OptionError: the file holds no measure or method, or what it holds fails.
        ComparisonError: the data are not those of this version.
    """
    if jobs is not None and (jobs < 1 or scheduler is not None):
        why = f"--jobs {jobs} should be 1 or more" if jobs < 1 else f"--jobs {jobs}: a scheduler has the workers that were begun for it"
        raise OptionError(f"{why}; leave --jobs out.")
    entries = tuple(built_in() if file is None else [entry(file)])
    for each in entries:
        tried(each)
    sizes = SMOKE if smoke else FULL
    places = sizes.places(of)
    kept = workers.Kept(_key, _write, _read, "benchmark", ".json", shared=True)
    label = f"{len(places)} circuits" if file is None else f"{entries[0].name} on {len(places)} circuits"
    with cluster(scheduler):
        found = workers.map(label, circuit_read, {str(place): (place, entries, sizes) for place in places}, workers=jobs, kept=kept)
    data = {name: each["data"] for name, each in found.items()}
    if not smoke:
        check_held(data, of)
    return [result_of(each, {name: read["entries"][each.name] for name, read in found.items()}, data, smoke=smoke, of=of) for each in entries]


def circuit_read(place: Place, entries: Sequence[Entry], sizes: Sizes) -> dict[str, Any]:
    """Return what all entries make of one circuit, and numbers by which its data are known.

    Args:
        place: of the circuit.
        entries: measures or methods.
        sizes: how much is simulated.
    """
    found = family(drawn(place, sizes.units), sizes.conditions)
    seen = Seen(Observer(found, sizes.trials), sizes.repeats)
    less = SeenOfLess(seen) if place.draw < sizes.less else None
    readings = {}
    for each in entries:
        timed = Timed(each)
        reading = seen.by(timed) | (less.by(timed.or_none) if less else {})
        readings[each.name] = reading | {"seconds": timed.seconds, "calls": timed.calls}
    rates = found.circuit.rates(found.path)
    data = {"rates": float(np.sqrt((rates**2).mean())), "departure": found.departure(1.0), "reach": found.reach, "noise": found.dose}
    return {"data": data, "entries": readings}


def check_held(data: Mapping[str, Mapping[str, float]], of: Set) -> None:
    """Check that the data are those of this version, which are held by their numbers.

    Raises:
        ComparisonError: a circuit's are not.
    """
    try:
        held = json.loads(HELD.read_text(encoding="utf-8"))[of]
    except (OSError, ValueError, KeyError):
        raise ComparisonError(f"{HELD}: the numbers by which the data of {VERSION} are known are missing; install the package again.") from None
    for name, numbers in data.items():
        for what, number in numbers.items():
            if not np.isclose(number, held[name][what], rtol=EQUAL, atol=0):
                found = f"{what} of {name} is {number!r}; in {VERSION} it is {held[name][what]!r}"
                raise ComparisonError(f"benchmark: {found}. The generator or a numerical library differs: these data are of another version.")


def _key(place: Place, entries: Sequence[Entry], sizes: Sizes) -> str:
    return content_key("circuit of the benchmark", place.seed, [each.key for each in entries], sizes.key, place.draw < sizes.less, code_key())


def _write(path: Path, found: dict[str, Any]) -> None:
    write_text(path, json.dumps(found, ensure_ascii=False, allow_nan=False))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found["data"], dict) or not isinstance(found["entries"], dict):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError):
        raise FileProblem(f"{path}: is damaged") from None
    return dict(found)
