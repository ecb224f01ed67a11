"""Score: a number that is always accompanied by its null, its ceiling and its interval, or by the reason why one is absent."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import stdtrit

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import html_table, stream, workers
from cortex_sim.statistics._inference import p_value

Better = Literal["higher", "lower", "closer"]
SUBSETS, FEWEST = 40, 4  # subsets that an interval is made of, and conditions in each at least
LEARNED = 0.75  # of the conditions in these subsets, where a measure fits much to them, so that with fewer it would be another
PERMUTATION = "conditions of the student permuted"
Rates = Float[ndarray, "condition time unit"]
Measure = Callable[[Rates, Rates], float]


@dataclass(frozen=True)
class Score:
    """One comparison of a student with its teacher.

    Attributes:
        measure: name of the measure, with its unit.
        student: name of the student.
        split: the conditions it was computed on.
        estimate: the value.
        better: whether higher, lower or closer to ``identical`` means more similar.
        identical: value for two identical systems.
        null: values under the surrogate; None with a reason in ``surrogate``.
        surrogate: how the null was computed, or why there is none.
        ceiling: the best score of a perfect model on these data; None with a reason in ``ceiling_reason``.
        interval: 95 % interval by the jackknife, or by subsets of the conditions; None with a reason in ``interval_over``.
        interval_over: the unit of inference that was omitted in turn, or why there is no interval.
        settings: everything else that affects the number.

    Raises:
        ComparisonError: a null, a ceiling or an interval is absent without a reason.
    """

    measure: str
    student: str
    split: str
    estimate: float
    better: Better
    identical: float
    null: Float[ndarray, " surrogate"] | None
    surrogate: str
    interval: tuple[float, float] | None
    interval_over: str
    ceiling: float | None = None
    ceiling_reason: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.surrogate:
            raise ComparisonError(f"{self.measure}: a score has a null with its surrogate named, or a reason for having none.")
        if self.ceiling is None and not self.ceiling_reason:
            raise ComparisonError(f"{self.measure}: a score has a ceiling or a reason for having none.")
        if not self.interval_over:
            raise ComparisonError(f"{self.measure}: a score has an interval over a named unit, or a reason for having none.")

    @property
    def null_sd(self) -> float | None:
        """Return the standard deviation of the null; 0 if it is one known value."""
        if self.null is None:
            return None
        return float(self.null.std(ddof=1)) if len(self.null) > 1 else 0.0

    @property
    def p(self) -> float | None:
        """Return the p-value under the null; None without one, of a single known value, and where closer to some value is better."""
        tested = self.null is not None and len(self.null) > 1 and self.better != "closer"
        return p_value(self.estimate, self.null, better=self.better) if tested and self.null is not None else None

    def as_json(self) -> dict[str, Any]:
        """Return the score as in ``scores.json``; ``reasons`` says why a value is null."""
        reasons = {"ceiling": self.ceiling_reason} if self.ceiling is None else {}
        reasons |= {"null": self.surrogate} if self.null is None else {}
        reasons |= {"interval": self.interval_over} if self.interval is None else {}
        return {
            "measure": self.measure, "student": self.student, "split": self.split, "estimate": self.estimate,
            "null_mean": None if self.null is None else float(self.null.mean()),
            "null_sd": self.null_sd,
            "null": None if self.null is None else self.surrogate,
            "ceiling": self.ceiling, "interval": None if self.interval is None else list(self.interval), "better": self.better,
            "identical": self.identical, "interval_over": self.interval_over, "reasons": reasons, "settings": dict(self.settings),
        }  # fmt: skip

    COLUMNS: ClassVar = ("measure", "student", "estimate", "95 % interval", "null", "more alike", "computed on")

    def row(self) -> list[str]:
        """Return the score as a row of a table, under ``COLUMNS``; dashes if something is absent."""
        interval = f"{self.interval[0]:.3f} to {self.interval[1]:.3f}" if self.interval else "–"
        null = "–" if self.null is None or not len(self.null) else f"{self.null.mean():.3f} ± {self.null_sd:.3f}"
        better = f"closer to {self.identical:.3f}" if self.better == "closer" else self.better
        return [self.measure, self.student, f"{self.estimate:.3f}", interval, null, better, self.split]

    def _repr_html_(self) -> str:
        reasons = [f"No {what}: {why}" for what, why in self.as_json()["reasons"].items()]
        return html_table(self.COLUMNS, [self.row()], notes=reasons)

    def __str__(self) -> str:
        null = self.surrogate if self.null is None else f"null {self.null.mean():.3f} ± {self.null_sd:.3f}"
        interval = "" if self.interval is None else f" [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"
        return f"{self.measure}, {self.student}: {self.estimate:.3f}{interval} ({null})"


def permuted(
    measure: Measure, teacher: Rates, student: Float[ndarray, "condition moment other"], *, seed: int, count: int
) -> Float[ndarray, " surrogate"]:
    """Return values of a measure with the student's conditions in random order."""
    rng = stream(seed, "null", "permuted conditions of a measure")
    return reordered(lambda order: measure(teacher, student[order]), len(student), rng=rng, draws=count)


def reordered(
    evaluate: Callable[[Int[ndarray, " place"]], float], count: int, *, rng: np.random.Generator, draws: int
) -> Float[ndarray, " surrogate"]:
    """Return values of a measure with conditions in random orders, drawn from all possible orders.

    Orders that leave a condition in its place are included: without them the null would be too far away and, with few conditions, p-values too
    small (a fifth of them below 0.05 with four conditions).

    Args:
        evaluate: returns the measure with conditions in this order.
        count: number of conditions.
        rng: of the orders.
        draws: number of orders.
    """
    return np.array([evaluate(rng.permutation(count)) for _ in range(draws)])


def exchanged(
    own: Float[ndarray, " network"], other: Float[ndarray, " another"], *, rng: np.random.Generator, draws: int
) -> Float[ndarray, " surrogate"]:
    """Return means of one sample under the null that both are the same: of as many values, drawn without replacement from both together.

    Args:
        own: values of the sample, one a network.
        other: those of the sample that it is compared with.
        rng: of the draws.
        draws: their number.
    """
    both = np.concatenate([own, other])
    return np.array([both[rng.permutation(len(both))[: len(own)]].mean() for _ in range(draws)])


def jackknifed(evaluate: Callable[[Int[ndarray, " kept"]], float], count: int) -> tuple[float, float]:
    r"""Return the 95 % jackknife interval of a measure over conditions.

    With :math:`\theta_{-i}` the measure without condition i, the squared standard error is :math:`\tfrac{n-1}{n}\sum_i(\theta_{-i}-\bar\theta)^2`
    (Efron & Tibshirani 1993); the interval is the estimate plus or minus that error times Student's t. A bootstrap would draw conditions
    twice, which makes shapes look more similar than they are.

    Args:
        evaluate: returns the measure on the conditions with these indices.
        count: number of conditions, at least 3.

    Raises:
        ComparisonError: there are fewer than 3.
    """
    if count < 3:
        raise ComparisonError(f"jackknife: {count} conditions; at least 3 are needed for an interval.")
    everyone = np.arange(count)
    without = np.array([evaluate(np.delete(everyone, left)) for left in everyone])
    error = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    estimate, reach = evaluate(everyone), float(stdtrit(count - 1, 0.975) * error)
    return estimate - reach, estimate + reach


def subsets(count: int, *, share: float = 0.5, draws: int = SUBSETS) -> list[Int[ndarray, " kept"]]:
    """Return random subsets of the conditions, the same on every call, each of at least four if there are more than four.

    Args:
        count: number of conditions.
        share: fraction of the conditions in each.
        draws: number of subsets.
    """
    size, rng = min(max(round(share * count), FEWEST), count - 1), stream(0, "analysis", "subsets of conditions")
    return [np.sort(rng.choice(count, size, replace=False)) for _ in range(draws)]


def subsampled(
    evaluate: Callable[[Int[ndarray, " kept"]], float],
    count: int,
    samples: Sequence[Int[ndarray, " kept"]],
    *,
    absolute: bool = False,
    selects: bool = False,
) -> tuple[float, float]:
    r"""Return the 95 % interval of a measure over conditions, from subsets of them (the delete-d jackknife).

    With m of n conditions in each subset, the squared standard error is :math:`\tfrac{m}{n-m}` times the variance over subsets. If a measure
    fits maps or selects axes, omitting one condition at a time multiplies the noise of that choice by n; subsets of half of them do not.
    Preliminary steps of a measure, such as principal components, belong in ``evaluate``.

    Args:
        evaluate: returns the measure on the conditions with these indices.
        count: number of conditions, at least 3.
        samples: subsets of the conditions, all of one size; see :func:`subsets`.
        absolute: whether to return the interval of the measure's absolute value: the absolute values of all that its own interval holds. It holds
            :math:`|\theta|` whenever that one holds :math:`\theta`, near 0 as well, where absolute values over subsets are skewed.
        selects: whether the measure is that of one of several features, such as the plane that rotates most. Where two are nearly alike, other
            conditions select the other, and the variance over subsets may miss it; the interval then includes the values of all subsets.

    Raises:
        ComparisonError: there are fewer than 3 conditions.

    Source:
        Shao & Wu (1989) Ann Stat 17:1176.
    """
    _check_count(count)
    kept = len(samples[0])
    values, estimate = np.array([evaluate(sample) for sample in samples]), evaluate(np.arange(count))
    reach = float(stdtrit(count - 1, 0.975) * np.sqrt(kept / (count - kept) * np.var(values)))
    low, high = estimate - reach, estimate + reach
    if selects:
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if absolute:
        return max(low, -high, 0.0), max(-low, high)
    return low, high


def _check_count(count: int) -> None:
    if count < 3:
        raise ComparisonError(f"subsets: {count} conditions; at least 3 are needed for an interval.")


def intervals_of(
    analyse: Callable[[Int[ndarray, " kept"]], Any],
    count: int,
    readings: Mapping[str, Callable[[Any], float]],
    *,
    share: float = 0.5,
    selecting: Container[str] = (),
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of every reading of an analysis over conditions, from subsets of them, each analysed once (:func:`subsampled`).

    Args:
        analyse: returns the analysis of the conditions with these indices.
        count: number of conditions, at least 3.
        readings: numbers that are read off the analysis, by name.
        share: fraction of the conditions in each subset.
        selecting: names of the readings of one of several features (``selects`` of :func:`subsampled`).

    Raises:
        ComparisonError: there are fewer than 3 conditions.
    """
    _check_count(count)
    parts = subsets(count, share=share)
    jobs = {kept.tobytes(): (kept,) for kept in (np.arange(count), *parts)}
    known = workers.map("subsets of the conditions", analyse, jobs, threads=True, workers=2)
    return {
        name: subsampled(lambda kept, read=read: read(known[kept.tobytes()]), count, parts, selects=name in selecting)
        for name, read in readings.items()
    }
