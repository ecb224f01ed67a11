"""The one check of outside input: every public function of a package checks its arguments against their annotations.

Numbers in arrays become float64 (whole numbers int64) in C order, so that type, byte order and memory layout never change a result.
Entries that are not numbers or are missing (NaN, masked, infinite) are refused with their place, and so is a wrong number of axes.
"""

import collections.abc
import functools
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

import jaxtyping
import numpy as np
from numpy import ndarray

from cortex_sim.errors import OptionError

Given = TypeVar("Given", bound=Callable[..., Any])
KINDS = {
    "float": ("biuf", "float64", "numbers"), "int": ("iu", "int64", "whole numbers"), "bool": ("b", "bool", "True and False"),
    "complex": ("biufc", "complex128", "complex numbers"),
}  # fmt: skip
"""Kinds of arrays: the NumPy kinds that are converted, the resulting type, and its description."""
MISSING_ALLOWED = "_missing_allowed"
LEFT_OUT = "what is missing is no number. Leave it out, or fill it in."


class Refused(Exception):
    """An argument that is not of the required kind; the message says what is required, and what was found."""


class Missing(Refused):
    """An argument some of whose entries are missing, which no other kind that is allowed can mend."""


def missing_allowed(*names: str) -> Callable[[Given], Given]:
    """Mark a function some of whose arrays may contain NaN and numbers be NaN or infinite, as its docstring explains."""

    def mark(function: Given) -> Given:
        setattr(function, MISSING_ALLOWED, names)
        return function

    return mark


@functools.cache
def checked(function: Callable[..., Any], label: str | None = None) -> Callable[..., Any]:
    """Return the function with a check of its arguments against its annotations.

    Args:
        function: its annotations are those of its own module.
        label: what errors call it, if that is not its name.

    Raises:
        OptionError: on a call with an argument of the wrong kind; the message says which, what it is, and what it should be.
    """
    signature = inspect.signature(function)
    label = label or (function.__qualname__.split(".")[0] if function.__name__ == "__call__" else function.__name__)

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        try:
            bound = signature.bind(*given, **named)
        except TypeError as problem:
            takes = ", ".join(signature.parameters)
            raise OptionError(f"{label}: {problem}; it takes {takes}.") from None
        hints, missing = _hints(function), getattr(function, MISSING_ALLOWED, ())
        for name, value in bound.arguments.items():
            kind, hint = signature.parameters[name].kind, hints.get(name)
            several = kind is inspect.Parameter.VAR_POSITIONAL and isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)
            if hint is not None and (several or kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)):
                try:
                    bound.arguments[name] = brought(value, tuple[hint, ...] if several else hint, missing=name in missing)
                except Refused as problem:
                    raise OptionError(f"{label}: {name} {problem}") from None
        return function(*bound.args, **bound.kwargs)

    return call


Class = TypeVar("Class", bound=type)


def doored(*names: str) -> Callable[[Class], Class]:
    """Return a decorator that checks the arguments of these methods of a class like those of functions; see :func:`checked`."""

    def wrap(kind: Class) -> Class:
        for name in names:
            found = vars(kind)[name]
            label = f"{kind.__name__}.{name}" if isinstance(found, classmethod) else None
            setattr(kind, name, classmethod(checked(found.__func__, label)) if isinstance(found, classmethod) else checked(found))
        return kind

    return wrap


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return annotations by name, without those that use names known only to type checkers."""
    hints: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(function).items():
        holder = type("Holder", (), {"__annotations__": {name: annotation}})
        try:
            hints |= typing.get_type_hints(holder, globalns=inspect.unwrap(function).__globals__)
        except NameError:
            continue
    return hints


def brought(value: Any, hint: Any, *, missing: bool = False) -> Any:
    """Return a value converted to the kind that an annotation requires; kinds that are not checked are returned unchanged.

    Args:
        value: what was given.
        hint: an annotation.
        missing: whether arrays may contain NaN, and numbers be NaN or infinite.

    Raises:
        Refused: the value is of another kind.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, inner, missing)
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return _array(value, hint, missing)
    match hint:
        case types.NoneType:
            wrong = value is not None
        case _ if hint is bool:
            wrong = not isinstance(value, bool | np.bool_)
        case _ if hint is int:
            wrong = not isinstance(value, Integral) or isinstance(value, bool)
            value = value if wrong else int(value)
        case _ if hint is float:
            wrong = not isinstance(value, Real) or isinstance(value, bool) or not (missing or math.isfinite(value))
            value = value if wrong else float(value)
        case _ if hint is Path:
            wrong = not isinstance(value, str | Path)
            value = value if wrong else Path(value)
        case _ if origin in (collections.abc.Sequence, collections.abc.Mapping, tuple, list, dict):
            return _gathered(value, origin, inner, missing)
        case _ if origin is collections.abc.Callable or hint is Callable:
            wrong = not callable(value)
        case type() if hint is not object and hint.__module__ != "typing" and not getattr(hint, "_is_protocol", False):
            wrong = not isinstance(value, hint) if not typing.is_typeddict(hint) else False
        case _:
            return value
    if wrong:
        raise Refused(f"should be {said(hint)} (got {shown(value)}).")
    return value


def _one_of(value: Any, hints: tuple[Any, ...], missing: bool) -> Any:
    """Return the value as the first of several kinds that fits; otherwise raise the most informative refusal."""
    arrays = tuple(hint for hint in hints if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray))
    if isinstance(value, ndarray) and value.ndim and arrays:
        hints = arrays  # which say more about it than a list does
    exact = [hint for hint in hints if isinstance(hint, type) and hint not in arrays and isinstance(value, hint)]
    problems = []
    for hint in (*exact, *hints):
        try:
            return brought(value, hint, missing=missing)
        except Missing:
            raise
        except Refused as problem:
            problems.append(str(problem))
    inside = [text for text in problems if text.startswith("[")]  # of a list or a mapping that was meant to be one of these kinds
    if hints is arrays or inside:
        raise Refused((inside or problems)[0])
    raise Refused(f"should be {' or '.join(dict.fromkeys(map(said, hints)))} (got {shown(value)}).")


def hidden(value: Any) -> ndarray:
    """Return which entries of a masked array are masked; no entry of anything else is."""
    return np.ma.getmaskarray(value) if np.ma.isMaskedArray(value) else np.zeros(1, bool)


def _array(value: Any, hint: Any, missing: bool) -> Any:
    if hint.array_type is not ndarray:
        return value
    masked = hidden(value)
    if masked.any():
        raise Missing(f"has masked entries, the first at {place(masked, hint)}; what is missing is no number. Leave it out.")
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)  # a tensor, perhaps one with a gradient
    except (ValueError, TypeError, RuntimeError):
        array = np.asarray(None)
    if (kind := _kind(hint)) is not None:
        if array.dtype.kind not in KINDS[kind][0]:
            raise Refused(f"should be {said(hint)} (got {shown(value)}).")
        exact = hint.dtypes[0] if len(hint.dtypes) == 1 else KINDS[kind][1]
        array = np.asarray(array, dtype=exact, order="C")
    axes = hint.dim_str.split()
    if array.ndim != len(axes) and not any(axis.startswith(("*", "...")) for axis in axes):
        raise Refused(f"should be {said(hint)}; it has {array.ndim} axes, {array.shape}.")
    absent = _absent(array if isinstance(value, ndarray) or array.dtype.kind not in "US" else np.array(value, dtype=object))
    if not missing and absent.any():
        raise Missing(f"is not finite, first at {place(absent, hint)}; {LEFT_OUT}")
    return array


def _absent(array: ndarray) -> ndarray:
    """Return which entries are NaN or infinite; of objects, such as labels, which are numbers that are."""
    if array.dtype.kind in "fc":
        return ~np.isfinite(array)
    if array.dtype.kind != "O":
        return np.zeros(1, bool)
    return np.array([isinstance(entry, Real) and not math.isfinite(entry) for entry in array.flat], dtype=bool).reshape(array.shape)


def _kind(hint: Any) -> str | None:
    """Return the kind of numbers that an array's annotation requires, the widest of several; None for any."""
    if not isinstance(hint.dtypes, tuple):
        return None
    asked = {kind[0] for dtype in hint.dtypes if (kind := re.match("[a-z]+", dtype))}
    return next((kind for kind in ("complex", "float", "int", "bool") if kind in asked), None)


def place(where: ndarray, hint: Any) -> str:
    """Return the place of the first marked entry, axis by axis: "condition 2, time 3, unit 4"."""
    first = np.unravel_index(int(np.argmax(where)), where.shape)
    axes = [axis.lstrip("_") for axis in hint.dim_str.split()]
    names = axes if len(axes) == where.ndim and "..." not in axes else [f"axis {number}" for number in range(where.ndim)]
    return ", ".join(f"{name} {position}" for name, position in zip(names, first, strict=True)) or "its only entry"


def _gathered(value: Any, origin: Any, inner: tuple[Any, ...], missing: bool) -> Any:
    """Return a sequence, mapping or tuple with each part converted to its kind."""
    if origin in (collections.abc.Mapping, dict):
        if not isinstance(value, Mapping):
            raise Refused(f"should be a mapping (got {shown(value)}).")
        named = {key: _part(part, inner[1], f"[{key!r}]", missing) for key, part in value.items()} if inner else {}
        return value if all(named[key] is value[key] for key in named) else named
    whole = (isinstance(value, Sequence) and not isinstance(value, str | bytes)) or (isinstance(value, ndarray) and value.ndim > 0)
    if origin is tuple and (not whole or (Ellipsis not in inner and len(value) != len(inner))):
        raise Refused(f"should be {len(inner)} values (got {shown(value)}).")
    if not whole:
        raise Refused(f"should be a list (got {shown(value)}).")
    kinds = [inner[0]] * len(value) if origin is not tuple or Ellipsis in inner else list(inner)
    parts = [_part(part, kind, f"[{number}]", missing) for number, (part, kind) in enumerate(zip(value, kinds, strict=True))]
    if isinstance(value, ndarray) or all(new is old for new, old in zip(parts, value, strict=True)):
        return value  # the very container, which the function may be meant to fill
    return tuple(parts) if origin is tuple or isinstance(value, tuple) else parts


def _part(value: Any, hint: Any, where: str, missing: bool) -> Any:
    try:
        if hint is object and not missing and isinstance(value, Real) and not math.isfinite(value):
            raise Missing(f"is not finite; {LEFT_OUT}")
        return brought(value, hint, missing=missing)
    except Refused as problem:
        raise type(problem)(f"{where} {problem}") from None


def positions(chosen: Any, count: int, what: str) -> ndarray:
    """Return a selection among ``count`` items as indices.

    Args:
        chosen: indices from 0, in any order and with repeats, or one True or False for each item.
        count: how many there are.
        what: name of the items, for the message.

    Raises:
        OptionError: it is neither, or an index is out of range.
    """
    try:
        array = np.asarray(chosen)
    except ValueError:
        array = np.asarray(None)
    array = array.astype(int) if array.size == 0 else array
    if array.dtype.kind == "b" and array.shape == (count,):
        return np.flatnonzero(array)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 1 and array.shape == (count,) and count > 2 and array.min() >= 0 and array.max() <= 1:
        raise OptionError(f"{what}: {count} times 0 or 1 in bytes is a mask or the same positions over and over; give .astype(bool) or .astype(int).")
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise OptionError(f"{what}: should be positions from 0 to {count - 1}, or {count} times True or False (got {shown(chosen)}).")
    if array.size and not (array.min() >= 0 and array.max() < count):
        raise OptionError(f"{what}: position {array[(array < 0) | (array >= count)][0]} is not there; they go from 0 to {count - 1}.")
    return array.astype(int)


def said(hint: Any) -> str:
    """Return what an annotation requires, in words."""
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        kind = _kind(hint)
        return f"an array of {KINDS[kind][2] if kind else 'values'} ({', '.join(axis.lstrip('_') for axis in hint.dim_str.split())})"
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(said, inner)))
    if origin in (collections.abc.Sequence, list) and inner:
        return f"a list, each {said(inner[0])}"
    words = {bool: "True or False", int: "a whole number", float: "a finite number", str: "a text", types.NoneType: "None"}
    return words.get(hint) or f"{getattr(hint, '__name__', str(hint))}"


def shown(value: Any) -> str:
    """Return a value as one line of text."""
    if isinstance(value, ndarray):
        return f"an array of {value.dtype}, {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
