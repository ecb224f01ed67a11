"""A circuit in NIR has the card's numbers and spikes as Brian2 does; what NIR cannot say is refused or named."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim.cards import load
from cortex_sim.cards.spiking import SpikingModel, coupling
from cortex_sim.errors import CardError, OptionError
from cortex_sim.simulation import export, simulate
from cortex_sim.tasks import spontaneous

nir = pytest.importorskip("nir")

LIF = "dv/dt = (-(v - E) + push)/tau : volt\npush : volt"
CUBA = "dv/dt = -(v - E)/tau + I/C : volt\ndI/dt = -I/tau_s : amp"


def circuit(current: bool, delay: float | None = 1.5, **changes: Any) -> SpikingModel:
    """Twelve excitatory and four inhibitory neurons whose mean inputs differ, so that they fire at times of their own."""
    numbers = {
        "tau": {"value": 20, "unit": "ms"}, "theta": {"value": -50, "unit": "mV"}, "v_r": {"value": -60, "unit": "mV"},
        "E": {"value": -47, "width": 6, "shape": "uniform", "unit": "mV"}, "C": {"value": 250, "unit": "pF"}, "tau_s": {"value": 5, "unit": "ms"},
    }  # fmt: skip
    own = {name: {"meaning": name} | number for name, number in numbers.items() if current or name not in ("C", "tau_s")}
    kind = {
        "equations": CUBA if current else LIF, "integrator": "euler", "threshold": "v > theta", "reset": "v = v_r", "parameters": own,
        "each_step": "" if current else "push = drive(t, i)",
    }  # fmt: skip
    unit, acts = ("pA", "I_post += w") if current else ("mV", "v_post += w")
    weight = [40.0, -120.0] if current else [0.4, -1.5]
    projection = {
        "synapse": "s", "rule": "fixed_indegree", "sources": ["E", "I"], "targets": ["E", "I"], "weight": {"value": weight, "unit": unit},
        "arguments": {"indegree": {"value": [5, 2]}},
    } | ({"delay": {"value": delay, "unit": "ms"}} if delay else {})  # fmt: skip
    card = {
        "name": "small", "title": "A small circuit", "paper": "none", "seed": 3, "dt": {"value": 0.1, "unit": "ms"}, "neurons": {"cell": kind},
        "populations": {"E": {"neurons": "cell", "size": 12}, "I": {"neurons": "cell", "size": 4}},
        "inputs": {} if current else {"drive": {"unit": "mV", "meaning": "pushes"}},
        "synapses": {"s": {"weight": unit, "meaning": "w", "on_pre": acts}}, "projections": {"P": projection},
    }  # fmt: skip
    return SpikingModel.model_validate(card | changes)


def stepped(graph: Any, dt: float, steps: int) -> set[tuple[int, str, int]]:
    """Spikes (step, population, neuron) of a graph of NIR, by Euler's method; a spike is a pulse of unit area in one step."""
    cells = {name: node for name, node in graph.nodes.items() if isinstance(node, nir.LIF | nir.CubaLIF)}
    into = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    v = {name: np.zeros(node.v_leak.shape) for name, node in cells.items()}
    current = {name: np.zeros(node.v_leak.shape) for name, node in cells.items()}
    past: dict[str, list[np.ndarray]] = {name: [] for name in cells}
    found = set()
    for step in range(steps):
        for name, node in cells.items():
            tau = node.tau_mem if isinstance(node, nir.CubaLIF) else node.tau
            v[name] = v[name] + dt / tau * (node.v_leak - v[name] + (node.r * current[name] if isinstance(node, nir.CubaLIF) else 0.0))
            current[name] = current[name] * (1 - dt / node.tau_syn) if isinstance(node, nir.CubaLIF) else current[name]
            past[name].append(v[name] > node.v_threshold)
            found |= {(step, name, int(unit)) for unit in np.flatnonzero(past[name][-1])}
        for name, node in cells.items():
            for weights in (source for source in into[name] if isinstance(graph.nodes[source], nir.Linear)):
                before = into[weights][0]
                late = round(graph.nodes[before].delay[0] / dt) if isinstance(graph.nodes[before], nir.Delay) else 0
                source = into[before][0] if late else before
                if step >= late:
                    pulse = graph.nodes[weights].weight @ past[source][step - late]
                    if isinstance(node, nir.CubaLIF):
                        current[name] = current[name] + node.w_in * pulse / node.tau_syn
                    else:
                        v[name] = v[name] + node.r * pulse / node.tau
        for name, node in cells.items():
            v[name] = np.where(past[name][-1], node.v_reset, v[name])
    return found


@pytest.mark.parametrize("current", [False, True])
@pytest.mark.parametrize("delay", [None, 1.5])
def test_the_graph_spikes_as_the_circuit_does_in_brian2(current: bool, delay: float | None, tmp_path: Path) -> None:
    model = circuit(current, delay)
    assert export(model, tmp_path / "c.nir") == []
    trials = simulate(model, spontaneous(0.25), target="numpy")
    when, unit, _ = trials.spikes
    names = ["E"] * 12 + ["I"] * 4
    wanted = {(round(time / 1e-4), names[place], place - 12 * (place >= 12)) for time, place in zip(when, unit, strict=True)}
    assert len(wanted) > 40
    assert stepped(nir.read(tmp_path / "c.nir"), 1e-4, 2500) == wanted


@pytest.mark.parametrize("current", [False, True])
def test_numbers_are_those_of_the_card_in_si_units(current: bool, tmp_path: Path) -> None:
    model = circuit(current)
    export(model, tmp_path / "c.nir")
    graph = nir.read(tmp_path / "c.nir")
    for node in (graph.nodes["E"], graph.nodes["I"]):
        np.testing.assert_allclose(node.tau_mem if current else node.tau, 0.02, rtol=1e-12)
        np.testing.assert_allclose(node.v_threshold, -0.05, rtol=1e-12)
        np.testing.assert_allclose(node.v_reset, -0.06, rtol=1e-12)
        assert (abs(node.v_leak + 0.047) <= 0.006).all() and np.unique(node.v_leak).size == node.v_leak.size
        if current:
            np.testing.assert_allclose(node.tau_syn, 0.005, rtol=1e-12)
            np.testing.assert_allclose(node.r, 0.02 / 250e-12, rtol=1e-12)  # tau/C, ohm
    W = np.block([[graph.nodes[f"P_{source}_{target}"].weight for source in "EI"] for target in "EI"])
    np.testing.assert_array_equal(W, coupling(model, "cell"))
    np.testing.assert_allclose(graph.nodes["P_E_I_delay"].delay, 1.5e-3, rtol=1e-6)  # delays are kept in single precision
    if not current:
        np.testing.assert_allclose(graph.nodes["E_drive"].scale, 1 / 0.02, rtol=1e-12)  # a drive of 1 V adds 1/tau V/s
    assert float(graph.metadata["dt_s"]) == 1e-4


RENAMED = {
    '"E":{"unit":"mV"': '"rest":{"unit":"mV"', "dv/dt": "du/dt", "(v - E)": "(u - rest)", "v > theta": "high < u", '"theta"': '"high"',
    "v = v_r": "u = low", '"v_r"': '"low"', "I/C": "s/C", "dI/dt = -I/tau_s": "ds/dt = -s/fast", '"tau_s"': '"fast"', "I_post": "s_post",
}  # fmt: skip


def test_names_do_not_matter(tmp_path: Path) -> None:
    text = circuit(True).model_dump_json()
    for old, new in RENAMED.items():
        assert old in text
        text = text.replace(old, new)
    export(circuit(True), tmp_path / "a.nir")
    export(SpikingModel.model_validate_json(text), tmp_path / "b.nir")
    one, other = nir.read(tmp_path / "a.nir"), nir.read(tmp_path / "b.nir")
    for name, node in one.nodes.items():
        for key, value in node.to_dict().items():
            np.testing.assert_array_equal(value, other.nodes[name].to_dict()[key])


def test_what_is_left_out_is_asked_for_and_named(tmp_path: Path) -> None:
    model = load("brunel_2000")
    small = model.changed(populations={name: part.model_dump() | {"size": part.size // 100} for name, part in model.populations.items()})
    for without, message in (([], r"adds chance \(background\)"), (["noise"], r"refractory period \(t_ref\)")):
        with pytest.raises(CardError, match=message):
            export(small, tmp_path / "c.nir", without=without)
    left = export(small, tmp_path / "c.nir", without=["noise", "refractory"])
    assert left == ["background: poisson input", "refractory period: t_ref", "v at the start: NIR has no initial states"]
    assert json.loads(nir.read(tmp_path / "c.nir").metadata["left_out"]) == left
    with pytest.raises(OptionError, match="without 'noise' does not apply: small has none"):
        export(circuit(False), tmp_path / "d.nir", without=["noise"])
    with pytest.raises(OptionError, match=r"without 'nois' is unknown. Did you mean 'noise'\?"):
        export(circuit(False), tmp_path / "d.nir", without=["nois"])


def with_kind(**changes: Any) -> SpikingModel:
    card = circuit(True).model_dump()
    return circuit(True, neurons={"cell": card["neurons"]["cell"] | changes})


def with_synapse(projection: dict[str, Any] | None = None, **changes: Any) -> SpikingModel:
    synapses = {"s": {"weight": "pA", "meaning": "w", "on_pre": "I_post += w"} | changes}
    return circuit(True, synapses=synapses, projections={"P": circuit(True).projections["P"].model_dump() | (projection or {})})


PULSE = {"weight": {"value": 1, "unit": "mV"}}
REFUSED = [
    (lambda: with_kind(equations=CUBA.replace("I/C", "I*(E - v)/(C*mV)")), r"d[vI]/dt is not linear in v and I \(a conductance\?\)"),
    (lambda: with_kind(equations=CUBA.replace("-I/tau_s", "-I*I/(tau_s*pA)")), "is not linear"),
    (lambda: with_kind(threshold="v > theta + I*mV/pA"), "threshold .* depends on 'I'; in NIR it is one number"),
    (lambda: with_kind(reset="v = v_r\nI = 0*pA"), "is none of NIR's, which is v = v_reset"),
    (lambda: with_kind(reset="v -= 10*mV"), "is none of NIR's, which is v = v_reset"),
    (lambda: with_kind(equations=CUBA + "\ndz/dt = -z/tau : 1"), "has the states v, I, z"),
    (lambda: with_synapse(on_pre="I_post += w*u\nu = u*0.5", equations="u : 1", start={"u": {"value": 1}}), "has states, or acts"),
    (lambda: with_synapse(on_pre="I_post += w*exp(v_post/mV)"), "is more than NIR's synapses do"),
    (lambda: with_synapse(PULSE, weight="mV", on_pre="v_post += w"), "acts on v; in NIR spikes act on I here"),
    (lambda: with_synapse({"delay": {"value": 3, "sd": 0.5, "unit": "ms"}}), "delay.* differs between synapses"),
    (lambda: load("soc_lif"), "does not fire"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED)
def test_what_nir_cannot_say_is_refused(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=message):
        export(model(), tmp_path / "c.nir")
    assert not list(tmp_path.iterdir())


def test_without_nir_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(OptionError, match=r"pip install 'cortex-sim\[export\]'"):
        export(circuit(True), tmp_path / "c.nir")
