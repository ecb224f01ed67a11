"""Local flow is that of every linear image, and not that of another frequency."""

import numpy as np
import pytest

from cortex_sim.comparison._local_flow import local_flow
from cortex_sim.errors import ComparisonError

RNG = np.random.default_rng(0)
DT = 0.01


def turning(rate: float, seed: int = 0, conditions: int = 12) -> np.ndarray:
    """Spirals in two planes."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((conditions, 1, 2)) + 1j * rng.standard_normal((conditions, 1, 2))
    path = z * np.exp((-1.0 + 1j * rate * np.array([1.0, 1.7])) * DT * np.arange(60)[:, None])
    return np.concatenate([path.real, path.imag], axis=2)


def test_one_flow_in_any_linear_coordinates_is_one() -> None:
    a = turning(6.0)
    assert local_flow(a, a, DT) == pytest.approx(1, abs=1e-9)
    assert local_flow(a, a @ RNG.standard_normal((4, 9)) + 2, DT) == pytest.approx(1, abs=1e-4)


def test_a_mirror_image_that_turns_back_is_the_same_flow() -> None:
    angle = np.exp(1j * 2 * np.pi * np.arange(60) / 60)
    ring = np.stack([angle.real, angle.imag], axis=1) * np.arange(1, 9)[:, None, None]
    back = ring[:, (-np.arange(60)) % 60]
    assert local_flow(ring, back * np.array([1.0, -1.0]), DT) == pytest.approx(1, abs=0.01)


def test_another_frequency_is_another_flow() -> None:
    assert local_flow(turning(6.0), turning(12.0), DT) < 0.8


def test_independent_systems_have_flows_at_random() -> None:
    found = np.array([local_flow(turning(6.0, seed), RNG.standard_normal((12, 60, 4)), DT) for seed in range(20)])
    assert abs(found.mean()) < 5 * found.std() / np.sqrt(20) + 0.02


def test_what_does_not_match_is_refused() -> None:
    a = turning(6.0)
    with pytest.raises(ComparisonError, match=r"^local_flow: \(condition, time\) are \(12, 60\) and \(12, 59\); they should match and be"):
        local_flow(a, a[:, 1:], DT)
    with pytest.raises(ComparisonError, match=r"are \(3, 60\) and \(3, 60\); they should match and be at least 4 and 3\."):
        local_flow(a[:3], a[:3], DT)
