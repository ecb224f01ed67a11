r"""Leaky networks unrolled by a dedicated pair of forward and backward loops; `benchmarks/training_step.py` measures the speed-up.

A step is :math:`x_{t+1} = \alpha x_t + K r_t + u_t` with :math:`r = \phi(x)`, :math:`K = \operatorname{diag}(k) W`. Going backwards,
with :math:`\lambda_t` the derivative of the loss with respect to :math:`x_t`,
:math:`\lambda_t = \alpha\lambda_{t+1} + \phi'(x_t) (K^\top\lambda_{t+1} + \bar r_t) + \bar x_t`,
and the derivative with respect to K is one product over all times and trials, :math:`\sum_t \lambda_{t+1} r_t^\top`.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

Steps = Float[Tensor, "step trial unit"]
Gain = Callable[[Tensor], Tensor]


class LeakySteps(torch.autograd.Function):
    """Compute states and rates at the start of every step, and the state after the last."""

    @staticmethod
    def forward(ctx: Any, start: Tensor, coupling: Tensor, decay: Tensor, inputs: Steps, gain: Gain, tanh: bool) -> tuple[Steps, Steps, Tensor]:
        """Step forward.

        Args:
            ctx: keeps what the backward pass needs.
            start: initial state (trial, unit).
            coupling: K.
            decay: alpha, one per unit.
            inputs: u.
            gain: phi, applied elementwise.
            tanh: whether phi is tanh, whose slope is 1 - r^2.
        """
        x, K = start, coupling.T.contiguous()
        states = start.new_empty(len(inputs), *start.shape)
        rates = torch.empty_like(states)
        for step, u in enumerate(inputs.unbind(0)):
            states[step] = x
            r = rates[step]
            r.copy_(gain(x))
            x = torch.addcmul(u, decay, x).addmm_(r, K)
        ctx.gain = None if tanh else gain
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(coupling, decay, states, rates)
        return states, rates, x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_states: Steps | None, by_rates: Steps | None, by_last: Tensor | None) -> tuple[Tensor | None, ...]:
        """Step backwards; a derivative of None counts as 0."""
        coupling, decay, states, rates = ctx.saved_tensors
        slopes = ctx.gain and torch.func.jvp(ctx.gain, (states,), (torch.ones_like(states),))[1]
        back = torch.empty_like(states)
        now = torch.zeros_like(states[0]) if by_last is None else by_last
        for step in reversed(range(len(states))):
            back[step] = now
            by_rate = now @ coupling if by_rates is None else torch.addmm(by_rates[step], now, coupling)
            now = decay * now if by_states is None else torch.addcmul(by_states[step], decay, now)
            if slopes is None:
                now.add_(by_rate).sub_(by_rate.mul_(rates[step]).mul_(rates[step]))
            else:
                now.addcmul_(slopes[step], by_rate)
        units = states.shape[2]
        wanted = ctx.needs_input_grad
        return (
            now, back.reshape(-1, units).T @ rates.reshape(-1, units) if wanted[1] else None,
            (back * states).sum(dim=(0, 1)) if wanted[2] else None, back if wanted[3] else None, None, None,
        )  # fmt: skip
