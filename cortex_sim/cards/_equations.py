"""Brian2's equation text, read without Brian2 and turned into plain functions of arrays.

The same text is run by Brian2, written out from its checked tree (:mod:`cortex_sim.cards._grammar`). Here it becomes Python functions that work on
NumPy arrays and torch tensors alike, which is what makes a torch twin of a circuit exact: there is one text and no translation by hand.
"""

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from types import CodeType
from typing import Any, Literal

from cortex_sim.cards._grammar import FLAGS, Line, check_name, read_lines
from cortex_sim.cards._trees import Renamed, WrittenOut, calls_in, degree, in_order, is_name, names_in, uncalled, unified, zero_divisor
from cortex_sim.cards._units import SCALES
from cortex_sim.errors import CardError, suggestion

MATHEMATICS = ("abs", "clip", "cos", "cosh", "exp", "expm1", "int", "log", "log1p", "sin", "sinh", "sqrt", "tanh")
"""The functions of one number an equation may call; all of them mean in torch and NumPy what they mean in Brian2."""
FUNCTIONS = (*MATHEMATICS, "siegert", "spike")
"""All functions an equation may call; siegert(mu, sigma, tau, refractory, threshold, reset) is from `_siegert.py`; spike(x) is 1 where x > 0,
else 0, and has a surrogate derivative in torch."""
CONSTANTS = {"pi": math.pi}
GIVEN = ("t", "dt", "i", *CONSTANTS)
"""The names every equation may use: time, step, constants and, as what an input is called with, the index of a neuron."""
RATE_FLAGS = FLAGS[:3]
BARE = {"__builtins__": {"__import__": __import__}}
"""What text is evaluated among: no function of Python's that it could name, since no name begins with two underscores; torch imports parts of
itself when they are first needed, which may be amid an equation."""


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
        states: names of the state variables, in the order of their lines.
        names: every name the text uses but does not define.
    """

    def __init__(self, text: str) -> None:
        self.equations: dict[str, Equation] = {}
        for equation in map(_equation, read_lines(text, "equations:", RATE_FLAGS)):
            if equation.name in self.equations:
                raise CardError(f"equations define {equation.name!r} twice; each name has one line.")
            refuse_name(equation.name, "equations define")
            self.equations[equation.name] = equation
        self.states = tuple(e.name for e in self.equations.values() if e.kind == "derivative")
        if not self.states:
            raise CardError("equations define no state variable; write at least one line 'dx/dt = ... : unit'.")
        self.parameters = tuple(e.name for e in self.equations.values() if e.kind == "parameter")
        self.names = frozenset().union(*(e.names for e in self.equations.values())) - set(self.equations)
        self._order = self._sorted()

    @property
    def state(self) -> str:
        """Name of the one state variable.

        Raises:
            CardError: there are several.
        """
        if len(self.states) > 1:
            raise CardError(f"equations define {len(self.states)} state variables ({', '.join(self.states)}); this needs exactly one.")
        return self.states[0]

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

    def states_of(self, wanted: str) -> tuple[str, ...]:
        """Names of the states that a variable is computed from, through other subexpressions too."""
        reached = {wanted}.union(*(self.equations[name].names for name in self._needed(wanted) if self.equations[name].kind == "subexpression"))
        return tuple(state for state in self.states if state in reached)

    def used_by(self, wanted: str) -> frozenset[str]:
        """Every name that a variable is computed from, through other subexpressions too."""
        inner = {name for name in self._needed(wanted) if self.equations[name].kind == "subexpression"}
        return frozenset().union(*(_names_of(self.equations[name]) for name in inner))

    def names_time(self) -> bool:
        """The text uses the time itself, not only as what an input is called with."""
        for equation in self.equations.values():
            if equation.code:
                tree = ast.parse(equation.expression, mode="eval")
                inside = {id(argument) for node in ast.walk(tree) if isinstance(node, ast.Call) for argument in node.args}
                if any(is_name(node, "t") and id(node) not in inside for node in ast.walk(tree)):
                    return True
        return False

    def derivative(self, values: Mapping[str, Any], state: str | None = None) -> Any:
        """Evaluate the time derivative of a state (the only one if none is named), given all that it names; in SI units per second."""
        return _evaluate(self.equations[state or self.state], values)

    def renaming(self, form: "Equations") -> dict[str, str] | None:
        """Return which name of this text stands for which of another, where both say the same; None where they do not.

        Order of states, of terms and of factors counts; that of lines, units and flags does not. Names with a meaning of their own stay.
        """
        names = {name: name for name in (*GIVEN, *FUNCTIONS)} | dict(zip(form.states, self.states, strict=False))
        open_, done = list(form.states), set[str]()
        while open_ and len(form.states) == len(self.states):
            name = open_.pop()
            if not unified(form._tree(name), self._tree(names[name]), names):
                return None
            done.add(name)
            met = [other for other in form.equations[name].names & form.equations.keys() if form.equations[other].kind == "subexpression"]
            if any(self.equations.get(names[other]) is None or not self.equations[names[other]].code for other in met):
                return None
            open_ += [other for other in met if other not in done and other not in open_]
        return names if done and len(set(names.values())) == len(names) else None

    def called(self) -> frozenset[str]:
        """Names that the text calls as functions and that are not mathematics."""
        return calls_in(*(self._tree(line.name) for line in self.equations.values() if line.code)) - set(FUNCTIONS)

    def rewritten(self, names: Mapping[str, str], unit: Callable[[str], str] = str) -> str:
        """Equation text made anew from the checked tree of every line, with these names in place of the card's own.

        Args:
            names: by the name that the text uses; others stay.
            unit: what is written for the unit of a line.
        """
        lines = []
        for line in self.equations.values():
            name = names.get(line.name, line.name)
            left = f"d{name}/dt" if line.kind == "derivative" else name
            right = f" = {ast.unparse(Renamed(names).visit(self._tree(line.name)))}" if line.expression else ""
            lines.append(f"{left}{right} : {unit(line.unit)}" + (f" ({', '.join(line.flags)})" if line.flags else ""))
        return "\n".join(lines)

    def mentioned(self) -> tuple[str, ...]:
        """Every name of the text, functions of mathematics among them, in the order in which it first appears."""
        found: dict[str, None] = {}
        for line in self.equations.values():
            found |= dict.fromkeys([line.name, *(node.id for node in in_order(self._tree(line.name)) if isinstance(node, ast.Name))]
                                   if line.expression else [line.name])  # fmt: skip
        return tuple(found)

    def uncalled(self, functions: Iterable[str]) -> str | None:
        """A function of mathematics, or one of these, that the text names without calling it; None if there is none."""
        return uncalled((self._tree(line.name) for line in self.equations.values() if line.code), {*FUNCTIONS, *functions})

    def zero_divisor(self, values: Mapping[str, Any]) -> str | None:
        """What the text divides by though it is 0, given numbers by name; None if nothing known is."""
        return zero_divisor((self._tree(line.name) for line in self.equations.values() if line.code), {**SCALES, **CONSTANTS, **values})

    def times_called(self, name: str) -> int:
        """Number of places at which the text calls a function."""
        trees = (ast.walk(self._tree(line.name)) for line in self.equations.values() if line.code)
        return sum(isinstance(node, ast.Call) and is_name(node.func, name) for tree in trees for node in tree)

    def carried(self, name: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> Any:
        """Evaluate what the one call of a projection is called with.

        Args:
            name: of the projection.
            values: of all names.
            before: the same before units were held, which lines that are constant over dt see.
        """
        line, code = self._calls[name]
        return eval(code, dict(BARE), dict(before if "constant over dt" in line.flags else values))  # noqa: S307 - as in _evaluate

    @cached_property
    def _calls(self) -> dict[str, tuple[Equation, CodeType]]:
        """The line in which each function that is no mathematics is called, and the code of what it is called with."""
        found = {}
        for line in self.equations.values():
            for node in ast.walk(self._tree(line.name)) if line.expression else ():
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in FUNCTIONS and len(node.args) == 1:
                    found[node.func.id] = line, compile(ast.fix_missing_locations(ast.Expression(node.args[0])), line.name, "eval")
        return found

    def varying(self, values: Mapping[str, Any], state: str, value: Any) -> dict[str, Any]:
        """Evaluate anew the subexpressions that change within a step as a state, or a rate that is held, does: those that are not constant over dt.

        Args:
            values: of all names, subexpressions among them, at the start of the step.
            state: name of the state or rate.
            value: what it is now.
        """
        known = {**values, state: value}
        for equation in self._order:
            if "constant over dt" not in equation.flags and state in self.used_by(equation.name):
                known[equation.name] = _evaluate(equation, known)
        return known

    def state_in_call(self) -> tuple[str, str] | None:
        """Find a state and a function that its own derivative calls with it, which makes it nonlinear in the state.

        Subexpressions count as what they stand for, unless they are constant over dt.
        """
        for state in self.states:
            for node in ast.walk(self._written_out(state)):
                if isinstance(node, ast.Call) and any(is_name(n, state) for argument in node.args for n in ast.walk(argument)):
                    return state, getattr(node.func, "id", "")
        return None

    def state_in_product(self) -> str | None:
        """Name of a state whose own derivative holds it in a power, in a denominator or times itself."""
        return next((state for state in self.states if degree(self._written_out(state), state) > 1), None)

    def _tree(self, name: str) -> ast.expr:
        return ast.parse(self.equations[name].expression, mode="eval").body

    def _written_out(self, name: str) -> ast.expr:
        """The right-hand side with what its subexpressions stand for, unless they are constant over dt."""
        lines = (line for line in self.equations.values() if line.kind == "subexpression" and "constant over dt" not in line.flags)
        meant = {line.name: self._tree(line.name) for line in lines}
        tree: ast.expr = self._tree(name)
        for _ in meant:
            tree = WrittenOut(meant).visit(tree)
        return tree


def refuse_name(name: str, place: str) -> None:
    """Refuse a name that means something else in every equation, or that no equation can use.

    Raises:
        CardError: the name, what it means already, and what would be right.
    """
    kinds = {"a function": FUNCTIONS, "a unit": SCALES, "the time, the step, an index or a constant": GIVEN}
    for kind, known in kinds.items():
        if name in known:
            raise CardError(f"{place} {name!r}, which is {kind} in every equation; choose another name, such as '{name}_0'.")
    check_name(name, place)


def _names_of(equation: Equation) -> frozenset[str]:
    """Names that an equation uses, functions of mathematics among them."""
    return names_in(ast.parse(equation.expression, mode="eval").body)


@lru_cache(maxsize=64)
def parsed(text: str) -> Equations:
    """Parse equation text once."""
    return Equations(text)


def unit_values(names: frozenset[str]) -> dict[str, float]:
    """Give the SI factor of every name that is a unit, and the value of every constant."""
    known = SCALES | CONSTANTS
    return {name: known[name] for name in names if name in known}


def _equation(line: Line) -> Equation:
    kind: Literal["derivative", "subexpression", "parameter"]
    kind = "derivative" if line.derivative else "parameter" if line.right is None else "subexpression"
    if line.right is None:
        return Equation(line.name, kind, "", line.unit, line.flags, None, frozenset())
    called_with = {id(argument) for node in ast.walk(line.right) if isinstance(node, ast.Call) for argument in node.args}
    if any(is_name(node, "i") and id(node) not in called_with for node in ast.walk(line.right)):
        raise CardError(f"equations: {line.text!r} uses 'i', which only an input may be called with; use a parameter with over = 'units'.")
    code = compile(ast.Expression(line.right), line.text, "eval")
    return Equation(line.name, kind, ast.unparse(line.right), line.unit, line.flags, code, names_in(line.right) - set(FUNCTIONS))


def _evaluate(equation: Equation, values: Mapping[str, Any]) -> Any:
    assert equation.code is not None
    return eval(equation.code, dict(BARE), dict(values))  # noqa: S307 - compiled from a tree of the grammar of cards


def missing(equations: Equations, given: set[str]) -> str | None:
    """Say which name the text uses that nothing gives, with a suggestion; None if all are given."""
    known = given | set(GIVEN) | set(SCALES) | set(FUNCTIONS)
    for name in sorted(equations.names - known):
        return f"equations use {name!r}, which no parameter, input or projection gives. {suggestion(name, given)}"
    return None


def numpy_mathematics() -> dict[str, Callable[..., Any]]:
    """Give the functions of the text on NumPy arrays."""
    import numpy as np

    from cortex_sim.cards._siegert import first_passage

    plain = {name: getattr(np, name) for name in MATHEMATICS if name != "int"}
    whole = lambda number: np.trunc(np.asarray(number, dtype=float))  # noqa: E731
    return plain | {"int": whole, "siegert": first_passage, "spike": lambda x: (x > 0).astype(float)}
