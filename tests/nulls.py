"""A list of every null that a protocol draws: data in which there is nothing, and the very function by which it draws the null of them.

A null's key is the purpose of its random stream, which stands at one place of the code (`runtime.stream(seed, "null", purpose)`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy import ndarray

from cortex_sim.cards import Model

Build = Callable[..., Model]
DRAWS = 19  # surrogates, where a test may say how many


class Drawn(NamedTuple):
    """What a score is made of; the names are those of Score."""

    measure: str
    estimate: float
    null: ndarray
    better: str = "higher"


@dataclass(frozen=True)
class Nothing:
    """How data are drawn in which there is nothing.

    Attributes:
        made: returns the scores of such data, by the function that a report calls; takes a seed and a way to build linear circuits.
        purposes: of the streams of the nulls.
        long: whether it takes more than 3 s.
    """

    made: Callable[[int, Build], list[Any]]
    purposes: tuple[str, ...]
    long: bool


NOTHING: dict[str, Nothing] = {}
Made = Callable[[int, Build], list[Any]]


def nothing(*purposes: str, long: bool = False) -> Callable[[Made], Made]:
    """Register a function that returns what a report says of data in which there is nothing."""

    def registered(function: Made) -> Made:
        NOTHING[function.__name__] = Nothing(function, purposes, long)
        return function

    return registered


def few(module: Any, draws: int = DRAWS) -> Any:
    """A context in which a module draws so few surrogates."""
    return patch.object(module, "NULLS", draws)


def smooth(rng: np.random.Generator, *shape: int, width: int = 3) -> ndarray:
    """Noise that is smooth over the axis before the last, and stationary."""
    *first, bins, last = shape
    noise = rng.normal(size=(*first, bins + width - 1, last)).cumsum(axis=-2)
    noise = np.concatenate([np.zeros((*first, 1, last)), noise], axis=-2)
    return noise[..., width:, :] - noise[..., :-width, :]


# Nulls whose uniformity other files test, by the name of the test.
CALIBRATION, INFERENCE = "tests/comparison/test_calibration.py::test_p_values_of_", "tests/statistics/test_inference.py::test_"
ELSEWHERE = {
    "orders of conditions": f"{CALIBRATION}systems_that_share_nothing_are_uniform_by_every_measure_whose_null_permutes_conditions",
    "conditions of each axis": f"{CALIBRATION}students_without_structure_are_uniform_by_every_other_measure",
    "orders of responses": f"{CALIBRATION}responses_that_have_nothing_in_common_are_uniform",
    "flipped signs": f"{INFERENCE}sign_flips_are_uniform_under_symmetry_whatever_the_distribution_and_uniformity_sees_when_they_are_not",
}
# Streams of the role "null" from which no p-value is computed, and why.
NO_P = {
    "permuted units of learning_rules": "rotations are closer or less close to the circuit's",
    "rotated states": "rotations are closer or less close to the teacher's; no tail is the better one",
    "surrogates of spike_statistics": "statistics of spikes are closer or less close to those of a recording",
    "Poisson surrogate": "the surrogate itself",
    "conditions of the shuffled student": "what a control is taught",
    "planted activity of rotations": "activity with known answers",
    "controls of optimised circuits": "connections of control circuits",
    "blind measure of mechanism": "a measure that knows nothing, as a claim",
    "planted effects": "data in which power is measured",
    "uniform p values": "ties broken in the test of uniformity",
}
