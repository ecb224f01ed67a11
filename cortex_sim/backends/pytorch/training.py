"""Back-propagation through time: a twin learns to reproduce given rates, free running."""

import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from cortex_sim.backends.pytorch.twin import Inputs, Twin
from cortex_sim.model import Model
from cortex_sim.schedule import Schedule
from cortex_sim.storage import whole_file
from cortex_sim.task import Task

SAVE_EVERY = 2.0  # s between checkpoints
EPOCH = 12  # names the random streams that order conditions
FLOOR = 0.02  # of the learning rate, at the end of the cosine


@dataclass(frozen=True)
class Lesson:
    """What is to be learned: a task, the rates wanted on it, and what their errors are divided by.

    Attributes:
        task: with the observed initial rates.
        rates: wanted, (trial, time, observed).
        scale: of each observed unit; an error of this size counts as 1.
    """

    task: Task
    rates: Float[ndarray, "trial time observed"]
    scale: Float[ndarray, " observed"]


@dataclass
class Course:
    """How training went: losses by epoch, the best weights, and whether it was interrupted."""

    arrays: dict[str, ndarray]
    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: float = float("inf")
    stale: int = 0
    interrupted: bool = False

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.train)


def train(
    model: Model, lesson: Lesson, check: Lesson, *, settings: "Settings", seed: int, checkpoint: Path | None = None,
    report: Callable[[float, str], None] = lambda done, text: None,
) -> Course:
    """Descend the squared error of the free-running rates with Adam; keep the weights that do best on the check lesson.

    Args:
        model: with the weights to start from; arrays its card marks ``learn`` change.
        lesson: trained on.
        check: never trained on; decides when to stop and which weights to keep.
        settings: of the optimiser.
        seed: of the order of conditions; epoch e of one seed is the same whether or not the run was interrupted before.
        checkpoint: file to continue from and to write to every two seconds; removed at the end.
        report: called with the fraction done and a line of text.

    Returns:
        The course; ``interrupted`` is set if Ctrl-C ended it, and the best weights so far are kept. A loss that is no longer finite ends
        training too.
    """
    twin = Twin(model, model.arrays(), dtype=torch.float32)
    parameters = [p for p in twin.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=settings.rate)
    course, saved = Course(twin.arrays()), time.monotonic()
    try:
        if settings.epochs and not _resume(checkpoint, twin, optimiser, course):
            course.best = _finite(_loss(twin, check))
        while course.epoch < settings.epochs and course.stale < settings.patience:
            _set_rate(optimiser, settings, course.epoch)
            loss = _epoch(twin, optimiser, lesson, settings, np.random.SeedSequence((seed, course.epoch, EPOCH)))
            _keep(course, twin, loss, _loss(twin, check))
            if not np.isfinite(loss):
                break
            report(course.epoch / settings.epochs, f"loss {course.train[-1]:.4f}, validation {course.validation[-1]:.4f}")
            if checkpoint and time.monotonic() - saved > SAVE_EVERY:
                _save(checkpoint, twin, optimiser, course)
                saved = time.monotonic()
    except KeyboardInterrupt:
        course.interrupted = True
        return course
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return course


@dataclass(frozen=True)
class Settings:
    """Of the optimiser: Adam with a cosine-falling rate, clipped gradients and early stopping.

    Attributes:
        epochs: at most.
        batch: conditions per step.
        rate: learning rate at the start.
        clip: largest gradient norm.
        patience: epochs without a better validation loss before stopping.
    """

    epochs: int = 80
    batch: int = 64
    rate: float = 2e-3
    clip: float = 1.0
    patience: int = 20


def _epoch(twin: Twin, optimiser: torch.optim.Optimizer, lesson: Lesson, settings: Settings, entropy: np.random.SeedSequence) -> float:
    schedule = Schedule(twin.model, twin.arrays(), lesson.task)
    targets, scale = torch.tensor(lesson.rates, dtype=twin.dtype), torch.tensor(lesson.scale, dtype=twin.dtype)
    states = None if twin.model.initial else torch.tensor(schedule.initial(), dtype=twin.dtype)
    observed = torch.tensor(lesson.task.initial, dtype=twin.dtype)
    order = np.random.default_rng(entropy).permutation(len(targets))
    losses = []
    for chosen in np.array_split(order, max(1, round(len(order) / settings.batch))):
        start = twin.encode(observed[chosen]) if states is None else states[chosen]
        rates = twin.observe(twin.unroll(start, Inputs(twin, schedule, chosen), schedule))
        loss = _error(rates, targets[chosen], scale)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), settings.clip)
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def _finite(loss: float) -> float:
    return loss if np.isfinite(loss) else float("inf")


def _loss(twin: Twin, lesson: Lesson) -> float:
    with torch.no_grad():
        rates = twin.observe(twin(Schedule(twin.model, twin.arrays(), lesson.task)))
        return _error(rates, torch.tensor(lesson.rates, dtype=twin.dtype), torch.tensor(lesson.scale, dtype=twin.dtype)).item()


def _error(rates: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    return (((rates - targets) / scale) ** 2).mean()


def _set_rate(optimiser: torch.optim.Optimizer, settings: Settings, epoch: int) -> None:
    falling = (1 + np.cos(np.pi * epoch / settings.epochs)) / 2
    for group in optimiser.param_groups:
        group["lr"] = float(settings.rate * (FLOOR + (1 - FLOOR) * falling))


def _keep(course: Course, twin: Twin, loss: float, validation: float) -> None:
    course.train.append(loss)
    course.validation.append(validation)
    course.stale += 1
    if validation < course.best:
        course.best, course.stale, course.arrays = validation, 0, twin.arrays()


def _save(path: Path, twin: Twin, optimiser: torch.optim.Optimizer, course: Course) -> None:
    best = {name: torch.tensor(array) for name, array in course.arrays.items()}
    progress = {"train": course.train, "validation": course.validation, "best": course.best, "stale": course.stale}
    with whole_file(path) as temporary:
        torch.save({"twin": twin.state_dict(), "optimiser": optimiser.state_dict(), "arrays": best, "progress": progress}, temporary)


def _resume(path: Path | None, twin: Twin, optimiser: torch.optim.Optimizer, course: Course) -> bool:
    """Go on from a checkpoint and say so; there may be none, or a damaged one."""
    if path is None or not path.exists():
        return False
    try:
        stored = torch.load(path, weights_only=True)
    except (RuntimeError, OSError, EOFError, KeyError, pickle.UnpicklingError):
        print(f"checkpoint {path} is damaged; training starts anew", file=sys.stderr)
        return False
    twin.load_state_dict(stored["twin"])
    optimiser.load_state_dict(stored["optimiser"])
    course.arrays = {name: tensor.numpy() for name, tensor in stored["arrays"].items()}
    for name, value in stored["progress"].items():
        setattr(course, name, value)
    return True
