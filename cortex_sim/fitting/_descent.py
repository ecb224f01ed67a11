"""Gradient descent in NumPy, for rules that compute gradients without torch: optimisers, cosine schedule and clipping as in back-propagation."""

from collections.abc import Mapping

import numpy as np
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import TaskError
from cortex_sim.fitting._options import Options
from cortex_sim.fitting._own_scale import OwnScale

BETAS, EPSILON = (0.9, 0.999), 1e-8


class Descent:
    """The state of an optimiser, and the constraints of a card on the weights that it changes.

    Args:
        model: entries that its projections keep at 0 stay 0, and weights under Dale's law stop at 0 instead of changing sign.
        arrays: initial weights.
        options: the optimiser, its rate, momentum, decay and clipping.
        own: coordinates in which arrays are moved.

    Raises:
        TaskError: a projection to be learned has a fixed rank.
    """

    def __init__(self, model: Model, arrays: Mapping[str, ndarray], options: Options, own: OwnScale) -> None:
        self._options, self._steps, self._own = options, 0, own
        self._first: dict[str, ndarray] = {}
        self._second: dict[str, ndarray] = {}
        self._signs = {name: np.tile(model.signs(name), (len(arrays[name]), 1)) for name, p in model.projections.items() if p.excitatory is not None}
        self._held = {name: _held(model, name, arrays[name]) for name, p in model.projections.items() if p.learn}

    def step(self, arrays: Mapping[str, ndarray], gradients: Mapping[str, ndarray], epoch: int) -> dict[str, ndarray]:
        """Return the arrays after one step of descent along these gradients."""
        gradients = {name: np.where(self._held[name], 0.0, g) if name in self._held else g for name, g in gradients.items()}
        gradients = self._own.gradients(gradients)
        norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        factor = min(1.0, self._options.clip / (norm + 1e-6))
        rate = self._options.rate_at(epoch)
        self._steps += 1
        before = self._own.moved(arrays)
        after = self._own.arrays(before | {name: self._moved(name, before[name], factor * g, rate) for name, g in gradients.items()})
        return dict(arrays) | {name: self._within(name, after[name]) for name in gradients}

    def _moved(self, name: str, array: ndarray, gradient: ndarray, rate: float) -> ndarray:
        options, (slow, slower) = self._options, BETAS
        if options.optimiser == "adamw":
            array = array * (1 - rate * options.weight_decay)
        else:
            gradient = gradient + options.weight_decay * array
        if options.optimiser == "sgd":
            self._first[name] = options.momentum * self._first.get(name, 0.0) + gradient
            return array - rate * self._first[name]
        self._first[name] = slow * self._first.get(name, 0.0) + (1 - slow) * gradient
        self._second[name] = slower * self._second.get(name, 0.0) + (1 - slower) * gradient**2
        size = np.sqrt(self._second[name] / (1 - slower**self._steps)) + EPSILON
        return array - rate * self._first[name] / (1 - slow**self._steps) / size

    def _within(self, name: str, array: ndarray) -> ndarray:
        return array if name not in self._signs else np.maximum(array * self._signs[name], 0.0) * self._signs[name]


def _held(model: Model, name: str, array: ndarray) -> ndarray:
    part = model.projections[name]
    if part.rank:
        raise TaskError(f"{model.name}: {name!r} is held to rank {part.rank}, which only rule 'bptt' can learn.")
    zero = (array == 0) if part.keep_zeros else np.zeros(array.shape, dtype=bool)
    return zero if part.self_connections else zero | np.eye(len(array), dtype=bool)
