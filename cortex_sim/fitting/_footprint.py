"""What a gradient and a run cost: time, and the memory they need beyond what they are given and what they give."""

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
    """Counts the bytes of all tensors made while it is active: those alive now, and the most that ever were.

    Every operation's results are noted by their storage, so that views and what is computed in place count once, and forgotten when the
    storage is freed. Unlike hooks on what is saved for the gradient, this sees what is computed again between checkpoints too.

    Attributes:
        now: bytes alive.
        peak: most bytes alive at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Let the operation run, and note what it made."""
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
    """Count the bytes of torch, and beside them those of the arrays of NumPy, looked at every so many operations of torch while tracemalloc runs.

    What NumPy holds for a moment between looks is missed, more likely in a short run than in a long one.
    The interpreter's own objects do not count: its lists of freed ones to use again grow a while, whatever is run.

    Attributes:
        numpy: most bytes that NumPy was seen to hold.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numpy = self._operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Let the operation run, note what it made, and look at NumPy if it is time."""
        self._operations += 1
        if self._operations % LOOK == 0:
            self.look()
        return super().__torch_dispatch__(func, types, args, kwargs)

    def look(self) -> None:
        """Note what NumPy holds now."""
        traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)]).traces
        self.numpy = max(self.numpy, sum(trace.size for trace in traces))


@dataclass(frozen=True)
class Gradient:
    """Of the error of training data, by every learned number.

    Attributes:
        error: without penalties.
        arrays: by name of the parameter.
        seconds: wall time.
        bytes: most that torch held at once beyond the training data; None if it was not counted.
    """

    error: float
    arrays: dict[str, ndarray]
    seconds: float
    bytes: int | None


def gradient_footprint(model: Model, data: TrainingData, options: Options, *, seed: int = 0, double: bool = False, count: bool = False) -> Gradient:
    """Compute the gradient of an error once, all trials together, through ``options.through``.

    Through one segment at a time it is the sum over segments, at the same weights, of what truncated back-propagation descends.

    Args:
        model: with its weights.
        data: what is wanted of it.
        options: ``through``, its segment, loss and penalties count.
        seed: of the noise.
        double: in float64 instead of float32.
        count: also count bytes, which takes more time.
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
    """A run and what it cost.

    Attributes:
        rates: observed, (trial, time, observed).
        seconds: wall time.
        bytes: most that NumPy and torch held at once beyond the task, the weights and the rates; None if it was not counted.
    """

    rates: ndarray
    seconds: float
    bytes: int | None


def run_footprint(model: Model, task: Task, *, seed: int = 0, count: bool = False) -> Inference:
    """Run a model on a task, and say what it took.

    Args:
        model: with its weights.
        task: what it is run on.
        seed: of the noise.
        count: also count bytes, which takes more time.
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
    """Bytes and seconds of a gradient or a run, at each of several lengths."""

    bytes: list[int]
    seconds: list[float]

    def add(self, quick: Gradient | Inference, counted: Gradient | Inference) -> None:
        """Note one length, timed in one go and counted in another."""
        assert counted.bytes is not None
        self.seconds.append(quick.seconds)
        self.bytes.append(counted.bytes)

    def told(self, lengths: Sequence[int]) -> str:
        """Bytes and seconds at each length, in words."""
        rows = zip(lengths, self.bytes, self.seconds, strict=True)
        return ", ".join(f"{length} bins: {held / 1e6:.3g} MB and {took:.2g} s" for length, held, took in rows)

    def exponent(self, lengths: Sequence[int]) -> float:
        """Slope of log bytes over log length, from the first to the last."""
        return float(np.log(self.bytes[-1] / self.bytes[0]) / np.log(lengths[-1] / lengths[0]))


def gradient_distance(one: Mapping[str, ndarray], other: Mapping[str, ndarray]) -> float:
    """Norm of the difference of two gradients, relative to that of the first."""
    return float(np.sqrt(sum(((one[name] - other[name]) ** 2).sum() for name in one) / sum((array**2).sum() for array in one.values())))
