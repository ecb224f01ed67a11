"""A rig: which units an experiment can push, with what current and when, and what it observes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import NotFound, OptionError, suggestion
from cortex_sim.runtime import positions, read_toml
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Task
from cortex_sim.tasks.perturbations import inject

SIGNS = ("both", "excite", "inhibit")
NUMBERS, TEXTS = ("sites", "current", "start", "stop", "until", "trials"), ("population", "sign")  # of a rig file; the latter may be left out
EXAMPLE = "sites = 8, current = 50.0, start = 0.05, stop = 0.07, until = 0.3, trials = 200"


@dataclass(frozen=True)
class Rig:
    """What an experiment can do, and what it observes.

    Attributes:
        low: most negative current into each observed unit, in the unit of the rates; 0 where none is possible.
        high: most positive one.
        sites: number of units that are pushed at once.
        span: start and stop of the push, s.
        until: end of what is compared, which begins with the push, s.
        trials: number of pushed trials, over all conditions; as many are not pushed.
    """

    low: Float[ndarray, " unit"]
    high: Float[ndarray, " unit"]
    sites: int
    span: tuple[float, float]
    until: float
    trials: int

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not ((self.low <= 0) & (self.high >= 0) & np.isfinite(self.low) & np.isfinite(self.high)).all():
            raise OptionError("rig: low and high should be one finite current for each unit, low at most 0 and high at least 0.")
        reached = int(((self.low < 0) | (self.high > 0)).sum())
        if not 1 <= self.sites <= reached:
            raise OptionError(f"rig: sites {self.sites!r} should be 1 to {reached}, the number of units that can be pushed.")
        if self.trials < 1 or not self.span[0] < self.span[1] <= self.until:
            raise OptionError(
                f"rig: trials {self.trials!r} should be at least 1; span {self.span!r} s should start before it stops, by {self.until!r}."
            )

    @classmethod
    def of(
        cls, units: int, *, current: float, sites: int, span: tuple[float, float], until: float, trials: int,
        among: Sequence[int] | ndarray | None = None, sign: str = "both",
    ) -> "Rig":  # fmt: skip
        """Return a rig that is alike for all units that it reaches.

        Args:
            units: number of observed units.
            current: largest into one unit, in the unit of the rates.
            sites: number of units that are pushed at once.
            span: start and stop of the push, s.
            until: end of what is compared, s.
            trials: number of pushed trials.
            among: units that can be pushed, such as those of a cell type: positions, or True and False; all if omitted.
            sign: ``"both"``, ``"excite"`` or ``"inhibit"``.

        Raises:
            OptionError: a number is out of range, a unit does not exist, or the sign is unknown.
        """
        if sign not in SIGNS or not current > 0:
            raise OptionError(f"rig: sign {sign!r} should be one of {', '.join(SIGNS)}, and current {current!r} above 0.")
        size = np.zeros(units)
        size[np.arange(units) if among is None else positions(among, units, "rig: units")] = current
        return cls(-size * (sign != "excite"), size * (sign != "inhibit"), sites, span, until, trials)

    def seen(self, task: Task) -> Bool[ndarray, " time"]:
        """Return which bins of a task are compared."""
        return (task.time > self.span[0] - task.bin / 4) & (task.time < self.until - task.bin / 4)

    def push(self, task: Task, currents: Float[ndarray, "row unit"]) -> Task:
        """Return the task with these currents, one row for all trials or one for each."""
        return inject(task, currents, span=self.span)

    def response(self, model: Model, task: Task, currents: Float[ndarray, "row unit"]) -> Float[ndarray, "trial time unit"]:
        """Return a model's response to currents, one row for all trials or one for each: rates minus those without, in the bins that are compared."""
        rates = simulate(model, self.push(task, currents), backend="torch").rate - simulate(model, task, backend="torch").rate
        return rates[:, self.seen(task)]


def read_rig(path: str | Path, populations: Shaped[ndarray, " unit"] | Sequence[str]) -> Rig:
    """Return the rig of a TOML file.

    The keys ``sites``, ``current`` (in the unit of the rates), ``start``, ``stop``, ``until`` (s) and ``trials`` are those of :meth:`Rig.of`;
    ``population`` names the cell type or area that can be pushed, all if omitted, and ``sign`` is "both", "excite" or "inhibit".

    Args:
        path: of the file.
        populations: name of the population of each observed unit.

    Raises:
        NotFound: the file or the population does not exist.
        OptionError: where, what was found and what would be right.
    """
    path, names = Path(path), np.asarray(populations).astype(str)
    if not path.is_file():
        raise NotFound(f"{path}: there is no such file; a rig is a TOML file with {EXAMPLE}.")
    given = read_toml(path, OptionError)
    for key in given:
        if key not in (*NUMBERS, *TEXTS):
            raise OptionError(f"{path}: {key} is unknown. {suggestion(key, (*NUMBERS, *TEXTS))}")
    for key in NUMBERS:
        whole = key in ("sites", "trials")
        if isinstance(value := given.get(key), bool) or not isinstance(value, int if whole else int | float) or not np.isfinite(value):
            raise OptionError(f"{path}: {key} = {value!r} should be a {'whole' if whole else 'finite'} number; for example {EXAMPLE}.")
    for key in TEXTS:
        if key in given and not isinstance(given[key], str):
            raise OptionError(f"{path}: {key} = {given[key]!r} should be a text.")
    if "population" in given and given["population"] not in names:
        raise NotFound(f"{path}: no unit is of population {given['population']!r}. {suggestion(given['population'], set(names.tolist()) - {''})}")
    among = names == given["population"] if "population" in given else None
    try:
        span = float(given["start"]), float(given["stop"])
        size = {"current": float(given["current"]), "sites": given["sites"], "until": float(given["until"]), "trials": given["trials"]}
        return Rig.of(len(names), span=span, among=among, sign=given.get("sign", "both"), **size)
    except OptionError as problem:
        raise OptionError(f"{path}: {problem}") from None
