r"""Gains of units, with fixed connections and a fixed readout, that make wanted outputs: many patterns at once, by the adjoint.

In steps of h time constants :math:`x_{k+1} = x_k + h\,(W \tanh(g x_k) - x_k)` from one initial state; outputs are :math:`C \tanh(g x) + d`.

Source:
    Gains as in Stroud, Porter, Hennequin & Vogels (2018) Nat Neurosci 21:1774; there and in rule node_perturbation they are found by trial and error.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import Bounds, nnls
from threadpoolctl import threadpool_limits

from cortex_sim.analysis._descended import descended

Gains = Float[ndarray, "pattern unit"]
Outputs = Float[ndarray, "pattern bin output"]


class GainedCircuit(NamedTuple):
    """A circuit whose units have gains.

    Attributes:
        W: connections.
        start: initial state.
        share: h, step over time constant.
        every: number of steps from one bin to the next.
        bins: number of bins.
        readout: C.
        offset: d.
    """

    W: Float[ndarray, "unit unit"]
    start: Float[ndarray, " unit"]
    share: float
    every: int
    bins: int
    readout: Float[ndarray, "output unit"]
    offset: Float[ndarray, " output"]


def outputs_with_gains(circuit: GainedCircuit, gains: Gains) -> Outputs:
    """Return the outputs at every bin, with each of the patterns of gains."""
    states = _states(circuit, gains)[:, :: circuit.every]
    return np.tanh(gains[:, None] * states) @ circuit.readout.T + circuit.offset


def _states(circuit: GainedCircuit, gains: Gains) -> Float[ndarray, "pattern step unit"]:
    x, found = np.tile(circuit.start, (len(gains), 1)), []
    for _ in range((circuit.bins - 1) * circuit.every + 1):
        found.append(x)
        x = x + circuit.share * (np.tanh(gains * x) @ circuit.W.T - x)
    return np.stack(found, axis=1)


def gain_errors(circuit: GainedCircuit, gains: Gains, wanted: Outputs) -> tuple[Float[ndarray, " pattern"], Gains]:
    """Return the squared error of each pattern's outputs over their variance about the mean in time, and its derivatives by the gains."""
    x = _states(circuit, gains)
    r = np.tanh(gains[:, None] * x)
    off = r[:, :: circuit.every] @ circuit.readout.T + circuit.offset - wanted
    spread = ((wanted - wanted.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
    by_rate = 2 * off / spread[:, None, None] @ circuit.readout
    pull, slope = np.zeros_like(gains), np.zeros_like(gains)
    for step in range(x.shape[1] - 1, -1, -1):
        felt = circuit.share * pull @ circuit.W
        if step % circuit.every == 0:
            felt = felt + by_rate[:, step // circuit.every]
        felt *= 1 - r[:, step] ** 2
        slope += felt * x[:, step]
        pull = (1 - circuit.share) * pull + gains * felt
    return (off**2).sum(axis=(1, 2)) / spread, slope


@threadpool_limits.wrap(limits=1)
def learned_gains(
    circuit: GainedCircuit, wanted: Outputs, *, groups: Int[ndarray, " unit"], enough: float, within: float | None = None, steps: int = 200
) -> Gains:
    """Return patterns of gains whose outputs come near the wanted ones, by L-BFGS from gains of 1.

    Args:
        circuit: connections, readout and initial state.
        wanted: one output for each pattern, at every bin.
        groups: of each unit, from 0; units of a group share a gain.
        enough: mean error over patterns at which learning ends, relative to variance.
        within: how far a gain may depart from 1, if not freely.
        steps: maximum number of steps.
    """
    shape = len(wanted), int(groups.max()) + 1
    member = np.eye(shape[1])[groups]

    def cost(entries: ndarray) -> tuple[float, ndarray]:
        errors, slope = gain_errors(circuit, entries.reshape(shape)[:, groups], wanted)
        return float(errors.mean()), (slope @ member).ravel() / len(errors)

    bounds = None if within is None else Bounds(1 - within, 1 + within)
    found = descended(cost, np.ones(shape), steps=steps, label="learning gains", enough=lambda _, now: now < enough, bounds=bounds)
    return found.reshape(shape)[:, groups]


def convex_weights(parts: Float[ndarray, "part sample"], whole: Float[ndarray, " sample"]) -> Float[ndarray, " part"]:
    r"""Return the weights, at least 0 and of sum 1, with which the parts add up to come nearest to the whole in squared error.

    With a sum of 1, :math:`\sum_k w_k p_k - y = \sum_k w_k (p_k - y)`: non-negative least squares, of which a heavy row of ones holds the sum.

    Args:
        parts: to be combined.
        whole: to come near.
    """
    heavy = 1e4 * np.abs(parts - whole).max()
    weights = nnls(np.vstack([(parts - whole).T, np.full(len(parts), heavy)]), np.append(np.zeros(len(whole)), heavy))[0]
    return np.asarray(weights / weights.sum())
