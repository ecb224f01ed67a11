"""Planned pushes: where the current goes, what networks expect of it, and how many trials tell them apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from cortex_sim.comparison import CONFIDENT, KINDS, Plan, RecordedPush, Verdicts
from cortex_sim.report._report import Picture
from cortex_sim.report.figures._style import ABREAST, COLOURS, GREY, TEACHER, WIDTH, colours, figure
from cortex_sim.statistics import Score

SITES = 40  # that are named on the axis, at most


def plan_picture(plan: Plan, time: Float[ndarray, " time"], unit: str) -> Picture:
    """Return the picture of a planned push.

    Args:
        plan: of a push.
        time: of the bins that are compared, s.
        unit: of the rates.
    """
    first, second = plan.hardest
    caption = f"Left: current into each site (units are numbered from 0), in the unit of the rates ({unit}). Middle: size of the response that each "
    caption += "network expects, root mean square over conditions and units. Right: expected response of the pushed units, mean over conditions and "
    caption += f"time; {first!r} and {second!r} are hardest to tell apart."
    return Picture(_planned(plan, time, unit), "The planned push and what each network expects of it", caption)


@figure
def _planned(plan: Plan, time: ndarray, unit: str) -> Figure:
    figure = Figure(figsize=(WIDTH, 3.4))
    left, middle, right = figure.subplots(1, 3)
    sites, ink = np.flatnonzero(plan.currents), colours(plan.students)
    left.bar(range(len(sites)), plan.currents[sites], color=TEACHER, width=0.6)
    left.axhline(0, color=GREY, lw=0.5)
    left.set(xlabel="unit", ylabel=f"current ({unit})")
    for name, response in zip(plan.students, plan.responses, strict=True):
        middle.plot(time * 1e3, np.sqrt((response**2).mean(axis=(0, 2))), color=ink[name], lw=1.4, label=name)
        right.plot(range(len(sites)), response[:, :, sites].mean(axis=(0, 1)), "o", color=ink[name], ms=4)
    middle.set(xlabel="time (ms)", ylabel=f"response, r.m.s. ({unit})")
    right.axhline(0, color=GREY, lw=0.5)
    right.set(xlabel="unit", ylabel=f"mean response ({unit})")
    for ax in (left, right):
        ax.set_xticks(range(len(sites)) if len(sites) <= SITES else [], [str(site) for site in sites] if len(sites) <= SITES else [])
    figure.legend(*middle.get_legend_handles_labels(), loc="outside upper center", ncols=min(6, len(ink)))
    return figure


def recorded_push_pictures(
    push: RecordedPush, answers: Mapping[str, Float[ndarray, "condition time unit"]], scores: Sequence[Score], seed: int
) -> dict[str, Picture]:
    """Return pictures of responses to a recorded push: what students explain of it, and how its size develops.

    Args:
        push: of the recording.
        answers: of the students, by name.
        scores: of the answers.
        seed: of the ceiling.
    """
    return {
        "scores": Picture(
            _under_ceiling(scores, push.ceiling(seed=seed)), "Response to the recorded push",
            "Dots: share explained; lines: 95 % interval over conditions; grey: 95 % of surrogates with units in random order. Green: what the true "
            "response would explain, with its interval over conditions.",
        ),
        "sizes": Picture(
            _sizes(push, answers), "How the response develops",
            "Root mean square over conditions and units, from the end of the fit on. Recorded: from products of both halves of the trials, "
            "which leave out their noise.",
        ),
    }  # fmt: skip


@figure
def _under_ceiling(scores: Sequence[Score], ceiling: tuple[float, tuple[float, float] | None]) -> Figure:
    figure, ink = Figure(figsize=(0.8 * WIDTH, 0.34 * len(scores) + 0.9)), colours([score.student for score in scores])
    ax, (best, interval) = figure.subplots(), ceiling
    if interval:
        ax.axvspan(*interval, color=COLOURS[2], alpha=0.15, lw=0)
    ax.axvline(best, color=COLOURS[2], lw=1.4)
    ax.axvline(0, color=GREY, lw=0.6, ls=":")
    for place, score in enumerate(scores):
        if score.null is not None:
            ax.plot(np.percentile(score.null, [2.5, 97.5]), [place, place], color="#d5dbe3", lw=7, solid_capstyle="butt")
        if score.interval:
            ax.plot(score.interval, [place, place], color=ink[score.student], lw=1.4)
        ax.plot(score.estimate, place, "o", color=ink[score.student], ms=5)
    ax.set_yticks(range(len(scores)), [score.student for score in scores])
    ax.margins(y=0.12)
    ax.invert_yaxis()
    ax.set(xlabel="R² of the response", xlim=(max(-1.0, ax.get_xlim()[0]), None))
    return figure


@figure
def _sizes(push: RecordedPush, answers: Mapping[str, ndarray]) -> Figure:
    figure, ink = Figure(figsize=(0.8 * WIDTH, 3.0)), colours(list(answers))
    ax, time = figure.subplots(), push.averages.time[push.asked] * 1e3
    product = (push.fitting[:, push.asked] * push.response).mean(axis=(0, 2))
    ax.plot(time, np.sqrt(np.maximum(product, 0.0)), color=TEACHER, lw=4, alpha=0.25, label="recorded")
    for name, answer in answers.items():
        ax.plot(time, np.sqrt((answer**2).mean(axis=(0, 2))), color=ink[name], lw=1.3, label=name)
    ax.set(xlabel="time (ms)", ylabel="response, r.m.s. (Hz)", ylim=(0, None))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return figure


def experiment_pictures(found: Sequence[Verdicts], trials: Sequence[int]) -> dict[str, Picture]:
    """Return pictures of simulated experiments: how often the right network is named, how many trials that takes, and what was expected.

    Args:
        found: of all circuits and seeds.
        trials: numbers of pushed trials at which networks were named.
    """
    circuits = {name: [one for one in found if one.circuit == name] for name in dict.fromkeys(one.circuit for one in found)}
    return {
        "named": Picture(
            _named(circuits, trials), "How often the right network is named",
            f"Share of simulated experiments, mean over seeds and pushes of a kind, by number of pushed trials (over all reaches; as many are not "
            f"pushed). Dashed: {CONFIDENT:.0%}; dotted: chance.",
        ),
        "needed": Picture(
            _needed(circuits, trials), f"Pushed trials after which the right network is named in {CONFIDENT:.0%} of experiments",
            "Dots: seeds, for random pushes and those along components the median over draws; bars: geometric mean. An arrow: more than were tried.",
        ),
        "expected": Picture(
            _expected(found), "Errors between pairs: found, and expected in closed form",
            "Share of experiments in which another network is preferred to the right one, against the probability from the responses and the "
            "measured noise. A dot: one pair, push and number of trials.",
        ),
    }  # fmt: skip


@figure
def _named(circuits: Mapping[str, Sequence[Verdicts]], trials: Sequence[int]) -> Figure:
    rows, ink = -(-len(circuits) // ABREAST), dict(zip(KINDS, COLOURS, strict=False))
    figure = Figure(figsize=(WIDTH, 2.3 * rows + 0.5))
    axes = figure.subplots(rows, min(ABREAST, len(circuits)), sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(circuits) :]:
        ax.set_axis_off()
    for ax, (name, each) in zip(axes.flat, circuits.items(), strict=False):
        for kind in KINDS:
            right = [outcome.right for one in each for outcome in one.outcomes if outcome.kind == kind]
            ax.semilogx(trials, np.mean(right, axis=0), color=ink[kind], lw=1.5, marker="o", ms=2.5, label=kind)
        ax.axhline(CONFIDENT, color=TEACHER, lw=0.6, ls="--")
        ax.axhline(np.mean([1 / len(one.matched) for one in each]), color=GREY, lw=0.8, ls=":")
        ax.set_title(name)
    figure.supxlabel("pushed trials", fontsize=9)
    figure.supylabel("share named right", fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(KINDS))
    return figure


@figure
def _needed(circuits: Mapping[str, Sequence[Verdicts]], trials: Sequence[int]) -> Figure:
    figure, ink = Figure(figsize=(WIDTH, 0.55 * len(circuits) + 1.2)), dict(zip(KINDS, COLOURS, strict=False))
    ax, most = figure.subplots(), float(trials[-1])
    for place, each in enumerate(circuits.values()):
        for number, kind in enumerate(KINDS):
            needed, at = np.array([one.needed(kind, trials) for one in each]), place + 0.18 * (number - 1.5)
            shown, beyond = np.minimum(needed, most), ~np.isfinite(needed)
            ax.semilogx(shown[~beyond], np.full((~beyond).sum(), at), "o", color=ink[kind], ms=3.5, label=kind if not place else None)
            ax.semilogx(shown[beyond], np.full(beyond.sum(), at), ">", color=ink[kind], ms=4.5)
            ax.plot([np.exp(np.log(shown).mean())] * 2, [at - 0.09, at + 0.09], color=ink[kind], lw=2)
    ax.set_yticks(range(len(circuits)), list(circuits))
    ax.invert_yaxis()
    ax.set(xlabel="pushed trials needed", xlim=(trials[0] / 1.3, most * 1.4))
    handles = {text: line for line, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(KINDS))
    return figure


@figure
def _expected(found: Sequence[Verdicts]) -> Figure:
    figure = Figure(figsize=(WIDTH, 2.9))
    for ax, kind in zip(figure.subplots(1, len(KINDS), sharex=True, sharey=True), KINDS, strict=True):
        outcomes = [outcome for one in found for outcome in one.outcomes if outcome.kind == kind]
        expected, share = (np.concatenate([getattr(outcome, part).ravel() for outcome in outcomes]) for part in ("expected", "preferred"))
        ax.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls="--")
        ax.plot(expected, share, ".", color=COLOURS[0], ms=2.5, alpha=0.4, mew=0)
        ax.set(title=kind, xlabel="expected", aspect="equal")
    figure.axes[0].set_ylabel("found")
    return figure
