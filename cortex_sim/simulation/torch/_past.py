"""What is in transit in delayed projections while a twin runs."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

if TYPE_CHECKING:
    from cortex_sim.simulation.torch._twin import Twin

Numbers = Float[Tensor, "trial number"]


class Past:
    """What entered each delayed projection during its last delay; what enters at the first step stands for all times before.

    Args:
        twin: its current weights apply to what arrives.
        kept: what an earlier segment of the run left in transit; None at the start.
    """

    def __init__(self, twin: "Twin", kept: Numbers | None) -> None:
        self._model, self._weights = twin.model, {name: twin.array(name) for name in twin.model.lags}
        sizes = {name: twin.model.size(twin.model.projections[name].columns) for name in self._weights}
        self._way: dict[str, deque[Tensor]] = {name: deque() for name in sizes}
        if kept is not None:
            parts = kept.split([lag * sizes[name] for name, lag in twin.model.lags.items()], dim=1)
            self._way = {name: deque(part.split(sizes[name], dim=1)) for name, part in zip(sizes, parts, strict=True)}
        self._sizes = sizes

    @staticmethod
    def width(twin: "Twin") -> int:
        """Return how many numbers are in transit in each trial."""
        return sum(lag * twin.model.size(twin.model.projections[name].columns) for name, lag in twin.model.lags.items())

    def products(self) -> dict[str, Callable[[Any], Tensor]]:
        """Return delayed projections as functions that give what arrives now; none at the first step, where what enters arrives."""
        arriving = {name: linear(way[0], self._weights[name]) for name, way in self._way.items() if way}
        return {name: lambda _, now=value: now for name, value in arriving.items()}

    def go_on(self, values: Mapping[str, Any], before: Mapping[str, Any], trials: int) -> None:
        """Store what enters the projections at a step, given all values after and before units were clamped."""
        entering = {name: self._model.parsed.carried(name, values, before) for name in self._way}
        for name, way in self._way.items():
            now = torch.as_tensor(entering[name], dtype=self._weights[name].dtype).expand(trials, self._sizes[name])
            if way:
                way.popleft()
                way.append(now)
            else:
                way.extend([now] * self._model.lags[name])

    def kept(self) -> list[Numbers]:
        """Return all that is in transit, for the next segment of the run."""
        return [part for way in self._way.values() for part in way]
