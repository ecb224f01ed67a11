"""Comparisons in equations are the numbers 1 and 0, in every backend and to round-off."""

import math

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.simulation._dynamics import flow

TAU, STEP, START = 0.02, 0.001, np.array([0.2, 0.7, -1.0])
WRITTEN = (
    "(x > 0) + (x > 0.5)", "(x > 0) - (x < 0)", "(x <= 0.6)*0.1", "-(x > 0)", "(x > 0)*(x >= 0.5)", "(x != 0)**2", "(x > 0)/3", "tanh((x > 0) + 0.1)",
    "int(x > 0)*0.1", "(0 < (x > 0) + x)*0.3",
)  # fmt: skip


def card(expression: str) -> cs.Model:
    tau = {"value": TAU, "unit": "second", "meaning": "time constant", "source": "chosen"}
    start = {"value": START.tolist(), "meaning": "start", "source": "chosen"}
    equations = f"dx/dt = (-x + {expression})/tau : 1\nr = x : 1 (constant over dt)"
    dt = {"value": STEP, "unit": "second", "meaning": "step", "source": "chosen"}
    about = {"kind": "rate", "name": "compared", "title": "Comparisons", "paper": "none", "units": 3, "integrator": "euler", "rate": "r"}
    return cs.Model(**about, dt=dt, equations=equations, parameters={"tau": tau}, initial_values={"x": start})


def meant(expression: str, x: float) -> float:
    return float(eval(expression, {"x": float(x), "tanh": math.tanh, "int": int}))


@pytest.mark.parametrize("expression", WRITTEN)
def test_comparisons_count_in_every_backend(expression: str) -> None:
    model, task, x = card(expression), cs.tasks.spontaneous(0.05), START.copy()
    np.testing.assert_allclose(
        flow(model, model.arrays(), START[None])[0], [(meant(expression, one) - one) / TAU for one in x], rtol=1e-12, atol=1e-12
    )
    brian, torch = (cs.simulate(model, task, backend=backend).rate[0] for backend in ("brian", "torch"))
    for bin in range(task.bins):
        for found in (brian[bin], torch[bin]):
            np.testing.assert_allclose(found, x, rtol=1e-12, atol=1e-12)
        for _ in range(round(task.bin / STEP)):
            x = x + STEP * np.array([(meant(expression, one) - one) / TAU for one in x])
