"""The optimisers of torch, by the functions that its classes call: the classes import torch's compiler, 2 s that nobody here needs."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from cortex_sim.fitting._descent import BETAS, EPSILON
from cortex_sim.fitting._options import Options


class Optimiser:
    """Takes steps along the gradients of parameters; the same steps as the class of torch of that name.

    Args:
        learned: parameters that learn.
        options: which optimiser, its rate, momentum and decay of weights.

    Attributes:
        rate: of the next step.
    """

    def __init__(self, learned: Sequence[Tensor], options: Options) -> None:
        self._learned, self._options, self.rate = list(learned), options, options.rate
        self._state: list[dict[str, Tensor]] = [{} for _ in learned]

    def clear(self) -> None:
        """Forget the gradients."""
        for parameter in self._learned:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        moving = [(part, state) for part, state in zip(self._learned, self._state, strict=True) if part.grad is not None]
        if not moving:
            return
        parts, gradients = [part for part, _ in moving], [part.grad for part, _ in moving if part.grad is not None]
        (self._sgd if self._options.optimiser == "sgd" else self._adam)(parts, gradients, [state for _, state in moving])

    def state(self) -> dict[str, Any]:
        """Return all that a checkpoint needs to go on."""
        return {"rate": self.rate, "state": self._state}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.rate, self._state = state["rate"], state["state"]

    def _sgd(self, parts: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]]) -> None:
        means = [state.get("momentum") for state in states]
        sgd(
            parts, gradients, means, weight_decay=self._options.weight_decay, momentum=self._options.momentum, lr=self.rate, dampening=0,
            nesterov=False, maximize=False,
        )  # fmt: skip
        for state, mean in zip(states, means, strict=True):
            if mean is not None:
                state["momentum"] = mean

    def _adam(self, parts: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]]) -> None:
        for part, state in zip(parts, states, strict=True):
            if not state:
                state |= {"steps": torch.tensor(0.0), "mean": torch.zeros_like(part), "squares": torch.zeros_like(part)}
        means, squares, steps = ([state[name] for state in states] for name in ("mean", "squares", "steps"))
        adam(
            parts, gradients, means, squares, [], steps, amsgrad=False, beta1=BETAS[0], beta2=BETAS[1], lr=self.rate, eps=EPSILON,
            weight_decay=self._options.weight_decay, decoupled_weight_decay=self._options.optimiser == "adamw", maximize=False,
        )  # fmt: skip
