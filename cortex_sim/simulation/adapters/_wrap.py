"""wrap(anything) -> a model: a torch module or its weights, a function of state and input, a network of Brian2."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import CardError, Diverged, FileProblem, NotFound, OptionError
from cortex_sim.runtime import say_once, stream
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.adapters._wrap_functions import is_a, of_function
from cortex_sim.simulation.adapters._wrapped import Wrapped
from cortex_sim.tasks import from_inputs
from cortex_sim.trials import BIN

SAME = 1e-5  # of the largest output: a card that differs more from a module's forward is another network
PROBES = ((2, 400, 1.0), (3, 60, 30.0), (3, 60, 0.03))  # trials, bins and size of the inputs on which a card and its module are compared
OF_MODULES, OF_NETWORKS = ("bin", "units", "channels", "batch_first"), ("rate", "inputs", "bin")
OF_FUNCTIONS = ("units", "channels", "dt", "flow", "observe", "start")


def wrap(
    thing: Any,
    *,
    name: str | None = None,
    bin: float | None = None,
    units: int | None = None,
    channels: int | None = None,
    batch_first: bool | None = None,
    dt: float | None = None,
    flow: bool | None = None,
    observe: Callable[[Any], Any] | None = None,
    start: Float[ndarray, " state"] | None = None,
    rate: str | None = None,
    inputs: str | None = None,
) -> Model | Wrapped:
    """Return a model made elsewhere as one that simulate, compare, pushes, fixed points and fit accept.

    Outputs of torch's networks belong to the bin whose input they have seen, as in torch: ``simulate(wrap(net), tasks.from_inputs(x)).rate`` is
    ``net(x)``. Networks of one recurrent layer and a linear readout become cards with the same weights, with which everything can be done, after a
    check that the card gives what the module gives. Other modules give outputs only, or, with ``units``, are stepped.

    Args:
        thing: a module of torch; its state dict, or a file of one; a function ``f(x, u)`` of states (trial, state) and channels (trial, channel), in
            NumPy or torch; or a network of Brian2.
        name: of the model; that of the class or function if omitted.
        bin: duration of a step of a module, s; 0.01 if omitted.
        units: length of the state of a function, or of a module whose forward takes ``(input, state)`` for one bin and gives the new state, or the
            output and the new state.
        channels: number of inputs, where the module does not say.
        batch_first: whether a module takes (trial, bin, channel); what its recurrent part says, if omitted, else yes.
        dt: integration step of a function, s; 0.001 if omitted.
        flow: whether a function gives dx/dt, integrated by Euler steps with rates read before each; if False it is a map, which gives the next
            state, read after each.
        observe: outputs of a function's states; the states themselves if omitted.
        start: state of a function at the start of each trial; 0 if omitted.
        rate: variable of a Brian2 network that is observed; or "spikes", for the spikes of all its neurons that have a threshold.
        inputs: parameter of a Brian2 network that takes the channels, one a neuron or one for all.

    Raises:
        OptionError: an option is of another kind of thing, or the thing is none that can be wrapped.
        CardError: the module or function does not give what it should, or weights are of no known network.
        FileProblem: a file cannot be read, or holds more than weights.
    """
    for label, number in (("bin", bin), ("dt", dt), ("units", units), ("channels", channels)):
        if number is not None and not (number > 0 or (label == "channels" and number == 0)):
            raise OptionError(f"wrap: {label} {number!r} should be above 0.")
    given = {"bin": bin, "units": units, "channels": channels, "batch_first": batch_first, "dt": dt, "flow": flow, "observe": observe,
             "start": start, "rate": rate, "inputs": inputs}  # fmt: skip
    chosen = {key: value for key, value in given.items() if value is not None}
    if is_a(thing, "torch.nn.modules.module", "Module"):
        return _module(thing, name or type(thing).__name__, **_only(OF_MODULES, chosen, "a module of torch"))
    if isinstance(thing, str | Path | Mapping):
        state, called = (thing, "weights") if isinstance(thing, Mapping) else (_weights(Path(thing)), Path(thing).stem)
        return _state_dict(state, name or called, **_only(("bin",), chosen, "weights"))
    if is_a(thing, "brian2", "Network") or is_a(thing, "brian2", "NeuronGroup"):
        from cortex_sim.simulation.brian import network_of

        return network_of(thing, name or "network", **_only(OF_NETWORKS, chosen, "a network of Brian2"))
    if callable(thing):
        return of_function(thing, name or str(getattr(thing, "__name__", "function")), **_only(OF_FUNCTIONS, chosen, "a function"))
    raise OptionError(
        f"wrap: takes a module of torch, a state dict or its file, a function f(x, u), or a network of Brian2 (got {type(thing).__name__})."
    )


def _only(allowed: Sequence[str], chosen: Mapping[str, Any], what: str) -> dict[str, Any]:
    if other := [key for key in chosen if key not in allowed]:
        raise OptionError(f"wrap: {other[0]} does not apply to {what}; it takes {', '.join(allowed)} and name.")
    return dict(chosen)


def _weights(path: Path) -> Mapping[str, Any]:
    from cortex_sim.simulation.torch import read_weights

    if not path.is_file():
        raise NotFound(f"{path}: there is no such file; give one of weights, as torch.save(net.state_dict(), path) writes it.")
    found = read_weights(path)
    if not isinstance(found, Mapping):
        raise FileProblem(f"{path}: holds {type(found).__name__}; it should hold a state dict, as torch.save(net.state_dict(), path) writes it.")
    return found


def _state_dict(state: Mapping[str, Any], name: str, *, bin: float = BIN) -> Model:
    from cortex_sim.simulation.torch import recurrent_card

    if wrong := [key for key, value in state.items() if not isinstance(key, str) or not is_a(value, "torch", "Tensor") or value.is_complex()]:
        inner = next(
            (key for key, value in state.items() if isinstance(value, Mapping) and any(is_a(part, "torch", "Tensor") for part in value.values())),
            None,
        )
        cure = "" if inner is None else f" Weights stand under {inner!r}: wrap(torch.load(path, weights_only=True)[{inner!r}])."
        raise CardError(f"{name}: {wrong[0]!r} is no tensor of real numbers; a state dict holds weights by name.{cure}")
    if card := recurrent_card(state, bin=bin, name=name):
        taken = "; an nn.RNN is taken for tanh" if card.title.startswith("RNN") else ""
        readout = f", read out by a Linear behind it to {card.size('observed')} outputs" if card.readout else ""
        say_once(
            f"wrap: {name}: weights are taken for {card.title}, one layer, of {card.channels} channels{readout}{taken}. Wrap the module to be sure."
        )
        return card
    found = ", ".join(f"{key} {tuple(value.shape)}" for key, value in state.items())
    raise CardError(f"{name}: weights alone say what they are of for one layer of RNN, GRU or LSTM and one Linear; wrap the module. Found {found}.")


def _module(
    module: Any, name: str, *, bin: float = BIN, units: int | None = None, channels: int | None = None, batch_first: bool | None = None
) -> Model | Wrapped:
    from cortex_sim.simulation import torch as pytorch

    if units is not None and batch_first is not None:
        raise OptionError("wrap: batch_first is of modules that take whole sequences; with units, forward takes (trial, channel) of one bin.")
    frozen = pytorch.frozen(module)

    def tried(count: int) -> Model | Wrapped:
        if units is not None:
            return _stepped(frozen, name, bin, count, units)
        return _sequence(frozen, name, bin, count, _trials_first(frozen, name, count, batch_first))

    if channels is not None:
        return tried(channels)
    problems = []
    for count in pytorch.input_sizes(frozen):
        try:
            return tried(count)
        except CardError as problem:
            problems.append(str(problem))
    said = f" ({problems[0]})" if problems else ""
    raise OptionError(f"wrap: {name} does not say how many channels it takes{said}; give channels=.")


def _stepped(module: Any, name: str, bin: float, channels: int, units: int) -> Wrapped:
    from cortex_sim.simulation import torch as pytorch

    system, observed = pytorch.stepped(module, units, channels, bin)
    made_with = {"name": name, "bin": bin, "channels": channels, "units": units}
    known: dict[str, Any] = {"arrays": pytorch.arrays_of(module), "origin": module, "made_with": made_with}
    return Wrapped(name, observed, channels, bin, system=system, source="module of torch, bin by bin", **known)


def _sequence(module: Any, name: str, bin: float, channels: int, batch_first: bool) -> Model | Wrapped:
    """Return the card of a module of one recurrent layer and a readout, if it gives what the module gives, else the module's outputs."""
    from cortex_sim.simulation import torch as pytorch

    made = pytorch.outputs_of(module, _probe(2, 7, channels), batch_first=batch_first)
    card = pytorch.recurrent_card(module.state_dict(), bin=bin, name=name, gain=pytorch.stated_gain(module), held=pytorch.held_by(module))
    if card is not None and card.channels == channels and card.size("observed") == made.shape[2] and _same(card, module, bin, batch_first):
        return card
    made_with = {"name": name, "bin": bin, "channels": channels, "batch_first": batch_first}
    known: dict[str, Any] = {"arrays": pytorch.arrays_of(module), "origin": module, "made_with": made_with}
    outputs = lambda given, seed: pytorch.outputs_of(module, given, batch_first=batch_first, seed=seed)  # noqa: E731
    return Wrapped(name, made.shape[2], channels, bin, outputs=outputs, source="module of torch, whole sequences", **known)


def _probe(trials: int, bins: int, channels: int, size: float = 1.0) -> Float[ndarray, "trial bin channel"]:
    return size * stream(0, "analysis", "inputs that probe a module", trials, bins).standard_normal((trials, bins, channels))


def _trials_first(module: Any, name: str, channels: int, given: bool | None) -> bool:
    """Return whether a module takes (trial, bin, channel): the order in which no trial changes another.

    Raises:
        CardError: in neither order are trials independent.
    """
    from cortex_sim.simulation import torch as pytorch

    likely = pytorch.batch_first_of(module)
    for first in (likely, not likely) if given is None else (given,):
        inputs = _probe(3, 6, channels)
        changed = inputs.copy()
        changed[1] += 1.0
        try:
            before, after = (pytorch.outputs_of(module, each, batch_first=first) for each in (inputs, changed))
        except CardError:
            if first is (not likely) or given is not None:
                raise
            continue
        if np.array_equal(before[[0, 2]], after[[0, 2]]) or abs(before[[0, 2]] - after[[0, 2]]).max() <= SAME * max(1.0, abs(before).max()):
            return first
    order = "" if given is None else f" with batch_first={given}"
    raise CardError(f"{name}: a trial changes the outputs of another{order}; forward should treat trials alike and apart, as (trial, bin, channel).")


def _same(card: Model, module: Any, bin: float, batch_first: bool) -> bool:
    """Return whether a card gives what a module gives on all probes, in long sequences and on inputs of any size."""
    from cortex_sim.simulation import torch as pytorch

    for trials, bins, size in PROBES:
        inputs = _probe(trials, bins, card.channels, size)
        made = pytorch.outputs_of(module, inputs, batch_first=batch_first)
        try:
            rates = pytorch.run(Problem(card, card.arrays(), from_inputs(inputs, bin=bin)))[0]
        except Diverged:
            return False
        if not abs(rates - made).max() <= SAME * max(1.0, abs(made).max()):
            return False
    return True
