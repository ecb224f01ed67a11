"""How fast do hidden units learn the reaches of `match`, and what do they answer to pushes? From random weights, and from the closed form.

Five seeds each, one thread. Writes docs/hidden-units.md.
"""

import time
from pathlib import Path

import numpy as np
import torch
from _measure import write

import cortex_sim as cs
from cortex_sim.fitting import _encoder as encoder
from cortex_sim.fitting import _regression as regression
from cortex_sim.fitting import train

PAGE = Path(__file__).parents[1] / "docs/hidden-units.md"
SEEDS, DRAWS = 5, 4
SMALL = {"SPREADS": (0.05, 0.1, 0.2), "MEANS": 0.4, "HIDDEN_RIDGES": (1e-5, 1e-4, 1e-3)}
PLANS = {
    "random weights, 60 epochs, rate 5e-3, batch 64": (cs.Options(epochs=60, rate=5e-3), {}),
    "closed form, no epochs": (cs.Options(epochs=0, hidden_start=True), {}),
    "closed form, 8 epochs, rate 1.5e-3, batch 32": (cs.Options(epochs=8, batch=32, rate=1.5e-3, hidden_start=True), {}),
    "closed form, 16 epochs, rate 1.5e-3, batch 32": (cs.Options(epochs=16, batch=32, rate=1.5e-3, hidden_start=True), {}),
    "closed form of small states, no epochs": (cs.Options(epochs=0, hidden_start=True), SMALL),
    "closed form of small states, 16 epochs, rate 3e-5, batch 32": (cs.Options(epochs=16, batch=32, rate=3e-5, hidden_start=True), SMALL),
}
PUSHES = ("response to push, R²", "response to push within the leading components, R²", "response to silencing, R²")
TEXT = """# How hidden units begin

A network of hidden units, which stand for no neuron, has no states to regress on. `Options(hidden_start=True)` gives it some: a random encoder of
the observed rates, the readout that best undoes it, and the regression of the network's own equation on the states between. The size of the states
and the penalty are those of lowest error on validation conditions, running freely. Students of 300 hidden units of `match` (330 reaches, 27 held
out), seeds 0 to {last}, one thread; mean, and in brackets the smallest and the largest. Written by `python benchmarks/hidden_start.py`.

| start | seconds | R² of held-out rates | push | push within the leading components | silencing |
|---|---|---|---|---|---|
{rows}

Small states with small penalties begin nearest to the rates, in under three seconds and without an epoch; but they need large weights to move them,
and a push that leaves the states that the reaches visit is answered out of all proportion. R² of rates does not show it. So larger states are used.
"""


def main() -> None:
    """Teach, measure, and write the page."""
    torch.set_num_threads(1)
    circuit = cs.load("hennequin_2014")
    training, test = cs.analysis.delayed_reaches(circuit, (330, 27), seed=0)
    battery = cs.measures.Battery.of(circuit, "27 held-out reaches", (training, test), draws=DRAWS, seed=0)
    student = cs.fitting.with_time_constant_of(cs.load("leaky_readout"), circuit)
    scale, mean = cs.fitting.unit_scale(training.trials.rate), training.trials.rate.mean(axis=(0, 1))
    homes = {name: encoder if name == "MEANS" else regression for name in SMALL}
    usual = {name: getattr(home, name) for name, home in homes.items()}
    rows = []
    for name, (options, changed) in PLANS.items():
        for key, value in (usual | changed).items():
            setattr(homes[key], key, value)
        for seed in range(SEEDS):
            began = time.perf_counter()
            fitted = train(student, training.trials, training.task, seed=seed, options=options, report=lambda *_: None)
            seconds = time.perf_counter() - began
            made, wanted = cs.simulate(fitted.model, test.task).rate, test.trials.rate
            r2 = 1 - (((made - wanted) / scale) ** 2).sum() / (((wanted - mean) / scale) ** 2).sum()
            pushed = {s.measure: s.estimate for s in battery.scores(battery.respond(fitted.model, 0), name=name, seed=0, nulls=1).scores}
            rows.append({"plan": name, "seed": seed, "s": seconds, "R² of rates": float(r2)} | {key: pushed[key] for key in PUSHES})
    write("hidden_start", rows)
    PAGE.write_text(TEXT.format(last=SEEDS - 1, rows="\n".join(_row(name, rows) for name in PLANS)), encoding="utf-8")


def _row(name: str, rows: list[dict[str, object]]) -> str:
    cells = []
    for key, digits in (("s", 1), ("R² of rates", 3), *((push, 2) for push in PUSHES)):
        found = [float(str(row[key])) for row in rows if row["plan"] == name]
        cells.append(f"{np.mean(found):.{digits}f} [{min(found):.{digits}f}, {max(found):.{digits}f}]")
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
