"""What comes of experiments that ask which network is right: how often it is named, after how many trials; kept in files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cortex_sim.comparison._discrimination import Plan
from cortex_sim.errors import FileProblem
from cortex_sim.runtime import load_arrays, save_arrays

PLANNED, STRONGEST, RANDOM, ALONG = KINDS = ("planned", "strongest response", "random sites", "leading components")
CONFIDENT = 0.95  # share of experiments in which the right network should be named
OF_PLAN, OF_OUTCOME = ("currents", "responses", "squared"), ("right", "preferred", "expected")


@dataclass(frozen=True)
class Outcome:
    """What came of one push in many experiments.

    Attributes:
        kind: of the push.
        plan: the push, and what students expect of it.
        right: share of the experiments in which the right student is named, by number of trials.
        preferred: share in which each other student is preferred to the right one, by number of trials.
        expected: the same in closed form, from the noise that was measured and the circuit's true response.
    """

    kind: str
    plan: Plan
    right: Float[ndarray, " trials"]
    preferred: Float[ndarray, "trials student"]
    expected: Float[ndarray, "trials student"]

    def needed(self, trials: Sequence[int] | Int[ndarray, " trials"]) -> float:
        """Return the number of trials from which on the right student is named often enough, interpolated; infinite if no number tried is enough.

        Args:
            trials: numbers of trials, ascending.
        """
        share = np.minimum.accumulate(self.right[::-1])[::-1]
        if share[-1] < CONFIDENT:
            return float("inf")
        last = int(np.argmax(share >= CONFIDENT))
        if not last:
            return float(trials[0])
        part = (CONFIDENT - share[last - 1]) / (share[last] - share[last - 1])
        return float(np.exp(np.log(trials[last - 1]) + part * (np.log(trials[last]) - np.log(trials[last - 1]))))


@dataclass(frozen=True)
class Verdicts:
    """Experiments on one circuit.

    Attributes:
        circuit: its name.
        seed: of this draw.
        matched: R² of the students' rates on held-out reaches, of those that match, by name; the students that are to be told apart.
        right: the student that is right; empty if fewer than two match.
        why: whether it is the circuit's own class, or which is nearest.
        outcomes: of every push; none if fewer than two match.
    """

    circuit: str
    seed: int
    matched: Mapping[str, float]
    right: str
    why: str
    outcomes: Sequence[Outcome]

    def needed(self, kind: str, trials: Sequence[int]) -> float:
        """Return the number of trials that pushes of a kind need; the median over pushes."""
        return float(np.median([outcome.needed(trials) for outcome in self.outcomes if outcome.kind == kind]))

    def rows(self, trials: Sequence[int]) -> list[dict[str, str | float]]:
        """Return the number of trials that each kind of push needs, as a table."""
        about: dict[str, str | float] = {"circuit": self.circuit, "seed": self.seed, "networks": len(self.matched), "right": self.right}
        return [about | {"push": kind, "trials needed": self.needed(kind, trials)} for kind in KINDS]


def times_as_many(found: Sequence[Verdicts], kind: str, trials: Sequence[int]) -> dict[str, Float[ndarray, " draw"]]:
    """Return, for each circuit and draw, how many times as many trials a kind of push needs as the planned one.

    Args:
        found: of all circuits and draws.
        kind: of push.
        trials: numbers that were tried, ascending; what none of them suffices for counts as the largest.
    """
    needed = [[min(one.needed(each, trials), float(trials[-1])) for each in (kind, PLANNED)] for one in found]
    names = [one.circuit for one in found]
    return {name: np.array([a / b for (a, b), own in zip(needed, names, strict=True) if own == name]) for name in dict.fromkeys(names)}


def mean_errors(found: Sequence[Verdicts]) -> tuple[float, float]:
    """Return the share of experiments in which another network is preferred to the right one, mean over pairs, and what was expected."""
    outcomes = [outcome for one in found for outcome in one.outcomes]
    return float(np.mean([one.preferred.mean() for one in outcomes])), float(np.mean([one.expected.mean() for one in outcomes]))


def save_verdicts(path: Path, verdicts: Verdicts) -> None:
    """Write verdicts as safetensors.

    Raises:
        FileProblem: the folder cannot be written or the disk is full.
    """
    told = {name: getattr(verdicts, name) for name in ("circuit", "seed", "right", "why")} | {"matched": dict(verdicts.matched)}
    told["outcomes"] = [{"kind": one.kind, "students": one.plan.students, "trials": one.plan.trials} for one in verdicts.outcomes]
    arrays = {f"{number}/{name}": getattr(part, name) for number, one in enumerate(verdicts.outcomes)
              for part, names in ((one.plan, OF_PLAN), (one, OF_OUTCOME)) for name in names}  # fmt: skip
    save_arrays(path, arrays | {"told": np.frombuffer(json.dumps(told).encode(), np.uint8)})


def load_verdicts(path: Path) -> Verdicts:
    """Return what :func:`save_verdicts` wrote.

    Raises:
        FileProblem: the file is damaged, or holds something else.
    """
    arrays = load_arrays(path)
    try:
        told = json.loads(arrays["told"].tobytes())
        outcomes = []
        for number, about in enumerate(told.pop("outcomes")):
            plan, own = ({name: arrays[f"{number}/{name}"] for name in names} for names in (OF_PLAN, OF_OUTCOME))
            outcomes.append(Outcome(about["kind"], Plan(students=tuple(about["students"]), trials=about["trials"], **plan), **own))
        return Verdicts(**told, outcomes=outcomes)
    except (KeyError, ValueError, TypeError) as problem:
        raise FileProblem(f"{path}: holds no experiments ({problem}).") from None
