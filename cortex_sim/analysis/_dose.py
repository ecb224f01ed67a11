"""Dose and response: how an effect grows with a push, which pushes have equal effects, and how long a system takes to recover."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import brentq

from cortex_sim.errors import ComparisonError


def effect(change: Float[ndarray, "condition time unit"]) -> float:
    """Return the size of a response: root mean square of the change over conditions, times and units, in the unit of the rates."""
    return float(np.sqrt((np.asarray(change) ** 2).mean()))


def dose_response(respond: Callable[[float], Float[ndarray, "condition time unit"]], doses: Sequence[float]) -> Float[ndarray, " dose"]:
    """Return the size of the response to every dose.

    Args:
        respond: returns the change of the rates under a push of this dose.
        doses: in any unit.
    """
    return np.array([effect(respond(dose)) for dose in doses])


def matched_dose(respond: Callable[[float], Float[ndarray, "condition time unit"]], wanted: float, *, most: float, tolerance: float = 1e-3) -> float:
    """Return the dose whose effect has a given size, so that pushes of two systems can be matched in effect and not only in current.

    Args:
        respond: returns the change of the rates under a push of this dose.
        wanted: size of the effect, in the unit of the rates.
        most: largest dose to try.
        tolerance: of the dose, relative to the largest dose.

    Raises:
        ComparisonError: the effect of the largest dose is too small.
    """
    reached = effect(respond(most))
    if not 0 < wanted <= reached:
        raise ComparisonError(f"matched_dose: an effect of {wanted:.3g} is wanted; doses up to {most:.3g} have one of up to {reached:.3g}.")
    return float(brentq(lambda dose: effect(respond(dose)) - wanted if dose else -wanted, 0.0, most, xtol=tolerance * most))


def recovery_time(
    change: Float[ndarray, "condition time unit"], time: Float[ndarray, " time"], *, end: float, share: float = 0.1
) -> Float[ndarray, " condition"]:
    """Return the time from the end of a push until its effect stays below a fraction of its peak; infinite if it does not.

    Args:
        change: change of the rates.
        time: s.
        end: of the push, s.
        share: fraction of the largest root mean square over units at any time.

    Returns:
        One time per condition, s.

    Raises:
        ComparisonError: the push ends after the last time.
    """
    if end > time[-1]:
        raise ComparisonError(f"recovery_time: the push ends at {end:g} s, after the last time, {time[-1]:g} s.")
    size = np.sqrt((np.asarray(change) ** 2).mean(axis=2))
    above = size > share * size.max(axis=1, keepdims=True)
    last = np.where(above.any(axis=1), above.shape[1] - 1 - above[:, ::-1].argmax(axis=1), -1)
    step = time[1] - time[0]
    found = np.where(last < 0, time[0], time[np.clip(last, 0, None)] + step)
    return np.where(last == len(time) - 1, np.inf, np.maximum(found - end, 0.0))
