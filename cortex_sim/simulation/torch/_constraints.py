"""A card's constraints on learned weights, as parametrisations that no optimiser step can violate."""

import numpy as np
import torch
from torch import Tensor, nn

from cortex_sim.cards import Model


class Signed(nn.Module):
    """Dale's law: |V| times a fixed sign for each column, and 0 where the mask is 0.

    The derivative of |V| at 0 is taken from the right, so a weight that starts at 0 learns like any other.
    """

    signs: Tensor
    mask: Tensor

    def __init__(self, signs: Tensor, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("signs", signs)
        self.register_buffer("mask", mask)

    def forward(self, raw: Tensor) -> Tensor:
        """Return the weights for the raw values."""
        return torch.where(raw < 0, -raw, raw) * self.signs * self.mask

    def right_inverse(self, weights: Tensor) -> Tensor:
        """Return raw values for weights that obey Dale's law."""
        return weights.abs()


class Masked(nn.Module):
    """Entries that stay 0."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, raw: Tensor) -> Tensor:
        """Return the weights for the raw values."""
        return raw * self.mask

    def right_inverse(self, weights: Tensor) -> Tensor:
        """Return raw values for weights, set to 0 where they should be."""
        return weights * self.mask


class LowRank(nn.Module):
    """W = U V^T / N, where N is the number of columns of W and each factor has as many columns as the rank.

    The entries of the factors are then of order 1, like m and n in the papers, so a learning rate means the same as there.
    """

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the weights for the factors."""
        return left @ right.T / len(right)

    def right_inverse(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return factors of equal norm for the nearest weights of this rank, by singular value decomposition."""
        U, s, Vt = torch.linalg.svd(weights.double(), full_matrices=False)
        root = (s[: self.rank] * weights.shape[1]).sqrt()
        return (U[:, : self.rank] * root).to(weights.dtype), (Vt[: self.rank].T * root).to(weights.dtype)


def constraint_of(model: Model, name: str, weights: Tensor) -> nn.Module | None:
    """Return the parametrisation that enforces the card's constraints on a projection; None if it is unconstrained."""
    projection = model.projections[name]
    if projection.rank:
        return LowRank(projection.rank)
    mask = (weights != 0).to(weights.dtype) if projection.keep_zeros else torch.ones_like(weights)
    if not projection.self_connections:
        mask = mask * (1 - torch.eye(len(mask), dtype=mask.dtype))
    if projection.excitatory is not None:
        return Signed(torch.tensor(np.asarray(model.signs(name)), dtype=weights.dtype), mask)
    return Masked(mask) if projection.keep_zeros or not projection.self_connections else None
