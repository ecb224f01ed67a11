"""A card of what a user's Brian2 script has built: equations, parameters, connections."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import brian2 as b2
import numpy as np
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
from brian2.units.fundamentalunits import get_unit
from numpy import ndarray

from cortex_sim.cards import MATHEMATICS, Model, said_dimensions, unit_values
from cortex_sim.errors import CardError
from cortex_sim.simulation.brian._networks import OURS, script

METHODS = {"euler": "euler", "exponential_euler": "exponential_euler"}
KNOWN = {"t", "dt", "i", "N", "xi"}
SUMMED = re.compile(r"^\s*(?:(\w+)\s*\*\s*(\w+)_pre|(\w+)_pre\s*\*\s*(\w+))\s*$")
DRAWN = {"gain": {"value": 1, "meaning": "scale of other weights, were these not given"}}


def card_from(thing: Any, *, rate: str, inputs: str | None = None, drive: str | None = None, name: str = "from_brian2") -> Model:
    """Return a card of the neurons and connections of a network of Brian2, which computes what the network computes.

    Args:
        thing: ``brian2.Network`` of one group of neurons and its ``Synapses``, or the group alone.
        rate: variable of the neurons that is the rate.
        inputs: parameter of the neurons that takes the channels, one channel a neuron; its value in the script is left out.
        drive: parameter of the neurons that pushes, and currents that prepare a movement, are added to; that of ``inputs`` if omitted.
        name: of the model.

    Raises:
        CardError: something in the network is not on a card; the message lists all of it. :func:`.wrap` runs such a network as it stands.
    """
    parts = list(thing.objects) if isinstance(thing, b2.Network) else [thing]
    groups, synapses = ([part for part in parts if isinstance(part, kind)] for kind in (b2.NeuronGroup, b2.Synapses))
    if len(groups) != 1:
        raise CardError(f"{name}: a card is of one group of neurons; the network has {len(groups)}. wrap runs it as it stands.")
    group, known = groups[0], script()
    summed = {name: found for part in synapses for name, found in _summed(part).items()}
    problems = [*_not_on_a_card(group, parts), *(problem for part in synapses for problem in _not_carried(part, group))]
    if len(summed) < sum(_product(part, target) is not None for part in synapses for target in part.summed_updaters):
        problems.append("two Synapses that write the same variable")
    problems += [
        f"{role} {word!r}, which is no parameter of the neurons"
        for role, word in {"inputs": inputs, "drive": drive}.items()
        if word is not None and (word not in group.user_equations or group.user_equations[word].type != PARAMETER)
    ]
    constants, unknown = _constants(group, known)
    problems += unknown
    if problems:
        raise CardError(f"{name}: no card holds {'; '.join(problems)}. wrap runs the network as it stands.")
    return _made(group, summed, constants, rate, (inputs, drive), name)


def _product(part: Any, target: str) -> tuple[str, str] | None:
    """Return the weight and the source of what synapses sum, if it is a number of each synapse times a variable of the source; else None."""
    match = SUMMED.match(str(part.summed_updaters[target].expression))
    if match is None:
        return None
    weight, source = (match[1], match[2]) if match[1] else (match[4], match[3])
    own = part.equations.get(weight)
    if own is None or own.type != PARAMETER or "shared" in own.flags or source not in part.source.equations:
        return None
    return weight, source


def _summed(part: Any) -> dict[str, tuple[str, ndarray]]:
    """Return, for each variable that synapses sum into, what they multiply, and the weights (target, source)."""
    found = {}
    for target in part.summed_updaters:
        if product := _product(part, target):
            weight, source = product
            W = np.zeros((part.target.N, part.source.N))
            np.add.at(W, (np.asarray(part.j), np.asarray(part.i)), np.asarray(part.variables[weight].get_value()))
            found[target.removesuffix("_post")] = (source, W)
    return found


def _not_on_a_card(group: Any, parts: list[Any]) -> list[str]:
    found = []
    if group.events:
        found.append("spikes (a threshold); a spiking circuit is a card of kind spiking")
    if not isinstance(group.method_choice, str) or group.method_choice not in METHODS:
        found.append(f"the integrator {group.method_choice!r}; give the group method='euler' or 'exponential_euler'")
    ours = (b2.NeuronGroup, b2.Synapses, b2.StateMonitor, b2.SpikeMonitor, b2.PopulationRateMonitor)
    for part in parts:
        if isinstance(part, ours):
            regular = [inner for inner in getattr(part, "contained_objects", ()) if type(inner).__name__ == "CodeRunner"]
            found += [f"what runs regularly in {part.name!r}: {str(inner.abstract_code).strip()}" for inner in regular]
        elif not part.name.startswith(OURS) and not _inner(part, parts):
            found.append(f"{type(part).__name__} {part.name!r}")
    timed = any("t" in line.expr.identifiers for line in group.user_equations.values() if line.expr is not None)
    if timed and float(group.clock.t_[:]) > 0:
        found.append(f"equations of the time t in a network that has run for {float(group.clock.t_[:]):g} s; a card begins at 0")
    return found + [f"{line.varname}, {', '.join(line.flags)}" for line in group.user_equations.values() if "linked" in line.flags]


def _inner(part: Any, parts: list[Any]) -> bool:
    """Return whether an object is one that Brian2 itself has put into a network: an updater of a group or of synapses."""
    return any(part in other.contained_objects for other in parts if hasattr(other, "contained_objects"))


def _not_carried(part: Any, group: Any) -> list[str]:
    found = []
    if part._pathways:
        found.append(f"what {part.name!r} does at a spike")
    if part.source is not group or part.target is not group:
        found.append(f"connections of a part of the neurons ({part.name!r})")
    found += [f"{line.varname} of {part.name!r}, which changes" for line in part.equations.values() if line.type == DIFFERENTIAL_EQUATION]
    wanted = "it should be a number of each synapse times a variable of the source, w*r_pre"
    found += [f"{target} = {updater.expression} of {part.name!r}; {wanted}" for target, updater in part.summed_updaters.items()
              if _product(part, target) is None]  # fmt: skip
    return found if part.summed_updaters else [*found, f"{part.name!r}, which sums into no variable"]


def _constants(group: Any, known: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the numbers that the equations take from the script, and what is none; functions, pi and units are a card's own."""
    named = {word for line in group.user_equations.values() if line.expr is not None for word in line.expr.identifiers}
    outside = sorted(word for word in named - set(group.user_equations) - KNOWN if not _predefined(word))
    found, problems = {}, []
    for word in outside:
        value = (dict(known) | dict(group.namespace)).get(word)
        if value is None:
            problems.append(f"{word!r}, which is not known")
        elif isinstance(value, b2.Quantity | float | int | np.number) and np.ndim(value) == 0:
            found[word] = b2.Quantity(value)
        else:
            problems.append(f"{word!r}, a {type(value).__name__}")
    return found, problems


def _predefined(word: str) -> bool:
    return word in MATHEMATICS or word == "pi" or word in unit_values(frozenset({word}))


def _made(
    group: Any, summed: Mapping[str, tuple[str, ndarray]], constants: Mapping[str, Any], rate: str, hears: tuple[str | None, str | None], name: str
) -> Model:
    inputs, driven = hears[0], hears[1] or hears[0]
    units, arrays, lines = int(group.N), {}, []
    projections: dict[str, Any] = {}
    heard: dict[str, Any] = {}
    taken = {*group.user_equations, *constants}
    push = next(word for word in ("drive", *(f"drive_{number}" for number in range(len(taken) + 1))) if word not in taken)
    parameters = {key: _number(value, f"{key} of the script") for key, value in constants.items()}
    calls = {target: f"W_{target}({source})" for target, (source, _) in summed.items()}
    calls |= {inputs: f"{inputs}(t, i)"} if inputs else {}
    calls |= {driven: f"({calls.get(driven, driven)} + {push}(t, i))"} if driven else {}
    noisy = any("xi" in line.expr.identifiers for line in group.user_equations.values() if line.expr is not None)
    calls |= {"xi": "xi_(t, i)"} if noisy else {}
    for line in group.user_equations.values():
        unit = _unit(line.dim)
        if line.type == PARAMETER:
            if line.varname == inputs or line.varname in summed:
                continue
            parameters[line.varname] = _number(
                b2.Quantity(np.asarray(group.variables[line.varname].get_value()), dim=line.dim), line.varname, "units"
            )
            lines.append(f"{line.varname} : {unit} (constant)")
            continue
        text = re.sub(r"\b(" + "|".join(map(re.escape, calls)) + r")\b", lambda found: calls[found[1]], str(line.expr)) if calls else str(line.expr)
        held = line.type != DIFFERENTIAL_EQUATION and (line.varname == rate or "constant over dt" in line.flags)
        left = f"d{line.varname}/dt" if line.type == DIFFERENTIAL_EQUATION else line.varname
        lines.append(f"{left} = {' '.join(text.split())} : {unit}" + (" (constant over dt)" if held else ""))
    for target, (source, W) in summed.items():
        dim = group.variables[target].dim / group.variables[source].dim
        projections[f"W_{target}"] = {"rule": "gaussian", "unit": _unit(dim), "arguments": DRAWN, "learn": True}
        arrays[f"W_{target}"] = W
    if inputs:
        unit = _unit(group.variables[inputs].dim)
        heard = {inputs: {"unit": unit, "meaning": "channels, one a neuron", "weights": f"W_{inputs}"}}
        projections[f"W_{inputs}"] = {"rule": "gaussian", "columns": "channels", "arguments": DRAWN}
        arrays[f"W_{inputs}"] = np.eye(units)
    if driven:
        heard[push] = {"unit": _unit(group.variables[driven].dim), "meaning": "currents that prepare, and pushes"}
    if noisy:
        heard["xi_"] = {"unit": "second**-0.5", "meaning": "white noise", "noise": True}
    states = {line.varname: line for line in group.user_equations.values() if line.type == DIFFERENTIAL_EQUATION}
    starts = {state: b2.Quantity(np.asarray(group.variables[state].get_value()), dim=line.dim) for state, line in states.items()}
    card = Model.model_validate({
        "name": name, "kind": "rate", "title": f"{units} neurons of a Brian2 script", "paper": "none: read from a network of Brian2",
        "units": units, "channels": units if inputs else 0, "rate": rate, "integrator": METHODS[group.method_choice],
        "dt": {"value": float(group.dt / b2.ms), "unit": "ms", "meaning": "integration step"}, "equations": "\n".join(lines) + "\n",
        "parameters": parameters, "inputs": heard, "projections": projections,
        "initial_values": {state: _number(value, f"{state} at the start") for state, value in starts.items() if np.any(np.asarray(value))},
    })  # fmt: skip
    return card.with_arrays(arrays)


def _unit(dim: Any) -> str:
    """Return the unit of these dimensions as a card writes it, in SI."""
    if dim.is_dimensionless:
        return "1"
    metre, kilogram, second, ampere, *others = (Fraction(float(power)).limit_denominator(12) for power in dim._dims)
    if any(others):
        raise CardError(f"unit {get_unit(dim)!r} is none that a card has, which are of lengths, masses, times and currents.")
    return said_dimensions((metre, kilogram, second, ampere))


def _number(value: Any, meaning: str, over: str | None = None) -> dict[str, Any]:
    plain = np.asarray(value, dtype=float)
    alike = plain.ndim == 0 or bool((plain == plain.flat[0]).all())
    found = {
        "value": float(plain.flat[0]) if alike else plain.tolist(),
        "unit": _unit(b2.get_dimensions(value)),
        "meaning": meaning,
        "source": "script",
    }
    return found | ({"over": over} if over else {})
