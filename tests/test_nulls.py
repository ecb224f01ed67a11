"""Where there is nothing, p-values are uniform: by the very functions with which protocols draw their nulls."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from cortex_sim.analysis import Explanation, Questions, Told, flow_modes, mode_distances, mode_distances_by_chance, spectrum
from cortex_sim.analysis._fixed_points import Portrait
from cortex_sim.cards import Model, catalogue
from cortex_sim.cards.edit import with_values
from cortex_sim.comparison import LowRankFit, RegionFit, compare_spectra, response_r2
from cortex_sim.fitting import Fitted
from cortex_sim.simulation import Problem
from cortex_sim.simulation.torch import trajectory
from cortex_sim.statistics import Score, permuted
from cortex_sim.statistics._inference import p_value
from cortex_sim.tasks import Task, random_dots
from cortex_sim.trials import Trials

Build = Callable[..., Model]
MADE: dict[str, Callable[[int, Build], list[Score]]] = {}


def nothing(function: Callable[[int, Build], list[Score]]) -> Callable[[int, Build], list[Score]]:
    """Register a function that returns what a protocol reports, by its own function, of data in which there is nothing."""
    MADE[function.__name__] = function
    return function


@nothing
def modes_of_match(seed: int, build: Build) -> list[Score]:
    rng = np.random.default_rng(seed)
    teacher, student = (build(0.8 * rng.normal(size=(8, 8)) / np.sqrt(8), dt=0.01) for _ in range(2))
    return [compare_spectra(spectrum(teacher), student, seed=seed, shuffles=19)]


@nothing
def kinds_of_attractors(seed: int, build: Build) -> list[Score]:
    points = np.random.default_rng(seed).normal(size=(12, 3))
    far = np.linalg.norm(points[:, None] - points, axis=2)
    return [catalogue.protocol("attractors")._score("distance", far, np.repeat(["a", "b", "c"], 4), 10, seed)]


@nothing
def order_of_microcircuit(seed: int, build: Build) -> list[Score]:
    module, rng = catalogue.protocol("microcircuit"), np.random.default_rng(seed)
    population = np.repeat(list(module.NEST), 2)
    unit = np.repeat(np.arange(16), rng.permutation(8).repeat(2) + 1)
    spikes = (rng.uniform(0, 1, unit.size), unit, np.zeros(unit.size, dtype=int))
    return [module._order_score(Trials.from_spikes(spikes, np.arange(0, 1, 0.01), units=16, condition=[0], population=population), seed)]


@nothing
def patterns_of_force(seed: int, build: Build) -> list[Score]:
    """Networks that put out the pattern, at a phase of their own."""
    module, rng = catalogue.protocol("force"), np.random.default_rng(seed)
    bins = 4 * module.PERIOD

    def output() -> np.ndarray:
        return np.roll(module._wanted(bins) + 0.5 * rng.normal(size=bins), rng.integers(bins))

    heard = [module.Heard(output(), output(), 1.0) for _ in range(3)]
    return module._scores("networks", heard, seed)  # type: ignore[no-any-return]


@nothing
def chirps_of_force(seed: int, build: Build) -> list[Score]:
    module, rng = catalogue.protocol("force"), np.random.default_rng(seed)
    bins = len(module.cs.tasks.chirp().mask[0])
    return [
        module._chirp_score("networks", [np.roll(np.sin(np.arange(bins) / 9), rng.integers(bins)) + rng.normal(size=bins) for _ in range(3)], seed)
    ]


@nothing
def answers_of_decode(seed: int, build: Build) -> list[Score]:
    rng = np.random.default_rng(seed)
    condition = np.repeat(np.arange(4), 10)
    told = Told("which", condition, {"decoder": rng.permutation(condition)}, [])
    return catalogue.protocol("decode")._accuracies(told, seed)  # type: ignore[no-any-return]


@nothing
def velocity_of_decode(seed: int, build: Build) -> list[Score]:
    found, wanted = np.random.default_rng(seed).normal(size=(2, 20, 15, 2)).cumsum(axis=2)
    return [catalogue.protocol("decode")._velocity_score("decoder", found, (wanted, wanted, "m/s"), seed)]


@nothing
def outputs_of_explain(seed: int, build: Build) -> list[Score]:
    module, (a, b) = catalogue.protocol("explain"), np.random.default_rng(seed).normal(size=(2, 15, 6, 2))
    measures = {module.ATTRIBUTION: module._correlation, module.ABLATION: response_r2}
    how: dict[str, Any] = {"surrogate": "units permuted", "interval": None, "interval_over": "none", "ceiling_reason": "none"}
    null = {name: permuted(measure, a, b, seed=seed, count=module.NULLS) for name, measure in measures.items()}
    return [Score(name, "other", "nothing", measures[name](a, b), "higher", 1.0, null[name], **how) for name in measures]


@nothing
def flow_of_explain(seed: int, build: Build) -> list[Score]:
    """Saturating networks of independent weights, of which one order is as good as another."""
    module, rng = catalogue.protocol("explain"), np.random.default_rng(seed)
    text = "dx/dt = (-x + W(r))/tau : 1\nr = tanh(x) : 1 (constant over dt)"
    systems = {name: build(1.5 * rng.normal(size=(8, 8)) / np.sqrt(8), dt=0.01, equations=text, rate="r") for name in (module.TEACHER, "other")}
    task = Task("fall", 0.0, 0.3, np.arange(3), initial=np.tanh(rng.normal(size=(3, 8))))
    asked = Questions(task, np.zeros((8, 1)), (0.0, 0.1), 0.1, np.arange(0), seed=seed)
    paths = {name: trajectory(Problem(system, system.arrays(), task)) for name, system in systems.items()}
    modes = {name: [[flow_modes(systems[name], systems[name].arrays(), path[bin]) for bin in asked.bins()] for path in paths[name]] for name in paths}
    rest, none = Portrait([], 0, 0), np.zeros((3, 8, 1))
    truth, other = (Explanation(paths[name], rest, modes[name], none, 0.0, none[:0]) for name in systems)
    null = mode_distances_by_chance(truth, systems["other"], asked, rng=rng, draws=module.SHUFFLES)
    how: dict[str, Any] = {"surrogate": "weights shuffled", "interval": None, "interval_over": "none", "ceiling_reason": "none"}
    return [Score(module.FLOW, "other", "nothing", float(mode_distances(truth, other).mean()), "lower", 0.0, null, **how)]


@nothing
def currents_of_inferred_connectivity(seed: int, build: Build) -> list[Score]:
    """Networks whose weights are independent of the circuit and of all rates, so that one order of their sources is as good as another."""
    module, rng, fits = catalogue.protocol("inferred_connectivity"), np.random.default_rng(seed), []
    time = 0.01 * np.arange(20)
    for _ in range(2):
        sides = [build(rng.normal(size=(12, 12)) / 4, dt=0.01) for _ in range(2)]
        recorded, free = (Trials.from_arrays(rng.normal(size=(1, 20, 12)).cumsum(axis=1), time) for _ in range(2))
        fit = RegionFit(sides[0], recorded, Fitted(sides[1], sides[1], [], [], (1, 0), 0.0), Task("nothing", 0.0, 0.2, np.arange(1)))
        fit.__dict__["free"] = free
        fits.append(fit)
    return [score for score in module._regional_scores("networks", fits, seed) if score.better != "closer"]


@nothing
def connections_of_inferred_connectivity(seed: int, build: Build) -> list[Score]:
    """Networks whose connections have nothing to do with the circuit's."""
    module, rng = catalogue.protocol("inferred_connectivity"), np.random.default_rng(seed)
    card, fits = catalogue.load(module.LOW_RANK).with_arrays({}, units=8, channels=1), []
    battery = random_dots(4, seed=seed)
    for _ in range(2):
        sides = [card.with_arrays({"P": rng.normal(size=(8, 8)) / 8, "W_in": rng.normal(size=(8, 1))}) for _ in range(2)]
        fits.append(LowRankFit(sides[0], with_values(sides[1], module.QUIET), battery))
    scores = module._low_rank_scores({"rank one": fits}, seed)
    return [score for score in scores if score.measure in (module.RAW, module.EFFECTIVE)]


@nothing
def muscles(seed: int, build: Build) -> list[Score]:
    """Networks that put out what is wanted in conditions of any other order, and are no more than untrained ones."""
    module, rng = catalogue.protocol("muscles"), np.random.default_rng(seed)
    time = 0.01 * np.arange(20)
    wanted = Trials.from_arrays(rng.normal(size=(8, 20, 3)).cumsum(axis=1), time)

    def reading() -> Any:
        made = Trials.from_arrays(wanted.rate[rng.permutation(8)] + 0.1 * rng.normal(size=(8, 20, 3)), time)
        turning, *null = rng.normal(size=1 + module.NULLS)
        numbers = module._error(made, wanted), turning, rng.normal(), rng.normal()
        return SimpleNamespace(numbers=numbers, null=np.array(null), muscles=made, wanted=wanted)

    networks, untrained = ([reading() for _ in range(4)] for _ in range(2))
    return module._scores("variant", networks, untrained, seed)  # type: ignore[no-any-return]


LONG = (
    "currents_of_inferred_connectivity",
    "modes_of_match",
    "flow_of_explain",
    "kinds_of_attractors",
    "muscles",
    "connections_of_inferred_connectivity",
)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in MADE])
def test_p_values_of_nothing_are_uniform(name: str, linear_circuit: Build) -> None:
    found: dict[str, list[float]] = {}
    rng = np.random.default_rng(0)
    for seed in range(150):
        for score in MADE[name](seed, linear_circuit):
            assert score.null is not None
            beaten = score.null < score.estimate if score.better == "lower" else score.null > score.estimate
            level = 1 + (score.null == score.estimate).sum()
            p = (beaten.sum() + level * rng.uniform()) / (1 + len(score.null))  # ties, as of counts, in random order
            assert p <= p_value(score.estimate, score.null, better=score.better) + 1e-12
            found.setdefault(score.measure, []).append(p)
    for measure, values in found.items():
        assert kstest(values, "uniform").pvalue > 1e-3, measure
