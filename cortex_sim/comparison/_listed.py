"""The measures of this folder by name, found without importing their modules."""

import ast
from functools import cache
from pathlib import Path

from cortex_sim.runtime import marked


@cache
def listed() -> dict[str, tuple[str, str]]:
    """Return every measure by name: its module, and a description."""
    found = {}
    for module, _, decorator in marked(Path(__file__).parent, "measure"):
        assert isinstance(decorator, ast.Call)
        about = next(keyword.value for keyword in decorator.keywords if keyword.arg == "about")
        found[ast.literal_eval(decorator.args[0])] = (f"cortex_sim.comparison.{module}", ast.literal_eval(about))
    return found
