"""Geometry of activity: similarity of two sets of matched samples up to rotation, shift and scale."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import ComparisonError

FEWEST = 4  # samples that the unbiased estimator of CKA needs
LOST = 1e-6  # of the variance, when samples are reduced to principal components


def procrustes_angle(a: Float[ndarray, "sample unit"], b: Float[ndarray, "sample other"]) -> float:
    r"""Return the angle between two centred and scaled sets of samples after the best rotation: a metric (Williams et al. 2021).

    :math:`\theta = \arccos\left(\lVert A^\top B\rVert_* / (\lVert A\rVert_F \lVert B\rVert_F)\right)`: 0 for a rotated, shifted or scaled copy,
    at most :math:`\pi/2`.

    Args:
        a: samples in rows; any unit.
        b: the same samples of the other system; its number of units may differ.

    Raises:
        ComparisonError: the numbers of samples differ, or a side does not vary.
    """
    a, b = _centred(a), _centred(b)
    _same_samples(a, b)
    nuclear = np.linalg.svd(a.T @ b, compute_uv=False).sum()
    return float(np.arccos(np.clip(nuclear / (np.linalg.norm(a) * np.linalg.norm(b)), -1.0, 1.0)))


def linear_cka(a: Float[ndarray, "sample unit"], b: Float[ndarray, "sample other"], *, debiased: bool = True) -> float:
    r"""Return linear centred kernel alignment; debiased by the unbiased estimator of HSIC (Song et al. 2012), with mean 0 under independence.

    Args:
        a: samples in rows.
        b: the same samples of the other system.
        debiased: False gives the standard estimator, which for n samples of d independent Gaussian units is far above 0 unless n >> d.

    Raises:
        ComparisonError: the numbers of samples differ, there are fewer than four, or a side does not vary.
    """
    a, b = _centred(a), _centred(b)
    _same_samples(a, b)
    if not debiased:
        return float(np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))
    if len(a) < FEWEST:
        raise ComparisonError(f"linear_cka: {len(a)} samples; the unbiased estimator needs at least {FEWEST}.")
    return float(_unbiased_hsic(a, b) / np.sqrt(_unbiased_hsic(a, a) * _unbiased_hsic(b, b)))


def principal_part(samples: Float[ndarray, "... unit"], lost: float = LOST) -> Float[ndarray, "... axis"]:
    """Return samples rotated to the principal components that hold all of their variance but a millionth, or another fraction.

    Rotation-invariant measures change by less than the square root of that fraction, and become much cheaper.
    """
    flat = samples.reshape(-1, samples.shape[-1])
    centred = flat - flat.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred)
    kept = np.cumsum(np.maximum(values, 0.0)) > lost * max(values.sum(), np.finfo(float).tiny)
    return (centred @ axes[:, kept]).reshape(*samples.shape[:-1], -1)


def participation_ratio(samples: Float[ndarray, "... unit"]) -> float:
    """Return the effective number of dimensions, (sum of eigenvalues)^2 / sum of squares, of the covariance."""
    values = np.linalg.eigvalsh(np.cov(samples.reshape(-1, samples.shape[-1]), rowvar=False))
    return float(values.sum() ** 2 / (values**2).sum())


def alignment_index(a: Float[ndarray, "... unit"], b: Float[ndarray, "... unit"], axes: int = 10) -> float:
    r"""Return the alignment index: share of b's variance along the leading axes of a, relative to the most possible (Elsayed et al. 2016).

    :math:`A = \operatorname{tr}(D_a^\top C_b D_a) / \sum_{i \le k} \sigma_i(C_b)`: 1 if both occupy one subspace, 0 if they are orthogonal.

    Args:
        a: activity in one epoch.
        b: activity in another; the same units.
        axes: k; fewer if there are fewer units.
    """
    C_a, C_b = (np.cov(one.reshape(-1, one.shape[-1]), rowvar=False) for one in (a, b))
    k = min(axes, len(C_a))
    D = np.linalg.eigh(C_a)[1][:, -k:]
    return float(np.trace(D.T @ C_b @ D) / np.linalg.eigvalsh(C_b)[-k:].sum())


def _unbiased_hsic(a: ndarray, b: ndarray) -> float:
    """Return HSIC_1 of Song et al. (2012) for linear kernels, from features, without a sample-by-sample matrix."""
    n = len(a)
    ka, kb = (a**2).sum(axis=1), (b**2).sum(axis=1)
    rows_a, rows_b = a @ a.sum(axis=0) - ka, b @ b.sum(axis=0) - kb
    trace = (np.linalg.norm(a.T @ b) ** 2) - ka @ kb
    return (trace + rows_a.sum() * rows_b.sum() / ((n - 1) * (n - 2)) - 2 * rows_a @ rows_b / (n - 2)) / (n * (n - 3))


def _centred(samples: ndarray) -> ndarray:
    centred = samples - samples.mean(axis=0)
    if not np.linalg.norm(centred) > 0:
        raise ComparisonError("geometry: one side does not vary over samples; there is no shape to compare.")
    return centred


def _same_samples(a: ndarray, b: ndarray) -> None:
    if len(a) != len(b):
        raise ComparisonError(f"geometry: {len(a)} samples on one side, {len(b)} on the other; give the same conditions and times.")
