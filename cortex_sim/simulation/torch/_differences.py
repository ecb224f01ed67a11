"""Functions of NumPy as functions of torch whose derivatives are central differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

STEP = 6e-6  # cube root of the precision of a float64: truncation and round-off then cost alike, a part in 1e10 or so of a smooth function

Moved = Callable[[ndarray, ndarray], ndarray]


def differenced(function: Moved) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function of arrays (trial, state) and (trial, channel) as one of one state and its constant channels, in torch.

    Torch maps it over many states and takes its derivative with respect to the state.
    """
    return lambda x, u: _Differenced.apply(function, x, u)


class _Differenced(torch.autograd.Function):
    @staticmethod
    def forward(function: Moved, x: Tensor, u: Tensor) -> Tensor:
        flat = x.detach().reshape(-1, x.shape[-1]).numpy()
        made = function(flat.copy(), np.tile(u.detach().numpy(), (len(flat), 1)))
        return torch.as_tensor(np.asarray(made, dtype=float)).reshape(x.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004 - as torch calls it
        ctx.function = inputs[0]
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], function: Moved, x: Tensor, u: Tensor) -> tuple[Tensor, int]:  # noqa: ARG004
        return _Differenced.apply(function, x.movedim(in_dims[1], 0), u), 0

    @staticmethod
    def jvp(ctx: Any, _: None, direction: Tensor, __: None) -> Tensor:
        x, u = ctx.saved_tensors
        h = STEP * (1 + x.abs().amax(dim=-1, keepdim=True)) / direction.abs().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
        ahead, behind = (_Differenced.apply(ctx.function, x + sign * h * direction, u) for sign in (1, -1))
        return (ahead - behind) / (2 * h)
