"""Arrays given to a model in place of a card's own, converted to SI: with units, or as bare numbers that are checked for plausibility."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards._fields import Parameter, Projection
from cortex_sim.cards._units import dimensions, scale
from cortex_sim.errors import CardError
from cortex_sim.runtime import hidden, shown

USUAL = ("ms", "mV")  # in which times and potentials are thought of
FAR, NEAR = 100.0, 10.0  # factors from the card's value: a number is in another unit where it is far in SI, and near in the card's unit


def in_si(name: str, array: Any, part: Parameter | Projection) -> Float[ndarray, "..."]:
    """Return an array of weights or parameters in SI.

    Quantities (of Brian2, with units) are converted. Bare numbers are taken to be in SI; they are refused if far from the card's own value but
    near it when read in the card's unit.

    Args:
        name: of the projection or parameter.
        array: numbers, with or without units.
        part: the projection or parameter in the card.

    Raises:
        CardError: the units have other dimensions, the array is not finite numbers, or its numbers are probably in the card's unit.
    """
    if hidden(array).any():
        raise CardError(f"weights {name!r} have masked entries; what is missing is no number. Fill them in.")
    try:
        if np.asarray(array).dtype.kind in "cUSV":
            raise TypeError
        numbers = np.array(array, dtype=float)
    except (TypeError, ValueError):
        raise CardError(f"weights {name!r} should be an array of numbers (got {shown(array)}).") from None
    if not np.isfinite(numbers).all():
        raise CardError(f"weights {name!r} are not finite, first at {tuple(map(int, np.argwhere(~np.isfinite(numbers))[0]))}.")
    given = getattr(getattr(array, "dim", None), "_dims", None)  # exponents of metre, kilogram, second, ampere and others
    if given is not None:
        if not np.allclose([float(power) for power in given], [*map(float, dimensions(part.unit)), *[0.0] * (len(given) - 4)]):
            raise CardError(f"weights {name!r} are in {array.dim}; the card is in {part.unit}.")
        return numbers
    typical, unit = float(np.median(np.abs(numbers))) if numbers.size else 0.0, part.unit
    factor = scale(unit)
    if factor == 1:  # a card read from a script is in SI; the numbers in a reader's head are in ms and mV
        unit = next((word for word in USUAL if dimensions(word) == dimensions(unit)), unit)
        factor = scale(unit)
    own = float(np.median(np.abs(part.si))) if isinstance(part, Parameter) else 0.0
    written = (
        f"the card is in {unit} and says {own / factor:g}" if unit == part.unit else f"the card says {own:g} {part.unit}, {own / factor:g} {unit}"
    )
    if min(typical, own) > 0 and not 1 / FAR < typical / own < FAR and 1 / NEAR <= typical * factor / own <= NEAR:
        found = f"{name} = {typical:g} in SI, {typical / factor:g} {unit}; {written}"
        raise CardError(f"{found}. Bare numbers are in SI: multiply by {factor:g}, or give a quantity.")
    return numbers
