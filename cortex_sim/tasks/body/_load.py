"""External loads on a body: forces at the hand, torques at the joints, and velocity-dependent fields."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import PlantError
from cortex_sim.runtime import read_only

LOAD_KINDS = ("force", "torque", "field")


@dataclass(frozen=True)
class Load:
    """Forces that follow one time course; those that are None are absent.

    Attributes:
        course: factor at every step of the task's fine grid.
        force: at the hand, N, (trial, 2).
        torque: at shoulder and elbow, N m, (trial, 2).
        field: force at the hand per velocity of the hand, N s/m, (trial, 2, 2); a curl field is ((0, b), (-b, 0)).
        name: of the load, for messages.

    Raises:
        PlantError: nothing is given, or an array has the wrong shape.
    """

    course: Float[ndarray, " step"]
    force: Float[ndarray, "trial 2"] | None = None
    torque: Float[ndarray, "trial 2"] | None = None
    field: Float[ndarray, "trial 2 2"] | None = None
    name: str = "load"

    def __post_init__(self) -> None:
        for kind in ("course", *LOAD_KINDS):
            if isinstance(array := getattr(self, kind), ndarray):  # in torch a load is made of tensors
                object.__setattr__(self, kind, read_only(array))
        given = {kind: array for kind in LOAD_KINDS if (array := getattr(self, kind)) is not None}
        if not given:
            raise PlantError(f"{self.name}: no force, torque or field is given; give one of them.")
        for kind, array in given.items():
            wanted = (2, 2) if kind == "field" else (2,)
            if array.shape != (self.trials, *wanted):
                raise PlantError(f"{self.name}: {kind} has shape {array.shape}; it should be (trial, {', '.join(map(str, wanted))}).")

    @property
    def trials(self) -> int:
        """Number of trials."""
        return next(len(array) for kind in LOAD_KINDS if (array := getattr(self, kind)) is not None)

    def each(self, change: Callable[[Any], Any]) -> Self:
        """Return the load with a function applied to each array that it has."""
        return replace(self, **{kind: change(array) for kind in LOAD_KINDS if (array := getattr(self, kind)) is not None})
