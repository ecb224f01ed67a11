"""How fast is a rate circuit in Brian2? Against a bare NumPy loop of the same arithmetic, and against idiomatic `Synapses (summed)` under cython."""

import time

import brian2 as b2
import numpy as np
from _measure import alternate, write
from threadpoolctl import threadpool_limits

from cortex_sim import Model
from cortex_sim.simulation import brian
from cortex_sim.simulation._problem import Problem
from cortex_sim.tasks._free import free_run

TAU, DT, SPAN = 0.2, 1e-3, 20.0  # s, s, Hz
DURATIONS, SUMMED_STEPS, REPEATS = (0.5, 2.5), 200, 5  # s, steps, rounds


def circuit(units):
    return Model(
        kind="rate", title="benchmark", paper="none", units=units, rate="r", dt={"value": 1, "unit": "ms", "meaning": "step"},
        equations="dx/dt = (-x + W(r))/tau : Hz\nr = r_0*tanh(x/r_0) : Hz (constant over dt)",
        parameters={"tau": {"value": 200, "unit": "ms", "meaning": "tau"}, "r_0": {"value": SPAN, "unit": "Hz", "meaning": "r_0"}},
        projections={"W": {"rule": "gaussian", "arguments": {"gain": {"value": 1.2, "meaning": "gain"}}}},
    )  # fmt: skip


def bare(W, x, steps):
    """Forward Euler, in place, one product a step: what any implementation has to do."""
    transposed, x, rate, total, kept = np.ascontiguousarray(W.T), x.copy(), np.empty_like(x), np.empty_like(x), []
    for step in range(steps):
        np.divide(x, SPAN, out=rate)
        np.tanh(rate, out=rate)
        rate *= SPAN
        if step % 10 == 0:
            kept.append(rate.copy())
        np.matmul(rate, transposed, out=total)
        total -= x
        total *= DT / TAU
        x += total
    return np.stack(kept, axis=1)


def summed(W, start, steps):
    """The idiomatic coupling, one condition; seconds a step without compilation."""
    b2.prefs.codegen.target = "cython"
    group = b2.NeuronGroup(
        len(W), "dx/dt = (-x + total)/tau : 1\ntotal : 1\nr = r_0*tanh(x/r_0) : 1 (constant over dt)", method="euler", dt=DT * b2.second,
        namespace={"tau": TAU * b2.second, "r_0": SPAN},
    )  # fmt: skip
    group.x = start
    synapses = b2.Synapses(group, group, "w : 1\ntotal_post = w*r_pre : 1 (summed)")
    synapses.connect()
    synapses.w = W.T.ravel()
    network = b2.Network(group, synapses)
    network.run(5 * DT * b2.second)
    began = time.perf_counter()
    network.run(steps * DT * b2.second)
    return (time.perf_counter() - began) / steps


def main():
    rows, ours = [], {}
    with threadpool_limits(1):
        for units, conditions in ((200, 1), (200, 27), (1000, 1), (1000, 27)):
            model = circuit(units)
            start = SPAN * np.tanh(np.random.default_rng(0).normal(0, 1.5, (conditions, units)) / SPAN)
            arrays = model.arrays()
            short, long = (Problem(model, arrays, free_run(start, duration)) for duration in DURATIONS)
            assert np.abs(brian.run(short)[0] - bare(arrays["W"], short.initial(), short.steps)).max() < 1e-9
            runs = {f"brian {s.steps}": lambda s=s: brian.run(s) for s in (short, long)}
            runs |= {f"numpy {s.steps}": lambda s=s, a=arrays: bare(a["W"], s.initial(), s.steps) for s in (short, long)}
            seconds = alternate(runs, REPEATS)
            steps = long.steps - short.steps
            step = {name: 1e6 * (seconds[f"{name} {long.steps}"] - seconds[f"{name} {short.steps}"]) / steps for name in ("brian", "numpy")}
            ours[units, conditions] = step["brian"]
            begin = seconds[f"brian {short.steps}"] - 1e-6 * step["brian"] * short.steps
            row = {"units": units, "conditions": conditions, "us a step": step["brian"], "numpy us a step": step["numpy"]}
            rows.append(row | {"ratio": step["brian"] / step["numpy"], "start-up s": begin})
        theirs = 1e6 * summed(circuit(1000).arrays()["W"], np.random.default_rng(0).normal(0, 1.5, 1000), SUMMED_STEPS)
        for conditions in (1, 27):
            row = {"units": 1000, "conditions": conditions, "us a step": ours[1000, conditions], "Synapses (summed) us a step": conditions * theirs}
            rows.append(row | {"times faster": conditions * theirs / ours[1000, conditions]})
    write("rate_backend", rows)


main()
