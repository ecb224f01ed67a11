"""Physical units by the names Brian2 gives them, so that a card can be read without importing a simulator."""

import ast

from cortex_sim.errors import CardError, suggestion

_PREFIXES = {"": 1.0, "G": 1e9, "M": 1e6, "k": 1e3, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
_SYMBOLS = ("V", "A", "s", "S", "F", "ohm", "Hz", "N", "W", "m")
_NAMES = {
    "volt": 1.0, "amp": 1.0, "second": 1.0, "siemens": 1.0, "farad": 1.0, "hertz": 1.0, "newton": 1.0,
    "metre": 1.0, "meter": 1.0, "cm": 1e-2, "kg": 1.0, "gram": 1e-3, "radian": 1.0, "Hz": 1.0, "ohm": 1.0,
}  # fmt: skip

SCALES: dict[str, float] = {
    prefix + symbol: factor for symbol in _SYMBOLS for prefix, factor in _PREFIXES.items() if prefix
} | _NAMES
"""Factor to SI of every unit a card may name; single letters are left out, as in Brian2, because they name variables."""


def scale(unit: str) -> float:
    """Give the factor that turns a number in this unit into SI.

    Args:
        unit: a unit name, ``"1"``, or a product, quotient or power of them such as ``"mV*ms"``.

    Raises:
        CardError: the unit is unknown; a close name is suggested.
    """
    try:
        tree = ast.parse(unit, mode="eval")
    except SyntaxError:
        raise CardError(f"unit {unit!r} is unknown. {suggestion(unit, SCALES)}") from None
    return _evaluate(tree.body, unit)


def _evaluate(node: ast.expr, unit: str) -> float:
    match node:
        case ast.Constant(value=1):
            return 1.0
        case ast.Name(id=name) if name in SCALES:
            return SCALES[name]
        case ast.Name(id=name):
            raise CardError(f"unit {name!r} is unknown. {suggestion(name, SCALES)}")
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _evaluate(left, unit) * _evaluate(right, unit)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _evaluate(left, unit) / _evaluate(right, unit)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power) | float(power))):
            return _evaluate(left, unit) ** power
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(power) | float(power)))):
            return _evaluate(left, unit) ** -power
    raise CardError(f"unit {unit!r} is no product of units; write for example 'mV', 'mV*ms' or 'ms**-1'.")
