"""Decoders of velocity from rates or counts: ridge regression, the Wiener filter and the Kalman filter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis._decoding import DECODING_FOLDS
from cortex_sim.errors import ComparisonError

RIDGE = 1.0  # of regressors in standard deviations, times the number of samples / 100
LAGS = 10  # bins that the Wiener filter sees, the present one among them
Rates = Float[ndarray, "trial time unit"]
Others = Float[ndarray, "other bin unit"]
Decoded = Float[ndarray, "other bin axis"]
Velocity = Float[ndarray, "trial time axis"]
Decoder = Callable[[Rates, Velocity, Others], Decoded]


def ridge(rates: Rates, velocity: Velocity, test: Others, *, lags: int = 1) -> Decoded:
    """Return the velocity decoded in each bin by linear regression on the rates of this bin and of preceding ones.

    Args:
        rates: training rates.
        velocity: the velocity at these rates.
        test: rates of other trials, to decode.
        lags: number of bins used, the present one included; before the first bin, rates are those of the first.

    Raises:
        ComparisonError: shapes do not match.
    """
    from sklearn.linear_model import Ridge

    _check(rates, velocity, test)
    mean, scale = rates.mean(axis=(0, 1)), _scale(rates)
    known, new = (lagged((x - mean) / scale, lags) for x in (rates, test))
    samples = known.shape[0] * known.shape[1]
    found = Ridge(alpha=RIDGE * samples / 100).fit(known.reshape(samples, -1), velocity.reshape(samples, -1))
    return np.asarray(found.predict(new.reshape(-1, new.shape[2]))).reshape(*test.shape[:2], -1)


def wiener(rates: Rates, velocity: Velocity, test: Others) -> Decoded:
    """Return the velocity decoded by :func:`ridge` with ten lags, the Wiener filter of that length."""
    return ridge(rates, velocity, test, lags=LAGS)


def lagged(rates: Rates, lags: int) -> Float[ndarray, "trial time regressor"]:
    """Return the rates of each bin and of preceding ones, concatenated over units, the present first."""
    first = np.repeat(rates[:, :1], lags - 1, axis=1)
    padded = np.concatenate([first, rates], axis=1)
    return np.concatenate([padded[:, lags - 1 - lag : padded.shape[1] - lag] for lag in range(lags)], axis=2)


@dataclass(frozen=True)
class Kalman:
    r"""A linear Gaussian model of movement and rates: :math:`x_t = A x_{t-1} + w_t`, :math:`z_t = C x_t + q_t`, means removed.

    Attributes:
        A: transition matrix of the state.
        W: covariance of w.
        C: observation matrix of the rates.
        Q: covariance of q.
    """

    A: Float[ndarray, "axis axis"]
    W: Float[ndarray, "axis axis"]
    C: Float[ndarray, "unit axis"]
    Q: Float[ndarray, "unit unit"]

    @classmethod
    def fit(cls, rates: Rates, velocity: Velocity) -> "Kalman":
        """Return the least-squares fit; the covariance of the rates is shrunk by the method of Ledoit and Wolf.

        Source:
            Wu, Gao, Bienenstock, Donoghue & Black (2006) Neural Comput 18:80.
        """
        from sklearn.covariance import ledoit_wolf

        axes, units = velocity.shape[2], rates.shape[2]
        before, after = velocity[:, :-1].reshape(-1, axes), velocity[:, 1:].reshape(-1, axes)
        A = np.linalg.lstsq(before, after, rcond=None)[0].T
        moved, seen = velocity.reshape(-1, axes), rates.reshape(-1, units)
        C = np.linalg.lstsq(moved, seen, rcond=None)[0].T
        rest = after - before @ A.T
        return cls(A, rest.T @ rest / len(rest), C, np.asarray(ledoit_wolf(seen - moved @ C.T, assume_centered=True)[0]))

    def filtered(self, rates: Rates, start: Float[ndarray, " axis"] | None = None) -> Velocity:
        """Return the state of each bin, estimated from the rates up to it and a known initial state ``start``; 0 if omitted."""
        axes = len(self.A)
        state, P = np.tile(np.zeros(axes) if start is None else start, (len(rates), 1)), np.zeros((axes, axes))
        found = np.empty((*rates.shape[:2], axes))
        inverse = np.linalg.inv(self.Q)
        for bin_ in range(rates.shape[1]):
            ahead, spread = state @ self.A.T, self.A @ P @ self.A.T + self.W
            P = np.linalg.inv(np.linalg.inv(spread) + self.C.T @ inverse @ self.C)
            state = ahead + (rates[:, bin_] - ahead @ self.C.T) @ (P @ self.C.T @ inverse).T
            found[:, bin_] = state
        return found


def kalman(rates: Rates, velocity: Velocity, test: Others) -> Decoded:
    """Return the velocity decoded by the Kalman filter of :meth:`Kalman.fit`.

    Raises:
        ComparisonError: shapes do not match.
    """
    _check(rates, velocity, test)
    mean, scale, still = rates.mean(axis=(0, 1)), _scale(rates), velocity.mean(axis=(0, 1))
    found = Kalman.fit((rates - mean) / scale, velocity - still)
    return found.filtered((test - mean) / scale, velocity[:, 0].mean(axis=0) - still) + still


DECODERS: Mapping[str, Decoder] = {"ridge": ridge, "Wiener filter": wiener, "Kalman filter": kalman}


def decoded(decode: Decoder, rates: Rates, velocity: Velocity) -> Velocity:
    """Return the velocity of every trial by a decoder fitted to the others: in five folds, or one trial at a time if there are few trials.

    Args:
        decode: one of :data:`DECODERS`.
        rates: rates to decode from.
        velocity: the velocity at these rates.
    """
    found, trials = np.empty_like(velocity), np.arange(len(rates))
    for part in np.array_split(trials, len(rates) if each_by_itself(len(rates)) else DECODING_FOLDS):
        rest = np.setdiff1d(trials, part)
        found[part] = decode(rates[rest], velocity[rest], rates[part])
    return found


def velocity_r2(found: Velocity, wanted: Velocity, *, about: Float[ndarray, " axis"]) -> float:
    """Return the fraction of the variance of velocity about a mean that is explained.

    Args:
        found: decoded velocity.
        wanted: the velocity itself.
        about: its mean, over the trials of all folds.
    """
    return float(1 - ((found - wanted) ** 2).sum() / ((wanted - about) ** 2).sum())


def each_by_itself(trials: int) -> bool:
    """Return whether there are so few trials that they are decoded one at a time, as for condition averages."""
    return trials <= 4 * DECODING_FOLDS


def _scale(rates: Rates) -> Float[ndarray, " unit"]:
    scale = rates.std(axis=(0, 1))
    return np.where(scale > 0, scale, 1.0)


def _check(rates: Rates, velocity: Velocity, test: Others) -> None:
    if rates.shape[:2] != velocity.shape[:2] or test.shape[2] != rates.shape[2]:
        found = f"rates {rates.shape}, velocity {velocity.shape}, rates to decode {test.shape}"
        raise ComparisonError(f"decoding velocity: {found}; trials and bins of the first two should agree, and units of the first and the last.")
