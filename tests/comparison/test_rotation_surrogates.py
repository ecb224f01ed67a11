"""A planted rotation stands out of every surrogate but is lost with one course a unit; a sequence of peaks is kept by it."""

import numpy as np
import pytest

from cortex_sim.comparison._planted import peak_sequence, planted_rotation
from cortex_sim.comparison._rotation_surrogates import (
    ENTROPY,
    MIRRORED,
    ONE_COURSE,
    PHASES,
    REVERSED,
    SHUFFLED,
    Turning,
    rotations_against_surrogates,
)
from cortex_sim.errors import ComparisonError

SIZE = {"conditions": 16, "bins": 20, "units": 20, "dt": 0.01}


def turning(states: np.ndarray) -> Turning:
    about = states - states.mean(axis=0)
    return rotations_against_surrogates(about, 0.01, rng_of=lambda kind, draw: np.random.default_rng([kind, draw]), draws=5)


def test_a_rotation_stands_out_and_needs_two_courses_a_unit() -> None:
    found = turning(planted_rotation(np.random.default_rng(0), frequency=1.5, noise=0.01, **SIZE))
    assert found.found.main_frequency == pytest.approx(1.5, rel=0.05)
    assert {name: len(null) for name, null in found.nulls.items()} == {SHUFFLED: 5, MIRRORED: 5, PHASES: 5, ENTROPY: 5, REVERSED: 5, ONE_COURSE: 1}
    assert found.nulls[SHUFFLED].max() < 0.5 * found.found.r2_skew and found.nulls[ONE_COURSE][0] < 0.1
    assert found.p(SHUFFLED) == found.p(MIRRORED) == found.p(REVERSED) == 1 / 6


def test_a_comparison_gives_no_p_value_and_says_why() -> None:
    found = turning(planted_rotation(np.random.default_rng(0), frequency=1.5, noise=0.01, **SIZE))
    with pytest.raises(ComparisonError, match=r"^rotations: surrogates by phases randomised give no p-value, since a window is not a period"):
        found.p(PHASES)
    told = found.told()
    assert {name for name, each in told.items() if each["null"] is None} == {PHASES, ENTROPY}
    assert f"{np.median(found.nulls[ENTROPY]):.3f}" in told[ENTROPY]["surrogate"] and told[REVERSED]["surrogate"] == REVERSED


def test_a_sequence_of_peaks_has_one_course_a_unit_and_keeps_all_of_its_rotation() -> None:
    found = turning(peak_sequence(np.random.default_rng(0), **SIZE))
    assert found.nulls[ONE_COURSE][0] == pytest.approx(found.found.r2_skew, abs=1e-9)
