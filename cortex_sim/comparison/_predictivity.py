"""Linear maps between two systems, fitted to some conditions and tested on others: predictivity, cycle consistency, canonical correlations."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.comparison._geometry import principal_part
from cortex_sim.comparison._measures import measure
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import Prepared, Split, folds, order_by_content

FOLDS, INNER = 4, 2  # of conditions: judged, and within the others to choose a penalty
RIDGE_PENALTIES = 10.0 ** np.arange(-6, 3)  # of the mean variance of the predictors
AXES = 6  # principal components of which canonical correlations are taken

Rates = Float[ndarray, "condition time unit"]
Map = tuple[Float[ndarray, "unit other"], Float[ndarray, " other"]]


def predictivity(source: Rates, target: Float[ndarray, "condition time other"], *, seed: int = 0, reduce: bool = True) -> float:
    """Return the fraction of one system's variance that a linear map from the other explains, at equal times, in held-out conditions.

    Ridge regression with a penalty chosen by cross-validation over training conditions. 1 for any invertible linear image; 0 for predicting the mean.

    Args:
        source: rates that predict.
        target: rates to be predicted, with the same conditions and bins.
        seed: of the folds.
        reduce: reduce to principal components first; False if these are principal components already.

    Raises:
        ComparisonError: conditions or bins differ, or there are fewer than 4 conditions.
    """
    source, target = _matched(source, target, reduce)
    fit = _fitting(source, target)
    return _explained(target, seed, lambda split: _apply(fit(split), source[split.test]))


def decoding_transfer(a: Rates, b: Rates, output: Float[ndarray, "condition time output"], *, seed: int = 0) -> float:
    """Return the fraction of an output's variance that a decoder fitted to one system explains when applied to the other, on held-out conditions.

    It equals :func:`predictivity` for the same system; any difference is due to the other system. It may be far below 0.

    Args:
        a: system to whose rates the decoder is fitted.
        b: system to which it is then applied, with the same units, conditions and bins.
        output: of the first system, such as its muscles.
        seed: of the folds.

    Raises:
        ComparisonError: conditions, bins or units differ, or there are fewer than 4 conditions.
    """
    if a.shape != b.shape or a.shape[:2] != output.shape[:2]:
        found = f"rates are {a.shape} and {b.shape}, output is {output.shape}"
        raise ComparisonError(f"decoding transfer: {found}; they should be of the same conditions, bins and, rates, units.")
    if len(a) < FOLDS:
        raise ComparisonError(f"decoding transfer: {len(a)} conditions; there should be at least {FOLDS}, to hold some out.")
    order = order_by_content(a, output)
    a, b, output = a[order], b[order], output[order]
    fit = _fitting(a, output)
    return _explained(output, seed, lambda split: _apply(fit(split), b[split.test]))


def cycle_consistency(a: Rates, b: Float[ndarray, "condition time other"], *, seed: int = 0, reduce: bool = True) -> float:
    """Return the fraction of the first system's variance that survives a linear map to the other and one back, in held-out conditions.

    It is below 1 if the other system lacks something of the first. Maps are those of :func:`predictivity`.

    Args:
        a: first system.
        b: other, with the same conditions and bins.
        seed: of the folds.
        reduce: reduce to principal components first; False if these are principal components already.

    Raises:
        ComparisonError: as for :func:`predictivity`.

    Source:
        Versteeg et al. (2025), Computation-thru-Dynamics Benchmark.
    """
    a, b = _matched(a, b, reduce)
    there, back = _fitting(a, b), _fitting(b, a)
    return _explained(a, seed, lambda split: _apply(back(split), _apply(there(split), a[split.test])))


def canonical_correlation(
    a: Rates,
    b: Float[ndarray, "condition time other"],
    *,
    axes: int = AXES,
    across: bool = False,
    count: int | None = FOLDS,
    seed: int = 0,
    reduce: bool = True,
) -> float:
    """Return the mean canonical correlation of leading principal components (SVCCA) on held-out conditions; all is fitted to the others.

    It is 1 for the same subspace in any coordinates; its mean is 0 for independent systems, whose in-sample correlations are far above 0.

    Args:
        a: first system.
        b: other, with the same conditions and bins.
        axes: number of leading principal components of each; fewer if there are fewer units.
        across: whether to remove the mean over training conditions at every time.
        count: number of folds; None leaves out one condition at a time.
        seed: of the folds.
        reduce: reduce to principal components first; False if these are principal components already.

    Raises:
        ComparisonError: as for :func:`predictivity`.

    Source:
        Raghu, Gilmer, Yosinski & Sohl-Dickstein (2017) NeurIPS 30.
    """
    a, b = _matched(a, b, reduce)
    found = []
    for split in _folds(len(a), count, seed):
        prepared = [Prepared.of(x[split.train], axes=min(axes, x.shape[2]), across=across, each=False) for x in (a, b)]
        trained = [ready(x[split.train]).reshape(-1, ready.axes.shape[1]) for ready, x in zip(prepared, (a, b), strict=True)]
        whitening = [np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[1:] for x in trained]
        white = [V.T / s for s, V in whitening]
        U, _, Vt = np.linalg.svd(white[0].T @ (trained[0] - trained[0].mean(axis=0)).T @ (trained[1] - trained[1].mean(axis=0)) @ white[1])
        count = min(len(U), len(Vt))
        turns = U[:, :count], Vt[:count].T
        tested = [ready(x[split.test]).reshape(-1, ready.axes.shape[1]) @ w @ turn
                  for ready, x, w, turn in zip(prepared, (a, b), white, turns, strict=True)]  # fmt: skip
        found.append(np.mean([_correlation(*pair) for pair in zip(*(x.T for x in tested), strict=True)]))
    return float(np.mean(found))


def _matched(a: ndarray, b: ndarray, reduce: bool) -> tuple[ndarray, ndarray]:
    if a.shape[:2] != b.shape[:2]:
        raise ComparisonError(f"predictivity: (condition, time) are {a.shape[:2]} and {b.shape[:2]}; they should match.")
    if len(a) < FOLDS:
        raise ComparisonError(f"predictivity: {len(a)} conditions; there should be at least {FOLDS}, to hold some out.")
    order = order_by_content(a, b)
    a, b = a[order], b[order]
    return (principal_part(a), principal_part(b)) if reduce else (a, b)


@cache
def _folds(conditions: int, count: int | None, seed: int) -> tuple[Split, ...]:
    return tuple(folds(range(conditions), count=count, seed=seed))


def _fitting(source: ndarray, target: ndarray) -> Callable[[Split], Map]:
    """Return a function that fits ridge regressions to the training set of a split, with the penalty of lowest leave-one-condition-out error."""
    sums = _Sums.of(source, target)

    def fit(split: Split) -> Map:
        errors = np.zeros(len(RIDGE_PENALTIES))
        for each in _folds(len(split.train), INNER, 0):
            inner = each.within(split.train)
            errors += _errors(sums.total(inner.train), sums.total(inner.test))
        return _solved(sums.total(split.train), RIDGE_PENALTIES[int(errors.argmin())])

    return fit


class _Sums(NamedTuple):
    """Sums of products of predictors X and targets Y over samples, all that ridge regressions need; for each condition, or for several."""

    XX: ndarray
    XY: ndarray
    YY: Any
    X: ndarray
    Y: ndarray
    n: Any

    @classmethod
    def of(cls, x: ndarray, y: ndarray) -> "_Sums":
        """Return the sums for each condition."""
        turned = x.transpose(0, 2, 1)
        return cls(turned @ x, turned @ y, (y**2).sum(axis=(1, 2)), x.sum(axis=1), y.sum(axis=1), np.full(len(x), x.shape[1]))

    def total(self, conditions: Int[ndarray, " kept"]) -> "_Sums":
        """Return the sums over some of the conditions."""
        kept = np.zeros(len(self.n))
        kept[conditions] = 1
        return _Sums(*(np.tensordot(kept, part, 1) for part in self))

    def about(self, x: ndarray, y: ndarray) -> tuple[ndarray, ndarray, float]:
        """Return the products of deviations from given means."""
        XX = self.XX - np.outer(self.X, x) - np.outer(x, self.X) + self.n * np.outer(x, x)
        XY = self.XY - np.outer(self.X, y) - np.outer(x, self.Y) + self.n * np.outer(x, y)
        return XX, XY, self.YY - 2 * float(self.Y @ y) + self.n * float(y @ y)


def _factors(train: _Sums) -> tuple[ndarray, ndarray, ndarray, float]:
    """Return eigenvalues and axes V of the covariance of X, V' times its covariance with Y, and the mean variance."""
    XX, XY, _ = train.about(train.X / train.n, train.Y / train.n)
    values, axes = np.linalg.eigh(XX / train.n)
    return np.maximum(values, 0.0), axes, axes.T @ XY / train.n, max(float(values.mean()), np.finfo(float).tiny)


def _errors(train: _Sums, test: _Sums) -> Float[ndarray, " penalty"]:
    """Return squared errors on the test set for every penalty p: with W = V D Z, D = 1/(values + p), they are quadratic in the diagonal of D."""
    values, V, Z, size = _factors(train)
    XX, XY, YY = test.about(train.X / train.n, train.Y / train.n)
    linear, quadratic = ((V.T @ XY) * Z).sum(axis=1), (V.T @ XX @ V) * (Z @ Z.T)
    D = 1 / (values + RIDGE_PENALTIES[:, None] * size)
    return YY - 2 * D @ linear + np.einsum("pi,ij,pj->p", D, quadratic, D, optimize=True)


def _solved(train: _Sums, penalty: float) -> Map:
    """Return the ridge regression with a penalty relative to the mean variance of the predictors."""
    XX, XY, _ = train.about(train.X / train.n, train.Y / train.n)
    size = max(float(np.trace(XX)) / (train.n * len(XX)), np.finfo(float).tiny)
    W = np.linalg.solve(XX / train.n + penalty * size * np.eye(len(XX)), XY / train.n)
    return W, (train.Y - train.X @ W) / train.n


def _apply(fitted: Map, rates: ndarray) -> ndarray:
    return rates @ fitted[0] + fitted[1]


def _explained(target: ndarray, seed: int, predict: Callable[[Split], ndarray]) -> float:
    """Return the fraction of held-out variance, about the mean of each fold's training conditions, that predictions explain."""
    missed, total = 0.0, 0.0
    for split in _folds(len(target), FOLDS, seed):
        wanted = target[split.test]
        missed += float(((wanted - predict(split)) ** 2).sum())
        total += float(((wanted - target[split.train].mean(axis=(0, 1))) ** 2).sum())
    return 1 - missed / total if total > 0 else 0.0


def _correlation(x: ndarray, y: ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0


@measure("SVCCA, held out", better="higher", identical=1.0, unlike=0.0, learns=True,
         about="canonical correlations of leading components, axes and maps from other conditions")  # fmt: skip
def _svcca(a: Rates, b: Rates, _: float) -> float:
    return canonical_correlation(a, b, reduce=False)


@measure(
    "predicts the circuit",
    better="higher",
    identical=1.0,
    unlike=0.0,
    learns=True,
    about="ridge maps from the student, on conditions held out",
)
def _predicts(a: Rates, b: Rates, _: float) -> float:
    return predictivity(b, a, reduce=False)


@measure("is predicted", better="higher", identical=1.0, unlike=0.0, learns=True, about="ridge maps to the student, on conditions held out")
def _is_predicted(a: Rates, b: Rates, _: float) -> float:
    return predictivity(a, b, reduce=False)


@measure("cycle consistency", better="higher", identical=1.0, unlike=0.0, learns=True, about="ridge maps there and back, on conditions held out")
def _cycle(a: Rates, b: Rates, _: float) -> float:
    return cycle_consistency(a, b, reduce=False)
