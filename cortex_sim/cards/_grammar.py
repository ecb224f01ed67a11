"""The one grammar for all text of a card that becomes code: arithmetic, comparisons, and calls of named functions; nothing else.

Text is parsed into a tree of allowed nodes and written out again from that tree. Brian2, NumPy and torch are given only the rewritten text,
so that nothing outside the grammar can reach them: no string, attribute, subscript, keyword, comprehension or second statement.
"""

import ast
import builtins
import keyword
import math
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from cortex_sim.cards._units import written_unit
from cortex_sim.errors import CardError, suggestion

LONGEST, DEEPEST, LINES = 4000, 60, 500  # characters of a line, nested expressions, lines of one text
LARGEST = 1e300  # of a number, or of what numbers alone come to
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
EQUATION = re.compile(
    rf"(?P<left>d(?P<state>{NAME.pattern})/dt|(?P<name>{NAME.pattern}))\s*(?:=\s*(?P<right>.+?))?\s*:\s*(?P<unit>[^()#]+?)\s*(?:\((?P<flags>[^)]*)\))?"
)
ARITHMETIC = (
    ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Name, ast.Constant, ast.Load, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub,
    ast.UAdd, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip
LOGIC = (*ARITHMETIC, ast.BoolOp, ast.And, ast.Or, ast.Not, ast.Mod, ast.FloorDiv)
FLAGS = ("constant", "constant over dt", "shared", "unless refractory", "summed", "event-driven", "clock-driven")
"""All flags allowed in parentheses at the end of a line; rate equations allow the first three."""
KINDS = ("boolean", "integer")
"""Types allowed in place of a unit in spiking cards."""
SIGNS = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/="}
BUILTINS = frozenset(dir(builtins))


class Line(NamedTuple):
    """One line of equation text: the name it defines, its expression if any, its unit and its flags in parentheses."""

    name: str
    derivative: bool
    right: ast.expr | None
    unit: str
    flags: tuple[str, ...]
    text: str

    @property
    def written(self) -> str:
        """Return the line, written out from its tree."""
        left = f"d{self.name}/dt" if self.derivative else self.name
        right = "" if self.right is None else f" = {ast.unparse(self.right)}"
        return f"{left}{right} : {self.unit}" + (f" ({', '.join(self.flags)})" if self.flags else "")


class Statement(NamedTuple):
    """An assignment: the name, the operator and the expression."""

    name: str
    sign: str
    right: ast.expr

    @property
    def written(self) -> str:
        """Return the statement, written out from its tree."""
        return f"{self.name} {self.sign} {ast.unparse(self.right)}"


def check_name(name: str, place: str, *, label: bool = False) -> None:
    """Check that the text of a card can use a name.

    Args:
        name: of anything in a card.
        place: for the message.
        label: true if the name is never written into code, such as that of a population; names of Python's functions are then allowed.

    Raises:
        CardError: it is not made of letters, digits and '_', or is a keyword or function of Python.
    """
    if not NAME.fullmatch(name):
        raise CardError(f"{place} {name!r}, which no equation can use; a name is made of letters, digits and '_', and begins with no digit.")
    if keyword.iskeyword(name) or (name in BUILTINS and not label):
        raise CardError(f"{place} {name!r}, which is a word of Python's; choose another name, such as '{name}_0'.")


def read_lines(text: str, place: str, flags: tuple[str, ...], *, logic: bool = False, kinds: tuple[str, ...] = ()) -> list[Line]:
    """Return the lines of equation text, one equation each.

    Args:
        text: as the card has it.
        place: for the message.
        flags: those allowed in parentheses at the end of a line.
        logic: whether expressions may contain ``and``, ``or`` and ``not``.
        kinds: types allowed in place of a unit.

    Raises:
        CardError: a line is not an equation, its unit is unknown, or it contains something outside the grammar.
    """
    return [_line(line, place, (flags, kinds), logic) for line in _stripped(text, place)]


def read_statements(text: str, place: str) -> list[Statement]:
    """Return the assignments of a text, one per line.

    Raises:
        CardError: a line is not an assignment to one name, or contains something outside the grammar.
    """
    return [_statement(line, place) for line in _stripped(text, place)]


def read_expression(text: str, place: str, *, logic: bool = False) -> ast.expr:
    """Return the checked tree of one expression.

    Args:
        text: as the card has it.
        place: for the message.
        logic: whether it may contain ``and``, ``or`` and ``not``.

    Raises:
        CardError: it contains something outside the grammar.
    """
    lines = list(_stripped(text, place))
    if len(lines) != 1:
        raise CardError(f"{place} {_short(text)} has {len(lines)} lines; it should be one expression.")
    return _expression(lines[0], place, logic)


def _stripped(text: str, place: str) -> Iterator[str]:
    """Yield the lines without comments and blanks; only line feeds end a line."""
    if wrong := next((c for c in text if ord(c) < 32 and c not in "\n\t"), None):
        raise CardError(f"{place} holds the control character {wrong!r}; text should hold letters, signs, blanks and line feeds.")
    lines = text.split("\n")
    if len(lines) > LINES:
        raise CardError(f"{place} has {len(lines)} lines; at most {LINES} are read.")
    for line in lines:
        code = line.split("#")[0].strip(" \t")
        if len(code) > LONGEST:
            raise CardError(f"{place} has a line of {len(code)} characters; at most {LONGEST} are read.")
        if strange := next((c for c in code if not 32 <= ord(c) < 127 and c != "\t"), None):
            raise CardError(f"{place} {_short(code)} holds {strange!r}; outside comments text should be plain ASCII.")
        if code:
            yield code


def _line(line: str, place: str, words: tuple[tuple[str, ...], tuple[str, ...]], logic: bool) -> Line:
    flags, kinds = words
    found = EQUATION.fullmatch(line)
    if not found:
        raise CardError(f"{place} cannot read {_short(line)}; write 'dx/dt = ... : unit', 'r = ... : unit' or 'b : unit (constant)'.")
    stated = tuple(flag.strip() for flag in (found["flags"] or "").split(",") if flag.strip())
    if unknown := [flag for flag in stated if flag not in flags]:
        raise CardError(f"{place} in {_short(line)} {unknown[0]!r} is unknown. {suggestion(unknown[0], flags)}")
    try:
        unit = found["unit"] if found["unit"] in kinds else written_unit(found["unit"])
    except CardError as problem:
        raise CardError(f"{place} in {_short(line)} {problem}") from None
    if found["state"] and not found["right"]:
        raise CardError(f"{place} {_short(line)} has no right-hand side.")
    right = _expression(found["right"], place, logic, line) if found["right"] else None
    return Line(found["state"] or found["name"], bool(found["state"]), right, unit, stated, line)


def _statement(line: str, place: str) -> Statement:
    tree = _tree(line, place, "exec")
    body = tree.body if isinstance(tree, ast.Module) else []
    match body:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)]:
            sign = "="
        case [ast.AugAssign(target=ast.Name(id=name), op=operation, value=value)] if type(operation) in SIGNS:
            sign = SIGNS[type(operation)]
        case _:
            raise CardError(f"{place} {_short(line)} is no assignment; write one a line, such as 'v = v_r' or 'v += w'.")
    check_name(name, f"{place} assigns to")
    return Statement(name, sign, _checked(value, place, LOGIC, line))


def _expression(text: str, place: str, logic: bool, line: str = "") -> ast.expr:
    tree = _tree(text, place, "eval", line)
    assert isinstance(tree, ast.Expression)
    return _checked(tree.body, place, LOGIC if logic else ARITHMETIC, line or text)


def _tree(text: str, place: str, mode: str, line: str = "") -> ast.AST:
    shown = f"{place} {_short(line or text)}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)
            return ast.parse(text, mode=mode)
    except SyntaxError as problem:
        raise CardError(f"{shown} does not parse: {problem.msg}.") from None
    except (ValueError, RecursionError, MemoryError, OverflowError):
        raise CardError(f"{shown} does not parse: it is nested too deeply, or holds a number that is too long.") from None


def _checked(tree: ast.expr, place: str, allowed: tuple[type[ast.AST], ...], line: str) -> ast.expr:
    """Return the tree if it is not too deep and all its nodes, names and numbers are allowed."""
    where, waiting = f"{place} {_short(line)}", [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            raise CardError(f"{where} is nested more than {DEEPEST} deep; give parts of it names of their own.")
        if isinstance(node, ast.Call) and (not isinstance(node.func, ast.Name) or node.keywords):
            called = _short(ast.unparse(node.func))
            raise CardError(f"{where} calls {called}; call a function, a projection or an input by its name, without keywords.")
        if isinstance(node, ast.Constant):
            _check_number(node.value, where, logic=allowed is LOGIC)
        elif not isinstance(node, allowed):
            raise CardError(f"{where} uses {type(node).__name__}, which is not in the grammar of cards; write arithmetic and calls.")
        if isinstance(node, ast.Name) and (not NAME.fullmatch(node.id) or node.id.startswith("__")):
            raise CardError(f"{where} holds the name {node.id!r}; a name is made of letters, digits and '_', not two of these at its start.")
        waiting += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    _check_powers(tree, where)
    return tree


def _check_number(value: object, where: str, *, logic: bool) -> None:
    if type(value) is bool and logic:
        return
    if type(value) not in (int, float):
        raise CardError(f"{where} holds {_short(value)}; it should hold numbers.")
    assert isinstance(value, int | float)
    if not abs(value) <= LARGEST:
        raise CardError(f"{where} holds a number that is too large; numbers go up to {LARGEST:g}.")


def _check_powers(tree: ast.expr, where: str) -> None:
    """Check that constant expressions are not too large: sympy would compute them to the last digit."""

    def value(node: ast.AST) -> float | None:
        match node:
            case ast.Constant(value=number):
                return float(number)  # type: ignore[arg-type]
            case ast.UnaryOp(operand=inner):
                return value(inner)
            case ast.BinOp(left=left, op=operation, right=right):
                one, other = value(left), value(right)
                if one is None or other is None:
                    return None
                return _worked_out(one, operation, other, where)
        for child in ast.iter_child_nodes(node):
            value(child)
        return None

    value(tree)


def _worked_out(one: float, operation: ast.operator, other: float, where: str) -> float:
    try:
        match operation:
            case ast.Pow():
                found = abs(one) ** abs(other)
            case ast.Mult():
                found = one * other
            case ast.Add() | ast.Sub():
                found = abs(one) + abs(other)
            case _:
                found = one / other if other else 1.0
    except OverflowError:
        found = math.inf
    if not abs(found) <= LARGEST:
        raise CardError(f"{where} holds numbers that come to more than {LARGEST:g}.")
    return found


def _short(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 120 else f"{shown[:110]}…'"
