"""Students examined side by side: their rates, responses, modes and scores, one process each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cortex_sim.analysis import Spectrum, spectrum
from cortex_sim.cards import Model
from cortex_sim.comparison._battery import Battery, Responses
from cortex_sim.comparison._compare import compare, compare_spectra
from cortex_sim.comparison._comparison import Comparison
from cortex_sim.runtime import workers
from cortex_sim.simulation import simulate
from cortex_sim.trials import Trials

Predictor = Callable[[Trials, Trials], Trials]


@dataclass(frozen=True)
class Examined:
    """What a student did, and how similar it is to its teacher.

    Attributes:
        copy: its rates in the test conditions.
        scores: of its activity, its responses and, if both sides have modes, its spectrum.
        responses: to the perturbations of the battery; None of a prediction that no network makes.
        flow: its modes; none if its activity vanishes within a step or grows without bound. None of a prediction.
    """

    copy: Trials
    scores: Comparison
    responses: Responses | None = None
    flow: Spectrum | None = None


@dataclass(frozen=True)
class Examination:
    """The settings of an examination.

    Attributes:
        flow: modes of the teacher.
        window: start and stop of the window for rotations, s.
        seed: of noise and surrogates.
        nulls: number of surrogates.
        shuffles: number of networks with shuffled weights.
    """

    flow: Spectrum
    window: tuple[float, float]
    seed: int
    nulls: int
    shuffles: int

    def activity(self, battery: Battery, copy: Trials, name: str) -> Comparison:
        """Return the scores of activity alone.

        Args:
            battery: its test conditions are compared; means, scales and ranges are those of its training conditions.
            copy: the student's rates in the test conditions.
            name: of the student.
        """
        known, test = battery.training.trials, battery.test.trials
        how = {"training": known, "window": self.window, "spread": np.ptp(known.rate, axis=(0, 1)), "split": battery.split}
        return compare(test, copy, name=name, seed=self.seed, nulls=self.nulls, **how)

    def of(self, students: Mapping[str, tuple[Model | Predictor, Battery]]) -> dict[str, Examined]:
        """Return the examined students, with progress; they are the same for any number of processes.

        Args:
            students: by name, each with the battery that it is examined by; or, in place of a network, a function of training and test trials
                that predicts the latter.
        """
        jobs = {name: (self, name, *student) for name, student in students.items()}
        return workers.map(f"comparing {len(jobs)} students", _examined, jobs)


def _examined(how: Examination, name: str, student: Model | Predictor, battery: Battery) -> Examined:
    if not isinstance(student, Model):
        copy = student(battery.training.trials, battery.test.trials)
        return Examined(copy, how.activity(battery, copy, name))
    copy, responses, flow = simulate(student, battery.test.task, seed=how.seed), battery.respond(student, how.seed), spectrum(student)
    scores = how.activity(battery, copy, name) + battery.scores(responses, name=name, seed=how.seed, nulls=how.nulls)
    if len(flow.eigenvalues) and len(how.flow.eigenvalues):
        scores += Comparison((compare_spectra(how.flow, student, name=name, seed=how.seed, shuffles=how.shuffles),))
    return Examined(copy, scores, responses, flow)
