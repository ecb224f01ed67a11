"""How well a student predicts rates: explained variance on held-out conditions, with equal weight for each unit."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._measures import measure
from cortex_sim.errors import ComparisonError
from cortex_sim.fitting import QUIET_FLOOR, unit_scale
from cortex_sim.statistics import Explained
from cortex_sim.trials import Trials

SHIFT, MANY = 0.05, 5  # of R², from which on quiet units are named; how many are


def variance_explained(
    wanted: Float[ndarray, "condition time unit"],
    found: Float[ndarray, "condition time unit"],
    *,
    mean: Float[ndarray, "..."],
    scale: Float[ndarray, "..."],
) -> float:
    r"""Return the fraction of variance explained, :math:`1 - \sum (y - \hat y)^2/\sigma^2 / \sum (y - \mu)^2/\sigma^2`.

    Args:
        wanted: y.
        found: the prediction of y.
        mean: of each unit (or one for each condition that was held out by itself), from training conditions only: the prediction of a model that
            knows nothing else.
        scale: standard deviation of each unit, from training conditions only.
    """
    return float(1 - ((((wanted - found) / scale) ** 2).sum() / (((wanted - mean) / scale) ** 2).sum()))


def training_reference(training: Trials | Sequence[Trials]) -> tuple[Float[ndarray, "*condition unit"], Float[ndarray, "*condition unit"]]:
    """Return the mean and standard deviation of each unit over training conditions and time; the latter at least a tenth of the median one.

    Args:
        training: the training set, or one for each compared condition if each was held out by itself; means and deviations then have
            the shape (condition, 1, unit).
    """
    if not isinstance(training, Trials):
        means, deviations = zip(*map(training_reference, training), strict=True)
        return np.stack(means)[:, None], np.stack(deviations)[:, None]
    return training.rate.mean(axis=(0, 1)), unit_scale(training.rate)


def active_share(trials: Trials, training: Trials) -> float:
    """Return the fraction of units whose standard deviation is at least a tenth of that of the median unit in the training set."""
    return float((trials.rate.std(axis=(0, 1)) >= QUIET_FLOOR * np.median(training.rate.std(axis=(0, 1)))).mean())


def units_that_vary(systems: Mapping[str, Trials], training: Trials) -> str:
    """Return how many units vary in each system (:func:`active_share`), for the facts of a report."""
    units = {name: (round(active_share(trials, training) * trials.rate.shape[2]), trials.rate.shape[2]) for name, trials in systems.items()}
    return ", ".join(f"{name} {some} of {every}" for name, (some, every) in units.items() if some < every) or "all, on every side"


def said_of_quiet_units(wanted: Float[ndarray, "condition time unit"], found: Float[ndarray, "condition time unit"]) -> str:
    """Return what units that hardly vary in the teacher do to R² of rates, in words; empty if they do not move it by 0.05.

    A student that varies where its teacher rests is wrong there, by up to a hundred times what a unit of the median deviation can be.

    Args:
        wanted: the teacher's rates, centred and in units of :func:`training_reference`.
        found: the student's, likewise.
    """
    deviation = wanted.std(axis=(0, 1))
    quiet = deviation < float(np.median(deviation)) / 2  # units at or above the floor have a deviation of about 1
    if not quiet.any():
        return ""
    missed, varied = (((wanted - found) ** 2).sum(axis=(0, 1)), (wanted**2).sum(axis=(0, 1)))
    whole, without = (1 - float(missed[kept].sum() / varied[kept].sum()) for kept in (np.ones_like(quiet), ~quiet))
    if abs(whole - without) < SHIFT:
        return ""
    places = np.flatnonzero(quiet)
    named = ", ".join(map(str, places[:MANY])) + (f" and {len(places) - MANY} more" if len(places) > MANY else "")
    which = f"unit {named} hardly varies" if len(places) == 1 else f"units {named} hardly vary"
    return (
        f"{which} in the teacher but in the student: R² of rates is {whole:.2f} with and {without:.2f} without, and other measures may move as much"
    )


def check_matched(teacher: Trials, student: Trials) -> None:
    """Check that two sides have the same conditions and bins.

    Raises:
        ComparisonError: they differ; the message says in what.
    """
    if teacher.rate.shape[:2] != student.rate.shape[:2]:
        shapes = f"teacher has (condition, time, unit) {teacher.rate.shape}, student {student.rate.shape}"
        raise ComparisonError(f"{shapes}; conditions and time should match.")
    if not np.array_equal(teacher.condition, student.condition):
        raise ComparisonError(f"conditions differ: {teacher.condition[:5].tolist()}... and {student.condition[:5].tolist()}...; order them alike.")
    if np.abs(teacher.time - student.time).max() > 1e-6:
        raise ComparisonError(f"bins differ: teacher starts at {teacher.time[0]:g} s, student at {student.time[0]:g} s; cut both to one window.")


@measure("R² of rates", better="higher", identical=1.0, same_units=True, joint=lambda a, b: Explained([a], [b]),
         about="share of the variance of every unit's rates that is predicted")  # fmt: skip
def _predicted(share: float) -> float:
    return share
