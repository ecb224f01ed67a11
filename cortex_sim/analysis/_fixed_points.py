"""Fixed and slow points of a flow, the probability that all were found, and the linearised flow about each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model, scale
from cortex_sim.errors import ComparisonError, TaskError, suggestion
from cortex_sim.runtime import stream
from cortex_sim.simulation import Problem, Wrapped, state_of, trajectory
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

ROUND_OFF = 1e-12  # 1/s; a point that moves more slowly than this fraction of the spread of states is fixed
SLOW = 1.0  # 1/s; a point that moves more slowly than this is slow: it stays for a second
APART = 1e-3  # of the spread; points nearer than this are one
KILLED = 1e-12  # modulus of a multiplier below which a step leaves nothing of a direction
SAID = 5  # points whose growth a portrait names when it is printed
JITTER = 0.5  # of the spread, added to sampled states


@dataclass(frozen=True)
class Point:
    """One fixed or slow point.

    Attributes:
        state: in the model's own units.
        speed: speed of the state there, as a fraction of the spread of states, 1/s; at a fixed point 0 up to round-off.
        eigenvalues: of the flow linearised there, 1/s; imaginary parts in rad/s. Slowest decay first. For a map (a network
            in discrete time) they are log(mu)/dt of the multipliers mu of one step, so that a positive real part means a modulus above 1.
        found: number of searches that ended there.
    """

    state: Float[ndarray, " state"]
    speed: float
    eigenvalues: Complex[ndarray, " mode"]
    found: int

    @property
    def fixed(self) -> bool:
        """Return whether the flow vanishes, up to round-off."""
        return self.speed < ROUND_OFF

    @property
    def unstable(self) -> int:
        """Return the number of unstable directions."""
        return int((self.eigenvalues.real > 0).sum())


@dataclass(frozen=True)
class Portrait:
    """All points found by a number of searches.

    Attributes:
        points: fixed points first, most stable first; then slow points.
        searches: number of them.
        lost: searches that ended neither at a fixed nor at a slow point, or far outside the visited states.
    """

    points: Sequence[Point]
    searches: int
    lost: int

    @property
    def fixed(self) -> list[Point]:
        """Return the fixed points."""
        return [point for point in self.points if point.fixed]

    def __repr__(self) -> str:
        slow, ended = len(self.points) - len(self.fixed), self.searches - self.lost
        said = f"<Portrait: {len(self.fixed)} fixed, {slow} slow; {ended} of {self.searches} searches ended there"
        rates = [f"{point.eigenvalues.real.max():.3g}" for point in self.fixed if point.eigenvalues.size]
        return said + (f"; max Re λ {', '.join(rates[:SAID])}{', …' * (len(rates) > SAID)} per s>" if rates else ">")

    @property
    def coverage(self) -> float:
        """Return the probability that one more search ends at a known point: 1 - share of points found once (Good 1953, Biometrika 40:237)."""
        ended = sum(point.found for point in self.points)
        return 1 - sum(point.found == 1 for point in self.points) / ended if ended else 0.0


@threadpool_limits.wrap(limits=1)
def fixed_points(
    model: Model | Wrapped,
    visited: Float[ndarray, "sample state"] | Task | Trials,
    *,
    inputs: Mapping[str, Float[ndarray, " unit"]] | Float[ndarray, " channel"] | None = None,
    searches: int = 64,
    seed: int = 0,
    reach: float = 3.0,
) -> Portrait:
    """Return the fixed and slow points of a model's flow near the states that it visits.

    Searches start from visited states with noise of half their spread added, so that points away from the trajectories are found too.

    Args:
        model: its flow is that of its equation text, or of the function that was wrapped; for a map, the change by one step divided by the step.
        visited: states on trajectories, in SI; or a task, whose states are visited; or trials of the model, where states follow from what they hold:
            ``hidden(model, task, of="x")`` of its state, or rates of a circuit whose units are the observed ones.
        inputs: constant inputs to each unit, by name, in the unit that the card gives the input; others are 0. Or constant channels.
        searches: number of searches.
        seed: of the initial points.
        reach: points whose distance from the mean visited state exceeds this multiple of the largest visited distance are ignored.

    Raises:
        ComparisonError: the visited states do not fit the model, or do not differ, or trials do not tell them.
        TaskError: a projection has a delay, on which the points do not depend but their stability does; or only a wrapped model's outputs are known.

    Source:
        Sussillo & Barak (2013) Neural Comput 25:626, with the speed in 1/s so that one threshold applies to every time constant.
    """
    if isinstance(visited, Task):
        found = model.states(visited) if isinstance(model, Wrapped) else trajectory(Problem(model, model.arrays(), visited))
        visited = found.reshape(-1, found.shape[2])
    elif isinstance(visited, Trials):
        visited = _states_in(visited, model)
    if visited.ndim != 2 or visited.shape[1] != model.dimension:
        raise ComparisonError(f"{model.name}: visited states have shape {visited.shape}; they should be (sample, {model.dimension}).")
    spread = np.sqrt(visited.var(axis=0).sum())
    if not spread > 0:
        raise ComparisonError(f"{model.name}: the visited states do not differ, so there is no scale to search on.")
    from cortex_sim.simulation.torch import search

    rng = stream(seed, "analysis", "starts of fixed-point searches")
    starts = visited[rng.integers(0, len(visited), searches)]
    starts = starts + JITTER * spread / np.sqrt(model.dimension) * rng.standard_normal(starts.shape)
    flow = _velocity(model, inputs, np.maximum(visited.std(axis=0), ROUND_OFF * spread))
    tolerance = ROUND_OFF * spread / np.sqrt(model.dimension) / 10
    states, velocity, slope = search(flow, starts, tolerance=tolerance)
    speed, middle = np.linalg.norm(velocity, axis=1) / spread, visited.mean(axis=0)
    near = np.linalg.norm(states - middle, axis=1) <= reach * np.linalg.norm(visited - middle, axis=1).max()
    kept = np.flatnonzero((speed < SLOW) & near)
    step = (model.dt if model.after else None) if isinstance(model, Wrapped) else model.dt.si if model.is_map else None
    points = [_point(states[group], speed[group], slope[group], step) for group in _groups(states, kept, APART * spread)]
    points.sort(key=lambda point: (not point.fixed, point.unstable, -point.found))
    return Portrait(points, searches, searches - len(kept))


def _states_in(trials: Trials, model: Model | Wrapped) -> Float[ndarray, "sample state"]:
    """Return the states that trials of a model hold, or that follow from its rates.

    Raises:
        ComparisonError: they do not tell them.
    """
    held, whole = trials.provenance.get("of"), trials.rate.reshape(-1, trials.shape[2])
    states = ["state"] if isinstance(model, Wrapped) else list(model.parsed.states)
    if len(states) == 1 and held == states[0] and whole.shape[1] == model.dimension:
        return whole * scale(str(trials.dataset["rate"].attrs["units"]))
    cure = f"give the task, or cs.hidden(model, task, of={states[0]!r})" if len(states) == 1 and not isinstance(model, Wrapped) else "give the task"
    if isinstance(model, Wrapped) or model.readout or held not in (None, model.rate) or whole.shape[1] != model.units:
        raise ComparisonError(f"{model.name}: these trials hold {held or 'outputs'}, from which its states do not follow; {cure}.")
    try:
        return state_of(model, whole)
    except TaskError as problem:
        raise ComparisonError(f"{problem} So {cure}.") from None


def _velocity(
    model: Model | Wrapped, inputs: Mapping[str, Float[ndarray, " unit"]] | Float[ndarray, " channel"] | None, sizes: Float[ndarray, " state"]
) -> Any:
    """Return the time derivative of a state in torch, with these inputs."""
    from cortex_sim.simulation.torch import velocity_of

    if inputs is not None and not isinstance(inputs, Mapping) and len(inputs) != model.channels:
        raise ComparisonError(f"{model.name}: takes {model.channels} channels; inputs has {len(inputs)}.")
    if isinstance(model, Wrapped):
        if isinstance(inputs, Mapping):
            raise ComparisonError(f"{model.name}: is wrapped; its inputs are constant channels, an array of {model.channels}.")
        return model.velocity_in_torch(inputs, sizes)
    arrays = model.arrays()
    if inputs is not None and not isinstance(inputs, Mapping):
        inputs = {name: arrays[str(item.weights)] @ inputs for name, item in model.inputs.items() if item.listens}
    if unknown := (inputs or {}).keys() - model.inputs.keys():
        raise ComparisonError(f"{model.name}: has no input {min(unknown)!r}. {suggestion(min(unknown), model.inputs)}")
    return velocity_of(model, arrays, {name: value * scale(model.inputs[name].unit) for name, value in (inputs or {}).items()})


def points_distance(a: Float[ndarray, "point unit"], b: Float[ndarray, "other unit"]) -> float:
    """Return the modified Hausdorff distance: the mean distance from the points of one set to the nearest of the other, larger of both directions.

    It is 0 if both sets are equal, and infinite if only one of them is empty.

    Source:
        Dubuisson & Jain (1994) Proc 12th Int Conf Pattern Recognition 1:566.
    """
    if not len(a) or not len(b):
        return float("inf") if len(a) or len(b) else 0.0
    apart = cdist(a, b)
    return float(max(apart.min(axis=1).mean(), apart.min(axis=0).mean()))


def _groups(states: Float[ndarray, "search state"], kept: ndarray, distance: float) -> list[ndarray]:
    """Return groups of searches that ended at the same point."""
    if len(kept) < 2:
        return [kept] if len(kept) else []
    label = fcluster(linkage(states[kept], "single"), distance, "distance")
    return [kept[label == one] for one in np.unique(label)]


def _point(
    states: Float[ndarray, "search state"], speed: Float[ndarray, " search"], slope: Float[ndarray, "search state state"], step: float | None
) -> Point:
    best = int(np.argmin(speed))
    values = np.linalg.eigvals(slope[best]).astype(complex)
    if step is not None:
        multipliers = 1 + step * values
        values = np.log(np.where(np.abs(multipliers) > KILLED, multipliers, KILLED)) / step
    return Point(states[best], float(speed[best]), values[np.argsort(-values.real)], len(states))
