"""Geometry of activity: similarity of two sets of matched samples up to rotation, shift and scale."""

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
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
    return _crossed(a, b).angle


def linear_cka(a: Float[ndarray, "sample unit"], b: Float[ndarray, "sample other"], *, debiased: bool = True) -> float:
    r"""Return linear centred kernel alignment; debiased by the unbiased estimator of HSIC (Song et al. 2012), with mean 0 under independence.

    Args:
        a: samples in rows.
        b: the same samples of the other system.
        debiased: False gives the standard estimator, which for n samples of d independent Gaussian units is far above 0 unless n >> d.

    Raises:
        ComparisonError: the numbers of samples differ, there are fewer than four, or a side does not vary.
    """
    found = _crossed(a, b)
    if not debiased:
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        return float(np.linalg.norm(found.products) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))
    return found.alignment


def principal_part(samples: Float[ndarray, "... unit"], lost: float = LOST, *, axes: int | None = None) -> Float[ndarray, "... axis"]:
    """Return samples rotated to the principal components that hold all of their variance but a millionth, or another fraction.

    Rotation-invariant measures change by less than the square root of that fraction, and become much cheaper.

    Args:
        samples: of any unit.
        lost: fraction of the variance that may be lost.
        axes: number of leading components in place of it.
    """
    flat = samples.reshape(-1, samples.shape[-1])
    centred = flat - flat.mean(axis=0)
    values, directions = np.linalg.eigh(centred.T @ centred)
    held = np.cumsum(np.maximum(values, 0.0)) > lost * max(values.sum(), np.finfo(float).tiny)
    kept = held if axes is None else np.arange(len(values)) >= len(values) - axes
    return (centred @ directions[:, kept]).reshape(*samples.shape[:-1], -1)


def leading_courses(
    states: Float[ndarray, "condition time unit"], most: int, lost: float = LOST
) -> tuple[Float[ndarray, "condition course unit"], Float[ndarray, "time course"], float]:
    """Return states as sums of few orthonormal time courses: their weights, the courses, and the fraction of the sum of squares that these hold.

    What is linear in the states and the same at all times, such as a permutation of conditions or a projection, can be applied to the weights.

    Args:
        states: in any unit.
        most: maximum number of courses.
        lost: fraction of the sum of squares that may be lost, if that takes fewer courses.
    """
    values, courses = np.linalg.eigh(sum(condition @ condition.T for condition in states))
    values, courses = np.maximum(values, 0.0)[::-1], courses[:, ::-1]
    share = np.cumsum(values) / max(values.sum(), np.finfo(float).tiny)
    count = min(int((share < 1 - lost).sum()) + 1, most, len(values))
    return courses[:, :count].T @ states, courses[:, :count], float(share[count - 1])


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


def _crossed(a: Float[ndarray, "sample unit"], b: Float[ndarray, "sample other"]) -> "Crossed":
    return Overlap(a[:, None], b[:, None]).at(np.arange(len(b)))


class Overlap:
    """Two sets of samples, centred, with what any order of the conditions of the second leaves as it is.

    Args:
        a: (condition, time, unit); any unit.
        b: the same conditions and times of the other system; its number of units may differ.

    Raises:
        ComparisonError: the numbers of samples differ, or a side does not vary.
    """

    def __init__(self, a: Float[ndarray, "condition time unit"], b: Float[ndarray, "condition time other"]) -> None:
        if a.shape[:2] != b.shape[:2]:
            counts = [side.shape[0] * side.shape[1] for side in (a, b)]
            raise ComparisonError(f"geometry: {counts[0]} samples on one side, {counts[1]} on the other; give the same conditions and times.")
        self.first, self._second = _centred(a.reshape(-1, a.shape[2])), _centred(b.reshape(-1, b.shape[2])).reshape(b.shape)
        self.size = float(np.linalg.norm(self.first) * np.linalg.norm(self._second))
        self.lengths, self._lengths = (self.first**2).sum(axis=1), (self._second**2).sum(axis=2)
        self._known: dict[bytes, Crossed] = {}

    @cached_property
    def within(self) -> float:
        """Return the geometric mean of both sides' unbiased HSIC with themselves."""
        sides = ((self.first, self.lengths), (self._second.reshape(len(self.first), -1), self._lengths.ravel()))
        one, other = (unbiased_hsic(side.T @ side, lengths, lengths) for side, lengths in sides)
        return float(np.sqrt(one * other))

    def at(self, order: Int[ndarray, " condition"]) -> "Crossed":
        """Return the products of both sides with the conditions of the second in this order; remembered, for measures that share them."""
        key = order.tobytes()
        if key not in self._known:
            self._known[key] = Crossed(self, self._second[order].reshape(len(self.first), -1), self._lengths[order].ravel())
        return self._known[key]


class Crossed:
    """The products of the units of two sets of samples, and what measures of similarity make of them.

    Args:
        of: both sides.
        second: samples of the second, in the order that is asked.
        lengths: their squared norms.
    """

    def __init__(self, of: Overlap, second: Float[ndarray, "sample other"], lengths: Float[ndarray, " sample"]) -> None:
        self._of, self.products, self._lengths = of, of.first.T @ second, lengths

    @cached_property
    def angle(self) -> float:
        """Return the angle of :func:`procrustes_angle`."""
        nuclear = np.linalg.svd(self.products, compute_uv=False).sum()
        return float(np.arccos(np.clip(nuclear / self._of.size, -1.0, 1.0)))

    @cached_property
    def alignment(self) -> float:
        """Return the debiased CKA of :func:`linear_cka`."""
        if len(self._lengths) < FEWEST:
            raise ComparisonError(f"linear_cka: {len(self._lengths)} samples; the unbiased estimator needs at least {FEWEST}.")
        return unbiased_hsic(self.products, self._of.lengths, self._lengths) / self._of.within


def unbiased_hsic(products: Float[ndarray, "unit other"], one: Float[ndarray, " sample"], other: Float[ndarray, " sample"]) -> float:
    """Return HSIC_1 of Song et al. (2012) for linear kernels of centred samples, from features, without a sample-by-sample matrix.

    Args:
        products: of the units of both sides, summed over samples.
        one: squared norms of the samples of one side.
        other: those of the other side.
    """
    n = len(one)
    trace = float((products**2).sum() - one @ other)
    return float(trace + one.sum() * other.sum() / ((n - 1) * (n - 2)) - 2 * one @ other / (n - 2)) / (n * (n - 3))


def _centred(samples: ndarray) -> ndarray:
    centred = samples - samples.mean(axis=0)
    if not np.linalg.norm(centred) > 0:
        raise ComparisonError("geometry: one side does not vary over samples; there is no shape to compare.")
    return centred
