"""The names in Brian2's equation text and statements, read without Brian2, so that a card can be checked before it is run."""

import ast
import re

from cortex_sim.cards._units import scale
from cortex_sim.errors import CardError

_LINE = re.compile(r"(?:d(?P<state>\w+)/dt|(?P<name>\w+))\s*(?:=\s*(?P<right>.+?))?\s*:\s*(?P<unit>[^()#]+?)\s*(?:\([^)]*\))?$")


def declared(equations: str, place: str) -> tuple[frozenset[str], frozenset[str]]:
    """Give the names that equation text defines, and all that it uses besides.

    Raises:
        CardError: a line is no equation, or its unit is unknown.
    """
    defined: set[str] = set()
    used: set[str] = set()
    for line in filter(None, (line.split("#")[0].strip() for line in equations.splitlines())):
        found = _LINE.match(line)
        if not found:
            raise CardError(f"[{place}] cannot read {line!r}; write 'dv/dt = ... : volt', 'r = ... : Hz' or 'I : volt'.")
        _check_unit(found["unit"].strip(), line, place)
        defined.add(found["state"] or found["name"])
        used |= statement_names(found["right"] or "", place)
    return frozenset(defined), frozenset(used - defined)


def statement_names(text: str, place: str) -> frozenset[str]:
    """Give the names that Brian2 statements or a condition use.

    Raises:
        CardError: the text does not parse.
    """
    try:
        tree = ast.parse("\n".join(line.strip() for line in text.strip().splitlines()))
    except SyntaxError as problem:
        raise CardError(f"[{place}] {text.strip()!r} does not parse: {problem.msg}.") from None
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _check_unit(unit: str, line: str, place: str) -> None:
    if unit in ("boolean", "integer"):
        return
    try:
        scale(unit)
    except CardError as problem:
        raise CardError(f"[{place}] in {line!r} {problem}") from None
