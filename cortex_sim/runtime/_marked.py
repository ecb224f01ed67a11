"""Decorated functions of a folder, found in its files without importing them: adding a file adds what it defines."""

import ast
from collections.abc import Iterator
from pathlib import Path


def marked(folder: Path, mark: str) -> Iterator[tuple[str, ast.FunctionDef, ast.expr]]:
    """Yield the functions that are decorated with a name, or with a call of it.

    Args:
        folder: whose private modules are searched.
        mark: name of the decorator.

    Yields:
        The name of the module, the function, and its decorator.
    """
    for path in sorted(folder.glob("_*.py")):
        text = path.read_text(encoding="utf-8")
        if f"\n@{mark}" not in text:
            continue
        for node in ast.parse(text).body:
            for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                name = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(name, ast.Name) and name.id == mark and isinstance(node, ast.FunctionDef):
                    yield path.stem, node, decorator
