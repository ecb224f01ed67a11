"""typeset(tree, marks): checked expressions set as mathematics; one walk over the tree, in the marks of MathML or of LaTeX."""

import ast
from collections.abc import Callable, Mapping
from typing import NamedTuple

LOWEST = -3
STRENGTH: dict[type[ast.AST], int] = {
    ast.Or: -3, ast.And: -2, ast.Not: -1, ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Mod: 2, ast.Div: 4, ast.FloorDiv: 4, ast.Pow: 5,
}  # fmt: skip
"""How tightly an operator binds; comparisons have 0."""


class Marks(NamedTuple):
    """How each part of an expression is written.

    Attributes:
        name: of a variable or function.
        number: as it stands in the card.
        sign: of an operator between or before its operands.
        bracketed: an expression in brackets.
        grouped: an expression that needs none.
        fraction: of numerator and denominator.
        power: of base and exponent.
        called: of a function's name and its arguments.
        floor: of what is rounded down.
    """

    name: Callable[[str], str]
    number: Callable[[float], str]
    sign: Mapping[type[ast.AST], str]
    bracketed: Callable[[str], str]
    grouped: Callable[[str], str]
    fraction: Callable[[str, str], str]
    power: Callable[[str, str], str]
    called: Callable[[str, list[str]], str]
    floor: Callable[[str], str]


def typeset(node: ast.expr, marks: Marks, outer: int = LOWEST) -> str:  # noqa: PLR0911 - one return for each kind of node
    """Return a checked expression in the marks of a language, in brackets where the expression around it binds more tightly.

    Args:
        node: tree that :mod:`._grammar` has checked.
        marks: of the language.
        outer: how tightly the expression around it binds.
    """
    match node:
        case ast.Name(id=name):
            return marks.name(name)
        case ast.Constant(value=value):
            return marks.number(value)  # type: ignore[arg-type]
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return marks.called(name, [typeset(argument, marks) for argument in arguments])
        case ast.BinOp(left=left, op=ast.Div() | ast.FloorDiv() as sign, right=right):
            whole = marks.fraction(typeset(left, marks), typeset(right, marks))
            return marks.floor(whole) if isinstance(sign, ast.FloorDiv) else whole
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return marks.power(typeset(left, marks, 6), typeset(right, marks))
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return typeset(inner, marks, outer)
    whole, strength = _joined(node, marks)
    return marks.bracketed(whole) if strength < outer else marks.grouped(whole)


def _joined(node: ast.expr, marks: Marks) -> tuple[str, int]:
    """Return an expression of operands and signs, and how tightly it binds."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return f"{marks.sign[ast.USub]}{typeset(inner, marks, 2)}", 1
        case ast.UnaryOp(op=sign, operand=inner):
            return f"{marks.sign[type(sign)]}{typeset(inner, marks, STRENGTH[type(sign)])}", STRENGTH[type(sign)]
        case ast.BinOp(left=left, op=sign, right=right):
            strength = STRENGTH[type(sign)]
            tighter = strength + isinstance(sign, ast.Sub | ast.Mod)
            return f"{typeset(left, marks, strength)}{marks.sign[type(sign)]}{typeset(right, marks, tighter)}", strength
        case ast.BoolOp(op=sign, values=values):
            strength = STRENGTH[type(sign)]
            return marks.sign[type(sign)].join(typeset(value, marks, strength) for value in values), strength
        case ast.Compare(left=left, ops=signs, comparators=rights):
            parts = (f"{marks.sign[type(sign)]}{typeset(right, marks, 1)}" for sign, right in zip(signs, rights, strict=True))
            return typeset(left, marks, 1) + "".join(parts), 0
    raise AssertionError(f"the grammar allows no {type(node).__name__}")
