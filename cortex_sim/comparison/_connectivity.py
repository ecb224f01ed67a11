r"""Connections that a fit has found against those that made the activity: as they are, and as far as activity could tell them."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards.weights import of_rank


def effective_connectivity(J: Float[ndarray, "unit unit"], inputs: Float[ndarray, "unit channel"], rank: int) -> Float[ndarray, "unit unit"]:
    r"""Keep of a low-rank connectivity what its activity can tell: its rows projected on the span of its own outputs and the input vectors.

    With :math:`J = \sum_k m_k n_k^\top`, states that start at rest stay in the span of all :math:`m_k` and input vectors, so that a linear network
    reads no other part of any :math:`n_k`, and its activity is the same without it. Of a network with saturating units this holds as far as
    rates lie in that span.

    Args:
        J: of this rank.
        inputs: vectors along which channels enter.
        rank: of J; what exceeds it, round-off, is left out.

    Source:
        Valente, Pillow & Ostojic (2022) NeurIPS 35.
    """
    low = of_rank(J, rank)
    left = np.linalg.svd(low)[0][:, :rank]
    span = np.linalg.qr(np.hstack([left, inputs]))[0]
    return low @ span @ span.T


def entry_correlation(true: Float[ndarray, "unit unit"], found: Float[ndarray, "unit unit"]) -> float:
    """Correlate two matrices over their entries."""
    return float(np.corrcoef(true.ravel(), found.ravel())[0, 1])
