"""described(protocol) -> Described: what a protocol asks, and which options its ``run`` has, read from its source without running it."""

import ast
import inspect
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import EllipsisType
from typing import Any, NamedTuple

from cortex_sim.cards import catalogue

EVERY = ("seed", "smoke")  # keyword arguments that every protocol has
PLAIN: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "Path": Path, "Source": str}
"""What the command line can read, by the last word of an annotation; Source is a file, by its path."""
ENTRY = re.compile(r"^ *(\w+): (.*(?:\n(?! *\w+: | *$).*)*)", re.MULTILINE)
ROLE = re.compile(r":\w+:`\.?([^`]*)`|``([^`]*)``")


class Own(NamedTuple):
    """An option of a protocol: a keyword argument of its ``run``.

    Attributes:
        name: as in Python.
        kind: type of its value, as the command line reads it; None if only Python can give it.
        written: its annotation.
        default: as text; empty if it is None or there is none.
        required: whether there is no default.
        meaning: from the docstring of ``run``.
    """

    name: str
    kind: Any
    written: str
    default: str
    required: bool
    meaning: str


class Described(NamedTuple):
    """A protocol: the name it was asked by, its question, its claim and its own options.

    Attributes:
        spiking: whether its circuit may be a spiking one.
        model: card of its own circuit; empty if it has none.
    """

    name: str
    question: str
    claim: str
    own: tuple[Own, ...]
    spiking: bool
    model: str = ""

    @property
    def recorded(self) -> bool:
        """Return whether it takes a recording."""
        return any(option.name == "recording" for option in self.own)


def described(name: str) -> Described:
    """Return what a protocol says of itself; a file whose ``run`` is not written out in it is imported.

    Raises:
        NotFound: no such name or file; a close name is suggested.
        OptionError: the file cannot be imported, or has no function ``run``.
    """
    try:
        tree = ast.parse(catalogue.protocol_file(name).read_bytes())
    except (SyntaxError, ValueError):
        tree = ast.Module([], [])
    first, *rest = (ast.get_docstring(tree) or "").split("\n")
    claim = re.search(r"^Claim\s+(.*(?:\n\s+.*)*)", "\n".join(rest), re.MULTILINE)
    written = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run"), None)
    constants = _constants(tree)
    arguments, documented = _of_source(written, constants) if written else _of_function(catalogue.protocol(name).run)
    circuit, *others = arguments or [("model", None, None)]
    meanings = {entry[1]: _plain(entry[2]) for entry in ENTRY.finditer(inspect.cleandoc(documented).partition("Args:")[2].partition("\n\n")[0])}
    own = tuple(_own(argument, meanings.get(argument[0], "")) for argument in others if argument[0] not in EVERY)
    about = "" if circuit[1] is None else ast.unparse(circuit[1])
    return Described(
        name, first, " ".join(claim[1].split()) if claim else "", own, not about or "SpikingModel" in about, str(constants.get("MODEL", ""))
    )


Argument = tuple[str, ast.expr | None, str | None]
"""Name, annotation, and default as text; None where there is none."""


def _of_source(node: ast.FunctionDef, constants: dict[str, Any]) -> tuple[list[Argument], str]:
    """Return the arguments of a function and its docstring."""
    ordered = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(ordered) - len(node.args.defaults)) + list(node.args.defaults) + list(node.args.kw_defaults)
    pairs = zip([*ordered, *node.args.kwonlyargs], defaults, strict=True)
    return [(part.arg, part.annotation, None if value is None else _value(value, constants)) for part, value in pairs], ast.get_docstring(node) or ""


def _of_function(function: Any) -> tuple[list[Argument], str]:
    """Return the arguments of a function that is imported, as :func:`_of_source` does."""
    found: list[Argument] = []
    for part in inspect.signature(function).parameters.values():
        if part.kind not in (part.VAR_POSITIONAL, part.VAR_KEYWORD):
            hint = None if part.annotation is part.empty else _parsed(inspect.formatannotation(part.annotation))
            found.append((part.name, hint, None if part.default is part.empty else f"{part.default}"))
    return found, inspect.getdoc(function) or ""


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Return the constants of a module that are written out in it."""
    found: dict[str, Any] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                found[name] = value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                pairs = zip(names, values, strict=False)
                found |= {one.id: value.value for one, value in pairs if isinstance(one, ast.Name) and isinstance(value, ast.Constant)}
    return found


def _value(node: ast.expr, constants: dict[str, Any]) -> str:
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.Name(id=name) if name in constants:
            return f"{constants[name]}"
    return ast.unparse(node)


def _plain(text: str) -> str:
    return " ".join(ROLE.sub(lambda found: found[1] or found[2], text).split()).removesuffix(".")


def _own(argument: Argument, meaning: str) -> Own:
    name, hint, default = argument
    kind = str if hint is None else next(_kinds(name, hint), None)
    return Own(name, kind, "" if hint is None else ast.unparse(hint), "" if default in (None, "None") else f"{default}", default is None, meaning)


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _kinds(name: str, hint: ast.expr | None) -> Iterator[Any]:
    """Yield the types that the command line can read among those that an annotation allows."""
    match hint:
        case ast.Constant(value=str(text)):
            yield from _kinds(name, _parsed(text))
        case ast.BinOp(left=left, right=right):
            yield from (*_kinds(name, left), *_kinds(name, right))
        case ast.Name(id=word) | ast.Attribute(attr=word) if word in PLAIN:
            yield PLAIN[word]
        case ast.Subscript(value=ast.Name(id=word) | ast.Attribute(attr=word), slice=inner):
            yield from _many(name, word, inner.elts if isinstance(inner, ast.Tuple) else [inner])


def _many(name: str, word: str, inner: list[ast.expr]) -> Iterator[Any]:
    """Yield the type of an annotation with parts in brackets: a choice, an optional value, a list, or a tuple of fixed length."""
    parts = [next(_kinds(name, part), None) for part in inner]
    match word, inner:
        case "Literal", _ if all(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in inner):
            yield StrEnum(name, {part.value: part.value for part in inner})
        case ("Optional", [_]) if parts[0]:
            yield parts[0]
        case ("list" | "Sequence", [_]) | ("tuple", [_, ast.Constant(value=EllipsisType())]) if parts[0] in PLAIN.values():
            yield list[parts[0]]
        case "tuple", _ if all(part in PLAIN.values() for part in parts):
            yield tuple[tuple(parts)]
