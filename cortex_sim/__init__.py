"""cortex-sim: does an artificial recurrent network that matches motor cortex also work like it?

Models are data, protocols are code: ``simulate(model, task) -> Trials``, ``fit(model, trials, task) -> Model``,
``compare(teacher, student) -> Comparison``. Names are imported when first used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "load": "cards.catalogue", "simulate": "simulation", "move": "simulation", "fit": "fitting", "compare": "comparison",
    "Model": "cards.model", "Task": "tasks.task", "Trials": "trials", "Report": "report", "Claim": "report",
}  # fmt: skip

__all__ = ["Claim", "Model", "Report", "Task", "Trials", "compare", "fit", "load", "move", "simulate"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cortex_sim' has no attribute {name!r}")
    return getattr(importlib.import_module(f"cortex_sim.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
