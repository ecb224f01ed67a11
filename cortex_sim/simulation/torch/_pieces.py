"""Long runs in segments, so that the memory of a running twin does not grow with their length."""

from collections.abc import Iterator, Mapping

from numpy import ndarray

from cortex_sim.simulation._problem import Noise, Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Run, State, Twin

WINDOW, LONGEST = 256, 1 << 16  # bins, and steps if they are more than one bin, computed at a time where no gradient is wanted


def spans(bins: int, length: int) -> list[slice]:
    """Return slices that cut the bins into segments of one length; the last may be shorter."""
    return [slice(first, min(first + length, bins)) for first in range(0, bins, length)]


def advance(
    twin: Twin, problem: Problem, span: slice, state: State, noise: Mapping[str, Noise] | None = None, chosen: ndarray | None = None
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


def runs(twin: Twin, problem: Problem, length: int = WINDOW) -> Iterator[tuple[slice, Run]]:
    """Yield the runs of a schedule, one span of bins at a time; for use without gradients."""
    state, noise = twin.start(problem), None
    for span in spans(problem.task.bins, max(1, min(length, LONGEST // problem.every))):
        run, noise = advance(twin, problem, span, state, noise)
        state = run.last
        yield span, run
