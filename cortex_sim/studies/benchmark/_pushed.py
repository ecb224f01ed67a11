"""Pushes of seven kinds, of a circuit and of what was fitted to it: the truth about mechanism, on and off the manifold of activity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Side, resting_state
from cortex_sim.cards import Model
from cortex_sim.cards.edit import with_gain
from cortex_sim.comparison import decaying, in_whole, leading_axes, left_free, response_r2
from cortex_sim.errors import OptionError
from cortex_sim.fitting import unit_scale
from cortex_sim.runtime import stream
from cortex_sim.simulation import rate_of, simulate, time_constant
from cortex_sim.studies.benchmark._circuits import Drawn
from cortex_sim.tasks import Drive, Task
from cortex_sim.tasks.perturbations import push_along, silence
from cortex_sim.trials import Trials

LEADING, OFF, ONE, TYPE = "leading components", "off the manifold", "single units", "a cell type"
SILENCING, GAIN, BLOCK = "silencing", "gain", "input block"
KINDS_OF_PUSH = (LEADING, OFF, ONE, TYPE, SILENCING, GAIN, BLOCK)
JUMP, WHEN, PUSHED, SILENCED, FRACTION = 2.0, 0.1, 0.02, 0.1, 0.2  # as in the protocol ``mechanism``
GAINS, BLOCKED, LONGEST = (
    0.2,
    0.5,
    0.2,
)  # s.d. of units' gains about 1; fraction of units whose input is blocked, and s for which it is, from the start
WORST = -1.0  # what a response explained worse counts as
Rates = Float[ndarray, "condition time unit"]
Run = Callable[[Task], Rates]


def run(model: Model, task: Task) -> Trials:
    """Return the trials of a circuit or network; in torch, which has them together sooner and agrees with Brian2 to round-off."""
    return simulate(model, task, backend="torch")


@dataclass(frozen=True)
class Battery:
    """Pushes of a circuit on test conditions, and its responses.

    Attributes:
        drawn: the circuit.
        test: test conditions.
        tasks: draws of each kind, for what was fitted to the rates; a gain has no task.
        gains: draws of the gains of all units.
        true: the circuit's response to each draw, by kind; a kind that the circuit has not is absent.
    """

    drawn: Drawn
    test: Side
    tasks: dict[str, list[Task]]
    gains: list[Float[ndarray, " unit"]]
    true: dict[str, list[Rates]]

    @classmethod
    def of(
        cls, drawn: Drawn, training: Rates, test: Side, draws: int, kinds: Sequence[str] = KINDS_OF_PUSH, *, rng: np.random.Generator | None = None
    ) -> "Battery":
        """Return the pushes of a circuit.

        Args:
            drawn: the circuit.
            training: rates in training conditions, whose components and scales are used.
            test: test conditions.
            draws: number of draws of each kind.
            kinds: of push; the same draws whether others are asked for or not.
            rng: draws them; that of the benchmark if omitted.
        """
        circuit = drawn.model
        rng = rng or stream(drawn.place.seed, "task", "pushes of the benchmark")
        tasks = {kind: each for kind, each in _tasks(drawn, training, test.task, draws, rng).items() if kind in kinds}
        gains = [1 + GAINS * np.clip(rng.standard_normal(circuit.units), -2, 2) for _ in range(draws)] if GAIN in kinds else []
        battery = cls(drawn, test, tasks, gains, {})
        return replace(battery, true=battery.of_units(circuit))

    def of_units(self, model: Model) -> dict[str, list[Rates]]:
        """Return the responses of a circuit with these units, pushed through its own input; without their connections too."""
        circuit, everyone = self.drawn.model, np.arange(self.drawn.model.units)
        found = {kind: _responses(lambda task: run(model, task).rate, self.test,
                                  [task if kind == BLOCK else in_whole(circuit, self.test, task, everyone) for task in each])
                 for kind, each in self.tasks.items()}  # fmt: skip
        changed = self.with_gains(model)
        return found | ({GAIN: changed} if changed else {})

    def with_gains(self, model: Model) -> list[Rates]:
        """Return the changes of a model's rates by the gains of its units; empty if it has no unit for each observed one, or no gain."""
        if not self.gains or model.initial or model.size("observed") != model.units:
            return []
        try:
            still = run(model, self.test.task).rate
            return [run(with_gain(model, gain), self.test.task).rate - still for gain in self.gains]
        except OptionError:
            return []

    def explained(self, answer: Run, gained: list[Rates]) -> dict[str, list[float]]:
        """Return the explained fraction of the circuit's response, of every draw of every kind that both have.

        Args:
            answer: returns the rates on a task.
            gained: changes of the rates by the gains of the units; none if there are no such units.
        """
        found = {kind: _responses(answer, self.test, each) for kind, each in self.tasks.items()} | ({GAIN: gained} if gained else {})
        return {kind: self.scores(kind, found[kind]) for kind in self.true if kind in found}

    def scores(self, kind: str, found: list[Rates]) -> list[float]:
        """Return the explained fraction of the response to every draw of a kind, in units that are not clamped."""
        scores = []
        for place, (true, own) in enumerate(zip(self.true[kind], found, strict=True)):
            units = true.shape[2]
            free = left_free(self.test.task, self.tasks[kind][place], units) if kind in self.tasks else np.ones(units, bool)
            responds = (true[:, :, free] ** 2).sum() > 0
            scores.append(max(WORST, response_r2(true[:, :, free], own[:, :, free])) if responds else 0.0)
        return scores


def pushed_too(drawn: Drawn, side: Side, kind: str) -> Side:
    """Return training trials and as many more in which the circuit is pushed, with directions that are not those it is asked about."""
    rng = stream(drawn.place.seed, "task", "pushes that networks of the benchmark are taught")
    battery = Battery.of(drawn, side.trials.rate, side, 1, (kind,), rng=rng)
    task, rates = _stacked([side.task, *battery.tasks[kind]]), side.trials.rate
    pushed = np.concatenate([rates, rates + battery.true[kind][0]])
    return Side(task, Trials.from_arrays(pushed, side.trials.time, condition=task.condition))


def _responses(answer: Run, side: Side, tasks: list[Task]) -> list[Rates]:
    """Return changes of the rates by pushes; draws that differ only in their currents are run together."""
    still, count = answer(side.task), side.task.trials
    if any(task.clamps for task in tasks):
        return [answer(task) - still for task in tasks]
    rates = answer(_stacked(tasks))
    return [rates[place * count : (place + 1) * count] - still for place in range(len(tasks))]


def _stacked(tasks: list[Task]) -> Task:
    """Return one task with the trials of all; their drives follow the same courses or are given as many times."""
    whole = tasks[0].select(np.tile(np.arange(tasks[0].trials), len(tasks)))
    courses = [[drive.course for drive in task.drives] for task in tasks]
    if all(len(each) == len(courses[0]) and np.array_equal(each, courses[0]) for each in courses):
        alike = zip(*(task.drives for task in tasks), strict=True)
        return replace(whole, drives=tuple(replace(each[0], pattern=np.concatenate([one.pattern for one in each])) for each in alike))
    drives = []
    for place, task in enumerate(tasks):
        for drive in task.drives:
            pattern = np.zeros((whole.trials, drive.pattern.shape[1]))
            pattern[place * task.trials : (place + 1) * task.trials] = drive.pattern
            drives.append(replace(drive, pattern=pattern))
    return replace(whole, drives=tuple(drives))


def _tasks(drawn: Drawn, training: Rates, task: Task, draws: int, rng: np.random.Generator) -> dict[str, list[Task]]:
    """Return draws of each kind of push of the observed rates but gains."""
    circuit, trials, units = drawn.model, task.trials, drawn.model.units
    rest, tau = rate_of(circuit, resting_state(circuit), circuit.arrays()), float(np.median(time_constant(circuit)))
    axes, scale = leading_axes(training), unit_scale(training)
    size = float(JUMP * tau / PUSHED * np.sqrt(FRACTION * np.mean(scale**2)))  # root mean square over units, alike for all kinds

    def along(directions: Float[ndarray, "trial unit"]) -> Task:
        return push_along(task, directions, amplitude=size, start=WHEN, duration=PUSHED)

    def off(free: Float[ndarray, "trial unit"]) -> Float[ndarray, "trial unit"]:
        return free - free @ axes @ axes.T

    def one() -> Float[ndarray, "trial unit"]:
        return np.eye(units)[rng.integers(units, size=trials)] * rng.choice([-1.0, 1.0], (trials, 1))

    found = {
        LEADING: [along(rng.standard_normal((trials, axes.shape[1])) @ axes.T) for _ in range(draws)],
        OFF: [along(off(rng.standard_normal((trials, units)) * scale)) for _ in range(draws)],
        ONE: [along(one()) for _ in range(draws)],
    }  # fmt: skip
    if drawn.excitatory is not None:
        found[TYPE] = [along(_of_type(drawn.excitatory, trials, place % 2 == 0, rng)) for place in range(draws)]
    silent = circuit.silent.si if circuit.silent else 0.0
    seeds = rng.integers(2**31, size=draws).tolist()
    found |= {kind: decaying(circuit, task, each, rest) for kind, each in found.items()}
    found[SILENCING] = [silence(task, units, fraction=FRACTION, seed=seed, rate=silent, start=WHEN, duration=SILENCED) for seed in seeds]
    if any(drive.pattern.any() and drive.course.any() for drive in task.drives):
        found[BLOCK] = [_blocked(task, rng) for _ in range(draws)]
    return found


def _of_type(excitatory: Float[ndarray, " unit"], trials: int, wanted: bool, rng: np.random.Generator) -> Float[ndarray, "trial unit"]:
    """Return currents into all units of one type, alike in sign and of random size in each trial."""
    chosen = excitatory if wanted else 1 - excitatory
    return chosen * rng.uniform(0.5, 1.5, (trials, len(chosen))) * rng.choice([-1.0, 1.0], (trials, 1))


def _blocked(task: Task, rng: np.random.Generator) -> Task:
    """Return the task with its own input into random units blocked from its start on."""
    kept = np.where(rng.uniform(size=task.drives[0].pattern.shape[1]) > BLOCKED, 1.0, 0.0)
    lasts = rng.uniform(LONGEST / 4, LONGEST)
    before = np.where(task.fine_time < task.start + lasts, 1.0, 0.0)
    drives: list[Drive] = []
    for drive in task.drives:
        drives += [replace(drive, course=drive.course * (1 - before)), replace(drive, pattern=drive.pattern * kept, course=drive.course * before)]
    return replace(task, drives=tuple(drives))
