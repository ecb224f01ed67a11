"""The step of a user's own module as a graph of ONNX, as torch writes it."""

import copy
import io
import warnings
from typing import Any

import torch
from torch import nn

from cortex_sim.errors import CardError


def onnx_step(module: nn.Module, name: str, *, units: int, channels: int, names: tuple[str, str, str, str], opset: int) -> bytes:
    """Return the graph of a module's forward for one bin, in double precision.

    Args:
        module: takes the input of a bin and a state, and gives the new state, or an output and the new state.
        name: of the model, for messages.
        units: length of the state.
        channels: number of inputs.
        names: of the input, of the state, of the output and of the new state in the graph.
        opset: version of ONNX's operators.

    Raises:
        CardError: torch cannot write it.
    """

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = copy.deepcopy(module).double().eval()

        def forward(self, u: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            made = self.module(u, x)
            return (made[0], made[1]) if isinstance(made, tuple) else (made, 1.0 * made)

    written: Any = io.BytesIO()
    given = (torch.zeros(2, channels, dtype=torch.float64), torch.zeros(2, units, dtype=torch.float64))
    how: dict[str, Any] = {"input_names": list(names[:2]), "output_names": list(names[2:]), "dynamic_axes": {part: {0: "trial"} for part in names}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own, on the exporter that needs no further package
            torch.onnx.export(Step(), given, written, dynamo=False, opset_version=opset, **how)
    except Exception as problem:  # of torch, on modules of any kind
        said = str(problem).strip().split("\n")[0]
        raise CardError(f"{name}: torch cannot write its forward as ONNX: {said}") from None
    return written.getvalue()
