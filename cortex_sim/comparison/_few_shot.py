"""Few-shot co-smoothing: how well rates or spikes of held-out units are decoded from the states of a latent model by a few trials alone.

Many trials decode held-out units equally well from a model's states and from the same states beside others that move no unit; a few trials do not,
since every further dimension must be learned to be ignored.

Source:
    Dabholkar & Barak (2025) PLoS Comput Biol 21:e1013789, with a linear decoder and R² in place of bits per spike: the loss by p dimensions in n
    samples then has a closed form.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream
from cortex_sim.statistics import order_by_content, set_aside

DRAWS = 50
TESTED = 0.25  # share of the trials that no draw trains on
RIDGE = 1e-8  # of the mean variance of the states, so that fewer samples than dimensions have one solution


def few_shot_co_smoothing(
    latents: Float[ndarray, "trial time latent"],
    held_out: Float[ndarray, "trial time unit"],
    *,
    shots: Sequence[int],
    draws: int = DRAWS,
    seed: int = 0,
) -> Float[ndarray, " shot"]:
    """Return the R² of held-out units decoded from latent states by a linear map that few trials taught, for each number of trials.

    A quarter of the trials are set aside for the test. Of the others, every draw takes so many, regresses the units on the states at all times, and
    predicts the trials set aside. R² is one minus the squared error over the squared deviation from each unit's mean in the test; draws are averaged.

    Args:
        latents: states of a model, inferred from other units.
        held_out: rates or spike counts of units that the model did not see, in the same trials and bins.
        shots: numbers of trials, each at most three quarters of all.
        draws: number of draws.
        seed: of the test trials and of the draws.

    Raises:
        ComparisonError: trials or bins differ, a number of trials is out of range, or the units do not vary in the test.
    """
    if latents.shape[:2] != held_out.shape[:2]:
        raise ComparisonError(f"few-shot: (trial, time) are {latents.shape[:2]} and {held_out.shape[:2]}; they should match.")
    split = set_aside(range(len(latents)), TESTED, seed=seed).within(order_by_content(held_out))
    if not shots or not all(1 <= shot <= len(split.train) for shot in shots) or draws < 1:
        found = f"numbers of trials {list(shots)}, {draws} draws"
        raise ComparisonError(f"few-shot: {found}; there should be some, from 1 to {len(split.train)}, the trials not set aside, and a draw.")
    tested, wanted = (_samples(part[split.test]) for part in (latents, held_out))
    total = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
    if not total > 0:
        raise ComparisonError("few-shot: the held-out units do not vary in the trials set aside; there is nothing to predict.")

    def missed(chosen: ndarray) -> float:
        weights, offset = _decoder(_samples(latents[chosen]), _samples(held_out[chosen]))
        return float(((wanted - tested @ weights - offset) ** 2).sum())

    orders = [stream(seed, "analysis", "draws of few-shot co-smoothing", draw).permutation(split.train) for draw in range(draws)]
    return np.array([1 - np.mean([missed(order[:shot]) for order in orders]) / total for shot in shots])


def _samples(x: ndarray) -> Float[ndarray, "sample axis"]:
    return x.reshape(-1, x.shape[2])


def _decoder(states: Float[ndarray, "sample latent"], units: Float[ndarray, "sample unit"]) -> tuple[ndarray, ndarray]:
    """Return weights and offset of the least-squares map."""
    x, y = states - states.mean(axis=0), units - units.mean(axis=0)
    penalty = RIDGE * max(float((x**2).sum(axis=0).mean()), np.finfo(float).tiny)
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return weights, units.mean(axis=0) - states.mean(axis=0) @ weights
