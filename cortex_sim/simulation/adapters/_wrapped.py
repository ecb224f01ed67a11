"""Models of other libraries that run beside ours: whatever makes outputs of a task's channels, and systems given by a function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import CardError, TaskError
from cortex_sim.runtime import content_key
from cortex_sim.simulation._divergence import refuse_divergence
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

TAU_PUSH = 0.2  # s
HELD = 0.5  # of a step that a clamp must cover
UNKNOWN = "Only its outputs are known: wrap a function of state and input, or a module whose forward takes both."
UNCARRIED = "Its outputs are no linear function of its state, so that a push has no direction there."


@dataclass(frozen=True)
class System:
    """The state of a system, how it moves, and what is observed of it, in NumPy.

    Attributes:
        start: state at the start of every trial.
        step: the state one step later, of (trial, state) and (trial, channel).
        observe: (trial, state) to (trial, output).
        velocity: the derivative of a state, or the change of a step divided by its duration, as a function of one state, its channels and its scale,
            in torch.
            None where outputs are no linear function of the state of a stepped module.
        carrier: smallest change of state for a change of the outputs, (state, output); None if outputs are no linear function of the state.
    """

    start: Float[ndarray, " state"]
    step: Callable[[ndarray, ndarray], ndarray]
    observe: Callable[[ndarray], ndarray]
    velocity: Callable[..., Any] | None
    carrier: Float[ndarray, "state output"] | None


@dataclass(frozen=True)
class Wrapped:
    """A model of another library, which takes a task's channels and gives outputs; :func:`.simulate` runs it as it runs a card.

    Attributes:
        name: of the model.
        observed: number of outputs.
        channels: number of channels that it takes.
        dt: duration of a step, s.
        spikes: times (s from the start) and units of each trial, of channels (trial, step, channel) and a seed, where its spikes are observed.
        population: name of the population of each unit, where its spikes are observed.
        outputs: (trial, step, output) of channels (trial, step, channel) and a seed; for a system, None.
        system: its state and how that moves; None where only outputs are known, so that it cannot be pushed.
        after: whether an output has seen the channels of its own bin; then a step is a bin.
        arrays: its weights, if they are known, for the record.
        origin: the object itself, which ``fit`` goes on training if it is a module of torch.
        made_with: options with which its origin was wrapped.
        code: hash of the instructions of its functions; empty for modules.
        source: what it is, in words.
    """

    name: str
    observed: int
    channels: int
    dt: float
    outputs: Callable[[ndarray, int], ndarray] | None = None
    system: System | None = None
    after: bool = True
    arrays: Mapping[str, ndarray] = field(default_factory=dict)
    origin: Any = None
    made_with: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    source: str = ""
    spikes: Callable[[ndarray, int], list[tuple[ndarray, ndarray]]] | None = None
    population: tuple[str, ...] = ()

    def __repr__(self) -> str:
        pushed = "" if self.system else "; outputs alone are known, so that it cannot be pushed"
        return f"<Wrapped {self.name}: {self.channels} channels to {self.observed} outputs, steps of {self.dt * 1e3:g} ms{pushed}>"

    @property
    def key(self) -> str:
        """Return a hash of its name, sizes and known weights."""
        return content_key("wrapped", [self.name, self.source, self.code, self.observed, self.channels, self.dt, self.after], dict(self.arrays))

    @property
    def units(self) -> int:
        """Return the length of its state; the number of outputs where only these are known."""
        return len(self.system.start) if self.system else self.observed

    @property
    def dimension(self) -> int:
        """Return the length of its state, 0 where only outputs are known."""
        return len(self.system.start) if self.system else 0

    def size(self, axis: str) -> int:
        """Return the number of its observed outputs, units or channels, as :meth:`.Model.size`."""
        return {"observed": self.observed, "units": self.units, "channels": self.channels}[axis]

    def run(self, task: Task, seed: int = 0) -> Trials:
        """Return its outputs on a task, or its spikes.

        Args:
            task: to run it on.
            seed: of its noise, if it is a network of Brian2.

        Raises:
            TaskError: the task does not fit, or asks for what it cannot do.
            CardError: what it gives is not (trial, bin, output).
            Diverged: its state grew without bound.
        """
        every = self._every(task)
        self._check(task)
        given = _on_steps(task, self.dt)
        provenance = {"model": self.name, "model_key": self.key, "task": task.name, "seed": seed, "dt_s": self.dt}
        if self.spikes is not None:
            return self._fired(task, self.spikes(given, seed), provenance)
        made = self._moved(task, given, every) if self.system else self._given(given, seed)[:, ::every]
        refuse_divergence(self.name, made, task.time, "output")
        return Trials.from_arrays(made, task.time, condition=task.condition, units="1", provenance=provenance)

    def save(self, path: str | Path) -> None:
        """Raise an error that says how to keep a wrapped model: no card holds what it computes.

        Raises:
            CardError: always.
        """
        if self.source.endswith("Brian2"):
            cure = "cs.card_from(network, ...) makes a card of a script of rates"
        elif self.origin is None:
            cure = "keep the script that wraps it"
        else:
            weights, graph = (str(Path(path).with_suffix(suffix)) for suffix in (".pt", ".onnx"))
            cure = f"keep its weights, torch.save(model.origin.state_dict(), {weights!r}), and its class, and wrap it again"
            cure += f", or write it as ONNX: cs.export(model, {graph!r})" if "units" in self.made_with else ""
        raise CardError(f"{self.name}: is wrapped ({self.source}), and what it computes stands in no card; {cure}.")

    def states(self, task: Task) -> Float[ndarray, "trial bin state"]:
        """Return its states at the start of every bin of a task; with ``after``, at the end.

        Raises:
            TaskError: only its outputs are known, or the task does not fit.
        """
        self._check(task)
        return self._moved(task, _on_steps(task, self.dt), self._every(task), lambda state: state)

    def velocity_in_torch(
        self, channels: Float[ndarray, " channel"] | None = None, scale: Float[ndarray, " state"] | None = None
    ) -> Callable[[Any], Any]:
        """Return the time derivative of a state, with constant channels, 0 if None, in torch; for a map, its change by a step over the step.

        Args:
            channels: constant; 0 if omitted.
            scale: by how much each number of the state varies, for derivatives of a function of NumPy; 1 and the largest of them if omitted.

        Raises:
            TaskError: only its outputs are known, or they are no linear function of its state.
        """
        velocity = self._system().velocity
        if velocity is None:
            raise TaskError(f"{self.name}: its derivative is not known. {UNCARRIED} Wrap a function of state and input.")
        from cortex_sim.simulation.torch import tensor

        u = tensor(np.zeros(self.channels) if channels is None else channels)
        size = None if scale is None else tensor(scale)
        return lambda x: velocity(x, u, size)

    def step_in_torch(self) -> Callable[[Any], Any]:
        """Return what takes states (direction, state) one step on, with channels of 0, in torch.

        Raises:
            TaskError: as :meth:`velocity_in_torch`.
        """
        velocity = self.velocity_in_torch()
        from cortex_sim.simulation.torch import each

        return each(lambda x: x + self.dt * velocity(x))

    def heard(self, task: Task) -> Float[ndarray, "trial step channel"]:
        """Return a task's channels on its steps, after a check that the task fits."""
        self._every(task)
        self._check(task)
        return _on_steps(task, self.dt)

    def _system(self) -> System:
        if self.system is None:
            raise TaskError(f"{self.name}: has no state. {UNKNOWN}")
        return self.system

    def _every(self, task: Task) -> int:
        every = round(task.bin / self.dt)
        if every < 1 or abs(task.bin / self.dt - every) > 1e-6 or (self.after and every != 1):
            wanted = "takes one step a bin" if self.after else "takes a whole number of steps a bin"
            found = f"of {self.dt * 1e3:g} ms; the task has bins of {task.bin * 1e3:g} ms"
            raise TaskError(f"{self.name}: {wanted}, {found}. Wrap it with {'bin' if self.after else 'dt'}={task.bin:g}, or use task.on_bins.")
        return every

    def _check(self, task: Task) -> None:
        own = 0 if task.channels is None else task.channels.shape[2]
        if own != self.channels:
            raise TaskError(f"{self.name}: takes {self.channels} channels; task {task.name!r} has {own}.")
        refused: dict[str, object] = {"a body": task.body, "recorded spikes": task.recordings}
        carried = self.system is not None and self.system.carrier is not None
        if not carried:
            refused |= {"drives": task.drives, "clamps": task.clamps, "initial outputs": task.initial is not None}
        for what, given in refused.items():
            if given:
                cure = "" if carried else f" {UNCARRIED if self.system else UNKNOWN}"
                raise TaskError(f"{self.name}: task {task.name!r} has {what}, which a wrapped model does not take.{cure}")
        for drive in task.drives:
            if drive.pattern.shape[1] != self.observed:
                raise TaskError(f"task {task.name!r}: {drive.name} is for {drive.pattern.shape[1]} units; {self.name} has {self.observed} outputs.")
        for clamp in task.clamps:
            if len(clamp.units) and not 0 <= clamp.units.min() <= clamp.units.max() < self.observed:
                found = f"{clamp.name} holds units {clamp.units.min()} to {clamp.units.max()}"
                raise TaskError(f"task {task.name!r}: {found}; {self.name} has {self.observed} outputs.")
        if task.initial is not None and task.initial.shape[1] != self.observed:
            raise TaskError(f"task {task.name!r}: initial is for {task.initial.shape[1]} units; {self.name} has {self.observed} outputs.")

    def _fired(self, task: Task, each: list[tuple[ndarray, ndarray]], provenance: dict[str, Any]) -> Trials:
        """Return the spikes of trials on the clock of a task."""
        trial = np.repeat(np.arange(len(each)), [len(when) for when, _ in each])
        when, unit = (np.concatenate([part[place] for part in each]) for place in (0, 1))
        spikes = when + task.start, unit.astype(int), trial
        return Trials.from_spikes(
            spikes, task.time, units=self.observed, condition=task.condition, population=np.array(self.population), provenance=provenance
        )

    def _given(self, channels: Float[ndarray, "trial step channel"], seed: int) -> Float[ndarray, "trial step output"]:
        assert self.outputs is not None
        made = np.asarray(self.outputs(channels, seed), dtype=float)
        if made.shape != (*channels.shape[:2], self.observed):
            raise CardError(f"{self.name}: gives outputs of shape {made.shape}; they should be {(*channels.shape[:2], self.observed)}.")
        return made

    def _moved(
        self, task: Task, channels: Float[ndarray, "trial step channel"], every: int, read: Callable[[ndarray], ndarray] | None = None
    ) -> Float[ndarray, "trial bin number"]:
        """Step the system through the task, with its drives, and return what is read of its states at every bin, its outputs if not said."""
        system = self._system()
        read = read or system.observe
        state, carrier = np.tile(system.start, (task.trials, 1)), system.carrier
        if task.initial is not None and carrier is not None:
            state = state + (task.initial - system.observe(state)) @ carrier.T
        pushed = [] if carrier is None else [(drive.pattern @ carrier.T, drive.course) for drive in task.drives]
        patterns = [(pattern * self.dt / TAU_PUSH, _course(course, task, self.dt)) for pattern, course in pushed]
        made, hold = [], self._holding(task)
        for step in range(task.bins * every):
            if not self.after:
                state = hold(state, step)
                if step % every == 0:
                    made.append(read(state))
            state = system.step(state, channels[:, step])
            for pattern, course in patterns:
                state = state + course[step] * pattern
            if self.after:
                state = hold(state, step)
                made.append(read(state))
        return np.stack(made, axis=1)

    def _holding(self, task: Task) -> Callable[[ndarray, int], ndarray]:
        """Return what holds outputs at the rates that clamps give them in a step, by the least change of the state, as for cards with a readout."""
        if not task.clamps:
            return lambda state, step: state
        system = self._system()
        offset = system.observe(np.zeros((1, len(system.start))))
        readout = (system.observe(np.eye(len(system.start))) - offset).T
        inverse = cache(lambda units: np.linalg.pinv(readout[list(units)]).T)
        courses = [_course(clamp.course.astype(float), task, self.dt) > HELD for clamp in task.clamps]

        def hold(state: ndarray, step: int) -> ndarray:
            wanted = {int(unit): clamp.rate for clamp, course in zip(task.clamps, courses, strict=True) if course[step] for unit in clamp.units}
            if not wanted:
                return state
            units = list(wanted)
            missing = np.array(list(wanted.values())) - system.observe(state)[:, units]
            return state + missing @ inverse(tuple(units))

        return hold


def _on_steps(task: Task, dt: float) -> Float[ndarray, "trial step channel"]:
    """Return a task's channels on steps of this duration: repeated where steps are finer than its grid, means where they are coarser."""
    steps = round((task.stop - task.start) / dt)
    if task.channels is None:
        return np.zeros((task.trials, steps, 0))
    return np.moveaxis(_course(np.moveaxis(task.channels.values, 1, 0), task, dt), 0, 1)


def _course(course: Float[ndarray, "fine ..."], task: Task, dt: float) -> Float[ndarray, "step ..."]:
    finer, coarser = task.step / dt, dt / task.step
    if finer >= 1 and abs(finer - round(finer)) < 1e-6:
        return np.repeat(course, round(finer), axis=0)
    if abs(coarser - round(coarser)) > 1e-6:
        raise TaskError(f"task {task.name!r}: its {task.step * 1e3:g} ms grid and steps of {dt * 1e3:g} ms should be multiples of one another.")
    return course.reshape(-1, round(coarser), *course.shape[1:]).mean(axis=1)
