"""Data in which there is nothing, for the nulls of measures that several protocols share."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from cortex_sim.comparison import (
    PUSHES,
    Activity,
    Cell,
    Reading,
    RecordedPush,
    _ranking,
    compare_bits,
    rank_score,
    read_rules,
    recall_score,
    recorded_response_score,
    rule_scores,
    separation_scores,
)
from cortex_sim.studies.tuning import _report
from cortex_sim.studies.tuning._folds import Answers
from cortex_sim.tasks import recall, recorded_conditions
from cortex_sim.trials import Trials
from tests.nulls import DRAWS, Build, Drawn, few, nothing, smooth

TIME = 0.01 * np.arange(16)


@nothing("permuted trials of architectures", "permuted trials of long_sequences", long=True)
def recalled(seed: int, build: Build) -> list[Any]:
    """Networks that answer alike, and nothing that was asked."""
    task, rng = recall(5, delays=(0.1,), seed=seed), np.random.default_rng(seed)
    assert task.targets is not None
    alike = rng.normal(size=task.targets.shape)
    return [recall_score("networks", task, [alike + rng.normal(size=alike.shape) for _ in range(4)], 0.1, rng=rng)]


@nothing("permuted rules")
def separation_of_rules(seed: int, build: Build) -> list[Any]:
    """Networks that differ, and rules that do not, in the tail that learning_rules asks about."""
    points = np.random.default_rng(seed).normal(size=(12, 3))
    far = np.linalg.norm(points[:, None] - points, axis=2).reshape(3, 4, 3, 4)
    scores = separation_scores(far, ("a", "b", "c"), "drawn", seed=seed, count=DRAWS)
    return [Drawn(f"{score.measure}, {score.student}", score.estimate, cast(Any, score.null)) for score in scores]


@nothing("permuted conditions of a measure", long=True)
def activity_of_rules(seed: int, build: Build) -> list[Any]:
    """Networks that share their activity, of which no condition is that of the circuit."""
    rng = np.random.default_rng(seed)

    def trials(rates: np.ndarray) -> Trials:
        return Trials.from_arrays(rates, TIME)

    def activity(rates: np.ndarray) -> Activity:
        return Activity(trials(rates), trials(rates), (0.0, 0.16))

    wanted, alike, output = trials(smooth(rng, 8, 16, 2)), smooth(rng, 8, 16, 6), smooth(rng, 8, 16, 2)
    networks = [activity(alike + 0.3 * smooth(rng, 8, 16, 6)) for _ in range(3)]
    circuit, made = activity(smooth(rng, 8, 16, 6)), [trials(output + 0.3 * smooth(rng, 8, 16, 2)) for _ in range(3)]
    values, nulls = read_rules(wanted, {"rule": made}, circuit, {"rule": networks}, seed=seed, count=DRAWS)
    return [score for score in rule_scores(values, nulls, circuit, "drawn") if score.better != "closer"]


@nothing("units of a recorded push")
def recorded_push(seed: int, build: Build) -> list[Any]:
    """A student whose units have nothing to do with those of the recording."""
    rng = np.random.default_rng(seed)
    quiet, pushed = ([smooth(rng, 4, 16, 7) for _ in range(4)] for _ in range(2))
    averages, none, each = Trials.from_arrays(smooth(rng, 4, 16, 7), TIME), np.zeros(16, dtype=bool), np.ones(16, dtype=bool)
    push = RecordedPush(recorded_conditions(averages), averages, (0.0, 0.1), quiet, pushed, smooth(rng, 4, 16, 7), none, each, each)
    return [recorded_response_score(push, smooth(rng, 4, 16, 7), name="student", seed=seed, nulls=DRAWS)]


@nothing("permuted conditions of match_spiking")
def bits_of_spikes(seed: int, build: Build) -> list[Any]:
    """Rates of conditions that have nothing to do with those of the spikes."""
    rng = np.random.default_rng(seed)
    fired = rng.poisson(0.5, (12, 16, 4))
    trial, bin, unit = (np.repeat(place.ravel(), fired.ravel()) for place in np.indices(fired.shape))
    spikes = Trials.from_spikes((0.01 * (bin + rng.uniform(size=bin.size)), unit, trial), TIME, units=4, condition=np.repeat(np.arange(6), 2))
    rates = {name: Trials.from_arrays(rng.uniform(10, 90, (6, 16, 4)), TIME) for name in ("student", "again")}
    return [score for score in compare_bits(spikes, rates, repeats=2, again="again", seed=seed, nulls=DRAWS) if score.student == "student"]


@nothing("permuted students of mechanism")
def ranks_of_mechanism(seed: int, build: Build) -> list[Any]:
    """A measure that favours some kinds of students in every circuit, and kinds that are better than others, without relation."""
    rng = np.random.default_rng(seed)
    liked, good, readings = rng.normal(size=7), rng.normal(size=7), []
    for circuit in "abcd":
        cell = cast(Cell, SimpleNamespace(circuit=circuit, view="100%"))
        told, known = (kind + 0.5 * rng.normal(size=7) for kind in (liked, good))
        readings.append(Reading(cell, tuple("tuvwxyz"), {"m": told}, (known, known), known, {}, {PUSHES: known}))
    with few(_ranking):
        return [rank_score("m", readings, PUSHES, "100%", seed)]


@nothing("permuted test trials")
def tuned(seed: int, build: Build) -> list[Any]:
    rng = np.random.default_rng(seed)
    wanted, found = (Trials.from_arrays(smooth(rng, 8, 16, 2), TIME) for _ in range(2))
    with few(_report):
        return [_report._test(Answers(wanted, found, np.ones((8, 16, 1)), np.zeros(2), np.ones(2), "squared"), "best", "R² of outputs", seed)]
