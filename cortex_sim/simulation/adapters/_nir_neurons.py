"""What NIR says of the neurons of a spiking card: the numbers of a leaky integrate-and-fire neuron, measured on its equations."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import numpy_mathematics, parsed, unit_values
from cortex_sim.cards.spiking import Neurons, SpikingModel, equation_lines, written_condition, written_statements
from cortex_sim.errors import CardError

Numbers = Float[ndarray, " neuron"]
LINEAR = 1e-9  # relative: what an equation that is linear may miss at a probe
PROBES = (0.37, -1.9, 2.3)  # points at which linearity is tested
CHANCE = ("noise", "poisson")
FREE = {"not_refractory": 1.0, "not_refractory_post": 1.0}  # of a neuron that has no refractory period
LIF = "tau dv/dt = v_leak - v + R I, with at most one synaptic current, dI/dt = -I/tau_syn"


@dataclass(frozen=True)
class Cell:
    """A kind of neurons in NIR's terms, in SI units: tau dv/dt = leak - v + tau gain I, and tau_syn dI/dt = -I if there is a current I.

    Attributes:
        v: name of the membrane potential.
        current: name of the synaptic current; None if spikes act on v itself.
        numbers: tau, leak, threshold and reset of each neuron, and tau_syn and gain if there is a current.
        push: what one unit of the drive adds to dv/dt; None if there is no drive, several, or NIR has no place for it.
        left: what is left out.
    """

    v: str
    current: str | None
    numbers: dict[str, Numbers]
    push: Numbers | None
    left: list[str] = field(default_factory=list)


def cell_of(model: SpikingModel, kind: str, parameters: Mapping[str, Any], size: int, without: Sequence[str]) -> Cell:
    """Return a kind of neurons in NIR's terms.

    Args:
        model: its circuit.
        kind: name of the neurons.
        parameters: one number, or one a neuron, in SI units.
        size: number of neurons.
        without: what the user lets go: "noise", "refractory".

    Raises:
        CardError: NIR has no such neurons.
    """
    part, place = model.neurons[kind], f"{model.name}: [neurons.{kind}]"
    if not part.threshold or part.linked:
        raise CardError(f"{place} {'reads another kind of neuron' if part.linked else 'does not fire'}; NIR's neurons are {LIF}.")
    text = parsed("\n".join(line._replace(flags=()).written for line in equation_lines(part.equations, kind)))
    given = {**numpy_mathematics(), **unit_values(text.names), **parameters, "dt": model.dt.si, "t": 0.0, "i": None} | FREE
    if unknown := sorted(text.names - given.keys() - set(text.equations)):
        raise CardError(f"{place} uses {unknown[0]!r}, of which NIR knows nothing; its neurons are {LIF}.")
    left, pushed = _each_step(model, part, place, given, without)
    left += _refractory(part, place, without) + _started(part)
    given |= dict.fromkeys(text.parameters, 0.0)

    def slopes(state: str, names: Sequence[str]) -> tuple[Numbers, dict[str, Numbers]]:
        def found(**values: float) -> Numbers:
            known = text.subexpressions({**given, **dict.fromkeys(text.states, 0.0), **values})
            return np.broadcast_to(np.asarray(text.derivative(known, state), dtype=float), (size,))

        return _linear(found, names, f"{place} d{state}/dt")

    v, threshold = _threshold(part, place, text.states, given, size)
    rest, by = slopes(v, [*text.states, *pushed])
    currents = [name for name in text.states if name != v]
    if len(currents) > 1 or (by[v] >= 0).any():
        raise CardError(f"{place} has the states {', '.join(text.states)}; NIR's neurons are {LIF}.")
    numbers = {"tau": -1 / by[v], "leak": -rest / by[v], "threshold": threshold, "reset": _reset(part, place, v, given, size)}
    for name in currents:
        base, decay = slopes(name, text.states)
        if base.any() or decay[v].any() or (decay[name] >= 0).any():
            raise CardError(f"{place} d{name}/dt is not -{name}/tau; NIR's neurons are {LIF}.")
        numbers |= {"tau_syn": -1 / decay[name], "gain": by[name]}
    total = [by[name] * factor for name, factor in pushed.items()]
    alone = len(pushed) == 1 and not currents
    left += [] if alone else [f"{name}: drives" for name in pushed]
    return Cell(v, currents[0] if currents else None, numbers, total[0] if alone else None, left)


def factor_of(statements: str, place: str) -> tuple[str, float]:
    """Return the variable of the target that a spike adds to, and by how many weights.

    Raises:
        CardError: a spike does anything else.
    """
    lines = written_statements(statements).splitlines()
    name, sign, right = lines[0].partition(" += ")
    if len(lines) == 1 and sign and name.endswith("_post"):
        names = {node.id for node in ast.walk(ast.parse(right)) if isinstance(node, ast.Name)}
        if names <= {"w", *FREE, *numpy_mathematics(), *(given := unit_values(frozenset(names)))}:
            none, one, two = (float(_value(right, {**given, **numpy_mathematics(), **FREE, "w": w})) for w in (0.0, 1.0, 2.0))
            if none == 0 and abs(two - 2 * one) <= LINEAR * abs(two):
                return name.removesuffix("_post"), one
    raise CardError(f"{place} {' '.join(lines)!r} is more than NIR's synapses do, which add their weight (I_post += w).")


def _value(right: str, values: Mapping[str, Any]) -> Any:
    """Return the value of an expression of the grammar of cards."""
    return parsed(f"dfound/dt = {right} : 1").derivative(values)


def _linear(found: Any, names: Sequence[str], what: str) -> tuple[Numbers, dict[str, Numbers]]:
    """Return the value at 0 and the slopes of a function of several variables that is linear in all of them."""
    base = found()
    slopes = {name: found(**{name: 1.0}) - base for name in names}
    for shift in PROBES:
        point = {name: shift + number for number, name in enumerate(names)}
        wanted = base + sum(slopes[name] * value for name, value in point.items())
        size = abs(base) + sum(abs(slopes[name] * value) for name, value in point.items())
        if not (abs(found(**point) - wanted) <= LINEAR * size).all():
            raise CardError(f"{what} is not linear in {' and '.join(names)} (a conductance?); NIR's neurons are {LIF}.")
    return base, slopes


def _threshold(part: Neurons, place: str, states: Sequence[str], given: Mapping[str, Any], size: int) -> tuple[str, Numbers]:
    """Return the membrane potential, and its threshold."""
    condition = written_condition(str(part.threshold))
    match ast.parse(condition, mode="eval").body:
        case ast.Compare(left=ast.Name(id=v), ops=[ast.Gt()], comparators=[right]) if v in states:
            pass
        case ast.Compare(left=right, ops=[ast.Lt()], comparators=[ast.Name(id=v)]) if v in states:
            pass
        case _:
            raise CardError(f"{place} threshold {condition!r} is none of NIR's, which is v > theta.")
    return v, _settled(ast.unparse(right), f"{place} threshold {condition!r}", given, size)


def _reset(part: Neurons, place: str, v: str, given: Mapping[str, Any], size: int) -> Numbers:
    lines = written_statements(str(part.reset)).splitlines()
    name, sign, right = lines[0].partition(" = ")
    if len(lines) > 1 or not sign or name != v:
        raise CardError(f"{place} reset {'; '.join(lines)!r} is none of NIR's, which is {v} = v_reset.")
    return _settled(right, f"{place} reset {lines[0]!r}", given, size)


def _settled(right: str, what: str, given: Mapping[str, Any], size: int) -> Numbers:
    """Return the value of an expression of parameters alone."""
    names = {node.id for node in ast.walk(ast.parse(right)) if isinstance(node, ast.Name)}
    if changing := sorted(names - given.keys() - unit_values(frozenset(names)).keys()):
        raise CardError(f"{what} depends on {changing[0]!r}; in NIR it is one number for each neuron.")
    return np.broadcast_to(np.asarray(_value(right, {**given, **unit_values(frozenset(names))}), dtype=float), (size,)).copy()


def _each_step(model: SpikingModel, part: Neurons, place: str, given: dict[str, Any], without: Sequence[str]) -> tuple[list[str], dict[str, float]]:
    """Return what statements of each step are left out, and by how much a drive changes each variable that it sets."""
    left: list[str] = []
    pushed: dict[str, float] = {}
    for line in written_statements(part.each_step).splitlines():
        names = {node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
        heard = {name: model.inputs[name].kind for name in sorted(names & model.inputs.keys())}
        if chance := [name for name, kind in heard.items() if kind in CHANCE]:
            if "noise" not in without:
                raise CardError(
                    f"{place} each_step {line!r} adds chance ({chance[0]}), of which NIR has none; say without=['noise'] (--without noise)."
                )
            left.append(f"{chance[0]}: {heard[chance[0]]} input")
            continue
        name, _, right = line.partition(" = ")
        if not heard or set(heard.values()) != {"drive"} or not right:
            raise CardError(f"{place} each_step {line!r} is more than NIR's neurons do, which take inputs as they are.")
        silent, one = (
            float(_value(right, {**given, **dict.fromkeys(heard, lambda t, i, now=size: now)})) for size in (0.0, 1.0)
        )  # fmt: skip
        if silent:
            raise CardError(f"{place} each_step {line!r} sets {name} to {silent:g} without a drive; make it a parameter.")
        pushed[name] = one
    return left, pushed


def _refractory(part: Neurons, place: str, without: Sequence[str]) -> list[str]:
    if part.refractory is None:
        return []
    if "refractory" not in without:
        raise CardError(
            f"{place} has a refractory period ({part.refractory}), and NIR's neurons have none; say without=['refractory'] (--without refractory)."
        )
    return [f"refractory period: {part.refractory}"]


def _started(part: Neurons) -> list[str]:
    return [f"{name} at the start: NIR has no initial states" for name, value in part.start.items() if value.value or value.width]
