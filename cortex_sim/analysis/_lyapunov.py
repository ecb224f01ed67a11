"""Lyapunov exponents: does a circuit left alone forget where it was, keep it, or amplify it?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream, track
from cortex_sim.simulation.torch import growths

STEPS = 10  # in a block
PARTS = 10  # of the time, whose spread gives the standard errors


@dataclass(frozen=True)
class Exponents:
    """What is found.

    Attributes:
        values: 1/s, largest first; positive where nearby states part.
        error: standard error of each, from tenths of the time taken for independent, 1/s.
    """

    values: Float[ndarray, " direction"]
    error: Float[ndarray, " direction"]

    @property
    def dimension(self) -> float:
        """Kaplan-Yorke dimension: directions whose exponents still add up to 0, the last in part; infinite if all known ones add up to more."""
        total = np.cumsum(self.values)
        if self.values[0] < 0:
            return 0.0
        if total[-1] > 0:
            return float("inf")
        whole = int(np.flatnonzero(total >= 0)[-1])
        return whole + 1 + float(total[whole] / abs(self.values[whole + 1])) if whole + 1 < len(total) else float(whole + 1)


@threadpool_limits.wrap(limits=1)
def lyapunov(model: Model, state: Float[ndarray, " state"], *, duration: float, transient: float, count: int = 1, seed: int = 0) -> Exponents:
    """Follow the largest exponents of an undriven model along its own trajectory.

    Directions are carried by the derivative of every step and made orthonormal every ten steps; the logarithms of their growth
    over time are the exponents.

    Args:
        model: stepped by its own integrator.
        state: where it begins, in SI; take one on the attractor, or a transient long enough to reach it.
        duration: over which is averaged, s.
        transient: before that, s; also for directions to turn to where they grow.
        count: of the largest exponents.
        seed: of the directions at the start.

    Raises:
        ComparisonError: more exponents than the state has numbers, the time is shorter than a hundred steps, or the state grows without bound.
        TaskError: a projection has a delay.

    Source:
        Benettin, Galgani, Giorgilli & Strelcyn (1980) Meccanica 15:9.
    """
    if not 1 <= count <= model.dimension:
        raise ComparisonError(f"{model.name}: {count} exponents of a state of {model.dimension} numbers; there should be between 1 and those.")
    block = STEPS * model.dt.si
    kept, left = (round(time / block) for time in (duration, transient))
    if kept < PARTS:
        raise ComparisonError(f"{model.name}: {duration:g} s are {kept} times {STEPS} steps; exponents need at least {PARTS} times.")
    rng = stream(seed, "analysis", "directions of Lyapunov exponents")
    start = np.linalg.qr(rng.standard_normal((model.dimension, count)))[0]
    grown = np.empty((left + kept, count))
    with track("Lyapunov exponents") as report:
        for number, found in enumerate(growths(model, model.arrays(), state, start, blocks=left + kept, steps=STEPS)):
            if not np.isfinite(found).all():
                when = f"{number * block:g} s"
                raise ComparisonError(f"{model.name}: the state or a direction is not finite after {when}; exponents need a bounded one.")
            grown[number] = found / block
            report(number / len(grown), "")
    parts = np.array([part.mean(axis=0) for part in np.array_split(grown[left:], PARTS)])
    values = grown[left:].mean(axis=0)
    order = np.argsort(-values)
    return Exponents(values[order], (parts.std(axis=0, ddof=1) / np.sqrt(PARTS))[order])
