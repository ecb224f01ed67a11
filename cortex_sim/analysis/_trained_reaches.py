r"""Prepared states and a readout of a rectified circuit, trained on the outputs that should follow the go cue.

In steps of h time constants, :math:`x_{k+1} = x_k + h\,(-(x_k - \bar x) + W(r(x_k) - r(\bar x)) + u_k + g_k M r(x_0))`, with r rectified, a common
input u, and what a loop that is opened at the go cue still brings. Derivatives are those of the steps, by the adjoint recursion.

Source:
    The code of Kao, Sadabadi & Hennequin (2021) Neuron 109:1567 (setup.ml, dynamic_setup.ml); derivatives there by automatic differentiation.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.analysis._descended import Cost, descended
from cortex_sim.analysis._feedback import unseen

SETTLED, REACHED = 1e-4, 5e-4  # relative change of the cost, and error of the outputs, at which training ends: code of Kao et al. (2021)
BEGUN = 0.1  # s.d. of the readout at first, times the root of the number of units

States = Float[ndarray, "condition unit"]


class Released(NamedTuple):
    """A circuit after the go cue.

    Attributes:
        W: connections.
        rest: spontaneous state.
        course: u, the common input at every step.
        share: h, step over time constant.
        every: number of steps from one bin to the next; outputs are compared at bins.
        loop: M, effect of the rates at the go cue on the units through a loop; none if omitted.
        fading: g, what is left of it at every step.
    """

    W: Float[ndarray, "unit unit"]
    rest: Float[ndarray, " unit"]
    course: Float[ndarray, " step"]
    share: float
    every: int
    loop: Float[ndarray, "unit unit"] | None = None
    fading: Float[ndarray, " step"] | None = None


class Trained(NamedTuple):
    """What training found.

    Attributes:
        states: prepared states.
        readout: weights of outputs on the units that are read out.
        error: squared error of the weighted outputs, integrated over time (s), mean over conditions.
    """

    states: States
    readout: Float[ndarray, "output read"]
    error: float


class Wanted(NamedTuple):
    """Outputs that should follow the go cue.

    Attributes:
        outputs: at every bin.
        weights: of each output's error, before it is squared.
        bin: s.
    """

    outputs: Float[ndarray, "condition bin output"]
    weights: Float[ndarray, " output"]
    bin: float


def fading_loop(shares: tuple[float, float], steps: int) -> Float[ndarray, " step"]:
    """Return what is left, at every step, of a loop of two relays that is opened at the first and was in a steady state before.

    Args:
        shares: step over time constant of the first relay and of the second.
        steps: number of steps.
    """
    first, second, found = 1.0, 1.0, []
    for _ in range(steps):
        found.append(second)
        first, second = (1 - shares[0]) * first, (1 - shares[1]) * second + shares[1] * first
    return np.array(found)


def released_states(circuit: Released, states: States) -> Float[ndarray, "condition step unit"]:
    """Return the states at every step from given ones on."""
    left = 0.0 if circuit.loop is None else np.maximum(states, 0) @ circuit.loop.T
    fading = np.zeros(len(circuit.course)) if circuit.fading is None else circuit.fading
    found, x, steady = [], states, circuit.rest - circuit.W @ np.maximum(circuit.rest, 0)
    for u, g in zip(circuit.course, fading, strict=True):
        found.append(x)
        x = x + circuit.share * (steady - x + np.maximum(x, 0) @ circuit.W.T + u + g * left)
    return np.stack(found, axis=1)


def movement_error(circuit: Released, states: States, readout: Float[ndarray, "output read"], *, wanted: Wanted) -> tuple[float, States, ndarray]:
    """Return the squared error of outputs as in :class:`Trained`, and its derivatives by the states and by the readout.

    Args:
        circuit: after the go cue.
        states: at the go cue.
        readout: weights of outputs on the first units.
        wanted: outputs to compare with.
    """
    x, read, every = released_states(circuit, states), readout.shape[1], circuit.every
    rates = np.maximum(x[:, ::every, :read], 0)
    off = (rates @ readout.T - wanted.outputs) * wanted.weights
    scale = wanted.bin / len(states)
    by_output = 2 * scale * off * wanted.weights
    by_rate = by_output @ readout
    pull, left = np.zeros_like(states), np.zeros_like(states)
    for step in range(x.shape[1] - 1, -1, -1):
        open_ = x[:, step] > 0
        if circuit.fading is not None:
            left += circuit.share * circuit.fading[step] * pull
        pull = (1 - circuit.share) * pull + circuit.share * (pull @ circuit.W) * open_
        if step % every == 0:
            pull[:, :read] += by_rate[:, step // every] * open_[:, :read]
    if circuit.loop is not None:
        pull = pull + (left @ circuit.loop) * (states > 0)
    return float(scale * (off**2).sum()), pull, np.einsum("cbo,cbr->or", by_output, rates)


def train_reaches(circuit: Released, wanted: Wanted, *, read: int, spread: float, rng: np.random.Generator, steps: int = 400) -> Trained:
    """Return prepared states and a readout from which the wanted outputs follow, by L-BFGS from random ones.

    The readout is blind to the rates at rest and in every prepared state.

    Args:
        circuit: after the go cue.
        wanted: outputs.
        read: number of units that are read out, the first ones.
        spread: root mean square of the deviation of prepared states from rest, over units and conditions.
        rng: of the start.
        steps: maximum number of steps.
    """
    count, units, outputs = len(wanted.outputs), len(circuit.rest), wanted.outputs.shape[2]
    first = count * units

    def unpack(entries: ndarray) -> tuple[States, ndarray, ndarray]:
        states = circuit.rest + _scaled(entries[:first].reshape(count, units), spread)
        return states, entries[first:].reshape(outputs, read), np.maximum(np.vstack([states, circuit.rest]), 0)[:, :read]

    def cost(entries: ndarray) -> tuple[float, ndarray]:
        states, free, silent = unpack(entries)
        inverse, blind = np.linalg.pinv(silent), unseen(silent)
        readout = free @ blind
        error, by_state, by_readout = movement_error(circuit, states, readout, wanted=wanted)
        by_readout = by_readout + 2 * readout / readout.size
        both = free.T @ by_readout  # the projection P changes by -(Z+ dZ P) and its transpose
        by_silent = -inverse.T @ (both + both.T) @ blind
        by_state[:, :read] += by_silent[:-1] * (states[:, :read] > 0)
        by_entries = _unscaled(entries[:first].reshape(count, units), by_state, spread)
        return error + float((readout**2).sum()) / readout.size, np.concatenate([by_entries.ravel(), (by_readout @ blind).ravel()])

    start = BEGUN / np.sqrt(units) * rng.standard_normal(first + outputs * read)
    states, free, silent = unpack(_trained(cost, start, steps))
    readout = free @ unseen(silent)
    return Trained(states, readout, movement_error(circuit, states, readout, wanted=wanted)[0])


def train_states(circuit: Released, wanted: Wanted, before: Trained, *, spread: float, steps: int = 400) -> Trained:
    """Return prepared states trained further with a fixed readout, which stays blind to their deviations from rest; arguments as above."""
    count, units, read = *before.states.shape, before.readout.shape[1]
    hidden = np.eye(units)
    hidden[:read, :read] -= np.linalg.pinv(before.readout) @ before.readout

    def cost(entries: ndarray) -> tuple[float, ndarray]:
        free = entries.reshape(count, units) @ hidden
        error, by_state, _ = movement_error(circuit, circuit.rest + _scaled(free, spread), before.readout, wanted=wanted)
        return error, (_unscaled(free, by_state, spread) @ hidden).ravel()

    found = _trained(cost, (before.states - circuit.rest).ravel(), steps).reshape(count, units) @ hidden
    states = circuit.rest + _scaled(found, spread)
    return Trained(states, before.readout, movement_error(circuit, states, before.readout, wanted=wanted)[0])


def _scaled(free: States, spread: float) -> States:
    return free * (spread * np.sqrt(free.size) / np.linalg.norm(free))


def _unscaled(free: States, slope: States, spread: float) -> States:
    """Return the derivative by what is scaled, from that by the scaled."""
    size = np.linalg.norm(free)
    return spread * np.sqrt(free.size) / size * (slope - (slope * free).sum() / size**2 * free)


@threadpool_limits.wrap(limits=1)
def _trained(cost: Cost, start: ndarray, steps: int) -> ndarray:
    return descended(cost, start, steps=steps, label="training reaches", enough=lambda before, now: now < REACHED or before - now < SETTLED * now)
