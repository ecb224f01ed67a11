"""Subspaces: do two epochs share directions, which directions drive the muscles, and what does variance depend on?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import ComparisonError

NEURAL, MUSCLES = 6, 3  # principal components of neurons and of muscles: Kaufman et al. (2014)
SPANNED = 1e-12  # of the largest variance: directions below are none
RIDGE = 1e-3  # of the regression of muscles on neurons, relative to the mean variance

Rates = Float[ndarray, "condition time unit"]


def chance_alignment(
    tested: Float[ndarray, "... unit"], axes: int, *, within: Float[ndarray, "... unit"] | None, count: int, rng: np.random.Generator
) -> Float[ndarray, " draw"]:
    """Return alignment indices of an epoch with random subspaces, of all directions or of those in which there is activity.

    Drawn from all directions alike, they are a null: the subspace of another epoch is unrelated to this one, whatever the dimensions and spectra of
    both. Orthogonal epochs are aligned less, epochs that share directions more. Drawn from the covariance of both epochs, as published, they are a
    comparison and no null: that covariance knows the epochs that are asked about, so that unrelated ones are aligned less than nearly all of them.

    Args:
        tested: activity of the epoch, whose variance the subspaces may capture.
        axes: dimension of each subspace.
        within: activity whose covariance biases the random subspaces, that of all epochs; None draws them isotropically.
        count: number of subspaces.
        rng: of the draws.

    Raises:
        ComparisonError: there are more axes than the dimensions of the activity that they are drawn from.

    Source:
        Elsayed, Lara, Kaufman, Churchland & Cunningham (2016) Nat Commun 7:13239.
    """
    units = tested.shape[-1]
    C = np.cov(tested.reshape(-1, units), rowvar=False)
    values, vectors = np.ones(units), np.eye(units)
    if within is not None:
        values, vectors = np.linalg.eigh(np.cov(within.reshape(-1, units), rowvar=False))
    kept = values > SPANNED * values.max()
    if (rank := int(kept.sum())) < axes:
        raise ComparisonError(f"subspaces: {axes} axes drawn from activity of {rank} dimensions; there should be no more axes than those.")
    root = vectors[:, kept] * np.sqrt(values[kept])
    D = np.linalg.qr(root @ rng.standard_normal((count, root.shape[1], axes)))[0]
    return np.einsum("nui,uv,nvi->n", D, C, D, optimize=True) / np.linalg.eigvalsh(C)[-axes:].sum()


@dataclass(frozen=True)
class PotentAndNull:
    """Directions of neural state space that drive muscles, and those that do not.

    Attributes:
        potent: orthonormal, in columns, (unit, muscle axis).
        null: orthonormal, in columns, orthogonal to the potent ones within the retained neural axes.
        explained: fraction of the muscles' variance that the regression explains, on the rates that it was fitted to.
    """

    potent: Float[ndarray, "unit potent"]
    null: Float[ndarray, "unit null"]
    explained: float


def leading_axes(rates: Float[ndarray, "... unit"], axes: int) -> Float[ndarray, "unit axis"]:
    """Return the directions in which rates vary most about their mean, orthonormal, in columns, the first first."""
    about = rates.reshape(-1, rates.shape[-1]) - rates.reshape(-1, rates.shape[-1]).mean(axis=0)
    return np.linalg.eigh(about.T @ about)[1][:, ::-1][:, :axes]


def potent_and_null(
    rates: Rates,
    muscles: Float[ndarray, "condition time muscle"],
    *,
    within: Float[ndarray, "other moment unit"] | None = None,
    neural: int = NEURAL,
    muscular: int = MUSCLES,
    ridge: float = RIDGE,
) -> PotentAndNull:
    """Return potent and null directions, by regression of the muscles' leading components on those of the neurons.

    If preparation and movement are orthogonal, movement alone does not determine how preparatory directions would drive muscles, and the penalty
    decides. Rates of both epochs do determine it.

    Args:
        rates: of movement, as published, or of both epochs.
        muscles: of the same conditions and bins.
        within: rates that define the neurons' principal components, if not ``rates``.
        neural: number of principal components of the neurons.
        muscular: number of principal components of the muscles, fewer than of the neurons.
        ridge: penalty of the regression, relative to the mean variance of the neurons' components.

    Raises:
        ComparisonError: conditions or bins differ, or there are not more neural than muscular components.

    Source:
        Kaufman, Churchland, Ryu & Shenoy (2014) Nat Neurosci 17:440.
    """
    if rates.shape[:2] != muscles.shape[:2]:
        found = f"{rates.shape[:2]} of neurons and {muscles.shape[:2]} of muscles"
        raise ComparisonError(f"subspaces: (condition, time) are {found}; they should match.")
    if not 0 < muscular < neural <= rates.shape[2] or muscular > muscles.shape[2]:
        sizes = f"{neural} of {rates.shape[2]} neurons and {muscular} of {muscles.shape[2]} muscles"
        raise ComparisonError(f"subspaces: components are {sizes}; there should be more of neurons, and no more than there are.")
    x, y = (side.reshape(-1, side.shape[2]) - side.mean(axis=(0, 1)) for side in (rates, muscles))
    axes, targets = leading_axes(rates if within is None else within, neural), leading_axes(y, muscular)
    N, M = x @ axes, y @ targets
    gram = N.T @ N
    W = np.linalg.solve(gram + ridge * np.trace(gram) / neural * np.eye(neural), N.T @ M)
    turned = np.linalg.qr(W, mode="complete")[0]
    return PotentAndNull(axes @ turned[:, :muscular], axes @ turned[:, muscular:], float(1 - ((M - N @ W) ** 2).sum() / (M**2).sum()))


def silent_part(weights: Float[ndarray, "unit output"], rates: Float[ndarray, "... unit"], *, axes: int) -> Float[ndarray, "unit output"]:
    """Return weights with the leading principal axes of rates removed, so that these rates hardly drive the outputs.

    Args:
        weights: of outputs, such as muscles, on units.
        rates: activity that should not drive the outputs.
        axes: number of axes to remove.
    """
    flat = rates.reshape(-1, len(weights))
    leading = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:axes].T
    return np.asarray(weights - leading @ (leading.T @ weights))


def tuning_ratio(preparation: Rates, movement: Float[ndarray, "condition moment unit"], found: PotentAndNull) -> float:
    """Return the null-to-potent ratio of variance across conditions in preparation, relative to that in movement: 1 if preparation is not hidden.

    Variance is per direction, so that numbers of directions do not matter; dividing by movement corrects for directions with more variance overall.

    Args:
        preparation: rates.
        movement: of the same units and conditions.
        found: potent and null directions.
    """

    def hidden(rates: Rates) -> float:
        about = rates - rates.mean(axis=0)
        return float(((about @ found.null) ** 2).sum() / found.null.shape[1] / (((about @ found.potent) ** 2).sum() / found.potent.shape[1]))

    return hidden(preparation) / hidden(movement)


def variance_shares(rates: Rates) -> dict[str, float]:
    """Return the fractions of variance that depend on time alone, on the condition alone, and on both; they add up to 1.

    Rates are split, as demixed principal components do, into averages over conditions, over time, and the rest, which are orthogonal.

    Raises:
        ComparisonError: nothing varies.

    Source:
        Kobak et al. (2016) eLife 5:e10989.
    """
    about = rates - rates.mean(axis=(0, 1))
    if not (total := float((about**2).sum())) > 0:
        raise ComparisonError("subspaces: nothing varies over conditions and time, so there is no variance to share out.")
    time, condition = about.mean(axis=0, keepdims=True), about.mean(axis=1, keepdims=True)
    parts = {"time": time, "condition": condition, "condition by time": about - time - condition}
    return {name: float((np.broadcast_to(part, about.shape) ** 2).sum()) / total for name, part in parts.items()}
