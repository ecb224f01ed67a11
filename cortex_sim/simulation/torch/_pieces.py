"""Long runs in segments, so that the memory of a running twin does not grow with their length."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor

from cortex_sim.simulation._divergence import bounded, refuse_divergence
from cortex_sim.simulation._problem import Noise, Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Run, State, Twin

WINDOW, LONGEST = 256, 1 << 16  # bins, and steps if they are more than one bin, computed at a time where no gradient is wanted


def spans(bins: int, length: int) -> list[slice]:
    """Return slices that cut the bins into segments of one length; the last may be shorter."""
    return [slice(first, min(first + length, bins)) for first in range(0, bins, length)]


def advance(
    twin: Twin, problem: Problem, span: slice, state: State, noise: Mapping[str, Noise] | None = None, chosen: Int[ndarray, " trial"] | None = None
) -> tuple[Run, Mapping[str, Noise]]:
    """Run the bins of a span; the same state and noise give the same run again.

    Args:
        twin: to run.
        problem: of the whole task.
        span: bins to run.
        state: at the start of the span.
        noise: where its draws resume; not modified.
        chosen: trials to keep, by position; all if None.

    Returns:
        The run, and the noise for the next span.
    """
    first, stop = span.start * problem.every, min(span.stop * problem.every, problem.steps)
    drawn = noise and {name: draws.copy() for name, draws in noise.items()}
    inputs = Inputs(twin, problem, chosen, first=first, stop=stop, noise=drawn)
    return twin.unroll(state, inputs, problem, first, stop), inputs.noise


def runs(twin: Twin, problem: Problem, length: int = WINDOW, *, watched: bool = False) -> Iterator[tuple[slice, Run]]:
    """Yield the runs of a schedule, one span of bins at a time; for use without gradients.

    Args:
        twin: to run.
        problem: of the whole task.
        length: of a span, in bins; shorter if bins have many steps.
        watched: whether numbers that grow without bound are an error.

    Raises:
        Diverged: a state or rate grew without bound.
    """
    state, noise = twin.start(problem), None
    for span in spans(problem.task.bins, max(1, min(length, LONGEST // problem.every))):
        run, after = advance(twin, problem, span, state, noise)
        if watched and not all(bounded(part) for part in _watched(run, problem).values()):
            _refuse(twin, problem, span, run, state, noise)
        state, noise = run.last, after
        yield span, run


def _watched(run: Run, problem: Problem) -> dict[str, Tensor]:
    """Return what may diverge, by name, states first."""
    states = {} if run.states is None else {"state": run.states[..., : problem.model.dimension]}
    return states | {"rate of unit": run.rates}


def _refuse(twin: Twin, problem: Problem, span: slice, run: Run, state: State, noise: Mapping[str, Noise] | None) -> None:
    """Repeat the steps of the bin at whose end a run was beyond all bounds, to report the first step at which that is certain."""
    model, task, every, parts = problem.model, problem.task, problem.every, _watched(run, problem)
    good = min(next(bin for bin in range(part.shape[1] + 1) if not bounded(part[:, : bin + 1])) for part in parts.values() if not bounded(part))
    first = (span.start + good - 1) * every
    if good > 1:
        before, noise = advance(twin, problem, slice(span.start, span.start + good - 1), state, noise)
        state = before.last
    for stop in range(first + 1, first + every + 1) if good else ():
        drawn = noise and {name: draws.copy() for name, draws in noise.items()}
        now = twin.unroll(state, Inputs(twin, problem, first=first, stop=stop, noise=drawn), problem, first, stop).last
        refuse_divergence(model.name, now[:, None, : model.dimension], np.array([task.start + stop * problem.dt]), "state")
    for what, part in parts.items():
        refuse_divergence(model.name, part, task.time[span], what)
