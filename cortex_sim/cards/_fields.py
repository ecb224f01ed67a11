"""The parts of a card: its numbers with their units, its inputs, projections and readout."""

from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import BaseModel, Field, PlainValidator
from pydantic_core import PydanticCustomError

from cortex_sim.cards._checked import Checked, Count
from cortex_sim.cards._units import scale

WORDS = {"name", "title", "paper", "notes", "meaning", "source"}  # fields that tell a reader something, and no backend
Axis = Literal["units", "observed", "channels", "history"]


def _numbers(value: Any) -> float | list[Any]:
    try:
        numbers = np.array(value)
    except ValueError:  # rows of different lengths
        numbers = np.array("")
    if numbers.dtype.kind not in "iuf" or numbers.ndim > 2 or not numbers.size or not np.isfinite(numbers).all():
        raise PydanticCustomError("numbers", "should be a finite number, or where there are many a list of them or a list of rows of one length")
    return numbers.astype(float).tolist()


Numbers = Annotated[float | list[Any], PlainValidator(_numbers)]


def content(part: Any) -> Any:
    """Return everything in a card that affects its behaviour, as lists and mappings for a key; order is kept, since random draws follow it.

    Args:
        part: of a card, or a value inside it; meanings and sources are omitted.
    """
    if isinstance(part, BaseModel):
        return {name: content(getattr(part, name)) for name in type(part).model_fields if name not in WORDS}
    if isinstance(part, dict):
        return [[name, content(item)] for name, item in part.items()]
    return [content(item) for item in part] if isinstance(part, (list, tuple)) else part


class Quantity(Checked):
    """Numbers of a card with their unit, their meaning and their place in the paper."""

    value: Numbers
    unit: str
    meaning: str = ""
    source: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the card's value: () for one number."""
        return np.shape(self.value)

    @property
    def si(self) -> Any:
        """Return the value in SI units; a list becomes an array."""
        value: Any = np.array(self.value) if self.shape else self.value
        return value * scale(self.unit)


class Parameter(Quantity):
    """A scalar, one number per unit, or a table; the unit may be omitted if it is dimensionless, the meaning may not."""

    unit: str = "1"
    meaning: str
    over: Axis | None = None
    learn: bool = False

    def spread(self, size: int) -> Float[ndarray, " unit"]:
        """Return one value for each unit, in SI: a scalar applies to all."""
        return np.array(np.broadcast_to(self.si, (size,)))


class Input(Checked):
    """A time-dependent term of the equations, called as ``name(t, i)``.

    Without ``weights`` it is the task's drive of each unit, in ``unit``; with ``weights`` it is the task's channels through that
    projection; ``noise`` is white noise of intensity 1 in ``unit`` (``second**-0.5``, or ``ms**-0.5``, which is 31.6 times
    as strong); with ``weights`` there are as many independent sources as that projection has columns, and the projection mixes them.
    """

    unit: str
    meaning: str
    weights: str | None = None
    noise: bool = False

    @property
    def listens(self) -> bool:
        """Return whether it carries the task's channels."""
        return self.weights is not None and not self.noise


class Projection(Checked):
    """A weight matrix: the rule that builds it, the unit of its weights, its two axes, and its constraints during learning.

    Attributes:
        delay: time after which its input takes effect; before the start, its input was that of the first step.
        excitatory: Dale's law; this fraction of the columns is positive, the rest negative.
        keep_zeros: whether entries that the rule sets to 0 stay 0.
        self_connections: if false, the diagonal is 0.
        rank: if given, the matrix is a product of two factors of this rank.
    """

    rule: str
    unit: str = "1"
    rows: Axis = "units"
    columns: Axis = "units"
    arguments: dict[str, Parameter] = {}
    delay: Quantity | None = None
    excitatory: Annotated[float, Field(ge=0, le=1)] | None = None
    keep_zeros: bool = False
    self_connections: bool = True
    rank: Count | None = None
    learn: bool = False


class Readout(Checked):
    """The observed rates are ``weights @ rate + offset``, in Hz."""

    weights: str
    offset: str


class Encoder(Checked):
    """The initial state is ``weights @ observed + offset``."""

    weights: str
    offset: str
