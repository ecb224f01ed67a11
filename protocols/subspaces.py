"""Does motor cortex prepare in directions in which it does not move, and which do not move the muscles?

Reproduces  orthogonal preparatory and movement subspaces (Elsayed et al. 2016 Nat Commun 7:13239) and the null space of the muscles (Kaufman et al.
            2014 Nat Neurosci 17:440) on a stability-optimised circuit, on networks that were trained on its delayed reaches, on planted activity, and
            on a recording if one is given.
Claim       planted subspaces, ratios and chance levels are recovered; the circuit's preparation and movement are nearly orthogonal from 80 ms after
            the go cue on, more so than unrelated subspaces and than those of the covariance of its activity; silent muscles are told from others.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TRAINING, TESTED, SMALL, SMALL_UNITS = 297, 27, (40, 8), 30  # delayed reaches taught, looked at, both in a smoke run, and units there
AXES = 6  # leading axes of an epoch: as many as preferred states are mixed, and no more, since further axes of preparation would be empty
BEFORE, AFTER = WINDOWS = (-0.3, 0.0), (0.08, 0.6)  # s about the go cue
STARTS, RECORDED = (0.0, 0.04, 0.08, 0.12, 0.16, 0.2), ((-0.5, -0.2), (-0.05, 0.3))  # s, of the movement window; s about movement onset
MUSCLES, SETS, DRAWS, SMOKE_DRAWS = 8, 20, 500, 20  # muscles of a set
STUDENTS = {"leaky tanh": ("leaky_tanh", cs.Options(epochs=25, rate=5e-3)), "hidden units": ("leaky_readout", cs.Options(epochs=60, rate=5e-3))}
ALIGNED, USED = "alignment of movement with preparation", "alignment of movement with subspaces of the directions in use"
COMPARED = "a comparison: drawn from the covariance of both epochs, which knows them, so that unrelated epochs have less too"
CIRCUIT, RECORDING, SILENT, OTHERS, HAND = "circuit", "recording", "silent muscles", "random muscles", "hand"
BOTH, WEAK, STRONG = "regressed over both epochs", "movement alone, penalty 0.001", "movement alone, penalty 0.1"
WAYS: Mapping[str, Mapping] = {BOTH: {}, WEAK: {"alone": True, "ridge": 1e-3}, STRONG: {"alone": True, "ridge": 1e-1}}
PENALTIES, HIDDEN, STANDARD = (1e-4, 1e-3, 1e-2, 1e-1), 4.0, 5  # of the figure; planted ratio of variances; standard errors of a sampled value
Source, RATIO, VARIANCE = cs.trials.Source, "tuning ratio, {}, {}", "variance of movement by "
BOUND, CLOSED, BESIDE = "bound of this protocol", "closed form", "shares add up to 1; the others are beside it"


@threadpool_limits.wrap(limits=1)
def run(model: cs.Model, *, seed: int = 0, smoke: bool = False, recording: Source | None = None, hand: str | None = None) -> cs.Report:
    """Compare the directions of preparation with those of movement, and with those that move muscles.

    Args:
        model: circuit that makes delayed reaches.
        seed: of every random choice.
        smoke: few units, reaches and epochs: shows that everything runs; its numbers mean nothing.
        recording: condition averages around movement onset that cover both epochs, with hand positions.
        hand: series of the recording that holds these; hand, hand_pos or pos if omitted.
    """
    if hand is not None and recording is None:
        raise cs.errors.OptionError("subspaces: a hand stands beside a recording; give one with --recording.")
    seconds: dict[str, float] = {}
    draws = SMOKE_DRAWS if smoke else DRAWS
    recorded = {} if recording is None else {RECORDING: _recorded(cs.trials.Recording.of(recording), hand)}
    model = cs.edit.shrunk(model, SMALL_UNITS) if smoke else model
    with cs.timed(seconds, "circuit"):
        taught, task = cs.analysis.delayed_tasks(model, SMALL if smoke else (TRAINING, TESTED), seed=seed)
        training, test = (cs.simulate(model, reaches, seed=seed) for reaches in (taught, task))
    with cs.timed(seconds, "training"):
        students = {name: (cs.load(card), cs.Options(epochs=2) if smoke else options) for name, (card, options) in STUDENTS.items()}
        jobs = cs.fitting.students_of(model, students, training, taught, seed=seed)
        fitted = cs.fitting.train_many({name: jobs[name] for name in (list(jobs)[:2] if smoke else jobs)})
    runs = {CIRCUIT: test} | {name: cs.simulate(student.model, task, seed=seed) for name, student in fitted.items()}
    found = {name: cs.analysis.Epochs.driving(trials, WINDOWS, _weights(training, seed)) for name, trials in runs.items()} | recorded
    with cs.timed(seconds, "comparison"):
        scores = _scores(found, seed, draws)
    return cs.Report(
        title=QUESTION, question=f"Circuit: {model.title} ({model.paper}); networks that were taught its delayed reaches.",
        answer=_answer(scores), scores=scores, trials=runs, claims=_planted(seed) + ([] if smoke else _claims(scores, training, test, seed)),
        pictures=_pictures(found, _curves(test, seed, draws)) | cs.figures.learning_pictures(fitted),
        models={CIRCUIT: model} | {name: student.model for name, student in fitted.items()}, methods=_methods(),
        facts={"circuit": f"{model.name}, {model.units} units"}, smoke=smoke, seed=seed, seconds=seconds,
        absent=[*cs.fitting.own_class_absent(model, fitted, ("own gain",)), *([] if recorded else ["A recording: give one with --recording."])],
    )  # fmt: skip


def _weights(training: cs.Trials, seed: int, number: int = 0) -> dict[str, np.ndarray]:
    """Return muscles by random weights, and by the components of such weights orthogonal to the directions of preparation."""
    rng = cs.stream(seed, "task", "muscles of subspaces", number)
    random = rng.standard_normal((training.rate.shape[2], MUSCLES))
    return {SILENT: cs.analysis.silent_part(random, training.window(*BEFORE).rate, axes=AXES), OTHERS: random}


def _recorded(path: cs.trials.Recording, hand: str | None) -> cs.analysis.Epochs:
    """Return the hand's position and velocity, used in place of muscles."""
    span = RECORDED[0][0], RECORDED[1][1]
    trials, place = cs.trials.read_window(path, *span), cs.trials.averaged_hand(path, *span, series=hand)
    moved = np.concatenate([place, np.gradient(place, cs.tasks.BIN, axis=1)], axis=2)
    moved = cs.Trials.from_arrays((moved - moved.mean(axis=(0, 1))) / moved.std(axis=(0, 1)), trials.time)
    return cs.analysis.Epochs.of(trials, RECORDED, {HAND: np.concatenate([moved.window(*span).rate for span in RECORDED], axis=1)})


def _scores(found: Mapping[str, cs.analysis.Epochs], seed: int, draws: int) -> list[cs.Score]:
    scores, circuit = [], cs.analysis.variance_shares(found[CIRCUIT].rates)
    for name, epochs in found.items():
        estimate = partial(cs.statistics.estimated_over, "conditions", len(epochs.movement))
        score = partial(cs.Score, student=name, split=f"{len(epochs.movement)} conditions", ceiling_reason="a description of one system")
        aligned = estimate(lambda kept, epochs=epochs: _aligned(epochs.select(kept)), selects=True)
        anywhere, used = (_chance(epochs, within, seed, draws) for within in (None, epochs.together))
        beside = {"estimate": float(used.mean()), "interval": None, "interval_over": "draws of one covariance"}
        beside["settings"] = {"share below": float((used <= aligned["estimate"]).mean())}
        scores.append(score(ALIGNED, better="lower", identical=0.0, null=anywhere, surrogate="subspaces drawn from all directions", **aligned))
        scores.append(score(USED, better="closer", identical=1.0, null=None, surrogate=COMPARED, **beside))
        for muscle, (way, how) in product(epochs.muscles, WAYS.items()):
            null = epochs.hidden_by_chance(muscle, rng=cs.stream(seed, "null", "random muscles", name, muscle, way), draws=draws, **how)
            ratio = estimate(lambda kept, epochs=epochs, muscle=muscle, how=how: epochs.select(kept).hidden(muscle, **how))
            ratio["estimate"], surrogate = epochs.hidden(muscle, **how), "as many random sums of the rates, regressed likewise"
            scores.append(score(RATIO.format(muscle, way), better="higher", identical=1.0, null=null, surrogate=surrogate, **ratio))
        for part, identical in circuit.items():
            share = estimate(lambda kept, epochs=epochs, part=part: cs.analysis.variance_shares(epochs.rates[kept])[part])
            scores.append(score(VARIANCE + part, better="closer", identical=identical, null=None, surrogate=BESIDE, **share))
    return cs.statistics.by_measure(scores)


def _aligned(epochs: cs.analysis.Epochs) -> float:
    return cs.measures.alignment_index(epochs.preparation, epochs.movement, AXES)


def _chance(epochs: cs.analysis.Epochs, within: np.ndarray | None, seed: int, draws: int) -> np.ndarray:
    rng = cs.stream(seed, "null", "chance alignment")
    return cs.analysis.chance_alignment(epochs.movement, AXES, within=within, count=draws, rng=rng)


def _curves(test: cs.Trials, seed: int, draws: int) -> dict[str, cs.figures.Line]:
    """Return the alignment of the circuit's movement with its preparation, and both chance levels, by the start of the movement window."""
    values = []
    for start in STARTS:
        epochs = cs.analysis.Epochs.of(test, (BEFORE, (start, AFTER[1])), {})
        values.append([_aligned(epochs), *(_chance(epochs, within, seed, draws).mean() for within in (epochs.together, None))])
    names = CIRCUIT, "subspaces from the covariance of both epochs", "unrelated subspaces"
    return {name: ([1e3 * start for start in STARTS], np.array([line])) for name, line in zip(names, np.transpose(values), strict=True)}


def _planted(seed: int) -> list[cs.Claim]:
    """Return claims on two planted epochs of ten dimensions each within twenty of a hundred, and on three hidden beside three potent directions."""
    rng, index = cs.stream(seed, "task", "planted subspaces"), cs.measures.alignment_index
    axes, white = np.linalg.qr(rng.standard_normal((100, 20)))[0], partial(cs.measures.white_samples, rng, samples=27 * 30)
    a, b = white(axes[:, :10]), white(axes[:, 10:])
    used, free = (cs.analysis.chance_alignment(b, 10, within=within, count=DRAWS, rng=rng) for within in (np.concatenate([a, b]), None))
    off = [STANDARD * chance.std() / np.sqrt(DRAWS) for chance in (used, free)]
    movement, preparation = (white(axes[:, :6] * np.sqrt([1, 1, 1, *[hidden] * 3])).reshape(27, 30, 100) for hidden in (1, HIDDEN))
    spaces = cs.analysis.potent_and_null(movement, movement @ axes[:, :3] @ rng.standard_normal((3, MUSCLES)))
    ratio, wide = cs.analysis.tuning_ratio(preparation, movement, spaces), HIDDEN * STANDARD * np.sqrt(4 / (3 * 30 * 26))
    return [
        cs.Claim("planted, orthogonal subspaces: alignment", index(a, b, 10), -1e-9, 1e-9, CLOSED),
        cs.Claim("planted, one subspace: alignment", index(a, white(axes[:, :10]), 10), 1 - 1e-9, 1 + 1e-9, CLOSED),
        cs.Claim("planted, 10 of 20 used dimensions: alignment by chance", used.mean(), 0.5 - off[0], 0.5 + off[0], f"{CLOSED}: 10/20"),
        cs.Claim("planted, the same by chance in all 100 directions", free.mean(), 0.1 - off[1], 0.1 + off[1], f"{CLOSED}: 10/100"),
        cs.Claim(f"planted, variance hidden {HIDDEN:g}:1: tuning ratio", ratio, HIDDEN - wide, HIDDEN + wide, f"planted, {STANDARD} standard errors"),
    ]


def _claims(scores: Sequence[cs.Score], training: cs.Trials, test: cs.Trials, seed: int) -> list[cs.Claim]:
    aligned, used = (cs.statistics.named(scores)[measure, CIRCUIT] for measure in (ALIGNED, USED))
    sets = [cs.analysis.Epochs.driving(test, WINDOWS, _weights(training, seed, number)) for number in range(SETS)]
    both, weak = (np.array([epochs.hidden(SILENT, **WAYS[way]) / epochs.hidden(OTHERS, **WAYS[way]) for epochs in sets]) for way in (BOTH, WEAK))
    lowest, _ = cs.statistics.median_interval(both)
    factor = f"{CIRCUIT}: tuning ratio of {SILENT} over {OTHERS}, {{}} of {SETS} sets"
    return [
        cs.Claim(f"{CIRCUIT}: {ALIGNED}", aligned.estimate, 0.0, 0.03, "independent implementation: 0.005 to 0.010 in other circuits; within 0.02"),
        cs.Claim(f"{CIRCUIT}: the same, p-value against unrelated subspaces", aligned.p, 0.0, 0.05, BOUND),
        cs.Claim(f"{CIRCUIT}: share of subspaces of the directions in use that are aligned less", used.settings["share below"], 0.0, 0.05, BOUND),
        cs.Claim(factor.format(f"{BOTH}, 95 % lower bound of the median"), lowest, 1.0, np.inf, "planted, the others are not silent"),
        cs.Claim(factor.format(f"{WEAK}, median"), float(np.median(weak)), 0.5, 2.0, f"{BOUND}: they cannot be told apart"),
    ]


def _answer(scores: Sequence[cs.Score]) -> str:
    value = cs.statistics.named(scores)
    told = ", ".join(f"{name} {score.estimate:.3f} ({value[USED, name].estimate:.2f}; {score.null.mean():.2f}, p {score.p:.2g})"
                     for (measure, name), score in value.items() if measure == ALIGNED)  # fmt: skip
    ratios = "; ".join(f"{way} {' and '.join(f'{value[RATIO.format(muscle, way), CIRCUIT].estimate:.1f}' for muscle in (SILENT, OTHERS))}"
                       for way in WAYS)  # fmt: skip
    return (
        f"Alignment of movement with preparation, in parentheses that of subspaces of the directions in use, and of unrelated ones with the "
        f"p-value of less: {told}. Tuning ratios of the circuit for muscles that are silent in preparation, and for random ones: {ratios}."
    )


def _pictures(found: Mapping[str, cs.analysis.Epochs], curves: Mapping[str, cs.figures.Line]) -> dict[str, cs.Picture]:
    circuit, shares = found[CIRCUIT], [cs.analysis.variance_shares(epochs.rates) for epochs in found.values()]
    table = np.array([list(parts.values()) for parts in shares])
    ratios = {
        f"{muscle}, {label}": (PENALTIES, np.array([[circuit.hidden(muscle, alone=alone, ridge=ridge) for ridge in PENALTIES]]))
        for muscle, (label, alone) in product(circuit.muscles, (("both epochs", False), ("movement", True)))
    }
    return {
        "windows": cs.Picture(
            cs.figures.over_settings({"alignment index": curves}, xlabel="start of the movement window after the go cue (ms)"),
            "The result depends on the window, and on the definition of chance",
            f"Share of the variance of movement, until {AFTER[1] * 1e3:g} ms, along {AXES} leading axes of preparation, relative to the most that as "
            "many can hold. Unrelated subspaces have little in common: only less is orthogonal. Those from the covariance of both epochs have much.",
        ),
        "ratios": cs.Picture(
            cs.figures.over_settings({"tuning ratio": ratios}, xlabel="penalty of the regression, relative to the mean variance", log=True),
            "Effect of preparation on muscles, estimated from movement alone and from both epochs",
            "Variance in null over potent directions, in preparation relative to movement; circuit. Regressed over both epochs, muscles that are "
            "silent in preparation are distinguished from others; movement alone, as published, gives a ratio that depends on the penalty for both.",
        ),
        "shares": cs.Picture(
            cs.figures.annotated(table, list(found), [f"by {part}" for part in shares[0]], label="share of variance", low=0.0),
            "What the variance of movement depends on",
            "By time: the same in all conditions; by condition: lasting differences; the rest depends on both.",
        ),
    }


def _methods() -> str:
    return f"""
    Preparation: {BEFORE[0] * 1e3:g} to {BEFORE[1] * 1e3:g} ms about the go cue, movement: {AFTER[0] * 1e3:g} to {AFTER[1] * 1e3:g} ms, in {TESTED}
    held-out delayed reaches from mixtures of {cs.analysis.MIXED_STATES} states that the circuit amplifies; networks receive the same
    preparatory currents. Recordings: {RECORDED[0][0] * 1e3:g} to {RECORDED[0][1] * 1e3:g} and {RECORDED[1][0] * 1e3:g} to {RECORDED[1][1] * 1e3:g} ms
    around movement onset. Units are divided by their range plus {cs.analysis.SOFT_SHARE:g} of the median range and, except for variance shares, the
    mean over conditions is removed at each time. The alignment index is the variance of movement along {AXES} leading axes of preparation over the
    most that as many axes can hold (Elsayed et al. 2016). Null: {DRAWS} subspaces of random directions, as of an epoch unrelated to it; compared
    with as many of the covariance of both epochs, as published, which have more than unrelated epochs.
    Null and potent directions: {MUSCLES} muscles, random sums of the rates, silent in preparation if the weights are orthogonal to its axes; for a
    recording, position and velocity of the hand. Three components of them are regressed on six of the neurons, with a ridge penalty: over movement
    alone, as Kaufman et al. (2014) did, or over both epochs. The tuning ratio is the variance across conditions in null over potent directions in
    preparation, divided by that in movement; null: random sums of the rates in place of the muscles. Intervals omit one condition at a time, those of
    the alignment index half of the conditions.
    """
