"""Does a network that is taught unperturbed trials answer a push as the recorded cortex did?

Reproduces  no figure. The setting of experiments that push motor cortex while they record it, by light or current, as O'Shea et al. (2022) bioRxiv
            2022.12.16.520768; networks are taught the condition averages of the other trials.
Claim       no network explains more of the recorded response than a perfect one could, by the recording's own ceiling and its interval.
"""

from collections.abc import Mapping, Sequence

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
WINDOW, SMOOTHED = (-0.3, 0.4), 0.025  # s from the event; s
HIDDEN = 150  # units of a student that has hidden ones
ALONE, OTHERS = "without connections", "mean over conditions"
CONTROLS = ("untrained", "shuffled", ALONE, OTHERS)
SHUFFLED = cs.Options(epochs=60, rate=5e-3, closed_form=False)
NULLS = 200


def run(
    model: cs.Model | None = None,
    *,
    recording: cs.trials.Source,
    perturbed: str,
    pushed: tuple[float, float] | None = None,
    seed: int = 0,
    smoke: bool = False,
    students: Sequence[str | cs.Model] | str = "default",
) -> cs.Report:
    """Teach networks the unperturbed trials of a recording, and ask them for the response to its push.

    Args:
        model: a network or circuit, trained or not, that is asked too; it observes as many units as the recording.
        recording: spikes of single trials: NWB or a table of trials.
        perturbed: which trials are perturbed: a comparison of a column, or of a stimulus of an NWB file, such as ``opto == 1``.
        pushed: start and stop of the push, s from the event; by default as the stimulus of the file says.
        seed: of every random choice.
        smoke: few epochs: shows that everything runs; its numbers mean nothing.
        students: "default", the cheapest that answer the question; "all"; or, separated by commas, names of these, of shipped cards of kind rnn, and
            paths of cards and weights of your own (.toml, .pt, .safetensors), which go on learning from their weights; from Python, models too.

    Raises:
        OptionError: an option is unknown, a student cannot learn, the recording does not say when the push acts, or the model observes other units.
        TrialsError: no trial is perturbed, or the push leaves the window.
        ComparisonError: there are fewer than four trials of both kinds in every condition.
    """
    path, seconds = cs.trials.Recording.of(recording), dict[str, float]()
    found = cs.trials.read_perturbed(path, perturbed, usual=WINDOW, sd=SMOOTHED, pushed=pushed)
    push, task, units = cs.measures.RecordedPush.of(found, seed=seed), cs.tasks.recorded_conditions(found.averages), found.averages.shape[2]
    if model is not None and model.size("observed") != units:
        raise cs.errors.OptionError(f"{model.name}: observes {model.size('observed')} units; the recording {path.name} has {units}.")
    with cs.timed(seconds, "training"):
        recipes = cs.cards.catalogue.protocol("match_recording")
        asked = cs.fitting.asked_students(students, recipes.TAUGHT, recipes.CHEAP, observed=units, taken=CONTROLS)
        cards = {name: (_sized(card) if name in recipes.TAUGHT else card, options) for name, (card, options) in asked.items()}
        jobs = cs.fitting.with_controls(cards, found.averages, task, shuffled=SHUFFLED, seed=seed)
        fitted = cs.fitting.train_many(cs.fitting.shortened(jobs, 2) if smoke else jobs)
    networks = {name: one.model for name, one in fitted.items()}
    networks |= {ALONE: cs.edit.unconnected(networks[next(iter(cards))])} | ({} if model is None else {model.name: model})
    with cs.timed(seconds, "responses"):
        answers = {name: push.answer(one, push.currents(one)) for name, one in networks.items()}
        answers[OTHERS] = np.tile(push.fitting[:, push.asked].mean(axis=0), (len(push.quiet), 1, 1))
        how = {"seed": seed, "nulls": 20 if smoke else NULLS}
        scores = [cs.measures.recorded_response_score(push, answer, name=name, **how) for name, answer in answers.items()]
    ceiling, interval = push.ceiling(seed=seed)
    fits = cs.measures.fits_of(networks, task, found.averages)
    facts = {
        "recording": f"{path.name}, {units} units, {len(push.quiet)} conditions, {found.pushed.shape[0]} perturbed trials ({perturbed})",
        "push": f"{1e3 * push.span[0]:g} to {1e3 * push.span[1]:g} ms, {found.how}", "ceiling": _told(ceiling, interval),
        "artefacts": ", ".join(f"{1e3 * at:g} ms" for at in push.averages.time[push.artefacts]) or "none found",
        "R² of the averages that were taught": ", ".join(f"{name} {fit:.2f}" for name, fit in fits.items()),
    }  # fmt: skip
    return cs.Report(
        title=QUESTION, question=f"Teacher: unperturbed trials of the recording {path.name}; asked: its push.",
        answer=_answer(scores, ceiling, interval), claims=[] if smoke else _claims(scores, interval), scores=scores,
        facts=facts | cs.fitting.facts(fitted), methods=_methods(push, fitted),
        pictures=cs.figures.recorded_push_pictures(push, answers, scores, seed),
        trials={"unperturbed": push.averages}, models=networks, smoke=smoke, seed=seed, seconds=seconds,
        absent=_absent(interval),
    )  # fmt: skip


def _sized(card: cs.Model) -> cs.Model:
    return card.with_arrays({}, units=HIDDEN) if card.initial else card


def _told(ceiling: float, interval: tuple[float, float] | None) -> str:
    return f"R² {ceiling:.2f}" + (f" (95 % interval {interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def _answer(scores: list[cs.Score], ceiling: float, interval: tuple[float, float] | None) -> str:
    r2 = {score.student: score.estimate for score in scores}
    best = max((name for name in r2 if name not in CONTROLS), key=lambda name: r2[name])
    return (
        f"{best!r} explains the response to the recorded push with R² {r2[best]:.2f}; a network that knew the true response would reach "
        f"{_told(ceiling, interval)}. {ALONE.capitalize()}, with currents of its own, it explains {r2[ALONE]:.2f}; untrained {r2['untrained']:.2f}; "
        f"the {OTHERS} of the response in the other half of the trials, which needs no network, {r2[OTHERS]:.2f}."
    )


def _claims(scores: list[cs.Score], interval: tuple[float, float] | None) -> list[cs.Claim]:
    if interval is None:
        return []
    most = max(score.estimate for score in scores) - interval[1]
    return [cs.Claim("largest R² of a response, minus the upper end of the ceiling's interval", most, -np.inf, 0.0, "the recording's own noise")]


def _absent(interval: tuple[float, float] | None) -> list[str]:
    return [] if interval else ["Intervals and the claim: fewer than three conditions have enough trials of both kinds."]


def _methods(push: cs.measures.RecordedPush, fitted: Mapping[str, cs.Fitted]) -> str:
    return f"""
    Networks are taught the smoothed averages of the unperturbed trials, from their first bin on. {cs.fitting.summary(fitted)}

    Nobody knows the current that the push puts into each unit, so it is fitted for each network: by ridge regression on its linearised responses
    to a current into each unit during the push, to the response (perturbed minus unperturbed averages, not smoothed) in half of the trials of each
    kind until {1e3 * cs.measures.FITTED_AFTER:g} ms after the push; the penalty is chosen by leaving out conditions. Networks are asked for the
    response from then on, in the other half. So what is told apart is how the effect of a push develops, not what it is at first; without
    connections the same units receive currents of their own and can only decay.

    The ceiling is what the true response explains of the recorded one: 2r/(1 + r), where r is the reliability of halves of the asked trials
    (Spearman-Brown), mean over halvings; its interval omits conditions. Bins at the edges of the push in which the median unit jumps by four standard
    errors, to less than half in the bin after, are taken for artefacts and left out: {int(push.artefacts.sum())} here.
    """
