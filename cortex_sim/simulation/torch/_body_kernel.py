"""One step of a body and its closed-form derivative; on the CPU in NumPy, whose small arrays cost a tenth of small tensors with gradients."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cortex_sim.tasks.body import Body, Posture, step_back


def step(body: Body, posture: Posture, commands: Tensor, dt: float, load: Tensor | None) -> Posture:
    """Return the posture one step later; see :meth:`.Body.step`."""
    return Posture(*_Step.apply(*posture[:3], commands, load, body, dt))


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, speed: Tensor, activation: Tensor, commands: Tensor, load: Tensor | None, body: Body, dt: float) -> Any:
        given = (q, speed, activation, commands, load)
        xp, (q_, speed_, activation_, commands_, load_) = _plain(given)
        after = body.step(Posture(q_, speed_, activation_, None), commands_, dt, xp, load_)
        ctx.body, ctx.dt, ctx.load = body, dt, load is not None
        made = tuple(torch.as_tensor(part).clone() for part in after)
        ctx.save_for_backward(*(part for part in given if part is not None), *made)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *by: Tensor) -> tuple[Tensor | None, ...]:
        *given, q, speed, activation, torque = ctx.saved_tensors
        xp, arrays = _plain((*given, q, speed, activation, torque, *by))
        (q_, speed_, activation_, commands), load = arrays[:4], arrays[4] if ctx.load else None
        after, slopes = Posture(*arrays[-8:-4]), Posture(*arrays[-4:])
        found = step_back(ctx.body, Posture(q_, speed_, activation_, None), commands, after, slopes, ctx.dt, load, xp)
        *parts, by_load = (None if part is None else torch.as_tensor(part) for part in found)
        return *parts, by_load if ctx.load else None, None, None


def _plain(tensors: tuple[Tensor | None, ...]) -> tuple[Any, list[Any]]:
    """Return an array module and the tensors, detached, as its arrays: NumPy views on the CPU, else torch."""
    if any(one is not None and one.device.type != "cpu" for one in tensors):
        return torch, [None if one is None else one.detach() for one in tensors]
    return np, [None if one is None else one.detach().numpy() for one in tensors]
