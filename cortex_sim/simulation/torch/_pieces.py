"""Long times piece by piece: what is kept while a twin runs does not grow with them."""

from collections.abc import Iterator, Mapping

from numpy import ndarray

from cortex_sim.simulation._problem import Noise, Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Run, State, Twin

WINDOW = 256  # bins computed at a time where no gradient is wanted


def spans(bins: int, length: int) -> list[slice]:
    """Cut so many bins into pieces of one length; the last may be shorter."""
    return [slice(first, min(first + length, bins)) for first in range(0, bins, length)]


def advance(
    twin: Twin, problem: Problem, span: slice, state: State, noise: Mapping[str, Noise] | None = None, chosen: ndarray | None = None
) -> tuple[Run, Mapping[str, Noise]]:
    """Run the bins of a span; done twice from one state and one noise, it does the same twice.

    Args:
        twin: what is run.
        problem: of the whole task.
        span: bins.
        state: at the start of the span.
        noise: where it goes on from; left as it is.
        chosen: trials to keep, by position; all if None.

    Returns:
        The run, and the noise that the next span goes on with.
    """
    first, stop = span.start * problem.every, min(span.stop * problem.every, problem.steps)
    drawn = noise and {name: draws.copy() for name, draws in noise.items()}
    inputs = Inputs(twin, problem, chosen, first=first, stop=stop, noise=drawn)
    return twin.unroll(state, inputs, problem, first, stop), inputs.noise


def runs(twin: Twin, problem: Problem, length: int = WINDOW) -> Iterator[tuple[slice, Run]]:
    """A schedule, a span of bins at a time; for use without gradient."""
    state, noise = twin.start(problem), None
    for span in spans(problem.task.bins, length):
        run, noise = advance(twin, problem, span, state, noise)
        state = run.last
        yield span, run
