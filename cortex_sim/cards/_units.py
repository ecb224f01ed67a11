"""Physical units by the names Brian2 gives them, so that a card can be read without importing a simulator."""

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeVar

from cortex_sim.errors import CardError, suggestion

T = TypeVar("T")
LONGEST = 200  # characters of a unit
NEGATIVE = re.compile(r" \*\* \((-[\d.]+)\)")  # a power as Python writes it
HIGHEST = 12  # power of a unit
SHORTEST, LONG = 1e-9, 3600.0  # s, of integration steps

_PREFIXES = {"G": 1e9, "M": 1e6, "k": 1e3, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
_WHOLE = ("volt", "amp", "second", "siemens", "farad", "hertz", "ohm", "newton", "watt", "metre", "meter", "gram")
_SYMBOLS = {
    "mV": 1e-3, "mA": 1e-3, "uA": 1e-6, "nA": 1e-9, "pA": 1e-12, "uF": 1e-6, "nF": 1e-9, "pF": 1e-12, "uS": 1e-6, "nS": 1e-9,
    "ms": 1e-3, "us": 1e-6, "Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "radian": 1.0,
}  # fmt: skip

SCALES: dict[str, float] = (
    _SYMBOLS
    | {name: 1e-3 if name == "gram" else 1.0 for name in _WHOLE}
    | {prefix + name: factor * (1e-3 if name == "gram" else 1.0) for name in _WHOLE for prefix, factor in _PREFIXES.items()}
)
"""Factor to SI of every unit a card may name: those that Brian2 equations accept, without squares and cubes."""

Dimensions = tuple[Fraction, Fraction, Fraction, Fraction]
"""Exponents of metre, kilogram, second and ampere."""
_BASES = {
    "volt": (2, 1, -3, -1), "amp": (0, 0, 0, 1), "second": (0, 0, 1, 0), "siemens": (-2, -1, 3, 2), "farad": (-2, -1, 4, 2), "hertz": (0, 0, -1, 0),
    "ohm": (2, 1, -3, -2), "newton": (1, 1, -2, 0), "watt": (2, 1, -3, 0), "metre": (1, 0, 0, 0), "meter": (1, 0, 0, 0), "gram": (0, 1, 0, 0),
}  # fmt: skip
_WRITTEN = {"V": "volt", "A": "amp", "F": "farad", "S": "siemens", "s": "second", "Hz": "hertz", "m": "metre"}


def _meant(unit: str) -> str:
    """Return a sentence on the unit that was probably meant: Brian2 writes whole units out."""
    return f"Write {_WRITTEN[unit]!r}." if unit in _WRITTEN else suggestion(unit, SCALES)


def dimensions(unit: str) -> Dimensions:
    """Return the dimensions of a unit that :func:`scale` knows."""
    return _known_dimensions(unit)


def check_unit(unit: str, like: str | None = None) -> None:
    """Check that a unit is known and, unless ``like`` is None, that it has the dimensions of another.

    Raises:
        CardError: it is unknown, with a suggestion, or has other dimensions.
    """
    scale(unit)
    if like is not None and dimensions(unit) != dimensions(like):
        wanted = "no unit" if like == "1" else f"{like!r}, or a unit of the same dimensions"
        raise CardError(f"unit {unit!r} does not fit what the number stands for; it should have {wanted}.")


def check_step(value: object, dt: float) -> None:
    """Check an integration step in s, which is given as ``value`` in its own unit.

    Raises:
        CardError: it is not positive, or no step of a circuit.
    """
    if not dt > 0:
        raise CardError(f"[dt] value {value!r} should be positive.")
    if not SHORTEST <= dt <= LONG:
        raise CardError(f"[dt] is {dt:g} s; a step should lie between {SHORTEST:g} and {LONG:g} s.")


def written_unit(unit: str) -> str:
    """Return a unit, written out from its checked tree.

    Raises:
        CardError: the unit is unknown; a close name is suggested.
    """
    scale(unit)
    return NEGATIVE.sub(r"**\1", ast.unparse(_tree(unit))).replace(" ", "")


def _tree(unit: str) -> ast.expr:
    try:
        if len(unit) > LONGEST or not unit.isascii() or not unit.isprintable():
            raise ValueError(unit)
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)
            return ast.parse(unit.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CardError(f"unit {unit[:LONGEST]!r} is unknown. {_meant(unit[:LONGEST])}") from None


def _dimensions(node: ast.expr) -> Dimensions:
    match node:
        case ast.Name(id="radian") | ast.Constant():
            return (Fraction(0),) * 4
        case ast.Name(id=name):
            whole = next((word for word in _WHOLE if name.endswith(word)), None) or next(w for end, w in _WRITTEN.items() if name.endswith(end))
            metre, kilogram, second, ampere = map(Fraction, _BASES[whole])
            return metre, kilogram, second, ampere
        case ast.BinOp(left=left, op=ast.Pow(), right=power):
            by = Fraction(exponent(power) or 0).limit_denominator(1000)
            return _combined(_dimensions(left), (Fraction(0),) * 4, lambda a, b: a * by)
        case ast.BinOp(left=left, op=operation, right=right):
            sign = 1 if isinstance(operation, ast.Mult) else -1
            return _combined(_dimensions(left), _dimensions(right), lambda a, b: a + sign * b)
    raise CardError(f"unit {ast.unparse(node)!r} is no product of units; write for example 'mV', 'mV*ms' or 'ms**-1'.")


def _combined(one: Dimensions, other: Dimensions, how: Callable[[Fraction, Fraction], Fraction]) -> Dimensions:
    metre, kilogram, second, ampere = (how(a, b) for a, b in zip(one, other, strict=True))
    return metre, kilogram, second, ampere


def scale(unit: str) -> float:
    """Return the factor that converts a number in this unit to SI.

    Args:
        unit: a unit name, ``"1"``, or a product, quotient or power of them such as ``"mV*ms"``.

    Raises:
        CardError: the unit is unknown; a close name is suggested.
    """
    return _known_scale(unit)


@lru_cache(maxsize=1024)
def _known_scale(unit: str) -> float:
    return combined(unit, SCALES, 1.0)


@lru_cache(maxsize=1024)
def _known_dimensions(unit: str) -> Dimensions:
    return _dimensions(_tree(unit))


def combined(unit: str, values: Mapping[str, T], one: T) -> T:
    """Evaluate a unit expression: products, quotients and powers of the values of its names.

    Args:
        unit: as for :func:`scale`.
        values: of every name that a unit may contain.
        one: value of 1.

    Raises:
        CardError: as :func:`scale`.
    """

    def worked_out(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=1) if type(node.value) is int:
                return one
            case ast.Name(id=name) if name in SCALES:
                return values[name]
            case ast.Name(id=name):
                raise CardError(f"unit {name!r} is unknown. {_meant(name)}")
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return worked_out(left) * worked_out(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return worked_out(left) / worked_out(right)
            case ast.BinOp(left=left, op=ast.Pow(), right=power) if (by := exponent(power)) is not None:
                return worked_out(left) ** by
        raise CardError(f"unit {unit!r} is no product of units; write for example 'mV', 'mV*ms' or 'ms**-1'.")

    return worked_out(_tree(unit))


def exponent(node: ast.expr) -> int | float | None:
    """Return the exponent if it is one that physical units have, of either sign; otherwise None."""
    match node:
        case ast.Constant(value=int(power) | float(power)) if type(power) is not bool and power <= HIGHEST:
            return power
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(power) | float(power))) if type(power) is not bool and power <= HIGHEST:
            return -power
    return None
