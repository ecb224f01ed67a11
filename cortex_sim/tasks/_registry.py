"""Tasks by name: a function of this folder that is marked :func:`task` is one, without being entered anywhere else."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

Given, Made = ParamSpec("Given"), TypeVar("Made")


def task(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Mark a function that makes a task; its name is the task's, the first line of its docstring says what is asked."""
    return function


@cache
def known() -> dict[str, tuple[str, str]]:
    """Every task of this folder: name to its module and what it asks, read from the files without importing them."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("_*.py")):
        text = path.read_text(encoding="utf-8")
        if "@task" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and any(isinstance(mark, ast.Name) and mark.id == "task" for mark in node.decorator_list):
                found[node.name] = (f"cortex_sim.tasks.{path.stem}", (ast.get_docstring(node) or "").split("\n")[0])
    return found
