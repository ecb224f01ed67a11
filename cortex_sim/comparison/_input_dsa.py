r"""Input-aware dynamical similarity (InputDSA): operators of driven systems, identified beside their known inputs, and compared up to a rotation.

Of :math:`x_{t+1} = A x_t + B u_t,\; y_t = C x_t`, past inputs and rates predict future rates together with future inputs. The part of the prediction
that comes from the past is :math:`\Gamma x_t` with :math:`\Gamma = (C, CA, CA^2, \dots)`, whose columns span the same space whatever the inputs. In
an orthonormal basis of it, A follows from the shift of :math:`\Gamma` by one bin and B from the steps of the state, and both are known up to one
orthogonal matrix: the distance of two systems depends neither on their inputs nor on rotations of their rates.

Source:
    Huang, Ostrow, Singh, Kozachkov, Fiete & Rajan (2025) arXiv:2510.25943, who compare operators of subspace DMD with control. The identification is
    N4SID of Van Overschee & De Moor (1994) Automatica 30:75; its basis is scaled by singular values, which change with the inputs, and ours is not.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._dsa import eigenvalue_distance, procrustes_distance
from cortex_sim.errors import ComparisonError

WINDOW = 5  # bins of the past, and of the future
COMPONENTS, HELD = 10, 0.99  # of the rates at most; of the variance, by the components and by the states
RIDGE = 1e-8  # of the mean square of the regressors

Rates = Float[ndarray, "trial time unit"]
Inputs = Float[ndarray, "trial time channel"]


class DrivenOperators(NamedTuple):
    """A system identified beside its inputs, in coordinates that are unique up to a rotation.

    Attributes:
        state: A, which advances the state by one bin.
        entering: B, which the input adds.
    """

    state: Float[ndarray, "axis axis"]
    entering: Float[ndarray, "axis channel"]


class InputDistances(NamedTuple):
    """Distances of two driven systems; 0 for the same.

    Attributes:
        eigenvalues: of A, root mean square under the best pairing; free of every invertible change of coordinates.
        state: of A of norm 1 after the best rotation.
        joint: of A and of B, each of norm 1, after one rotation of both; squares are added.
    """

    eigenvalues: float
    state: float
    joint: float


def input_dsa(
    a: Rates, b: Float[ndarray, "other moment unit2"], *, inputs: tuple[Inputs, Inputs], window: int = WINDOW, rank: int | None = None
) -> InputDistances:
    """Return the distances of two systems with known inputs, which may differ in inputs, trials and units.

    Args:
        a: rates of single trials, or of conditions.
        b: of the other system, in bins of the same width.
        inputs: of both systems, with the same channels; those of a bin act on the next.
        window: number of bins of the past and of the future.
        rank: number of state variables; if None, as many as hold 99 % of what the past predicts, and the smaller number of both systems.

    Raises:
        ComparisonError: channels differ, inputs are of other trials or bins, trials are shorter than past and future, or nothing varies.
    """
    if inputs[0].shape[2] != inputs[1].shape[2]:
        raise ComparisonError(f"input dsa: {inputs[0].shape[2]} channels on one side, {inputs[1].shape[2]} on the other; they should be the same.")
    sides = [_Past.of(rates, driven, window) for rates, driven in zip((a, b), inputs, strict=True)]
    kept = min([side.rank for side in sides] if rank is None else [rank, *(side.most for side in sides)])
    one, other = (side.operators(kept) for side in sides)
    return InputDistances(
        eigenvalue_distance(one.state, other.state), procrustes_distance(one.state, other.state),
        procrustes_distance(one.state, other.state, inputs=(one.entering, other.entering)),
    )  # fmt: skip


def driven_operators(rates: Rates, inputs: Inputs, *, window: int = WINDOW, rank: int | None = None) -> DrivenOperators:
    """Return the operators of a system with known inputs, by subspace identification.

    Args:
        rates: of single trials, or of conditions.
        inputs: of the same trials and bins; those of a bin act on the next.
        window: number of bins of the past and of the future.
        rank: number of state variables; if None, as many as hold 99 % of what the past predicts.

    Raises:
        ComparisonError: as for :func:`input_dsa`.
    """
    past = _Past.of(rates, inputs, window)
    return past.operators(past.rank if rank is None else min(rank, past.most))


class _Past(NamedTuple):
    """What past rates and inputs predict of the future: its axes and singular values, and its course in every trial."""

    axes: Float[ndarray, "future axis"]
    sizes: Float[ndarray, " axis"]
    free: Float[ndarray, "trial step future"]
    inputs: Float[ndarray, "trial step channel"]
    outputs: int

    @classmethod
    def of(cls, rates: Rates, inputs: Inputs, window: int) -> "_Past":
        if inputs.shape[:2] != rates.shape[:2]:
            raise ComparisonError(f"input dsa: inputs are (trial, time) {inputs.shape[:2]}; they should be {rates.shape[:2]}, as the rates are.")
        if window < 2 or rates.shape[1] < 2 * window + 1:
            needed = "it should be 2 at least, and twice as many and one more should fit into a trial"
            raise ComparisonError(f"input dsa: a window of {window} bins in trials of {rates.shape[1]}; {needed}.")
        y, u = _components(rates - rates.mean(axis=(0, 1))), inputs - inputs.mean(axis=(0, 1))
        past = np.concatenate([_windows(y, 0, window), _windows(u, 0, window)], axis=2)
        future, driven = _windows(y, window, window), _windows(u, window, window)
        known = past.reshape(-1, past.shape[2])
        design = np.hstack([known, driven.reshape(len(known), -1)])
        penalty = RIDGE * max(float((design**2).sum(axis=0).mean()), np.finfo(float).tiny)
        found = np.linalg.solve(design.T @ design + penalty * np.eye(design.shape[1]), design.T @ future.reshape(len(known), -1))
        free = past @ found[: known.shape[1]]
        flat = free.reshape(-1, free.shape[2])
        values, axes = np.linalg.eigh(flat.T @ flat)
        return cls(axes[:, ::-1], np.maximum(values[::-1], 0.0), free, u[:, window : window + free.shape[1]], y.shape[2])

    @property
    def most(self) -> int:
        """Return the largest number of state variables that the shift of the future by one bin can tell."""
        return self.axes.shape[0] - self.outputs

    @property
    def rank(self) -> int:
        """Return the number of axes that hold 99 % of what the past predicts."""
        return min(self.most, int((np.cumsum(self.sizes) < HELD * self.sizes.sum()).sum()) + 1)

    def operators(self, rank: int) -> DrivenOperators:
        if rank < 1:
            raise ComparisonError(f"input dsa: rank {rank}; there should be a state variable at least.")
        observing = self.axes[:, :rank]
        A = np.linalg.lstsq(observing[: -self.outputs], observing[self.outputs :], rcond=None)[0]
        states = self.free @ observing
        steps = (states[:, 1:] - states[:, :-1] @ A.T).reshape(-1, rank)
        B = np.linalg.lstsq(self.inputs[:, :-1].reshape(len(steps), -1), steps, rcond=None)[0].T
        return DrivenOperators(A, B)


def _components(rates: Rates) -> Float[ndarray, "trial time axis"]:
    """Return centred rates in the leading components, at most ten, that hold 99 % of their variance."""
    flat = rates.reshape(-1, rates.shape[2])
    values, axes = np.linalg.eigh(flat.T @ flat)
    if not values[-1] > 0:
        raise ComparisonError("input dsa: the rates do not vary; there is nothing that moves.")
    count = int((np.cumsum(values[::-1]) < HELD * values.sum()).sum()) + 1
    return rates @ axes[:, ::-1][:, : min(count, COMPONENTS)]


def _windows(x: ndarray, start: int, length: int) -> Float[ndarray, "trial step lagged"]:
    """Return windows of bins side by side, one for each bin at which a past and a future of this length meet."""
    steps = x.shape[1] - 2 * length + 1
    return np.concatenate([x[:, start + lag : start + lag + steps] for lag in range(length)], axis=2)
