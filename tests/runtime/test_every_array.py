"""Every public function that takes arrays refuses what is missing or of other dimensions in the same words, and takes numbers of every type alike."""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jaxtyping
import numpy as np
import pytest
from numpy import ndarray

import cortex_sim as cs
from cortex_sim.errors import CardError, OptionError
from cortex_sim.runtime._arguments import MISSING_ALLOWED, _hints, brought
from cortex_sim.runtime._arguments import _kind as kind_of

ROOMS = Path(cs.__file__).parent
POSITIONS = "positions, checked where it is known among how many: runtime.positions"
NOT_BY_HINT = {
    "cards.edit.disconnect.sources": POSITIONS, "cards.edit.disconnect.targets": POSITIONS,
    "tasks.perturbations.block.channels": POSITIONS, "tasks.perturbations.inhibit.units": POSITIONS, "tasks.perturbations.light.units": POSITIONS,
    "tasks.perturbations.silence_units.units": POSITIONS,
}  # fmt: skip
"""Arguments whose annotation says too little for the door, and what checks them instead."""
OWN_CHECKS = {"Trials.from_arrays": "TrialsError, by trials._checks", "Trials.from_spikes": "TrialsError, by trials._checks",
    "Movement.of": "PlantError, which says in which trial and when"}  # fmt: skip

WAYS: dict[str, Callable[[ndarray], Any]] = {
    "half precision": lambda x: x.astype("f2"), "another byte order": lambda x: x.astype(">f4"), "bytes": lambda x: x.astype("u1"),
    "whole numbers": lambda x: x.astype(">i2"), "Fortran order": np.asfortranarray, "a view": lambda x: np.repeat(x, 2, axis=0)[::2],
    "lists": lambda x: x.tolist(),
}  # fmt: skip


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function that a room hands out, under the name of the last room that does."""
    seen = {}
    for stub in sorted(ROOMS.rglob("__init__.pyi")):
        room = ".".join(stub.relative_to(ROOMS).parts[:-1])
        module = importlib.import_module(f"cortex_sim.{room}" if room else "cortex_sim")
        for name in module.__all__:
            if inspect.isfunction(found := getattr(module, name)):
                seen[inspect.unwrap(found)] = (f"{room}.{name}", found)
    yield from seen.values()


def is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray) and hint.array_type is ndarray


def holds(hint: Any, kind: Callable[[Any], bool]) -> bool:
    """Whether an annotation is of this kind or is made of parts of which one is; what a function returns is no part."""
    made_by = typing.get_origin(hint) is not None and typing.get_origin(hint).__module__ == "collections.abc" and "Callable" in str(hint)
    return kind(hint) or (not made_by and any(holds(part, kind) for part in typing.get_args(hint)))


def arguments(kind: Callable[[Any], bool]) -> dict[str, tuple[Callable[..., Any], str, Any]]:
    return {
        f"{label}.{name}": (function, name, hint)
        for label, function in public()
        for name, hint in _hints(function).items()
        if name != "return" and holds(hint, kind)
    }


ARRAYS = arguments(is_array)
BARE = arguments(lambda hint: hint is ndarray)


def specimen(hint: Any, leaf: Callable[[Any], Any]) -> Any:
    """Return a value that an annotation allows, with its first array made by ``leaf``."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if is_array(hint):
        return leaf(hint)
    if origin in (typing.Union, types.UnionType):
        return specimen(next((part for part in inner if holds(part, is_array)), inner[0]), leaf)
    if origin is typing.Literal:
        return inner[0]
    if origin is tuple:
        return tuple(specimen(part, leaf) for part in inner if part is not Ellipsis)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"a": specimen(inner[1], leaf)}
    if isinstance(origin, type) and issubclass(origin, typing.Sequence) and origin is not str:
        return [specimen(inner[0], leaf)]
    plain = {int: 1, float: 1.0, bool: False, str: "a", Path: Path("a"), types.NoneType: None}
    if hint in plain:
        return plain[hint]
    return Mock(spec=hint) if isinstance(hint, type) else print


def whole(hint: Any) -> ndarray:
    """Return whole numbers, which every type holds exactly."""
    axes = [axis for axis in hint.dim_str.split() if not axis.startswith(("*", "..."))]
    values = np.arange(float(np.prod([3] * max(len(axes), 1)))).reshape([3] * max(len(axes), 1)) % 2
    return values.astype({"bool": bool, "int": int}.get(kind_of(hint) or "float", float))


def with_nan(hint: Any) -> ndarray:
    values = whole(hint).astype(float)
    values[(-1,) * values.ndim] = np.nan
    return values


def axes_of(hint: Any) -> bool:
    """Whether the first array of an annotation has named axes, as many as it says."""
    found: list[str] = []
    specimen(hint, lambda leaf: found.append(leaf.dim_str))
    return not any(mark in found[0] for mark in ("*", "..."))


def call_with(function: Callable[..., Any], name: str, leaf: Callable[[Any], Any]) -> Any:
    """Call a function with arguments that are all allowed but for the arrays of one, which are those of ``leaf``."""
    named = given(function, name, leaf)
    several = inspect.signature(function).parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
    return function(specimen(_hints(function)[name], leaf), **named) if several else function(**named)


def given(function: Callable[..., Any], name: str, leaf: Callable[[Any], Any]) -> dict[str, Any]:
    """Return arguments that are all allowed but for the arrays of one, which are those of ``leaf``."""
    needed = {p.name: p for p in inspect.signature(function).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    hints = _hints(function)
    return {p: specimen(hints.get(p), leaf if p == name else whole) for p, part in needed.items() if part.default is part.empty or p == name}


def test_every_class_method_that_makes_an_object_of_arrays_checks_them() -> None:
    made = {}
    for stub in sorted(ROOMS.rglob("__init__.pyi")):
        module = importlib.import_module(".".join(("cortex_sim", *stub.relative_to(ROOMS).parts[:-1])))
        for kind in (getattr(module, name) for name in module.__all__):
            if isinstance(kind, type) and kind.__module__.startswith("cortex_sim"):
                made |= {f"{kind.__name__}.{name}": m.__func__ for name, m in vars(kind).items() if isinstance(m, classmethod) and name[0] != "_"}
    arrays = {name: found for name, found in made.items() if any(holds(hint, is_array) for n, hint in _hints(found).items() if n != "return")}
    assert {name for name, function in arrays.items() if not hasattr(function, "__wrapped__")} == OWN_CHECKS.keys()
    assert len(arrays) > 7


def test_every_array_is_annotated_with_its_axes_or_checked_elsewhere() -> None:
    assert len(ARRAYS) > 250
    assert BARE.keys() == NOT_BY_HINT.keys()


@pytest.mark.parametrize("label", ARRAYS)
def test_what_is_missing_is_refused_with_its_place(label: str) -> None:
    function, name, hint = ARRAYS[label]
    if name in getattr(function, MISSING_ALLOWED, ()):
        return
    with pytest.raises(OptionError, match=rf"^{function.__name__}: {name} ") as caught:
        call_with(function, name, with_nan)
    found = str(caught.value)
    if "is not finite" not in found:  # nothing can be missing in these
        assert re.search(r"should be an array of (True and False|whole numbers)", found), found
    elif axes_of(hint):
        assert re.search(r"is not finite, first at (\w+ [12](, |;))+ ?what is missing is no number", found) and "axis 0" not in found, found


@pytest.mark.parametrize("label", ARRAYS)
def test_arrays_of_other_dimensions_are_refused(label: str) -> None:
    function, name, hint = ARRAYS[label]
    if axes_of(hint):
        with pytest.raises(OptionError, match=rf"^{function.__name__}: {name} .*should be an array of .*; it has \d axes, "):
            call_with(function, name, lambda leaf: whole(leaf)[None, None])


@pytest.mark.parametrize("label", ARRAYS)
@pytest.mark.parametrize("turned", WAYS.values(), ids=WAYS)
def test_the_type_and_order_of_numbers_change_nothing(label: str, turned: Callable[[ndarray], Any]) -> None:
    hint = ARRAYS[label][2]
    seen: list[ndarray] = []

    def arrived(value: Any) -> None:
        if isinstance(value, ndarray) or (isinstance(value, list) and len(value) == 3):
            seen.append(np.asarray(value))
        elif isinstance(value, Mapping | tuple | list):
            for part in value.values() if isinstance(value, Mapping) else value:
                arrived(part)

    made: list[Any] = []

    def leaf(part: Any) -> Any:
        made.append(part)
        return turned(whole(part)) if kind_of(part) in ("float", "complex") else whole(part)

    arrived(brought(specimen(hint, leaf), hint))
    assert len(seen) == len(made)
    for part, array in zip(made, seen, strict=True):
        assert np.array_equal(array, whole(part))
        if kind_of(part) is not None:
            assert array.dtype.isnative and array.dtype.itemsize in (1, 8, 16) and array.flags.c_contiguous


X = np.arange(1.0, 25.0).reshape(2, 4, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cs.statistics.silhouette(np.eye(4), ["a", "a", "b", float("nan")]), "silhouette: labels is not finite, first at sample 3; "),
        (lambda: cs.statistics.folds([0, 1, 2], strata=[0, 0, np.nan]), "folds: strata is not finite, first at sample 2; "),
        (lambda: cs.statistics.folds(np.array([[0, 1]])), r"folds: labels should be an array of values \(sample\); it has 2 axes, \(1, 2\)"),
        (lambda: cs.analysis.discriminant(X[0], [0, 1, np.nan, 1]), "discriminant: condition is not finite, first at trial 2; "),
        (lambda: cs.measures.tables(X, {"one": np.where(X == 18, np.nan, X)}, 0.01, split="all"),
         r"tables: students \['one'\] is not finite, first at condition 1, time 1, other 2; "),
        (lambda: cs.statistics.pairwise_distances([[X, X * np.inf]], lambda a, b: 0.0), r"pairwise_distances: samples \[0\] \[1\] is not finite"),
        (lambda: cs.measures.procrustes_distance(np.eye(2), np.eye(2), inputs=(np.eye(2), np.array([[1, 2], [3, np.nan]]))),
         r"procrustes_distance: inputs \[1\] is not finite, first at axis 1, channel 1; "),
    ],
)  # fmt: skip
def test_parts_of_what_is_gathered_are_checked_too(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}"):
        call()


def test_labels_may_be_anything_but_missing() -> None:
    splits = list(cs.statistics.folds([("a", 1), ("b", 1), ("c", 2), ("d", 2)], strata=[None, None, "x", "x"], count=2))
    assert all(len(part.test) == 2 and (part.test < 2).sum() == 1 for part in splits)


def test_arrays_of_a_card_are_checked_by_name_and_shape() -> None:
    model = cs.load("hennequin_2014").with_arrays({}, units=10)
    still, arrays = np.zeros(model.dimension), model.arrays()
    for function in (cs.simulation.flow, cs.analysis.flow_modes):
        with pytest.raises(OptionError, match=rf"^{function.__name__}: arrays \['W'\] is not finite, first at axis 0 3, axis 1 3; "):
            function(model, arrays | {"W": np.where(np.arange(100).reshape(10, 10) == 33, np.nan, arrays["W"])}, still)
        with pytest.raises(CardError, match=r"^hennequin_2014: array 'W' has shape \(3, 10\); it should be \(10, 10\)\.$"):
            function(model, arrays | {"W": arrays["W"][:3]}, still)
        with pytest.raises(CardError, match=r"^hennequin_2014: arrays should hold W too; Model\.arrays\(\) returns them all\.$"):
            function(model, {}, still)
        with pytest.raises(CardError, match=r"^hennequin_2014: array 'V' has shape \(2,\); those of this model are W"):
            function(model, arrays | {"V": np.ones(2)}, still)
    with pytest.raises(OptionError, match=r"^flow: constants \['drive'\] should be a finite number|^flow: constants \['drive'\] is not finite"):
        cs.simulation.flow(model, arrays, still, {"drive": np.full(10, np.nan)})
