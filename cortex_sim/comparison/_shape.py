"""Shape metrics: distances of two sets of matched samples after the best rotation, from canonical correlations to plain Procrustes.

Source:
    Williams, Kunz, Kornblith & Linderman (2021) NeurIPS 34.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._measures import flat, measure
from cortex_sim.errors import ComparisonError

SPANNED = 1e-6  # of the largest singular value: directions below are left out, since whitening would blow them up


def shape_distance(a: Float[ndarray, "sample unit"], b: Float[ndarray, "sample other"], *, alpha: float = 1.0) -> float:
    r"""Return the angle between two centred, partly whitened sets of samples after the best rotation: a metric for every alpha.

    With singular values s of mean square 1 on each side, samples are scaled to :math:`U(\alpha s + 1 - \alpha)`; the angle is
    :math:`\arccos(\lVert A^\top B\rVert_* / \lVert A\rVert_F \lVert B\rVert_F)`. It is 0 for a rotated, shifted and scaled copy; at alpha = 0, where
    it depends on canonical correlations alone, for every invertible linear image; at most pi/2.

    Args:
        a: samples in rows.
        b: the same samples of the other system.
        alpha: from 0, canonical correlations, to 1, Procrustes.

    Returns:
        The angle, rad.

    Raises:
        ComparisonError: alpha is out of range, the numbers of samples differ, or a side does not vary.
    """
    if not 0 <= alpha <= 1:
        raise ComparisonError(f"shape_distance: alpha {alpha:g} should lie between 0 and 1.")
    if len(a) != len(b):
        raise ComparisonError(f"shape_distance: {len(a)} samples on one side, {len(b)} on the other; give the same conditions and times.")
    one, other = (_whitened(samples, alpha) for samples in (a, b))
    nuclear = np.linalg.svd(one.T @ other, compute_uv=False).sum()
    return float(np.arccos(np.clip(nuclear / (np.linalg.norm(one) * np.linalg.norm(other)), -1.0, 1.0)))


def _whitened(samples: ndarray, alpha: float) -> Float[ndarray, "sample axis"]:
    centred = samples - samples.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    if not values[-1] > 0:
        raise ComparisonError("shape_distance: one side does not vary over samples; there is no shape to compare.")
    kept = values > SPANNED**2 * values[-1]
    s = np.sqrt(values[kept])
    relative = s / np.sqrt((s**2).mean())
    return centred @ (axes[:, kept] * ((alpha * relative + 1 - alpha) / s))


@measure("shape, half whitened (rad)", better="lower", identical=0.0, unlike=np.pi / 2, about="metric between Procrustes and canonical correlations")
def _half_whitened(a: Float[ndarray, "condition time unit"], b: Float[ndarray, "condition time other"], _: float) -> float:
    return shape_distance(flat(a), flat(b), alpha=0.5)


@measure("shape, whitened (rad)", better="lower", identical=0.0, unlike=np.pi / 2, about="the same, blind to any invertible linear map")
def _whitened_shape(a: Float[ndarray, "condition time unit"], b: Float[ndarray, "condition time other"], _: float) -> float:
    return shape_distance(flat(a), flat(b), alpha=0.0)
