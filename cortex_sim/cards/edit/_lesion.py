"""Changes to a circuit or network itself: cut connections, and raised or lowered gains."""

import ast
from collections.abc import Mapping, Sequence, Set
from copy import deepcopy

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards._equations import FUNCTIONS, RATE_FLAGS
from cortex_sim.cards._grammar import Line, read_expression, read_lines
from cortex_sim.cards._model import Model
from cortex_sim.cards._trees import WrittenOut, names_in
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

    Only the rate sees the state times its gain. A subexpression that other lines read as well is left to them, and the rate gets a copy.

    Args:
        model: its rate must be a function of its state.
        gain: one for all units, or one per unit; 1 changes nothing.

    Raises:
        OptionError: the rate is itself a state, depends on several states or on states of other units, or gains are not finite, or not one per
            unit; or a name that would be added is taken.
    """
    text, gain = model.parsed, np.asarray(gain, dtype=float)
    if gain.shape not in ((), (model.units,)) or not np.isfinite(gain).all():
        raise OptionError(f"lesion: gain has shape {gain.shape}; it should be one number, or one for each of the {model.units} units.")
    states = text.states_of(model.rate)
    if model.rate in text.states or len(states) != 1:
        raise OptionError(f"lesion: the rate {model.rate!r} of {model.name} should be a function of one state, which a gain can multiply.")
    parameter = {"value": 1, "unit": "1", "meaning": "gain of each unit", "over": "units"}
    parameters = {key: p.model_dump() for key, p in model.parameters.items()} | {GAIN: parameter}
    changed = model.with_arrays({}, equations=_steeper(model, states[0]), parameters=parameters)
    return changed.with_arrays({GAIN: np.broadcast_to(gain, model.units).copy()})


def _steeper(model: Model, state: str) -> str:
    """Return the equations with a gain on the state in the rate, and in those of its subexpressions that depend on the state."""
    text, rate, lines = model.parsed, model.rate, {line.name: line for line in read_lines(model.equations, "equations:", RATE_FLAGS)}
    seen = {name for name in (rate, *text.used_by(rate)) if name in lines and state in text.used_by(name)}
    if mixing := [name for name in sorted(seen) if _passes_on(lines[name].right, {*seen, state})]:
        found = f"{mixing[0]!r} of {model.name} calls a projection or input with {state!r}"
        raise OptionError(f"lesion: {found}; a gain needs a rate of each unit's own state.")
    copies = {name: f"{name}_of_{rate}" for name in _read_elsewhere(lines, seen, rate)}
    if taken := {GAIN, *copies.values()} & {*lines, *text.names, *model.parameters}:
        raise OptionError(f"lesion: {min(taken)!r} is a name that would be added to {model.name}, which has it already; rename it.")
    gained = WrittenOut({state: read_expression(f"{GAIN}*{state}", "lesion")} | {name: ast.Name(copy) for name, copy in copies.items()})
    kept = [line for name, line in lines.items() if name not in seen or name in copies]
    steeper = [(name, line, deepcopy(line.right)) for name, line in lines.items() if name in seen]
    made = [line._replace(name=copies.get(name, name), right=gained.visit(tree)) for name, line, tree in steeper if tree is not None]
    return "\n".join([*(line.written for line in (*kept, *made)), f"{GAIN} : 1 (constant)"])


def _passes_on(tree: ast.expr | None, names: Set[str]) -> bool:
    """Return whether an expression calls a projection or input with one of these names."""
    calls = (node for node in ast.walk(tree or ast.Constant(0)) if isinstance(node, ast.Call) and names_in(*node.args) & names)
    return any(isinstance(call.func, ast.Name) and call.func.id not in FUNCTIONS for call in calls)


def _read_elsewhere(lines: Mapping[str, Line], seen: Set[str], rate: str) -> set[str]:
    """Return which lines that the rate needs are read other than through the rate, directly or through each other."""
    found: set[str] = set()
    waiting = [line.right for name, line in lines.items() if name not in seen]
    while waiting:
        new = (names_in(waiting.pop()) & seen) - {rate} - found
        found |= new
        waiting += [lines[name].right for name in new]
    return found


def _check(model: Model, projection: str) -> None:
    if projection not in model.projections:
        raise OptionError(f"lesion: {model.name} has no projection {projection!r}. {suggestion(projection, model.projections)}")
