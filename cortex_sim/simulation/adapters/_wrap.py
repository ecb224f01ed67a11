"""wrap(anything) -> a model: a torch module or its weights, a function of state and input, a network of Brian2."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import CardError, Diverged, FileProblem, NotFound, OptionError
from cortex_sim.runtime import content_key, say_once, stream
from cortex_sim.simulation._carrier import carrier_of
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.adapters._wrapped import System, Wrapped
from cortex_sim.tasks import from_inputs
from cortex_sim.trials import BIN

SAME = 1e-5  # of the largest output: a card that differs more from a module's forward is another network
LINEAR = 1e-9  # of the largest output: what a linear readout may miss
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
    if _is(thing, "torch.nn.modules.module", "Module"):
        return _module(thing, name or type(thing).__name__, **_only(OF_MODULES, chosen, "a module of torch"))
    if isinstance(thing, str | Path | Mapping):
        state, called = (thing, "weights") if isinstance(thing, Mapping) else (_weights(Path(thing)), Path(thing).stem)
        return _state_dict(state, name or called, **_only(("bin",), chosen, "weights"))
    if _is(thing, "brian2", "Network") or _is(thing, "brian2", "NeuronGroup"):
        from cortex_sim.simulation.brian import network_of

        return network_of(thing, name or "network", **_only(OF_NETWORKS, chosen, "a network of Brian2"))
    if callable(thing):
        return _function(thing, name or str(getattr(thing, "__name__", "function")), **_only(OF_FUNCTIONS, chosen, "a function"))
    raise OptionError(
        f"wrap: takes a module of torch, a state dict or its file, a function f(x, u), or a network of Brian2 (got {type(thing).__name__})."
    )


def _is(thing: Any, module: str, name: str) -> bool:
    """Return whether a thing is of a class of another library, which is not imported for it."""
    return any(kind.__name__ == name and kind.__module__.startswith(module) for kind in type(thing).__mro__)


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

    if wrong := [key for key, value in state.items() if not isinstance(key, str) or not _is(value, "torch", "Tensor") or value.is_complex()]:
        inner = next(
            (key for key, value in state.items() if isinstance(value, Mapping) and any(_is(part, "torch", "Tensor") for part in value.values())), None
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


def _function(
    function: Callable[[Any, Any], Any],
    name: str,
    *,
    units: int | None = None,
    channels: int = 0,
    dt: float | None = None,
    flow: bool = True,
    observe: Callable[[Any], Any] | None = None,
    start: Float[ndarray, " state"] | None = None,
) -> Wrapped:
    if start is None and units is None:
        raise OptionError(f"wrap: {name} is a function of a state; give its length by units=, or a start.")
    begin = np.zeros(units or 0) if start is None else start.copy()
    if units is not None and len(begin) != units:
        raise OptionError(f"wrap: start has {len(begin)} numbers, and units is {units}.")
    step = dt if dt is not None else 1e-3 if flow else BIN
    call = _called(function, name, len(begin), channels)
    in_torch = getattr(call, "in_torch", False) or _derived(function, begin, channels)
    seen = _called(observe, f"observe of {name}", len(begin)) if observe else None
    read = (lambda x: np.asarray(seen(x), dtype=float)) if seen else (lambda x: x)
    move = (lambda x, u: x + step * call(x, u)) if flow else call
    trials = len(begin) + 3
    made = read(np.tile(begin, (trials, 1)))
    if made.ndim != 2 or len(made) != trials:
        raise CardError(f"{name}: observe should give (trial, output) for (trial, state); for {trials} trials it gives shape {made.shape}.")
    moved = (lambda x, u, scale=None: function(x[None], u[None])[0]) if in_torch else _differenced(call)
    velocity = moved if flow else (lambda x, u, scale=None: (moved(x, u, scale) - x) / step)
    system = System(begin, move, read, velocity, _carrier(read, begin))
    source = f"function, {'flow' if flow else 'map'}"
    return Wrapped(name, made.shape[1], channels, step, system=system, after=not flow, code=_code(function) + _code(observe), source=source)


def _differenced(call: Callable[[ndarray, ndarray], ndarray]) -> Callable[..., Any]:
    """Return a function of NumPy as one of one state and its constant channels in torch, whose derivatives are central differences."""

    def moved(x: Any, u: Any, scale: Any = None) -> Any:
        from cortex_sim.simulation.torch import differenced

        return differenced(call)(x, u, scale)

    return moved


def _code(function: Any) -> str:
    """Return what tells a function from another: its instructions and constants; nothing for what has none."""
    code = getattr(function, "__code__", None)
    return "" if code is None else content_key("function", code.co_code.hex(), list(map(repr, code.co_consts)), list(code.co_names))


def _called(function: Callable[..., Any], name: str, units: int, channels: int | None = None) -> Callable[..., ndarray]:
    """Return a function of NumPy arrays: the given one, or, if that is of torch's tensors, one that converts.

    Raises:
        CardError: it fails on both, or gives another shape than the state's.
    """
    trials = units + 3  # another number than the state's, so that what mixes the two up fails
    given = [np.full((trials, units), 0.1)] + ([] if channels is None else [np.zeros((trials, channels))])
    said = []
    for convert in (False, True):
        call = _converted(function) if convert else _copying(function)
        try:
            made = call(*given)
        except Exception as problem:
            said.append(f"{'torch tensors' if convert else 'NumPy arrays'}: {problem}")
            continue
        if not convert and _is(made, "torch", "Tensor"):
            continue
        if channels is not None and np.shape(made) != (trials, units):
            wanted = "should give (trial, state) for (trial, state) and (trial, channel)"
            raise CardError(f"{name}: {wanted}; for a state of shape ({trials}, {units}) it gives {np.shape(made)}.")
        return call
    raise CardError(f"{name}: fails on " + "; on ".join(said))


def _derived(function: Callable[..., Any], at: Float[ndarray, " state"], channels: int) -> bool:
    """Return whether torch can take the derivative of a function that NumPy can run, as of ``lambda x, u: u - x``."""
    from cortex_sim.simulation.torch import derivative

    try:
        J = derivative(function, at, np.zeros(channels))
    except Exception:  # whatever a function of NumPy says of tensors
        return False
    return J.shape == (len(at), len(at))


def _copying(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is handed copies, which it may change in place."""
    return lambda *given: function(*(array.copy() for array in given))


def _converted(function: Callable[..., Any]) -> Callable[..., ndarray]:
    from cortex_sim.simulation.torch import in_numpy

    call = in_numpy(function)
    call.in_torch = True  # type: ignore[attr-defined]
    return call


def _carrier(read: Callable[[ndarray], ndarray], at: Float[ndarray, " state"]) -> Float[ndarray, "state output"] | None:
    """Return the smallest change of state for each change of the outputs; None if they are no linear function of the state."""
    units = len(at)
    rng = stream(0, "analysis", "states that probe outputs")
    x = at + rng.standard_normal((3 * units + 12, units)) * np.exp(rng.uniform(-2, 4, (3 * units + 12, 1)))
    y = read(x)
    C, *_ = np.linalg.lstsq(np.pad(x, ((0, 0), (0, 1)), constant_values=1.0), y, rcond=None)
    if not np.isfinite(y).all() or abs(x @ C[:-1] + C[-1] - y).max() > LINEAR * max(1.0, abs(y).max()):
        return None
    return carrier_of(C[:-1].T)
