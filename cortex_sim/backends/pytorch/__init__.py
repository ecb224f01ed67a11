"""The torch twin: the same equation text as Brian2 runs, as a differentiable step."""

import torch

from cortex_sim.backends.pytorch.twin import Twin
from cortex_sim.schedule import Schedule

__all__ = ["Twin", "run"]


def run(schedule: Schedule):  # type: ignore[no-untyped-def] # noqa: ANN201
    """Integrate the model's equations in float64 and return the rates of its units at every bin, (trial, time, unit)."""
    twin = Twin(schedule.model, schedule.arrays, dtype=torch.float64)
    with torch.no_grad():
        return twin(schedule).numpy()
