"""Gated networks in their published forms, recognised in a card's equation text under any names."""

from collections.abc import Mapping
from dataclasses import dataclass

from cortex_sim.cards import Model, parsed

GRU = """
dh/dt = ((1 - z)*(n - h))/dt + drive(t, i)/tau : 1
z = 1/(1 + exp(-(U_z(h) + u_z(t, i) + b_z))) : 1
q = 1/(1 + exp(-(U_q(h) + u_q(t, i) + b_q))) : 1
n = tanh(u_n(t, i) + b_n + q*(U_n(h) + c_n)) : 1
"""
LSTM = """
dc/dt = (cell - c)/dt : 1
dh/dt = (o*tanh(cell) - h)/dt + drive(t, i)/tau : 1
cell = f*c + k*g : 1
k = 1/(1 + exp(-(U_k(h) + u_k(t, i) + b_k))) : 1
f = 1/(1 + exp(-(U_f(h) + u_f(t, i) + b_f))) : 1
g = tanh(U_g(h) + u_g(t, i) + b_g) : 1
o = 1/(1 + exp(-(U_o(h) + u_o(t, i) + b_o))) : 1
"""
GRU_AFTER = """
dh/dt = (r - h)/dt : 1
r = (1 - z)*n + z*h + drive(t, i)*dt/tau : 1
z = 1/(1 + exp(-(U_z(h) + u_z(t, i) + b_z))) : 1
q = 1/(1 + exp(-(U_q(h) + u_q(t, i) + b_q))) : 1
n = tanh(u_n(t, i) + b_n + q*(U_n(h) + c_n)) : 1
"""
LSTM_AFTER = """
dc/dt = (cell - c)/dt : 1
dh/dt = (r - h)/dt : 1
r = o*tanh(cell) + drive(t, i)*dt/tau : 1
cell = f*c + k*g : 1
k = 1/(1 + exp(-(U_k(h) + u_k(t, i) + b_k))) : 1
f = 1/(1 + exp(-(U_f(h) + u_f(t, i) + b_f))) : 1
g = tanh(U_g(h) + u_g(t, i) + b_g) : 1
o = 1/(1 + exp(-(U_o(h) + u_o(t, i) + b_o))) : 1
"""
GRU_GATES, LSTM_GATES = ("q", "z", "n"), ("k", "f", "g", "o")
FORMS = {GRU: (GRU_GATES, "h"), LSTM: (LSTM_GATES, "h"), GRU_AFTER: (GRU_GATES, "r"), LSTM_AFTER: (LSTM_GATES, "r")}
"""Gates by form, and the variable that is the rate: the state before a step, or after it, as torch counts outputs."""


@dataclass(frozen=True)
class Gate:
    """The card's names for the parts of one gate.

    Attributes:
        recurrent: projection that is applied to the rate.
        heard: projection that is applied to the channels.
        bias: parameter.
        inner: parameter inside the product with the reset gate; None if there is none.
    """

    recurrent: str
    heard: str
    bias: str
    inner: str | None


@dataclass(frozen=True)
class Gated:
    """A card that is a gated recurrent unit (GRU) or a long short-term memory (LSTM).

    Attributes:
        cells: whether it has cell states beside the rates, as an LSTM has.
        gates: in the order reset, update, candidate (GRU); or input, forget, cell candidate, output (LSTM).
        push: the card's name of the time constant with which the drive moves the rates.
        after: whether rates are the states after each step, as torch counts outputs, and not those before it.
    """

    cells: bool
    gates: tuple[Gate, ...]
    push: str
    after: bool


def gated(model: Model) -> Gated | None:
    """Return the parts of a gated network if the equations have the form of a GRU or LSTM, else None."""
    for form, (gates, rate) in () if model.lags else FORMS.items():
        names = model.parsed.renaming(parsed(form))
        if names and model.integrator == "euler" and model.rate == names[rate] and _plain(model, names):
            found = [Gate(names[f"U_{g}"], str(model.inputs[names[f"u_{g}"]].weights), names[f"b_{g}"], names.get(f"c_{g}")) for g in gates]
            return Gated(len(gates) == len(LSTM_GATES), tuple(found), names["tau"], rate == "r")
    return None


def _plain(model: Model, names: Mapping[str, str]) -> bool:
    """Return whether the gates' inputs are the unfiltered channels alone, and only perturbations bypass the gates."""
    heard = [model.inputs.get(name) for form, name in names.items() if form.startswith("u_")]
    push = model.inputs.get(names["drive"])
    constants = [name for form, name in names.items() if form == "tau" or form.startswith(("b_", "c_"))]
    if push is None or push.weights or push.noise or not model.parameters.keys() >= set(constants):
        return False
    return all(one and one.listens and one.unit == "1" and model.projections[str(one.weights)].columns == "channels" for one in heard)
