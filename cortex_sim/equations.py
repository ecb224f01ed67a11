"""Brian2's equation text, read without Brian2 and turned into plain functions of arrays.

The same text is run by Brian2 as written. Here it becomes Python functions that work on NumPy arrays and torch tensors alike,
which is what makes a torch twin of a circuit exact: there is one text and no translation by hand.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from types import CodeType
from typing import Any, Literal

from cortex_sim.errors import CardError, suggestion
from cortex_sim.units import SCALES, scale

MATHEMATICS = ("abs", "clip", "cos", "cosh", "exp", "expm1", "int", "log", "log1p", "sin", "sinh", "sqrt", "tanh")
"""The functions an equation may call; all of them mean in torch and NumPy what they mean in Brian2."""
GIVEN = ("t", "dt", "i")
"""The names every equation may use: time, step, and, as what an input is called with, the index of a neuron."""

_LINE = re.compile(r"(?P<left>d(?P<state>\w+)/dt|\w+)\s*(?:=\s*(?P<right>.+?))?\s*:\s*(?P<unit>[^()#]+?)\s*(?:\((?P<flags>[^)]*)\))?$")
_ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Name, ast.Constant, ast.Load, ast.Add, ast.Sub, ast.Mult,
    ast.Div, ast.Pow, ast.USub, ast.UAdd, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip


@dataclass(frozen=True)
class Equation:
    """One line: a derivative (unit is the state's own), a subexpression, or the declaration of a per-unit parameter."""

    name: str
    kind: Literal["derivative", "subexpression", "parameter"]
    expression: str
    unit: str
    flags: tuple[str, ...]
    code: CodeType | None
    names: frozenset[str]


class Equations:
    """Equation text, parsed, ordered by dependence and ready to be evaluated.

    Args:
        text: Brian2 equation text; one line an equation.

    Raises:
        CardError: a line is no equation, calls something unknown, or depends on itself.

    Attributes:
        state: name of the one state variable.
        names: every name the text uses but does not define.
    """

    def __init__(self, text: str) -> None:
        lines = [line.split("#")[0].strip() for line in text.splitlines()]
        self.equations: dict[str, Equation] = {}
        for equation in map(_parse, filter(None, lines)):
            if equation.name in self.equations:
                raise CardError(f"equations define {equation.name!r} twice; each name has one line.")
            self.equations[equation.name] = equation
        states = [e.name for e in self.equations.values() if e.kind == "derivative"]
        if len(states) != 1:
            raise CardError(f"equations define {len(states)} state variables ({', '.join(states)}); a rate card has exactly one.")
        self.state = states[0]
        self.parameters = tuple(e.name for e in self.equations.values() if e.kind == "parameter")
        self.names = frozenset().union(*(e.names for e in self.equations.values())) - set(self.equations)
        self._order = self._sorted()

    def _sorted(self) -> tuple[Equation, ...]:
        inner = {e.name: e.names & self.equations.keys() for e in self.equations.values() if e.kind == "subexpression"}
        try:
            order = list(TopologicalSorter(inner).static_order())
        except CycleError as cycle:
            raise CardError(f"equations depend on themselves: {' -> '.join(cycle.args[1])}.") from None
        return tuple(self.equations[name] for name in order if self.equations[name].kind == "subexpression")

    def subexpressions(self, values: Mapping[str, Any], *, wanted: str | None = None) -> dict[str, Any]:
        """Evaluate the subexpressions, or those that the wanted one needs; values holds all else that they name."""
        needed = set(self.equations) if wanted is None else self._needed(wanted)
        known = dict(values)
        for equation in self._order:
            if equation.name in needed:
                known[equation.name] = _evaluate(equation, known)
        return known

    def _needed(self, wanted: str) -> set[str]:
        inner = self.equations[wanted].names & self.equations.keys() if self.equations[wanted].kind == "subexpression" else ()
        return {wanted}.union(*map(self._needed, inner))

    def derivative(self, values: Mapping[str, Any]) -> Any:
        """Evaluate the state's time derivative, given all that it names; in SI units per second."""
        return _evaluate(self.equations[self.state], values)

    def called(self) -> frozenset[str]:
        """Names that the text calls as functions and that are not mathematics."""
        trees = (ast.walk(ast.parse(e.expression, mode="eval")) for e in self.equations.values() if e.code)
        calls = {node.func.id for tree in trees for node in tree if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        return frozenset(calls - set(MATHEMATICS))

    def state_in_call(self) -> str | None:
        """Name of a function that the derivative calls with the state itself, which makes it nonlinear in the state."""
        for node in ast.walk(ast.parse(self.equations[self.state].expression, mode="eval")):
            if isinstance(node, ast.Call) and any(isinstance(n, ast.Name) and n.id == self.state for a in node.args for n in ast.walk(a)):
                return getattr(node.func, "id", None)
        return None


@lru_cache(maxsize=64)
def parsed(text: str) -> Equations:
    """Parse equation text once."""
    return Equations(text)


def unit_values(names: frozenset[str]) -> dict[str, float]:
    """Give the SI factor of every name that is a unit."""
    return {name: SCALES[name] for name in names if name in SCALES}


def _parse(line: str) -> Equation:
    found = _LINE.match(line)
    if not found:
        raise CardError(f"equations: cannot read {line!r}; write 'dx/dt = ... : unit', 'r = ... : unit' or 'b : unit (constant)'.")
    flags = tuple(flag.strip() for flag in (found["flags"] or "").split(",") if flag.strip())
    try:
        scale(found["unit"])
    except CardError as problem:
        raise CardError(f"equations: in {line!r} {problem}") from None
    name, expression = found["state"] or found["left"], found["right"] or ""
    kind: Literal["derivative", "subexpression", "parameter"]
    kind = "derivative" if found["state"] else "subexpression" if expression else "parameter"
    if kind == "derivative" and not expression:
        raise CardError(f"equations: {line!r} has no right-hand side.")
    code, names = _compile(expression, line) if expression else (None, frozenset())
    return Equation(name, kind, expression, found["unit"], flags, code, names)


def _compile(expression: str, line: str) -> tuple[CodeType, frozenset[str]]:
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError as problem:
        raise CardError(f"equations: {line!r} does not parse: {problem.msg}.") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise CardError(f"equations: {line!r} uses {type(node).__name__}, which a rate equation may not; write arithmetic and calls.")
    called_with = {id(argument) for node in ast.walk(tree) if isinstance(node, ast.Call) for argument in node.args}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if any(isinstance(node, ast.Name) and node.id == "i" and id(node) not in called_with for node in ast.walk(tree)):
        raise CardError(f"equations: {line!r} uses 'i', which only an input may be called with; use a parameter with over = 'units'.")
    return compile(tree, line, "eval"), frozenset(names - set(MATHEMATICS))


def _evaluate(equation: Equation, values: Mapping[str, Any]) -> Any:
    assert equation.code is not None
    return eval(equation.code, {}, dict(values))  # noqa: S307 - only whitelisted syntax and known names were compiled


def missing(equations: Equations, given: set[str]) -> str | None:
    """Say which name the text uses that nothing gives, with a suggestion; None if all are given."""
    known = given | set(GIVEN) | set(SCALES) | set(MATHEMATICS)
    for name in sorted(equations.names - known):
        return f"equations use {name!r}, which no parameter, input or projection gives. {suggestion(name, given)}"
    return None


def numpy_mathematics() -> dict[str, Callable[..., Any]]:
    """Give the mathematics of the text on NumPy arrays."""
    import numpy as np

    plain = {name: getattr(np, name) for name in MATHEMATICS if name != "int"}
    return plain | {"int": lambda number: np.trunc(np.asarray(number, dtype=float))}
