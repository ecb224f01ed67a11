"""The inputs to a model's equations at every step, as tensors: drives, channels, noise, and feedback from a body."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import linear

from cortex_sim.cards import scale
from cortex_sim.simulation._problem import Noise, Problem
from cortex_sim.simulation.torch._body_kernel import step
from cortex_sim.tasks.body import Moving

if TYPE_CHECKING:
    from cortex_sim.simulation.torch._twin import Twin


class Inputs:
    """The inputs to the equations as functions of the step, prepared once for all steps, or for a segment of them.

    Args:
        twin: the task's channels enter through its current weights.
        problem: gives the drives, channels and noise.
        chosen: trials to keep, by position; all if None.
        first: first step of the segment.
        stop: one past its last step; the end of the schedule if None.
        noise: where the draws of each noisy input resume; from the start if None.
    """

    def __init__(
        self,
        twin: "Twin",
        problem: Problem,
        chosen: ndarray | None = None,
        *,
        first: int = 0,
        stop: int | None = None,
        noise: Mapping[str, Noise] | None = None,
    ) -> None:
        def tensor(array: ndarray) -> Tensor:
            return twin.tensor(array if chosen is None else array[chosen])

        self._patterns = [(tensor(pattern), course) for pattern, course in problem.patterns]
        inputs = problem.model.inputs
        self._factors = {name: scale(item.unit) for name, item in inputs.items()}
        heard = problem.heard(first, problem.steps if stop is None else stop)
        weights = {name: twin.array(str(inputs[name].weights)) for name in heard}
        self._weights = {name: W[:, : problem.own] for name, W in weights.items()} if problem.feels else weights
        self._feelers = {name: W[:, problem.own :] for name, W in weights.items()} if problem.feels else {}
        self._schedule = problem
        self._heard = {name: tensor(u) for name, u in heard.items()}
        self.first, self.noise = first, noise or {name: problem.noise(name) for name, item in inputs.items() if item.noise}
        self._silent = [n for n, item in inputs.items() if item.weights and n not in heard]
        self._driven = [n for n, item in inputs.items() if not item.weights and not item.noise]
        self._tensor, self._chosen = twin.tensor, slice(None) if chosen is None else chosen

    def push(self, pattern: Float[Tensor, "trial unit"]) -> None:
        """Let the task's last drive have this pattern over the model's units, which may be one that is differentiated."""
        self._patterns[-1] = (pattern, self._patterns[-1][1])

    @cached_property
    def _stimuli(self) -> dict[str, tuple[Tensor, ...]]:
        return {name: linear(u, self._weights[name]).unbind(1) for name, u in self._heard.items()}

    def channels(self, steps: range) -> Float[Tensor, "trial step channel"] | None:
        """Return the unweighted channels, which all inputs that listen to them share; None if they are silent."""
        heard = next(iter(self._heard.values()), None)
        return None if heard is None else heard[:, steps.start - self.first : steps.stop - self.first]

    def moving(self, state: Float[Tensor, "trial number"]) -> Moving | None:
        """Return the task's body in this state; None if the task has none."""
        if (body := self._schedule.task.body) is None:
            return None
        loads = [load.each(lambda array: self._tensor(array[self._chosen])) for load in self._schedule.loads]
        return Moving(body, state, self._schedule.dt, loads, torch, step)

    def driven(self, step: int) -> dict[str, Any]:
        """Return the values at a step of those inputs that carry the task's drives and pushes, in SI units; 0.0 where none acts."""
        drive: Any = 0.0
        for pattern, course in self._patterns:
            if course[step]:
                drive = drive + float(course[step]) * pattern
        return {name: self._factors[name] * drive for name in self._driven}

    def at(self, step: int, moving: Moving | None = None) -> dict[str, Callable[[Any, Any], Any]]:
        """Return every input's value at a step, as the function of t and i that the equations call.

        Args:
            step: of the schedule.
            moving: the body that gives feedback.
        """
        values: dict[str, Any] = self.driven(step) | dict.fromkeys(self._silent, 0.0)
        values |= {name: self._factors[name] * u[step - self.first] for name, u in self._stimuli.items()}
        if moving is not None and self._feelers:
            felt = float(self._schedule.feeling[step]) * moving.heard(step - self.first)
            values |= {name: values[name] + self._factors[name] * linear(felt, W) for name, W in self._feelers.items()}
        values |= {name: self._tensor(next(draws)[self._chosen]) for name, draws in self.noise.items()}
        return {name: lambda t, i, now=value: now for name, value in values.items()}

    def summed(self, weights: Mapping[str, Tensor], steps: range) -> Float[Tensor, "step trial unit"] | None:
        """Return the weighted sum of all inputs at these steps; None if all are silent."""
        parts: list[Tensor] = []
        for name, u in self._stimuli.items():
            heard = torch.stack(u[steps.start - self.first : steps.stop - self.first])
            parts.append(self._factors[name] * weights[name] * heard)
        drive = sum((self._factors[name] * weights[name] for name in self._driven), self._tensor(np.zeros(())))
        for pattern, course in self._patterns:
            if (now := course[steps.start : steps.stop]).any():
                parts.append(self._tensor(now)[:, None, None] * (drive * pattern))
        for name, draws in self.noise.items():
            noise = torch.stack([self._tensor(next(draws)[self._chosen]) for _ in steps])
            parts.append(weights[name] * noise)
        return sum(parts[1:], parts[0]) if parts else None
