"""A spiking circuit as Brian2 objects: groups, synapses and monitors under fixed names, the same for every code target."""

from dataclasses import dataclass, field
from typing import Any

import brian2 as b2
import numpy as np
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.functions import Function
from numpy import ndarray

from cortex_sim.cards.spiking import blocks, delays, equation_lines, same_delay, written_condition, written_equations, written_statements
from cortex_sim.simulation._spiking_inputs import Source
from cortex_sim.simulation._spiking_problem import HELD, SpikingProblem, Wire, kind_text
from cortex_sim.simulation.brian._calls import base_unit, unit_named

CALLS = {"drive": [], "noise": [], "poisson": [b2.hertz], "recorded": []}  # units of what comes before t and i


@dataclass
class Circuit:
    """Brian2 objects of one circuit.

    Attributes:
        groups: by kind of neuron.
        synapses: in the order of ``plan.wires()``.
        monitors: of spikes, by kind of spiking neuron.
        sources: the inputs of the present trial, by kind and name; replaced for every trial.
    """

    groups: dict[str, b2.NeuronGroup] = field(default_factory=dict)
    synapses: list[b2.Synapses] = field(default_factory=list)
    monitors: dict[str, b2.SpikeMonitor] = field(default_factory=dict)
    sources: dict[tuple[str, str], Source] = field(default_factory=dict)
    others: list[Any] = field(default_factory=list)

    @property
    def network(self) -> b2.Network:
        """Return a network of all these objects, ready to run."""
        return b2.Network(*self.groups.values(), *self.synapses, *self.monitors.values(), *self.others, name="circuit")


def assemble(problem: SpikingProblem, *, compiled: bool) -> Circuit:
    """Return the groups, synapses and monitors of a circuit; synapses are not connected yet and no values are set.

    Args:
        problem: circuit and task.
        compiled: for C++ standalone, which reads each trial's inputs from files; otherwise inputs are NumPy functions on every target.
    """
    made = Circuit()
    for kind in sorted(problem.model.neurons, key=lambda kind: len(problem.model.neurons[kind].linked)):
        made.groups[kind] = _group(problem, kind, made, compiled)
    for number, wire in enumerate(problem.wires()):
        synapse = problem.model.synapses[wire.synapse]
        late = {f"{name}_pre": f"{_past(number, name)}_pre" for name, _ in problem.late(wire)}
        made.synapses.append(b2.Synapses(
            made.groups[wire.pre], made.groups[wire.post],
            f"w : {base_unit(synapse.weight)}\n{written_equations(synapse.equations, late)}",
            on_pre=_statements(synapse.on_pre), on_post=_statements(synapse.on_post),
            dt=problem.dt * b2.second, namespace={}, name=f"wire_{number}", method="euler",
            dtype={"w": np.float32},  # as they were drawn
        ))  # fmt: skip
    return made


def _group(problem: SpikingProblem, kind: str, made: Circuit, compiled: bool) -> b2.NeuronGroup:
    part, units = problem.model.neurons[kind], {name: base_unit(value.unit) for name, value in problem.model.neurons[kind].parameters.items()}
    text = kind_text(part, list(problem.shared(kind)), problem.spread(kind), units)
    text += "".join(f"\n{name} : {_unit_of(problem, link.neurons, link.variable)} (linked)" for name, link in part.linked.items())
    late = {_past(number, name): (name, lag) for number, wire in enumerate(problem.wires()) if wire.pre == kind for name, lag in problem.late(wire)}
    text += "".join(f"\n{past} : {_unit_of(problem, kind, name)}" for past, (name, _) in late.items())
    silenced = bool(part.threshold) and (compiled or any(clamp.units.size for clamp in problem.task.clamps))
    threshold, refractory = (text and written_condition(text) for text in (part.threshold, part.refractory))
    threshold = f"({threshold}) and not held" if silenced else threshold
    called = problem.called(kind) + ([HELD] if silenced else [])
    group = b2.NeuronGroup(
        problem.size(kind), text + ("\nheld : boolean" if silenced else ""), threshold=threshold, reset=_statements(part.reset),
        refractory=refractory or False, method=part.integrator, dt=problem.dt * b2.second, name=f"kind_{kind}",
        order=-1 if part.linked else 0,  # what is read from another kind is its value at the start of the step, as Euler wants
        namespace={name: _input(problem, kind, name, made, compiled) for name in called}
        | {f"{past}_now": _delay_line(past, lag, problem.dt) for past, (_, lag) in late.items()},
    )  # fmt: skip
    for name, link in part.linked.items():
        setattr(group, name, b2.linked_var(made.groups[link.neurons], link.variable, index=_reads(problem, kind)))
    lines = [f"{past} = {past}_now({name}, t, i)" for past, (name, _) in late.items()]
    begun = {"steps": written_statements(part.each_step), "hold": f"held = {HELD}(t, i) > 0" * silenced, "late": "\n".join(lines)}
    for order, (name, steps) in enumerate(begun.items()):
        if steps:
            group.run_regularly(steps, when="start", order=order, name=f"{name}_{kind}", codeobj_class=None if compiled else NumpyCodeObject)
    if part.threshold:
        made.monitors[kind] = b2.SpikeMonitor(group, name=f"spikes_{kind}")
    return group


def _statements(text: str | None) -> str | None:
    return None if text is None else written_statements(text)


def _unit_of(problem: SpikingProblem, kind: str, variable: str) -> str:
    """Return the unit that a kind's equations give a variable."""
    part = problem.model.neurons[kind]
    if link := part.linked.get(variable):
        return _unit_of(problem, link.neurons, link.variable)
    for line in equation_lines(part.equations, kind):
        if line.name == variable:
            return line.unit
    return base_unit(part.parameters[variable].unit)


def _reads(problem: SpikingProblem, kind: str) -> ndarray:
    """Return which unit of the linked kind each neuron reads."""
    parts = [(problem.model.populations[name], problem.model.size(name)) for name in problem.model.members(kind)]
    return np.concatenate([part.first + np.arange(size) // (part.each or size) for part, size in parts]).astype(np.int64)


def _input(problem: SpikingProblem, kind: str, name: str, made: Circuit, compiled: bool) -> Function:
    """Return an input as a Brian2 function of time and neuron."""
    type_, unit = ("drive", "1") if name == HELD else (problem.model.inputs[name].kind, problem.model.inputs[name].unit)
    returned = {"drive": unit_named(unit), "noise": b2.second**-0.5}.get(type_, b2.Unit(1))

    def call(*arguments: Any) -> ndarray:
        return getattr(made.sources[kind, name], type_)(*arguments)

    function = Function(
        call, arg_units=[*CALLS[type_], b2.second, 1], arg_types=[*["float"] * len(CALLS[type_]), "float", "integer"],
        return_unit=b2.Unit(1, dim=b2.get_dimensions(returned)), return_type="float", stateless=False, auto_vectorise=False,
    )  # fmt: skip
    function.implementations.add_implementation("numpy", code=call)
    if compiled:
        takes = "double rate, double t, int64_t i" if type_ == "poisson" else "double t, int64_t i"
        passes = takes.replace("double ", "").replace("int64_t ", "")
        code = f"""
        static inline double _{kind}_{name}({takes}) {{
            static cortex_sim::Source source("inputs/{kind}.{name}");
            return source.{type_}({passes});
        }}
        """
        function.implementations.add_implementation("cpp", code=code, name=f"_{kind}_{name}", compiler_kwds={"headers": ['"inputs.h"']})
    return function


def _past(wire: int, name: str) -> str:
    """Return the name of what the synapses of a wire read in place of a variable of their source."""
    return f"past_{wire}_{name}"


def _delay_line(past: str, lag: int, dt: float) -> Function:
    """Return a Brian2 function of a variable, time and neuron: its value some steps ago, and before the start that of the first step."""
    rows = np.zeros((lag, 0))

    def call(value: ndarray, t: float, i: ndarray) -> ndarray:
        nonlocal rows
        step, now = round(float(t) / dt), np.broadcast_to(value, i.shape)
        if not step:
            rows = np.tile(now, (lag, 1))
        then = rows[step % lag].copy()
        rows[step % lag] = now
        return then

    function = Function(
        call, arg_units=[None, b2.second, 1], arg_types=["float", "float", "integer"], stateless=False, auto_vectorise=False, return_type="float",
        return_unit=lambda value, *_: b2.Unit(1, dim=value.dim),
    )  # fmt: skip
    function.implementations.add_implementation("numpy", code=call)
    code = f"""
    static inline double _{past}(double value, double t, int64_t i) {{
        static cortex_sim::DelayLine line({lag}, {dt!r});
        return line.passed(value, t, i);
    }}
    """
    function.implementations.add_implementation("cpp", code=code, name=f"_{past}", compiler_kwds={"headers": ['"inputs.h"']})
    return function


def wired(problem: SpikingProblem, wire: Wire) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Return sources, targets, weights and delays of a wire's synapses; a single delay if all are equal."""
    parts, same = [block for name in wire.projections for block in blocks(problem.model, name)], same_delay(problem.model, wire.projections)
    delay = [delays(part, same) for part in parts]
    pre, post, weight = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pre", "post", "weight"))
    return pre, post, weight, np.concatenate(delay[:1] if same else delay)
