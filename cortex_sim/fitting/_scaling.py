"""How the cost of a gradient and of a run grows with sequence length, and how far a truncated gradient deviates."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cortex_sim.cards import Model
from cortex_sim.fitting._footprint import Cost, gradient_distance, gradient_footprint, run_footprint
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.runtime import track

INFERENCE = "inference"


def costs_by_length(model: Model, data: Mapping[int, TrainingData], ways: Callable[[int], Mapping[str, Options]]) -> dict[str, Cost]:
    """Return the cost of one gradient by each method, and of one run, at each sequence length.

    Bytes and seconds are measured in separate runs, since counting takes time itself.

    Args:
        model: with its weights.
        data: by length, in ascending order.
        ways: returns the methods for a gradient, by name, at a length.

    Returns:
        Costs by method, and under ``INFERENCE`` those of a run.
    """
    found: dict[str, Cost] = {}
    with track("measuring long sequences") as report:
        for place, (length, given) in enumerate(data.items()):
            for name, options in ways(length).items():
                quick, counted = (gradient_footprint(model, given, options, count=count) for count in (False, True))
                found.setdefault(name, Cost([], [])).add(quick, counted)
                report((place + 0.5) / len(data), f"{length} bins, {name}")
            alone, watched = (run_footprint(model, given.task, count=count) for count in (False, True))
            found.setdefault(INFERENCE, Cost([], [])).add(alone, watched)
    return found


class Change(NamedTuple):
    """How far a gradient and its error deviate from those through the whole trial.

    Attributes:
        gradient: norm of the difference, relative to that of the full gradient.
        error: difference, relative to the full error.
    """

    gradient: float
    error: float


def gradient_changes(model: Model, data: TrainingData, whole: Options, others: Sequence[Options], *, double: bool = False) -> list[Change]:
    """Return how far gradients by other methods deviate from a full one, at the same weights.

    Args:
        model: with its weights.
        data: inputs and wanted outputs.
        whole: options of the full gradient.
        others: options of the gradients to compare with it.
        double: use float64 instead of float32.
    """
    true = gradient_footprint(model, data, whole, double=double)
    found = [gradient_footprint(model, data, options, double=double) for options in others]
    return [Change(gradient_distance(true.arrays, other.arrays), abs(other.error / true.error - 1)) for other in found]
