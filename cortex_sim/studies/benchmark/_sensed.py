"""What a measure sees of one circuit's family: its values along the family, under changes that leave the mechanism, of few units and of spikes."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cortex_sim.errors import CortexSimError
from cortex_sim.runtime import stream
from cortex_sim.studies.benchmark._changes import CHANGES, applies, changed_pairs
from cortex_sim.studies.benchmark._entries import Entry
from cortex_sim.studies.benchmark._families import EVERY, GRADES
from cortex_sim.studies.benchmark._observed import BINS, RESIDUALS, RESPONSES, SINGLE, VIEWS, Observed, Observer, spiking

SHARES = (0.5, 0.2, 0.1, 0.05)  # of the units
TRIALS = (1, 5, 20)  # of spikes, of each condition
ENDS = (0.0, 1.0)
CHANGED = (SINGLE, RESIDUALS, RESPONSES)  # views in which changes that leave the mechanism are asked about: those that can see a mechanism
FEW = 5  # trials: a run with fewer is small, and so are its spikes
Values = list[float | None]
Compare = Callable[[Observed, Observed], float | None]


class Timed:
    """A measure that adds up how long it takes.

    Args:
        entry: the measure.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry, self.seconds, self.calls = entry, 0.0, 0

    def __call__(self, a: Observed, b: Observed) -> float | None:
        """Return how alike two sides are; None if a measure of this package gives no finite number for them."""
        began = time.perf_counter()
        try:
            value = self.entry.alike(a, b)
            return value if np.isfinite(value) else None
        finally:
            self.seconds += time.perf_counter() - began
            self.calls += 1

    def or_none(self, a: Observed, b: Observed) -> float | None:
        """Return how alike two sides are; None if they have too few units or trials for the measure, whatever it says about that."""
        try:
            return self(a, b)
        except CortexSimError:
            return None


class Seen:
    """Observations of one family, made once for all measures.

    Args:
        observer: of the family.
        repeats: number of independent pairs of observations at every place of the family.
    """

    def __init__(self, observer: Observer, repeats: int) -> None:
        self.observer, self.repeats = observer, repeats
        systems = {s: observer.family.at(s) for s in GRADES}
        self.first = {view: observer.see(view, observer.family.circuit, repeats, "first") for view in VIEWS}
        self.second = {(view, s): observer.see(view, system, repeats, f"at {s:g}") for view in VIEWS for s, system in systems.items()}
        self.exact = [Observed(observer.family.at(s).rates(system.states())[:, ::EVERY][:, :BINS], np.arange(len(system.start)))
                      for s, system in systems.items()]  # fmt: skip
        asked = [(view, change) for view in CHANGED for change in CHANGES if applies(change, view)]
        self.changed = {(view, change): changed_pairs(change, observer, view, self.first[view], self.second[view, 0.0]) for view, change in asked}

    def by(self, alike: Compare) -> dict[str, Any]:
        """Return the values of a measure: along the family in every view, of noise-free averages, and under changes that leave the mechanism."""
        graded = {view: [[alike(a, b) for a, b in zip(self.first[view], self.second[view, s], strict=True)] for s in GRADES] for view in VIEWS}
        changed: dict[str, dict[str, list[Values]]] = {view: {} for view in CHANGED}
        for (view, change), (pairs, plain) in self.changed.items():
            base = graded[view][0] if plain is None else [alike(a, b) for a, b in plain]
            changed[view][change] = [base, [alike(a, b) for a, b in pairs]]
        return {"graded": graded, "exact": [alike(self.exact[0], one) for one in self.exact], "changed": changed}


class SeenOfLess:
    """Observations of few units and of spikes at both ends of a family.

    Args:
        seen: of all units.
    """

    def __init__(self, seen: Seen) -> None:
        observer = seen.observer
        family, units = observer.family, observer.family.drawn.model.units
        order = stream(family.drawn.place.seed, "task", "units seen in the benchmark").permutation(units)
        self.units = {share: np.sort(order[: max(2, round(share * units))]) for share in SHARES}
        self.seen = seen
        trials = [n for n in TRIALS if n <= max(observer.trials, FEW) or observer.trials > FEW]
        self.spikes = {n: {s: self._fired(n, s) for s in (-1.0, *ENDS)} for n in trials}

    def _fired(self, trials: int, s: float) -> list[Observed]:
        """Return spikes of so many trials at one end; at -1 those of the circuit that both ends are compared with."""
        observer, family = Observer(self.seen.observer.family, trials), self.seen.observer.family
        name = f"spikes at {s:g}"
        single = observer.single(family.at(max(s, 0.0)), self.seen.repeats, name)
        middle = family.circuit.rates(family.path).mean(axis=(0, 1))
        return spiking(single, observer.spread, middle, family.drawn.place.seed, name)

    def by(self, alike: Compare, views: Sequence[str] = (SINGLE, RESIDUALS)) -> dict[str, Any]:
        """Return the values of a measure at both ends of the family, of fewer units in these views, and of single trials of spikes."""
        few = {view: {str(share): [[alike(a.of_units(units), b.of_units(units))
                                    for a, b in zip(self.seen.first[view], self.seen.second[view, s], strict=True)] for s in ENDS]
                      for share, units in self.units.items()} for view in views}  # fmt: skip
        spikes = {str(n): [[alike(a, b) for a, b in zip(found[-1.0], found[s], strict=True)] for s in ENDS] for n, found in self.spikes.items()}
        return {"units": few, "spikes": spikes}
