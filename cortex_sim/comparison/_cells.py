"""Cells of the comparison: reaches and pushes of a circuit, observed fully or partially, as rates or as spikes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.analysis import Side, currents_for, delayed_reaches, resting_state, spectrum
from cortex_sim.cards import Model
from cortex_sim.cards.edit import unconnected
from cortex_sim.comparison._battery import leading_axes
from cortex_sim.comparison._mechanism import INSIDE, PUSHES, Cell, CircuitTruths, Electrodes, explained
from cortex_sim.fitting import unit_scale
from cortex_sim.runtime import seed_of, stream
from cortex_sim.simulation import flow, rate_of, simulate, time_constant
from cortex_sim.tasks import Task
from cortex_sim.tasks.perturbations import push, push_along, silence


class Spiking(TypedDict):
    """Settings for observing rates through spikes; see :class:`Electrodes`."""

    base: float
    depth: float
    repeats: int
    smoothed: float


JUMP, PUSHED, SILENCED = 2.0, 0.02, 0.1  # s.d. of a unit's rate; s that a push and a silencing last
FRACTION, WHEN, DRAWS = 0.2, 0.1, 4  # of the units; s after the go cue; draws by turns, half of them for each half of the truth
LEFT = 0.1  # of a rate that cannot fall below 0: what a push leaves of it
SPIKES: Spiking = {"base": 10.0, "depth": 5.0, "repeats": 20, "smoothed": 0.03}  # Hz at rest, Hz for a typical s.d.; trials of a condition; s


def cells_of(name: str, circuit: Model, shares: Mapping[float, bool], seed: int, counts: tuple[int, int]) -> list[Cell]:
    """Return reaches and pushes of one circuit, as observed by electrodes on a fraction of its units.

    Args:
        name: of the circuit.
        circuit: its units are the observed ones.
        shares: maps each fraction of observed units to whether spikes are used too.
        seed: of the reaches, the pushes and the choice of units.
        counts: numbers of training and of test conditions.
    """
    training, test = delayed_reaches(circuit, counts, seed=seed)
    order = stream(seed, "analysis", "units recorded in mechanism").permutation(circuit.units)
    spread, rest = float(np.median(training.trials.rate.std(axis=(0, 1)))), rate_of(circuit, resting_state(circuit), circuit.arrays())
    modes, known = spectrum(circuit), CircuitTruths.of(circuit, test.task, test.trials.rate, seed)
    alone, cells = unconnected(circuit), []
    quiet = simulate(alone, test.task).rate
    for share, spiked in shares.items():
        seen = np.sort(order[: max(2, round(share * circuit.units))])
        parts = [side.seen(seen) for side in (training, test)]
        rates = parts[0].trials.rate
        asked = {PUSHES: pushes(circuit, parts[1].task, unit_scale(rates), rest[seen], seed),
                 INSIDE: pushes_inside(circuit, parts[1].task, rates, rest[seen], seed)}  # fmt: skip
        whole = {truth: [in_whole(circuit, test, task, seen) for task in tasks] for truth, tasks in asked.items()}
        changed, bare = (
            {truth: [(simulate(model, task).rate - still)[:, :, seen] for task in tasks] for truth, tasks in whole.items()}
            for model, still in ((circuit, test.trials.rate), (alone, quiet))
        )
        without = {
            truth: float(np.mean([explained(parts[1].task, *triple) for triple in zip(tasks, changed[truth], bare[truth], strict=True)]))
            for truth, tasks in asked.items()
        }
        electrodes = Electrodes(**SPIKES, rest=rest[seen], spread=spread, seed=seed)
        for through in (None, electrodes) if spiked else (None,):
            views = parts if through is None else [through.of(side, place) for place, side in enumerate(parts)]
            pushed, inside = ([replace(task, initial=views[1].task.initial) for task in tasks] for tasks in asked.values())
            full = known if share == 1 and through is None else None
            own = (pushed, changed[PUSHES], modes, known.stable, full, through, inside, changed[INSIDE], without)
            cells.append(Cell(name, circuit, share, seed, views[0], views[1], *own))
    return cells


def pushes(circuit: Model, task: Task, spread: Float[ndarray, " unit"], rest: Float[ndarray, " unit"], seed: int) -> list[Task]:
    """Return alternating draws of a push and a silencing; a push is given by the change of rate that it would cause at rest.

    Rates that cannot fall below 0 are not pushed down faster than they can decay.

    Args:
        circuit: the circuit whose units are observed.
        task: the task of the observed units.
        spread: standard deviation of each unit's rate.
        rest: resting rate of each unit.
        seed: of the draws.
    """
    silent, amplitude = circuit.silent.si if circuit.silent else 0.0, JUMP * spread * _typical(circuit) / PUSHED
    tasks = []
    for draw in range(DRAWS):
        own = seed_of(seed, "task", "push of mechanism", draw)
        if draw % 2:
            tasks.append(silence(task, len(spread), fraction=FRACTION, seed=own, rate=silent, start=WHEN, duration=SILENCED))
        else:
            tasks.append(push(task, len(spread), fraction=FRACTION, seed=own, amplitude=amplitude, start=WHEN, duration=PUSHED))
    return decaying(circuit, task, tasks, rest)


def pushes_inside(circuit: Model, task: Task, rates: Float[ndarray, "condition time unit"], rest: Float[ndarray, " unit"], seed: int) -> list[Task]:
    """Return draws of pushes in random directions within the leading components of the observed rates, as strong as those of units.

    Args:
        circuit: the circuit whose units are observed.
        task: the task of the observed units.
        rates: of the training conditions.
        rest: resting rate of each unit.
        seed: of the draws.
    """
    axes, size = leading_axes(rates), JUMP * _typical(circuit) / PUSHED * np.sqrt(FRACTION * np.mean(unit_scale(rates) ** 2))
    rng = stream(seed, "task", "directions of mechanism")
    drawn = [rng.standard_normal((task.trials, axes.shape[1])) @ axes.T for _ in range(DRAWS // 2)]
    return decaying(circuit, task, [push_along(task, to, amplitude=float(size), start=WHEN, duration=PUSHED) for to in drawn], rest)


def decaying(circuit: Model, task: Task, pushed: Sequence[Task], rest: Float[ndarray, " unit"]) -> list[Task]:
    """Return pushes of which none moves a rate that cannot fall below 0 down faster than it can decay."""
    if not circuit.initial_values:
        return list(pushed)
    return [_changed(task, one, lambda pattern: np.maximum(pattern, (LEFT - 1) * rest)) for one in pushed]


def in_whole(circuit: Model, test: Side, part: Task, seen: Int[ndarray, " seen"]) -> Task:
    """Return the perturbation of the observed units as one of the whole circuit, applied through its own input."""
    rest = np.tile(resting_state(circuit), (part.trials, 1))
    still = flow(circuit, circuit.arrays(), rest)
    return _changed(test.task, test.pushed(part, seen), lambda pattern: currents_for(circuit, rest, still + pattern / _typical(circuit)))


def _changed(task: Task, pushed: Task, change: Callable[[ndarray], ndarray]) -> Task:
    """Return a pushed task with its added currents changed."""
    count = len(task.drives)
    added = tuple(replace(drive, pattern=change(drive.pattern)) for drive in pushed.drives[count:])
    return replace(pushed, drives=pushed.drives[:count] + added)


def _typical(circuit: Model) -> float:
    """Return the median time constant of the units, s, which scales pushes."""
    return float(np.median(time_constant(circuit)))
