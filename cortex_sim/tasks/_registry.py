"""Tasks by name: every function of this folder that is marked :func:`task` is one; there is no list to extend."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

from cortex_sim.runtime import marked

Given, Made = ParamSpec("Given"), TypeVar("Made")


def task(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Mark a function that makes a task; its name is the task's name, and the first line of its docstring describes the task."""
    return function


@cache
def known() -> dict[str, tuple[str, str]]:
    """Return the module and description of every task in this folder, by name, read from the files without importing them."""
    found = marked(Path(__file__).parent, "task")
    return {node.name: (f"cortex_sim.tasks.{module}", (ast.get_docstring(node) or "").split("\n")[0]) for module, node, _ in found}
