"""Which way trains hidden units fastest: Adam through time, teacher forcing, SOFO, or Newton's method over all steps at once?

Five seeds, one thread, the same network, start, data and test: hidden tanh units that continue the reaches of `match` from their first undriven bin.
Writes docs/ways-to-train.md. Each way is written out below, so that it can be read; none uses the library's own training.

Sources:
    SOFO: Yu, Xia, Ma, Lengyel & Hennequin (2024) NeurIPS 37. Generalised teacher forcing: Hess, Monfared, Brenner & Durstewitz (2023) ICML,
    arXiv:2306.04406. Parallel in time: Lim et al. (2024) ICLR, arXiv:2309.12252; Gonzalez et al. (2024) NeurIPS 37, arXiv:2407.19115.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _measure import write
from torch import Tensor

import cortex_sim as cs

PAGE = Path(__file__).parents[1] / "docs/ways-to-train.md"
SEEDS, UNITS, LEAK, FIRST, LIMIT = 5, 300, 0.2, 3, 20.0  # s of processor time that each may take
REACHED = 0.85  # R² of held-out rates whose time is told
TANGENTS, DAMPING, STEP = 64, 1e-3, 0.3  # of SOFO: directions a step, damping of the largest curvature, share of Newton's step
BATCH = 32
TEXT = """# Other ways to train

Adam descends the gradient of back-propagation through time. Other ways have been proposed for just such networks; here they are tried on the task
of `match`: {units} hidden tanh units continue {training} reaches from the first bin without input, and are asked for {test} others. All start from
the same weights and see the same data; seconds of processor time, one thread, seeds 0 to {last}; mean, and in brackets the smallest and the largest.
Each way has one setting, written in the script, and none was tuned; other work ran beside it. Written by `python benchmarks/ways_to_train.py`.

| way | R² of held-out reaches after {limit:g} s | s to R² {reached} | seeds that reach it | ms a step |
|---|---|---|---|---|
{rows}

**SOFO** (Yu et al. 2024) takes Newton's step within {tangents} random directions, from forward-mode derivatives: its memory does not grow with the
length of the sequence, and a step costs as much as {tangents} runs. **Generalised teacher forcing** (Hess et al. 2023) pulls each state by a share α
towards the one that the encoder gives for the recorded rates; α falls from 0.5 to 0 over the first half of the time.

{verdict}

## All steps at once

A run can be found by Newton's method on all its steps together, which a parallel scan then solves in a time that grows with the logarithm of the
number of steps (Lim et al. 2024, Gonzalez et al. 2024), if there are as many processors. One thread, {bins} steps:

| units | ms, step by step | ms, Newton's method | iterations | times as slow | largest difference |
|---|---|---|---|---|---|
{parallel}

Newton's method multiplies matrices of units by units at every step, where a run multiplies a matrix with a vector: on a few cores it cannot win, and
it is not built in.
"""


class Net(NamedTuple):
    """Weights: recurrent, bias, readout and its offset, encoder of the first bin and its offset."""

    W: Tensor
    b: Tensor
    C: Tensor
    d: Tensor
    E: Tensor
    e: Tensor

    def states(self, first: Tensor, bins: int, pull: Callable[[int], Tensor] | None = None, share: float = 0.0) -> Iterator[Tensor]:
        """Yield the states at every bin; ``pull`` gives those towards which each is pulled after it was read."""
        x = first @ self.E.T + self.e
        for step in range(bins):
            yield x
            if pull is not None and share:
                x = (1 - share) * x + share * pull(step)
            x = x + LEAK * (torch.tanh(x) @ self.W.T + self.b - x)

    def run(self, first: Tensor, bins: int, pull: Callable[[int], Tensor] | None = None, share: float = 0.0) -> Tensor:
        """Return the outputs, (trial, bin, output)."""
        return torch.stack([torch.tanh(x) for x in self.states(first, bins, pull, share)], dim=1) @ self.C.T + self.d


class Data(NamedTuple):
    """Standardised rates, (trial, bin, unit), to learn from and to be asked for."""

    training: Tensor
    test: Tensor


def data() -> Data:
    """Return the reaches of `match`, each unit with mean 0 and standard deviation 1, from the first bin without input."""
    training, test = cs.analysis.delayed_reaches(cs.load("hennequin_2014"), (330, 27), seed=0)
    mean, scale = training.trials.rate.mean(axis=(0, 1)), cs.fitting.unit_scale(training.trials.rate)
    return Data(*(torch.tensor((side.trials.rate[:, FIRST:] - mean) / scale, dtype=torch.float32) for side in (training, test)))


def untrained(outputs: int, seed: int) -> Net:
    """Return random weights."""
    rng = torch.Generator().manual_seed(seed)
    W, C, E = (torch.randn(shape, generator=rng) / shape[1] ** 0.5 for shape in ((UNITS, UNITS), (outputs, UNITS), (UNITS, outputs)))
    return Net(W, torch.zeros(UNITS), C, torch.zeros(outputs), E, torch.zeros(UNITS))


def explained(net: Net, rates: Tensor) -> float:
    """Return R² of a free run."""
    with torch.no_grad():
        made = net.run(rates[:, 0], rates.shape[1])
    return float(1 - ((made - rates) ** 2).sum() / (rates**2).sum())


def batches(rates: Tensor, seed: int) -> Iterator[Tensor]:
    """Yield trials in random order, epoch after epoch."""
    rng = torch.Generator().manual_seed(1000 + seed)
    while True:
        yield from torch.randperm(len(rates), generator=rng).split(BATCH)


def by_adam(net: Net, rates: Tensor, seed: int, *, rate: float = 3e-3, forced: bool = False) -> Iterator[Net]:
    """Yield weights after every step of Adam along a cosine over the time that there is; with ``forced`` states are pulled, less and less."""
    learned = Net(*(weights.clone().requires_grad_() for weights in net))
    optimiser, began = torch.optim.Adam(list(learned), lr=rate), time.process_time()
    for chosen in batches(rates, seed):
        gone = min(1.0, (time.process_time() - began) / LIMIT)
        optimiser.param_groups[0]["lr"] = rate * (0.02 + 0.49 * (1 + np.cos(np.pi * gone)))
        wanted, share = rates[chosen], max(0.0, 0.5 - gone) if forced else 0.0
        encoded = wanted @ learned.E.T.detach() + learned.e.detach() if share else wanted
        made = learned.run(wanted[:, 0], rates.shape[1], lambda step, encoded=encoded: encoded[:, step], share)
        optimiser.zero_grad()
        ((made - wanted) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(list(learned), 1.0)
        optimiser.step()
        yield Net(*(weights.detach() for weights in learned))


def by_sofo(net: Net, rates: Tensor, seed: int) -> Iterator[Net]:
    """Yield weights after every step of SOFO: Newton's step in a random subspace, from tangents that are carried along."""
    rng = torch.Generator().manual_seed(2000 + seed)
    for chosen in batches(rates, seed):
        wanted = rates[chosen]
        tangents = Net(*(torch.randn((TANGENTS, *weights.shape), generator=rng) for weights in net))
        made, moved = tangents_of(net, wanted[:, 0], rates.shape[1], tangents)
        J = moved.reshape(TANGENTS, -1)
        curvature, slope = J @ J.T / wanted.numel(), J @ (made - wanted).reshape(-1) / wanted.numel()
        damped = curvature + DAMPING * torch.linalg.matrix_norm(curvature, 2) * torch.eye(TANGENTS)
        step = -STEP * torch.linalg.solve(damped, slope)
        net = Net(*(weights + torch.tensordot(step, tangent, dims=1) for weights, tangent in zip(net, tangents, strict=True)))
        yield net


def tangents_of(net: Net, first: Tensor, bins: int, by: Net) -> tuple[Tensor, Tensor]:
    """Return outputs (trial, bin, output) and their derivatives along directions (direction, trial, bin, output), forward in time."""
    x, moved = first @ net.E.T + net.e, first @ by.E.mT + by.e[:, None]
    outputs, derivatives = [], []
    for _ in range(bins):
        r = torch.tanh(x)
        r_moved = (1 - r**2) * moved
        outputs.append(r @ net.C.T + net.d)
        derivatives.append(r_moved @ net.C.T + r @ by.C.mT + by.d[:, None])
        x = x + LEAK * (r @ net.W.T + net.b - x)
        moved = moved + LEAK * (r_moved @ net.W.T + r @ by.W.mT + by.b[:, None] - moved)
    return torch.stack(outputs, dim=1), torch.stack(derivatives, dim=2)


WAYS: dict[str, Callable[[Net, Tensor, int], Iterator[Net]]] = {
    "Adam through time": by_adam,
    "generalised teacher forcing, Adam": lambda net, rates, seed: by_adam(net, rates, seed, forced=True),
    "SOFO": by_sofo,
}


def tried(way: Callable[[Net, Tensor, int], Iterator[Net]], known: Data, seed: int) -> dict[str, float | None]:
    """Return how far a way comes in the time that there is, when it reaches the wanted R², and what a step takes."""
    net, spent, steps, reached, found = untrained(known.test.shape[2], seed), 0.0, 0, None, -np.inf
    walk, looked = way(net, known.training, seed), 0.0
    while spent < LIMIT:
        began = time.process_time()
        net = next(walk)
        spent, steps = spent + time.process_time() - began, steps + 1
        if spent - looked > LIMIT / 80 or spent >= LIMIT:
            looked, found = spent, explained(net, known.test)
            reached = spent if reached is None and found >= REACHED else reached
    return {"R²": found, "s": reached, "ms a step": 1e3 * spent / steps}


def at_once(net: Net, first: Tensor, bins: int) -> tuple[Tensor, int]:
    """Return the states of one trial by Newton's method on all steps, and its iterations; each iteration solves a linear recurrence by a scan."""
    x = (first @ net.E.T + net.e).expand(bins, -1).clone()
    eye = (1 - LEAK) * torch.eye(len(net.b))
    iterations = 0
    while iterations < bins:
        iterations += 1
        r = torch.tanh(x[:-1])
        A = eye + LEAK * net.W * (1 - r**2)[:, None, :]
        after = x[:-1] + LEAK * (r @ net.W.T + net.b - x[:-1])
        shift = after - (A @ x[:-1, :, None])[..., 0]
        new = torch.cat([x[:1], _scanned(A, shift, x[0])])
        change, x = float((new - x).abs().max()), new
        if change < 1e-5:
            break
    return x, iterations


def _scanned(A: Tensor, shift: Tensor, first: Tensor) -> Tensor:
    """Return y_t = A_t y_(t-1) + shift_t by doubling: as many rounds as the logarithm of the number of steps."""
    A, shift, reach = A.clone(), shift.clone(), 1
    while reach < len(A):
        ahead = shift[reach:] + (A[reach:] @ shift[:-reach, :, None])[..., 0]
        A[reach:], shift[reach:] = A[reach:] @ A[:-reach], ahead
        reach *= 2
    return (A @ first[:, None])[..., 0] + shift


def parallel(known: Data) -> list[dict[str, float | int]]:
    """Return times of a run step by step and by Newton's method, at several sizes."""
    rows: list[dict[str, float | int]] = []
    for units in (25, 100, 300):
        full = untrained(known.test.shape[2], 0)
        net = Net(full.W[:units, :units] * (UNITS / units) ** 0.5, full.b[:units], full.C[:, :units], full.d, full.E[:units], full.e[:units])
        first, bins, seconds = known.test[:1, 0], known.test.shape[1], {"steps": [], "once": []}
        for _ in range(5):
            began = time.perf_counter()
            exact = torch.stack(list(net.states(first, bins)), dim=1)[0]
            seconds["steps"].append(time.perf_counter() - began)
            began = time.perf_counter()
            found, iterations = at_once(net, first[0], bins)
            seconds["once"].append(time.perf_counter() - began)
        slow, fast = (1e3 * float(np.median(seconds[name])) for name in ("once", "steps"))
        rows.append({"units": units, "ms": fast, "ms at once": slow, "iterations": iterations, "times": slow / fast,
                     "difference": float((found - exact).abs().max())})  # fmt: skip
    return rows


def main() -> None:
    """Try every way, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    known = data()
    rows = []
    for seed in range(given.seeds):  # in turn, so that a busy machine slows all alike
        for name, way in WAYS.items():
            rows.append({"way": name, "seed": seed} | tried(way, known, seed))
            print(rows[-1], flush=True)
    with torch.no_grad():
        once = parallel(known)
    write("ways_to_train", [*rows, *once], quiet=True)
    PAGE.write_text(page(rows, once, known, given.seeds), encoding="utf-8")


def page(rows: list[dict], once: list[dict], known: Data, seeds: int) -> str:
    """Return the page."""
    mean = {name: np.mean([row["R²"] for row in rows if row["way"] == name]) for name in WAYS}
    best = max(mean, key=lambda name: mean[name])
    verdict = (
        f"**Farthest in this time: {best}.** `fit` trains by Adam through time from a closed form, where hidden units begin nearer "
        "([hidden-units.md](hidden-units.md)); "
        "what differs from that here is not built in. Answers to pushes were not asked."
    )
    lines = []
    for name in WAYS:
        own = [row for row in rows if row["way"] == name]
        times = [row["s"] for row in own if row["s"] is not None]
        cell = f"{np.mean(times):.1f} [{min(times):.1f}, {max(times):.1f}]" if times else "not reached"
        r2, steps = [row["R²"] for row in own], [row["ms a step"] for row in own]
        lines.append(f"| {name} | {np.mean(r2):.3f} [{min(r2):.3f}, {max(r2):.3f}] | {cell} | {len(times)} of {len(own)} | {np.mean(steps):.0f} |")
    at = [f"| {r['units']} | {r['ms']:.2g} | {r['ms at once']:.3g} | {r['iterations']} | {r['times']:.3g} | {r['difference']:.1e} |" for r in once]
    return TEXT.format(
        units=UNITS, training=len(known.training), test=len(known.test), last=seeds - 1, limit=LIMIT, reached=REACHED, rows="\n".join(lines),
        tangents=TANGENTS, verdict=verdict, bins=known.test.shape[1], parallel="\n".join(at),
    )  # fmt: skip


if __name__ == "__main__":
    main()
