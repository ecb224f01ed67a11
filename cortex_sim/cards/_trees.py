"""Expression trees: their names, calls and divisors, and trees derived from others."""

import ast
import contextlib
import math
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import numpy as np


def names_in(*trees: ast.expr | None) -> frozenset[str]:
    """Return the names that expressions use, functions included."""
    return frozenset(node.id for tree in trees if tree is not None for node in ast.walk(tree) if isinstance(node, ast.Name))


def calls_in(*trees: ast.expr | None) -> frozenset[str]:
    """Return the names that expressions call as functions."""
    nodes = (node for tree in trees if tree is not None for node in ast.walk(tree) if isinstance(node, ast.Call))
    return frozenset(node.func.id for node in nodes if isinstance(node.func, ast.Name))


def uncalled(trees: Iterable[ast.expr | None], functions: Container[str]) -> str | None:
    """Return a function that expressions name without calling, as if it were a number; None if there is none."""
    for tree in (tree for tree in trees if tree is not None):
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in functions and id(node) not in called:
                return node.id
    return None


def zero_divisor(trees: Iterable[ast.expr | None], values: Mapping[str, Any]) -> str | None:
    """Return a divisor in the expressions that is 0; None if no known divisor is.

    Args:
        trees: of the grammar.
        values: numbers or arrays of numbers by name; divisors with other names or with calls are not checked.
    """
    for node in (node for tree in trees if tree is not None for node in ast.walk(tree)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not calls_in(node.right) and names_in(node.right) <= values.keys():
            with np.errstate(all="ignore"), contextlib.suppress(ArithmeticError):
                found = eval(compile(ast.Expression(node.right), "divisor", "eval"), {"__builtins__": {}}, dict(values))  # noqa: S307 - of the grammar
                if np.any(np.asarray(found) == 0):
                    return ast.unparse(node.right)
    return None


class Renamed(ast.NodeTransformer):
    """Renames names in a tree."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


class WrittenOut(ast.NodeTransformer):
    """Replaces names by trees."""

    def __init__(self, meant: Mapping[str, ast.expr]) -> None:
        self.meant = meant

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.meant.get(node.id, node)


class Counted(ast.NodeTransformer):
    """Writes comparisons as the numbers 1 and 0, int(x > 0): what a sum or product of truth values is, no two backends agree on."""

    def visit_Compare(self, node: ast.Compare) -> ast.Call:
        self.generic_visit(node)
        return ast.Call(ast.Name("int", ast.Load()), [node], [])

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        match node:  # int(int(x > 0)) is int(x > 0)
            case ast.Call(func=ast.Name(id="int"), args=[ast.Call(func=ast.Name(id="int")) as inner]):
                return inner
        return node


def in_order(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes in the order in which they are written."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from in_order(child)


def is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def unified(form: ast.AST, found: ast.AST, names: dict[str, str]) -> bool:
    """Return whether two expressions are the same once names of the first are replaced as in ``names``; new names are added to it."""
    match form, found:
        case ast.Name(id=one), ast.Name(id=other):
            return names.setdefault(one, other) == other
        case ast.Constant(value=one), ast.Constant(value=other):
            return one == other
    inner, outer = list(ast.iter_child_nodes(form)), list(ast.iter_child_nodes(found))
    return type(form) is type(found) and len(inner) == len(outer) and all(unified(a, b, names) for a, b in zip(inner, outer, strict=True))


def degree(node: ast.expr, name: str) -> float:
    """Return the degree of a polynomial in a name; calls and comparisons count as constants, and the degree of a non-polynomial is infinite."""
    match node:
        case ast.Name(id=found):
            return float(found == name)
        case ast.UnaryOp(operand=inner):
            return degree(inner, name)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return max(degree(left, name), degree(right, name))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return degree(left, name) + degree(right, name)
        case ast.BinOp(left=left, right=right):
            return math.inf if degree(right, name) or (isinstance(node.op, ast.Pow) and degree(left, name)) else degree(left, name)
    return 0.0
