"""The report of a search: the settings tried, the importance of parameters, the choice, and its score on untouched conditions."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from cortex_sim.report import Picture, Report
from cortex_sim.report.figures import history, importance, slices
from cortex_sim.runtime import stream
from cortex_sim.statistics import Score, jackknifed, mean_interval
from cortex_sim.studies.tuning._folds import Answers

if TYPE_CHECKING:
    from cortex_sim.studies.tuning._tuning import Tuned

NULLS = 200
CEILING = "one run of a protocol cannot separate signal from noise"


def written(tuned: "Tuned", protocol: str) -> Report:
    """Return the report of a tuning."""
    found, best, measure = tuned.found, tuned.found.best, tuned.material.measure
    scores = [_test(tuned.test, "best setting", measure, tuned.plan.seed), _test(tuned.untrained, "untrained", measure, tuned.plan.seed)]
    scores.append(_over(best.scores, "best setting", f"{len(best.scores)} folds of the search, which chose by them", measure))
    if tuned.outer:
        scores.append(_over([one.score for one in tuned.outer], "whole procedure", f"{len(tuned.outer)} outer folds", measure))
    counts = Counter(one.state for one in found.tried)
    reasons = Counter(one.reason for one in found.tried if one.state == "failed")
    chosen = {name: _chosen(tuned, name) for name in tuned.space}
    facts = {f"chosen: {name}": text for name, text in chosen.items()}
    facts |= {"trials": ", ".join(f"{count} {state}" for state, count in counts.items())}
    facts |= {"why trials failed": "; ".join(f"{reason} ({count})" for reason, count in reasons.items())} if reasons else {}
    test, blank = scores[0], scores[1]
    answer = f"The best of {len(found.tried)} settings reaches {measure} {test.estimate:.3f} on conditions the search never saw "
    answer += f"(untrained {blank.estimate:.2f}; {best.mean:.3f} on the folds it was chosen by)."
    return Report(
        title=f"Which student of {protocol} learns best?", question=f"Searched: {', '.join(tuned.space)}.", answer=answer, scores=scores,
        pictures=_pictures(tuned), trials={"test": tuned.test.wanted, "best": tuned.test.found}, models={"best": tuned.fitted.model},
        methods=_methods(tuned), facts=facts, smoke=tuned.plan.smoke, seed=tuned.plan.seed, seconds=tuned.seconds, packages=("optuna",),
        absent=() if found.importance else ("Importance of parameters: too few trials came to an end, or all scored alike.",),
    )  # fmt: skip


def _test(answers: Answers, student: str, measure: str, seed: int) -> Score:
    rng, condition = stream(seed, "null", "permuted test trials"), answers.wanted.condition
    labels = np.unique(condition)
    null = np.array([answers.score(order=rng.permutation(len(condition))) for _ in range(NULLS)]) if len(condition) > 1 else None
    interval = None
    if len(labels) > 2:
        interval = jackknifed(lambda kept: answers.score(np.flatnonzero(np.isin(condition, labels[kept]))), len(labels))
    return Score(
        measure, student, f"{len(labels)} test conditions", answers.score(), "higher", 1.0, null,
        "trials of the student permuted" if null is not None else "a single trial cannot be permuted",
        interval, "conditions" if interval else "fewer than 3 test conditions", ceiling_reason=CEILING,
    )  # fmt: skip


def _over(values: "tuple[float, ...] | list[float]", student: str, split: str, measure: str) -> Score:
    """Return the mean over folds with Student's t interval."""
    return Score(
        measure, student, split, float(np.mean(values)), "higher", 1.0, None, "scores over folds: see those on the test conditions",
        mean_interval(values), "folds", ceiling_reason=CEILING,
    )  # fmt: skip


def _chosen(tuned: "Tuned", name: str) -> str:
    """Return the chosen value, and its spread over outer folds or over trials near the best."""
    value = tuned.found.best.setting[name]
    others = [one.chosen.setting[name] for one in tuned.outer] or [one.setting[name] for one in tuned.found.near]
    if tuned.space[name].choices:
        return f"{value} ({', '.join(f'{other} {count}' for other, count in Counter(others).items())})"
    low, high = (f(float(other) for other in others) for f in (min, max))
    return f"{value:.4g} ({low:.3g} to {high:.3g})"


def _pictures(tuned: "Tuned") -> dict[str, Picture]:
    complete, near = tuned.found.complete, {one.number for one in tuned.found.near}
    scores, label = [one.mean for one in complete], f"{tuned.material.measure}, held out"
    lost = [one.number for one in tuned.found.tried if one.state != "complete"]
    columns = {name: [one.setting[name] for one in complete] for name in tuned.space}
    pictures = {
        "history": Picture(history([one.number for one in complete], scores, lost, ylabel=label), "The search",
                           "Dots: mean over folds of each setting; line: best so far; grey ticks: pruned or failed."),
        "slices": Picture(slices(columns, scores, log=[n for n, p in tuned.space.items() if p.log], ylabel=label,
                                      near=[one.number in near for one in complete]),
                          "Score along each parameter", "Filled: within one standard error of the best."),
    }  # fmt: skip
    if tuned.found.importance:
        pictures["importance"] = Picture(importance(tuned.found.importance), "What matters", "Functional analysis of variance (fANOVA).")
    return pictures


def _methods(tuned: "Tuned") -> str:
    trials, folds, _ = tuned.plan.size
    return f"""
    {len(np.unique(tuned.test.wanted.condition))} conditions were set aside before anything. On the rest, {trials} settings were tried by a
    tree-structured Parzen estimator, each scored by {folds}-fold cross-validation over conditions; settings below the median so far were pruned
    between folds. The best was then taught all the rest and tested on the conditions set aside, once.

    In brackets behind a chosen value: its spread over the settings within one standard error of the best, or over outer folds where there are any.
    Intervals over folds are Student's t; folds share most of what they were taught, so these are too narrow.
    """
