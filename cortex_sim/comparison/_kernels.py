"""Similarity of distances between samples: kernel alignment with Gaussian kernels, and representational similarity of conditions."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._measures import every, flat, measure
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import halves, order_by_content, squared_distances
from cortex_sim.trials import Trials

SHRINK = 0.1  # of the mean variance, added to the noise covariance before it is inverted

DISTANCES = 200_000  # between conditions that the table correlates at most, at evenly spaced times
SAMPLES = 400  # of which kernels are made, evenly over conditions and time


def rbf_cka(a: Float[ndarray, "sample unit"], b: Float[ndarray, "sample other"], *, width: float = 1.0) -> float:
    r"""Return the centred alignment of Gaussian kernels, debiased (Song et al. 2012): 1 for equal distances, mean 0 under independence.

    :math:`k(x, y) = \exp(-|x - y|^2 / 2 w^2 m^2)` with m the median distance on each side, so that rotation, shift and scale have no effect.

    Args:
        a: samples in rows.
        b: the same samples of the other system.
        width: w, in median distances.

    Raises:
        ComparisonError: the numbers of samples differ, there are fewer than four, or most samples of a side coincide.

    Source:
        Kornblith, Norouzi, Lee & Hinton (2019) ICML.
    """
    if len(a) != len(b) or len(a) < 4:
        raise ComparisonError(f"rbf_cka: {len(a)} and {len(b)} samples; there should be as many on both sides, and at least 4.")
    K, L = (_gaussian(samples, width) for samples in (a, b))
    return float(_unbiased(K, L) / np.sqrt(_unbiased(K, K) * _unbiased(L, L)))


def _gaussian(samples: ndarray, width: float) -> Float[ndarray, "sample sample"]:
    """Return the kernel without its diagonal, which the debiased estimator does not use."""
    squared = squared_distances(samples, samples)
    median = np.median(squared[np.triu_indices(len(squared), 1)])
    if not median > 0:
        raise ComparisonError("rbf_cka: more than half of the samples of one side are the same; there is no distance to measure by.")
    K = np.exp(-squared / (2 * width**2 * median))
    np.fill_diagonal(K, 0.0)
    return K


def _unbiased(K: ndarray, L: ndarray) -> float:
    """Return HSIC_1 of Song et al. (2012) for kernels with zero diagonal."""
    n, rows_k, rows_l = len(K), K.sum(axis=0), L.sum(axis=0)
    total = np.vdot(K, L) + rows_k.sum() * rows_l.sum() / ((n - 1) * (n - 2)) - 2 * rows_k @ rows_l / (n - 2)
    return float(total / (n * (n - 3)))


def dissimilarities(rates: Float[ndarray, "condition time unit"], noise: Float[ndarray, "unit unit"] | None = None) -> Float[ndarray, "time pair"]:
    """Return squared distances between all pairs of conditions at every time, over the number of units; Mahalanobis distances if noise is given.

    Args:
        rates: any unit.
        noise: covariance of single trials about the mean of their condition.
    """
    whitened = rates if noise is None else rates @ _inverse_root(noise)
    upper = np.triu_indices(len(rates), 1)
    squares = np.einsum("ctu,ctu->tc", whitened, whitened)
    products = np.einsum("ctu,dtu->tcd", whitened, whitened, optimize=True)
    return (squares[:, upper[0]] + squares[:, upper[1]] - 2 * products[:, upper[0], upper[1]]) / rates.shape[2]


def rsa(a: Float[ndarray, "condition time unit"], b: Float[ndarray, "condition time other"]) -> float:
    """Return the correlation of the conditions' dissimilarities, over pairs and times: 1 if conditions are equally far apart in both systems.

    Args:
        a: rates.
        b: rates with the same conditions and bins.

    Raises:
        ComparisonError: conditions or bins differ, or all conditions of a side are equally far apart.

    Source:
        Kriegeskorte, Mur & Bandettini (2008) Front Syst Neurosci 2:4.
    """
    if a.shape[:2] != b.shape[:2]:
        raise ComparisonError(f"rsa: (condition, time) are {a.shape[:2]} and {b.shape[:2]}; they should match.")
    one, other = (dissimilarities(x).ravel() for x in (a, b))
    if not (np.ptp(one) > 0 and np.ptp(other) > 0):
        raise ComparisonError("rsa: all conditions of one side are equally far apart; there is nothing to correlate.")
    return float(np.corrcoef(one, other)[0, 1])


def crossnobis(trials: Trials, *, seed: int = 0) -> Float[ndarray, "time pair"]:
    """Return squared Mahalanobis distances between conditions, without noise bias: products of differences in two halves of the trials.

    Halves are drawn for each condition. The noise covariance is that of trials about the means of their own half: about the means of
    all trials it would be large where the halves differ, and bias distances upwards. If two conditions do not differ,
    the expected value is 0, and single values may be negative.

    Args:
        trials: rates of single trials, at least four per condition.
        seed: of the halves.

    Returns:
        Distances over the number of units; pairs of conditions in order of first appearance.

    Raises:
        ComparisonError: a condition has fewer than four trials.

    Source:
        Walther et al. (2016) NeuroImage 137:188.
    """
    labels, counts = np.unique(trials.condition, return_counts=True)
    if counts.min() < 4:
        few = f"condition {labels[counts.argmin()].item()!r} has {counts.min()} trials"
        raise ComparisonError(f"crossnobis: {few}; there should be at least 4, two in either half, to tell noise from difference.")
    order = order_by_content(trials.rate)
    split = next(halves(range(len(order)), strata=trials.condition[order], seed=seed)).within(order)
    parts = [trials.select(part) for part in (split.train, split.test)]
    residuals = np.concatenate([part.rate[part.condition == label] - part.rate[part.condition == label].mean(axis=0)
                                for part in parts for label in labels])  # fmt: skip
    noise = np.einsum("ntu,ntv->uv", residuals, residuals) / ((len(residuals) - 2 * len(labels)) * residuals.shape[1])
    named, whitening = dict.fromkeys(trials.condition.tolist()), _inverse_root(noise)
    first, second = (np.stack([part.rate[part.condition == label].mean(axis=0) for label in named]) @ whitening for part in parts)
    i, j = np.triu_indices(len(first), 1)
    return np.einsum("ptu,ptu->tp", first[i] - first[j], second[i] - second[j]) / trials.rate.shape[2]


def _inverse_root(covariance: ndarray) -> Float[ndarray, "unit unit"]:
    """Return the symmetric inverse square root of a covariance, shrunk towards its mean variance."""
    size = len(covariance)
    shrunk = (1 - SHRINK) * covariance + SHRINK * np.trace(covariance) / size * np.eye(size)
    values, axes = np.linalg.eigh(shrunk)
    return (axes / np.sqrt(values)) @ axes.T


@measure("Gaussian CKA", better="higher", identical=1.0, unlike=0.0, about="CKA of Gaussian kernels: bent geometries too")
def _gaussian_cka(a: Float[ndarray, "condition time unit"], b: Float[ndarray, "condition time other"], _: float) -> float:
    order = order_by_content(a, b)
    return rbf_cka(flat(a[order], SAMPLES), flat(b[order], SAMPLES))


@measure("RSA", better="higher", identical=1.0, about="correlation of the distances between conditions")
def _similar_distances(a: Float[ndarray, "condition time unit"], b: Float[ndarray, "condition time other"], _: float) -> float:
    step = every(len(a) * (len(a) - 1) // 2 * a.shape[1], DISTANCES)
    return rsa(a[:, ::step], b[:, ::step]) if np.ptp(b, axis=0).any() else 0.0
