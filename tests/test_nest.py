"""Second opinions of NEST, where it is installed (``pip install nest-simulator``): a network of rates, and integrate-and-fire neurons."""

import numpy as np
import pytest

from cortex_sim.cards import Model
from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.simulation import simulate
from cortex_sim.tasks import Task

nest = pytest.importorskip("nest", reason="nest-simulator is not installed")
pytestmark = pytest.mark.long
DT, UNITS = 0.1, 12  # ms
EQUATIONS = "dx/dt = (-x + tanh(h) + m)/tau : 1\nh = W(x) : 1 (constant over dt)\nm : 1 (constant)"
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("backend", ["brian", "torch"])
def test_a_rate_network_is_that_of_nest(backend: str) -> None:
    """Both integrate the leak exactly; a delayed connection of NEST holds rates back by one step, and nothing came before the start."""
    W, m, bins = RNG.normal(0, 1.2 / np.sqrt(UNITS), (UNITS, UNITS)), RNG.normal(0, 0.5, UNITS), 100
    nest.ResetKernel()
    nest.set(resolution=DT, use_wfr=False)
    units = nest.Create("tanh_rate_ipn", UNITS, params={"tau": 10.0, "lambda": 1.0, "sigma": 0.0, "linear_summation": True})
    units.set([{"mu": float(value), "rate": 0.0} for value in m])
    nest.Connect(units, units, "all_to_all", {"synapse_model": "rate_connection_delayed", "weight": W, "delay": DT})
    meter = nest.Create("multimeter", params={"record_from": ["rate"], "interval": DT})
    nest.Connect(meter, units)
    nest.Simulate(bins + 2 * DT)
    events, ids = meter.events, units.tolist()
    theirs = np.full((UNITS, np.round(events["times"] / DT).astype(int).max() + 1), np.nan)
    theirs[[ids.index(sender) for sender in events["senders"]], np.round(events["times"] / DT).astype(int)] = events["rate"]
    card = Model.model_validate({
        "name": "rates", "kind": "rate", "title": "rates", "paper": "none", "units": UNITS, "rate": "x", "integrator": "exponential_euler",
        "dt": {"value": DT, "unit": "ms", "meaning": "step"}, "equations": EQUATIONS,
        "parameters": {"tau": {"value": 10, "unit": "ms", "meaning": "t"}, "m": {"value": m.tolist(), "meaning": "input", "over": "units"}},
        "projections": {"W": {"rule": "gaussian", "arguments": {"gain": {"value": 1, "meaning": "g"}}, "delay": {"value": DT, "unit": "ms"}}},
    })  # fmt: skip
    ours = simulate(card.with_arrays({"W": W}), Task("free", 0.0, bins * 1e-3, np.zeros(1), bin=1e-3), backend=backend).rate[0]
    assert np.abs(ours).max() > 0.5
    np.testing.assert_allclose(ours[1:], theirs[:, 10 : 10 * bins : 10].T, rtol=0, atol=1e-12)


def test_integrate_and_fire_neurons_fire_in_the_same_steps_as_those_of_nest() -> None:
    """Neurons driven by constant currents from just above threshold on; both integrate exactly.

    Brian2 counts a refractory period from the beginning of the step of the spike, NEST from its end: 2.1 ms are the 2 ms of NEST.
    """
    lasts, quantiles = 2000.0, (np.arange(UNITS) + 0.5) / UNITS  # ms
    current = 30.0 + 9.9 * (2 * quantiles - 1)  # mV
    nest.ResetKernel()
    nest.set(resolution=DT)
    how = {"tau_m": 20.0, "C_m": 20.0, "E_L": 0.0, "V_reset": 10.0, "V_th": 20.0, "t_ref": 2.0, "V_m": 0.0}  # a resistance of 1, so that pA are mV
    cells, recorder = nest.Create("iaf_psc_delta", UNITS, params=how), nest.Create("spike_recorder")
    cells.set([{"I_e": float(value)} for value in current])
    nest.Connect(cells, recorder)
    nest.Simulate(lasts)
    ids, steps = cells.tolist(), np.round(recorder.events["times"] / DT).astype(int) - 1  # NEST dates a spike at the end of its step
    theirs = sorted(zip([ids.index(sender) for sender in recorder.events["senders"]], steps.tolist(), strict=True))
    numbers = (("tau", 20, "ms"), ("theta", 20, "mV"), ("v_r", 10, "mV"), ("t_ref", 2.1, "ms"), ("I", 18, "mV"))
    neuron = {
        "equations": "dv/dt = (-v + I)/tau : volt (unless refractory)", "integrator": "exact", "threshold": "v >= theta", "reset": "v = v_r",
        "refractory": "t_ref", "parameters": {name: {"value": value, "unit": unit, "meaning": name} for name, value, unit in numbers},
    }  # fmt: skip
    spread = {"value": 30.0, "width": 9.9, "shape": "uniform", "evenly": True, "unit": "mV", "meaning": "current"}
    card = SpikingModel.model_validate({
        "name": "cells", "kind": "spiking", "title": "cells", "paper": "none", "dt": {"value": DT, "unit": "ms", "meaning": "step"},
        "neurons": {"lif": neuron}, "populations": {"all": {"neurons": "lif", "size": UNITS, "parameters": {"I": spread}}},
    })  # fmt: skip
    when, unit, _ = simulate(card, Task("free", 0.0, lasts * 1e-3, np.zeros(1)), target="numpy").spikes
    ours = sorted(zip(unit.tolist(), np.round(when * 1e3 / DT).astype(int).tolist(), strict=True))
    assert len(theirs) > 1000 and ours == theirs
