"""Numbers of a spiking card: tables over populations, and values that differ between neurons."""

from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import BeforeValidator, Field

from cortex_sim.cards._checked import Checked, no_text
from cortex_sim.cards._units import scale
from cortex_sim.errors import CardError

Number = Annotated[float, BeforeValidator(no_text), Field(allow_inf_nan=False)]


class Quantity(Checked):
    """A unit, the meaning of the number and its place in the paper."""

    unit: str = "1"
    meaning: str = ""
    source: str = ""


class Table(Quantity):
    """A scalar, one number per source population, or one per target (row) and source (column).

    Attributes:
        value: the numbers, in ``unit``.
        sd: standard deviation of drawn values, relative to the number; 0 means no draw.
    """

    value: Number | list[Number] | list[list[Number]]
    sd: Annotated[float, Field(ge=0)] = 0.0

    @property
    def si(self) -> float:
        """Return the scalar in SI units.

        Raises:
            CardError: there are several numbers.
        """
        if not isinstance(self.value, float):
            raise CardError(f"value {self.value!r} should be one number.")
        return self.value * scale(self.unit)

    def spread(self, shape: tuple[int, int], place: str) -> Float[ndarray, "target source"]:
        """Return the table for given numbers of targets and sources, in SI units.

        Raises:
            CardError: it has another shape, or its unit is unknown.
        """
        try:
            factor, values = scale(self.unit), np.array(self.value, dtype=float)
            return np.broadcast_to(values, shape) * factor
        except CardError as problem:
            raise CardError(f"[{place}] {problem}") from None
        except ValueError:
            wanted = f"one number, {shape[1]} (a source each) or {shape[0]} rows of them"
            raise CardError(f"[{place}] is {_shape(self.value)}; it should be {wanted}.") from None


class Distribution(Quantity):
    """A number that is the same for all neurons of a population, or distributed over them.

    Attributes:
        value: centre of the distribution.
        shape: ``same`` for all; ``uniform`` within value ± width; ``normal`` with standard deviation width; ``lorentzian`` of half-width
            at half-maximum width.
        width: in ``unit``.
        evenly: take evenly spaced quantiles, in order, instead of drawing; the j-th of N is at (2j - 1)/(2N), or for a Lorentzian at
            j/(N + 1), as Montbrió, Pazó & Roxin (2015) space them.
    """

    value: Number
    shape: Literal["same", "uniform", "normal", "lorentzian"] = "same"
    width: Annotated[float, Field(ge=0)] = 0.0
    evenly: bool = False

    @property
    def si(self) -> float:
        """Return the centre in SI units."""
        return self.value * scale(self.unit)

    def draw(self, size: int, rng: np.random.Generator) -> Float[ndarray, " neuron"]:
        """Return each neuron's value in SI units."""
        centre, width = self.si, self.width * scale(self.unit)
        if self.shape == "same":
            return np.full(size, centre)
        from scipy.special import ndtri

        grid = np.arange(1, size + 1) / (size + 1) if self.shape == "lorentzian" else (np.arange(size) + 0.5) / size
        quantile = grid if self.evenly else rng.uniform(size=size)
        match self.shape:
            case "uniform":
                return centre + width * (2 * quantile - 1)
            case "normal":
                return centre + width * ndtri(quantile)
        return centre + width * np.tan(np.pi * (quantile - 0.5))


def _shape(value: Any) -> str:
    if not isinstance(value, list):
        return "one number"
    lengths = sorted({len(row) for row in value if isinstance(row, list)})
    if not lengths:
        return f"a row of {len(value)}"
    return f"{len(value)} rows of {' or '.join(map(str, lengths))}"
