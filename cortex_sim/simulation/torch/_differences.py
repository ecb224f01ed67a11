"""Functions of NumPy as functions of torch whose derivatives are central differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

STEP = 6e-6  # cube root of the precision of a float64: truncation and round-off then cost alike, a part in 1e10 or so of a smooth function

Moved = Callable[[ndarray, ndarray], ndarray]


def differenced(function: Moved) -> Callable[..., Tensor]:
    """Return a function of arrays (trial, state) and (trial, channel) as one of one state, its constant channels, and its scale, in torch.

    Torch maps it over many states and takes its derivative with respect to the state. The scale says by how much each number of the state typically
    varies; without one it is 1 and the largest of them. A function that computes in single precision has derivatives to 0.1 to 1 %.
    """
    return lambda x, u, scale=None: _Differenced.apply(function, x, u, scale)


class _Differenced(torch.autograd.Function):
    @staticmethod
    def forward(function: Moved, x: Tensor, u: Tensor, scale: Tensor | None) -> Tensor:  # noqa: ARG004
        flat = x.detach().reshape(-1, x.shape[-1]).numpy()
        made = function(flat.copy(), np.tile(u.detach().numpy(), (len(flat), 1)))
        return torch.as_tensor(np.asarray(made, dtype=float)).reshape(x.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004 - as torch calls it
        ctx.function = inputs[0]
        ctx.scale = inputs[3]
        ctx.save_for_forward(*inputs[1:3])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], function: Moved, x: Tensor, u: Tensor, scale: Tensor | None) -> tuple[Tensor, int]:  # noqa: ARG004
        return _Differenced.apply(function, x.movedim(in_dims[1], 0), u, scale), 0

    @staticmethod
    def jvp(ctx: Any, _: None, direction: Tensor, __: None, ___: None) -> Tensor:
        x, u = ctx.saved_tensors
        scale = 1 + x.abs().amax(dim=-1, keepdim=True) if ctx.scale is None else ctx.scale
        h = STEP / (direction.abs() / scale).amax(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
        ahead, behind = (_Differenced.apply(ctx.function, x + sign * h * direction, u, ctx.scale) for sign in (1, -1))
        return (ahead - behind) / (2 * h)
