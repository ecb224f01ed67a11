"""Averages over noisy trials compared with time courses of a circuit without noise, unit by unit."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._reliability import reliability
from cortex_sim.statistics import Score, matched_over
from cortex_sim.trials import Trials

NULLS = 200
Courses = Float[ndarray, "time unit"]


def course_score(name: str, found: Courses, wanted: Courses, single: Trials, *, window: str, what: str, rng: np.random.Generator, seed: int) -> Score:
    """Return the correlation of time courses over time and units; the null permutes units, the interval omits units in turn.

    Args:
        name: name of the student.
        found: averages over the trials, smoothed.
        wanted: the target, smoothed likewise.
        single: single trials; the square root of their reliability is the ceiling.
        window: description of the analysed part of the trials, for the record.
        what: name of the units.
        rng: of the null.
        seed: of the halves for the reliability.
    """
    ceiling = float(np.sqrt(np.clip(np.nanmean(reliability(single, seed=seed)), 0, 1)))

    def correlate(these: ndarray, those: ndarray) -> float:
        return float(np.corrcoef(found[:, these].ravel(), wanted[:, those].ravel())[0, 1])

    return Score(
        f"correlation of rates over time and {what}", name, f"{single.shape[0]} trials, {window}", better="higher", identical=1.0,
        surrogate=f"{what} in random order", ceiling=ceiling, **matched_over(what, found.shape[1], correlate, rng=rng, draws=NULLS),
    )  # fmt: skip
