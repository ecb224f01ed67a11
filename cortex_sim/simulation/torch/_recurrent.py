"""torch's own recurrent networks, and those of one layer with a linear readout, as models with the same equations and weights."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy import ndarray
from torch import Tensor, nn

from cortex_sim.cards import Model
from cortex_sim.errors import CardError

PUSH = 200  # ms
FORMS = {
    "RNN": """
dh/dt = (r - h)/dt : 1
r = {gain} + drive(t, i)*dt/tau_push : 1 (constant over dt)
b_h : 1 (constant)
""",
    "GRU": """
dh/dt = (r - h)/dt : 1
r = (1 - z)*n + z*h + drive(t, i)*dt/tau_push : 1 (constant over dt)
z = 1/(1 + exp(-(U_z(h) + u_z(t, i) + b_z))) : 1 (constant over dt)
q = 1/(1 + exp(-(U_q(h) + u_q(t, i) + b_q))) : 1 (constant over dt)
n = tanh(u_n(t, i) + b_n + q*(U_n(h) + c_n)) : 1 (constant over dt)
b_z : 1 (constant)
b_q : 1 (constant)
b_n : 1 (constant)
c_n : 1 (constant)
""",
    "LSTM": """
dc/dt = (cell - c)/dt : 1
dh/dt = (r - h)/dt : 1
r = gate_o*tanh(cell) + drive(t, i)*dt/tau_push : 1 (constant over dt)
cell = gate_f*c + gate_i*gate_g : 1 (constant over dt)
gate_i = 1/(1 + exp(-(U_i(h) + u_i(t, i) + b_i))) : 1 (constant over dt)
gate_f = 1/(1 + exp(-(U_f(h) + u_f(t, i) + b_f))) : 1 (constant over dt)
gate_g = tanh(U_g(h) + u_g(t, i) + b_g) : 1 (constant over dt)
gate_o = 1/(1 + exp(-(U_o(h) + u_o(t, i) + b_o))) : 1 (constant over dt)
b_i : 1 (constant)
b_f : 1 (constant)
b_g : 1 (constant)
b_o : 1 (constant)
""",
}
GATES = {"RNN": ("h",), "GRU": ("q", "z", "n"), "LSTM": ("i", "f", "g", "o")}  # in torch's order
GAINS = {"tanh": "tanh(U_h(h) + u_h(t, i) + b_h)", "relu": "clip(U_h(h) + u_h(t, i) + b_h, 0, 1e12)"}
KINDS = {1: "RNN", 3: "GRU", 4: "LSTM"}  # by the number of gates
FIRST = "weight_ih_l0"


def recurrent_card(state: Mapping[str, Tensor], *, bin: float, name: str, gain: str = "tanh", held: Collection[str] = ()) -> Model | None:
    """Return the model with the weights of a recurrent network of one layer, read in one direction, and a linear readout if there is one.

    Its rates are the states after each step, so that an output has seen the input of its own bin, as in torch.

    Args:
        state: a state dict, of ``nn.RNN``, ``nn.GRU``, ``nn.LSTM``, or of a module with one of these and at most one ``nn.Linear`` beside it.
        bin: duration of a step, s.
        name: of the model.
        gain: of an ``nn.RNN``, ``"tanh"`` or ``"relu"``, which weights do not say.
        held: names of weights that are not to be trained.

    Returns:
        None if the weights are of another network.
    """
    arrays = {key: value.detach().cpu().double().numpy() for key, value in state.items()}
    prefixes = [key.removesuffix(FIRST) for key in arrays if key.endswith(FIRST)]
    if len(prefixes) != 1:
        return None
    own = {key.removeprefix(prefixes[0]): arrays[key] for key in arrays if key.startswith(prefixes[0]) and "_l0" in key}
    others = {key: array for key, array in arrays.items() if key.removeprefix(prefixes[0]) not in own}
    if not own.keys() <= {FIRST, "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"} or "weight_hh_l0" not in own:
        return None
    if own[FIRST].ndim != 2 or own["weight_hh_l0"].ndim != 2 or not own["weight_hh_l0"].size or not own[FIRST].size:
        return None
    rows, units = own["weight_hh_l0"].shape
    biases = [array for key, array in own.items() if key.startswith("bias")]
    if len(own[FIRST]) != rows or rows % units or any(array.shape != (rows,) for array in biases):
        return None
    behind = list(arrays).index(next(iter(others))) > list(arrays).index(prefixes[0] + FIRST) if others else True
    kind, readout = KINDS.get(rows // units), _readout(others, units) if behind else None
    if kind is None or readout is None:
        return None
    given, channels = _by_gate(kind, own), own[FIRST].shape[1]
    card = _card(kind, gain, units, channels, bin, name, readout, _learned(kind, prefixes[0], held, list(others)))
    return card.with_arrays({key: array for key, array in (given | readout).items() if array.size})


def _readout(others: Mapping[str, ndarray], units: int) -> dict[str, ndarray] | None:
    """Return the arrays of a linear readout, none if nothing is left, or None if what is left is no readout."""
    if not others:
        return {}
    weights = [array for key, array in others.items() if key.endswith("weight") and array.ndim == 2 and array.shape[1] == units]
    offsets = [array for key, array in others.items() if key.endswith("bias") and array.ndim == 1 and weights and len(array) == len(weights[0])]
    if len(weights) != 1 or len(weights) + len(offsets) != len(others) or len(offsets) > 1:
        return None
    return {"C": weights[0], "d": offsets[0] if offsets else np.zeros(len(weights[0]))}


def _by_gate(kind: str, own: Mapping[str, ndarray]) -> dict[str, ndarray]:
    gates, nothing = GATES[kind], np.zeros(len(own["weight_hh_l0"]))
    heard, recurrent = (np.split(own[key], len(gates)) for key in (FIRST, "weight_hh_l0"))
    outer, inner = (np.split(own.get(key, nothing), len(gates)) for key in ("bias_ih_l0", "bias_hh_l0"))
    found = {f"W_{gate}": W for gate, W in zip(gates, heard, strict=True)} | {f"U_{gate}": U for gate, U in zip(gates, recurrent, strict=True)}
    for gate, first, second in zip(gates, outer, inner, strict=True):
        apart = kind == "GRU" and gate == "n"  # its second bias lies within the product with the reset gate
        found |= {f"b_{gate}": first if apart else first + second} | ({"c_n": second} if apart else {})
    return found


def _learned(kind: str, prefix: str, held: Collection[str], others: Sequence[str]) -> dict[str, bool]:
    """Return whether each kind of array of a card is to be trained, by the first letters of its name."""
    free = {key: prefix + key not in held for key in (FIRST, "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")}
    outer, inner = free["bias_ih_l0"], free["bias_hh_l0"]
    read = {("C" if key.endswith("weight") else "d"): key not in held for key in others}
    return {
        "W_": free[FIRST],
        "U_": free["weight_hh_l0"],
        "b_": outer or inner,
        "b_n": outer if kind == "GRU" else outer or inner,
        "c_": inner,
    } | read


def _card(
    kind: str, gain: str, units: int, channels: int, bin: float, name: str, readout: Mapping[str, ndarray], learns: Mapping[str, bool]
) -> Model:
    if kind == "RNN" and gain not in GAINS:
        raise CardError(f"{name}: gain {gain!r} is none of nn.RNN's. Choose from {', '.join(GAINS)}.")
    gates = GATES[kind]
    drawn = {"gain": {"value": 1, "meaning": "scale of other weights, were these not given"}}
    learned: dict[str, Any] = {"rule": "gaussian", "arguments": drawn, "learn": True}
    offsets = [f"b_{gate}" for gate in gates] + (["c_n"] if kind == "GRU" else [])
    parameters: dict[str, Any] = {bias: {"value": 0, "meaning": f"bias {bias}", "over": "units", "learn": True} for bias in offsets}
    parameters["tau_push"] = {"value": PUSH, "unit": "ms", "meaning": "how fast a push moves the state", "source": "chosen: as in gru"}
    projections = {f"W_{gate}": learned | {"columns": "channels"} for gate in gates} | {f"U_{gate}": learned for gate in gates}
    inputs: dict[str, Any] = {f"u_{gate}": {"unit": "1", "meaning": f"channels to {gate}", "weights": f"W_{gate}"} for gate in gates}
    extra: dict[str, Any] = {}
    if readout:
        parameters["d"] = {"value": 0, "meaning": "offset of the outputs", "over": "observed", "learn": True}
        projections["C"] = learned | {"rows": "observed"}
        extra = {"observed": len(readout["C"]), "readout": {"weights": "C", "offset": "d"}}
    for label, part in (*parameters.items(), *projections.items()):
        if "learn" in part:
            (parameters if label in parameters else projections)[label] = part | {"learn": learns.get(label, learns.get(label[:2], True))}
    return Model.model_validate({
        "name": name, "kind": "rnn", "title": f"{kind} of torch with {units} units", "paper": "none: weights of a network trained elsewhere",
        "units": units, "channels": channels, "rate": "r", "one_step_a_bin": True, "projections": projections, "parameters": parameters,
        "dt": {"value": bin * 1e3, "unit": "ms", "meaning": "a step of the map, one bin", "source": "chosen when it was wrapped"},
        "equations": FORMS[kind].format(gain=GAINS[gain]) if kind == "RNN" else FORMS[kind],
        "inputs": inputs | {"drive": {"unit": "1", "meaning": "pushes, carried by the readout if there is one"}}, **extra,
    })  # fmt: skip


def stated_gain(module: nn.Module) -> str:
    """Return the gain of the ``nn.RNN`` within a module; tanh if there is none."""
    found = [str(part.nonlinearity) for part in module.modules() if isinstance(part, nn.RNN)]
    return found[0] if found else "tanh"
