"""compare_responses(teacher, student, task, pushed): do both answer pushes alike, outside and within the states that activity visits?"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.cards.edit import unconnected
from cortex_sim.comparison._battery import WITHIN_COMPONENTS, leading_axes
from cortex_sim.comparison._compare import NULLS, check_nulls
from cortex_sim.comparison._comparison import Comparison
from cortex_sim.comparison._mechanism import ALONE
from cortex_sim.comparison._response import Rates, response_score, responses
from cortex_sim.errors import ComparisonError, Diverged
from cortex_sim.runtime import say_once, stream
from cortex_sim.simulation import Wrapped, recurrent_projections, simulate
from cortex_sim.statistics import Score
from cortex_sim.tasks import Drive, Task


def compare_responses(
    teacher: Model | Wrapped,
    student: Model | Wrapped,
    task: Task,
    pushed: Task | Sequence[Task],
    *,
    name: str | None = None,
    split: str | None = None,
    seed: int = 0,
    nulls: int = NULLS,
) -> Comparison:
    """Return scores of a student's responses to perturbations, compared with those of its teacher.

    Beside the student stand the units of the teacher without their connections: what they explain needs no knowledge of the circuit. Beside pushes of
    units stand equally strong ones in random directions within the leading principal components of the teacher's unperturbed rates.

    Args:
        teacher: circuit or network.
        student: another one with the same number of observed rates.
        task: the unperturbed task.
        pushed: the same task with a perturbation (:mod:`cortex_sim.tasks.perturbations`), or several draws of it.
        name: of the student; the name of its model if omitted.
        split: description of the compared conditions, for the record.
        seed: of the noise, the same with and without the perturbation, of the directions, and of the surrogates.
        nulls: number of surrogates.

    Raises:
        ComparisonError: the perturbed task equals the task, or the teacher does not respond.
        TaskError: a task does not fit a model.
    """
    check_nulls("compare_responses", nulls)
    draws = [pushed] if isinstance(pushed, Task) else list(pushed)
    if not draws:
        raise ComparisonError("compare_responses: no perturbed task; give one, for example cs.perturb.push(task, fraction=0.1, amplitude=4.0).")
    if not (kinds := dict.fromkeys(kind for draw in draws for kind in _kinds(task, draw))):
        raise ComparisonError(f"compare_responses: the perturbed task does not differ from {task.name!r}; perturb it with cs.perturb.")
    label = " and ".join(kinds)
    asked = {label: draws}
    if within := _within_components(teacher, task, draws, seed):
        asked[f"{label}{WITHIN_COMPONENTS}"] = within
    shared = {"task": task, "split": split or f"{task.trials} conditions", "seed": seed, "nulls": nulls}

    def answers(model: Model | Wrapped) -> dict[str, list[Rates]]:
        found = iter(responses(model, task, chain(*asked.values()), seed=seed))
        return {kind: list(islice(found, len(tasks))) for kind, tasks in asked.items()}

    true = answers(teacher)

    def scored(model: Model | Wrapped, called: str) -> list[Score]:
        found = answers(model)
        return [response_score(kind, true[kind], found[kind], pushed=tasks, name=called, **shared) for kind, tasks in asked.items()]

    scores = scored(student, name or student.name)
    if isinstance(teacher, Model) and recurrent_projections(teacher):
        try:
            scores += scored(unconnected(teacher), ALONE)
        except Diverged as problem:
            say_once(f"compare_responses: units without connections are left out: {problem}")
    return Comparison(tuple(scores))


def _within_components(teacher: Model | Wrapped, task: Task, draws: Sequence[Task], seed: int) -> list[Task]:
    """Return the draws with every added drive in another direction, within the leading components; none where other things are added too."""
    added = [_added(task, draw, "drives") for draw in draws]
    patterned = all(drive.pattern.shape == (task.trials, teacher.size("observed")) for drives in added for drive in drives)
    if not patterned or any(len(_kinds(task, draw)) != len(drives) for draw, drives in zip(draws, added, strict=True)):
        return []
    axes = leading_axes(simulate(teacher, task, seed=seed).rate)
    if not axes.shape[1]:
        return []
    rng = stream(seed, "task", "directions of compare_responses")
    turned = [{id(drive): _turned(drive, axes, rng) for drive in drives} for drives in added]
    return [replace(draw, drives=tuple(other.get(id(drive), drive) for drive in draw.drives)) for draw, other in zip(draws, turned, strict=True)]


def _turned(drive: Drive, axes: Float[ndarray, "unit axis"], rng: np.random.Generator) -> Drive:
    """Return a drive of the same strength in every trial, in a random direction within the axes."""
    to = rng.standard_normal((len(drive.pattern), axes.shape[1])) @ axes.T
    strength = np.linalg.norm(drive.pattern, axis=1, keepdims=True)
    return replace(drive, pattern=strength * to / np.linalg.norm(to, axis=1, keepdims=True), name=f"{drive.name}{WITHIN_COMPONENTS}")


def _kinds(task: Task, pushed: Task) -> list[str]:
    """Return the names of the perturbations in a perturbed task."""
    kinds = [item.name for part in ("drives", "clamps", "loads") for item in _added(task, pushed, part)]
    kinds += ["blocked channels"] if pushed.channels is not task.channels else []
    return kinds + (["cut senses"] if pushed.feeling is not task.feeling else [])


def _added(task: Task, pushed: Task, part: str) -> list[Any]:
    """Return the drives, clamps or loads that a perturbed task has and the task has not."""
    before = {id(item) for item in getattr(task, part)}
    return [item for item in getattr(pushed, part) if id(item) not in before]
