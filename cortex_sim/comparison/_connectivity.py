r"""Inferred connections compared with true ones: as they are, and as far as activity determines them."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards.weights import of_rank


def effective_connectivity(J: Float[ndarray, "unit unit"], inputs: Float[ndarray, "unit channel"], rank: int) -> Float[ndarray, "unit unit"]:
    r"""Return the part of a low-rank connectivity that determines activity: its rows projected onto the span of its outputs and input vectors.

    With :math:`J = \sum_k m_k n_k^\top`, states that start at rest remain in the span of all :math:`m_k` and input vectors. A linear network
    then responds to no other part of any :math:`n_k`, and its activity is the same without it. For saturating units this holds as far as
    rates lie in this span.

    Args:
        J: connectivity of this rank.
        inputs: vectors along which the channels enter.
        rank: of J; components beyond it, which are round-off, are removed.

    Source:
        Valente, Pillow & Ostojic (2022) NeurIPS 35.
    """
    low = of_rank(J, rank)
    left = np.linalg.svd(low)[0][:, :rank]
    span = np.linalg.qr(np.hstack([left, inputs]))[0]
    return low @ span @ span.T


def entry_correlation(true: Float[ndarray, "unit unit"], found: Float[ndarray, "unit unit"]) -> float:
    """Return the correlation of two matrices over their entries."""
    return float(np.corrcoef(true.ravel(), found.ravel())[0, 1])
