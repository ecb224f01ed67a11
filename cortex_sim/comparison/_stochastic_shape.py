r"""Stochastic shape distance: shapes of averages and of the noise about them, after one rotation.

Of every condition and part of time z, a system has a mean :math:`\mu_z` and a covariance :math:`\Sigma_z` of single trials. The squared distance is
the mean over z of the squared 2-Wasserstein distance of Gaussians,
:math:`\lVert\mu_z - Q\nu_z\rVert^2 + \mathcal{B}^2(\Sigma_z, Q\Lambda_z Q^\top)`, minimised over orthogonal Q. Since
:math:`\mathcal{B}(\Sigma, \Lambda) = \min_U \lVert\Sigma^{1/2} - \Lambda^{1/2}U\rVert_F`, Q and every U follow in turn from orthogonal Procrustes
problems, and the sum never grows.

Source:
    Duong, Zhou, Nassar, Berman, Olieslagers & Williams (2023) ICLR, arXiv:2211.11665; the alternation is derived above.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._residuals import in_one_order, residuals_of
from cortex_sim.errors import ComparisonError
from cortex_sim.trials import Trials

AXES, PARTS, STEPS, SETTLED = 10, 4, 30, 1e-5  # components; parts of the time; steps at most, and change of Q below which they end


def stochastic_shape_distance(a: Trials, b: Trials) -> float:
    """Return the stochastic shape distance, both sides centred and in units of the root mean square of the averages.

    Args:
        a: single trials; with one trial of every condition there is no noise, and means alone are compared.
        b: of the other system, with as many conditions and bins; conditions correspond in the order of their first trials.

    Raises:
        ComparisonError: the numbers of conditions or bins differ, or nothing varies.
    """
    a, b = in_one_order(a, b)
    (mean, root), (other, other_root) = _moments(a), _moments(b)
    if mean.shape[:1] != other.shape[:1]:
        raise ComparisonError(f"stochastic shape: {len(mean)} conditions and times on one side, {len(other)} on the other; they should correspond.")
    size = max(mean.shape[1], other.shape[1])
    mean, other = (np.pad(one, ((0, 0), (0, size - one.shape[1]))) for one in (mean, other))
    root, other_root = (np.pad(one, ((0, 0), (0, size - one.shape[1]), (0, size - one.shape[2]))) for one in (root, other_root))
    return min(_aligned(mean, root, other, other_root, turned) for turned in (True, False))


def _aligned(mean: ndarray, root: ndarray, other: ndarray, other_root: ndarray, by_means: bool) -> float:
    """Return the distance after alternating Procrustes problems, begun from the rotation that means ask for, or from the components as they are."""
    weight = len(mean) / len(root)  # every z counts alike
    crossed = mean.T @ other
    Q = _nearest(crossed) if by_means else np.diag(_signs(root, other_root))
    for _ in range(STEPS):
        turned = Q @ other_root
        U = _nearest(np.einsum("zji,zjk->zik", turned, root))
        before, Q = Q, _nearest(crossed + weight * np.einsum("zij,zkj->ik", root, other_root @ U))
        if np.abs(Q - before).max() < SETTLED:
            break
    turned = Q @ other_root
    sizes = np.linalg.svd(np.einsum("zji,zjk->zik", turned, root), compute_uv=False).sum(axis=1)
    noise = (root**2).sum(axis=(1, 2)) + (other_root**2).sum(axis=(1, 2)) - 2 * sizes
    return float(np.sqrt(max(0.0, ((mean - other @ Q.T) ** 2).sum() / len(mean) + noise.mean())))


def _signs(root: ndarray, other_root: ndarray) -> Float[ndarray, " axis"]:
    """Return the signs of the components, which are arbitrary on either side, with which the covariances of both agree best."""
    shared = np.einsum("zij,zij->ij", root, other_root)
    return np.where(np.linalg.eigh(shared)[1][:, -1] < 0, -1.0, 1.0)


def _nearest(matrix: Float[ndarray, "... axis axis"]) -> Float[ndarray, "... axis axis"]:
    """Return the orthogonal matrix with the largest inner product with a matrix."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def _moments(trials: Trials) -> tuple[Float[ndarray, "sample axis"], Float[ndarray, "part axis axis"]]:
    """Return the means of all conditions and bins in the leading components, and the roots of the covariances of residuals in parts of the time."""
    labels = list(dict.fromkeys(trials.condition.tolist()))
    means = np.stack([trials.rate[trials.condition == label].mean(axis=0) for label in labels])
    centre = means.mean(axis=(0, 1))
    size = float(np.sqrt(((means - centre) ** 2).sum(axis=2).mean()))
    left = residuals_of(trials) if len(trials.rate) > len(labels) else np.zeros_like(trials.rate)
    size = size if size > 1e-9 * max(float(np.abs(trials.rate).max()), 1e-300) else float(np.sqrt((left**2).sum(axis=2).mean()))
    if not size > 0:
        raise ComparisonError("stochastic shape: one side does not vary; there is no shape to compare.")
    flat = np.concatenate([(means - centre).reshape(-1, means.shape[2]), left.reshape(-1, means.shape[2])])
    axes = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :AXES]
    roots = []
    for label in labels:
        own = left[trials.condition == label] @ axes / size
        freedom = max(1, len(own) - 1) / len(own)
        for part in np.array_split(own, min(PARTS, own.shape[1]), axis=1):
            flat = part.reshape(-1, part.shape[2])
            values, directions = np.linalg.eigh(flat.T @ flat / (freedom * len(flat)))
            roots.append((directions * np.sqrt(np.maximum(values, 0))) @ directions.T)
    return ((means - centre) @ axes / size).reshape(-1, axes.shape[1]), np.stack(roots)
