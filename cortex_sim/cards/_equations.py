"""Brian2's equation text, read without Brian2 and turned into plain functions of arrays.

Brian2 runs the same text, written out from its checked tree (:mod:`cortex_sim.cards._grammar`). Here it becomes Python functions that work on
NumPy arrays and torch tensors alike. A torch twin of a circuit is therefore exact: there is one text, and no translation by hand.
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
from cortex_sim.cards._trees import Counted, Renamed, WrittenOut, calls_in, degree, in_order, is_name, names_in, uncalled, unified, zero_divisor
from cortex_sim.cards._units import SCALES
from cortex_sim.errors import CardError, suggestion

MATHEMATICS = ("abs", "clip", "cos", "cosh", "exp", "expm1", "int", "log", "log1p", "sin", "sinh", "sqrt", "tanh")
"""Functions of one number that an equation may call; they mean in torch and NumPy what they mean in Brian2."""
FUNCTIONS = (*MATHEMATICS, "siegert", "spike")
"""All functions that an equation may call; siegert(mu, sigma, tau, refractory, threshold, reset) is from `_siegert.py`; spike(x) is 1 if x > 0,
else 0, and has a surrogate derivative in torch."""
CONSTANTS = {"pi": math.pi}
GIVEN = ("t", "dt", "i", *CONSTANTS)
"""Names that every equation may use: time, step, constants and, as an argument of inputs, the index of a neuron."""
RATE_FLAGS = FLAGS[:3]
BARE = {"__builtins__": {"__import__": __import__}}
"""The globals for evaluating text: no Python function that the text could name, since no name of a card begins with two underscores.
torch needs ``__import__``, since it imports some of its parts only at first use, which may be inside an equation."""


@dataclass(frozen=True)
class Equation:
    """One line: a derivative (the unit is that of the state), a subexpression, or the declaration of a per-unit parameter."""

    name: str
    kind: Literal["derivative", "subexpression", "parameter"]
    expression: str
    unit: str
    flags: tuple[str, ...]
    code: CodeType | None
    names: frozenset[str]


class Equations:
    """Equation text, parsed, sorted by dependence and ready to be evaluated.

    Args:
        text: Brian2 equation text, one equation per line.

    Raises:
        CardError: a line is not an equation, calls an unknown function, or depends on itself.

    Attributes:
        states: names of the state variables, in the order of their lines.
        names: every name that the text uses but does not define.
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
        """Return the name of the one state variable.

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
        """Return the values of the subexpressions, or only of those that the wanted one needs, given values of all else that they name."""
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
        """Return the states that a variable depends on, directly or through other subexpressions."""
        reached = {wanted}.union(*(self.equations[name].names for name in self._needed(wanted) if self.equations[name].kind == "subexpression"))
        return tuple(state for state in self.states if state in reached)

    def used_by(self, wanted: str) -> frozenset[str]:
        """Return every name that a variable depends on, directly or through other subexpressions."""
        inner = {name for name in self._needed(wanted) if self.equations[name].kind == "subexpression"}
        return frozenset().union(*(_names_of(self.equations[name]) for name in inner))

    def names_time(self) -> bool:
        """Return whether the text uses time itself, other than as an argument of inputs."""
        for equation in self.equations.values():
            if equation.code:
                tree = ast.parse(equation.expression, mode="eval")
                inside = {id(argument) for node in ast.walk(tree) if isinstance(node, ast.Call) for argument in node.args}
                if any(is_name(node, "t") and id(node) not in inside for node in ast.walk(tree)):
                    return True
        return False

    def derivative(self, values: Mapping[str, Any], state: str | None = None) -> Any:
        """Return the time derivative of a state (the only one, if none is named), given all that it names; in SI units per second."""
        return _evaluate(self.equations[state or self.state], values)

    def renaming(self, form: "Equations") -> dict[str, str] | None:
        """Return which name of this text corresponds to which of another, if both texts state the same equations; otherwise None.

        The order of states, terms and factors matters; the order of lines, units and flags does not. Names with a predefined meaning are kept.
        """
        names = {name: name for name in (*GIVEN, *FUNCTIONS)} | dict(zip(form.states, self.states, strict=False))
        open_, done = list(form.states), set[str]()
        while open_ and len(form.states) == len(self.states):
            name = open_.pop()
            if not unified(form.tree(name), self.tree(names[name]), names):
                return None
            done.add(name)
            met = [other for other in form.equations[name].names & form.equations.keys() if form.equations[other].kind == "subexpression"]
            if any(self.equations.get(names[other]) is None or not self.equations[names[other]].code for other in met):
                return None
            open_ += [other for other in met if other not in done and other not in open_]
        return names if done and len(set(names.values())) == len(names) else None

    def called(self) -> frozenset[str]:
        """Return the names that the text calls as functions, other than predefined functions."""
        return calls_in(*(self.tree(line.name) for line in self.equations.values() if line.code)) - set(FUNCTIONS)

    def rewritten(self, names: Mapping[str, str], unit: Callable[[str], str] = str) -> str:
        """Return the equation text, rewritten from the checked tree of every line, with the card's names replaced by others.

        Args:
            names: new names by old; all others are kept.
            unit: returns what to write for the unit of a line.
        """
        lines = []
        for line in self.equations.values():
            name = names.get(line.name, line.name)
            left = f"d{name}/dt" if line.kind == "derivative" else name
            right = f" = {ast.unparse(Renamed(names).visit(self.tree(line.name)))}" if line.expression else ""
            lines.append(f"{left}{right} : {unit(line.unit)}" + (f" ({', '.join(line.flags)})" if line.flags else ""))
        return "\n".join(lines)

    def mentioned(self) -> tuple[str, ...]:
        """Return every name of the text, mathematical functions included, in order of first appearance."""
        found: dict[str, None] = {}
        for line in self.equations.values():
            found |= dict.fromkeys([line.name, *(node.id for node in in_order(self.tree(line.name)) if isinstance(node, ast.Name))]
                                   if line.expression else [line.name])  # fmt: skip
        return tuple(found)

    def uncalled(self, functions: Iterable[str]) -> str | None:
        """Return a mathematical function, or one of these functions, that the text names without calling it; None if there is none."""
        return uncalled((self.tree(line.name) for line in self.equations.values() if line.code), {*FUNCTIONS, *functions})

    def zero_divisor(self, values: Mapping[str, Any]) -> str | None:
        """Return a divisor of the text that is 0, given numbers by name; None if no known divisor is."""
        return zero_divisor((self.tree(line.name) for line in self.equations.values() if line.code), {**SCALES, **CONSTANTS, **values})

    def times_called(self, name: str) -> int:
        """Return the number of places at which the text calls a function."""
        trees = (ast.walk(self.tree(line.name)) for line in self.equations.values() if line.code)
        return sum(isinstance(node, ast.Call) and is_name(node.func, name) for tree in trees for node in tree)

    def carried(self, name: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> Any:
        """Return the argument of the one call of a projection.

        Args:
            name: of the projection.
            values: of all names.
            before: values before units were clamped, which lines that are constant over dt use.
        """
        line, code = self._calls[name]
        return eval(code, dict(BARE), dict(before if "constant over dt" in line.flags else values))  # noqa: S307 - as in _evaluate

    @cached_property
    def _calls(self) -> dict[str, tuple[Equation, CodeType]]:
        """Return the line that calls each function that is not predefined, and the compiled argument of the call."""
        found = {}
        for line in self.equations.values():
            for node in ast.walk(self.tree(line.name)) if line.expression else ():
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in FUNCTIONS and len(node.args) == 1:
                    found[node.func.id] = line, compile(ast.fix_missing_locations(ast.Expression(node.args[0])), line.name, "eval")
        return found

    def varying(self, values: Mapping[str, Any], state: str, value: Any) -> dict[str, Any]:
        """Return the values, with subexpressions re-evaluated that depend on a changed state or clamped rate and are not constant over dt.

        Args:
            values: of all names, subexpressions included, at the start of the step.
            state: name of the state or rate.
            value: its present value.
        """
        known = {**values, state: value}
        for equation in self._order:
            if "constant over dt" not in equation.flags and state in self.used_by(equation.name):
                known[equation.name] = _evaluate(equation, known)
        return known

    def state_in_call(self) -> tuple[str, str] | None:
        """Return a state and a function that its own derivative applies to it, which makes the derivative nonlinear in the state.

        Subexpressions are expanded, unless they are constant over dt.
        """
        for state in self.states:
            for node in ast.walk(self._written_out(state)):
                if isinstance(node, ast.Call) and any(is_name(n, state) for argument in node.args for n in ast.walk(argument)):
                    return state, getattr(node.func, "id", "")
        return None

    def state_in_product(self) -> str | None:
        """Return the name of a state whose own derivative contains it in a power, in a denominator or multiplied by itself."""
        return next((state for state in self.states if degree(self._written_out(state), state) > 1), None)

    def tree(self, name: str) -> ast.expr:
        """Return the right-hand side of a line."""
        return ast.parse(self.equations[name].expression, mode="eval").body

    def _written_out(self, name: str) -> ast.expr:
        """Return the right-hand side with its subexpressions expanded, unless they are constant over dt."""
        lines = (line for line in self.equations.values() if line.kind == "subexpression" and "constant over dt" not in line.flags)
        meant = {line.name: self.tree(line.name) for line in lines}
        tree: ast.expr = self.tree(name)
        for _ in meant:
            tree = WrittenOut(meant).visit(tree)
        return tree


def refuse_name(name: str, place: str) -> None:
    """Check that a name is usable and does not mean something else in every equation.

    Raises:
        CardError: the name, what it already means, and what would be right.
    """
    kinds = {"a function": FUNCTIONS, "a unit": SCALES, "the time, the step, an index or a constant": GIVEN}
    for kind, known in kinds.items():
        if name in known:
            raise CardError(f"{place} {name!r}, which is {kind} in every equation; choose another name, such as '{name}_0'.")
    check_name(name, place)


def _names_of(equation: Equation) -> frozenset[str]:
    """Return the names that an equation uses, mathematical functions included."""
    return names_in(ast.parse(equation.expression, mode="eval").body)


@lru_cache(maxsize=64)
def parsed(text: str) -> Equations:
    """Return the parsed equation text; each text is parsed once."""
    return Equations(text)


def unit_values(names: frozenset[str]) -> dict[str, float]:
    """Return the SI factor of every name that is a unit, and the value of every constant."""
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
    right = ast.fix_missing_locations(Counted().visit(line.right))
    code = compile(ast.Expression(right), line.text, "eval")
    return Equation(line.name, kind, ast.unparse(right), line.unit, line.flags, code, names_in(line.right) - set(FUNCTIONS))


def _evaluate(equation: Equation, values: Mapping[str, Any]) -> Any:
    assert equation.code is not None
    return eval(equation.code, dict(BARE), dict(values))  # noqa: S307 - compiled from a tree of the grammar of cards


def missing(equations: Equations, given: set[str]) -> str | None:
    """Return a sentence about a name that the text uses and nothing defines, with a suggestion; None if all are given."""
    known = given | set(GIVEN) | set(SCALES) | set(FUNCTIONS)
    for name in sorted(equations.names - known):
        return f"equations use {name!r}, which no parameter, input or projection gives. {suggestion(name, given)}"
    return None


def numpy_mathematics() -> dict[str, Callable[..., Any]]:
    """Return the functions of the text for NumPy arrays."""
    import numpy as np

    from cortex_sim.cards._siegert import first_passage

    plain = {name: getattr(np, name) for name in MATHEMATICS if name != "int"}
    whole = lambda number: np.trunc(np.asarray(number, dtype=float))  # noqa: E731
    return plain | {"int": whole, "siegert": first_passage, "spike": lambda x: (x > 0).astype(float)}
