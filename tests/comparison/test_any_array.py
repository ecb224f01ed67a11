"""Every measure gives the same for every type, byte order and order in memory of its numbers, and refuses what is missing in the same words."""

import numpy as np
import pytest

from cortex_sim.comparison._measures import MEASURES
from cortex_sim.errors import OptionError

WAYS = {
    "single precision": lambda x: x.astype("f4"), "half precision": lambda x: x.astype("f2"), "another byte order": lambda x: x.astype(">f8"),
    "single precision, another byte order": lambda x: x.astype(">f4"), "bytes": lambda x: x.astype("u1"), "whole numbers": lambda x: x.astype(">i2"),
    "Fortran order": np.asfortranarray, "a view": lambda x: np.repeat(x, 2, axis=1)[:, ::2], "a list": lambda x: x.tolist(),
}  # fmt: skip
MISSING = {"NaN": np.nan, "infinity": np.inf}


def sides() -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers, which every type holds exactly."""
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.normal(0, 4, (8, 25, 6)), axis=1)
    return tuple(np.round(100 + part - part.mean()).clip(0, 255) for part in (slow, 0.8 * slow + rng.normal(0, 3, slow.shape)))


@pytest.mark.parametrize("name", MEASURES)
def test_the_type_and_order_of_numbers_change_nothing(name: str) -> None:
    teacher, student = sides()
    expected = MEASURES[name](teacher, student, 0.01)
    ways = WAYS if name != "DSA, Procrustes" else {"single precision": WAYS["single precision"]}  # which takes a second
    for way, turned in ways.items():
        assert MEASURES[name](turned(teacher), turned(student), 0.01) == expected, way


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_missing_is_refused_in_the_same_words(name: str) -> None:
    teacher, student = sides()
    for value in MISSING.values():
        broken = student.copy()
        broken[2, 3, 4] = value
        with pytest.raises(OptionError, match=r"^Measure: student is not finite, first at condition 2, time 3, unit 4; what is missing is no number"):
            MEASURES[name](teacher, broken, 0.01)
    with pytest.raises(OptionError, match=r"student has masked entries, the first at condition 2, time 3, unit 4"):
        MEASURES[name](teacher, np.ma.masked_invalid(broken), 0.01)
    with pytest.raises(OptionError, match=r"student should be an array of numbers \(condition, time, unit\); it has 2 axes"):
        MEASURES[name](teacher, student[0], 0.01)
