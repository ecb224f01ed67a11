"""Dimensions of equation text: each line has those of its unit, as Brian2 demands, so that networks that only torch runs are held to it too."""

import ast
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

from cortex_sim.cards._equations import CONSTANTS, Equations
from cortex_sim.cards._units import Dimensions, dimensions, exponent
from cortex_sim.errors import CardError

NONE: Dimensions = (Fraction(0),) * 4
KEPT = ("abs", "clip")  # functions that return what has the dimensions of their arguments
SIEGERT = ("volt", "volt", "second", "second", "volt", "volt")


def check_dimensions(
    text: Equations, units: Mapping[str, str], carried: Mapping[str, str], heard: Mapping[str, str], scalars: Mapping[str, float]
) -> None:
    """Check that both sides of every line have the same dimensions, and so have the terms of every sum.

    Args:
        text: the equations.
        units: of the parameters that the text names and does not declare.
        carried: unit of the weights of each projection.
        heard: unit of each input.
        scalars: values of parameters that are one number, which may stand as exponents.

    Raises:
        CardError: they have not; the message names the line, what it comes to, and the units of the parameters in it.
    """
    known = {name: dimensions(unit) for name, unit in units.items()} | {name: dimensions(line.unit) for name, line in text.equations.items()}
    known |= dict.fromkeys((*CONSTANTS, "i"), NONE) | dict.fromkeys(("t", "dt"), dimensions("second"))
    weights, inputs = ({name: dimensions(unit) for name, unit in table.items()} for table in (carried, heard))
    walk = _Walk(known, weights, inputs, scalars)
    for name, line in text.equations.items():
        if line.kind == "parameter":
            continue
        left, wanted = (f"d{name}/dt", _times(known[name], dimensions("second"), -1)) if line.kind == "derivative" else (name, known[name])
        given = ", ".join(f"{part} in {units[part]}" for part in sorted(line.names & units.keys()) if units[part] != "1")
        try:
            found = walk.of(text.tree(name))
            if found not in (None, wanted):
                raise CardError(f"it comes to {said_dimensions(found)}, and {left} is in {said_dimensions(wanted)}")
        except CardError as problem:
            raise CardError(f"equations: {left} = {line.expression!r}: {problem}{f'; with {given}' if given else ''}.") from None


class _Walk:
    """The dimensions of a tree; None for a literal 0, which has any."""

    def __init__(
        self, known: Mapping[str, Dimensions], carried: Mapping[str, Dimensions], heard: Mapping[str, Dimensions], scalars: Mapping[str, float]
    ) -> None:
        self.known, self.carried, self.heard, self.scalars = known, carried, heard, scalars

    def of(self, node: ast.expr) -> Dimensions | None:
        found: Dimensions | None = NONE
        match node:
            case ast.Constant():
                found = NONE if node.value else None
            case ast.Name(id=name):
                found = self.known[name] if name in self.known else dimensions(name)
            case ast.UnaryOp():
                found = self.of(node.operand)
            case ast.BinOp():
                found = self._operation(node)
            case ast.Compare():
                self._alike(node.left, *node.comparators)
            case ast.BoolOp():
                for part in node.values:
                    self.of(part)
            case ast.Call(func=ast.Name(id=name)):
                found = self._called(name, node.args)
        return found

    def _operation(self, node: ast.BinOp) -> Dimensions | None:
        if isinstance(node.op, ast.Pow):
            return self._raised(node.left, node.right)
        if isinstance(node.op, ast.Mult | ast.Div | ast.FloorDiv):
            return _times(self.of(node.left) or NONE, self.of(node.right) or NONE, 1 if isinstance(node.op, ast.Mult) else -1)
        return self._alike(node.left, node.right)

    def _alike(self, *nodes: ast.expr) -> Dimensions | None:
        """Return the dimensions that all have."""
        found = [(node, had) for node in nodes if (had := self.of(node)) is not None]
        for (one, first), (other, second) in pairwise(found):
            if first != second:
                raise CardError(f"{ast.unparse(one)!r} is in {said_dimensions(first)}, {ast.unparse(other)!r} in {said_dimensions(second)}")
        return found[0][1] if found else None

    def _raised(self, base: ast.expr, above: ast.expr) -> Dimensions | None:
        self._plain(above)
        if (had := self.of(base)) in (None, NONE):
            return had
        by = self.scalars.get(above.id) if isinstance(above, ast.Name) else exponent(above)
        if by is None:
            raise CardError(f"{ast.unparse(base)!r} is in {said_dimensions(had)}, and is raised to what is no number")
        return _times(NONE, had, Fraction(by).limit_denominator(1000))

    def _called(self, name: str, arguments: list[ast.expr]) -> Dimensions | None:
        if name in self.heard:
            return self.heard[name]
        if name in self.carried:
            return _times(self.of(arguments[0]) or NONE, self.carried[name], 1)
        if name in KEPT:
            return self._alike(*arguments)
        if name == "sqrt":
            return _times(NONE, self.of(arguments[0]) or NONE, Fraction(1, 2))
        for argument, unit in zip(arguments, SIEGERT if name == "siegert" else ["1"] * len(arguments), strict=False):
            self._plain(argument, unit)
        return dimensions("hertz") if name == "siegert" else NONE

    def _plain(self, node: ast.expr, unit: str = "1") -> None:
        if (had := self.of(node)) not in (None, dimensions(unit)):
            raise CardError(f"{ast.unparse(node)!r} is in {said_dimensions(had)}, and should have {'no unit' if unit == '1' else f'{unit!r}'}")


def _times(one: Dimensions, other: Dimensions, by: Fraction | int) -> Dimensions:
    metre, kilogram, second, ampere = (a + by * b for a, b in zip(one, other, strict=True))
    return metre, kilogram, second, ampere


def said_dimensions(found: Dimensions | None) -> str:
    """Return dimensions as a unit, by the name of one that a card may write if there is one."""
    if found in (None, NONE):
        return "no unit"
    simple = next((name for name in ("hertz", "second", "volt", "amp", "siemens", "farad", "ohm") if dimensions(name) == found), None)
    volts = found[1]  # the only base unit with a mass that an electrophysiologist reads
    metre, _, second, ampere = _times(found, dimensions("volt"), -volts)
    powers = {"volt": volts, "metre": metre, "second": second, "amp": ampere}
    return simple or "*".join(base if by == 1 else f"{base}**{float(by):g}" for base, by in powers.items() if by)
