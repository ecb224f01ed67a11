"""Lyapunov exponents: does an autonomous circuit forget its initial state, keep it, or amplify differences?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream, track
from cortex_sim.simulation import Wrapped
from cortex_sim.simulation.torch import growths, step_of

STEPS = 10  # in a block
PARTS = 10  # of the time, whose spread gives the standard errors


@dataclass(frozen=True)
class Exponents:
    """The estimated exponents.

    Attributes:
        values: 1/s, largest first; positive if nearby states diverge.
        error: standard error of each, treating tenths of the averaging time as independent, 1/s.
    """

    values: Float[ndarray, " direction"]
    error: Float[ndarray, " direction"]

    @property
    def dimension(self) -> float:
        """Return the Kaplan-Yorke dimension: number of exponents that add up to 0, the last in part; infinite if the sum of all is positive."""
        total = np.cumsum(self.values)
        if self.values[0] < 0:
            return 0.0
        if total[-1] > 0:
            return float("inf")
        whole = int(np.flatnonzero(total >= 0)[-1])
        return whole + 1 + float(total[whole] / abs(self.values[whole + 1])) if whole + 1 < len(total) else float(whole + 1)


@threadpool_limits.wrap(limits=1)
def lyapunov(
    model: Model | Wrapped, state: Float[ndarray, " state"], *, duration: float, transient: float, count: int = 1, seed: int = 0
) -> Exponents:
    """Return the largest Lyapunov exponents of an undriven model along its own trajectory.

    Directions are propagated by the derivative of every step and orthonormalised every ten steps; the logarithms of their growth
    per unit time are the exponents.

    Args:
        model: stepped with its own integrator; a wrapped one, with channels of 0.
        state: initial state, in SI; choose one on the attractor, or a transient long enough to reach it.
        duration: averaging time, s.
        transient: time before averaging, s; directions also need it to align with those of growth.
        count: number of exponents, from the largest.
        seed: of the initial directions.

    Raises:
        ComparisonError: there are more exponents than state variables, the time is shorter than a hundred steps, or the state diverges.
        TaskError: a projection has a delay, or only a wrapped model's outputs are known.

    Source:
        Benettin, Galgani, Giorgilli & Strelcyn (1980) Meccanica 15:9.
    """
    if not 1 <= count <= model.dimension:
        raise ComparisonError(f"{model.name}: {count} exponents of a state of {model.dimension} numbers; there should be between 1 and those.")
    step, dt = (step_of(model, model.arrays()), model.dt.si) if isinstance(model, Model) else (model.step_in_torch(), model.dt)
    block = STEPS * dt
    kept, left = (round(time / block) for time in (duration, transient))
    if kept < PARTS:
        raise ComparisonError(f"{model.name}: {duration:g} s are {kept} times {STEPS} steps; exponents need at least {PARTS} times.")
    rng = stream(seed, "analysis", "directions of Lyapunov exponents")
    start = np.linalg.qr(rng.standard_normal((model.dimension, count)))[0]
    grown = np.empty((left + kept, count))
    with track("Lyapunov exponents") as report:
        for number, found in enumerate(growths(step, state, start, blocks=left + kept, steps=STEPS)):
            if not np.isfinite(found).all():
                when = f"{number * block:g} s"
                raise ComparisonError(f"{model.name}: the state or a direction is not finite after {when}; exponents need a bounded one.")
            grown[number] = found / block
            report(number / len(grown), "")
    parts = np.array([part.mean(axis=0) for part in np.array_split(grown[left:], PARTS)])
    values = grown[left:].mean(axis=0)
    order = np.argsort(-values)
    return Exponents(values[order], (parts.std(axis=0, ddof=1) / np.sqrt(PARTS))[order])
