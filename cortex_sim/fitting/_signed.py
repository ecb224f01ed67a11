"""Least squares with signs: all weights of a source of one sign, as Dale's law asks."""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

FULL_EXCHANGES = 3  # of all wrong regressors at once that may fail to reduce their number, before they are exchanged one at a time
MOST = 5  # exchanges per regressor, after which round-off is taken to decide
ROUND_OFF = 1e-12  # relative: weights and slopes nearer 0 than this have no sign
Gram = Float[ndarray, "regressor regressor"]
Weights = Float[ndarray, " regressor"]
Mask = Bool[ndarray, " regressor"]


def signed_least_squares(
    gram: Gram,
    moments: Float[ndarray, "regressor unit"],
    signs: Float[ndarray, " source"],
    allowed: Bool[ndarray, "unit source"],
    start: Bool[ndarray, "unit regressor"] | None = None,
) -> tuple[Float[ndarray, "unit regressor"], Bool[ndarray, "unit regressor"]]:
    r"""Return the weights w of each unit that minimise :math:`w^\top G w / 2 - w^\top m` with the signs of their sources.

    By block principal pivoting: of the regressors that have a weight, those of the wrong sign lose it; of the others, those along which the error
    falls gain one; until none is left, which is where the error is smallest. It takes as many solutions of a linear system as there are
    exchanges, few if it starts near.

    Args:
        gram: G, positive definite; its first rows are the sources, any others are regressors of either sign, allowed for all units.
        moments: m of each unit.
        signs: of each source, 1 or -1.
        allowed: which sources each unit may hear; the weights of the others are 0.
        start: which regressors have a weight to begin with, as returned for a similar problem; if omitted, those that alone reduce the error.

    Returns:
        The weights, and which of them are not 0 or are free.

    Source:
        Portugal, Júdice & Vicente (1994) Math Comput 63:625; Kim & Park (2011) SIAM J Sci Comput 33:3261.
    """
    free = np.arange(len(gram)) >= len(signs)
    turn = np.concatenate([signs, np.ones(free.sum())])
    G, targets = gram * turn[:, None] * turn, moments.T * turn
    bounded = np.pad(allowed, ((0, 0), (0, free.sum())), constant_values=False)
    chosen = bounded & ((targets > 0) if start is None else start) | free
    pairs = [_pivoted(G, *each) for each in zip(targets, bounded, chosen, strict=True)]
    return np.stack([weights for weights, _ in pairs]) * turn, np.stack([kept for _, kept in pairs])


def _pivoted(G: Gram, wanted: Weights, bounded: Mask, chosen: Mask) -> tuple[Weights, Mask]:
    """Return the weights of one unit, of which the bounded ones are not negative, and which are chosen.

    Exchanging only the last wrong regressor ends for every positive definite G (Murty 1974); exchanging all at once is much faster and mostly
    ends. Where round-off has the last word, an active-set method decides.
    """
    chosen, free, fewest, left, sizes = chosen.copy(), chosen & ~bounded, len(wanted) + 1, FULL_EXCHANGES, np.abs(G)
    for _ in range(MOST * len(wanted)):
        w = np.zeros(len(wanted))
        w[chosen] = np.linalg.solve(G[np.ix_(chosen, chosen)], wanted[chosen])
        size = max(float(np.abs(wanted).max()), float((sizes @ np.abs(w)).max()))
        lost, gained = chosen & (w < -ROUND_OFF * np.abs(w).max()), ~chosen & (wanted - G @ w > ROUND_OFF * size)
        wrong = np.flatnonzero(bounded & (lost | gained))
        if not wrong.size:
            w[bounded] = np.maximum(w[bounded], 0.0)
            return w, chosen
        fewest, left = (len(wrong), FULL_EXCHANGES) if len(wrong) < fewest else (fewest, left - 1)
        exchanged = wrong if left >= 0 else wrong[-1:]
        chosen[exchanged] = ~chosen[exchanged]
    return _active_set(G, wanted, bounded, free)


def _active_set(G: Gram, wanted: Weights, bounded: Mask, free: Mask) -> tuple[Weights, Mask]:
    """Return the same by Lawson and Hanson's method: with G = L L', the error is that of L' w against L^-1 m; a free weight is a difference."""
    kept = np.concatenate([np.flatnonzero(bounded), np.flatnonzero(free)])
    L = np.linalg.cholesky(G[np.ix_(kept, kept)])
    columns = np.hstack([L.T, -L.T[:, bounded.sum() :]])
    plus, minus = np.split(nnls(columns, solve_triangular(L, wanted[kept], lower=True))[0], [len(kept)])
    w = np.zeros(len(wanted))
    w[kept] = plus - np.pad(minus, (int(bounded.sum()), 0))
    return w, (w > 0) & bounded | free
