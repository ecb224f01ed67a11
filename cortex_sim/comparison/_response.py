"""Responses to perturbations: does a student respond to a push as its teacher does?"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model
from cortex_sim.comparison._measures import NO_TRIALS
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream
from cortex_sim.simulation import Wrapped, simulate
from cortex_sim.statistics import PERMUTATION, Explained, Score, jackknifed
from cortex_sim.tasks import Task

Rates = Float[ndarray, "condition time unit"]
UNITS = "units of the student in random order, since the perturbation is the same in all conditions"


def responses(model: Model | Wrapped, task: Task, pushed: Iterable[Task], *, seed: int = 0) -> list[Float[ndarray, "trial time unit"]]:
    """Return the rates under each perturbation minus those without, in the unit of the rates.

    Args:
        model: circuit or network.
        task: the unperturbed task.
        pushed: draws of the perturbed task.
        seed: of the noise, the same with and without the perturbation.

    Raises:
        TaskError: a task does not fit the model.
    """
    still = simulate(model, task, seed=seed).rate
    return [simulate(model, draw, seed=seed).rate - still for draw in pushed]


def response_r2(teacher: Float[ndarray, "condition time unit"], student: Float[ndarray, "condition time unit"]) -> float:
    r"""Return the explained fraction of the teacher's response, :math:`1 - \sum(\Delta - \hat\Delta)^2/\sum\Delta^2`.

    Both arguments are differences from the same system's unperturbed run, in the unit of the rates. Predicting no response
    scores 0; a response of the wrong sign or size may score less.
    """
    return float(1 - ((teacher - student) ** 2).sum() / (teacher**2).sum())


def left_free(task: Task, pushed: Task, units: int) -> Bool[ndarray, " unit"]:
    """Return which observed units a perturbation does not clamp: units clamped to one rate on both sides would agree in any two systems.

    Args:
        task: the unperturbed task.
        pushed: the perturbed task.
        units: number of observed units.
    """
    free = np.ones(units, dtype=bool)
    for clamp in pushed.clamps:
        if all(clamp is not before for before in task.clamps):
            free[clamp.units] = False
    return free


def answered(
    perturbation: str, teacher: Sequence[Float[ndarray, "condition time unit"]], *, task: Task, pushed: Sequence[Task]
) -> list[Bool[ndarray, " unit"]]:
    """Return which units each draw of a perturbation leaves free, after a check that some of them respond to one.

    Args:
        perturbation: its name.
        teacher: its responses.
        task: the unperturbed task.
        pushed: draws of the perturbed task.

    Raises:
        ComparisonError: no unit does.
    """
    free = [left_free(task, draw, response.shape[2]) for draw, response in zip(pushed, teacher, strict=True)]
    if not any(response[:, :, kept].any() for response, kept in zip(teacher, free, strict=True)):
        raise ComparisonError(f"responses to {perturbation}: the teacher does not respond at all; push harder, or where it listens.")
    return free


@threadpool_limits.wrap(limits=1)
def response_score(
    perturbation: str, teacher: Sequence[Rates], student: Sequence[Rates], *, task: Task, pushed: Sequence[Task], name: str, split: str,
    seed: int = 0, nulls: int,
) -> Score:  # fmt: skip
    """Return the score of a student's response to a perturbation, in the units that it does not clamp.

    The null permutes the conditions of the student if the perturbation differs between them, as pushes of random units do. A perturbation that
    is the same in all conditions causes similar responses in all of them; units are then permuted instead.

    Args:
        perturbation: its name.
        teacher: for each draw of the perturbation, rates minus those of the unperturbed run, (condition, time, unit).
        student: likewise for the student.
        task: the unperturbed task.
        pushed: draws of the perturbed task.
        name: of the student.
        split: description of the compared conditions.
        seed: of the surrogates.
        nulls: number of surrogates.

    Raises:
        ComparisonError: the sides do not match, or the teacher does not respond.
    """
    shapes = [[response.shape for response in side] for side in (teacher, student)]
    if shapes[0] != shapes[1] or len(pushed) != len(teacher):
        raise ComparisonError(
            f"responses to {perturbation}: teacher has {shapes[0]}, student {shapes[1]}, of {len(pushed)} draws; they should match."
        )
    free = answered(perturbation, teacher, task=task, pushed=pushed)
    a, b = ([response[:, :, kept] for response, kept in zip(side, free, strict=True)] for side in (teacher, student))
    rng, alike = stream(seed, "null", "orders of responses"), all(_same_in_all(task, draw) for draw in pushed)
    fit, count = Explained(a, b), len(a[0])
    by_unit = [Explained([x.transpose(2, 1, 0)], [y.transpose(2, 1, 0)]) for x, y in zip(a, b, strict=True)] if alike else []

    def surrogate() -> float:
        order = rng.permutation(count)
        if not alike:
            return fit.at(order)
        return 1 - sum(each.missed(rng.permutation(x.shape[2])) for each, x in zip(by_unit, a, strict=True)) / fit.total

    null, everyone = np.array([surrogate() for _ in range(nulls)]), np.arange(count)
    return Score(
        f"response to {perturbation}, R²", name, split, fit.of(everyone), "higher", 1.0, null, UNITS if alike else PERMUTATION,
        jackknifed(fit.of, count), "conditions", ceiling_reason=NO_TRIALS,
        settings={"draws": len(teacher), "units_compared": [int(kept.sum()) for kept in free]},
    )  # fmt: skip


def _same_in_all(task: Task, pushed: Task) -> bool:
    """Return whether the perturbation is the same in every condition."""
    added = [drive.pattern for drive in pushed.drives if all(drive is not before for before in task.drives)]
    other = pushed.channels is not task.channels or pushed.loads != task.loads or pushed.feeling is not task.feeling
    return not other and all((pattern == pattern[0]).all() for pattern in added)
