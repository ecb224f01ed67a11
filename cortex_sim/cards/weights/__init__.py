"""Rules that build a weight matrix, one file each; a card names the file."""

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.errors import CardError, suggestion
from cortex_sim.runtime import Role, cached_arrays, content_key, shown, stream, track


def rules() -> tuple[str, ...]:
    """Return the names of the rules that a card may use."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])))


def about(rule: str) -> str:
    """Return the first sentence of what a rule says of itself."""
    return (importlib.import_module(f"{__name__}.{rule}").__doc__ or "").split("\n")[0].rstrip(".")


def check(rule: str, arguments: set[str]) -> None:
    """Check that a rule exists and that its arguments are complete and known.

    Raises:
        CardError: the unknown or missing name, with a suggestion.
    """
    if rule not in rules():
        raise CardError(f"rule {shown(rule)} is unknown. {suggestion(rule, rules())}")
    given = inspect.signature(_builder(rule)).parameters.values()
    takes = {p.name for p in given if p.kind is p.KEYWORD_ONLY} - {"report"}
    if unknown := sorted(arguments - takes):
        raise CardError(f"arguments.{unknown[0]} is no argument of rule {rule!r}. {suggestion(unknown[0], takes)}")
    if absent := sorted(takes - arguments):
        raise CardError(f"arguments.{absent[0]} is missing; rule {rule!r} takes {', '.join(sorted(takes))}.")


def weights(rule: str, shape: tuple[int, int], arguments: Mapping[str, float | ndarray], draw: tuple[int, Role, int]) -> Float[ndarray, "row column"]:
    """Return the matrix that a rule describes; costly ones are cached by the content of their inputs.

    Args:
        rule: name of a file in this folder.
        shape: (rows, columns); rows are targets.
        arguments: arguments of the rule, in SI units: numbers, or an array for a table.
        draw: seed, role and index of the projection, which name the random stream.
    """
    module, (seed, role, position) = importlib.import_module(f"{__name__}.{rule}"), draw

    def build() -> dict[str, ndarray]:
        rng = stream(seed, role, "weights", position)
        if not getattr(module, "CACHED", False):
            return {"weights": module.build(shape, rng, **arguments)}
        with threadpool_limits(1), track(f"building {rule.replace('_', '-')} circuit, N = {shape[0]}") as report:
            return {"weights": module.build(shape, rng, report=report, **arguments)}

    if not getattr(module, "CACHED", False):
        return build()["weights"]
    code = hashlib.sha256(inspect.getsource(module).encode()).hexdigest()
    key = content_key(rule, shape, dict(arguments), draw, code, np.__version__)
    return cached_arrays(f"connectivity/{rule}-{key[:20]}", build)["weights"]


def of_rank(weights: Float[ndarray, "row column"], rank: int) -> Float[ndarray, "row column"]:
    """Return the nearest matrix of a given rank, by truncating the singular value decomposition."""
    U, s, Vt = np.linalg.svd(weights, full_matrices=False)
    return (U[:, :rank] * s[:rank]) @ Vt[:rank]


def _builder(rule: str) -> Callable[..., ndarray]:
    return importlib.import_module(f"{__name__}.{rule}").build
