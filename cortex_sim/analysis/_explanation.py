"""Standard analyses of one system along its trajectories: fixed points, linearised flow, ablations, attributions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float, Int
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.analysis._fixed_points import Portrait, fixed_points
from cortex_sim.analysis._spectrum import flow_modes, modal_distance, shuffled_weights
from cortex_sim.cards import Model
from cortex_sim.runtime import track
from cortex_sim.simulation import Problem, simulate
from cortex_sim.simulation.torch import integrated_gradients, trajectory
from cortex_sim.tasks import Task
from cortex_sim.tasks.perturbations import silence_units


@dataclass(frozen=True)
class Explanation:
    """Results of the analyses for one system.

    Attributes:
        states: along its trajectories, (condition, time, state), in SI.
        points: fixed and slow points near the trajectories.
        modes: eigenvalues (1/s) of the flow, by condition and time.
        attribution: of each output at one time to each unit's initial rate, relative to the baseline, in the unit of the output.
        missed: largest error of a condition's summed attributions, relative to the spread of the sums.
        ablation: change of the outputs when a unit is silenced; conditions and bins are concatenated.
    """

    states: Float[ndarray, "condition time state"]
    points: Portrait
    modes: Sequence[Sequence[Complex[ndarray, " mode"]]]
    attribution: Float[ndarray, "condition unit output"]
    missed: float
    ablation: Float[ndarray, "ablated moment output"]


@dataclass(frozen=True)
class Questions:
    """Settings of the analyses, the same for every system.

    Attributes:
        task: task that starts from observed rates.
        outputs: readout weights of the observed units.
        moments: times at which the flow is linearised, s.
        looked: time of the output that is attributed to initial rates, s.
        ablated: units to silence, one at a time, for the whole task.
        silent: rate of a silenced unit.
        seed: of the fixed-point searches.
        baseline: rates relative to which initial rates are attributed, one for all units or one each.
    """

    task: Task
    outputs: Float[ndarray, "unit output"]
    moments: Sequence[float]
    looked: float
    ablated: Int[ndarray, " ablated"]
    silent: float = 0.0
    seed: int = 0
    baseline: float | Float[ndarray, " unit"] = 0.0

    def bins(self) -> list[int]:
        """Return the bins of the times at which the flow is linearised."""
        return [round((moment - self.task.start) / self.task.bin) for moment in self.moments]


@threadpool_limits.wrap(limits=1)
def explain(model: Model, asked: Questions, report: Callable[[float, str], None] = lambda done, text: None) -> Explanation:
    """Return the results of the analyses for one circuit or network.

    Args:
        model: a model that starts from observed rates.
        asked: settings.
        report: called with the completed fraction and a line of text.
    """
    arrays, task = model.arrays(), asked.task
    states = trajectory(Problem(model, arrays, task))
    report(0.05, "fixed points")
    points = fixed_points(model, states.reshape(-1, states.shape[2]), seed=asked.seed)
    report(0.15, "linearised flow")
    flows = [[flow_modes(model, arrays, path[moment]) for moment in asked.bins()] for path in states]
    report(0.3, "attributions")
    short = Problem(model, arrays, task.window(task.start, asked.looked + task.bin, initial=task.initial))
    rest = np.broadcast_to(np.asarray(asked.baseline, dtype=float), len(asked.outputs)).copy()
    parts = [integrated_gradients(model, arrays, short, output, rest) for output in asked.outputs.T]
    attribution = np.stack([part for part, _ in parts], axis=2)
    missed = max(float(np.abs(error).max() / attribution[..., k].sum(axis=1).std()) for k, (_, error) in enumerate(parts))
    report(0.5, "ablations")
    return Explanation(states, points, flows, attribution, missed, _ablations(model, asked, report))


def explain_all(systems: Mapping[str, Model], asked: Questions) -> dict[str, Explanation]:
    """Return the results of the same analyses for several circuits and networks, with progress."""
    found: dict[str, Explanation] = {}
    with track("explaining") as report:
        for name, model in systems.items():
            place = len(found)

            def tell(done: float, text: str, place: int = place, name: str = name) -> None:
                report((place + done) / len(systems), f"{name}: {text}")

            found[name] = explain(model, asked, tell)
    return found


def mode_distances(truth: Explanation, other: Explanation) -> Float[ndarray, "condition moment"]:
    """Return the distance between the slowest modes of two systems, 1/s; see :func:`.modal_distance`."""
    return np.array([[modal_distance(*pair) for pair in zip(*pairs, strict=True)] for pairs in zip(truth.modes, other.modes, strict=True)])


@threadpool_limits.wrap(limits=1)
def mode_distances_by_chance(truth: Explanation, model: Model, asked: Questions, *, rng: np.random.Generator, draws: int) -> Float[ndarray, " draw"]:
    """Return mean distances of the slowest modes when a system's recurrent weights are randomly permuted, over conditions and moments.

    Each surrogate visits states of its own, as any system does.

    Args:
        truth: results for one system.
        model: the other system.
        asked: settings used for both.
        rng: of the permutations.
        draws: number of surrogates.
    """
    found: list[float] = []
    with track(f"weights of {model.name} shuffled") as report:
        for arrays in (shuffled_weights(model, rng) for _ in range(draws)):
            report(len(found) / draws, f"{len(found)} of {draws}")
            paths = trajectory(Problem(model, arrays, asked.task))
            flows = [[flow_modes(model, arrays, states[moment]) for moment in asked.bins()] for states in paths]
            apart = [modal_distance(*pair) for pairs in zip(truth.modes, flows, strict=True) for pair in zip(*pairs, strict=True)]
            found.append(float(np.mean(apart)))
    return np.array(found)


def _ablations(model: Model, asked: Questions, report: Callable[[float, str], None]) -> Float[ndarray, "ablated moment output"]:
    intact = simulate(model, asked.task).rate
    changes = []
    for number, unit in enumerate(asked.ablated):
        silenced = silence_units(asked.task, [unit], rate=asked.silent, span=(asked.task.start, asked.task.stop))
        changes.append(((simulate(model, silenced).rate - intact) @ asked.outputs).reshape(-1, asked.outputs.shape[1]))
        report(0.5 + 0.5 * (number + 1) / len(asked.ablated), "ablations")
    return np.stack(changes)
