"""What a card demands of a weight matrix while it is learned, as parametrisations that no optimiser step can leave."""

import numpy as np
import torch
from torch import Tensor, nn

from cortex_sim.cards import Model


class Signed(nn.Module):
    """Dale's law: |V| times a fixed sign for each column, and 0 where the mask is.

    The derivative of |V| at 0 is taken from the right, so that a weight that begins at 0 is moved by its gradient like any other.
    """

    signs: Tensor
    mask: Tensor

    def __init__(self, signs: Tensor, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("signs", signs)
        self.register_buffer("mask", mask)

    def forward(self, raw: Tensor) -> Tensor:
        """Give the weights for the raw values."""
        return torch.where(raw < 0, -raw, raw) * self.signs * self.mask

    def right_inverse(self, weights: Tensor) -> Tensor:
        """Give raw values for weights that obey the law."""
        return weights.abs()


class Masked(nn.Module):
    """Entries that stay 0."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, raw: Tensor) -> Tensor:
        """Give the weights for the raw values."""
        return raw * self.mask

    def right_inverse(self, weights: Tensor) -> Tensor:
        """Give raw values for weights that are 0 where they should be."""
        return weights * self.mask


class LowRank(nn.Module):
    """W = U V^T / N with N columns of W, and as many columns in each factor as the rank.

    So the entries of the factors are of the order of 1, as those of m and n in the papers, and a learning rate means the same as there.
    """

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Give the weights for the factors."""
        return left @ right.T / len(right)

    def right_inverse(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Give factors of equal length for weights of this rank: the nearest of that rank, by singular value decomposition."""
        U, s, Vt = torch.linalg.svd(weights.double(), full_matrices=False)
        root = (s[: self.rank] * weights.shape[1]).sqrt()
        return (U[:, : self.rank] * root).to(weights.dtype), (Vt[: self.rank].T * root).to(weights.dtype)


def constraint_of(model: Model, name: str, weights: Tensor) -> nn.Module | None:
    """The parametrisation that holds a projection to what its card says; None if it is free."""
    projection = model.projections[name]
    if projection.rank:
        return LowRank(projection.rank)
    mask = (weights != 0).to(weights.dtype) if projection.keep_zeros else torch.ones_like(weights)
    if not projection.self_connections:
        mask = mask * (1 - torch.eye(len(mask), dtype=mask.dtype))
    if projection.excitatory is not None:
        return Signed(torch.tensor(np.asarray(model.signs(name)), dtype=weights.dtype), mask)
    return Masked(mask) if projection.keep_zeros or not projection.self_connections else None
