"""Measures by name: what each compares, and how two sides are brought to one scale.

A function of this folder that is decorated with :func:`measure` is a measure; no list has to be extended.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison import _geometry as geometry
from cortex_sim.comparison._listed import listed
from cortex_sim.errors import ComparisonError, NotFound, suggestion
from cortex_sim.fitting import unit_scale
from cortex_sim.runtime import doored

Rates = Float[ndarray, "condition time unit"]
NOTHING: float = geometry.LOST  # of the variance, to all purposes
LOST = 0.01  # of the variance, when only principal components are compared
NO_TRIALS = "one noiseless or averaged trial per condition, so there is no trial noise to bound a model by"


@doored("__call__")
@dataclass(frozen=True)
class Measure:
    """A measure of the similarity of two systems in matched conditions.

    Attributes:
        name: with its unit.
        about: description in one line.
        function: takes two arrays (condition, time, unit) and the bin width in s; or the results of ``read``, or what ``joint`` returns.
        better: whether higher or lower means more similar.
        identical: value for identical rates.
        unlike: value for a student that does not vary; None if the function handles this.
        same_units: whether units are compared one by one; otherwise both sides are principal components.
        read: analysis of one array and the bin width, if sides are analysed separately, so that conditions need not be matched.
        joint: analysis of both sides, if some of it serves every order of the student's conditions; its method ``at(order)`` returns the rest.
        learns: whether it fits maps to some conditions and tests them on others. Fewer conditions lower it, so its interval uses larger subsets.
        signed: whether the function returns a difference, of which the measure is the absolute value. Its interval comes from the difference.
        selects: whether it is of one of several features, which other conditions may select otherwise; its interval then holds what they give.
        axes: number of axes along which ``read`` analyses a side, if it chooses one by the variance that they hold. That of all conditions is
            kept on subsets of them, since an axis more on one side alone is a difference in itself.
    """

    name: str
    about: str
    function: Callable[..., float]
    better: Literal["higher", "lower"]
    identical: float
    unlike: float | None = None
    same_units: bool = False
    read: Callable[..., Any] | None = None
    joint: Callable[[Any, Any], Any] | None = None
    learns: bool = False
    signed: bool = False
    selects: bool = False
    axes: Callable[[Any], int] | None = None

    def __call__(self, teacher: Rates, student: Rates, dt: float, training: Float[ndarray, "known time unit"] | None = None) -> float:
        """Return the measure for two sides with the same conditions, bins and units.

        Args:
            teacher: rates.
            student: rates.
            dt: width of a bin, s.
            training: the teacher's rates in training conditions, for means and scales; the compared ones if omitted.
        """
        a, b = scaled(teacher, student, training)
        if not self.same_units:
            a, b = reduced(a), reduced(b)
        return self.between(*self.analysed(a, b, dt))

    def of_images(self, a: Rates, b: Float[ndarray, "condition time other"], dt: float) -> float:
        """Return the measure for two coordinate systems, whose units have one scale in each; units correspond only if the measure needs it.

        Args:
            a: rates.
            b: rates with the same conditions or trials, and bins.
            dt: width of a bin, s.

        Raises:
            ComparisonError: units should correspond, and their numbers differ.
        """
        if self.same_units and a.shape[2] != b.shape[2]:
            raise ComparisonError(f"{self.name}: {a.shape[2]} units on one side, {b.shape[2]} on the other; this measure compares unit by unit.")
        first, second = images(a, b)
        if not self.same_units:
            first, second = reduced(first), reduced(second)
        return self.between(*self.analysed(first, second, dt))

    def analysed(self, a: Rates, b: Float[ndarray, "condition time other"], dt: float, whole: tuple[Rates, Rates] | None = None) -> tuple[Any, ...]:
        """Return what the function takes, of two sides that are already scaled and reduced; nothing if the student does not vary.

        Args:
            a: rates.
            b: rates.
            dt: width of a bin, s.
            whole: both sides in all conditions, if these are some of them.
        """
        if self.unlike is not None and not np.ptp(b, axis=(0, 1)).any():
            return ()
        if self.joint:
            return (self.joint(a, b).at(np.arange(len(b))),)
        if not self.read:
            return (a, b, dt)
        one, other = ((self.axes(side),) for side in whole) if whole and self.axes else ((), ())
        return self.read(a, dt, *one), self.read(b, dt, *other)

    def between(self, *analysed: Any) -> float:
        """Return the measure for what :meth:`analysed` returns."""
        value = self.difference(*analysed)
        return abs(value) if self.signed else value

    def difference(self, *analysed: Any) -> float:
        """Return the measure with its sign, if it is ``signed``; otherwise the measure itself."""
        return float(self.function(*analysed)) if analysed or self.unlike is None else self.unlike

    def alike(self, value: ndarray | float) -> Any:
        """Return values with signs such that higher means more similar, to rank by several measures."""
        return value if self.better == "higher" else -value


_registered: dict[str, Measure] = {}


def measure(
    name: str,
    *,
    better: Literal["higher", "lower"],
    identical: float,
    about: str,
    unlike: float | None = None,
    same_units: bool = False,
    read: Callable[..., Any] | None = None,
    joint: Callable[[Any, Any], Any] | None = None,
    learns: bool = False,
    signed: bool = False,
    selects: bool = False,
    axes: Callable[[Any], int] | None = None,
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Return a decorator that makes a function a measure; see :class:`Measure`."""

    def enter(function: Callable[..., float]) -> Callable[..., float]:
        _registered[name] = Measure(name, about, function, better, identical, unlike, same_units, read, joint, learns, signed, selects, axes)
        return function

    return enter


class _Measures(Mapping[str, Measure]):
    """Every measure of this folder by name; those that compare unit by unit come first."""

    @cached_property
    def _all(self) -> dict[str, Measure]:
        for module, _ in listed().values():
            importlib.import_module(module)
        return dict(sorted(_registered.items(), key=lambda item: not item[1].same_units))

    def __getitem__(self, name: str) -> Measure:
        try:
            return self._all[name]
        except KeyError:
            raise NotFound(f"measure {name!r} is unknown. {suggestion(str(name), self._all)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, name: object) -> bool:
        return name in self._all


MEASURES: Mapping[str, Measure] = _Measures()


def flat(rates: Rates, most: int | None = None) -> Float[ndarray, "sample unit"]:
    """Return the samples of all conditions and times, or evenly spaced ones, at most this many."""
    count = rates.shape[0] * rates.shape[1]
    return rates.reshape(-1, rates.shape[2])[:: every(count, most or count)]


def every(count: int, most: int) -> int:
    """Return the smallest n for which every nth of so many samples are at most ``most``."""
    return max(1, -(-count // most))


def departures(rates: Rates) -> Rates:
    """Return deviations from the mean over conditions at each time."""
    return rates - rates.mean(axis=0)


def scaled(teacher: Rates, student: Rates, training: Float[ndarray, "known time unit"] | None = None) -> tuple[Rates, Rates]:
    """Return both sides centred and in standard deviations (:func:`~cortex_sim.fitting.unit_scale`) of each unit of the teacher.

    Args:
        teacher: rates.
        student: rates.
        training: the teacher's rates for means and scales; the compared conditions themselves if omitted.
    """
    known = teacher if training is None else training
    mean, scale = known.mean(axis=(0, 1)), unit_scale(known)
    return (teacher - mean) / scale, (student - mean) / scale


def images(one: Rates, other: Float[ndarray, "condition time other"]) -> tuple[Rates, Float[ndarray, "condition time other"]]:
    """Return two coordinate systems, each centred and divided by the root mean square of all its units, so that relative sizes are kept."""
    first, second = ((x - x.mean(axis=(0, 1))) / x.std() for x in (one, other))
    return first, second


def reduced(rates: Rates, lost: float = LOST, *, axes: int | None = None) -> Float[ndarray, "condition time axis"]:
    """Return the principal components that hold all of the variance but a fraction, or so many; rates that do not vary as they are."""
    return geometry.principal_part(rates, lost, axes=axes) if np.ptp(rates, axis=(0, 1)).any() else rates
