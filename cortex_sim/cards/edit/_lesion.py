"""Changes to a circuit or network itself: cut connections, and raised or lowered gains."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards._model import Model
from cortex_sim.errors import OptionError, suggestion
from cortex_sim.runtime import stream

GAIN = "own_gain"  # name of the parameter that is added


def cut_weights(model: Model, projection: str, *, fraction: float, seed: int = 0) -> Model:
    """Return the model with a random fraction of a projection's nonzero weights set to 0.

    Raises:
        OptionError: the projection does not exist, or the fraction is not between 0 and 1.
    """
    _check(model, projection)
    if not 0 <= fraction <= 1:
        raise OptionError(f"lesion: fraction {fraction!r} should lie between 0 and 1.")
    W = model.arrays()[projection].copy()
    places = np.flatnonzero(W)
    rng = stream(seed, "analysis", "weights cut")
    W.flat[rng.choice(places, round(fraction * len(places)), replace=False)] = 0.0
    return model.with_arrays({projection: W})


def disconnect(model: Model, projection: str, *, sources: Sequence[int] | ndarray, targets: Sequence[int] | ndarray) -> Model:
    """Return the model with a projection's weights from some units to others set to 0.

    Args:
        model: circuit or network.
        projection: its name.
        sources: indices of columns.
        targets: indices of rows.

    Raises:
        OptionError: the projection does not exist, or an index is out of range.
    """
    _check(model, projection)
    W = model.arrays()[projection].copy()
    for name, given, size in (("targets", targets, W.shape[0]), ("sources", sources, W.shape[1])):
        if not len(given) or min(given) < 0 or max(given) >= size:
            raise OptionError(f"lesion: {name} should be positions from 0 to {size - 1} of {projection!r}.")
    W[np.ix_(np.asarray(targets, dtype=int), np.asarray(sources, dtype=int))] = 0.0
    return model.with_arrays({projection: W})


def unconnected(model: Model) -> Model:
    """Return the model with all weights in its equations' projections set to 0: uncoupled units with unchanged inputs, time constants and rates."""
    called = model.parsed.called()
    return model.with_arrays({name: np.zeros_like(array) for name, array in model.arrays().items() if name in called and name in model.projections})


def with_gain(model: Model, gain: float | Float[ndarray, " unit"]) -> Model:
    """Return the model with a gain on the argument of each unit's rate: :math:`r = f(g x)` (Stroud et al. 2018, Nat Neurosci 21:1774).

    Args:
        model: its rate must be a function of its state.
        gain: one for all units, or one per unit; 1 changes nothing.

    Raises:
        OptionError: the rate is itself a state or depends on several states, or gains are not finite, or not one per unit.
    """
    text, gain = model.parsed, np.asarray(gain, dtype=float)
    if gain.shape not in ((), (model.units,)) or not np.isfinite(gain).all():
        raise OptionError(f"lesion: gain has shape {gain.shape}; it should be one number, or one for each of the {model.units} units.")
    states = text.states_of(model.rate)
    if model.rate in text.states or len(states) != 1 or GAIN in text.equations:
        raise OptionError(f"lesion: the rate {model.rate!r} of {model.name} should be a function of one state, which a gain can multiply.")
    inner = text.used_by(model.rate)
    word = re.compile(rf"\b{states[0]}\b")
    lines = []
    for line in model.equations.splitlines():
        name = line.split("=")[0].strip()
        left, sign, right = line.partition("=")
        lines.append(f"{left}{sign}{word.sub(f'({GAIN}*{states[0]})', right)}" if name == model.rate or name in inner else line)
    parameter = {"value": 1, "unit": "1", "meaning": "gain of each unit", "over": "units"}
    parameters = {key: p.model_dump() for key, p in model.parameters.items()} | {GAIN: parameter}
    changed = model.with_arrays({}, equations="\n".join([*lines, f"{GAIN} : 1 (constant)"]), parameters=parameters)
    return changed.with_arrays({GAIN: np.broadcast_to(gain, model.units).copy()})


def _check(model: Model, projection: str) -> None:
    if projection not in model.projections:
        raise OptionError(f"lesion: {model.name} has no projection {projection!r}. {suggestion(projection, model.projections)}")
