"""FORCE and full-FORCE: recursion is regression, what was learned goes on by itself, and the exported network is the one that learned."""

import numpy as np

from cortex_sim.fitting.recursive import Recursive


def test_recursive_least_squares_is_ridge_regression_towards_the_start_after_every_sample() -> None:
    rng = np.random.default_rng(0)
    start, regressors, wanted, alpha = rng.normal(size=(3, 8)), rng.normal(size=(30, 8)), rng.normal(size=(30, 3)), 0.7
    W, recursion = start.copy(), Recursive(8, alpha)
    for number, (r, f) in enumerate(zip(regressors, wanted, strict=True), 1):
        recursion.learn(W, r, W @ r - f)
        R, F = regressors[:number], wanted[:number]
        gram = R.T @ R + alpha * np.eye(8)
        batch = start + np.linalg.solve(gram, R.T @ (F - R @ start.T)).T
        np.testing.assert_allclose(W, batch, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(recursion.inverse, np.linalg.inv(gram), rtol=1e-11, atol=1e-12)
