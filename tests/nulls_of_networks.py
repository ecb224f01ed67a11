"""Data in which there is nothing, for the nulls of networks and circuits that protocols train, match or take apart."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from cortex_sim.analysis import Explanation, GainedCircuit, Questions, flow_modes, spectrum
from cortex_sim.analysis._fixed_points import Portrait
from cortex_sim.cards import catalogue
from cortex_sim.cards.edit import with_values
from cortex_sim.comparison import LowRankFit, RegionFit, compare_spectra
from cortex_sim.fitting import Fitted
from cortex_sim.simulation import Problem
from cortex_sim.simulation.torch import trajectory
from cortex_sim.statistics import Score
from cortex_sim.tasks import Task, random_dots
from cortex_sim.trials import Trials
from tests.nulls import Build, few, nothing


@nothing("shuffled weights", long=True)
def modes_of_match(seed: int, build: Build) -> list[Score]:
    rng = np.random.default_rng(seed)
    teacher, student = (build(0.8 * rng.normal(size=(8, 8)) / np.sqrt(8), dt=0.01) for _ in range(2))
    return [compare_spectra(spectrum(teacher), student, seed=seed, shuffles=19)]


@nothing("permuted kinds of attractors", long=True)
def kinds_of_attractors(seed: int, build: Build) -> list[Score]:
    points = np.random.default_rng(seed).normal(size=(12, 3))
    far = np.linalg.norm(points[:, None] - points, axis=2)
    return [catalogue.protocol("attractors")._score("distance", far, np.repeat(["a", "b", "c"], 4), 10, seed)]


@nothing("uniform preferred torques")
def torques_of_limb_preferences(seed: int, build: Build) -> list[Score]:
    """Units whose preferred torques lie in any direction."""
    rng, module = np.random.default_rng(seed), catalogue.protocol("limb_preferences")
    return [module._score("network", list(rng.normal(size=(3, 40, 2))), None, seed)]


@nothing("permuted populations of microcircuit")
def order_of_microcircuit(seed: int, build: Build) -> list[Score]:
    module, rng = catalogue.protocol("microcircuit"), np.random.default_rng(seed)
    population = np.repeat(list(module.NEST), 2)
    unit = np.repeat(np.arange(16), rng.permutation(8).repeat(2) + 1)
    spikes = (rng.uniform(0, 1, unit.size), unit, np.zeros(unit.size, dtype=int))
    return [module._order_score(Trials.from_spikes(spikes, np.arange(0, 1, 0.01), units=16, condition=[0], population=population), seed)]


@nothing("permuted units of gain_primitives")
def halves_of_gain_primitives(seed: int, build: Build) -> list[Score]:
    """Gains that were drawn without regard to units, and outputs that nothing made."""
    module, rng, pairs = catalogue.protocol("gain_primitives"), np.random.default_rng(seed), np.array([[0, 1], [2, 3], [1, 2]])
    draws = []
    for _ in range(2):
        circuit = GainedCircuit(1.5 * rng.normal(size=(8, 8)) / np.sqrt(8), rng.normal(size=8), 0.1, 2, 10, rng.normal(size=(1, 8)), np.zeros(1))
        with few(module):
            found = module._halves(circuit, rng.uniform(0.5, 1.5, (4, 8)), pairs, wanted=rng.normal(size=(3, 10, 1)), rng=rng)
        draws.append(SimpleNamespace(pairs=pairs, combined=found[0], permuted=found[1]))
    return [module._combined("gains", draws)]


@nothing("shifted patterns")
def patterns_of_force(seed: int, build: Build) -> list[Score]:
    """Networks that put out the pattern, at a phase of their own."""
    module, rng = catalogue.protocol("force"), np.random.default_rng(seed)
    bins = 4 * module.PERIOD

    def output() -> np.ndarray:
        return np.roll(module._wanted(bins) + 0.5 * rng.normal(size=bins), rng.integers(bins))

    heard = [module.Heard(output(), output(), 1.0) for _ in range(3)]
    return module._scores("networks", heard, seed)  # type: ignore[no-any-return]


@nothing("shifted chirps")
def chirps_of_force(seed: int, build: Build) -> list[Score]:
    module, rng = catalogue.protocol("force"), np.random.default_rng(seed)
    bins = len(module.cs.tasks.chirp().mask[0])
    return [
        module._chirp_score("networks", [np.roll(np.sin(np.arange(bins) / 9), rng.integers(bins)) + rng.normal(size=bins) for _ in range(3)], seed)
    ]


@nothing("permuted weights of explain", "permuted conditions of a measure", long=True)
def explanations(seed: int, build: Build) -> list[Score]:
    """Saturating networks of independent weights, of which one order is as good as another."""
    module, rng = catalogue.protocol("explain"), np.random.default_rng(seed)
    text = "dx/dt = (-x + W(r))/tau : 1\nr = tanh(x) : 1 (constant over dt)"
    systems = {name: build(1.5 * rng.normal(size=(8, 8)) / np.sqrt(8), dt=0.01, equations=text, rate="r") for name in (module.TEACHER, "other")}
    task = Task("fall", 0.0, 0.3, np.arange(3), initial=np.tanh(rng.normal(size=(3, 8))))
    asked = Questions(task, np.zeros((8, 1)), (0.0, 0.1), 0.1, np.arange(0), seed=seed)
    paths = {name: trajectory(Problem(system, system.arrays(), task)) for name, system in systems.items()}
    modes = {name: [[flow_modes(systems[name], systems[name].arrays(), path[bin]) for bin in asked.bins()] for path in paths[name]] for name in paths}
    found = {
        name: Explanation(paths[name], Portrait([], 0, 0), modes[name], rng.normal(size=(3, 8, 2)), 0.0, rng.normal(size=(8, 6, 2)))
        for name in systems
    }
    return [score for score in module._scores("other", systems["other"], found, asked) if score.better != "closer"]


@nothing("shuffled currents of inferred_connectivity", long=True)
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


@nothing("shuffled rank one of inferred_connectivity", long=True)
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


@nothing("permuted outputs of muscles", long=True)
def muscles(seed: int, build: Build) -> list[Score]:
    """Networks that put out what is wanted in conditions of any other order, and are no more than untrained ones."""
    module, rng = catalogue.protocol("muscles"), np.random.default_rng(seed)
    time = 0.01 * np.arange(20)
    wanted = Trials.from_arrays(rng.normal(size=(8, 20, 3)).cumsum(axis=1), time)

    def reading() -> Any:
        made = Trials.from_arrays(wanted.rate[rng.permutation(8)] + 0.1 * rng.normal(size=(8, 20, 3)), time)
        turning, *null = rng.normal(size=20)
        numbers = module._error(made, wanted), turning, rng.normal(), rng.normal()
        return SimpleNamespace(numbers=numbers, null=np.array(null), muscles=made, wanted=wanted)

    networks, untrained = ([reading() for _ in range(4)] for _ in range(2))
    with few(module):
        return module._scores("variant", networks, untrained, seed)  # type: ignore[no-any-return]
