"""What an experiment on a circuit gives to teach networks: averages or single trials, rates or spikes, of some states, pushed at a few sites."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Side, delayed_reaches, resting_state, spanning_runs
from cortex_sim.comparison import Electrodes, decaying, in_whole
from cortex_sim.errors import OptionError
from cortex_sim.runtime import seed_of, stream
from cortex_sim.simulation import rate_of, time_constant
from cortex_sim.studies.benchmark._circuits import Drawn
from cortex_sim.studies.benchmark._families import Family, noisy
from cortex_sim.studies.benchmark._observed import BASE, DEPTH, SMOOTHED
from cortex_sim.studies.benchmark._pushed import PUSHED, WHEN
from cortex_sim.tasks import Task
from cortex_sim.tasks.perturbations import inject
from cortex_sim.trials import Trials

MOVED = 3.0  # typical standard deviations of the rates that a push at one site moves its unit by, at rest
AT_ONCE = 10  # trials of each state that are simulated at a time, to keep memory small
NOISE_FROM = 8  # reaches by which the size of the noise is set

Asked = Literal["tanh", "noise", "Dale", "types", "sparse", "connectome", "output", "own", "own connectome"]


@dataclass(frozen=True)
class Recipe:
    """What a network is taught, and what is asked of it.

    Attributes:
        states: number of different initial states.
        repeats: trials from each.
        wide: whether the states span state space; else they are preparatory states of reaches.
        sites: number of units that are pushed, one in each trial from every second state; none in the others.
        single: whether single trials are taught, each from its own first bin; else their averages.
        spikes: whether rates are known from smoothed spikes alone.
        noise: whether single trials differ; if not, a trial from each state is all there is to know.
        network: what is asked of the network, or known of the circuit: nothing (``tanh``); that it works under noise; Dale's law; the types of the
            units; that few units are connected; all connections up to a factor for each unit; the output alone; the circuit's own equations, or
            these and its connections.
    """

    states: int
    repeats: int
    wide: bool = False
    sites: int = 0
    single: bool = False
    spikes: bool = False
    noise: bool = True
    network: Asked = "tanh"

    def __post_init__(self) -> None:
        for name, least in (("states", 2), ("repeats", 1), ("sites", 0)):
            if (found := getattr(self, name)) < least:
                raise OptionError(f"Recipe.{name}: should be {least} or more (got {found!r}).")
        if 2 * self.sites > self.states:
            raise OptionError(f"Recipe.sites: of {self.states} states, half are pushed, so {self.states // 2} sites at most (got {self.sites!r}).")

    @property
    def trials(self) -> int:
        """Return the number of trials that it takes."""
        return self.states * self.repeats


@dataclass(frozen=True)
class Laboratory:
    """A circuit on which experiments are made.

    Attributes:
        drawn: the circuit; everything random about an experiment follows from its place.
        dose: of the noise that makes single trials differ; see :class:`Family`.
    """

    drawn: Drawn
    dose: float
    _known: dict[tuple[str, int, bool], Side] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, drawn: Drawn) -> "Laboratory":
        """Return the laboratory of a circuit, with noise as strong as in the benchmark."""
        (side,) = delayed_reaches(drawn.model, (NOISE_FROM,), seed=seed_of(drawn.place.seed, "task", "reaches that set the noise of recipes"))
        return cls(drawn, noisy(Family(drawn, side, 1.0, 1.0)).dose)

    def reaches(self, purpose: str, count: int, *, wide: bool = False) -> Side:
        """Return a task and the circuit's rates on it without noise; the same purpose gives the same initial states."""
        known = (purpose, count, wide)
        if known not in self._known:
            seed, starts = seed_of(self.drawn.place.seed, "task", "reaches of recipes", purpose), spanning_runs if wide else delayed_reaches
            (self._known[known],) = starts(self.drawn.model, (count,), seed=seed)
        return self._known[known]

    def teaches(self, recipe: Recipe) -> Side:
        """Return the task that a network is taught on, with the pushes as it feels them, and the trials to be reproduced."""
        side = self.reaches("taught", recipe.states, wide=recipe.wide)
        task = self._at_sites(side, recipe.sites) if recipe.sites else side.task
        trials = self.recorded(replace(side, task=task), recipe, pushed=in_whole(self.drawn.model, side, task, np.arange(self.drawn.model.units)))
        each = np.repeat(np.arange(recipe.states), len(trials) // recipe.states)
        told = replace(task.select(each), initial=trials[:, 0])
        return Side(told, Trials.from_arrays(trials, side.trials.time, condition=side.task.condition[each]))

    def recorded(self, side: Side, recipe: Recipe, *, pushed: Task) -> Float[ndarray, "trial time unit"]:
        """Return the rates of trials, those from one state together, or their averages.

        Args:
            side: task as networks are told of it.
            recipe: what is recorded.
            pushed: the task as the circuit does it.
        """
        family = Family(self.drawn, Side(pushed, side.trials), 1.0, self.dose if recipe.noise else 0.0)
        system, every, kept = family.circuit, round(side.task.bin / self.drawn.model.dt.si), []
        seen = self._electrodes(side)
        for block, first in enumerate(range(0, recipe.repeats, AT_ONCE)):
            count = min(AT_ONCE, recipe.repeats - first)
            noise = family.noise(count * recipe.states, "trials of recipes", block, recipe.states)
            rates = system.rates(system.states(noise, count))[:, ::every]
            rates = seen.see(rates, block, side.task.bin) if recipe.spikes else rates
            apart = rates.reshape(recipe.states, count, *rates.shape[1:])
            kept.append(apart if recipe.single else apart.sum(axis=1, keepdims=True) / recipe.repeats)
        if recipe.single:
            return np.concatenate(kept, axis=1).reshape(-1, *kept[0].shape[2:])
        return np.sum(kept, axis=0)[:, 0]

    def _electrodes(self, side: Side) -> Electrodes:
        """Return electrodes that see one trial at a time."""
        circuit, spread = self.drawn.model, float(np.median(side.trials.rate.std(axis=(0, 1))))
        rest, seed = rate_of(circuit, resting_state(circuit), circuit.arrays()), seed_of(self.drawn.place.seed, "circuit", "spikes of recipes")
        return Electrodes(base=BASE, depth=DEPTH, repeats=1, smoothed=SMOOTHED, rest=rest, spread=spread, seed=seed)

    def _at_sites(self, side: Side, sites: int) -> Task:
        """Return the task with a push of either sign at one of the sites in every second state."""
        circuit, rng = self.drawn.model, stream(self.drawn.place.seed, "task", "sites of recipes")
        spread, tau = float(np.median(side.trials.rate.std(axis=(0, 1)))), float(np.median(time_constant(circuit)))
        places = rng.permutation(circuit.units)[:sites]
        currents = np.zeros((side.task.trials, circuit.units))
        for number, state in enumerate(range(1, side.task.trials, 2)):
            currents[state, places[number % len(places)]] = (-1.0) ** (number // len(places)) * MOVED * spread * tau / PUSHED
        rest = rate_of(circuit, resting_state(circuit), circuit.arrays())
        return decaying(circuit, side.task, [inject(side.task, currents, span=(WHEN, WHEN + PUSHED))], rest)[0]
