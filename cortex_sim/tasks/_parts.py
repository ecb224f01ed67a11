"""Parts of tasks: what is put in, and what is held."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.runtime import read_only, shown


def numbers(place: str, found: Any, axes: int) -> Float[ndarray, "..."]:
    """Return a value as an array of finite numbers with this number of axes.

    Raises:
        TaskError: it is not such an array.
    """
    try:
        numbers = np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        numbers = np.full((), np.nan)
    if numbers.ndim != axes or not np.isfinite(numbers).all() or isinstance(found, str):
        wanted = "a finite number" if axes == 0 else f"finite numbers along {axes} {'axis' if axes == 1 else 'axes'}"
        raise TaskError(f"{place} should be {wanted} (got {shown(found)}).")
    return numbers


@dataclass(frozen=True)
class Drive:
    """An input current to every observed unit: a spatial pattern that follows one time course.

    Attributes:
        pattern: current per trial and unit, in the unit of the observed rates.
        course: factor at every step of the task's fine grid; dimensionless.
        name: of the drive, for messages.
        into: input of a spiking model that it goes to, if not ``drive``; the pattern is in that input's unit and over the neurons that call it.
    """

    pattern: Float[ndarray, "trial unit"]
    course: Float[ndarray, " step"]
    name: str = "drive"
    into: str = ""

    def __post_init__(self) -> None:
        for name, axes in (("pattern", 2), ("course", 1)):
            object.__setattr__(self, name, numbers(f"drive {self.name!r}: {name}", getattr(self, name), axes))
        fix(self, "pattern", "course")


@dataclass(frozen=True)
class Clamp:
    """Units held at one rate for a while, for example at zero firing.

    Attributes:
        units: positions of the observed units.
        rate: at which they are held, in the unit of the observed rates.
        course: True at every step of the task's fine grid at which they are held.
        name: of the clamp, for messages.
    """

    units: Int[ndarray, " clamped"]
    rate: float
    course: Bool[ndarray, " step"]
    name: str = "silencing"

    def __post_init__(self) -> None:
        units = numbers(f"clamp {self.name!r}: units", self.units, 1)
        if units.size and (units != np.round(units)).any():
            raise TaskError(f"clamp {self.name!r}: units should be positions (got {self.units!r}).")
        numbers(f"clamp {self.name!r}: rate", self.rate, 0)
        object.__setattr__(self, "units", units.astype(int))
        object.__setattr__(self, "course", numbers(f"clamp {self.name!r}: course", self.course, 1).astype(bool))
        fix(self, "units", "course")


def fix(part: Any, *names: str) -> None:
    """Replace the named arrays of a part of a task by read-only ones of its own."""
    for name in names:
        value = getattr(part, name)
        if isinstance(value, xr.DataArray):
            fixed = read_only(value.values)
            object.__setattr__(part, name, value if fixed is value.values else value.copy(data=fixed))
        elif value is not None:
            object.__setattr__(part, name, read_only(value))
