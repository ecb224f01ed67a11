"""Networks of Brian2 that a user's own script has built, run trial by trial as they stand."""

import inspect
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import brian2 as b2
import numpy as np
from brian2.devices.device import RuntimeDevice
from brian2.equations.equations import PARAMETER
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.errors import CardError, OptionError, suggestion
from cortex_sim.simulation.adapters._wrapped import Wrapped
from cortex_sim.trials import BIN

EDGE = 1e-6  # of a bin: what is round-off
SPIKES = "spikes"  # what stands in the place of a variable where spikes are observed
STORED, BEFORE, OURS = (
    "cortex-sim: as it was wrapped",
    "cortex-sim: before trials",
    "cortex_sim",
)  # stored states, and how names of what is added begin
COUNT = itertools.count()  # of wraps


def network_of(thing: Any, name: str, *, rate: str | None = None, inputs: str | None = None, bin: float = BIN) -> Wrapped:
    """Return a network of Brian2 as a model: at each bin its inputs are set, and its rates are read at the start of the bin, or all spikes kept.

    The network is put back to how it was wrapped before every trial, and afterwards to how it was found. Constants that
    its equations take from the script are those at the time of wrapping.

    Args:
        thing: ``brian2.Network``, or a ``NeuronGroup`` that stands alone.
        name: of the model.
        rate: variable that is observed, in SI; or "spikes", those of every group with a threshold, unless a variable is called so.
        inputs: parameter that takes the channels, in SI: one for each neuron, or one for all if it is shared; none if it hears nothing.
        bin: how often inputs change and rates are read, s.

    Raises:
        OptionError: the variable or parameter does not exist, or exists in several groups, or no group has a threshold.
        CardError: Brian2 is set up for standalone programs, which cannot be run again and again.
    """
    if not isinstance(b2.get_device(), RuntimeDevice):
        raise CardError(f"{name}: Brian2 is set to a standalone device; wrapped networks run with set_device('runtime').")
    try:
        network = thing if isinstance(thing, b2.Network) else b2.Network(thing)
    except RuntimeError:  # of Brian2, for a group that another network has run
        raise CardError(f"{name}: this group has run in a network, which alone can run it again; wrap that network.") from None
    lent = network is not thing
    groups = [part for part in network.objects if isinstance(part, b2.NeuronGroup)]
    fires = rate == SPIKES and not any(SPIKES in group.equations for group in groups)
    seen = _firing(groups, name) if fires else [_with(groups, rate, name, "rate")]
    heard = _with(groups, inputs, name, "inputs") if inputs else None
    if heard is not None and (inputs not in heard.equations or heard.equations[inputs].type != PARAMETER):
        raise OptionError(f"wrap: inputs {inputs!r} should be a parameter of the neurons of {name}, which its equations do not set.")
    for step in sorted({float(group.clock.dt_) for group in seen}):
        if bin / step < 1 - 1e-6 or abs(bin / step - round(bin / step)) > 1e-6:
            raise OptionError(f"wrap: bin {bin * 1e3:g} ms should be a multiple of the steps of {name}, {step * 1e3:g} ms; give bin=.")
    target: Any = None if heard is None else heard.variables[inputs]
    channels = 0 if heard is None else 1 if target.scalar else heard.N
    ready = Script(name, network, seen, None if fires else rate, target, bin, script(), f"{STORED} {next(COUNT)}", float(seen[0].clock.t_[:]), lent)
    network.store(ready.stored)
    if fires:
        population = tuple(str(group.name) for group in seen for _ in range(group.N))
        source = "spikes of a network of Brian2"
        return Wrapped(name, len(population), int(channels), bin, after=False, source=source, spikes=ready.trials, population=population)
    return Wrapped(name, int(seen[0].N), int(channels), bin, outputs=ready.rates, after=False, source="network of Brian2")


@dataclass(frozen=True)
class Script:
    """A network of Brian2 as it was wrapped.

    Attributes:
        name: for messages.
        network: it, which is put back to the stored state before every trial.
        seen: groups of neurons that are observed.
        rate: variable that is observed; spikes if None.
        target: the parameter that takes the channels, if any.
        bin: how often inputs change and rates are read, s.
        known: what its equations take from the user's script.
        stored: name of the stored state.
        begun: time of that state, s.
        lent: whether the network was made here of a group that another network of the script may hold.
    """

    name: str
    network: Any
    seen: Sequence[Any]
    rate: str | None
    target: Any
    bin: float
    known: Mapping[str, Any]
    stored: str
    begun: float
    lent: bool

    @property
    def every(self) -> float:
        """How often inputs are set and rates read, s: at each bin, or at each step if bins do not begin at ticks of a clock of theirs."""
        late = self.begun / self.bin
        return self.bin if abs(late - round(late)) < EDGE else min(float(group.clock.dt_) for group in self.seen)

    def rates(self, channels: Float[ndarray, "trial step channel"], seed: int) -> Float[ndarray, "trial step unit"]:
        """Return the observed variable at the start of every bin."""
        return np.stack(self.trials(channels, seed))

    def trials(self, channels: Float[ndarray, "trial step channel"], seed: int) -> list[Any]:
        """Return the observed variable of each trial, (step, unit), or times from its start, s, and units of its spikes."""
        owners = {part: part._network for part in _all(self.network.objects)} if self.lent else {}
        for part in owners:
            part._network = None  # as Brian2 notes which network runs an object, and lets no other hold it
        self.network.store(BEFORE)
        b2.seed(seed)
        try:
            return [self._trial(each) for each in channels]
        finally:
            self.network.restore(BEFORE)
            for part, owner in owners.items():
                part._network = owner

    def _trial(self, inputs: Float[ndarray, "step channel"]) -> Any:
        """Run a trial; what sets inputs and observes is in the network for this trial alone."""

        def hear(t: Any) -> None:
            values = inputs[min(int((float(t / b2.second) - self.begun) / self.bin + EDGE), len(inputs) - 1)]
            self.target.set_value(values[0] if self.target.scalar else values)

        self.network.restore(self.stored)
        monitors = [self._monitor(group) for group in self.seen]
        ours = list(monitors)
        if self.target is not None:
            ours.append(b2.NetworkOperation(hear, dt=self.every * b2.second, when="before_start", name=f"{OURS}_inputs*"))
        self.network.add(*ours)
        try:
            self.network.run(len(inputs) * self.bin * b2.second, namespace=self.known)
            if self.rate is None:
                return _spikes(monitors, self.begun)
            return np.array(getattr(monitors[0], self.rate + "_"), dtype=float).T[:: round(self.bin / self.every)][: len(inputs)]
        except b2.BrianObjectException as problem:
            raise CardError(f"{self.name}: Brian2 cannot run it: {problem.__cause__ or problem}") from None
        finally:
            self.network.remove(*ours)

    def _monitor(self, group: Any) -> Any:
        if self.rate is None:
            return b2.SpikeMonitor(group, name=f"{OURS}_spikes*")
        return b2.StateMonitor(group, self.rate, record=True, dt=self.every * b2.second, name=f"{OURS}_rates*")


def _all(objects: Iterable[Any]) -> Iterator[Any]:
    """Yield objects of Brian2 and those that they hold."""
    for part in objects:
        yield part
        yield from _all(part.contained_objects)


def _firing(groups: list[Any], name: str) -> list[Any]:
    """Return the groups of neurons that fire, in the order of their names."""
    if found := sorted((group for group in groups if "spike" in group.events), key=lambda group: str(group.name)):
        return found
    raise OptionError(f"wrap: rate {SPIKES!r} is of neurons with a threshold, and no group of {name} has one; name a variable.")


def _spikes(monitors: Sequence[Any], begun: float) -> tuple[Float[ndarray, " spike"], Int[ndarray, " spike"]]:
    """Return times from the start of a trial, s, and places among the neurons of all groups."""
    first = np.cumsum([0, *(monitor.source.N for monitor in monitors)])
    times = np.concatenate([np.array(monitor.t_, dtype=float) - begun for monitor in monitors])
    return np.maximum(times, 0.0), np.concatenate([np.array(monitor.i) + place for monitor, place in zip(monitors, first, strict=False)])


def _with(groups: list[Any], variable: str | None, name: str, what: str) -> Any:
    """Return the one group that has this variable."""
    named = {key for group in groups for key in group.equations}
    spiking = f", or {SPIKES!r}" if what == "rate" and any("spike" in group.events for group in groups) else ""
    if variable is None:
        raise OptionError(f"wrap: {name} needs {what}=, the name of a variable of its neurons: one of {', '.join(sorted(named))}{spiking}.")
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
