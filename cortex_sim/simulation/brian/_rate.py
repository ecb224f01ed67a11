"""Rate equations in Brian2, run as written: all trials in one group, one BLAS product per projection and step; no compiler is needed."""

from collections.abc import Callable, Mapping
from itertools import cycle

import brian2 as b2
import numpy as np
from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
from brian2.core.functions import Function
from brian2.core.network import Network
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.cards import FUNCTIONS, GIVEN, SCALES, Model, first_passage, scale
from cortex_sim.runtime import track
from cortex_sim.simulation._divergence import BOUND, refuse_divergence
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.brian._calls import base_unit, sentence_of, stopped_cleanly, uncollected, unit_named
from cortex_sim.tasks import Task
from cortex_sim.tasks.body import BodyTrajectory, Moving

SIEGERT = [b2.volt, b2.volt, b2.second, b2.second, b2.volt, b2.volt]  # mu, sigma, tau, refractory, threshold, reset
OWN = "card_"  # begins the names that a card's own names have in Brian2


def run(problem: Problem) -> tuple[Float[ndarray, "trial time unit"], BodyTrajectory | None]:
    """Integrate the model's equations and return its rates in every bin, and the trajectory of the task's body, if it has one.

    Args:
        problem: the model, its weights and the task.

    Raises:
        CardError: Brian2 refuses the equations; its own message is passed on.
        Diverged: a state or rate diverged.
        KeyboardInterrupt: the run was interrupted.
    """
    with uncollected(), stopped_cleanly() as asked:
        return _run(problem, asked)


def _run(problem: Problem, asked: list[int]) -> tuple[Float[ndarray, "trial time unit"], BodyTrajectory | None]:
    body, task = problem.task.body, problem.task
    moving = None if body is None else Moving(body, Moving.start(body, task.trials, problem.dt), problem.dt, problem.loads)
    group = _group(problem, moving)
    recorder = _Recorder(group, problem, moving)
    network = Network(group, recorder)
    duration = (problem.steps - 0.5) * problem.dt
    with track(f"{problem.model.name} in Brian2, {problem.task.trials} trials") as report:

        def show(elapsed: object, done: float, start: object, total: object) -> None:  # noqa: ARG001 - Brian2's signature
            report(float(done), "simulated")

        how = {"namespace": {}, "report": show, "report_period": 0.5 * b2.second}
        if not asked:
            sentence_of(problem.model.name, lambda: network.run(duration * b2.second, **how), own_names(problem.model))
    return recorder.rates, None if moving is None else moving.course


def check(model: Model, task: Task) -> None:
    """Check the equations in Brian2, units included, and run them on a task without connections.

    Raises:
        CardError: Brian2's own message, with the card's name in front.
    """
    deaf = model.with_arrays({}, channels=0)
    blank = {name: np.zeros((deaf.size(p.rows), deaf.size(p.columns))) for name, p in deaf.projections.items()}
    blank |= {name: p.spread(deaf.size(p.over)) for name, p in deaf.parameters.items() if p.over}
    run(Problem(deaf, blank, task))


def _group(problem: Problem, moving: Moving | None) -> b2.NeuronGroup:
    model, task = problem.model, problem.task

    text, names = model.parsed, own_names(model)
    written = text.rewritten(names, lambda unit: unit if scale(unit) == 1 else base_unit(unit))
    clock = b2.Clock(problem.dt * b2.second)
    namespace = _namespace(problem, moving, names, clock)

    def build() -> b2.NeuronGroup:
        group = b2.NeuronGroup(
            task.trials * model.units, written, method=model.integrator, clock=clock,
            namespace=namespace, codeobj_class=NumpyCodeObject,
        )  # fmt: skip
        for name in text.parameters:
            group.variables[names[name]].get_value()[:] = np.tile(problem.arrays[name], task.trials)
        for name, values in zip(text.states, np.split(problem.initial(), len(text.states), axis=1), strict=True):
            group.variables[names[name]].get_value()[:] = values.ravel()
        return group

    return sentence_of(model.name, build, names)


def own_names(model: Model) -> dict[str, str]:
    """Return a substitute, without meaning in Brian2, for every name of a card, numbered in the order of the text.

    Brian2 sorts the terms of a sum by name; numbering them in the order of the text makes its results independent of the card's names.
    """
    text = model.parsed
    kept = {*GIVEN, *FUNCTIONS, *SCALES} - text.equations.keys()
    return {name: f"{OWN}{number:03d}" for number, name in enumerate(name for name in text.mentioned() if name not in kept)}


def _namespace(problem: Problem, moving: Moving | None, names: Mapping[str, str], clock: b2.Clock) -> dict[str, object]:
    """Return everything that the equations name: parameters with their units, projections and inputs as functions."""
    model, task = problem.model, problem.task
    known: dict[str, object] = {name: p.value * unit_named(p.unit) for name, p in model.parameters.items() if p.over is None}
    known["spike"] = _function(lambda x: (x > 0).astype(float), arg_units=[1], arg_types=["float"], return_unit=1)
    known["siegert"] = _function(first_passage, arg_units=SIEGERT, arg_types=["float"] * len(SIEGERT), return_unit=b2.Hz)
    for name in model.projections:
        product = _product(problem.arrays[name], task.trials, model.parsed.times_called(name))
        call = _Late(product, model.lags[name], clock) if name in model.lags else product
        unit = b2.get_dimensions(unit_named(model.projections[name].unit))
        carried = lambda given, unit=unit: b2.Unit(1, dim=given.dim * unit)  # noqa: E731
        known[name] = _function(call, arg_units=[None], arg_types=["float"], return_unit=carried)
    for name, item in model.inputs.items():
        unit = b2.get_dimensions(unit_named(item.unit))
        source = _OncePerStep(_NoiseSource(problem, name) if item.noise else _InputSource(problem, name, moving), problem.dt)
        known[name] = _function(source, arg_units=[b2.second, 1], arg_types=["float", "integer"], return_unit=b2.Unit(1, dim=unit))
    return {names.get(name, name): value for name, value in known.items() if name in model.parsed.mentioned()}


def _function(call: object, **keywords: object) -> Function:
    """Return a Brian2 function that takes whole arrays without units, and that returns the same for the same arguments within a step."""
    function = Function(call, return_type="float", auto_vectorise=False, stateless=True, **keywords)
    function.implementations.add_implementation("numpy", code=call)
    return function


Product = Callable[[Float[ndarray, " neuron"]], Float[ndarray, " neuron"]]


def _product(W: Float[ndarray, "row column"], trials: int, calls: int) -> Product:
    """Return a projection as one matrix product for all trials.

    Each call has its own result array, since one expression may contain several.
    """
    transposed = np.ascontiguousarray(W.T)
    results = cycle([np.empty((trials, len(W))) for _ in range(calls)])

    def product(rate: Float[ndarray, " neuron"]) -> Float[ndarray, " neuron"]:
        return np.matmul(rate.reshape(trials, -1), transposed, out=next(results)).ravel()

    return product


class _Late:
    """A projection whose output is delayed by a number of steps; before the start, its output is that of the first step."""

    def __init__(self, product: Product, lag: int, clock: b2.Clock) -> None:
        self._product, self._lag, self._time = product, lag, clock.variables["timestep"]
        self._step, self._way, self._value = -1, np.zeros(0), np.zeros(0)

    def __call__(self, rate: Float[ndarray, " neuron"]) -> Float[ndarray, " neuron"]:
        if (step := int(self._time.get_value()[0])) != self._step:
            now = self._product(rate)
            if not step:
                self._way = np.tile(now, (self._lag, 1))
            place = step % self._lag
            self._step, self._value = step, self._way[place].copy()
            self._way[place] = now
        return self._value


class _OncePerStep:
    """An input that is evaluated once per step, however many equations name it."""

    def __init__(self, source: Callable[[int], Float[ndarray, " neuron"]], dt: float) -> None:
        self._source, self._dt, self._step, self._value = source, dt, -1, np.zeros(0)

    def __call__(self, t: float, i: Int[ndarray, " neuron"]) -> Float[ndarray, " neuron"]:
        if (step := round(float(t) / self._dt)) != self._step:
            self._step, self._value = step, self._source(step)
        return self._value


class _InputSource:
    """An input of the equations at the present step: the task's drive, or its channels and its body's feedback through their weights."""

    def __init__(self, problem: Problem, name: str, moving: Moving | None) -> None:
        self._patterns, self._rows, self._active, self._moving = [], None, False, None
        shape = (problem.task.trials, problem.model.units)
        self._now = np.zeros(shape[0] * shape[1])
        weights, factor = problem.model.inputs[name].weights, scale(problem.model.inputs[name].unit)
        if weights is None:
            self._patterns = [(factor * pattern.ravel(), course) for pattern, course in problem.patterns]
        elif name in problem.stimuli:
            W = problem.arrays[weights]
            own, feelers = np.split(W, [problem.own if problem.feels else W.shape[1]], axis=1)
            self._rows = factor * np.moveaxis(problem.stimuli[name] @ own.T, 1, 0).reshape(problem.steps, -1)
            self._moving, self._feelers, self._feeling = moving if problem.feels else None, factor * feelers.T, problem.feeling

    def __call__(self, step: int) -> Float[ndarray, " neuron"]:
        if self._rows is not None and self._moving is None:
            return self._rows[step]
        if self._rows is not None and self._moving is not None:
            return self._rows[step] + self._feeling[step] * (self._moving.heard(step) @ self._feelers).ravel()
        active = [(pattern, course[step]) for pattern, course in self._patterns if course[step]]
        if not active and self._active:
            self._now.fill(0.0)
        self._active = bool(active)
        for number, (pattern, factor) in enumerate(active):
            if number:
                self._now += factor * pattern
            else:
                np.multiply(pattern, factor, out=self._now)
        return self._now


class _NoiseSource:
    """White noise from a NumPy random stream of its own, one draw per step."""

    def __init__(self, problem: Problem, name: str) -> None:
        self._draws = problem.noise(name)

    def __call__(self, step: int) -> Float[ndarray, " neuron"]:
        return next(self._draws).ravel()


class _Recorder(b2.BrianObject):
    """Clamps units, records the rates at the start of every bin and moves the body, after Brian2 computed the rates and before its state update."""

    def __init__(self, group: b2.NeuronGroup, problem: Problem, moving: Moving | None) -> None:
        model, task = problem.model, problem.task
        is_state = model.rate in model.parsed.states
        super().__init__(clock=group.clock, when="before_start" if is_state else "start", order=-1, name="recorder*")
        self.step, self._every, self._clamps, self._moving = 0, problem.every, problem.clamps, moving
        self._readout = model.readout and (problem.arrays[model.readout.weights].T, problem.arrays[model.readout.offset])
        self.rates, self._model, self._task = np.empty((task.trials, task.bins, model.units)), model, task
        self._states = [group.variables[own_names(model)[name]].get_value().reshape(task.trials, model.units) for name in model.parsed.states]
        self._rate = group.variables[own_names(model)[model.rate]].get_value().reshape(task.trials, model.units)
        self._watched, self._dt = [part.ravel() for part in (*self._states, self._rate)], problem.dt

    def run(self) -> None:
        if not all(np.dot(part, part) < BOUND**2 for part in self._watched):
            self._refuse()
        for gain, rows, wanted, course in self._clamps:
            if course[self.step]:
                self._rate += (wanted - self._rate @ rows.T) @ gain.T
        if self.step % self._every == 0:
            self.rates[:, self.step // self._every] = self._rate
            if self._moving:
                self._moving.keep()
        if self._moving:
            weights, offset = self._readout or (1.0, 0.0)
            self._moving.step(self._rate @ weights + offset if self._readout else self._rate.copy(), self.step)
        self.step += 1

    def _refuse(self) -> None:
        """Report the number that diverged, unless only their sum of squares is large."""
        now = np.array([self._task.start + self.step * self._dt])
        refuse_divergence(self._model.name, np.concatenate(self._states, axis=1)[:, None], now, "state")
        refuse_divergence(self._model.name, self._rate[:, None], now, "rate of unit")
