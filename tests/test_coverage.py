"""Intervals of 95 % that reports draw hold what they are about in 90 to 98 % of planted draws: every file that makes one is tried, or named."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import ndarray

import cortex_sim as cs
from cortex_sim.analysis import co_smoothing, spike_statistics
from cortex_sim.cards import catalogue
from cortex_sim.comparison import RecordedPush, recorded_response_score, separation_scores, spike_scores, synchrony_scores
from cortex_sim.comparison._spike_scores import INDEPENDENT, RATE
from cortex_sim.statistics import jackknifed, mean_over, median_interval, pairwise_distances
from cortex_sim.studies.tuning._folds import Answers
from cortex_sim.studies.tuning._report import _test as tuned_score
from cortex_sim.trials import Trials
from tests.covered import assert_covered

Interval = tuple[float, float]
Drawn = dict[str, tuple[float, Interval]]
"""By name, an estimate and its interval."""


def bursting(seed: int, units: int = 24, trials: int = 40) -> Trials:
    """Units with rates and regularities of their own, and a gain that each trial has in common."""
    rng, end = np.random.default_rng(seed), 1.0
    gain, rate, shape = rng.gamma(25, 0.04, trials), 8 + rng.gamma(4, 3, units), rng.uniform(0.7, 2.5, units)
    found = []
    for unit in range(units):
        steps = rng.gamma(shape[unit], 1 / (shape[unit] * rate[unit]), (trials, 150)) / gain[:, None]
        when = np.cumsum(steps, axis=1) - rng.uniform(0.3, 0.6, (trials, 1))
        trial, place = np.nonzero((when > 0) & (when < end))
        found.append((when[trial, place], np.full(trial.size, unit), trial))
    spikes = tuple(np.concatenate(part) for part in zip(*found, strict=True))
    return Trials.from_spikes(spikes, np.arange(100) * 0.01, units=units, condition=np.zeros(trials, int), population=["all"] * units)


def spiking(seed: int) -> Drawn:
    trials = bursting(seed)
    scores = spike_scores("all", trials, spike_statistics(trials), wanted=INDEPENDENT | {RATE: 10.0}, draws=1, seed=seed)
    return {score.measure: (score.estimate, score.interval) for score in scores if score.interval}


def synchronous(seed: int) -> Drawn:
    return {score.student: (score.estimate, score.interval) for score in synchrony_scores(bursting(seed), draws=1, seed=seed) if score.interval}


def predicted(seed: int) -> Drawn:
    """Bits of units that share a slow signal alike: which of them are held out depends on what they do, and does not matter here."""
    rng, load, trials = np.random.default_rng(seed), np.full((1, 12), 0.8), 40
    slow = np.cumsum(rng.normal(0, 0.25, (trials, 60, 1)), axis=1)
    rates = 15 * np.exp(np.clip(slow @ load, -3, 1.5))
    told = co_smoothing(cs.trials.poisson_spikes(rates, 0.01 * np.arange(60), condition=np.zeros(trials, int), rng=rng))
    return {"bits": (told.bits, jackknifed(told.of, len(told.gain)))}


def networks(seed: int, rules: int = 3, count: int = 8) -> tuple[ndarray, ndarray]:
    """Distances between networks of three kinds, the first two of which are near each other."""
    rng, centres = np.random.default_rng(seed), np.array([[0, 0, 0], [1, 0, 0], [0, 3, 0]])
    where = centres[:, None] + rng.normal(0, 0.6, (rules, count, 3))
    return pairwise_distances(where, lambda a, b: float(np.linalg.norm(a - b))), np.repeat(np.arange(rules), count)


def separated(seed: int) -> Drawn:
    scores = separation_scores(networks(seed)[0], ["a", "b", "c"], "all", seed=0, count=1)
    return {score.student: (score.estimate, score.interval) for score in scores if score.interval}


def silhouettes(seed: int) -> Drawn:
    far, kinds = networks(seed)
    score = catalogue.protocol("attractors")._score("angle", far.reshape(kinds.size, kinds.size), kinds, 10, 0)
    return {"silhouette": (score.estimate, score.interval)}


def decoded(seed: int) -> Drawn:
    """Answers that are right with a probability of 0.5, 0.9 and 0.99, in 60 trials, and velocities with errors of their own in each."""
    rng, decode = np.random.default_rng(seed), catalogue.protocol("decode")
    condition = np.arange(60) % 2
    taken = {str(p): np.where(rng.random(60) < p, condition, 1 - condition) for p in (0.5, 0.9, 0.99)}
    spikes = cs.trials.poisson_spikes(np.full((60, 20, 3), 20.0), 0.01 * np.arange(20), condition=condition, rng=rng)
    scores = decode._accuracies(cs.analysis.Told("two", condition, taken, []), spikes, 0, 1)
    velocity = rng.gamma(4, 0.25, (60, 1, 1)) * rng.normal(0, 1, (60, 20, 2))
    made = velocity + rng.gamma(4, 0.1, (60, 1, 1)) * rng.normal(0, 1, velocity.shape)
    moving = decode._velocity_score("ridge", made, (made, velocity, "cm/s"), 0, 1)
    return {score.student: (score.estimate, score.interval) for score in (*scores, moving)}


def reached(seed: int) -> Drawn:
    """Hand positions of eight directions, each missed by a distance of its own."""
    rng, labels = np.random.default_rng(seed), np.repeat(np.arange(12), 5)
    wanted = rng.normal(0, 1, (12, 1, 2))[labels] * np.linspace(0, 1, 15)[:, None]
    hand = wanted + 0.4 * rng.normal(0, 1, (12, 1, 2))[labels] * np.linspace(0, 1, 15)[:, None] + 0.1 * rng.normal(0, 1, wanted.shape)
    score = catalogue.protocol("layered_motor_cortex")._readout_score(hand, wanted, labels, 0)
    return {"hand": (score.estimate, score.interval)}


def turned(seed: int) -> Drawn:
    """Reaches before and after learning, of ten units in four dimensions."""
    rng, fixed, protocol = np.random.default_rng(seed), np.random.default_rng(0), catalogue.protocol("adaptation")
    axes, other, count = fixed.normal(size=(4, 10)), fixed.normal(size=(4, 10)), protocol.REACHES
    course = np.cumsum(rng.normal(size=(count, 20, 4)), axis=1)
    before, after = course @ axes, course @ (axes + 0.4 * other)
    scores = {"similar": protocol._similar, "moved": protocol._moved}
    over = {name: cs.statistics.estimated_over("reaches", count, lambda kept, f=f: f(before[kept], after[kept])) for name, f in scores.items()}
    return {name: (part["estimate"], part["interval"]) for name, part in over.items()}


def false(seed: int) -> Drawn:
    """Fits of connections from independent sets of trials, with the same false connections in all."""
    rng, fixed, protocol = np.random.default_rng(seed), np.random.default_rng(0), catalogue.protocol("false_connections")
    W = np.where(fixed.random((30, 30)) < 0.2, fixed.normal(size=(30, 30)), 0.0)
    wrong = W + 0.2 * (W == 0) * fixed.normal(size=W.shape)
    fits = wrong + 0.5 * rng.normal(size=(FITS, 30, 30))
    score = protocol._score(1.0, "at rest", fits, W)
    return {"false": (score.estimate, score.interval)}


def tuned(seed: int) -> Drawn:
    """Twelve test conditions of three trials, each predicted with an error of its own."""
    rng, condition = np.random.default_rng(seed), np.repeat(np.arange(12), 3)
    wanted = rng.gamma(4, 0.25, (12, 1, 1))[condition] * rng.normal(size=(36, 15, 4))
    found = wanted + 0.5 * rng.gamma(4, 0.25, (12, 1, 1))[condition] * rng.normal(size=(36, 15, 4))
    time = 0.01 * np.arange(15)
    sides = (Trials.from_arrays(part, time, condition=condition) for part in (wanted, found))
    score = tuned_score(Answers(*sides, np.ones((36, 15, 1)), np.zeros(4), np.ones(4), "squared"), "gru", "R²", 0)
    return {"test": (score.estimate, score.interval)}


def pushed(seed: int) -> Drawn:
    """A recorded push of twelve conditions, in 16 trials of either kind, and a student that misses each by a size of its own."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(0)
    true = rng.gamma(4, 0.25, (12, 1, 1)) * rng.normal(size=(12, 10, 6))
    quiet, hit = ([part + rng.normal(0, 2, (16, 10, 6)) for part in side] for side in (np.zeros_like(true), true))
    every: Any = np.ones(10, dtype=bool)
    push = RecordedPush(None, None, (0.0, 0.1), quiet, hit, true, ~every, every, every)  # type: ignore[arg-type]
    answer = true + 0.6 * rng.gamma(4, 0.25, (12, 1, 1)) * fixed.normal(size=true.shape)
    score = recorded_response_score(push, answer, name="gru", seed=0, nulls=1)
    return {"response": (score.estimate, score.interval), "ceiling": (score.ceiling, score.settings["ceiling interval"])}


def members(seed: int) -> Drawn:
    """Means and medians of 5, 12 and 40 networks, circuits, reaches or folds whose values are normal."""
    rng = np.random.default_rng(seed)
    found: Drawn = {}
    for count in (5, 12, 40):
        values = 1 + rng.normal(size=count)
        over = mean_over("networks", values)
        skewed = np.exp(rng.normal(size=count))
        found |= {f"median of {count}": (float(np.median(skewed)), held)} if (held := median_interval(skewed)) else {}
        found |= {f"means of {count}": (over["estimate"], over["interval"]), f"folds, {count}": (values.mean(), cs.statistics.mean_interval(values))}
    return found


FITS = 6
INTERVALS: dict[str, tuple[Callable[[int], Drawn], int]] = {
    "spike statistics": (spiking, 60), "synchrony": (synchronous, 40), "co-smoothing": (predicted, 60), "separation": (separated, 150),
    "silhouette": (silhouettes, 150), "decode": (decoded, 300), "layered_motor_cortex": (reached, 150), "adaptation": (turned, 150),
    "false_connections": (false, 150), "tuning": (tuned, 150), "recorded push": (pushed, 150), "members": (members, 300),
}  # fmt: skip
"""By what is reported, one planted draw, and how many are made."""
TRUTHS = {"0.5": 0.5, "0.9": 0.9, "0.99": 0.99, "median": 1.0, "means": 1.0, "folds": 1.0}


def coverage(draw: Callable[[int], Drawn], draws: int) -> dict[str, list[tuple[float, Interval]]]:
    """Estimates and intervals of all draws, by name."""
    found = [draw(seed) for seed in range(draws)]
    return {name: [one[name] for one in found if name in one] for name in found[0]}


LONG = {"spike statistics", "synchrony", "co-smoothing", "silhouette", "decode", "tuning"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in INTERVALS])
def test_intervals_cover(name: str) -> None:
    """Order statistics are wide where members are few."""
    for label, draws in coverage(*INTERVALS[name]).items():
        free = {"most": 1.0, "widest": np.inf} if label.startswith("median") else {}
        assert_covered({label: draws}, truth=TRUTHS.get(label.split(" ")[0].rstrip(",")), **free)


MAKERS = {"estimated_over", "mean_over", "matched_over", "share_over", "mean_interval", "median_interval", "jackknifed", "bootstrapped", "subsampled",
          "intervals_of", "score_of_truth"}  # fmt: skip
MEANS = "members"  # means, or jackknives of sums and ratios, of networks, circuits, reaches, conditions or units that are independent
CALIBRATED = "tests/comparison/test_calibration.py"
MADE = {
    "_report": "tuning", "_response": CALIBRATED, "_table": CALIBRATED, "_tangling": CALIBRATED, "_rotations": CALIBRATED,
    "_bits": "tests/comparison/test_bits.py", "_spike_scores": "spike statistics", "_recorded_push": "recorded push", "_rules": "separation",
    "_scored": "tests/statistics/test_inference.py", "_ranked": "tests/statistics/test_inference.py", "_results": MEANS, "_gathered": MEANS,
    "_ranking": MEANS, "_recall": MEANS, "_courses": MEANS, "driven": "layered_motor_cortex", "cued_variability": MEANS, "discriminate": MEANS,
    "spikes_and_rates": "adaptation", "muscles": MEANS, "inferred_connectivity": MEANS, "gain_groups": MEANS, "preparation": CALIBRATED,
    "thalamic_loop": CALIBRATED, "gain_primitives": MEANS, "motif_loops": MEANS,
    "adaptation": "adaptation", "layered_motor_cortex": "layered_motor_cortex", "architectures": MEANS, "published": MEANS,
    "optimal_preparation": MEANS, "optimised_circuit": MEANS, "explain": "adaptation", "tangling": CALIBRATED, "discriminate_recording": MEANS,
    "recipes": MEANS, "false_connections": "false_connections", "few_shot": MEANS, "decode": "decode", "force": MEANS, "attractors": "silhouette",
    "subspaces": CALIBRATED, "limb_preferences": MEANS, "partial_observation": MEANS,
    "stimulation": MEANS, "sparse_recording": MEANS, "universality": MEANS,
    "microcircuit": "adaptation", "reach": MEANS, "match_spiking": "tests/comparison/test_reliability.py",
}  # fmt: skip
"""By file that makes intervals, what tries them: an entry of this file (of the same kind, a mean, a ratio or a correlation), or another test."""


def test_every_file_that_makes_intervals_is_tried() -> None:
    root = Path(__file__).parents[1]
    found = {}
    for path in [*(root / "cortex_sim").rglob("*.py"), *(root / "protocols").glob("*.py")]:
        if path.parent.name == "statistics" or path.name == "_reliability.py":
            continue  # where they are defined
        text = path.read_text(encoding="utf-8")
        if any(name in text for name in MAKERS):
            nodes = list(ast.walk(ast.parse(text)))
            called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
            if (called | {node.attr for node in nodes if isinstance(node, ast.Attribute)}) & MAKERS:
                found[path.stem] = path
    assert found.keys() == MADE.keys()
    assert all(name in INTERVALS or (root / name).exists() for name in MADE.values())
