"""How long until a student matches the circuit? Wall time of training until R² of 0.9 on validation conditions, on the data of protocol match.

Every student that match offers, as match teaches it; and the circuit's own class, from its closed-form start and from random weights. One
thread. Give `--smoke` for a small circuit and few reaches.
"""

import sys
import time
from dataclasses import replace

import numpy as np
import torch
from _measure import write
from threadpoolctl import threadpool_limits

from cortex_sim import Model, load, simulate
from cortex_sim.analysis._preparation import Side, delayed_reaches
from cortex_sim.cards import catalogue
from cortex_sim.fitting._fit import split, train
from cortex_sim.fitting._options import Options
from cortex_sim.fitting._start import own_class, unit_scale, with_time_constant_of

TARGET, CLAIM = 0.9, 5.0  # R²; times shorter from the closed-form start
SEED = 0
RANDOM = Options(epochs=200, rate=5e-3, patience=200, closed_form=False)  # rate of match's students of this kind


def reached(model: Model, side: Side, options: Options, label: str) -> dict[str, object]:
    """Seconds and epochs until the validation R² is reached; the start counts too."""
    ended: list[float] = []

    def report(done: float, text: str) -> None:
        ended.append(time.perf_counter() - began)
        print(f"{label}: {done:.0%}, {text}", file=sys.stderr, flush=True)

    began = time.perf_counter()
    start = train(model, side.trials, side.task, seed=SEED, options=replace(options, epochs=0), report=report).start
    ready = time.perf_counter() - began
    r2, seconds = [validated(start, side, options)], [ready]
    if r2[0] < TARGET and options.epochs:
        ended.clear()
        began = time.perf_counter()
        fitted = train(model, side.trials, side.task, seed=SEED, options=options, report=report)
        r2, seconds = r2 + [1 - loss for loss in fitted.validation[: len(ended)]], seconds + ended
    first = next((epoch for epoch, value in enumerate(r2) if value >= TARGET), None)
    return {
        "student": label, "units": start.units, "epochs": "not reached" if first is None else first,
        "s": seconds[-1] if first is None else seconds[first], "R² at the start": r2[0], "best R²": max(r2),
    }  # fmt: skip


def validated(model: Model, side: Side, options: Options) -> float:
    """R² as the validation loss of training has it: variances are those of the conditions taught."""
    taught, checked = split(side.trials, options.validation, SEED)
    made = simulate(model, replace(side.task, initial=side.trials.rate[:, 0]).select(checked))
    return 1 - float((((side.trials.rate[checked] - made.rate) / unit_scale(side.trials.rate[taught])) ** 2).mean())


def main() -> None:
    torch.set_num_threads(1)
    match, smoke = catalogue.protocol("match"), "--smoke" in sys.argv
    circuit = load(match.MODEL).with_arrays({}, units=50) if smoke else load(match.MODEL)
    with threadpool_limits(1):
        (side,) = delayed_reaches(circuit, (match.SMALL if smoke else match.TRAINING,), seed=SEED)
        rows = [reached(with_time_constant_of(load(card), circuit), side, options, name) for name, (card, options) in match.TAUGHT.items()]
        own = [reached(own_class(circuit), side, options, f"own gain, {how}")
               for how, options in (("closed form", Options(epochs=0)), ("random weights", RANDOM))]  # fmt: skip
    quick, slow = own
    times = float(np.divide(slow["s"], quick["s"]))
    least = "at least, for random weights did not get there" if slow["epochs"] == "not reached" else ""
    text = f"times shorter from the closed-form start {least}".strip()
    rows += [*own, {"student": "own gain", f"{text} (claim: at least {CLAIM:g})": times, "holds": quick["epochs"] == 0 and times >= CLAIM}]
    write("time_to_match", rows)


if __name__ == "__main__":
    main()
