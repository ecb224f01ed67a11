"""put_to_test(file) -> results: a measure or a method on all circuits, kept by key, so that nothing is computed twice."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cortex_sim.cards import Model
from cortex_sim.errors import ComparisonError, FileProblem, OptionError
from cortex_sim.runtime import cluster, code_key, content_key, workers, write_text
from cortex_sim.studies.benchmark._circuits import Drawn, Place, Set, drawn
from cortex_sim.studies.benchmark._entries import Entry, built_in, entry, tried
from cortex_sim.studies.benchmark._families import Family, family
from cortex_sim.studies.benchmark._observed import Observer
from cortex_sim.studies.benchmark._pupils import Pupils, explained_variance, pupils_of, sides_of
from cortex_sim.studies.benchmark._pushed import Battery
from cortex_sim.studies.benchmark._ranked import alike_students
from cortex_sim.studies.benchmark._results import Result, result_of
from cortex_sim.studies.benchmark._sensed import Seen, SeenOfLess, Timed
from cortex_sim.studies.benchmark._sizes import FULL, SMOKE, VERSION, Sizes

HELD = Path(__file__).with_name("held.json")
EQUAL = 1e-6  # relative: numbers of the data that differ by less are the same, on any machine


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
    places = {str(place): place for place in sizes.places(of)}
    with cluster(scheduler), workers.together():
        asked = {name: (place, sizes) for name, place in places.items()}
        pupils = workers.map(f"networks fitted to {len(places)} circuits", fitted, asked, workers=jobs, kept=FITTED)
        label = f"{entries[0].name if file else f'{len(entries)} measures'} on {len(places)} circuits"
        ready = {name: (place, entries, sizes, pupils[name]) for name, place in places.items()}
        found = workers.map(label, circuit_read, ready, workers=jobs, kept=READ)
    data = {name: each["data"] for name, each in found.items()}
    if not smoke:
        check_held(data, of)
    return [result_of(each, {name: read["entries"][each.name] for name, read in found.items()}, data, pupils, smoke=smoke, of=of) for each in entries]


def fitted(place: Place, sizes: Sizes) -> Pupils:
    """Return the networks that are fitted to the circuit of a place, and how they answer pushes."""
    return pupils_of(drawn(place, sizes.units), sizes)


def circuit_read(place: Place, entries: Sequence[Entry], sizes: Sizes, pupils: Pupils) -> dict[str, Any]:
    """Return what all entries make of one circuit, and numbers by which its data are known.

    Args:
        place: of the circuit.
        entries: measures or methods.
        sizes: how much is simulated.
        pupils: networks that were fitted to the circuit.
    """
    known = drawn(place, sizes.units)
    found = family(known, sizes.conditions)
    asked, readings = place.draw < sizes.less, {each.name: method_read(each, known, sizes) for each in entries if each.kind == "method"}
    if measures := [each for each in entries if each.kind == "measure"]:
        seen = Seen(Observer(found, sizes.trials), sizes.repeats)
        less = SeenOfLess(seen) if asked else None
        for each in measures:
            timed = Timed(each)
            reading = seen.by(timed) | (less.by(timed.or_none) if less else {})
            reading |= {"students": alike_students(timed, timed.or_none, pupils, place, less=asked)}
            readings[each.name] = reading | {"seconds": timed.seconds, "calls": timed.calls}
    return {"data": data_of(found), "entries": readings}


def data_of(found: Family) -> dict[str, float]:
    """Return numbers by which the data of a circuit are known: size of its rates, departure of the other mechanism, how far it goes, and noise."""
    rates = found.circuit.rates(found.path)
    return {"rates": float(np.sqrt((rates**2).mean())), "departure": found.departure(1.0), "reach": found.reach, "noise": found.dose}


def method_read(each: Entry, known: Drawn, sizes: Sizes) -> dict[str, Any]:
    """Return what a method of fitting explains of a circuit's rates and of its responses to pushes.

    Args:
        each: the method.
        known: the circuit.
        sizes: how many reaches and pushes.
    """
    training, test = sides_of(known, sizes)
    battery = Battery.of(known, training.trials.rate, test, sizes.pushed)
    began = time.perf_counter()
    model = each.fitted(training.trials, training.task)
    seconds = time.perf_counter() - began
    own = each.simulated(model, test.task)
    gained = battery.with_gains(model) if isinstance(model, Model) else []
    explained = battery.explained(lambda task: each.simulated(model, task), gained)
    means = {kind: float(np.mean(scores)) for kind, scores in explained.items()}
    return {"r2": explained_variance(test.trials.rate, own), "explained": means, "seconds": seconds}


def check_held(data: Mapping[str, Mapping[str, float]], of: Set) -> None:
    """Check that the data are those of this version, which is known by the numbers of a few circuits of each class.

    Raises:
        ComparisonError: a circuit's are not.
    """
    try:
        held = json.loads(HELD.read_text(encoding="utf-8"))[of]
    except (OSError, ValueError, KeyError):
        raise ComparisonError(f"{HELD}: the numbers by which the data of {VERSION} are known are missing; install the package again.") from None
    for name, numbers in data.items():
        for what, number in numbers.items() if name in held else ():
            if not np.isclose(number, held[name][what], rtol=EQUAL, atol=0):
                found = f"{what} of {name} is {number!r}; in {VERSION} it is {held[name][what]!r}"
                raise ComparisonError(f"benchmark: {found}. The generator or a numerical library differs: these data are of another version.")


def _key(place: Place, entries: Sequence[Entry], sizes: Sizes, _: Pupils) -> str:
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


def _fitted_key(place: Place, sizes: Sizes) -> str:
    return content_key("networks of the benchmark", place.seed, sizes.key, code_key())


READ = workers.Kept(_key, _write, _read, "benchmark", ".json", shared=True)
FITTED = workers.Kept(_fitted_key, lambda path, pupils: pupils.save(path), Pupils.load, "benchmark", ".safetensors", shared=True)
