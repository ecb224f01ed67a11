"""A network as a graph of ONNX: the text of its equations is evaluated on names of nodes instead of numbers."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy import ndarray

from cortex_sim import __version__
from cortex_sim.cards import MATHEMATICS, Model, numpy_mathematics, scale, unit_values
from cortex_sim.errors import CardError, OptionError

OPSET, IR = 17, 8  # of 2022, which every runtime of today reads
LARGEST = 2**31 - 1  # bytes of a file of ONNX
CALLED = {"abs": "Abs", "cos": "Cos", "exp": "Exp", "log": "Log", "sin": "Sin", "sqrt": "Sqrt", "tanh": "Tanh"}
STATE, RATE, STEPS = "state", "rate", "channels"
SWAPPED = [1, 0, 2]  # trials and bins


class Nodes:
    """The nodes of a graph, in the order in which they are made."""

    def __init__(self, name: str) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._stored = helper, numpy_helper.from_array
        self.name, self.nodes, self.constants = name, [], []  # type: ignore[var-annotated]

    def constant(self, array: Any, dtype: type = np.float64) -> str:
        """Return the name of a stored array."""
        name = f"{self.name}_c{len(self.constants)}"
        self.constants.append(self._stored(np.asarray(array, dtype=dtype), name))
        return name

    def add(self, operator: str, *given: Any, **options: Any) -> "Signal":
        """Return what an operator makes of signals, names and numbers."""
        names = [part.name if isinstance(part, Signal) else part if isinstance(part, str) else self.constant(part) for part in given]
        made = f"{self.name}_{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(operator, names, [made], **options))
        return Signal(self, made)

    def known(self, name: str) -> "Signal":
        """Return what is called so from outside."""
        return Signal(self, name)

    def called(self, signal: "Signal", name: str) -> None:
        """Give a signal a name of its own."""
        self.nodes.append(self._helper.make_node("Identity", [signal.name], [name]))

    def number(self, comparison: "Signal") -> "Signal":
        """Return 1 where a comparison holds, else 0."""
        from onnx import TensorProto

        return self.add("Cast", comparison, to=TensorProto.DOUBLE)

    def whole(self, x: "Signal") -> "Signal":
        """Return numbers without what stands behind the point."""
        from onnx import TensorProto

        return self.number(self.add("Cast", x, to=TensorProto.INT64))


class Signal:
    """An array that a graph will compute; arithmetic on it makes nodes."""

    __array_ufunc__ = None  # so that NumPy's arrays leave arithmetic to it
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, nodes: Nodes, name: str) -> None:
        self.nodes, self.name = nodes, name

    def __add__(self, other: Any) -> Self:
        return self._made("Add", self, other)

    def __radd__(self, other: Any) -> Self:
        return self._made("Add", other, self)

    def __sub__(self, other: Any) -> Self:
        return self._made("Sub", self, other)

    def __rsub__(self, other: Any) -> Self:
        return self._made("Sub", other, self)

    def __mul__(self, other: Any) -> Self:
        return self._made("Mul", self, other)

    def __rmul__(self, other: Any) -> Self:
        return self._made("Mul", other, self)

    def __truediv__(self, other: Any) -> Self:
        return self._made("Div", self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self._made("Div", other, self)

    def __pow__(self, other: Any) -> Self:
        return self._made("Pow", self, other)

    def __rpow__(self, other: Any) -> Self:
        return self._made("Pow", other, self)

    def __neg__(self) -> Self:
        return self._made("Neg", self)

    def __pos__(self) -> Self:
        return self

    def __lt__(self, other: Any) -> Any:
        return self._compared("Less", other)

    def __le__(self, other: Any) -> Any:
        return self._compared("LessOrEqual", other)

    def __gt__(self, other: Any) -> Any:
        return self._compared("Greater", other)

    def __ge__(self, other: Any) -> Any:
        return self._compared("GreaterOrEqual", other)

    def __eq__(self, other: object) -> Any:
        return self._compared("Equal", other)

    def __ne__(self, other: object) -> Any:
        return 1.0 - self._compared("Equal", other)

    def _made(self, operator: str, *given: Any) -> Any:
        return self.nodes.add(operator, *given)

    def _compared(self, operator: str, other: Any) -> "Signal":
        return self.nodes.number(self.nodes.add(operator, self, other))


def _mathematics(model: Model) -> dict[str, Callable[..., Any]]:
    """Return the functions of equations, for signals and for numbers that are known when the graph is made."""

    def refused(*_: Any) -> Any:
        raise CardError(f"{model.name}: its equations call siegert, for which ONNX has no operator; export a card without it.")

    made: dict[str, Callable[..., Any]] = {
        name: lambda x, operator=operator: x.nodes.add(operator, x) for name, operator in CALLED.items()
    }  # fmt: skip
    made |= {
        "clip": lambda x, low, high: x.nodes.add("Min", x.nodes.add("Max", x, low), high),
        "cosh": lambda x: 0.5 * (made["exp"](x) + made["exp"](-x)),
        "sinh": lambda x: 0.5 * (made["exp"](x) - made["exp"](-x)),
        "expm1": lambda x: made["exp"](x) - 1.0,
        "log1p": lambda x: made["log"](1.0 + x),
        "int": lambda x: x.nodes.whole(x),
        "spike": lambda x: x > 0.0,
    }

    def either(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, *more: made[name](x, *more) if isinstance(x, Signal) else plain(x, *more)

    plain = numpy_mathematics()
    return {name: either(name, plain[name]) for name in (*MATHEMATICS, "spike")} | {"siegert": refused}


def to_onnx(model: Model, without: Sequence[str] = ()) -> tuple[bytes, list[str]]:
    """Return a file of ONNX that steps a network as :func:`cortex_sim.simulate` does, in double precision; and what it leaves out.

    Args:
        model: to write.
        without: "noise", to leave out the noise of a network that has some.

    Raises:
        CardError: the network holds what a graph of ONNX cannot say, or is too large for a file of it.
        OptionError: onnx is not installed.
    """
    from cortex_sim.simulation.torch import Twin

    try:
        from onnx import TensorProto, helper
    except ImportError:
        raise OptionError("writing ONNX needs onnx, which is not installed; say: pip install 'cortex-sim[export]'") from None
    left = _left_out(model, without)
    arrays, outer, inner = Twin(model, model.arrays()).arrays(), Nodes("graph"), Nodes("step")  # as constraints leave them
    if sum(array.nbytes for array in arrays.values()) > LARGEST - 2**20:
        raise CardError(f"{model.name}: its weights take more than the 2 GiB that a file of ONNX holds; export a smaller network.")
    heard = _heard(model, arrays, outer)
    _step(model, arrays, inner, list(heard))

    def floats(name: str, *shape: int | str | None) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)

    body = helper.make_graph(
        inner.nodes, "step",
        [floats(STATE, None, model.dimension), floats(STEPS + "_now", None, model.channels), *(floats(n, None, model.units) for n in heard)],
        [floats(STATE + "_next", None, model.dimension), floats(RATE, None, model.units)], inner.constants,
    )  # fmt: skip
    by_step = [outer.add("Transpose", part, perm=SWAPPED).name for part in (outer.known(STEPS), *heard.values())]
    outer.nodes.append(helper.make_node("Scan", ["start", *by_step], ["last", "by_step"], body=body, num_scan_inputs=len(by_step)))
    rates = outer.add("Transpose", outer.known("by_step"), perm=SWAPPED)
    if readout := model.readout:
        rates = outer.add("MatMul", rates, arrays[readout.weights].T) + arrays[readout.offset]
    outer.called(rates, "rates")
    graph = helper.make_graph(
        outer.nodes, model.name,
        [floats(STEPS, "trial", "bin", model.channels), floats("start", "trial", model.dimension)],
        [floats("rates", "trial", "bin", model.size("observed")), floats("last", "trial", model.dimension)], outer.constants,
    )  # fmt: skip
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="cortex-sim", producer_version=__version__,
        doc_string=f"{model.title}. One bin is {model.dt.si:g} s.",
    )  # fmt: skip
    said = {"bin_s": repr(model.dt.si), "states": json.dumps(list(model.parsed.states)), "units": str(model.units), "model_key": model.key}
    helper.set_model_props(made, said | {"left_out": json.dumps(left)})
    return made.SerializeToString(deterministic=True), left


def _left_out(model: Model, without: Sequence[str]) -> list[str]:
    """Return what a graph leaves out, and refuse what it would not do as the network does."""
    noisy = [name for name, item in model.inputs.items() if item.noise]
    if unknown := [what for what in without if what != "noise" or not noisy]:
        raise OptionError(f"without {unknown[0]!r} does not apply to {model.name}; of a network with noise, 'noise' can be left out.")
    if noisy and not without:
        raise CardError(
            f"{model.name}: [inputs.{noisy[0]}] is noise, and a graph of ONNX gives the same every time; say without=['noise'] (--without noise)."
        )
    reasons = {
        f"[projections.{next(iter(model.lags), '')}] has a delay": bool(model.lags),
        "its equations name the time t, which a graph of ONNX does not count": model.parsed.names_time(),
        f"its integrator is {model.integrator!r}, and a graph of ONNX takes steps of Euler's": model.integrator != "euler",
    }
    for reason in (reason for reason, holds in reasons.items() if holds):
        raise CardError(f"{model.name}: {reason}. Export a card without it.")
    pushed = [f"{name}: pushes" for name, item in model.inputs.items() if not item.weights and not item.noise]
    return [*pushed, *(f"{name}: noise" for name in noisy)]


def _heard(model: Model, arrays: dict[str, ndarray], nodes: Nodes) -> dict[str, Signal]:
    """Return what each input that listens to channels hears, (trial, bin, unit), by name."""
    found: dict[str, Signal] = {}
    for name, item in model.inputs.items():
        if item.listens and model.channels:
            weights = model.projections[str(item.weights)]
            u = _history(model, nodes) if weights.columns == "history" else nodes.known(STEPS)
            found[name] = nodes.add("MatMul", u, arrays[str(item.weights)].T) * scale(item.unit)
    return found


def _history(model: Model, nodes: Nodes) -> Signal:
    """Return the channels now and at every earlier tap, side by side; 0 before the first bin."""
    lag = round((model.spacing.si if model.spacing else model.dt.si) / model.dt.si)
    whole = lag * (model.taps - 1)
    padded = nodes.add("Pad", nodes.known(STEPS), nodes.constant([0, whole, 0, 0, 0, 0], np.int64))
    end, axis = np.iinfo(np.int64).max, nodes.constant([1], np.int64)
    parts = []
    for tap in reversed(range(model.taps)):
        first, last = lag * tap, lag * tap - whole or end
        parts.append(nodes.add("Slice", padded, nodes.constant([first], np.int64), nodes.constant([last], np.int64), axis))
    return nodes.add("Concat", *parts, axis=2)


def _step(model: Model, arrays: dict[str, ndarray], nodes: Nodes, heard: list[str]) -> None:
    """Add the nodes of one step of Euler's: the rates before it, and the state after it."""
    text, state = model.parsed, nodes.known(STATE)
    places = [nodes.constant([number * model.units], np.int64) for number in range(len(text.states) + 1)]
    axis = nodes.constant([1], np.int64)
    values: dict[str, Any] = {
        name: nodes.add("Slice", state, first, stop, axis) for name, first, stop in zip(text.states, places, places[1:], strict=False)
    }  # fmt: skip
    here = values[text.states[0]]
    values |= _mathematics(model) | unit_values(text.names) | model.scalars | {"dt": model.dt.si, "t": 0.0, "i": None}
    values |= {name: arrays[name] for name in text.parameters}
    values |= {name: _product(nodes, arrays[name]) for name in text.called() & model.projections.keys()}
    now = {name: nodes.known(name) if name in heard else 0.0 for name in model.inputs}
    values |= {name: lambda t, i, given=given: given for name, given in now.items()}
    known = text.subexpressions(values)
    whole = nodes.add("Shape", here)
    moved = [known[name] + model.dt.si * text.derivative(known, name) for name in text.states]
    nodes.called(nodes.add("Concat", *moved, axis=1), STATE + "_next")
    nodes.called(nodes.add("Expand", known[model.rate], whole), RATE)


def _product(nodes: Nodes, weights: ndarray) -> Callable[[Any], Any]:
    return lambda rate: nodes.add("MatMul", rate, weights.T) if isinstance(rate, Signal) else rate @ weights.T
