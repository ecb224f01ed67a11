"""Linear-system identification: the maximum-likelihood linear dynamical system for some rates, and its likelihood for others.

Source:
    Shumway & Stoffer (1982) J Time Ser Anal 3:253, for expectation-maximisation; Ghahramani & Hinton (1996) for the form of its steps.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray
from scipy.linalg import block_diag
from threadpoolctl import threadpool_limits

from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import track
from cortex_sim.statistics import folds, order_by_content

EM_PASSES, SETTLED = 200, 1e-6  # of expectation and maximisation, at most; gain in nats per sample and unit below which they end
QUIET = 1e-6  # of a unit's variance: least observation noise, without which a noiseless unit has an unbounded likelihood
FOLDS = 5

Rates = Float[ndarray, "condition time unit"]


@dataclass(frozen=True)
class LinearSystem:
    r"""Latent states :math:`x_{t+1} = A x_t + w_t` and rates :math:`y_t = C x_t + d + v_t`, with Gaussian noise.

    Attributes:
        A: transition from one bin to the next.
        C: observation matrix, (unit, axis).
        offset: d, of each unit.
        Q: covariance of w.
        R: variance of v, one per unit.
        start: mean of the first state.
        spread: covariance of the first state.
    """

    A: Float[ndarray, "axis axis"]
    C: Float[ndarray, "unit axis"]
    offset: Float[ndarray, " unit"]
    Q: Float[ndarray, "axis axis"]
    R: Float[ndarray, " unit"]
    start: Float[ndarray, " axis"]
    spread: Float[ndarray, "axis axis"]

    def modes(self, dt: float) -> Complex[ndarray, " axis"]:
        """Return the eigenvalues of the flow, log(mu)/dt in 1/s, slowest decay first.

        Args:
            dt: width of a bin, s.
        """
        values = np.log(np.linalg.eigvals(self.A).astype(complex)) / dt
        return values[np.argsort(-values.real)]

    def log_likelihood(self, rates: Rates) -> Float[ndarray, " condition"]:
        """Return the log-likelihood of each condition under the system, nats; conditions are independent.

        Raises:
            ComparisonError: the number of units is not that of the system.
        """
        if rates.shape[2] != len(self.C):
            raise ComparisonError(f"linear system: rates of {rates.shape[2]} units under a system of {len(self.C)}; the numbers should be equal.")
        return _filtered(self, rates).likelihood


class _Filtered(NamedTuple):
    """State means and covariances given earlier rates (predicted) and present ones too, (time, ...); covariances are the same for all conditions."""

    predicted: ndarray
    predicted_cov: ndarray
    mean: ndarray
    cov: ndarray
    likelihood: ndarray


@threadpool_limits.wrap(limits=1)
def identify_linear_system(rates: Rates, axes: int, *, passes: int = EM_PASSES) -> LinearSystem:
    """Return the maximum-likelihood linear system for these rates, by expectation-maximisation from principal components.

    Args:
        rates: of conditions or trials of equal length, in any unit.
        axes: number of latent dimensions.
        passes: maximum number of iterations.

    Raises:
        ComparisonError: there are more axes than units, fewer than three bins, or nothing varies.
    """
    _, bins, units = rates.shape
    if not 1 <= axes <= units or bins < 3:
        raise ComparisonError(f"linear system: {axes} axes of {units} units in {bins} bins; there should be 1 to {units}, and 3 bins or more.")
    if not rates.std() > 0:
        raise ComparisonError("linear system: nothing varies.")
    found, before = _begun(rates, axes), -np.inf
    with track(f"linear system of {axes} axes") as report:
        for number in range(passes):
            filtered = _filtered(found, rates)
            now = float(filtered.likelihood.sum()) / rates.size
            if now - before < SETTLED:
                break
            found, before = _maximised(found, rates, filtered), now
            report(number / passes, f"log-likelihood {now:.4f}")
    return found


def held_out_likelihood(rates: Rates, axes: int, *, count: int = FOLDS, seed: int = 0) -> Float[ndarray, " condition"]:
    """Return the log-likelihood of each condition under a system identified from the others, minus that of independent Gaussian units.

    Args:
        rates: of conditions or trials.
        axes: number of latent dimensions.
        count: number of folds.
        seed: of the folds.

    Returns:
        Nats per bin and unit; 0 if dynamics and correlations carry no information.
    """
    found = np.empty(len(rates))
    order = order_by_content(rates)
    for each in folds(range(len(rates)), count=count, seed=seed):
        split = each.within(order)
        found[split.test] = likelihood_gain(identify_linear_system(rates[split.train], axes), rates[split.train], rates[split.test])
    return found


def likelihood_gain(system: LinearSystem, training: Float[ndarray, "known moment unit"], rates: Rates) -> Float[ndarray, " condition"]:
    """Return the log-likelihood under a system, minus that under each unit's mean and variance in training conditions: nats per bin and unit."""
    mean, variance = training.mean(axis=(0, 1)), training.var(axis=(0, 1))
    alone = -0.5 * ((rates - mean) ** 2 / variance + np.log(2 * np.pi * variance)).sum(axis=(1, 2))
    return (system.log_likelihood(rates) - alone) / (rates.shape[1] * rates.shape[2])


def _begun(rates: Rates, axes: int) -> LinearSystem:
    flat = rates.reshape(-1, rates.shape[2])
    offset, variance = flat.mean(axis=0), flat.var(axis=0)
    C = np.linalg.eigh(np.cov(flat, rowvar=False, bias=True).reshape(len(offset), -1))[1][:, ::-1][:, :axes]
    x = (rates - offset) @ C
    now, after = (part.reshape(-1, axes) for part in (x[:, :-1], x[:, 1:]))
    A = np.linalg.lstsq(now, after, rcond=None)[0].T
    Q = np.cov((after - now @ A.T).T).reshape(axes, axes)
    small = QUIET * np.trace(np.cov(x.reshape(-1, axes).T).reshape(axes, axes)) * np.eye(axes)
    R = np.maximum((rates - offset - x @ C.T).var(axis=(0, 1)), _floor(variance))
    return LinearSystem(A, C, offset, Q + small, R, x[:, 0].mean(axis=0), np.cov(x[:, 0].T).reshape(axes, axes) + small)


def _floor(variance: Float[ndarray, " unit"]) -> Float[ndarray, " unit"]:
    return QUIET * np.maximum(variance, QUIET * variance.max())


def _filtered(system: LinearSystem, rates: Rates) -> _Filtered:
    """Apply the Kalman filter; the covariance of predicted rates is inverted in the latent space, where it is small."""
    A, C, axes = system.A, system.C, len(system.A)
    information = C.T / system.R @ C
    constant = np.log(2 * np.pi * system.R).sum()
    mean, cov = np.tile(system.start, (len(rates), 1)), system.spread
    kept: list[list[ndarray]] = [[], [], [], []]
    likelihood = np.zeros(len(rates))
    for t in range(rates.shape[1]):
        if t:
            mean, cov = mean @ A.T, A @ cov @ A.T + system.Q
        off = rates[:, t] - mean @ C.T - system.offset
        weighted = off / system.R @ C
        inner = np.eye(axes) + cov @ information
        updated = _symmetric(np.linalg.solve(inner, cov))
        quadratic = (off**2 / system.R).sum(axis=1) - np.einsum("ni,ij,nj->n", weighted, updated, weighted)
        likelihood -= 0.5 * (constant + np.linalg.slogdet(inner)[1] + quadratic)
        for store, value in zip(kept, (mean, cov, mean + weighted @ updated.T, updated), strict=True):
            store.append(value)
        mean, cov = kept[2][-1], updated
    predicted, predicted_cov, means, covs = (np.array(one) for one in kept)
    return _Filtered(predicted, predicted_cov, means, covs, likelihood)


def _symmetric(cov: ndarray) -> ndarray:
    return (cov + cov.T) / 2


def _maximised(system: LinearSystem, rates: Rates, filtered: _Filtered) -> LinearSystem:
    """Smooth the states (Rauch, Tung & Striebel), and return the system that maximises the expected likelihood of states and rates."""
    conditions, bins, _ = rates.shape
    mean, cov = filtered.mean.copy(), filtered.cov.copy()
    lagged = np.empty_like(cov[1:])
    for t in range(bins - 2, -1, -1):
        J = np.linalg.solve(filtered.predicted_cov[t + 1], system.A @ filtered.cov[t]).T
        mean[t] += (mean[t + 1] - filtered.predicted[t + 1]) @ J.T
        cov[t] += J @ (cov[t + 1] - filtered.predicted_cov[t + 1]) @ J.T
        lagged[t] = cov[t + 1] @ J.T
    squares = np.einsum("tni,tnj->tij", mean, mean) + conditions * cov
    across = np.einsum("tni,tnj->ij", mean[1:], mean[:-1]) + conditions * lagged.sum(axis=0)
    A = np.linalg.solve(squares[:-1].sum(axis=0), across.T).T
    Q = _symmetric(squares[1:].sum(axis=0) - A @ across.T) / (conditions * (bins - 1))
    x, y = (np.moveaxis(mean, 0, 1).reshape(-1, mean.shape[2]), rates.reshape(-1, rates.shape[2]))
    design = np.hstack([x, np.ones((len(x), 1))])
    gram = design.T @ design + block_diag(conditions * cov.sum(axis=0), 0.0)
    W = np.linalg.solve(gram, design.T @ y)
    R = np.maximum(((y**2).sum(axis=0) - (W * (design.T @ y)).sum(axis=0)) / len(y), _floor(y.var(axis=0)))
    start = mean[0].mean(axis=0)
    spread = _symmetric(squares[0] / conditions - np.outer(start, start))
    return replace(system, A=A, C=W[:-1].T, offset=W[-1], Q=Q, R=R, start=start, spread=spread)
