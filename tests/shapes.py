"""Shapes that annotations promise, held at run time: every function of the package checks its arrays after it has returned.

After, so that what the package refuses by itself is refused in its own words. Each function checks its first calls only.
"""

import functools
import importlib
import inspect
import pkgutil
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

import jaxtyping
import numpy as np

CALLS = 40


def arrays_of(hint: Any) -> list[Any]:
    """The array types that an annotation allows."""
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return [hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [found for part in typing.get_args(hint) for found in arrays_of(part)]
    return []


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the arrays that go into a function and come out of it."""
    wanted = {name: kinds for name, hint in function.__annotations__.items() if (kinds := arrays_of(hint))}
    if not wanted:
        return function
    signature, seen = inspect.signature(function), [0]

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        made = function(*given, **named)
        if seen[0] < CALLS and not inspect.isgeneratorfunction(function):
            seen[0] += 1
            check({**signature.bind(*given, **named).arguments, "return": made}, wanted, f"{function.__module__}.{function.__qualname__}")
        return made

    return call


@jaxtyping.jaxtyped(typechecker=None)
def check(values: dict[str, Any], wanted: dict[str, list[Any]], where: str) -> None:
    """Hold arrays against what their annotations say; one name of an axis is one size in all of them."""
    for name, kinds in wanted.items():
        value = values.get(name)
        if isinstance(value, np.ndarray) and not any(isinstance(value, kind) for kind in kinds):
            raise AssertionError(f"{where}: {name} is {value.dtype}{list(value.shape)}, annotated {' | '.join(kind.__name__ for kind in kinds)}")


def install() -> None:
    """Put the checked functions in the place of those of the package, wherever they were imported to."""
    import cortex_sim

    for module in pkgutil.walk_packages(cortex_sim.__path__, "cortex_sim."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "cortex_sim"]
    known: dict[int, Callable[..., Any]] = {}
    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType) and value.__module__.startswith("cortex_sim"):
                known.setdefault(id(value), checked(value))
                setattr(module, name, known[id(value)])
            elif inspect.isclass(value) and value.__module__ == module.__name__:
                for label, method in list(vars(value).items()):
                    if isinstance(method, types.FunctionType) and not hasattr(method, "__wrapped__"):  # those convert what they are given
                        setattr(value, label, checked(method))
