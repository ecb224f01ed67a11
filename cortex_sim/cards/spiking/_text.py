"""Brian2's equation text, statements and conditions of spiking cards, parsed by the grammar of cards and written out again for Brian2."""

import ast
from collections.abc import Mapping

from cortex_sim.cards._equations import MATHEMATICS
from cortex_sim.cards._grammar import FLAGS, KINDS, Line, read_expression, read_lines, read_statements
from cortex_sim.cards._trees import Renamed, calls_in, names_in, uncalled
from cortex_sim.errors import CardError, suggestion


def equation_lines(text: str, place: str) -> list[Line]:
    """Return the lines of equation text.

    Raises:
        CardError: a line is not an equation, its unit is unknown, it calls an unknown function, or a name has two lines.
    """
    lines = read_lines(text, f"[{place}]", FLAGS, logic=True, kinds=KINDS)
    for number, line in enumerate(lines):
        if line.name in {earlier.name for earlier in lines[:number]}:
            raise CardError(f"[{place}] defines {line.name!r} twice; each name has one line.")
    _check_calls([line.right for line in lines if line.right is not None], (), place)
    return lines


def declared(equations: str, place: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that equation text defines, and all other names that it uses.

    Raises:
        CardError: as :func:`equation_lines`.
    """
    lines = equation_lines(equations, place)
    defined = frozenset(line.name for line in lines)
    return defined, names_in(*(line.right for line in lines)) - defined


def summed(equations: str) -> list[str]:
    """Return the variables that checked synaptic equations sum into, named as in the text."""
    return [line.name for line in equation_lines(equations, "equations") if "summed" in line.flags]


def statement_names(text: str, place: str, calls: tuple[str, ...] = ()) -> frozenset[str]:
    """Return the names that statements set and use.

    Args:
        text: one assignment per line.
        place: in the card.
        calls: names that may be called, besides mathematical functions.

    Raises:
        CardError: a line is not an assignment, or calls an unknown function.
    """
    found = read_statements(text, f"[{place}]")
    _check_calls([statement.right for statement in found], calls, place)
    return names_in(*(statement.right for statement in found)) | {statement.name for statement in found}


def condition_names(text: str, place: str) -> frozenset[str]:
    """Return the names that a condition uses.

    Raises:
        CardError: it is not an expression, or calls an unknown function.
    """
    found = read_expression(text, f"[{place}]", logic=True)
    _check_calls([found], (), place)
    return names_in(found)


def written_equations(text: str, names: Mapping[str, str] | None = None) -> str:
    """Return checked equation text in the form given to Brian2, with what it reads renamed."""
    lines = equation_lines(text, "equations")
    return "\n".join(line._replace(right=line.right and Renamed(names or {}).visit(line.right)).written for line in lines)


def written_statements(text: str) -> str:
    """Return checked statements in the form given to Brian2."""
    return "\n".join(statement.written for statement in read_statements(text, "statements"))


def written_condition(text: str) -> str:
    """Return a checked condition in the form given to Brian2."""
    return ast.unparse(read_expression(text, "condition", logic=True))


def _check_calls(trees: list[ast.expr], more: tuple[str, ...], place: str) -> None:
    known = (*MATHEMATICS, *more)
    if bare := uncalled(trees, known):
        raise CardError(f"[{place}] names {bare!r} without calling it; write {bare}(...), or give a number another name.")
    for name in sorted(calls_in(*trees) - set(known)):
        raise CardError(f"[{place}] calls {name!r}, which is no function of cards. {suggestion(name, known)}")
