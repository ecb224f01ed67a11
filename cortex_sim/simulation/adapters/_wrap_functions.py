"""of_function(f) -> Wrapped: a function of state and channels, of NumPy or torch, as a system that is stepped."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import CardError, OptionError
from cortex_sim.runtime import content_key, stream
from cortex_sim.simulation._carrier import carrier_of
from cortex_sim.simulation.adapters._wrapped import System, Wrapped
from cortex_sim.trials import BIN

LINEAR = 1e-9  # of the largest output: what a linear readout may miss


def is_a(thing: Any, module: str, name: str) -> bool:
    """Return whether a thing is of a class of another library, which is not imported for it."""
    return any(kind.__name__ == name and kind.__module__.startswith(module) for kind in type(thing).__mro__)


def of_function(
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
    """Return a function as a system; the arguments are those of :func:`.wrap`.

    Raises:
        OptionError: the length of its state is not said, or said twice.
        CardError: the function, or what is observed of its state, does not give what it should.
    """
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
        if not convert and is_a(made, "torch", "Tensor"):
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
