"""Test battery for students of a circuit: held-out conditions, pushes within and outside the visited states, and silencing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Preferred, Side, delayed_reaches, spanning_runs
from cortex_sim.cards import Model
from cortex_sim.comparison._comparison import Comparison
from cortex_sim.comparison._response import answered, response_score, responses
from cortex_sim.runtime import seed_of, stream, workers
from cortex_sim.simulation import push_amplitude
from cortex_sim.tasks import Task
from cortex_sim.tasks.perturbations import push, push_along, silence

MOVED = 4.0  # Hz that a push moves a unit by
WHEN, PUSHED, SILENCED = 0.1, 0.02, 0.1  # s after the go cue; s that a push and a silencing last
SHARES = {"push": 0.1, "silencing": 0.2}  # of the units
NONE = 1e-12  # of the largest variance: that of an axis along which rates do not vary
LEADING = 6  # principal components of the training rates, within which the second kind of push lies
WITHIN_COMPONENTS = " within the leading components"
WITHIN = f"push{WITHIN_COMPONENTS}"
SPANS = {"push": (WHEN, WHEN + PUSHED), WITHIN: (WHEN, WHEN + PUSHED), "silencing": (WHEN, WHEN + SILENCED)}
Responses = Mapping[str, list[Float[ndarray, "trial time unit"]]]


@dataclass(frozen=True)
class Battery:
    """Training and test conditions for students, and the circuit's responses to perturbations that no student was trained on.

    Attributes:
        split: description of the test conditions, for the record.
        training: conditions that students are trained on.
        test: conditions that they are tested on.
        pushes: draws of each kind of perturbation: pushes of random units, outside the visited states; pushes within the leading principal
            components of the training rates, of equal strength over all units; silencing of random units.
        responses: of the circuit, to each draw.
    """

    split: str
    training: Side
    test: Side
    pushes: Mapping[str, list[Task]]
    responses: Responses

    @classmethod
    def of(cls, circuit: Model, split: str, sides: Sequence[Side], *, draws: int, seed: int) -> "Battery":
        """Return the test battery of a circuit, with its responses to perturbations in the test conditions.

        Args:
            circuit: its units are the observed ones.
            split: description of the test conditions.
            sides: training and test conditions.
            draws: number of draws of each kind.
            seed: of the draws, and of the circuit's noise if it has any.

        Raises:
            ComparisonError: the circuit does not respond to one of them at all.
        """
        training, test = sides
        amplitude, silent = push_amplitude(circuit, MOVED, PUSHED), circuit.silent.si if circuit.silent else 0.0
        units, task = circuit.size("observed"), test.task
        size = np.sqrt(SHARES["push"] * np.mean(np.broadcast_to(amplitude, units) ** 2))  # root mean square of the other push
        pushes: dict[str, list[Task]] = {kind: [] for kind in SPANS}
        for drawn in (seed_of(seed, "task", "push of match", draw) for draw in range(draws)):
            pushes["push"].append(push(task, units, seed=drawn, amplitude=amplitude, fraction=SHARES["push"], start=WHEN, duration=PUSHED))
            within = _within(training.trials.rate, task.trials, drawn)
            pushes[WITHIN].append(push_along(task, within, amplitude=float(size), start=WHEN, duration=PUSHED))
            pushes["silencing"].append(silence(task, units, seed=drawn, rate=silent, fraction=SHARES["silencing"], start=WHEN, duration=SILENCED))
        battery = cls(split, training, test, pushes, {})
        found = battery.respond(circuit, seed)
        for kind, drawn_so in pushes.items():
            answered(kind, found[kind], task=task, pushed=drawn_so)
        return replace(battery, responses=found)

    def respond(self, model: Model, seed: int) -> Responses:
        """Return a model's response to every draw: rates minus unperturbed rates."""
        found = iter(responses(model, self.test.task, chain(*self.pushes.values()), seed=seed))
        return {kind: list(islice(found, len(draws))) for kind, draws in self.pushes.items()}

    def scores(self, found: Responses, *, name: str, seed: int, nulls: int) -> Comparison:
        """Return the scores of a student's responses against the circuit's.

        Args:
            found: responses of the student; see :meth:`respond`.
            name: of the student.
            seed: of the surrogates.
            nulls: number of surrogates.
        """
        shared = {"task": self.test.task, "name": name, "split": self.split, "seed": seed, "nulls": nulls}
        scored = (response_score(kind, self.responses[kind], found[kind], pushed=draws, **shared) for kind, draws in self.pushes.items())
        return Comparison(tuple(scored))


def reaching_and_spanning(
    circuit: Model, counts: Sequence[int], *, draws: int, seed: int, preferred: Preferred, each: int = 1
) -> tuple[Battery, Battery]:
    """Return the batteries of delayed reaches, and of runs from states that span state space; made at the same time where that is quicker.

    Args:
        circuit: its units are the observed ones.
        counts: number of conditions for training, and for the test.
        draws: number of draws of each kind of perturbation.
        seed: of every random choice.
        preferred: states of the circuit, of which initial states are mixtures.
        each: number of batteries that justifies one more process.
    """
    kinds = {f"{counts[1]} held-out reaches": delayed_reaches, f"{counts[1]} held-out states that span state space": spanning_runs}
    asked = {split: (circuit, split, sides, tuple(counts), draws, seed, preferred) for split, sides in kinds.items()}
    reaching, spanning = workers.map("simulation of the circuit", _simulated, asked, each=each).values()
    return reaching, spanning


def _simulated(
    circuit: Model, split: str, sides: Callable[..., list[Side]], counts: tuple[int, ...], draws: int, seed: int, preferred: Preferred
) -> Battery:
    return Battery.of(circuit, split, sides(circuit, counts, seed=seed, preferred=preferred), draws=draws, seed=seed)


def _within(rates: Float[ndarray, "condition time unit"], count: int, seed: int) -> Float[ndarray, "trial unit"]:
    """Return random directions within the leading principal components, isotropic in these components."""
    axes = leading_axes(rates)
    return stream(seed, "task", "directions within components").standard_normal((count, axes.shape[1])) @ axes.T


def leading_axes(rates: Float[ndarray, "condition time unit"]) -> Float[ndarray, "unit axis"]:
    """Return the leading principal components of rates, as far as rates vary along them."""
    variance, axes = np.linalg.eigh(np.atleast_2d(np.cov(rates.reshape(-1, rates.shape[2]), rowvar=False)))
    return axes[:, ::-1][:, :LEADING][:, (variance[::-1][:LEADING] > NONE * variance[-1])]
