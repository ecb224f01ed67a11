"""What does an LSTM read out of motor cortex that linear decoders do not?

Reproduces  no figure. The classic sequence classifier: an LSTM of 50 units with a sigmoid output tells two reaches apart, with a softmax all of them;
            linear discriminant analysis beside it. Velocity: ridge regression, the Wiener filter, and the Kalman filter of Wu et al. (2006) Neural
            Comput 18:80.
Claim       five-fold linear discrimination of the recorded delay activity reaches 0.976, as an independent implementation found; every decoder beats
            chance. Whether the LSTM does better than the discriminant is tested and reported as found.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import binomtest

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL, LSTM = "hennequin_2014", "lstm"
UNITS, BATCH, EPOCHS, RATE = 50, 32, 10, 2e-2  # of the LSTM; RATE: chosen before any run
VALIDATED = 0.2  # of the taught trials, set aside to watch the course
DIRECTIONS, REPEATS = 8, 30  # of the simulated reaches
BASELINE, SPREAD, NEURONS = 8.0, 4.0, 61  # Hz: added to rates, which are deviations; s.d. of prepared states. Neurons whose spikes are seen
DELAY, MOVING = (-0.4, 0.0), (-0.1, 0.5)  # s from the go cue: where reaches are told apart, and where velocity is decoded
RECORDED = (-0.2, 0.4)  # s from movement onset, of condition averages
NULLS = 200
ACCURACY = "share of trials told right"
KNOWN, WITHIN = 0.976, 0.021  # of the recording's delay; two binomial standard errors of 210 trials
CLASSIFIERS = ("LSTM", "linear discriminant")


@dataclass(frozen=True)
class Told:
    """Conditions of trials and what each decoder took them for.

    Attributes:
        name: of the question.
        condition: of each trial.
        taken: by decoder.
        fitted: LSTMs of the folds.
    """

    name: str
    condition: np.ndarray
    taken: Mapping[str, np.ndarray]
    fitted: Sequence[cs.Fitted]


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False, recording: str | Path | None = None) -> cs.Report:
    """Decode reaches and velocity from the spikes of a circuit, or what a recording has of either.

    Args:
        model: circuit, whose rates make spikes.
        seed: of spikes, networks and surrogates.
        smoke: few trials and epochs: shows that everything runs, its numbers mean nothing.
        recording: spikes of single trials, in which conditions are told apart; or condition averages with positions of the hand.
    """
    seconds: dict[str, float] = {}
    with cs.timed(seconds, "activity"):
        spikes, moving = _circuit(model, seed, smoke) if recording is None else _recording(Path(recording))
    told: list[Told] = []
    if spikes is not None:
        with cs.timed(seconds, "classification"):
            told = [_tell(spikes, question, seed, smoke) for question in ("two reaches", "all reaches")]
    with cs.timed(seconds, "velocity"):
        decoded = {} if moving is None else {name: _decoded(decode, *moving) for name, decode in cs.analysis.DECODERS.items()}
    scores = [score for one in told for score in _accuracies(one, seed)]
    if moving is not None:
        scores += [_velocity_score(name, found, moving[1], moving[2], seed) for name, found in decoded.items()]
    where = f"{model.title}, Poisson spikes of {NEURONS} neurons" if recording is None else f"the recording {Path(recording).name}"
    return cs.Report(
        title=QUESTION, question=f"Decoded: {where}.", answer=_answer(told, scores),
        claims=[] if smoke else _claims(scores, known=recording is not None and spikes is not None), scores=scores,
        pictures=_pictures(told, decoded, moving), trials={} if spikes is None else {"decoded": spikes},
        models={} if not told else {one.name: one.fitted[0].model for one in told}, methods=_methods(recording is None),
        facts={one.name: f"{len(one.condition)} trials, {len(np.unique(one.condition))} conditions" for one in told}, smoke=smoke,
        absent=_absent(spikes, moving), seed=seed, seconds=seconds,
    )  # fmt: skip


Moving = tuple[np.ndarray, np.ndarray, str]  # rates (trial, time, unit), velocity (trial, time, 2), its unit


def _circuit(model: cs.Model, seed: int, smoke: bool) -> tuple[cs.Trials, Moving]:
    """Delayed reaches of a circuit whose preparatory states turn with the direction, and Poisson spikes of some of its units."""
    if model.size("observed") != model.units or model.initial:
        raise cs.errors.OptionError(f"{model.name}: its units are hidden behind a readout; decode needs a circuit whose units are the observed ones.")
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    basis = cs.analysis.mixtures(cs.analysis.preferred_states(model), 3, k=6, seed=seed, sd=SPREAD)
    states = np.stack([np.cos(angle), np.sin(angle), 0.5 * np.ones(DIRECTIONS)], axis=1) @ basis
    task = replace(cs.tasks.centre_out(DIRECTIONS, holding=cs.analysis.holding_currents(model, states)), channels=None)
    rates = cs.simulate(model, task).rate
    rng = cs.stream(seed, "circuit", "spikes of decode")
    seen = cs.stream(seed, "analysis", "neurons recorded in decode").choice(model.units, min(NEURONS, model.units), replace=False)
    repeats = 10 if smoke else REPEATS
    condition = np.tile(np.arange(DIRECTIONS), repeats)
    expected = cs.tasks.BIN * np.maximum(BASELINE + rates[condition][:, :, seen], 0.0)
    counts = rng.poisson(expected)
    assert task.targets is not None
    velocity = np.gradient(task.targets.values, cs.tasks.BIN, axis=1)[condition]
    inside = (task.time >= MOVING[0] - 1e-9) & (task.time < MOVING[1] - 1e-9)
    trial, bin_, unit = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0).T
    when = task.time[bin_] + cs.tasks.BIN * rng.random(len(bin_))
    names = np.array([f"{360 * k / DIRECTIONS:g} deg" for k in range(DIRECTIONS)])[condition]
    spikes = cs.Trials.from_spikes((when, unit, trial), task.time, units=len(seen), condition=names)
    return spikes.window(*DELAY), (counts[:, inside] / cs.tasks.BIN, velocity[:, inside], "cm/s")


def _recording(path: Path) -> tuple[cs.Trials | None, Moving | None]:
    trials = cs.read(path)
    if "spike_time" in trials.dataset:
        start = float(trials.time[0])
        return trials.window(start, float(trials.stop.min())), None
    try:
        place = cs.trials.hand(path) if path.suffix == ".npz" else None
    except cs.errors.TrialsError as problem:
        raise cs.errors.TrialsError(f"{problem} decode needs spikes of single trials, or averages with positions of the hand.") from None
    if place is None:
        raise cs.errors.TrialsError(f"{path}: decode needs spikes of single trials, or averages with positions of the hand (.npz).")
    inside = (trials.time >= RECORDED[0] - 1e-9) & (trials.time < RECORDED[1] - 1e-9)
    return None, (trials.rate[:, inside], np.gradient(place, cs.tasks.BIN, axis=1)[:, inside], "unit of the file per s")


def _tell(spikes: cs.Trials, question: str, seed: int, smoke: bool) -> Told:
    """Let an LSTM and a discriminant tell conditions apart; every trial is judged by those that were taught the other folds."""
    names = np.unique(spikes.condition)
    if question == "two reaches":
        spikes = spikes.select(np.flatnonzero(np.isin(spikes.condition, names[[0, len(names) // 2]])))
    condition = spikes.condition
    folds = cs.analysis.trial_folds(condition)
    counts, task = _heard(spikes, condition)
    seeds = [cs.seed_of(seed, "student", "fold of decode", number) for number in range(len(folds))]
    jobs = {f"{question}, fold {n + 1}": _job(task, counts, taught, seeds[n], smoke) for n, (taught, _) in enumerate(folds)}
    fitted = cs.fitting.train_many(jobs)
    taken, labels = np.empty(len(condition), dtype=condition.dtype), np.unique(condition)
    for (taught, test), one in zip(folds, fitted.values(), strict=True):
        outputs = cs.simulate(one.model, _standardised(task, counts, taught).select(test)).rate[:, -1]
        taken[test] = labels[(outputs[:, 0] > 0).astype(int) if outputs.shape[1] == 1 else outputs.argmax(axis=1)]
    return Told(
        question,
        condition,
        {CLASSIFIERS[0]: taken, CLASSIFIERS[1]: cs.analysis.discriminant(cs.analysis.spike_counts(spikes), condition)},
        list(fitted.values()),
    )


def _heard(spikes: cs.Trials, condition: np.ndarray) -> tuple[np.ndarray, cs.Task]:
    """Counts in bins, (trial, time, unit), and the task to put out the condition, at the last bin, of what is heard."""
    labels, which = np.unique(condition, return_inverse=True)
    time = spikes.time
    when, unit, trial = spikes.spikes
    edges = np.append(time, time[-1] + cs.tasks.BIN)
    counts = np.zeros((len(condition), len(time), spikes.shape[2]))
    np.add.at(counts, (trial, np.clip(np.searchsorted(edges, when, side="right") - 1, 0, len(time) - 1), unit), 1.0)
    wanted = (which == 1)[:, None].astype(float) if len(labels) == 2 else np.eye(len(labels))[which]
    start, stop = float(time[0]), float(np.round(time[-1] + cs.tasks.BIN, 9))
    names = ["second"] if len(labels) == 2 else [str(label) for label in labels]
    targets = xr.DataArray(
        np.repeat(wanted[:, None], len(time), axis=1), dims=("trial", "time", "axis"), coords={"time": time, "axis": names},
        attrs={"units": "1", "long_name": "probability of the condition"},
    )  # fmt: skip
    mask = np.zeros((len(condition), len(time)))
    mask[:, -1] = 1.0
    return counts, cs.Task("telling reaches apart", start, stop, np.arange(len(condition)), targets=targets, mask=mask)


def _standardised(task: cs.Task, counts: np.ndarray, taught: np.ndarray) -> cs.Task:
    """The task with counts as channels, in standard deviations of the taught trials."""
    mean, scale = counts[taught].mean(axis=(0, 1)), counts[taught].std(axis=(0, 1))
    values = np.repeat((counts - mean) / np.where(scale > 0, scale, 1.0), round(cs.tasks.BIN / cs.tasks.DT), axis=1)
    return replace(task, channels=xr.DataArray(values, dims=("trial", "step", "channel"), attrs={"units": "1"}))


def _job(task: cs.Task, counts: np.ndarray, taught: np.ndarray, seed: int, smoke: bool) -> cs.fitting.Job:
    part = _standardised(task, counts, taught).select(taught)
    outputs = part.wanted.rate.shape[2]
    options = cs.Options(
        epochs=2 if smoke else EPOCHS, batch=BATCH, rate=RATE, patience=EPOCHS, validation=VALIDATED, closed_form=False, start="rest",
        loss="binary cross-entropy" if outputs == 1 else "cross-entropy",
    )  # fmt: skip
    return cs.fitting.Job(cs.load(LSTM).with_arrays({}, units=UNITS), part.wanted, part, seed, options)


def _decoded(decode: Callable[..., np.ndarray], rates: np.ndarray, velocity: np.ndarray, _: str) -> np.ndarray:
    """Velocity of every trial by a decoder of the others: five folds, or each condition by itself where there is one trial of each."""
    found, trials = np.empty_like(velocity), np.arange(len(rates))
    for part in np.array_split(trials, cs.analysis.DECODING_FOLDS if len(rates) > 4 * cs.analysis.DECODING_FOLDS else len(rates)):
        rest = np.setdiff1d(trials, part)
        found[part] = decode(rates[rest], velocity[rest], rates[part])
    return found


def _accuracies(one: Told, seed: int) -> list[cs.Score]:
    rng = cs.stream(seed, "null", "permuted answers")
    scores = []
    for name, taken in one.taken.items():
        right = taken == one.condition
        null = np.array([(rng.permutation(taken) == one.condition).mean() for _ in range(NULLS)])
        scores.append(
            cs.Score(
                f"{ACCURACY}, {one.name}",
                name,
                f"{len(right)} trials, {cs.analysis.DECODING_FOLDS} folds",
                float(right.mean()),
                "higher",
                1.0,
                null,
                "answers permuted",
                cs.statistics.jackknifed(lambda kept, right=right: float(right[kept].mean()), len(right)),
                "trials",
                ceiling_reason="how much the spikes tell is what is asked",
            )
        )
    return scores


def _velocity_score(name: str, found: np.ndarray, velocity: np.ndarray, unit: str, seed: int) -> cs.Score:
    rng = cs.stream(seed, "null", "permuted velocities")

    def r2(made: np.ndarray, wanted: np.ndarray) -> float:
        return float(1 - ((made - wanted) ** 2).sum() / ((wanted - velocity.mean(axis=(0, 1))) ** 2).sum())

    null = np.array([r2(found[cs.trials.derangement(len(found), rng)], velocity) for _ in range(NULLS)])
    few = len(found) <= 4 * cs.analysis.DECODING_FOLDS
    return cs.Score(
        "R² of velocity",
        name,
        f"{len(found)} {'directions, each held out' if few else f'trials, {cs.analysis.DECODING_FOLDS} folds'}",
        r2(found, velocity),
        "higher",
        1.0,
        null,
        "trials permuted",
        cs.statistics.jackknifed(lambda kept: r2(found[kept], velocity[kept]), len(found)),
        "directions" if few else "trials",
        ceiling_reason="how much the rates tell is what is asked",
        settings={"unit": unit},
    )


def _claims(scores: Sequence[cs.Score], *, known: bool) -> list[cs.Claim]:
    claims = []
    for score in scores:
        assert score.null is not None
        beaten = float((score.null < score.estimate).mean())
        claims.append(cs.Claim(f"{score.student}, {score.measure}: share of the surrogates that it beats", beaten, 0.95, 1.0, "better than chance"))
    if known:
        linear = next(s for s in scores if s.student == CLASSIFIERS[1] and s.measure.endswith("all reaches"))
        source = "independent implementation, 0.976; two binomial standard errors"
        claims.append(cs.Claim("linear discriminant, five folds, all reaches", linear.estimate, KNOWN - WITHIN, KNOWN + WITHIN, source))
    return claims


def _answer(told: Sequence[Told], scores: Sequence[cs.Score]) -> str:
    parts_ = []
    for one in told:
        right = {name: taken == one.condition for name, taken in one.taken.items()}
        first, second = (right[name] for name in CLASSIFIERS)
        only, other = int((first & ~second).sum()), int((second & ~first).sum())
        p = float(binomtest(only, only + other).pvalue) if only + other else 1.0
        parts_.append(
            f"{one.name}: LSTM {first.mean():.3f}, linear discriminant {second.mean():.3f} of the trials right; {only} trials are told right by the "
            f"first alone and {other} by the second alone (exact McNemar test, p = {p:.2g})"
        )
    velocity = [f"{score.student} {score.estimate:.2f}" for score in scores if score.measure == "R² of velocity"]
    parts_ += [f"R² of velocity: {', '.join(velocity)}"] if velocity else []
    return ". ".join(part[0].upper() + part[1:] for part in parts_) + "."


def _pictures(told: Sequence[Told], decoded: Mapping[str, np.ndarray], moving: Moving | None) -> dict[str, cs.Picture]:
    pictures = {}
    for one in told:
        labels = np.unique(one.condition)
        taken = one.taken.items()
        tables = {name: np.array([[(found[one.condition == a] == b).mean() for b in labels] for a in labels]) for name, found in taken}
        key = one.name.replace(" ", "_")
        pictures[f"confusion_{key}"] = cs.Picture(
            cs.figures.confusion(tables, [str(label) for label in labels]),
            f"What was taken for what, {one.name}",
            "Every trial was judged by decoders of the other folds.",
        )
        courses = {f"fold {number + 1}": (fit.train, fit.validation) for number, fit in enumerate(one.fitted)}
        pictures[f"learning_{key}"] = cs.Picture(
            cs.figures.learning_curves(courses, ylabel="cross-entropy (nat)"),
            f"Learning curves of the LSTM, {one.name}",
            "Dashed: trials taught; solid: a fifth of them that is set aside. One LSTM a fold.",
        )
    if moving is not None:
        velocity, unit = moving[1], moving[2]
        shown = np.linspace(0, min(len(velocity), DIRECTIONS) - 1, 4).round().astype(int)
        time = cs.tasks.BIN * np.arange(velocity.shape[1])
        pictures["velocity"] = cs.Picture(
            cs.figures.over_time(velocity[shown, :, 0], {name: found[shown, :, 0] for name, found in decoded.items()}, time,
                      [f"trial {number + 1}" for number in shown], ylabel=f"velocity x ({unit})", xlabel="time (s)"),
            "Velocity, decoded", "Four trials that were not learned from. Pale: the hand.",
        )  # fmt: skip
    return pictures


def _absent(spikes: cs.Trials | None, moving: Moving | None) -> list[str]:
    absent = ["Accuracy over epochs: training notes the cross-entropy, by which it chooses the weights; accuracy is that of the chosen weights."]
    if spikes is None:
        absent.append("Classification: condition averages have one trial of each condition.")
    if moving is None:
        absent.append("Velocity: the file holds no movement.")
    return absent


def _methods(simulated: bool) -> str:
    text = f"""
    The LSTM has {UNITS} units and hears the counts of all neurons in bins of {1e3 * cs.tasks.BIN:g} ms, in standard deviations of the trials it is
    taught. At the last bin it puts out the logit of one of two reaches (binary cross-entropy) or of each (softmax, cross-entropy). Adam at {RATE:g},
    mini-batches of {BATCH}, {EPOCHS} epochs; a fifth of the taught trials is set aside and decides which epoch is kept. The linear discriminant sees
    the counts of the whole window, its covariance shrunk as Ledoit and Wolf prescribe. Both judge the same folds. Two reaches: the first condition
    and the one half-way through the list, which are opposite directions if conditions are in order.

    Velocity is decoded bin by bin: ridge regression on the present bin, the Wiener filter on ten bins, and the Kalman filter, whose model is fitted
    by least squares; all with means and scales of the trials learned from.
    """
    if simulated:
        return (
            text
            + f"""
    The circuit makes {DIRECTIONS} reaches whose preparatory states turn with the direction; its rates plus {BASELINE:g} Hz, where above 0, make
    Poisson spikes of {NEURONS} units, {REPEATS} trials a direction. Reaches are told apart from the {1e3 * (DELAY[1] - DELAY[0]):g} ms before the go
    cue; velocity is that of minimum jerk, of which the circuit knows nothing, so that it is decoded as far as the rates determine the time.
    """
        )
    return text
