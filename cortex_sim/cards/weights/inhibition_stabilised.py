"""Inhibition-stabilised circuits: log-normal excitation, and inhibition tuned until the circuit is stable, with equal row sums.

Source:
    Kao, Sadabadi & Hennequin (2021) Neuron 109:1567; constants as in the code published with it (hennequin-lab/optimal-preparation).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import solve_continuous_lyapunov

from cortex_sim.cards.weights.stability_optimised import spectral_abscissa
from cortex_sim.errors import OptionError, Undetermined

CACHED = True
SHIFT = (1.0, 1.2)  # the gradient is taken at max(1, 1.2 SA)
LIMIT = 5_000  # iterations

Report = Callable[[float, str], None]


def build(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    excitatory: float,
    density: float,
    weight: float,
    spread: float,
    row_sum: float,
    abscissa: float,
    report: Report = lambda done, text: None,
) -> Float[ndarray, "unit unit"]:
    r"""Return the recurrent weights of an inhibition-stabilised circuit.

    Every unit receives the same number of excitatory connections, of weight :math:`w_0 e^{\sigma z}` with :math:`w_0 = w/\sqrt{N p (1-p)}`, and
    connections from all inhibitory units, initially -U(0, 1). Inhibitory weights then descend the smoothed spectral abscissa s: with
    :math:`A = W - sI`, :math:`A^\top Q + QA = AP + PA^\top = -I`, by :math:`QP/\mathrm{tr}\,QP` off the diagonal; after each step they are clipped at
    0 and scaled so that every row has the same sum. With equal row sums, (1, 1, ...) is an eigenvector and that sum its eigenvalue.

    Args:
        shape: (N, N).
        rng: draws the connections.
        excitatory: fraction of excitatory units, which are the first columns.
        density: p, fraction of the excitatory units that connect to a unit.
        weight: w.
        spread: sigma, of the logarithm of excitatory weights.
        row_sum: sum of every row; below 0.
        abscissa: spectral abscissa at which to stop.
        report: called with the completed fraction and a line of text.

    Raises:
        OptionError: the shape is not square, or a fraction is out of range.
        Undetermined: the abscissa was not reached within 5,000 iterations.
    """
    units, columns = shape
    E = round(excitatory * units)
    inputs = round(density * E)
    if units != columns or not 0 < E < units or not 0 < inputs < E or row_sum >= 0:
        given = f"shape {shape}, {E} excitatory units, {inputs} inputs a unit, row sum {row_sum:g}"
        raise OptionError(f"inhibition_stabilised: {given}; it should be square, with units and inputs of both kinds, and a sum below 0.")
    W = np.zeros(shape)
    for unit in range(units):
        others = np.setdiff1d(np.arange(E), unit)
        chosen = rng.choice(others, inputs, replace=False)
        W[unit, chosen] = weight / np.sqrt(units * density * (1 - density)) * np.exp(spread * rng.standard_normal(inputs))
    W[:, E:] = -rng.random((units, units - E))
    np.fill_diagonal(W, 0.0)
    W = _normalised(W, E, row_sum)
    start = found = spectral_abscissa(W)
    for iteration in range(LIMIT):
        if found <= abscissa:
            report(1.0, f"spectral abscissa {found:.3f} after {iteration} iterations")
            return W
        report(float(np.clip((start - found) / (start - abscissa), 0, 1)), f"spectral abscissa {found:.3f}, target {abscissa:g}")
        A = W - max(SHIFT[0], SHIFT[1] * found) * np.eye(units)
        Q, P = solve_continuous_lyapunov(A.T, -np.eye(units)), solve_continuous_lyapunov(A, -np.eye(units))
        gradient = Q @ P / np.trace(Q @ P)
        np.fill_diagonal(gradient, 0.0)
        W[:, E:] -= gradient[:, E:]
        W = _normalised(W, E, row_sum)
        found = spectral_abscissa(W)
    raise Undetermined(f"inhibition_stabilised: spectral abscissa {found:.3f} after {LIMIT} iterations; it should reach {abscissa:g}.")


def _normalised(W: Float[ndarray, "unit unit"], E: int, row_sum: float) -> Float[ndarray, "unit unit"]:
    """Return inhibitory weights clipped to at most 0 and scaled so that every row has its sum."""
    W[:, E:] = np.minimum(W[:, E:], 0.0)
    W[:, E:] *= ((row_sum - W[:, :E].sum(axis=1)) / W[:, E:].sum(axis=1))[:, None]
    return W
