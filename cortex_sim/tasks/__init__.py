"""Tasks, one file each; the body that a model may move; and perturbations."""

import importlib
from typing import Any

from cortex_sim.runtime.doors import opened

_find, _, _named = opened(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name in _named:
        return _find(name)
    from cortex_sim.tasks._registry import known

    return getattr(importlib.import_module(known()[name][0]), name) if name in known() else _find(name)


def __dir__() -> list[str]:
    from cortex_sim.tasks._registry import known

    return sorted({*_named, *known()})


__all__ = __dir__()  # noqa: PLE0605 - a list, of what is found
