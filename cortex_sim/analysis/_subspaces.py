"""Subspaces: do two epochs use the same directions, which directions move the muscles, and what is variance about?"""

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
    """Alignment index of an epoch with random subspaces.

    Args:
        tested: activity of the epoch; its variance is what subspaces share.
        axes: of each subspace.
        within: activity whose covariance draws the subspaces to where there is variance, that of all epochs; None draws them from all directions
            alike, which makes nearly anything look aligned where activity has few dimensions.
        count: subspaces drawn.
        rng: of the draws.

    Raises:
        ComparisonError: more axes than the activity that they are drawn from has dimensions.

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
    """Directions of the neural state that move muscles, and those that do not.

    Attributes:
        potent: orthonormal, in columns, (unit, muscle axis).
        null: orthonormal, in columns, orthogonal to the potent ones within the neural axes that were kept.
        explained: share of the variance of the muscles that the regression explains, in the rates it was made of.
    """

    potent: Float[ndarray, "unit potent"]
    null: Float[ndarray, "unit null"]
    explained: float

    def turned(self, rng: np.random.Generator) -> "PotentAndNull":
        """Return as many random directions within the same neural axes."""
        axes = np.hstack([self.potent, self.null])
        random = axes @ np.linalg.qr(rng.standard_normal((axes.shape[1],) * 2))[0]
        return PotentAndNull(random[:, : self.potent.shape[1]], random[:, self.potent.shape[1] :], float("nan"))


def potent_and_null(
    rates: Rates,
    muscles: Float[ndarray, "condition time muscle"],
    *,
    within: Float[ndarray, "other moment unit"] | None = None,
    neural: int = NEURAL,
    muscular: int = MUSCLES,
    ridge: float = RIDGE,
) -> PotentAndNull:
    """Find them by regressing the leading components of muscles on those of neurons.

    Where preparation and movement are orthogonal, movement alone cannot say what preparatory directions would do to muscles: what is found is then
    decided by the penalty. Rates of both epochs can.

    Args:
        rates: of movement, as published, or of both epochs.
        muscles: of the same conditions and bins.
        within: rates whose leading components are taken for the neurons', if not these.
        neural: principal components of the neurons.
        muscular: principal components of the muscles, fewer than of the neurons.
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
    x, y, whole = (one.reshape(-1, one.shape[2]) - one.mean(axis=(0, 1)) for one in (rates, muscles, rates if within is None else within))
    axes, targets = (np.linalg.eigh(one.T @ one)[1][:, ::-1][:, :count] for one, count in ((whole, neural), (y, muscular)))
    N, M = x @ axes, y @ targets
    gram = N.T @ N
    W = np.linalg.solve(gram + ridge * np.trace(gram) / neural * np.eye(neural), N.T @ M)
    turned = np.linalg.qr(W, mode="complete")[0]
    return PotentAndNull(axes @ turned[:, :muscular], axes @ turned[:, muscular:], float(1 - ((M - N @ W) ** 2).sum() / (M**2).sum()))


def silent_part(weights: Float[ndarray, "unit output"], rates: Float[ndarray, "... unit"], *, axes: int) -> Float[ndarray, "unit output"]:
    """Return what is left of weights without the leading principal axes of rates, so that these rates hardly move the outputs.

    Args:
        weights: of outputs, such as muscles.
        rates: in which they should be silent.
        axes: how many of theirs are taken out.
    """
    flat = rates.reshape(-1, len(weights))
    leading = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:axes].T
    return np.asarray(weights - leading @ (leading.T @ weights))


def tuning_ratio(preparation: Rates, movement: Float[ndarray, "condition moment unit"], found: PotentAndNull) -> float:
    """Variance across conditions in null over potent directions during preparation, relative to the same during movement: 1 where nothing is hidden.

    Per direction, so that unequal numbers of them do not matter; the division by movement takes out that some directions hold more variance anyway.

    Args:
        preparation: rates.
        movement: of the same units and conditions.
        found: directions.
    """

    def hidden(rates: Rates) -> float:
        about = rates - rates.mean(axis=0)
        return float(((about @ found.null) ** 2).sum() / found.null.shape[1] / (((about @ found.potent) ** 2).sum() / found.potent.shape[1]))

    return hidden(preparation) / hidden(movement)


def variance_shares(rates: Rates) -> dict[str, float]:
    """Shares of variance that depend on time alone, on the condition alone, and on both; they add up to 1.

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
