"""Where torch computes: on the CPU, or on a GPU."""

import os
from typing import Literal, get_args

from cortex_sim.errors import OptionError, suggestion

Device = Literal["cpu", "cuda"]
VARIABLE = "CORTEX_SIM_DEVICE"  # names the device of a run, for itself and its worker processes


def device_of(asked: str | None = None) -> str:
    """Return the device on which torch computes: the one asked for, else that of the run (``--device``), else the CPU.

    Raises:
        OptionError: the device is unknown, or there is none of this kind.
    """
    device = asked or os.environ.get(VARIABLE) or "cpu"
    if device not in get_args(Device):
        raise OptionError(f"device {device!r} is unknown. {suggestion(device, get_args(Device))}")
    if device == "cuda":
        from cortex_sim.simulation.torch import gpu

        if not gpu():
            raise OptionError(
                "device 'cuda': torch sees no GPU here; leave device at 'cpu', or install a build of torch for CUDA on a machine with one."
            )
    return device
