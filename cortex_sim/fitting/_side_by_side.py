"""Parallel training of independent students, each resumed from its own checkpoint."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.fitting import rules
from cortex_sim.fitting._fit import Fitted, train
from cortex_sim.fitting._kept import load_fitted, save_fitted
from cortex_sim.fitting._options import Options
from cortex_sim.fitting._regression import not_own_class
from cortex_sim.fitting._start import own_class, untrained, with_time_constant_of
from cortex_sim.runtime import cache_folder, code_key, content_key, run_cache, stream, workers
from cortex_sim.tasks import BIN, Task
from cortex_sim.trials import Trials

Key = TypeVar("Key", bound=Hashable)
OWN_GAIN, UNTRAINED = "own gain", "untrained"  # names of students that comparisons need


@dataclass(frozen=True)
class Job:
    """One student to train: the arguments of :func:`train`."""

    model: Model
    trials: Trials
    task: Task
    seed: int = 0
    options: Options = field(default_factory=Options)
    rule: str = "bptt"
    how: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return a hash of everything that affects what the student learns."""
        return content_key("job", self.model.key, self.trials.key, self.task.key, self.seed, self.options.key, self.rule, dict(self.how), code_key())


def with_controls(students: Mapping[str, tuple[Model, Options]], trials: Trials, task: Task, *, shuffled: Options, seed: int) -> dict[str, Job]:
    """Return the students' jobs with two controls that every table needs: one untrained, one trained with conditions shuffled.

    Both have the first student's architecture, and nothing that it learned before. The shuffled one is trained to continue from a condition's first
    bin as another condition does.

    Args:
        students: models and their training options, by name.
        trials: rates to reproduce.
        task: the task that produced them.
        shuffled: options for the shuffled student.
        seed: of every student, and of the shuffle.
    """
    basic, _ = next(iter(students.values()))
    order = _derangement(len(trials.rate), stream(seed, "null", "conditions of the shuffled student"))
    wrong = np.concatenate([trials.rate[:, :1], trials.rate[order][:, 1:]], axis=1)
    mixed = Trials.from_arrays(wrong, trials.time, condition=trials.condition)
    jobs = {name: Job(model, trials, task, seed, options) for name, (model, options) in students.items()}
    basic = untrained(basic)
    jobs[UNTRAINED] = Job(basic, trials, task, seed, Options(epochs=0, closed_form=False))
    return jobs | {"shuffled": Job(basic, mixed, task, seed, shuffled)}


def students_of(circuit: Model, students: Mapping[str, tuple[Model, Options]], trials: Trials, task: Task, *, seed: int) -> dict[str, Job]:
    """Return the students' jobs with two that bound what to expect: one of the circuit's own class, and one that is untrained.

    The student of the own class has the circuit's gain (``own gain``) and learns in closed form; it is omitted if that is impossible
    (:func:`own_class_absent` says why). The untrained one has the first student's architecture. All others are given the time constant
    of the circuit.

    Args:
        circuit: the circuit that they reproduce.
        students: architecture and training by name.
        trials: rates to reproduce.
        task: the task that produced them.
        seed: of every student.
    """
    ready = {name: (with_time_constant_of(model, circuit), options) for name, (model, options) in students.items()}
    basic, _ = next(iter(ready.values()))
    jobs = {} if not_own_class(circuit, task.bin) else {OWN_GAIN: Job(own_class(circuit, task.bin), trials, task, seed, Options(epochs=0))}
    jobs |= {name: Job(model, trials, task, seed, options) for name, (model, options) in ready.items()}
    return jobs | {UNTRAINED: Job(untrained(basic), trials, task, seed, Options(epochs=0, closed_form=False))}


def own_class_absent(circuit: Model, fitted: Mapping[str, Fitted], names: Sequence[str], *, bin: float = BIN) -> list[str]:
    """Return sentences on what a circuit does not allow: students of its own class from its rates, and initial states that rates determine.

    Args:
        circuit: the circuit that students reproduce.
        fitted: students by name.
        names: those of students of the circuit's own class.
        bin: width of the bins on which students learn, s.
    """
    reason, states = not_own_class(circuit, bin), circuit.parsed.states
    said = [f"{' and '.join(names)}: a student of the circuit's own class is not guaranteed, since {reason}."] if reason else []
    kept = [name for name in names if name in fitted and fitted[name].began.startswith("untrained")]
    said += [f"{name}: kept its {fitted[name].began}, so it bounds nothing." for name in kept]
    if len(states) > 1:
        told = "no rates tell them all, so that preparation and pushes begin with the card's values of those that the rates do not follow from"
        said.append(f"Starts of {', '.join(states)}: {told}.")
    return said


def shortened(jobs: Mapping[str, Job], epochs: int) -> dict[str, Job]:
    """Return the jobs with at most this many epochs each, for smoke runs."""
    return {name: replace(job, options=replace(job.options, epochs=min(job.options.epochs, epochs))) for name, job in jobs.items()}


def summary(fitted: Mapping[str, Fitted]) -> str:
    """Return a sentence on all students, for the methods of a report: card, size, epochs, conditions and time."""
    students = "; ".join(f"{name}: {student}" for name, student in fitted.items())
    return f"Students: {students}. Zero epochs: the closed-form regression of the student's own equation, or untrained weights."


def facts(fitted: Mapping[str, Fitted]) -> dict[str, str]:
    """Return which students were trained on how many conditions, for the facts of a report."""
    taught, validated = next(iter(fitted.values())).conditions
    return {"taught on": f"{taught} conditions, {validated} more for early stopping", "students": ", ".join(fitted)}


def train_many(jobs: Mapping[str, Job]) -> dict[str, Fitted]:
    """Return students trained in parallel, one process with one thread each, with progress.

    A killed run resumes when the same jobs are requested again: jobs whose rule writes checkpoints have one, named by the hash of everything
    that affects the result, in the folder of the run or else in the cache. In the folder of a run, finished students are
    kept too, whatever their rule.

    Args:
        jobs: by name.

    Raises:
        KeyboardInterrupt: training was interrupted; partly trained students are not a result.
    """
    kept = workers.Kept(lambda job: job.key, save_fitted, load_fitted, "students", ".safetensors") if run_cache() else None
    label = f"training {len(jobs)} students"
    return workers.map(label, _train_alone, {name: (job,) for name, job in jobs.items()}, tells=True, kept=kept)


def train_groups(jobs: Mapping[Key, Sequence[Job]]) -> dict[Key, list[Fitted]]:
    """Return the trained networks of every group, in the order of its jobs; see :func:`train_many`.

    Args:
        jobs: several networks per group, such as an architecture, a rule or a setting.
    """
    named = {(key, number): f"{_label(key)}, {number + 1}" for key, each in jobs.items() for number in range(len(each))}
    fitted = train_many({name: jobs[key][number] for (key, number), name in named.items()})
    return {key: [fitted[named[key, number]] for number in range(len(each))] for key, each in jobs.items()}


def _label(key: Hashable) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _train_alone(job: Job, report: Callable[[float, str], None]) -> Fitted:
    from cortex_sim.simulation.torch import use_one_thread

    use_one_thread()
    kept = _checkpoint(job) if rules.resumes(job.rule) else None
    how: dict[str, Any] = {"rule": job.rule, "how": job.how, "checkpoint": kept, "report": report}
    fitted = train(job.model, job.trials, job.task, seed=job.seed, options=job.options, **how)
    if fitted.interrupted:
        raise KeyboardInterrupt
    return fitted


def _checkpoint(job: Job) -> Path:
    return (run_cache() or cache_folder()) / "fits" / f"{job.key[:24]}.pt"


def _derangement(count: int, rng: np.random.Generator) -> Int[ndarray, " place"]:
    """Draw a random order in which nothing stays in its own place, if there is more than one place."""
    order = rng.permutation(count)
    fixed = np.flatnonzero(order == np.arange(count))
    if fixed.size and count > 1:
        chosen = fixed if fixed.size > 1 else np.append(fixed, (fixed + 1) % count)
        order[chosen] = np.roll(order[chosen], 1)
    return order
