"""The cost of a gradient and of a run: time, and memory beyond their inputs and results."""

import time
import tracemalloc
import weakref
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cortex_sim.cards import Model
from cortex_sim.fitting._options import Options, TrainingData
from cortex_sim.fitting._training import cut, objective_of, whole
from cortex_sim.simulation import Problem
from cortex_sim.simulation import torch as pytorch
from cortex_sim.simulation.torch import Twin
from cortex_sim.tasks import Task

LOOK = 4000  # operations of torch between looks at NumPy


class Footprint(TorchDispatchMode):
    """Counts the bytes of all tensors made while it is active: those allocated now, and their peak.

    Results of every operation are tracked by their storage until it is freed, so that views and in-place results count once. Unlike
    hooks on tensors saved for the gradient, this also sees what is recomputed between checkpoints.

    Attributes:
        now: bytes allocated.
        peak: largest number of bytes allocated at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Run the operation and count its results."""
        made = func(*args, **(kwargs or {}))
        given = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.untyped_storage().data_ptr() not in given:
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if address in self._known or not size:
            return
        self._known.add(address)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self._known.discard(address)
        self.now -= size


class Arrays(Footprint):
    """Counts the bytes of torch, and samples those of NumPy arrays every few operations of torch while tracemalloc runs.

    NumPy arrays that exist only between samples are missed, more likely in a short run than in a long one.
    The interpreter's own objects do not count: its free lists grow for a while, whatever runs.

    Attributes:
        numpy: largest number of bytes that NumPy was seen to hold.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numpy = self._operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Run the operation, count its results, and sample NumPy if it is time."""
        self._operations += 1
        if self._operations % LOOK == 0:
            self.look()
        return super().__torch_dispatch__(func, types, args, kwargs)

    def look(self) -> None:
        """Sample the bytes that NumPy holds now."""
        traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)]).traces
        self.numpy = max(self.numpy, sum(trace.size for trace in traces))


@dataclass(frozen=True)
class Gradient:
    """The gradient of the error on training data with respect to every learned number, and its cost.

    Attributes:
        error: without penalties.
        arrays: the gradient, by name of the parameter.
        seconds: wall time.
        bytes: peak memory of torch beyond the training data; None if not counted.
    """

    error: float
    arrays: dict[str, ndarray]
    seconds: float
    bytes: int | None


def gradient_footprint(model: Model, data: TrainingData, options: Options, *, seed: int = 0, double: bool = False, count: bool = False) -> Gradient:
    """Return the gradient of the error once, all trials together, and its cost.

    With ``options.through = "segment"`` it is the sum over segments, at the same weights, of the gradients of truncated back-propagation.

    Args:
        model: with its weights.
        data: inputs and wanted outputs.
        options: ``through``, ``segment``, loss and penalties are used.
        seed: of the noise.
        double: use float64 instead of float32.
        count: count bytes too, which takes more time.
    """
    twin = Twin(model, model.arrays(), dtype=torch.float64 if double else torch.float32)
    batch = whole(twin, data, seed)
    watched = Footprint()
    began = time.perf_counter()
    if count:
        with watched:
            error = _backward(twin, batch, options)
    else:
        error = _backward(twin, batch, options)
    seconds = time.perf_counter() - began
    found = {name: one.grad.double().numpy() for name, one in twin.named_parameters() if one.grad is not None}
    return Gradient(error, found, seconds, watched.peak if count else None)


def _backward(twin: Twin, batch: Any, options: Options) -> float:
    if options.through != "segment":
        error, objective = objective_of(twin, batch, options)
        objective.backward()
        return error.item()
    total = 0.0
    for _, piece in cut(twin, batch, options, of=batch.wanted.shape[1]):
        piece.objective.backward()
        total += piece.error.item()
    return total


@dataclass(frozen=True)
class Inference:
    """A run and its cost.

    Attributes:
        rates: observed rates, (trial, time, observed).
        seconds: wall time.
        bytes: peak memory of NumPy and torch beyond the task, the weights and the rates; None if not counted.
    """

    rates: ndarray
    seconds: float
    bytes: int | None


def run_footprint(model: Model, task: Task, *, seed: int = 0, count: bool = False) -> Inference:
    """Return the observed rates of a model on a task, and the cost of the run.

    Args:
        model: with its weights.
        task: the task on which it runs.
        seed: of the noise.
        count: count bytes too, which takes more time.
    """
    problem, watched = Problem(model, model.arrays(), task, seed), Arrays()
    if count:
        tracemalloc.start()
    began = time.perf_counter()
    try:
        with watched if count else nullcontext():
            rates, _ = pytorch.run(problem)
        seconds = time.perf_counter() - began
        if count:
            watched.look()
    finally:
        tracemalloc.stop()
    return Inference(rates, seconds, watched.peak + watched.numpy - rates.nbytes if count else None)


@dataclass(frozen=True)
class Cost:
    """Bytes and seconds of a gradient or a run, for several sequence lengths."""

    bytes: list[int]
    seconds: list[float]

    def add(self, quick: Gradient | Inference, counted: Gradient | Inference) -> None:
        """Add one length, timed in one run and counted in another."""
        assert counted.bytes is not None
        self.seconds.append(quick.seconds)
        self.bytes.append(counted.bytes)

    def told(self, lengths: Sequence[int]) -> str:
        """Return bytes and seconds at each length, in words."""
        rows = zip(lengths, self.bytes, self.seconds, strict=True)
        return ", ".join(f"{length} bins: {held / 1e6:.3g} MB and {took:.2g} s" for length, held, took in rows)

    def exponent(self, lengths: Sequence[int]) -> float:
        """Return the slope of log bytes over log length, from the first length to the last."""
        return float(np.log(self.bytes[-1] / self.bytes[0]) / np.log(lengths[-1] / lengths[0]))


def gradient_distance(one: Mapping[str, ndarray], other: Mapping[str, ndarray]) -> float:
    """Return the norm of the difference of two gradients, relative to that of the first."""
    return float(np.sqrt(sum(((one[name] - other[name]) ** 2).sum() for name in one) / sum((array**2).sum() for array in one.values())))
