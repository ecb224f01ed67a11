"""Modules of torch that were made elsewhere: their weights, their outputs, and their state where they are stepped."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from cortex_sim.errors import CardError, FileProblem
from cortex_sim.runtime import seed_of, stream, visible
from cortex_sim.simulation._carrier import carrier_of
from cortex_sim.simulation.adapters._wrapped import System

LINEAR = 1e-9  # of the largest output: what a readout that is linear in the state may miss
SIZES = ("input_size", "in_features", "in_channels")


def read_weights(path: Path) -> Any:
    """Return what a file of weights holds; nothing in it is executed.

    Raises:
        FileProblem: the file is none of weights alone.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as problem:  # of torch, safetensors or pickle, on files of any kind
        said = "it would have to execute what is in the file" if "Weights only load failed" in str(problem) else visible(str(problem).split("\n")[0])
        raise FileProblem(f"{path}: holds no weights alone ({said}); write them by torch.save(net.state_dict(), path).") from None


def frozen(module: nn.Module) -> nn.Module:
    """Return a copy of a module as it stands, for evaluation: what is later done to the module does not change the copy."""
    if any(isinstance(part, nn.parameter.UninitializedParameter) for part in module.parameters()):
        raise CardError(f"{type(module).__name__}: has weights without a shape yet; run it once on an input, then wrap it.")
    try:
        return copy.deepcopy(module).eval()
    except Exception as problem:
        raise CardError(f"{type(module).__name__}: cannot be copied: {problem}") from None


def arrays_of(module: nn.Module) -> dict[str, ndarray]:
    """Return the weights and buffers of a module, by name."""
    return {name: value.detach().cpu().double().numpy() for name, value in module.state_dict().items() if isinstance(value, Tensor)}


def held_by(module: nn.Module) -> frozenset[str]:
    """Return the names of the weights that are not to be trained."""
    return frozenset(name for name, part in module.named_parameters() if not part.requires_grad)


def input_sizes(module: nn.Module) -> list[int]:
    """Return the numbers of inputs that the parts of a module say they take, in the order of the parts; one of them is the module's own."""
    found = [getattr(part, size, None) for part in module.modules() for size in SIZES]
    return list(dict.fromkeys(size for size in found if isinstance(size, int)))


def batch_first_of(module: nn.Module) -> bool:
    """Return whether a module's recurrent part takes trials first; yes if there is none."""
    return all(bool(part.batch_first) for part in module.modules() if isinstance(part, nn.RNNBase))


def outputs_of(module: nn.Module, channels: Float[ndarray, "trial time channel"], *, batch_first: bool = True, seed: int = 0) -> ndarray:
    """Return what a fresh copy of a module makes of channels (trial, bin, channel), as (trial, bin, output).

    Args:
        module: whose forward is run; what it keeps from one run to the next is left as it was.
        channels: inputs.
        batch_first: whether it takes trials first.
        seed: of what it draws by torch's generator.

    Raises:
        CardError: it fails, or gives anything else.
    """
    kind = next((part.dtype for part in module.parameters() if part.is_floating_point()), torch.float32)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "student", "what a module draws while it runs"))
        return sequence(copy.deepcopy(module), torch.tensor(channels, dtype=kind), batch_first).double().numpy()


def sequence(module: nn.Module, inputs: Float[Tensor, "trial bin channel"], batch_first: bool) -> Float[Tensor, "trial bin output"]:
    """Return what a module's forward makes of whole sequences; the first, if it gives several things.

    Raises:
        CardError: it fails, or gives anything else.
    """
    try:
        made = module(inputs if batch_first else inputs.transpose(0, 1).contiguous())
    except Exception as problem:
        raise CardError(f"{type(module).__name__}: forward fails on inputs of shape {tuple(inputs.shape)}: {problem}") from None
    made = made[0] if isinstance(made, Sequence) else made
    made = made if batch_first or not isinstance(made, Tensor) or made.ndim < 2 else made.transpose(0, 1)
    if not isinstance(made, Tensor) or made.ndim != 3 or made.shape[:2] != inputs.shape[:2] or made.is_complex():
        found = f"shape {tuple(made.shape)}" if isinstance(made, Tensor) else type(made).__name__
        raise CardError(f"{type(module).__name__}: forward should give (trial, bin, output) for (trial, bin, channel); it gives {found}.")
    return made


def bin_by_bin(module: nn.Module, inputs: Float[Tensor, "trial bin channel"], units: int) -> Float[Tensor, "trial bin output"]:
    """Return the outputs of a module whose forward takes the input of one bin and a state, from a state of 0."""
    state, found = inputs.new_zeros(len(inputs), units), []
    for u in inputs.unbind(1):
        made = module(u, state)
        output, state = made if isinstance(made, tuple) else (made, made)
        found.append(output)
    return torch.stack(found, dim=1)


def tensor(array: Float[ndarray, "..."]) -> Tensor:
    """Return an array as a tensor, in float64."""
    return torch.tensor(array, dtype=torch.float64)


def each(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a function of one state as one of many."""
    return torch.func.vmap(function)


def derivative(function: Callable[[Any, Any], Any], x: Float[ndarray, "..."], u: Float[ndarray, "..."]) -> ndarray:
    """Return the derivative of a function ``f(x, u)`` of states (trial, state) and channels with respect to one state, (state, state)."""
    at, given = tensor(x), tensor(u)
    return each(torch.func.jacrev(lambda one: function(one[None], given[None])[0]))(at[None])[0].numpy()


def in_numpy(function: Callable[..., Any]) -> Callable[..., ndarray]:
    """Return a function of tensors as one of arrays, in float64."""

    def call(*given: ndarray) -> ndarray:
        with torch.no_grad():
            made: ndarray = function(*(torch.tensor(array, dtype=torch.float64) for array in given)).numpy()
        return made

    return call


def stepped(module: nn.Module, units: int, channels: int, bin: float) -> tuple[System, int]:
    """Return the system of a module whose forward takes the input of one bin and a state, and the number of its outputs.

    Raises:
        CardError: forward fails on them, or gives neither a state nor an output and a state.
    """
    exact = copy.deepcopy(module).double()
    x, u = torch.zeros(2, units, dtype=torch.float64), torch.zeros(2, channels, dtype=torch.float64)
    what = f"{type(module).__name__}: forward(input, state) for one bin"
    try:
        made = exact(u, x)
    except Exception as problem:
        raise CardError(f"{what} fails on shapes {tuple(u.shape)} and {tuple(x.shape)}: {problem}") from None
    if isinstance(made, tuple) and (len(made) != 2 or not isinstance(made[1], Tensor)):
        raise CardError(f"{what} gives a tuple of {len(made)}; it should give the new state, or the output and the new state, a tensor each.")
    state = made[1] if isinstance(made, tuple) else made
    output = made[0] if isinstance(made, tuple) else made
    if not isinstance(state, Tensor) or state.shape != x.shape or not isinstance(output, Tensor) or output.ndim != 2 or len(output) != 2:
        found = [tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in (output, state)]
        raise CardError(f"{what} gives {found[0]} and {found[1]}; they should be an output (2, n) and a state {tuple(x.shape)}.")
    return _system(exact, units, channels, bin, alone=not isinstance(made, tuple)), output.shape[1]


def _system(module: nn.Module, units: int, channels: int, bin: float, *, alone: bool) -> System:
    """Return the system of a module that gives the new state alone, or an output too.

    An output that is linear in the new state is read from it, so that pushes have a direction; any other is carried along beside the state.
    """

    def after(x: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        made = module(u, x[:, :units])
        return (made, made) if alone else (made[0], made[1])

    def velocity(x: Tensor, u: Tensor, scale: Tensor | None = None) -> Tensor:  # noqa: ARG001 - torch derives it
        return (after(x[None], u[None])[1][0] - x) / bin

    both = in_numpy(lambda x, u: torch.cat(after(x, u), dim=1))
    outputs = both(np.zeros((1, units)), np.zeros((1, channels))).shape[1] - units
    if alone:
        return System(np.zeros(units), lambda x, u: both(x, u)[:, outputs:], lambda x: x, velocity, np.eye(units))
    rng, many = stream(0, "analysis", "states and inputs that probe outputs"), 6 * units + 24
    size = np.exp(rng.uniform(-3, 5, (many, 1)))  # small states and large ones, so that what is bent anywhere shows
    made = both(size * rng.standard_normal((many, units)), size * rng.standard_normal((many, channels)))
    y, x = made[:, :outputs], np.pad(made[:, outputs:], ((0, 0), (0, 1)), constant_values=1.0)
    C, *_ = np.linalg.lstsq(x, y, rcond=None)
    if np.isfinite(made).all() and (abs(x @ C - y) <= LINEAR * np.maximum(1.0, abs(x).max(axis=1, keepdims=True))).all():
        read = lambda x: x @ C[:-1] + C[-1]  # noqa: E731
        return System(np.zeros(units), lambda x, u: both(x, u)[:, outputs:], read, velocity, carrier_of(C[:-1].T))
    return System(np.zeros(units + outputs), lambda x, u: np.roll(both(x, u), units, axis=1), lambda x: x[:, units:], None, None)
