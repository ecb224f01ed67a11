"""Public names of a package, imported on first use; public functions check their arguments (:mod:`cortex_sim.runtime._arguments`).

The stub beside a package's ``__init__.py`` is the one list of its public names: type checkers and this module read it.
"""

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any


def opened(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose stub states the origin of each name.

    Args:
        package: its ``__name__``.
        file: its ``__file__``; the stub has the same name and the suffix ``.pyi``.
    """
    homes: dict[str, tuple[str, str]] = {}
    for node in ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            homes |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            homes |= {target.id: homes[node.value.id] for target in node.targets if isinstance(target, ast.Name)}
    names = sorted(homes)

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, original = homes[name]
        if module == package:
            return importlib.import_module(f"{package}.{original}")
        home = importlib.import_module(module)
        if not hasattr(home, original):
            return importlib.import_module(f"{module}.{original}")
        found = getattr(home, original)
        if not isinstance(found, FunctionType) or not found.__module__.startswith("cortex_sim"):
            return found
        from cortex_sim.runtime._arguments import checked

        return checked(found)

    return find, lambda: names, names
