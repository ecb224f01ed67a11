"""One run of a model on a task, as arrays on the model's own steps, the same for every backend."""

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import Self

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model, Projection, rounded_lags, scale
from cortex_sim.errors import TaskError
from cortex_sim.runtime import say_once, stream, too_large
from cortex_sim.simulation._carrier import carrier_of
from cortex_sim.simulation._dynamics import beginning
from cortex_sim.tasks import Clamp, Task
from cortex_sim.tasks.body import BodyTrajectory, Load, Movement, Moving
from cortex_sim.trials import Trials

KEPT = 3  # copies of the rates of a run
MOST = 1e9  # steps, of which a small circuit takes ten hours
PART = 0.5  # of a step longer than 1 ms that a clamp must cover
USED = 0.05  # directions that the readout uses less than this, relative to the strongest, are not pushed


@dataclass(frozen=True)
class Noise:
    """Endless white noise, (trial, unit) at each step; a copy continues from where this one is.

    Attributes:
        stream: of the draws.
        trials: number of trials.
        units: number of units.
        dt: step, s.
        mixing: weights from independent sources to the units; each unit has its own source if None.
        intensity: in SI units; 1 gives each step a variance of 1/dt.
    """

    stream: np.random.Generator
    trials: int
    units: int
    dt: float
    mixing: Float[ndarray, "unit source"] | None = None
    intensity: float = 1.0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Float[ndarray, "trial unit"]:
        sources = self.units if self.mixing is None else self.mixing.shape[1]
        drawn = self.stream.standard_normal((self.trials, sources)) / np.sqrt(self.dt) * self.intensity
        return drawn if self.mixing is None else drawn @ self.mixing.T

    def copy(self) -> Self:
        """Return noise that will draw the same numbers as this one."""
        return replace(self, stream=copy.deepcopy(self.stream))


@dataclass(frozen=True)
class Problem:
    """A model, its weights and a task, expressed in the model's units, steps and variables.

    Inputs, pushes and clamps are given in the space of the observed rates. If a model has a readout C, they are mapped to its state by the
    pseudo-inverse of C, each observed rate in its own scale: the smallest change of state that changes the observed rates as requested. With one
    unit per neuron that is the unit itself, so one description of a push serves every circuit and network.

    Attributes:
        model: to run.
        arrays: its weights, by name.
        task: to run it on.
        seed: of the noise.
    """

    model: Model
    arrays: dict[str, ndarray]
    task: Task
    seed: int = 0

    def __post_init__(self) -> None:
        for line in rounded_lags(self.model):
            say_once(line)
        apart = self.model.spacing.si / self.dt if self.model.spacing else 1.0
        if apart < 0.5 or abs(apart - round(apart)) > 1e-6:
            raise TaskError(f"{self.model.name}: spacing {apart * self.dt * 1e3:g} ms should be a multiple of dt {self.dt * 1e3:g} ms.")
        grid = f"the task's {self.task.step * 1e3:g} ms grid"
        for value, label in ((self.task.step / self.dt, grid), (self.dt / self.task.step, grid)):
            if value >= 1 and abs(value - round(value)) > 1e-6:
                raise TaskError(f"{self.model.name}: dt {self.dt * 1e3:g} ms should divide {label}, or be a multiple of it.")
        self._check_steps()
        observed = self.model.size("observed")
        given = {drive.name: drive.pattern.shape[1] for drive in self.task.drives}
        if self.task.initial is not None:
            given["initial"] = self.task.initial.shape[1]
        for clamp in self.task.clamps:
            if len(clamp.units) and not 0 <= clamp.units.min() <= clamp.units.max() < observed:
                found = f"{clamp.name} holds units {clamp.units.min()} to {clamp.units.max()}"
                raise TaskError(f"task {self.task.name!r}: {found}; {self.model.name} has 0 to {observed - 1}.")
        if self.task.body is not None:
            given["body (its commands)"] = self.task.body.commands
            self.task.body.late(self.dt)
        self._check_fits()
        for name, size in given.items():
            if size != observed:
                raise TaskError(f"task {self.task.name!r}: {name} is for {size} units; {self.model.name} has {observed} observed units.")

    def _check_steps(self) -> None:
        """Check that a bin is a whole number of steps, and that there are no more of them than can be run."""
        each = self.task.bin / self.dt
        if self.model.one_step_a_bin and abs(each - 1) > 1e-6:
            cure = f"wrap it with bin={self.task.bin:g}, or put the task on its bins: task.on_bins({self.dt:g})"
            found = f"takes one step a bin, of {self.dt * 1e3:g} ms; the task has bins of {self.task.bin * 1e3:g} ms"
            raise TaskError(f"{self.model.name}: {found}: {cure}.")
        if each < 1 - 1e-6 or abs(each - round(each)) > 1e-6:
            raise TaskError(f"{self.model.name}: dt {self.dt * 1e3:g} ms should divide the {self.task.bin * 1e3:g} ms bin.")
        if self.task.bins * each > MOST:
            found = f"{self.task.bins * each:.2g} steps of {self.dt * 1e3:g} ms"
            raise TaskError(f"{self.model.name}: {found}; at most {MOST:.0e} are run. Take a longer dt, or a shorter task.")

    def _check_fits(self) -> None:
        """Check that the rates, inputs and delayed signals of a run fit in memory."""
        model, task = self.model, self.task
        each = (
            KEPT * (task.bins + self.every) * model.units + self.steps * (model.channels + len(task.drives)) + sum(model.lags.values()) * model.units
        )
        if problem := too_large(8.0 * task.trials * each, f"{task.trials} trials of {self.steps} steps of {model.units} units"):
            raise TaskError(f"{model.name}: {problem}.")

    @property
    def dt(self) -> float:
        """Integration step, s."""
        return self.model.dt.si

    @property
    def every(self) -> int:
        """Steps per recorded bin."""
        return round(self.task.bin / self.dt)

    @property
    def steps(self) -> int:
        """Number of integration steps; the last bin is recorded at its start."""
        return (self.task.bins - 1) * self.every + 1

    @cached_property
    def carrier(self) -> Float[ndarray, "unit observed"] | None:
        """Smallest change of state for a change of each observed rate; None if the units themselves are observed."""
        return carrier_of(self.arrays[self.model.readout.weights], USED) if self.model.readout else None

    @cached_property
    def patterns(self) -> list[tuple[Float[ndarray, "trial unit"], Float[ndarray, " step"]]]:
        """Each drive's pattern over the model's units and its course over the model's steps."""
        carried = [(d.pattern if self.carrier is None else d.pattern @ self.carrier.T, self.resample(d.course)) for d in self.task.drives]
        return [(pattern, course) for pattern, course in carried if course.any()]

    @cached_property
    def stimuli(self) -> dict[str, Float[ndarray, "trial step channel"]]:
        """The task's channels on the model's steps, for each input that carries them."""
        return self.heard(0, self.steps)

    def heard(self, first: int, stop: int) -> dict[str, Float[ndarray, "trial step channel"]]:
        """Return the channels that each input carries from step ``first`` to before ``stop``, computed from that part of the task alone."""
        listening = {name: str(item.weights) for name, item in self.model.inputs.items() if item.listens and self.model.channels}
        if not listening:
            return {}
        sensors = self.task.body.sensors if self.task.body else 0
        if self.model.channels not in (self.own, self.own + sensors):
            felt = f" and its body feels {sensors} things" if sensors else ""
            raise TaskError(f"{self.model.name} listens to {self.model.channels} channels; task {self.task.name!r} has {self.own}{felt}.")
        if self.feels and any(self._projection(weights).columns == "history" for weights in listening.values()):
            raise TaskError(f"{self.model.name} hears the past of its channels, which a body that moves cannot give; use a recurrent model.")
        past = {name: self._projection(weights).columns == "history" for name, weights in listening.items()}
        return {name: self._history(first, stop) if taps else self._channels(first, stop) for name, taps in past.items()}

    @property
    def own(self) -> int:
        """Number of the task's own channels; a body's feedback comes after them."""
        return 0 if self.task.channels is None else self.task.channels.shape[2]

    @property
    def feels(self) -> bool:
        """Whether the model receives feedback from the task's body."""
        return self.task.body is not None and self.task.body.sensors > 0 and self.model.channels == self.own + self.task.body.sensors

    @cached_property
    def feeling(self) -> Float[ndarray, " step"]:
        """Gain of the body's feedback, on the model's steps."""
        return np.ones(self.steps) if self.task.feeling is None else self.resample(self.task.feeling)

    @cached_property
    def loads(self) -> list[Load]:
        """Loads on the body, with their courses on the model's steps."""
        found = [replace(load, course=self.resample(load.course)) for load in self.task.loads]
        return [load for load in found if load.course.any()]

    def _projection(self, name: str) -> Projection:
        return self.model.projections[name]

    def _channels(self, first: int, stop: int) -> Float[ndarray, "trial step channel"]:
        """Return the task's channels on the model's steps; 0 before the start of the task."""
        if self.task.channels is None:
            return np.zeros((self.task.trials, stop - first, 0))
        finer, coarser = round(self.task.step / self.dt), round(self.dt / self.task.step)
        begin = max(first, 0)
        piece = slice(begin // finer, -(-stop // finer)) if finer else slice(begin * coarser, stop * coarser)
        values = np.moveaxis(self._resampled(np.moveaxis(self.task.channels.values[:, piece], 1, 0)), 0, 1)
        values = values[:, begin % (finer or 1) :][:, : stop - begin]
        return np.pad(values, ((0, 0), (begin - first, 0), (0, 0))) if first < 0 else values

    def _history(self, first: int, stop: int) -> Float[ndarray, "trial step history"]:
        """Return the channels now and at every earlier tap, side by side."""
        lag = round((self.model.spacing.si if self.model.spacing else self.dt) / self.dt)
        values = self._channels(first - lag * (self.model.taps - 1), stop)
        return np.concatenate([values[:, lag * tap :][:, : stop - first] for tap in reversed(range(self.model.taps))], axis=2)

    @cached_property
    def clamps(self) -> list[tuple[Float[ndarray, "unit clamped"], Float[ndarray, "clamped unit"], Float[ndarray, " clamped"], ndarray]]:
        """Gain, readout rows, target value and course, so that rate += gain (target - rows @ rate) clamps the units.

        Clamps that act at the same time are combined: there is one entry for every set of clamps that acts at some step.
        """
        if not self.task.clamps:
            return []
        held = np.array([self.resample(clamp.course.astype(float)) > PART for clamp in self.task.clamps]).reshape(-1, self.steps)
        sets = [column for column in np.unique(held.T, axis=0) if column.any()]
        return [self._clamp(list(compress(self.task.clamps, chosen)), ~(held ^ chosen[:, None]).any(axis=0)) for chosen in sets]

    def _clamp(self, clamps: list[Clamp], course: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray]:
        wanted = {unit: clamp.rate for clamp in clamps for unit in clamp.units.tolist()}
        units, rates = list(wanted), np.array(list(wanted.values()), dtype=float)
        if self.model.readout is None:
            rows = np.eye(self.model.units)[units]
        else:
            rows = self.arrays[self.model.readout.weights][units]
            rates = rates - self.arrays[self.model.readout.offset][units]
        return np.linalg.pinv(rows), rows, rates, course

    def resample(self, course: Float[ndarray, "fine ..."]) -> Float[ndarray, "step ..."]:
        """Return a course on the model's steps instead of the task's fine grid: repeated if steps are finer, averaged if coarser."""
        return self._resampled(course)[: self.steps]

    def _resampled(self, course: Float[ndarray, "fine ..."]) -> Float[ndarray, "step ..."]:
        if self.dt <= self.task.step:
            return np.repeat(course, round(self.task.step / self.dt), axis=0)
        ratio = round(self.dt / self.task.step)
        return course.reshape(-1, ratio, *course.shape[1:]).mean(axis=1)

    def noise(self, name: str) -> "Noise":
        """Return white noise of intensity 1 in the unit of an input, step by step, from a random stream of its own."""
        drawn = stream(self.seed, self.model.role, "noise of a simulation", list(self.model.inputs).index(name))
        weights, unit = self.model.inputs[name].weights, self.model.inputs[name].unit
        mixing = None if weights is None else self.arrays[weights]
        return Noise(drawn, self.task.trials, self.model.units, self.dt, mixing, scale(unit))

    def start(self) -> Float[ndarray, "trial state"]:
        """Return the state of the model at the start, followed by that of the task's body."""
        if self.task.body is None:
            return self.initial()
        return np.concatenate([self.initial(), Moving.start(self.task.body, self.task.trials, self.dt)], axis=1)

    def initial(self) -> Float[ndarray, "trial state"]:
        """Return the state at the start: rest, or the state whose observed rates are the task's initial rates."""
        rates = self.task.initial
        if rates is not None and self.model.initial:
            encoder = self.model.initial
            return rates @ self.arrays[encoder.weights].T + self.arrays[encoder.offset]
        if rates is not None and self.model.readout and self.carrier is not None:
            rates = (rates - self.arrays[self.model.readout.offset]) @ self.carrier.T
        return beginning(self.model, self.task.trials, rates, self.arrays)

    def moved(self, course: BodyTrajectory) -> Movement:
        """Return the body's movement, from its postures at every bin.

        Raises:
            PlantError: a joint exceeds its limits, or a number is not finite.
        """
        assert self.task.body is not None
        return Movement.of(self.task.body, *course, self.task.time)

    def observe(self, rates: Float[ndarray, "trial time unit"]) -> Trials:
        """Return trials of observed rates, given recorded rates of the model's units."""
        if readout := self.model.readout:
            rates = rates @ self.arrays[readout.weights].T + self.arrays[readout.offset]
        return self.trials(rates)

    def trials(self, observed: Float[ndarray, "trial time observed"]) -> Trials:
        """Return observed rates as trials."""
        units = self.model.parsed.equations[self.model.rate].unit if not self.model.readout else "1" if self.task.body else "Hz"
        provenance = {"model": self.model.name, "model_key": self.model.key, "task": self.task.name, "seed": self.seed, "dt_s": self.dt}
        return Trials.from_arrays(observed, self.task.time, condition=self.task.condition, units=units, provenance=provenance)
