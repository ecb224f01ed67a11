"""Companions of a system are what they are called, by construction."""

import numpy as np
import pytest

from cortex_sim.comparison import ANGLES, RADII, companions
from cortex_sim.comparison._companions import LINEAR, POSSESSED, SAME, TURNED
from cortex_sim.comparison._planted import damped_rotations, noisy_steps


def test_a_damped_rotation_has_the_eigenvalues_it_is_given() -> None:
    found = np.linalg.eigvals(damped_rotations(ANGLES, RADII))
    assert np.sort(np.abs(found)) == pytest.approx(np.sort(np.repeat(RADII, 2)))
    assert np.sort(np.abs(np.angle(found))) == pytest.approx(np.sort(np.repeat(ANGLES, 2)))


def test_steps_without_noise_are_powers_of_the_matrix() -> None:
    A, start = damped_rotations(ANGLES, RADII), np.eye(6)
    states = noisy_steps(A, start, 5, np.random.default_rng(0), 0.0)
    np.testing.assert_allclose(states[:, 4], np.linalg.matrix_power(A, 4).T, atol=1e-12)


def test_images_and_the_possessed_have_the_averages_that_their_names_say() -> None:
    base, pairs = companions(0, conditions=4, repeats=3, trials=10)
    np.testing.assert_allclose(pairs[POSSESSED].averages, base.averages, atol=1e-12)
    flat = base.averages.reshape(-1, 6)
    for name, gram in ((TURNED, True), (LINEAR, False)):
        image = pairs[name].averages.reshape(-1, 6)
        assert np.linalg.matrix_rank(np.hstack([flat, image]), tol=1e-8) == 6
        assert np.allclose(image @ image.T, 9 * flat @ flat.T) is gram
    assert not np.allclose(pairs[SAME].averages, base.averages) and pairs[SAME].singles.shape == (10, 100, 6)
