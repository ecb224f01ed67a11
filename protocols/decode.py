"""What does an LSTM decode from motor cortex that linear decoders do not?

Reproduces  no figure. The classic sequence classifier: an LSTM of 50 units with a sigmoid output distinguishes two reaches, with a softmax all;
            linear discriminant analysis for comparison. Velocity: ridge regression, Wiener filter and the Kalman filter of Wu et al. (2006) Neural
            Comput 18:80.
Claim       five-fold linear discrimination of the recorded delay activity reaches 0.976, as an independent implementation found; every decoder beats
            chance. Whether the LSTM does better than the discriminant is tested and reported as found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL, LSTM = "hennequin_2014", "lstm"
UNITS, BATCH, EPOCHS, RATE = 50, 32, 10, 2e-2  # of the LSTM; RATE: chosen before any run
VALIDATED = 0.2  # of the taught trials, set aside to watch the course
DIRECTIONS, REPEATS, SMALL_REPEATS, SMALL_EPOCHS = 8, 30, 10, 2  # of the simulated reaches; in a smoke run
BASELINE, SPREAD, NEURONS = 8.0, 4.0, 61  # Hz: added to rates, which are deviations; s.d. of prepared states. Neurons whose spikes are seen
DELAY, MOVING, RECORDED = (-0.4, 0.0), (-0.1, 0.5), (-0.2, 0.4)  # s from the go cue: told apart, velocity; from movement onset, of averages
NULLS, FEW, ACCURACY, VELOCITY = 39, 3, "share of trials told right", "R² of velocity"  # FEW: in a smoke run; decoders learn anew for each
KNOWN, WITHIN = 0.976, 0.021  # of the recording's delay; two binomial standard errors of 210 trials
CLASSIFIERS = NETWORK, LINEAR = "LSTM", "linear discriminant"
TWO, ALL = "two reaches", "all reaches"  # that are told apart
UNTESTED = "a test would train the network anew on spikes of other trials, many times; by chance it tells one of the conditions"
NEEDED = "decode needs spikes of single trials, or averages with positions of the hand"
Source = cs.trials.Source
Moving = tuple[np.ndarray, np.ndarray, str]  # rates (trial, time, unit), velocity (trial, time, 2), its unit


def run(model: cs.Model | None, *, seed: int = 0, smoke: bool = False, recording: Source | None = None, hand: str | None = None) -> cs.Report:
    """Decode reaches and velocity from the spikes of a circuit, or from a recording.

    Args:
        model: circuit whose rates generate spikes; None with a recording, which replaces it.
        seed: of spikes, networks and surrogates.
        smoke: few trials and epochs: shows that everything runs; its numbers mean nothing.
        recording: spikes of single trials, to classify conditions, or condition averages; velocity too, if there is a hand.
        hand: series of the recording that holds its positions; hand, hand_pos or pos if omitted.

    Raises:
        OptionError: both a circuit and a recording, or neither, are given, or a hand without a recording.
    """
    if (model is None) == (recording is None):
        raise cs.errors.OptionError("decode: takes either a circuit or a recording; leave out --model, or --recording.")
    if hand is not None and recording is None:
        raise cs.errors.OptionError("decode: a hand stands beside a recording; give one with --recording.")
    seconds: dict[str, float] = {}
    with cs.timed(seconds, "activity"):
        spikes, moving = _recording(cs.trials.Recording.of(recording), hand) if model is None else _circuit(model, seed, smoke)
    told, scores = [], []
    if spikes is not None:
        names, epochs = np.unique(spikes.condition), SMALL_EPOCHS if smoke else EPOCHS
        parts = {TWO: spikes.select(np.flatnonzero(np.isin(spikes.condition, names[[0, len(names) // 2]]))), ALL: spikes}
        with cs.timed(seconds, "classification"):
            told = [_tell(part, question, seed, epochs) for question, part in parts.items()]
            scores = [score for answers in told for score in _accuracies(answers, parts[answers.question], seed, FEW if smoke else NULLS)]
    with cs.timed(seconds, "velocity"):
        decoded = {} if moving is None else {name: cs.analysis.decoded(decode, *moving[:2]) for name, decode in cs.analysis.DECODERS.items()}
        scores += [_velocity_score(name, velocity, moving, seed, FEW if smoke else NULLS) for name, velocity in decoded.items()]
    where = f"the recording {cs.trials.Recording.of(recording).name}" if model is None else f"{model.title}, Poisson spikes of {NEURONS} neurons"
    return cs.Report(
        title=QUESTION, question=f"Decoded: {where}.", answer=_answer(told, scores),
        claims=[] if smoke else _claims(scores, known=recording is not None and spikes is not None), scores=scores,
        pictures=_pictures(told, decoded, moving), trials={} if spikes is None else {"decoded": spikes},
        models={answers.question: answers.fitted[0].model for answers in told}, methods=_methods(recording is None),
        facts={answers.question: f"{len(answers.condition)} trials, {len(np.unique(answers.condition))} conditions" for answers in told}, smoke=smoke,
        absent=_absent(spikes, moving), seed=seed, seconds=seconds,
    )  # fmt: skip


def _circuit(model: cs.Model, seed: int, smoke: bool) -> tuple[cs.Trials, Moving]:
    """Return delayed reaches of a circuit whose preparatory states rotate with the direction, and Poisson spikes of some of its units."""
    if model.size("observed") != model.units or model.initial:
        raise cs.errors.OptionError(f"{model.name}: its units are hidden behind a readout; decode needs a circuit whose units are the observed ones.")
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    basis = cs.analysis.mixtures(cs.analysis.preferred_states(model), 3, k=6, seed=seed, sd=SPREAD)
    states = np.stack([np.cos(angle), np.sin(angle), 0.5 * np.ones(DIRECTIONS)], axis=1) @ basis
    task = replace(cs.tasks.centre_out(DIRECTIONS, holding=cs.analysis.holding_currents(model, states)), channels=None)
    rng = cs.stream(seed, "circuit", "spikes of decode")
    seen = cs.stream(seed, "analysis", "neurons recorded in decode").choice(model.units, min(NEURONS, model.units), replace=False)
    condition = np.tile(np.arange(DIRECTIONS), SMALL_REPEATS if smoke else REPEATS)
    names = np.array([f"{degrees:g} deg" for degrees in np.degrees(angle).round(9)])[condition]
    rates = BASELINE + cs.simulate(model, task).rate[condition][:, :, seen]
    spikes = cs.trials.poisson_spikes(cs.trials.over_bins(rates), task.time, condition=names, rng=rng)
    velocity = np.gradient(task.wanted.rate, cs.tasks.BIN, axis=1)[condition]
    inside = (task.time >= MOVING[0] - 1e-9) & (task.time < MOVING[1] - 1e-9)
    return spikes.window(*DELAY), (spikes.counts()[:, inside] / cs.tasks.BIN, cs.trials.over_bins(velocity)[:, inside], "cm/s")


def _recording(path: cs.trials.Recording, hand: str | None) -> tuple[cs.Trials | None, Moving | None]:
    trials = cs.read(path)
    if abs(trials.bin - cs.tasks.BIN) > 1e-6:
        raise cs.errors.OptionError(f"{path}: bins are {trials.bin * 1e3:g} ms; decode looks at bins of {cs.tasks.BIN * 1e3:g} ms.")
    try:
        place = cs.trials.hand(path, series=hand)
    except cs.errors.NotFound as problem:
        if hand is not None:
            raise
        if "spike_time" in trials.dataset:
            return cs.trials.of_one_length(cs.trials.complete(trials)), None
        raise cs.errors.TrialsError(f"{problem} {NEEDED}.") from None
    if "spike_time" in trials.dataset:
        beside = trials.dataset.assign(hand=(("trial", "time", "axis"), place))
        spikes = cs.trials.of_one_length(cs.trials.complete(cs.Trials(beside)))
        known = np.isfinite(spikes.dataset.hand).all(("trial", "axis")).values
        velocity = np.gradient(spikes.dataset.hand.values[:, known], spikes.bin, axis=1)
        return spikes, (spikes.counts()[:, known] / spikes.bin, cs.trials.over_bins(velocity), "unit of the file per s")
    inside = (trials.time >= RECORDED[0] - 1e-9) & (trials.time < RECORDED[1] - 1e-9)
    return None, (trials.rate[:, inside], np.gradient(place, trials.bin, axis=1)[:, inside], "unit of the file per s")


def _tell(spikes: cs.Trials, question: str, seed: int, epochs: int) -> cs.analysis.Told:
    """Classify conditions by an LSTM and a discriminant; every trial by those trained on the other folds."""
    seeds = [cs.seed_of(seed, "student", "fold of decode", number) for number in range(cs.analysis.DECODING_FOLDS)]
    options = cs.Options(epochs=epochs, batch=BATCH, rate=RATE, patience=EPOCHS, validation=VALIDATED, closed_form=False, start="rest")
    network, condition, start = cs.load(LSTM).with_arrays({}, units=UNITS), spikes.condition, float(spikes.time[0])
    taken, fitted = cs.analysis.network_decoding(network, spikes.counts().astype(float), condition, start=start, options=options, seeds=seeds)
    linear = cs.analysis.discriminant(cs.analysis.spike_counts(spikes), condition)
    return cs.analysis.Told(question, condition, {NETWORK: taken, LINEAR: linear}, fitted)


def _accuracies(told: cs.analysis.Told, spikes: cs.Trials, seed: int, draws: int) -> list[cs.Score]:
    """Return the share of trials told right; in the null, the discriminant learns from spikes of other trials."""
    rng, chance = cs.stream(seed, "null", "permuted spikes of decode"), 1 / len(np.unique(told.condition))
    null = cs.analysis.discriminated_by_chance(cs.analysis.spike_counts(spikes), told.condition, rng=rng, draws=draws)
    return [
        cs.Score(f"{ACCURACY}, {told.question}", name, f"{len(told.condition)} trials, {cs.analysis.DECODING_FOLDS} folds", better="higher",
                 identical=1.0, null=null if name == LINEAR else None, surrogate="spikes of trials permuted" if name == LINEAR else UNTESTED,
                 ceiling_reason="how much the spikes tell is what is asked", settings={"by chance": chance},
                 **cs.statistics.share_over("trials", told.right(name)))
        for name in told.taken
    ]  # fmt: skip


def _velocity_score(name: str, found: np.ndarray, moving: Moving, seed: int, draws: int) -> cs.Score:
    """Return R² of the velocity; in the null, the decoder learns from rates of other trials."""
    rates, velocity, unit = moving
    found = np.add(found, 0.0, out=np.empty_like(velocity))  # in the order in memory of the velocity, on which the last bit of sums depends
    r2, few = partial(cs.analysis.velocity_r2, about=velocity.mean(axis=(0, 1))), cs.analysis.each_by_itself(len(found))
    rng, split = cs.stream(seed, "null", "permuted rates of decode", name), f"{len(found)} {'directions' if few else 'trials'}, each held out"
    null = cs.statistics.reordered(lambda order: r2(cs.analysis.decoded(cs.analysis.DECODERS[name], rates[order], velocity), velocity),
                                   len(found), rng=rng, draws=draws)  # fmt: skip
    estimate = cs.statistics.estimated_over("directions" if few else "trials", len(found), lambda kept: r2(found[kept], velocity[kept]))
    estimate["estimate"] = r2(found, velocity)
    return cs.Score(VELOCITY, name, split, better="higher", identical=1.0, null=null, surrogate="rates of trials permuted",
                    ceiling_reason="how much the rates tell is what is asked", settings={"unit": unit}, **estimate)  # fmt: skip


def _claims(scores: Sequence[cs.Score], *, known: bool) -> list[cs.Claim]:
    told, said = "{0.student}, {0.measure}: {1}", "better than chance"
    claims = [
        cs.Claim(told.format(score, "p-value"), score.p, 0.0, 0.05, said) if score.p is not None
        else cs.Claim(told.format(score, "lower bound over chance"), score.interval[0] / score.settings["by chance"], 1.0, np.inf, said)
        for score in scores
    ]  # fmt: skip
    if known:
        linear, source = (
            cs.statistics.estimates(scores)[f"{ACCURACY}, {ALL}", LINEAR],
            "independent implementation, 0.976; two binomial standard errors",
        )
        claims.append(cs.Claim("linear discriminant, five folds, all reaches", linear, KNOWN - WITHIN, KNOWN + WITHIN, source))
    return claims


def _answer(told: Sequence[cs.analysis.Told], scores: Sequence[cs.Score]) -> str:
    sentences = []
    for answers in told:
        first, second = (answers.right(name) for name in CLASSIFIERS)
        only, other, p = cs.statistics.mcnemar(first, second)
        sentences.append(
            f"{answers.question.capitalize()}: LSTM {first.mean():.3f}, linear discriminant {second.mean():.3f} of the trials right; {only} trials "
            f"are told right by the first alone and {other} by the second alone (exact McNemar test, p = {p:.2g})"
        )
    velocity = [f"{score.student} {score.estimate:.2f}" for score in scores if score.measure == VELOCITY]
    sentences += [f"{VELOCITY}: {', '.join(velocity)}"] if velocity else []
    return ". ".join(sentences) + "."


def _pictures(told: Sequence[cs.analysis.Told], decoded: Mapping[str, np.ndarray], moving: Moving | None) -> dict[str, cs.Picture]:
    pictures = {key: picture for answers in told for key, picture in cs.figures.decoding_pictures(answers).items()}
    if moving is not None:
        _, velocity, unit = moving
        shown = np.linspace(0, min(len(velocity), DIRECTIONS) - 1, 4).round().astype(int)
        made, time = {name: found[shown, :, 0] for name, found in decoded.items()}, cs.tasks.BIN * np.arange(velocity.shape[1])
        titles, labels = [f"trial {number + 1}" for number in shown], {"ylabel": f"velocity x ({unit})", "xlabel": "time (s)"}
        drawn = cs.figures.over_time(velocity[shown, :, 0], made, time, titles, **labels)
        pictures["velocity"] = cs.Picture(drawn, "Velocity, decoded", "Four held-out trials. Pale: the hand.")
    return pictures


def _absent(spikes: cs.Trials | None, moving: Moving | None) -> list[str]:
    absent = ["Accuracy over epochs: training notes the cross-entropy, by which it chooses the weights; accuracy is that of the chosen weights."]
    if spikes is None:
        absent.append("Classification: condition averages have one trial of each condition.")
    return [*absent, "Velocity: the file holds no movement."] if moving is None else absent


def _methods(simulated: bool) -> str:
    text = f"""
    The LSTM has {UNITS} units and receives the counts of all neurons in bins of {1e3 * cs.tasks.BIN:g} ms, in standard deviations of its training
    trials. In the last bin it outputs the logit of one of two reaches (binary cross-entropy) or of each (softmax, cross-entropy). Adam at {RATE:g},
    mini-batches of {BATCH}, {EPOCHS} epochs; a fifth of the training trials is held out to select the epoch. The linear discriminant uses
    the counts of the whole window, with its covariance shrunk by the method of Ledoit and Wolf. Folds are the same. Two reaches: the first condition
    and the one half-way through the list, which are opposite directions if conditions are in order.

    Velocity is decoded bin by bin: ridge regression on the present bin, the Wiener filter on ten bins, and the Kalman filter, whose model is fitted
    by least squares; all with means and scales of the training trials. In nulls, decoders learn with spikes or rates of other trials, {NULLS} times.
    """
    if simulated:
        text += f"""
    The circuit makes {DIRECTIONS} reaches whose preparatory states rotate with the direction; its rates plus {BASELINE:g} Hz, rectified, generate
    Poisson spikes of {NEURONS} units, {REPEATS} trials per direction. Classification uses the {1e3 * (DELAY[1] - DELAY[0]):g} ms before the go
    cue. Velocity is that of minimum jerk, which the circuit does not encode; it can be decoded as far as the rates determine direction and time.
    """
    return text
