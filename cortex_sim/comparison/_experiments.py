"""Simulated experiments: a circuit answers pushes with noisy spikes, and the network is named that predicts the answers best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.analysis import Side, delayed_reaches, preferred_states, resting_state, spanning_runs
from cortex_sim.cards import Model
from cortex_sim.comparison._battery import leading_axes
from cortex_sim.comparison._cells import LEFT, in_whole
from cortex_sim.comparison._discrimination import (
    Plan,
    log_likelihoods,
    plan_push,
    planned,
    preference_errors,
    squared_apart,
    strongest_push,
)
from cortex_sim.comparison._prediction import training_reference, variance_explained
from cortex_sim.comparison._rig import Rig
from cortex_sim.comparison._verdicts import ALONG, PLANNED, RANDOM, STRONGEST, Outcome, Verdicts, load_verdicts, save_verdicts
from cortex_sim.errors import OptionError
from cortex_sim.runtime import code_key, content_key, stream, workers
from cortex_sim.simulation import rate_of, simulate, time_constant
from cortex_sim.statistics import TrialNoise
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

BASE, DEPTH = 20.0, 5.0  # Hz at rest, and for a typical standard deviation of the rates
SHARED, MODES, LASTING = 1.0, 3, 0.05  # Hz, root mean square over units, of fluctuations in each of so many leading components; s they last
AFTER = 0.3  # s from the push on that are compared


@dataclass(frozen=True)
class Scene:
    """A circuit, and its reaches.

    Attributes:
        circuit: its name.
        model: the circuit, whose units are the observed ones.
        seed: of this draw.
        training: reaches that students are taught.
        test: reaches during which it is pushed.
        spanning: free runs from states that span state space, as many as training reaches: what teaches a student of its own class its mechanism.
    """

    circuit: str
    model: Model
    seed: int
    training: Side
    test: Side
    spanning: Side

    @classmethod
    def of(cls, circuit: str, model: Model, seed: int, counts: tuple[int, int]) -> "Scene":
        """Return the scene of a circuit with these numbers of training and of test reaches."""
        preferred = preferred_states(model)
        reaches = delayed_reaches(model, counts, seed=seed, preferred=preferred)
        return cls(circuit, model, seed, *reaches, *spanning_runs(model, counts[:1], seed=seed, preferred=preferred))

    @property
    def spread(self) -> float:
        """Typical standard deviation of the rates, in their unit."""
        return float(np.median(self.training.trials.rate.std(axis=(0, 1))))

    @property
    def rest(self) -> Float[ndarray, " unit"]:
        """Rates at rest."""
        return rate_of(self.model, resting_state(self.model), self.model.arrays())

    def rig(self, *, jump: float, sites: int, span: tuple[float, float], trials: int) -> Rig:
        """Return a rig whose largest current moves the rate of a unit at rest by some typical standard deviations.

        Rates that cannot fall below 0 are not pushed down faster than they can decay.

        Args:
            jump: number of standard deviations.
            sites: number of units that are pushed at once, of half the units at most.
            span: start and stop of the push, s.
            trials: number of pushed trials.

        Raises:
            OptionError: the circuit's units have no time constant, or their rates do not vary.
        """
        current = jump * self.spread * float(np.median(time_constant(self.model))) / (span[1] - span[0])
        if not (np.isfinite(current) and current > 0):
            why = f"a typical time constant of {np.median(time_constant(self.model)):g} s and standard deviation of {self.spread:g}"
            raise OptionError(f"{self.model.name}: units have {why}, from which no size of a push follows; both should be finite and above 0.")
        few, until = min(sites, self.model.units // 2), span[0] + AFTER
        rig = Rig.of(self.model.units, current=current, sites=few, span=span, until=until, trials=trials)
        return replace(rig, low=np.maximum(rig.low, (LEFT - 1) * self.rest)) if self.model.initial_values else rig


@dataclass(frozen=True)
class Design:
    """How many experiments are made, and on what.

    Attributes:
        own: name of the student with the circuit's own mechanism, which is right if it matches; otherwise that is right whose responses to random
            pushes are nearest to the circuit's.
        matching: R² of held-out rates from which on a student matches.
        trials: numbers of pushed trials at which students are named, ascending; multiples of the number of test reaches.
        draws: number of random pushes, and of pushes along leading components.
        count: number of experiments for each push.
        repeats: unperturbed trials of each test reach, from which the noise is measured.
    """

    own: str
    matching: float
    trials: Sequence[int]
    draws: int
    count: int
    repeats: int


@threadpool_limits.wrap(limits=1)
def experiments(scene: Scene, students: Mapping[str, Model], rig: Rig, design: Design) -> Verdicts:
    """Return what comes of experiments with planned and other pushes on a circuit; without outcomes if fewer than two students match it.

    Experiments with a push go on to larger numbers of trials until all name the right student at two numbers in a row; with more trials all do.

    Args:
        scene: the circuit and its reaches.
        students: networks that were taught them, by name.
        rig: what an experiment can do.
        design: how many are made.
    """
    known, fits = scene.training.trials.rate, fits_of(students, scene.test.task, scene.test.trials, training=scene.training.trials)
    fits = {name: fit for name, fit in fits.items() if fit >= design.matching}
    if len(fits) < 2:
        return Verdicts(scene.circuit, scene.seed, fits, "", "fewer than two match", [])
    models, task = {name: students[name] for name in fits}, scene.test.task
    lab = Laboratory(scene, rig)
    noise = lab.measured_noise(design.repeats)
    rng = stream(scene.seed, "task", "pushes of discriminate")
    pushes = {PLANNED: [plan_push(models, task, noise, rig).currents], STRONGEST: [strongest_push(models, task, noise, rig)]}
    pushes |= {
        RANDOM: [random_push(rig, rng) for _ in range(design.draws)],
        ALONG: [_along(rig, leading_axes(known), rng) for _ in range(design.draws)],
    }
    right, why = (
        (design.own, "its own mechanism") if design.own in models else (_nearest(lab, models, noise, pushes[RANDOM]), "nearest by its responses")
    )
    place = list(models).index(right)
    outcomes = []
    for kind, each in pushes.items():
        for number, currents in enumerate(each):
            plan, truth = planned(models, task, noise, rig, currents), lab.response(currents)
            found = lab.named(plan, noise, currents, design.trials, design.count, place, (kind, number))
            apart = squared_apart(np.concatenate([plan.responses, truth[None]]), noise)
            expected = np.stack([preference_errors(plan.squared, apart[-1, :-1], n)[place] for n in design.trials])
            others = np.delete(np.arange(len(models)), place)
            preferred = (found > found[..., place, None]).mean(axis=1)
            outcomes.append(Outcome(kind, plan, (found.argmax(axis=2) == place).mean(axis=1), preferred[:, others], expected[:, others]))
    return Verdicts(scene.circuit, scene.seed, fits, right, why, outcomes)


def fits_of(students: Mapping[str, Model], task: Task, trials: Trials, *, training: Trials | None = None) -> dict[str, float]:
    """Return R² of the rates of networks, units weighted as in :func:`compare`.

    Args:
        students: by name.
        task: what they do.
        trials: the rates that they should have.
        training: rates for the mean and scale of each unit; ``trials`` if omitted.
    """
    mean, scale = training_reference(trials if training is None else training)
    copies = {name: simulate(model, task, backend="torch").rate for name, model in students.items()}
    return {name: variance_explained(trials.rate, rate, mean=mean, scale=scale) for name, rate in copies.items()}


def random_push(rig: Rig, rng: np.random.Generator) -> Float[ndarray, " unit"]:
    """Return the largest currents of random signs at random sites among those that the rig reaches."""
    reached = np.flatnonzero((rig.low < 0) | (rig.high > 0))
    chosen = rng.choice(reached, rig.sites, replace=False)
    up = (rng.random(rig.sites) < 0.5) & (rig.high[chosen] > 0) | (rig.low[chosen] == 0)
    currents = np.zeros(len(rig.low))
    currents[chosen] = np.where(up, rig.high[chosen], rig.low[chosen])
    return currents


def _along(rig: Rig, axes: Float[ndarray, "unit axis"], rng: np.random.Generator) -> Float[ndarray, " unit"]:
    """Return a push in a random direction within the leading components, as strong over all units as one at the rig's sites."""
    direction = axes @ rng.standard_normal(axes.shape[1])
    return np.clip(float(rig.high.max()) * np.sqrt(rig.sites) * direction / np.linalg.norm(direction), rig.low, None)


def _nearest(lab: "Laboratory", models: Mapping[str, Model], noise: TrialNoise, pushes: Sequence[ndarray]) -> str:
    """Return the student whose responses to these pushes are nearest to those of the circuit, without noise."""
    apart = np.zeros(len(models))
    for currents in pushes:
        found = np.stack([lab.rig.response(model, lab.scene.test.task, currents[None]) for model in models.values()])
        apart += squared_apart(np.concatenate([found, lab.response(currents)[None]]), noise)[-1, :-1]
    return list(models)[int(apart.argmin())]


@dataclass(frozen=True)
class Laboratory:
    """Recording of a circuit, pushed or not: Poisson spikes about its rates, which fluctuate in common along their leading components.

    Attributes:
        scene: the circuit and its reaches.
        rig: where it is pushed, and what is compared.
    """

    scene: Scene
    rig: Rig

    def response(self, currents: Float[ndarray, " unit"]) -> Float[ndarray, "condition time unit"]:
        """Return the circuit's response without noise, in the unit of its rates; currents reach it through its own input."""
        return (self._rates(currents) - self._rates(None)) / self._scale

    @property
    def _scale(self) -> float:
        """Hz of recorded rate for one unit of the circuit's rates."""
        return DEPTH / self.scene.spread

    def _rates(self, currents: Float[ndarray, " unit"] | None) -> Float[ndarray, "condition time unit"]:
        """Return firing rates in the bins that are compared, Hz; not below 0."""
        side, model = self.scene.test, self.scene.model
        rate = side.trials.rate
        if currents is not None:
            rate = simulate(model, in_whole(model, side, self.rig.push(side.task, currents[None]), np.arange(model.units))).rate
        return np.maximum(BASE + self._scale * (rate - self.scene.rest), 0.0)[:, self.rig.seen(side.task)]

    def _fluctuation(self, trials: int, shape: tuple[int, int, int], rng: np.random.Generator) -> Float[ndarray, "experiment time unit"]:
        """Return the sum over trials of fluctuations of the rates that all units share, Hz."""
        axes = leading_axes(self.scene.training.trials.rate)[:, :MODES]
        kept = np.exp(-self.scene.test.task.bin / LASTING)
        z = rng.standard_normal((shape[1], shape[0], axes.shape[1]))
        for bin in range(1, shape[1]):
            z[bin] = kept * z[bin - 1] + np.sqrt(1 - kept**2) * z[bin]
        return SHARED * np.sqrt(trials * shape[2]) * z.transpose(1, 0, 2) @ axes.T

    def counts(self, rates: Float[ndarray, "condition time unit"], trials: int, shape: int, rng: np.random.Generator) -> Float[ndarray, "n c t u"]:
        """Return counts of spikes, summed over trials of each condition, in several experiments; a sum of Poisson counts is Poisson."""
        each = [self._fluctuation(trials, (shape, *rates.shape[1:]), rng) for _ in rates]
        return rng.poisson(np.maximum(trials * rates + np.stack(each, axis=1), 0.0) * self.scene.test.task.bin).astype(float)

    def measured_noise(self, repeats: int) -> TrialNoise:
        """Return the noise that a session of unperturbed trials shows, in the unit of the circuit's rates."""
        rng, rates = stream(self.scene.seed, "task", "unperturbed session of discriminate"), self._rates(None)
        single = self.counts(rates, 1, repeats, rng) / (self.scene.test.task.bin * self._scale)
        return TrialNoise.of(single.reshape(-1, *rates.shape[1:]), np.tile(np.arange(len(rates)), repeats))

    def named(
        self, plan: Plan, noise: TrialNoise, currents: ndarray, trials: Sequence[int], count: int, right: int, label: tuple[str, int]
    ) -> Float[ndarray, "trials experiment student"]:
        """Return log-likelihoods of the students after these numbers of pushed trials, those of a larger number including those of a smaller.

        Once all experiments name the right student at two numbers in a row, the larger ones repeat the last.
        """
        rng, rates = stream(self.scene.seed, "task", "experiments of discriminate", *label), (self._rates(currents), self._rates(None))
        found: list[ndarray] = []
        total, done = np.zeros((count, *rates[0].shape)), 0
        for each in np.asarray(trials) // len(rates[0]):
            if sum((one.argmax(axis=1) == right).all() for one in found[-2:]) == 2:
                found.append(found[-1])
                continue
            total += np.subtract(*(self.counts(rate, int(each) - done, count, rng) for rate in rates))
            done = int(each)
            found.append(log_likelihoods(total / (done * self.scene.test.task.bin * self._scale), plan.responses, noise))
        return np.stack(found)


def _key(scene: Scene, students: Mapping[str, Model], rig: Rig, design: Design) -> str:
    """Return a hash of everything that affects what comes of the experiments."""
    sides = [[side.task.key, side.trials.key] for side in (scene.training, scene.test)]
    about = [scene.circuit, scene.model.key, scene.seed, sides, {name: model.key for name, model in students.items()}]
    return content_key("experiments", about, vars(rig), vars(design), code_key())


KEPT_EXPERIMENTS = workers.Kept(_key, save_verdicts, load_verdicts, "experiments", ".safetensors")
"""How :func:`cortex_sim.runtime.workers.map` keeps experiments, so that a killed run does not repeat them."""
