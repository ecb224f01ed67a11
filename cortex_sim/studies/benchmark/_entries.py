"""What is put to the test: a measure of similarity or a method of fitting, of this package or in a file of the user's."""

import hashlib
import inspect
import math
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from cortex_sim.cards import Model, catalogue
from cortex_sim.comparison import MEASURES, TRIAL_MEASURES, planted_rotation
from cortex_sim.errors import CortexSimError, NotFound, OptionError
from cortex_sim.runtime import content_key, stream
from cortex_sim.simulation import Wrapped, simulate
from cortex_sim.studies.benchmark._families import BIN
from cortex_sim.studies.benchmark._observed import Observed
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

Kind = Literal["measure", "method"]
NEEDED = "write alike(a, b) -> float, or fit(trials, task) -> model with simulate(task); see docs/benchmark.md"
MOST_SHOWN = 200  # characters of a message of a file of the user's


@dataclass(frozen=True)
class Entry:
    """A measure or a method.

    Attributes:
        name: of the measure; the stem of a file of the user's.
        kind: what it is.
        path: the file; empty for a measure of this package.
        source: content of the file, so that workers on other machines need none.
    """

    name: str
    kind: Kind
    path: str = ""
    source: bytes = b""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the file; empty for a measure of this package."""
        return hashlib.sha256(self.source).hexdigest() if self.path else ""

    @property
    def key(self) -> str:
        """Return a hash of what it computes, apart from this package's code."""
        return content_key("entry of the benchmark", self.name, self.kind, self.source)

    def alike(self, a: Observed, b: Observed) -> float:
        """Return how alike two sides are by this measure: higher is more alike.

        Raises:
            OptionError: a file of the user's raised an exception, or returned no finite number.
        """
        if not self.path and self.name in TRIAL_MEASURES:
            return float(TRIAL_MEASURES[self.name](a.trials, b.trials))
        if not self.path:
            one = MEASURES[self.name]
            return float(one.alike(one.of_images(a.rates, b.rates, BIN)))
        function = _module(self)["alike"]
        sides = (a.trials, b.trials) if _takes_trials(function) else (a.rates.copy(), b.rates.copy())
        return _number(self, self.called(function, *sides))

    def fitted(self, trials: Trials, task: Task) -> Any:
        """Return the model that the method fits.

        Raises:
            OptionError: it raised an exception, or what it returned cannot be simulated.
        """
        model = self.called(_module(self)["fit"], trials, task)
        if not isinstance(model, Model | Wrapped) and not callable(getattr(model, "simulate", None)):
            raise OptionError(f"{self.path}: fit returned {_shown(model)}; it should return a model of cortex-sim, or an object with simulate(task).")
        return model

    def simulated(self, model: Any, task: Task) -> ndarray:
        """Return the rates of a fitted model on a task, (trial, time, unit).

        Raises:
            OptionError: simulate raised an exception, or returned something else.
        """
        found = self.called(simulate if isinstance(model, Model | Wrapped) else lambda given, task: given.simulate(task), model, task)
        found = found.rate if isinstance(found, Trials) else found
        try:
            rates = np.asarray(found, dtype=float)
        except (TypeError, ValueError):
            raise OptionError(f"{self.path}: simulate returned {_shown(found)}; it should return rates (trial, time, unit), or trials.") from None
        wanted = (task.trials, task.bins, task.initial.shape[1] if task.initial is not None else rates.shape[-1] if rates.ndim else 0)
        if rates.shape != wanted:
            raise OptionError(f"{self.path}: simulate returned rates of shape {rates.shape}; on this task they are (trial, time, unit) = {wanted}.")
        if not np.isfinite(rates).all():
            raise OptionError(f"{self.path}: simulate returned {(~np.isfinite(rates)).sum()} rates that are not finite, of {rates.size}.")
        return rates

    def called(self, function: Callable[..., Any], *given: Any) -> Any:
        """Return what a function of the file returns; whatever it raises becomes one line with the place in the file."""
        try:
            return function(*given)
        except (Exception, SystemExit) as problem:
            if isinstance(problem, CortexSimError) and not self.path:
                raise
            lines = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == self.path]
            where = f", line {lines[-1]}" if lines else ""
            said = " ".join(str(problem).split())[:MOST_SHOWN].rstrip(".")
            raise OptionError(f"{self.path or self.name}{where}: {type(problem).__name__}{f': {said}' if said else ''}.") from None


def built_in() -> list[Entry]:
    """Return the measures of this package."""
    return [Entry(name, "measure") for name in (*MEASURES, *TRIAL_MEASURES)]


def entry(path: str | Path) -> Entry:
    """Return the measure or the method in a file of the user's, which is code and is run: see ``docs/security.md``.

    Raises:
        NotFound: there is no such file.
        OptionError: the file cannot be imported, or holds neither ``alike`` nor ``fit``, or both.
    """
    place = Path(path)
    if not place.is_file():
        raise NotFound(f"{place}: there is no such file. Give a file that ends in .py; {NEEDED}.")
    if place.suffix != ".py":
        raise OptionError(f"{place}: is not a file of Python, which ends in .py; {NEEDED}.")
    try:
        source = place.read_bytes()
    except OSError as problem:
        raise OptionError(f"{place}: cannot be read ({problem.strerror}).") from None
    catalogue.say_code(place, source, "a measure or a method")
    whole = str(place.absolute())
    names = [name for name in ("alike", "fit") if callable(_module(Entry(place.stem, "measure", whole, source)).get(name))]
    if len(names) != 1:
        raise OptionError(f"{place}: has {' and '.join(names) or 'neither alike nor fit'}; {NEEDED}: one of them.")
    found = Entry(place.stem, "measure" if names == ["alike"] else "method", whole, source)
    function = _module(found)[names[0]]
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError) as problem:
        given = "alike(a, b)" if found.kind == "measure" else "fit(trials, task)"
        raise OptionError(f"{place}: {names[0]} cannot be called as {given}: {problem}.") from None
    return found


def tried(given: Entry) -> None:
    """Call a measure twice with planted rotations, so that what is wrong with it is said at once.

    Raises:
        OptionError: it fails, or gives two values for the same data.
    """
    if given.kind != "measure":
        return
    rng = stream(0, "analysis", "trial of a measure")
    sides = [
        Observed(planted_rotation(rng, frequency=hertz, noise=0.1, conditions=16, bins=30, units=12, dt=BIN), np.repeat(np.arange(4), 4))
        for hertz in (1.5, 2.5)
    ]
    first, second = (given.alike(*sides) for _ in range(2))
    if first != second:
        raise OptionError(
            f"{given.path or given.name}: alike gives {first!r}, then {second!r}, for the same data; draw from a generator with a seed."
        )


@lru_cache(maxsize=8)
def _module(given: Entry) -> dict[str, Any]:
    name = f"cortex_sim_entry_{given.digest[:16]}"
    sys.modules[name] = ModuleType(name)  # where classes of the file are looked up, once it is read
    module = catalogue.imported(Path(given.path), given.source, name)
    sys.modules[name] = module
    return vars(module)


def _takes_trials(function: Callable[..., Any]) -> bool:
    """Return whether the first argument is annotated as trials."""
    annotation = next(iter(inspect.signature(function).parameters.values())).annotation
    return annotation is Trials or (isinstance(annotation, str) and annotation.split(".")[-1] == "Trials")


def _number(given: Entry, value: Any) -> float:
    if isinstance(value, str | bytes | bool | np.bool_) or np.ndim(value) != 0:
        raise OptionError(f"{given.path}: alike returned {_shown(value)}; it should return one number, higher for more alike.")
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise OptionError(f"{given.path}: alike returned {_shown(value)}; it should return one number, higher for more alike.") from None
    if not math.isfinite(found):
        raise OptionError(f"{given.path}: alike returned {found}; it should return a finite number for any two sides that vary.")
    return found


def _shown(value: Any) -> str:
    shape = f" of shape {np.shape(value)}" if isinstance(value, ndarray | list | tuple) else f" {value!r}"[:60]
    return f"{type(value).__name__}{shape}"
