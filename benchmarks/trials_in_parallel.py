"""How much faster are trials on two cores? 20 trials of 1 s of the layered motor cortex, with a program that is built already."""

import time

import numpy as np
from _measure import write

from cortex_sim import load
from cortex_sim.simulation import _programs as programs
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.tasks._free import spontaneous

CARD, TRIALS, DURATION, ROUNDS, CLAIM = "dura_bernal_2023_lif", 20, 1.0, 3, 1.8


def main() -> None:
    plan = SpikingProblem(load(CARD), spontaneous(DURATION, TRIALS), 1)
    folder, seconds, spikes = programs.build(plan), {1: [], 2: []}, {}
    programs.run(plan, [0], folder, lambda share, text: None, at_once=1)
    for _ in range(ROUNDS):
        for workers, measured in seconds.items():
            began = time.perf_counter()
            spikes[workers] = programs.run(plan, range(TRIALS), folder, lambda share, text: None, at_once=workers)
            measured.append(time.perf_counter() - began)
    for one, two in zip(spikes[1], spikes[2], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    ratio = float(np.median(np.divide(seconds[1], seconds[2])))
    rows = [{"card": CARD, "trials": TRIALS, "workers": workers, "s": float(np.median(values))} for workers, values in seconds.items()]
    write("trials_in_parallel", [*rows, {"card": CARD, f"times faster on 2 cores (claim: at least {CLAIM:g})": ratio, "same spikes": True}])


main()
