"""Networks of Brian2 that a user's own script has built, run trial by trial as they stand."""

import inspect
import itertools
from typing import Any

import brian2 as b2
import numpy as np
from brian2.devices.device import RuntimeDevice
from brian2.equations.equations import PARAMETER
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import CardError, OptionError, suggestion
from cortex_sim.simulation.adapters._wrapped import Wrapped
from cortex_sim.trials import BIN

STORED, OURS = "cortex-sim: as it was wrapped", "cortex_sim"  # a stored state, and how names of what is added begin
COUNT = itertools.count()  # of wraps


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
    if heard is not None and (inputs not in heard.equations or heard.equations[inputs].type != PARAMETER):
        raise OptionError(f"wrap: inputs {inputs!r} should be a parameter of the neurons of {name}, which its equations do not set.")
    steps = bin / float(seen.clock.dt_)
    if steps < 1 - 1e-6 or abs(steps - round(steps)) > 1e-6:
        raise OptionError(f"wrap: bin {bin * 1e3:g} ms should be a multiple of the steps of {name}, {float(seen.clock.dt_) * 1e3:g} ms; give bin=.")
    begun = float(seen.clock.t_[:])
    target: Any = None if heard is None else heard.variables[inputs]
    shared = target is not None and target.scalar
    channels = 0 if heard is None else 1 if shared else heard.N
    stored, known = f"{STORED} {next(COUNT)}", script()
    network.store(stored)

    def outputs(channels: Float[ndarray, "trial step channel"], seed: int) -> Float[ndarray, "trial step unit"]:
        b2.seed(seed)
        try:
            return np.stack([trial_of(each) for each in channels])
        finally:
            network.restore(stored)

    def trial_of(inputs_now: Float[ndarray, "step channel"]) -> Float[ndarray, "step unit"]:
        """Return the rates of a trial; what sets inputs and reads rates is in the network for this trial alone."""

        def hear(t: Any) -> None:
            values = inputs_now[min(round((float(t / b2.second) - begun) / bin), len(inputs_now) - 1)]
            target.set_value(values[0] if shared else values)

        network.restore(stored)
        monitor = b2.StateMonitor(seen, rate, record=True, dt=bin * b2.second, name=f"{OURS}_rates*")
        ours = [monitor]
        if heard is not None:
            ours.append(b2.NetworkOperation(hear, dt=bin * b2.second, when="before_start", name=f"{OURS}_inputs*"))
        network.add(*ours)
        try:
            network.run(len(inputs_now) * bin * b2.second, namespace=known)
            return np.array(getattr(monitor, str(rate) + "_"), dtype=float).T[: len(inputs_now)]
        except b2.BrianObjectException as problem:
            raise CardError(f"{name}: Brian2 cannot run it: {problem.__cause__ or problem}") from None
        finally:
            network.remove(*ours)

    return Wrapped(name, int(seen.N), int(channels), bin, outputs=outputs, after=False, source="network of Brian2")


def _with(groups: list[Any], variable: str | None, name: str, what: str) -> Any:
    """Return the one group that has this variable."""
    named = {key for group in groups for key in group.equations}
    if variable is None:
        raise OptionError(f"wrap: {name} needs {what}=, the name of a variable of its neurons: one of {', '.join(sorted(named))}.")
    found = [group for group in groups if variable in group.variables and variable in group.equations]
    if len(found) != 1:
        few = f"{len(found)} groups have one; wrap a network in which one has" if found else suggestion(variable, named)
        raise OptionError(f"wrap: {what} {variable!r} is a variable of one group of neurons, as it should be, in none of {name}: {few}")
    return found[0]


def script() -> dict[str, Any]:
    """Return what the script that wraps a network can name: of the first frame outside this package."""
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).split(".")[0] == "cortex_sim":
        frame = frame.f_back
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}
