"""Tuning: search for the best construction and training of a protocol's student, and score the result on conditions the search never saw."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cortex_sim.cards import catalogue
from cortex_sim.errors import OptionError
from cortex_sim.fitting import Fitted
from cortex_sim.report import Report
from cortex_sim.runtime import cache_folder, code_key, content_key, timed
from cortex_sim.studies.tuning._folds import Answers, Folds, Material, Places, answers, apart, teach, within
from cortex_sim.studies.tuning._search import Found, Tried, check_installed, search
from cortex_sim.studies.tuning._space import Parameter, read_space

TEST = 0.2  # of the conditions, set aside before anything
SHORT, FEW = 2, 4  # epochs and trials of a smoke run
__all__ = ["Found", "Material", "Outer", "Plan", "Tried", "Tuned", "check_installed", "read_space", "search", "training_data_of", "tune"]


@dataclass(frozen=True)
class Plan:
    """How to tune.

    Attributes:
        trials: total number of settings to try.
        folds: number of folds of the cross-validation that scores each.
        nested: number of outer folds that score the whole procedure; 0 for none.
        test: fraction of the conditions held out before anything else.
        jobs: number of processes.
        seed: of every random choice.
        smoke: few trials, two folds, two epochs: shows that everything runs.
    """

    trials: int = 30
    folds: int = 5
    nested: int = 0
    test: float = TEST
    jobs: int = 1
    seed: int = 0
    smoke: bool = False

    def __post_init__(self) -> None:
        for name, low in (("trials", 1), ("folds", 2), ("jobs", 1)):
            if getattr(self, name) < low:
                raise OptionError(f"--{name} {getattr(self, name)} should be {low} or more.")
        if self.nested < 0 or self.nested == 1:
            raise OptionError(f"--nested {self.nested} should be 2 or more, or 0 for no nested cross-validation.")

    @property
    def size(self) -> tuple[int, int, int | None]:
        """Return the numbers of trials and folds, and the maximum number of epochs."""
        return (min(self.trials, FEW), 2, SHORT) if self.smoke else (self.trials, self.folds, None)


@dataclass(frozen=True)
class Outer:
    """One outer fold: the choice of the search without it, and the score of this choice on it."""

    chosen: Tried
    score: float


@dataclass(frozen=True)
class Tuned:
    """Results of tuning: the search, the student with the best setting, and its outputs on the untouched conditions."""

    plan: Plan
    space: Mapping[str, Parameter]
    material: Material
    found: Found
    fitted: Fitted
    test: Answers
    untrained: Answers
    outer: tuple[Outer, ...]
    seconds: Mapping[str, float]


def training_data_of(module: ModuleType, name: str, model: Any, *, seed: int, smoke: bool) -> Material:
    """Return the training data of a protocol's student.

    Raises:
        OptionError: the protocol has no ``training_data``; the message names those that have.
    """
    if not callable(getattr(module, "training_data", None)):
        able = [each for each, path in catalogue.protocols().items() if "\ndef training_data(" in path.read_text(encoding="utf-8")]
        raise OptionError(f"protocol {name!r} has no function training_data(model, *, seed, smoke), so nothing to tune; {', '.join(able)} have one.")
    if missing := {"seed", "smoke"} - set(inspect.signature(module.training_data).parameters):
        lacking = f"training_data takes no {', '.join(sorted(missing))}"
        raise OptionError(f"protocol {name!r}: {lacking}; it should be training_data(model, *, seed, smoke).")
    return Material(*module.training_data(model, seed=seed, smoke=smoke))


def study_folder(material: Material, space: Mapping[str, Parameter], plan: Plan) -> Path:
    """Return the default folder of a search's journal: in the cache, named by the hash of everything that affects its result."""
    return cache_folder() / "studies" / _key(material, space, plan)[:24]


def tune(material: Material, space: Mapping[str, Parameter], plan: Plan, study: Path) -> Tuned:
    """Search on all but the test conditions, train the best setting on all of these, and score it on the test conditions, once.

    Args:
        material: material of the protocol.
        space: search space.
        plan: plan of the search.
        study: folder of the journal; trials already in it count.
    """
    seconds: dict[str, float] = {}
    key, condition = _key(material, space, plan), material.trials.condition
    rest, aside = apart(condition, plan.test, plan.seed)
    trials, folds, most = plan.size

    def searched(places: Places, name: str) -> Found:
        objective = Folds(material, within(places, condition, folds, plan.seed), plan.seed, most)
        return search(objective, space, trials=trials, folds=folds, seed=plan.seed, folder=study, name=name, key=key, jobs=plan.jobs)

    outer = []
    with timed(seconds, "nested search"):
        for number, (taught, held) in enumerate(within(rest, condition, plan.nested, plan.seed) if plan.nested else [], start=1):
            chosen = searched(taught, f"outer fold {number} of {plan.nested}").best
            student = teach(material, chosen.setting, taught, seed=plan.seed, most=most)
            outer.append(Outer(chosen, answers(material, student.model, taught, held, seed=plan.seed).score()))
    with timed(seconds, "search"):
        found = searched(rest, "search")
    with timed(seconds, "best setting"):
        fitted = teach(material, found.best.setting, rest, seed=plan.seed, most=most)
        blank = teach(material, dict(found.best.setting) | {"epochs": 0, "closed_form": False}, rest, seed=plan.seed)
        test, untrained = (answers(material, one.model, rest, aside, seed=plan.seed) for one in (fitted, blank))
    return Tuned(plan, space, material, found, fitted, test, untrained, tuple(outer), seconds)


def _key(material: Material, space: Mapping[str, Parameter], plan: Plan) -> str:
    """Return a hash of everything that affects the score of a setting."""
    spaces = {name: asdict(parameter) for name, parameter in space.items()}
    how = [plan.size[1], plan.size[2], plan.nested, plan.test, plan.seed]
    return content_key("study", material.key, spaces, how, code_key())


def report_of(tuned: Tuned, protocol: str) -> Report:
    """Return the report of a tuning."""
    from cortex_sim.studies.tuning._report import written

    return written(tuned, protocol)
