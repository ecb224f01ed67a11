"""A model's equation text as a differentiable torch module."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from torch.nn.functional import linear

from cortex_sim.cards import MATHEMATICS, Model, first_passage, refuse_other_shapes, unit_values
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.forms import Gated, Leaky, coefficients, gated, recurrent_of
from cortex_sim.simulation.torch._constraints import constraint_of
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._leaky_kernel import LeakySteps
from cortex_sim.simulation.torch._past import Past
from cortex_sim.tasks.body import BodyTrajectory

State = Float[Tensor, "trial state"]
OWN = "card:"  # begins the name of an array of a card where a module has an attribute of that name
STEEPNESS = 10.0  # beta of the surrogate derivative, per unit of what spike() is called with


class Run(NamedTuple):
    """A run of a twin: rates and states at the start of every bin, the state after the last step, and the trajectory of a body.

    The state after the last step is followed by what is in transit in delayed projections and by the state of the body, where there are any.
    Torch's own kernels keep no states.
    """

    rates: Float[Tensor, "trial time unit"]
    states: Float[Tensor, "trial time state"] | None
    last: State
    course: BodyTrajectory | None = None


class Twin(nn.Module):
    """A model that computes in torch, step for step, what it computes in Brian2.

    Arrays that the card marks ``learn`` are parameters, the others are buffers. Constraints are parametrisations.

    Args:
        model: its equation text is evaluated as it stands.
        arrays: weights and per-unit parameters, by name.
        dtype: float64 for the twin of a circuit, float32 to train.
        device: that it computes on.
    """

    def __init__(self, model: Model, arrays: Mapping[str, ndarray], *, dtype: torch.dtype = torch.float64, device: str = "cpu") -> None:
        super().__init__()
        refuse_other_shapes(model, arrays)
        self.model, self.equations, self.dtype, self.device = model, model.parsed, dtype, device
        self._fixed_arrays: dict[str, ndarray] = {}
        self.constants = _mathematics(dtype) | unit_values(self.equations.names) | model.scalars | {"dt": model.dt.si}
        taken = dir(self)
        self._attributes = {name: OWN + name if name in taken or name.startswith("_") else name for name in arrays}
        for name, array in arrays.items():
            part = model.projections.get(name) or model.parameters[name]
            value = torch.tensor(array, dtype=dtype)
            if part.learn:
                self.register_parameter(self._attributes[name], nn.Parameter(value))
            else:
                self.register_buffer(self._attributes[name], value)
                self._fixed_arrays[name] = array
            if part.learn and name in model.projections and (constraint := constraint_of(model, name, value)):
                self.parametrise(name, constraint)
        self.to(device)
        self._recurrent = None if self._gain_learns() else recurrent_of(model)
        self._tanh = self._recurrent is not None and Leaky(model, self._recurrent).is_tanh(arrays)
        self._gated = gated(model)

    def tensor(self, array: ndarray) -> Tensor:
        """Return an array in this twin's precision, on its device."""
        return torch.tensor(array, dtype=self.dtype, device=self.device)

    def array(self, name: str) -> Tensor:
        """Return the current weights or parameter of this name."""
        found: Tensor = getattr(self, self._attributes[name])
        return found

    def _gain_learns(self) -> bool:
        """Return whether the rate depends on learned parameters, whose derivatives the fast loops do not give."""
        return any(self.model.parameters[name].learn for name in self.equations.used_by(self.model.rate) if name in self.model.parameters)

    def learns(self, name: str) -> bool:
        """Return whether an array is learned."""
        return name not in self._fixed_arrays

    def parametrise(self, name: str, part: nn.Module) -> None:
        """Have an array follow from other numbers, which are learned in its place; its value stays."""
        value, again = self.array(name).detach().clone(), bool(self.parametrisations(name))
        nn.utils.parametrize.register_parametrization(self, self._attributes[name], part)
        if again:  # torch appends to what is there, and leaves the numbers that are learned
            setattr(self, self._attributes[name], value)

    def parametrisations(self, name: str) -> Any:
        """Return what an array follows from the learned numbers by, one after the other; empty if it is learned itself."""
        learned = nn.utils.parametrize.is_parametrized(self, self._attributes[name])
        return getattr(self.parametrizations, self._attributes[name]) if learned else []

    def arrays(self) -> dict[str, ndarray]:
        """Return the current weights and per-unit parameters, by name, in float64."""
        names = [*self.model.projections, *(n for n, p in self.model.parameters.items() if p.over)]
        return {name: self._fixed_arrays[name] if name in self._fixed_arrays else self._exact(name).detach().cpu().numpy() for name in names}

    def _exact(self, name: str) -> Tensor:
        """Return an array in float64; factors are multiplied in float64, so that the rank of their product survives."""
        if not (parts := self.parametrisations(name)):
            return self.array(name).double()
        first, *after = parts
        found = first(*(learned.double() for learned in parts.parameters()))
        for part in after:
            found = part(found)
        return found

    def start(self, problem: Problem) -> State:
        """Return the state at the start of a schedule; from the encoder, if there is one, so that it can be learned."""
        if self.model.initial is None or problem.task.initial is None:
            return self.tensor(problem.start())
        return self.encode(self.tensor(problem.task.initial))

    def encode(self, observed: Float[Tensor, "trial observed"]) -> State:
        """Return the state that the learned encoder gives for observed rates."""
        assert self.model.initial is not None
        return linear(observed, self.array(self.model.initial.weights), self.array(self.model.initial.offset))

    def forward(self, problem: Problem) -> Float[Tensor, "trial time unit"]:
        """Run a schedule and return the rates of the model's units at every bin."""
        return self.unroll(self.start(problem), Inputs(self, problem), problem).rates

    def unroll(self, state: State, inputs: Inputs, problem: Problem, first: int = 0, stop: int | None = None) -> Run:
        """Step a state through a schedule's inputs from ``first`` to before ``stop``, and keep what is at the start of every bin."""
        steps = range(first, problem.steps if stop is None else stop)
        if problem.task.body or any(course[steps.start : steps.stop].any() for *_, course in problem.clamps):
            return self.step_through(state, inputs, problem, steps)
        if self._recurrent:
            return self._unroll_leaky(state, inputs, problem, steps)
        if self._gated:
            return self._unroll_gated(self._gated, state, inputs, problem, steps)
        return self.step_through(state, inputs, problem, steps)

    def step_through(self, state: State, inputs: Inputs, problem: Problem, steps: range) -> Run:
        """Run the equation text itself, step by step, together with the task's body if there is one."""
        fixed, rates, states = self._fixed(), [], []
        size, width = self.model.dimension, Past.width(self) if steps.start else 0
        past = Past(self, state[:, size : size + width] if width else None)
        moving, state = inputs.moving(state[:, size + width :]), state[:, :size]
        for step in steps:
            values = fixed | past.products() | inputs.at(step, moving) | {"t": step * problem.dt, "i": None}
            before = state
            state, rate = self._step(state, values, lambda rate, now=step: _clamped(rate, problem, now), past)
            rate = rate.expand(len(state), self.model.units)  # which may be the same in all trials, where nothing varies
            if step % problem.every == 0:
                states.append(before)
                rates.append(rate)
                if moving:
                    moving.keep()
            if moving:
                moving.step(self.observe(rate), step)
        kept, onward = (torch.stack(rates, dim=1), torch.stack(states, dim=1)), [state, *past.kept()]
        if moving is None:
            return Run(*kept, torch.cat(onward, dim=1) if len(onward) > 1 else state)
        return Run(*kept, torch.cat([*onward, moving.state], dim=1), moving.course)

    def _unroll_leaky(self, state: State, inputs: Inputs, problem: Problem, steps: range) -> Run:
        """Run a leaky network, whose steps are known in closed form."""
        name, fixed = self.equations.state, self._fixed() | {"t": 0.0, "i": None}

        def derivative(x: Any, coupling: Any, given: Mapping[str, Any]) -> Tensor:
            known = {name: x + state.new_zeros(self.model.units), str(self._recurrent): lambda rate: coupling}
            known |= {name: lambda t, i, now=value: now for name, value in given.items()}
            return self.equations.derivative(self.equations.subexpressions({**fixed, **known}), name) + state.new_zeros(self.model.units)

        found = coefficients(derivative, self.model.dt.si, tuple(self.model.inputs))
        u = inputs.summed(found.inputs, steps)
        u = (found.constant if u is None else found.constant + u).expand(len(steps), *state.shape)
        base = {key: value for key, value in fixed.items() if key in self.equations.used_by(self.model.rate)}

        def gain(x: Tensor) -> Tensor:
            return self.equations.subexpressions({**base, name: x}, wanted=self.model.rate)[self.model.rate]

        coupling = found.coupling[:, None] * self.array(str(self._recurrent))
        states, rates, last = LeakySteps.apply(state, coupling, found.decay, u, gain, self._tanh)
        kept = slice(-steps.start % problem.every, None, problem.every)
        return Run(rates[kept].transpose(0, 1), states[kept].transpose(0, 1), last)

    def _unroll_gated(self, form: Gated, state: State, inputs: Inputs, problem: Problem, steps: range) -> Run:
        """Run a gated network with torch's own kernel, from one step at which it is driven to the next; the drive is added behind the gates."""
        u = inputs.channels(steps)
        if u is None:
            u, W_u = state.new_zeros(len(state), len(steps), 1), state.new_zeros(len(form.gates) * self.model.units, 1)
        else:
            W_u = torch.cat([self.array(gate.heard) for gate in form.gates])
        W_h = torch.cat([self.array(gate.recurrent) for gate in form.gates])
        weights = [W_u, W_h, self._by_gate([gate.bias for gate in form.gates]), self._by_gate([gate.inner for gate in form.gates])]
        driven = [step for step in steps if any(course[step] for _, course in problem.patterns)]
        share = self.model.dt.si / self._by_gate([form.push])
        parts = [state.split(self.model.units, dim=1)[-1][:, None]]
        for first, stop in pairwise([steps.start, *(step + 1 for step in driven), steps.stop]):
            if first < stop:
                made, state = _through_gates(form, u[:, first - steps.start : stop - steps.start], state, weights)
                if stop - 1 in driven:
                    *cells, h = state.split(self.model.units, dim=1)
                    h = h + share * sum(inputs.driven(stop - 1).values())
                    made, state = torch.cat([made[:, :-1], h[:, None]], dim=1), torch.cat([*cells, h], dim=1)
                parts.append(made)
        shown = slice(1, None) if form.after else slice(0, -1)
        return Run(torch.cat(parts, dim=1)[:, shown][:, -steps.start % problem.every :: problem.every], None, state)

    def _by_gate(self, names: Sequence[str | None]) -> Tensor:
        """Return a per-unit parameter for each gate, concatenated; 0 where a gate has none."""
        known = {None: 0.0} | self.constants
        values = [known[name] if name in known else self.array(str(name)) for name in names]
        return torch.cat([torch.as_tensor(value, dtype=self.dtype, device=self.device).expand(self.model.units) for value in values])

    def observe(self, rates: Float[Tensor, "trial time unit"]) -> Float[Tensor, "trial time observed"]:
        """Return observed rates, given rates of the model's units."""
        if (readout := self.model.readout) is None:
            return rates
        return linear(rates, self.array(readout.weights), self.array(readout.offset))

    def made(self, run: Run, problem: Problem) -> Float[Tensor, "trial time output"]:
        """Return the output of a run: observed rates, or what the task's body makes of them."""
        if (body := problem.task.body) is None or run.course is None:
            return self.observe(run.rates)
        return body.made(body.posture(run.course.postures), torch)

    def rate(self, state: Float[Tensor, "... state"]) -> Float[Tensor, "... unit"]:
        """Return the rates of units in a given state, for rates that depend on the unit's own state alone."""
        variables = dict(zip(self.equations.states, state.split(self.model.units, dim=-1), strict=True))
        fixed = self.constants | {name: self.array(name) for name in self.equations.parameters}
        return self.equations.subexpressions({**fixed, **variables}, wanted=self.model.rate)[self.model.rate]

    def jacobian(self, state: Float[Tensor, " state"]) -> Float[Tensor, "state state"]:
        """Return the derivative of one undriven step with respect to the state: trial n of a batch gives the gradient of entry n of the new state."""
        fixed = self._fixed() | {name: lambda t, i: 0.0 for name in self.model.inputs} | {"t": 0.0, "i": None}
        with torch.enable_grad():
            states = state.expand(len(state), -1).clone().requires_grad_()
            after, _ = self._step(states, fixed, lambda rate: rate)
            return torch.autograd.grad(after.diagonal().sum(), states)[0]

    def _fixed(self) -> dict[str, Any]:
        """Return all that the equations name and that does not change from step to step, at the current weights."""
        fixed = self.constants | {name: self.array(name) for name in self.equations.parameters}
        return fixed | {name: _product(self.array(name)) for name in self.equations.called() & self.model.projections.keys()}

    def _step(self, state: State, values: Mapping[str, Any], clamp: Callable[[Tensor], Tensor], past: Past | None = None) -> tuple[State, Tensor]:
        """Return the state one integrator step later, and the rate before it; store what enters delayed projections in their past."""
        variables = dict(zip(self.equations.states, state.split(self.model.units, dim=-1), strict=True))
        is_state = self.model.rate in variables
        if is_state:
            variables[self.model.rate] = clamp(variables[self.model.rate])
        known = before = self.equations.subexpressions({**values, **variables})
        if not is_state and (held := clamp(known[self.model.rate])) is not known[self.model.rate]:
            known = self.equations.varying(known, self.model.rate, held)
        if past is not None:
            past.go_on(known, before, len(state))
        return torch.cat([self._integrate(name, known) for name in variables], dim=-1), known[self.model.rate]

    def _integrate(self, name: str, known: dict[str, Any]) -> Float[Tensor, "trial unit"]:
        """Return one variable a step later, with the others held fixed."""
        dt, now = self.model.dt.si, known[name]

        def flow(x: Tensor) -> Tensor:
            return self.equations.derivative(self.equations.varying(known, name, x), name)

        if self.model.integrator == "euler":
            return now + dt * self.equations.derivative(known, name)
        velocity, slope = torch.func.jvp(flow, (now,), (torch.ones_like(now),))
        exact = torch.expm1(slope * dt) / torch.where(slope == 0, 1.0, slope)
        return now + velocity * torch.where(slope == 0, dt, exact)


def _through_gates(
    form: Gated, u: Float[Tensor, "trial step channel"], state: State, weights: list[Tensor]
) -> tuple[Float[Tensor, "trial step unit"], State]:
    """Return the rates after each step, and the state after the last."""
    *cells, h = (part[None].contiguous() for part in state.chunk(1 + form.cells, dim=1))
    if form.cells:
        made, *ends = torch.lstm(u, (h, *cells), weights, True, 1, 0.0, False, False, True)
        ends.reverse()
    else:
        made, *ends = torch.gru(u, h, weights, True, 1, 0.0, False, False, True)
    return made, torch.cat([end[0] for end in ends], dim=1)


def _clamped(rate: State, problem: Problem, step: int) -> State:
    for gain, rows, wanted, course in problem.clamps:
        if course[step]:
            G, C, z = (torch.tensor(array, dtype=rate.dtype, device=rate.device) for array in (gain, rows, wanted))
            rate = rate + (z - rate @ C.T) @ G.T
    return rate


def _product(weights: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda rate: linear(rate, weights)


def _mathematics(dtype: torch.dtype) -> dict[str, Any]:
    def lifted(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda x, *bounds: call(x if isinstance(x, Tensor) else torch.tensor(x, dtype=dtype), *bounds)

    plain = {name: lifted(getattr(torch, name)) for name in MATHEMATICS if name != "int"}
    whole = lambda number: torch.trunc(torch.as_tensor(number).to(dtype))  # noqa: E731
    return plain | {"int": whole, "siegert": lambda *given: _siegert(given, dtype), "spike": spike}


def spike(x: Tensor) -> Tensor:
    """Return 1 where x > 0, else 0; the derivative is that of a fast sigmoid, 1/(1 + beta |x|)^2 (Zenke & Ganguli 2018, Neural Comput 30:1514)."""
    soft = x / (1 + STEEPNESS * x.abs())
    return (x > 0).to(x.dtype) + (soft - soft.detach())


def _siegert(given: tuple[Any, ...], dtype: torch.dtype) -> Tensor:
    return first_passage(*(torch.as_tensor(value, dtype=dtype) for value in given), xp=torch, special=torch.special)
