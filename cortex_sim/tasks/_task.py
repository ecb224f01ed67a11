"""Tasks: the inputs, targets and timing of what a circuit or a network should do, as labelled arrays over time; one file per task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import TaskError
from cortex_sim.runtime import content_key, html_facts, html_heat, shown
from cortex_sim.tasks._parts import Clamp, Drive, fix, numbers
from cortex_sim.tasks.body import Body, Load
from cortex_sim.trials import BIN, Trials

DT = 1e-3  # s, step of the fine grid where a task does not say otherwise


@dataclass(frozen=True)
class Task:
    """Inputs, targets, conditions and epochs over time; those not given are absent.

    Attributes:
        name: of the task.
        start: of the task, s from the go cue.
        stop: end of the task, s; a whole number of bins after the start.
        condition: one label per trial.
        epochs: name to (start, stop) in s.
        channels: input channels, (trial, step, channel) on the fine grid.
        targets: what the movement should be, (trial, time, axis) on the bins.
        mask: weight of an error at each bin, (trial, time); 1 everywhere if None.
        initial: observed rates at the start, (trial, unit); rest if None.
        drives: currents into the units.
        clamps: units held at a rate.
        body: that the observed outputs command; targets are then its outputs (:meth:`.Body.made`). A model with channels for its sensory
            feedback receives it after the task's own channels.
        loads: on the body.
        feeling: gain of sensory feedback, at every step of the fine grid; 1 if None.
        recordings: spikes that recorded inputs of a spiking model play back, by the name of the input; as many trials as the task.
        notes: how the task was made, for the record.
        bin: width of the bins on which rates are recorded, s; a multiple of the step.
        step: of the fine grid on which courses and channels are given, s.
    """

    name: str
    start: float
    stop: float
    condition: ndarray
    epochs: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    channels: xr.DataArray | None = None
    targets: xr.DataArray | None = None
    mask: Float[ndarray, "trial time"] | None = None
    initial: Float[ndarray, "trial unit"] | None = None
    drives: tuple[Drive, ...] = ()
    clamps: tuple[Clamp, ...] = ()
    body: Body | None = None
    loads: tuple[Load, ...] = ()
    feeling: Float[ndarray, " step"] | None = None
    recordings: Mapping[str, Trials] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    bin: float = BIN
    step: float = DT

    def __post_init__(self) -> None:
        self._check_kinds()
        fix(self, "condition", "channels", "targets", "mask", "initial", "feeling")
        self._check_grid()
        self._check_sizes()

    def _check_kinds(self) -> None:
        for name in ("start", "stop", "bin", "step"):
            numbers(f"task {self.name!r}: {name}", getattr(self, name), 0)
        try:
            condition = np.asarray(self.condition)
        except ValueError:
            condition = np.zeros(())
        if condition.ndim != 1 or not condition.size:
            raise TaskError(f"task {self.name!r}: condition should be one label a trial (got {shown(self.condition)}).")
        object.__setattr__(self, "condition", condition)
        for name, axes in (("mask", 2), ("initial", 2), ("feeling", 1)):
            if (found := getattr(self, name)) is not None:
                object.__setattr__(self, name, numbers(f"task {self.name!r}: {name}", found, axes))
        for name, kind in (("drives", Drive), ("clamps", Clamp), ("loads", Load)):
            parts = getattr(self, name)
            if not isinstance(parts, tuple | list) or not all(isinstance(part, kind) for part in parts):
                raise TaskError(f"task {self.name!r}: {name} should be a tuple of {kind.__name__} (got {shown(parts)}).")
            object.__setattr__(self, name, tuple(parts))
        for name in ("channels", "targets"):
            if (found := getattr(self, name)) is not None and not (isinstance(found, xr.DataArray) and found.ndim == 3):
                raise TaskError(f"task {self.name!r}: {name} should be an xarray.DataArray of three axes (got {shown(found)}).")

    def _check_grid(self) -> None:
        for name, width in (("bin", self.bin), ("step", self.step)):
            if not (np.isfinite(width) and width > 0):
                raise TaskError(f"task {self.name!r}: {name} {width!r} s should be above 0.")
        if abs(self.bin / self.step - round(self.bin / self.step)) > 1e-6:
            raise TaskError(f"task {self.name!r}: bin {self.bin * 1e3:g} ms should be a multiple of the step, {self.step * 1e3:g} ms.")
        bins = (self.stop - self.start) / self.bin
        if bins < 2 or abs(bins - round(bins)) > 1e-6:
            wanted = f"a whole number (2 or more) of {self.bin * 1e3:g} ms bins"
            raise TaskError(f"task {self.name!r}: {self.start:g} to {self.stop:g} s should be {wanted}.")

    def _check_sizes(self) -> None:
        acting: tuple[Drive | Clamp | Load, ...] = (*self.drives, *self.clamps, *self.loads)
        for item in acting:
            if item.course.shape != (self.steps,):
                raise TaskError(f"task {self.name!r}: {item.name} has {item.course.size} steps of {self.step * 1e3:g} ms; the task has {self.steps}.")
        if self.feeling is not None and self.feeling.shape != (self.steps,):
            raise TaskError(f"task {self.name!r}: feeling has {self.feeling.size} steps of {self.step * 1e3:g} ms; the task has {self.steps}.")
        if self.body is not None and self.initial is not None:
            raise TaskError(f"task {self.name!r}: initial rates are given with a body, which starts at rest; leave them out.")
        if self.body is None and (self.loads or self.feeling is not None):
            raise TaskError(f"task {self.name!r}: loads or feeling are given without a body; give one.")
        for name, count in [*((d.name, len(d.pattern)) for d in self.drives), *((load.name, load.trials) for load in self.loads)]:
            if count != self.trials:
                raise TaskError(f"task {self.name!r}: {name} has {count} trials; the task has {self.trials}.")
        if self.channels is not None and self.channels.shape[:2] != (self.trials, self.steps):
            found = self.channels.shape[:2]
            raise TaskError(f"task {self.name!r}: channels are for {found} trials and steps; the task has {(self.trials, self.steps)}.")
        if self.mask is not None and (self.mask.shape != (self.trials, self.bins) or (self.mask < 0).any() or not self.mask.any()):
            wanted = f"numbers from 0 up, not all 0, for {(self.trials, self.bins)} trials and bins"
            raise TaskError(f"task {self.name!r}: mask should hold {wanted}; it has shape {self.mask.shape}.")
        if self.initial is not None and len(self.initial) != self.trials:
            raise TaskError(f"task {self.name!r}: initial has {len(self.initial)} trials; the task has {self.trials}.")

    def _repr_html_(self) -> str:
        epochs = ", ".join(f"{name} {start:g} to {stop:g} s" for name, (start, stop) in self.epochs.items())
        given = {
            "channels": "" if self.channels is None else ", ".join(map(str, self.channels["channel"].values)),
            "targets": "" if self.targets is None else ", ".join(map(str, self.targets["axis"].values)),
            "starts from": "" if self.initial is None else f"rates of {self.initial.shape[1]} units",
            "currents": ", ".join(drive.name for drive in self.drives),
            "held": ", ".join(f"{clamp.name} ({len(clamp.units)} units)" for clamp in self.clamps),
            "body": "" if self.body is None else f"{self.body.arm.name}, {self.body.commands} commands",
            "loads": ", ".join(load.name for load in self.loads),
        }
        facts: dict[str, object] = {
            "trials": f"{self.trials}, of {len(np.unique(self.condition))} conditions",
            "time": f"{self.start:g} to {self.stop:g} s from the go cue",
            "epochs": epochs or "none",
        }
        pictures = []
        if self.channels is not None:
            pictures.append(html_heat(self.channels.values[0].T.astype(float), "Channels of the first trial from above, time from left to right"))
        return html_facts(f"Task: {self.name}", facts | {name: text for name, text in given.items() if text}, *pictures)

    @property
    def key(self) -> str:
        """Hash of everything in the task except its name and the names of its parts."""
        return content_key("task", _content(self))

    @property
    def trials(self) -> int:
        """Number of trials."""
        return len(self.condition)

    @property
    def steps(self) -> int:
        """Number of steps of the fine grid."""
        return round((self.stop - self.start) / self.step)

    @property
    def bins(self) -> int:
        """Number of recorded bins."""
        return round((self.stop - self.start) / self.bin)

    @property
    def time(self) -> Float[ndarray, " time"]:
        """Left edges of the bins, s."""
        return np.round(self.start + self.bin * np.arange(self.bins), 9)

    @property
    def fine_time(self) -> Float[ndarray, " step"]:
        """Every step of the fine grid, s."""
        return np.round(self.start + self.step * np.arange(self.steps), 9)

    @property
    def epoch(self) -> list[str]:
        """Name of the epoch of each bin; empty for a bin in no epoch."""
        inside = [[name for name, (a, b) in self.epochs.items() if a <= t < b] for t in self.time]
        return [names[0] if names else "" for names in inside]

    def window(self, start: float, stop: float, *, initial: Float[ndarray, "trial unit"] | None = None) -> "Task":
        """Return the task cut to [start, stop), starting from these observed rates.

        Raises:
            TaskError: the window reaches beyond the task, or does not lie on its bins.
        """
        if start < self.start - 1e-9 or stop > self.stop + 1e-9:
            raise TaskError(f"task {self.name!r}: window {start:g} to {stop:g} s leaves {self.start:g} to {self.stop:g} s.")
        for edge in (start, stop):
            if abs((edge - self.start) / self.bin - round((edge - self.start) / self.bin)) > 1e-6:
                wanted = f"lie on bins of {self.bin * 1e3:g} ms from {self.start:g} s"
                raise TaskError(f"task {self.name!r}: window {start:g} to {stop:g} s should {wanted}.")
        first, last = round((start - self.start) / self.step), round((stop - self.start) / self.step)
        fine = slice(first, last)
        bins = slice(round((start - self.start) / self.bin), round((stop - self.start) / self.bin))
        return replace(
            self,
            start=start,
            stop=stop,
            initial=initial,
            channels=None if self.channels is None else self.channels.isel(step=fine),
            targets=None if self.targets is None else self.targets.isel(time=bins),
            mask=None if self.mask is None else self.mask[:, bins],
            drives=tuple(replace(drive, course=drive.course[fine]) for drive in self.drives),
            clamps=tuple(replace(clamp, course=clamp.course[fine]) for clamp in self.clamps),
            loads=tuple(replace(load, course=load.course[fine]) for load in self.loads),
            feeling=None if self.feeling is None else self.feeling[fine],
        )

    def on_bins(self, bin: float) -> "Task":
        """Return the task on other bins; targets between the old bins are interpolated, and a bin has the mask of the old one it starts in.

        Args:
            bin: width, s; a multiple of the task's step that divides its duration.

        Raises:
            TaskError: the width is not such a multiple.
        """
        bare = replace(self, bin=bin, targets=None, mask=None)
        inside = np.clip(np.searchsorted(self.time, bare.time + self.step / 4, side="right") - 1, 0, self.bins - 1)
        targets = self.targets
        if targets is not None:
            there = targets.interp(time=np.minimum(bare.time, self.time[-1]))
            targets = there.assign_coords(time=("time", bare.time, targets.time.attrs)).assign_attrs(targets.attrs)
        return replace(bare, targets=targets, mask=None if self.mask is None else self.mask[:, inside])

    @property
    def wanted(self) -> Trials:
        """The targets as trials: the output that a network trained on this task should give.

        Raises:
            TaskError: the task has no targets.
        """
        if self.targets is None:
            raise TaskError(f"task {self.name!r}: has no targets, so there is nothing to be taught.")
        return Trials.from_arrays(self.targets.values, self.time, condition=self.condition, units=self.targets.attrs.get("units", "1"))

    def select(self, trials: Sequence[int] | ndarray) -> "Task":
        """Return the task with these trials, by position and in this order; recordings and notes with one value per trial are selected alike."""
        chosen = np.arange(self.trials)[np.asarray(trials, dtype=int)]
        return replace(
            self,
            condition=self.condition[chosen],
            channels=None if self.channels is None else self.channels.isel(trial=chosen),
            targets=None if self.targets is None else self.targets.isel(trial=chosen),
            mask=None if self.mask is None else self.mask[chosen],
            initial=None if self.initial is None else self.initial[chosen],
            drives=tuple(replace(drive, pattern=drive.pattern[chosen]) for drive in self.drives),
            loads=tuple(load.each(lambda array: array[chosen]) for load in self.loads),
            recordings={name: _played(recording, chosen) for name, recording in self.recordings.items()},
            notes={name: _noted(note, self.trials, chosen) for name, note in self.notes.items()},
        )


def _content(part: Any) -> Any:
    if isinstance(part, xr.DataArray):
        return [list(map(str, part.dims)), part.values, str(part.attrs.get("units", ""))]
    if isinstance(part, Trials):
        return part.key
    if is_dataclass(part):
        return [type(part).__name__, {one.name: _content(getattr(part, one.name)) for one in fields(part) if one.name not in ("name", "source")}]
    if isinstance(part, Mapping):
        return {name: _content(value) for name, value in part.items()}
    return [_content(item) for item in part] if isinstance(part, (list, tuple)) else part


def _played(recording: Trials, chosen: Int[ndarray, " trial"]) -> Trials:
    """Return the recorded spikes of these trials, each as often as it is chosen."""
    when, unit, trial = recording.spikes
    places = [np.flatnonzero(trial == old) for old in chosen]
    kept, number = np.concatenate([np.zeros(0, int), *places]), np.repeat(np.arange(len(chosen)), [len(place) for place in places])
    population = recording.population if "population" in recording.dataset.coords else None
    return Trials.from_spikes(
        (when[kept], unit[kept], number), recording.time, units=recording.shape[2], condition=recording.condition[chosen],
        stop=recording.stop[chosen], population=population, provenance=recording.provenance,
    )  # fmt: skip


def _noted(note: Any, trials: int, chosen: Int[ndarray, " trial"]) -> Any:
    """Return a note for these trials: lists and arrays with one value per trial are selected, anything else is kept."""
    if isinstance(note, ndarray) and note.ndim and len(note) == trials:
        return note[chosen]
    return [note[place] for place in chosen] if isinstance(note, (list, tuple)) and len(note) == trials else note
