"""Networks of Brian2 that a user's own script has built, run trial by trial as they stand."""

import inspect
from typing import Any

import brian2 as b2
import numpy as np
from brian2.devices.device import RuntimeDevice
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import CardError, OptionError, suggestion
from cortex_sim.simulation.adapters._wrapped import Wrapped
from cortex_sim.trials import BIN

STORED, OURS = "cortex-sim: as it was wrapped", "cortex_sim"  # a stored state, and how names of what is added begin


def network_of(thing: Any, name: str, *, rate: str | None = None, inputs: str | None = None, bin: float = BIN) -> Wrapped:
    """Return a network of Brian2 as a model: at each bin its inputs are set, and its rates are read at the start of the bin.

    The network is put back to how it was wrapped before every trial. Constants that its equations take from the script are those at the time of
    wrapping.

    Args:
        thing: ``brian2.Network``, or a ``NeuronGroup`` that stands alone.
        name: of the model.
        rate: variable that is observed, in SI.
        inputs: parameter that takes the channels, in SI: one for each neuron, or one for all if it is shared; none if it hears nothing.
        bin: how often inputs change and rates are read, s.

    Raises:
        OptionError: the variable or parameter does not exist, or exists in several groups.
        CardError: Brian2 is set up for standalone programs, which cannot be run again and again.
    """
    if not isinstance(b2.get_device(), RuntimeDevice):
        raise CardError(f"{name}: Brian2 is set to a standalone device; wrapped networks run with set_device('runtime').")
    network = thing if isinstance(thing, b2.Network) else b2.Network(thing)
    groups = [part for part in network.objects if isinstance(part, b2.NeuronGroup)]
    seen = _with(groups, rate, name, "rate")
    heard = _with(groups, inputs, name, "inputs") if inputs else None
    shared = heard is not None and heard.variables[inputs].scalar
    channels = 0 if heard is None else 1 if shared else heard.N
    given: dict[str, Float[ndarray, "bin channel"]] = {}

    def hear(t: Any) -> None:
        if heard is not None and "now" in given:
            values = given["now"][min(round(float(t / b2.second) / bin), len(given["now"]) - 1)]
            heard.variables[inputs].set_value(values[0] if shared else values)

    hearing = b2.NetworkOperation(hear, dt=bin * b2.second, when="before_start", name=f"{OURS}_inputs*")
    monitor = b2.StateMonitor(seen, rate, record=True, dt=bin * b2.second, name=f"{OURS}_rates*")
    network.add(hearing, monitor)
    network.store(STORED)
    known = script()

    def outputs(channels: Float[ndarray, "trial step channel"], seed: int) -> Float[ndarray, "trial step unit"]:
        found = []
        b2.seed(seed)
        for trial in channels:
            network.restore(STORED)
            given["now"] = trial
            network.run(len(trial) * bin * b2.second, namespace=known)
            found.append(np.array(getattr(monitor, str(rate) + "_"), dtype=float).T[: len(trial)])  # a copy: restoring empties what is monitored
        network.restore(STORED)
        return np.stack(found)

    return Wrapped(name, int(seen.N), int(channels), bin, outputs=outputs, after=False, source="network of Brian2")


def _with(groups: list[Any], variable: str | None, name: str, what: str) -> Any:
    """Return the one group that has this variable."""
    named = {key for group in groups for key in group.variables if not key.startswith("_")}
    if variable is None:
        raise OptionError(f"wrap: {name} needs {what}=, the name of a variable of its neurons: one of {', '.join(sorted(named))}.")
    found = [group for group in groups if variable in group.variables]
    if len(found) != 1:
        few = f"{len(found)} groups have one; wrap a network in which one has" if found else suggestion(variable, named)
        raise OptionError(f"wrap: {what} {variable!r} is a variable of one group of neurons, as it should be, in none of {name}: {few}")
    return found[0]


def script() -> dict[str, Any]:
    """Return what the script that wraps a network can name: of the first frame outside this package."""
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("cortex_sim"):
        frame = frame.f_back
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}
