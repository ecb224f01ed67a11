"""The search: Optuna proposes settings, folds score them, and a journal keeps every trial even if the process is killed."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cortex_sim.errors import CortexSimError, OptionError
from cortex_sim.runtime import mark, seed_of, track, workers
from cortex_sim.studies.tuning._journal import Lock, mended, opened, optuna_there, works
from cortex_sim.studies.tuning._space import Parameter, Setting

STARTUP = 5  # trials before any is pruned
REFRESH = 1.0  # s between looks at the journal for progress
Objective = Callable[[Setting, int], float]


@dataclass(frozen=True)
class Tried:
    """A setting and its outcome.

    Attributes:
        number: of the trial among those that count; those of killed processes do not.
        setting: a value for each parameter.
        scores: of the completed folds.
        state: ``"complete"``, ``"pruned"`` or ``"failed"``.
        reason: why it was pruned or failed.
    """

    number: int
    setting: Setting
    scores: tuple[float, ...]
    state: str
    reason: str = ""

    @property
    def mean(self) -> float:
        """Return the mean score over folds."""
        return float(np.mean(self.scores))

    @property
    def error(self) -> float:
        """Return the standard error over folds; 0 for a single one."""
        return float(np.std(self.scores, ddof=1) / math.sqrt(len(self.scores))) if len(self.scores) > 1 else 0.0


@dataclass(frozen=True)
class Found:
    """All trials of a search, and the importance of each parameter (fractions of 1; empty if it cannot be computed)."""

    tried: tuple[Tried, ...]
    importance: Mapping[str, float]

    @property
    def complete(self) -> list[Tried]:
        """Return the trials with a score on every fold."""
        return [one for one in self.tried if one.state == "complete"]

    @property
    def best(self) -> Tried:
        """Return the trial with the highest mean over folds.

        Raises:
            OptionError: no trial was completed.
        """
        if not self.complete:
            reasons = "; ".join(dict.fromkeys(one.reason for one in self.tried if one.reason)) or "none was run"
            raise OptionError(f"tuning: none of {len(self.tried)} trials came to an end ({reasons}). Change the space or raise --trials.")
        return max(self.complete, key=lambda one: one.mean)

    @property
    def near(self) -> list[Tried]:
        """Return the trials within one standard error (of the best, over folds) of the best."""
        best = self.best
        return [one for one in self.complete if one.mean >= best.mean - best.error]


def search(
    objective: Objective,
    space: Mapping[str, Parameter],
    *,
    trials: int,
    folds: int,
    seed: int,
    folder: Path,
    name: str = "search",
    key: str = "",
    jobs: int = 1,
) -> Found:
    """Return the trials of a search for the highest mean score over folds: tree-structured Parzen estimator, median pruning between folds.

    Trials already in the journal count, so that a killed run resumes, and several processes may share a folder. Trial n of a seed
    draws from a stream of its own, and one whose process was killed is tried again as trial n: a run of one process gives the same result
    whether or not it was killed, at any moment.

    Args:
        objective: function of a setting and the number of a fold; higher is better. An error, or a value that is not finite, makes a failed trial.
        space: parameters of the search, by name.
        trials: total number in the study, including failed and pruned ones.
        folds: number of folds per trial.
        seed: of the sampler.
        folder: folder of the journal; created if absent.
        name: name of the study in it.
        key: hash of everything that affects scores; a study with another key is refused.
        jobs: number of processes.

    Raises:
        OptionError: Optuna is missing, or the folder contains a different search.
    """
    optuna_there()
    folder.mkdir(parents=True, exist_ok=True)
    mended(folder)
    study = _open(folder, name, key)
    with Lock(folder / "claims"):
        _bury(study, own=True)
    with track(f"tuning, {name}") as report, _watched(folder, name, trials, report):
        shares = dict.fromkeys(range(jobs), (objective, space, trials, folds, seed, folder, name))
        workers.map(name, _work, shares, workers=jobs, report=lambda done, text: None)
    return read(folder, name, seed)


def read(folder: Path, name: str, seed: int = 0) -> Found:
    """Return the content of a study, without trials that are still running or belong to killed processes."""
    study = _open(folder, name)
    tried = [one for trial in study.get_trials(deepcopy=False) if (one := _tried(trial))]
    return Found(tuple(sorted(tried, key=lambda one: one.number)), _importance(study, seed))


def check_installed() -> None:
    """Check that Optuna is installed.

    Raises:
        OptionError: how to install it.
    """
    optuna_there()


def _open(folder: Path, name: str, key: str = "") -> Any:
    pruner = optuna_there().pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=0)
    study = opened(folder, name, pruner)
    held = study.user_attrs.get("key")
    if held is None:
        study.set_user_attr("key", key)
    elif key and held != key:
        raise OptionError(
            f"{folder}: holds a search with another space, training data, seed, number of folds or version of the code. Choose another --study."
        )
    return study


def _bury(study: Any, *, own: bool = False) -> None:
    """Mark trials whose process on this machine is gone, so that they do not count. The caller must hold the lock on claims.

    Args:
        study: the study to check.
        own: whether this process has not yet begun to work, so that trials with its mark belong to an earlier process with the same number.
    """
    for trial in study.get_trials(deepcopy=False):
        process = str(trial.user_attrs.get("process", ""))
        if trial.state.name == "RUNNING" and (not works(process) or (own and process == mark())):
            _end(study, trial.number, "FAIL", "its process was killed", lost=True)


def _end(study: Any, number: int, state: str, reason: str, *, lost: bool = False) -> None:
    from optuna.trial import TrialState

    identity = study.get_trials(deepcopy=False)[number]._trial_id
    study._storage.set_trial_user_attr(identity, "reason", reason)
    study._storage.set_trial_user_attr(identity, "lost", lost)
    study.tell(number, state=TrialState[state])


def _claim(study: Any, folder: Path, trials: int, seed: int) -> Any:
    """Return the next trial, unless enough are done or under way."""
    samplers = optuna_there().samplers
    with Lock(folder / "claims"):
        _bury(study)
        taken = {trial.user_attrs["place"] for trial in study.get_trials(deepcopy=False) if not trial.user_attrs.get("lost", False)}
        if len(taken) >= trials:
            return None
        place = next(number for number in range(trials) if number not in taken)
        drawn = seed_of(seed, "analysis", "settings of a tuning", place) % 2**32  # as many bits as Optuna takes
        study.sampler = samplers.TPESampler(seed=drawn, constant_liar=True)
        trial = study.ask()
        trial.set_user_attr("place", place)
        trial.set_user_attr("process", mark())
        return trial


def _work(objective: Objective, space: Mapping[str, Parameter], trials: int, folds: int, seed: int, folder: Path, name: str) -> None:
    from threadpoolctl import threadpool_limits

    study = _open(folder, name)
    with threadpool_limits(1):
        while (trial := _claim(study, folder, trials, seed)) is not None:
            try:
                _try(study, trial, objective, space, folds)
            except KeyboardInterrupt:
                _end(study, trial.number, "FAIL", "interrupted", lost=True)
                raise


def _try(study: Any, trial: Any, objective: Objective, space: Mapping[str, Parameter], folds: int) -> None:
    setting = {name: parameter.suggest(trial, name) for name, parameter in space.items()}
    scores: list[float] = []
    for fold in range(folds):
        try:
            score = objective(setting, fold)
        except (CortexSimError, ArithmeticError, RuntimeError, np.linalg.LinAlgError) as problem:
            return _end(study, trial.number, "FAIL", str(problem))
        if not math.isfinite(score):
            return _end(study, trial.number, "FAIL", f"score of fold {fold + 1} is {score}")
        scores.append(score)
        trial.set_user_attr("scores", scores)
        trial.report(float(np.mean(scores)), fold)
        if fold + 1 < folds and trial.should_prune():
            return _end(study, trial.number, "PRUNED", f"below the median after {fold + 1} of {folds} folds")
    study.tell(trial, float(np.mean(scores)))
    return None


def _tried(trial: Any) -> Tried | None:
    notes = trial.user_attrs
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    if trial.state.name not in states or notes.get("lost", False):
        return None
    return Tried(notes["place"], dict(trial.params), tuple(notes.get("scores", ())), states[trial.state.name], notes.get("reason", ""))


def _importance(study: Any, seed: int) -> dict[str, float]:
    """Share of the variance of scores that each parameter explains (fANOVA)."""
    optuna = optuna_there()
    try:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed_of(seed, "analysis", "trees of importance") % 2**32)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    except (ValueError, RuntimeError):
        return {}


@contextmanager
def _watched(folder: Path, name: str, trials: int, report: Callable[[float, str], None]) -> Iterator[None]:
    """Show the progress of the study while the block runs, whichever processes work on it."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(REFRESH):
            tried = [one for trial in _open(folder, name).get_trials(deepcopy=False) if (one := _tried(trial))]
            scores = [one.mean for one in tried if one.state == "complete"]
            report(min(1.0, len(tried) / trials), f"{len(tried)} of {trials} trials" + (f", best {max(scores):.3f}" if scores else ""))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
