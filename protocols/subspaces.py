"""Does motor cortex prepare in directions that it does not move in, and that do not move the muscles?

Reproduces  orthogonal preparatory and movement subspaces (Elsayed et al. 2016 Nat Commun 7:13239) and the null space of the muscles (Kaufman et al.
            2014 Nat Neurosci 17:440) on a stability-optimised circuit, on networks that were taught its delayed reaches, on planted activity, and
            on a recording where one is given.
Claim       planted subspaces, ratios and chance levels come out; the circuit's preparation and movement are nearly orthogonal from 80 ms after the go
            cue on, more so than subspaces drawn from the covariance of its activity; muscles that are silent in preparation are told from others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TRAINING, TESTED, SMALL = 297, 27, (40, 8)  # delayed reaches taught, looked at, and both in a smoke run
AXES = 6  # leading axes of an epoch: as many as preferred states are mixed, and no more, since further axes of preparation would be empty
BEFORE, AFTER = (-0.3, 0.0), (0.08, 0.6)  # s about the go cue
STARTS = (0.0, 0.04, 0.08, 0.12, 0.16, 0.2)  # s, of the movement window
RECORDED = ((-0.5, -0.2), (-0.05, 0.3))  # s about movement onset
MUSCLES, SETS, DRAWS, SMOKE_DRAWS = 8, 20, 500, 20  # muscles of a set
CIRCUIT, OWN, UNTRAINED, RECORDING = "circuit", "own gain", "untrained", "recording"
STUDENTS = {"leaky tanh": ("leaky_tanh", cs.Options(epochs=25, rate=5e-3)), "hidden units": ("leaky_readout", cs.Options(epochs=60, rate=5e-3))}
ALIGNED, ANYWHERE = "alignment of movement with preparation", "alignment of movement with preparation, any direction"
SILENT, OTHERS, HAND = "silent muscles", "random muscles", "hand"
RATIO = "tuning ratio, {}, {}"
BOTH, RIDGES = "regressed over both epochs", (1e-3, 1e-1)
ALONE = {ridge: f"movement alone, penalty {ridge:g}" for ridge in RIDGES}
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # of the figure
HIDDEN = 4.0  # planted ratio of variances
BOUND = "bound of this protocol"
STANDARD = 5  # standard errors that a sampled value may be off


@dataclass(frozen=True)
class Epochs:
    """Preparation and movement of a system without what all conditions share, muscles in movement by name, and rates in movement as they are."""

    preparation: np.ndarray
    movement: np.ndarray
    muscles: Mapping[str, np.ndarray]
    rates: np.ndarray

    @classmethod
    def of(cls, trials: cs.Trials, windows: tuple[tuple[float, float], tuple[float, float]], muscles: Mapping[str, np.ndarray]) -> "Epochs":
        """Cut and normalise them."""
        spread = np.ptp(trials.rate, axis=(0, 1))
        before, after = (trials.window(*span).rate for span in windows)
        return cls(
            cs.analysis.soft_normalised(before, spread),
            cs.analysis.soft_normalised(after, spread),
            {name: one - one.mean(axis=0) for name, one in muscles.items()},
            after / (spread + cs.analysis.SOFT_NORMALISATION),
        )

    @property
    def together(self) -> np.ndarray:
        """Both, (condition, time, unit)."""
        return np.concatenate([self.preparation, self.movement], axis=1)

    def select(self, kept: np.ndarray) -> "Epochs":
        """Some of the conditions."""
        return Epochs(self.preparation[kept], self.movement[kept], {name: one[kept] for name, one in self.muscles.items()}, self.rates[kept])


@threadpool_limits.wrap(limits=1)
def run(model: cs.Model, *, seed: int = 0, smoke: bool = False, recording: str | Path | None = None) -> cs.Report:
    """Compare the directions of preparation with those of movement, and with those that move muscles.

    Args:
        model: circuit that makes delayed reaches.
        seed: of every random choice.
        smoke: few units, reaches and epochs: shows that everything runs, its numbers mean nothing.
        recording: condition averages about movement onset, with positions of the hand.

    Raises:
        TrialsError: the recording does not cover the epochs, or holds no hand.
    """
    seconds: dict[str, float] = {}
    draws = SMOKE_DRAWS if smoke else DRAWS
    recorded = None if recording is None else _recorded(Path(recording))
    model = model.with_arrays({}, units=min(model.units, 30)) if smoke and not model.weights else model
    with cs.timed(seconds, "circuit"):
        (taught, training), (task, test) = _delayed(model, SMALL if smoke else (TRAINING, TESTED), seed)
    with cs.timed(seconds, "training"):
        jobs = {OWN: cs.fitting.Job(cs.fitting.own_class(model), training, taught, seed, cs.Options(epochs=0))}
        for name, (card, options) in STUDENTS.items():
            jobs[name] = cs.fitting.Job(
                cs.fitting.with_time_constant_of(cs.load(card), model), training, taught, seed, cs.Options(epochs=2) if smoke else options
            )
        jobs[UNTRAINED] = cs.fitting.Job(
            cs.fitting.with_time_constant_of(cs.load("leaky_tanh"), model), training, taught, seed, cs.Options(epochs=0, closed_form=False)
        )
        fitted = cs.fitting.train_many({name: jobs[name] for name in ((OWN, "leaky tanh") if smoke else jobs)})
    runs = {CIRCUIT: test} | {name: cs.simulate(one.model, task, seed=seed) for name, one in fitted.items()}
    weights = _weights(training, seed)
    found = {name: _epochs(trials, weights) for name, trials in runs.items()} | ({} if recorded is None else {RECORDING: recorded})
    with cs.timed(seconds, "comparison"):
        scores = _scores(found, seed, draws)
        curves = _curves(test, seed, draws)
        claims = _planted(seed) + ([] if smoke else _claims(scores, _factors(training, test, seed)))
    return cs.Report(
        title=QUESTION, question=f"Circuit: {model.title} ({model.paper}); networks that were taught its delayed reaches.",
        answer=_answer(scores), claims=claims, scores=scores, trials=runs,
        pictures=_pictures(scores, curves, found[CIRCUIT]) | cs.figures.learning_pictures(fitted),
        models={CIRCUIT: model} | {name: one.model for name, one in fitted.items()}, methods=_methods(),
        facts={"circuit": f"{model.name}, {model.units} units"}, smoke=smoke,
        absent=() if recorded is not None else ("A recording: give one with --recording.",), seed=seed, seconds=seconds,
    )  # fmt: skip


def _delayed(model: cs.Model, counts: tuple[int, int], seed: int) -> list[tuple[cs.Task, cs.Trials]]:
    """Whole delayed reaches, preparation and movement, from random mixtures of preferred states."""
    states = cs.analysis.mixtures(
        cs.analysis.preferred_states(model), sum(counts), k=min(cs.analysis.MIXED_STATES, model.units), seed=seed, sd=cs.analysis.STATE_SD
    )
    parts = []
    for holding in np.split(cs.analysis.holding_currents(model, states), [counts[0]]):
        task = replace(cs.tasks.centre_out(len(holding), holding=holding), channels=None)
        parts.append((task, cs.simulate(model, task, seed=seed)))
    return parts


def _weights(training: cs.Trials, seed: int, number: int = 0) -> dict[str, np.ndarray]:
    """Muscles by random weights, and by the parts of such weights that the directions of preparation do not reach."""
    rng = cs.stream(seed, "task", "muscles of subspaces", number)
    random = rng.standard_normal((training.rate.shape[2], MUSCLES))
    before = training.window(*BEFORE).rate.reshape(-1, len(random))
    axes = np.linalg.svd(before - before.mean(axis=0), full_matrices=False)[2][:AXES].T
    return {SILENT: random - axes @ (axes.T @ random), OTHERS: random}


def _epochs(trials: cs.Trials, weights: Mapping[str, np.ndarray]) -> Epochs:
    both = np.concatenate([trials.window(*span).rate for span in (BEFORE, AFTER)], axis=1)
    return Epochs.of(trials, (BEFORE, AFTER), {name: both @ one for name, one in weights.items()})


def _recorded(path: Path) -> Epochs:
    """The hand's place and velocity stand in for muscles."""
    trials, place = cs.read(path), cs.trials.hand(path)
    (start, _), (_, stop) = RECORDED
    if trials.time[0] > start + cs.tasks.BIN / 2 or trials.time[-1] < stop - cs.tasks.BIN:
        raise cs.errors.TrialsError(f"{path}: should reach from {start * 1e3:g} to {stop * 1e3:g} ms about movement onset.")
    moved = np.concatenate([place, np.gradient(place, cs.tasks.BIN, axis=1)], axis=2)
    moved = (moved - moved.mean(axis=(0, 1))) / moved.std(axis=(0, 1))
    kept = np.concatenate(
        [np.flatnonzero((trials.time > begin - cs.tasks.BIN / 2) & (trials.time < end - cs.tasks.BIN / 2)) for begin, end in RECORDED]
    )
    return Epochs.of(trials, RECORDED, {HAND: moved[:, kept]})


def _scores(found: Mapping[str, Epochs], seed: int, draws: int) -> list[cs.Score]:
    scores = []
    for name, one in found.items():
        split, count = f"{len(one.movement)} conditions", len(one.movement)
        shared = {"split": split, "interval_over": "conditions", "student": name, "ceiling_reason": "a description of one system"}
        interval = cs.statistics.jackknifed(lambda kept, one=one: _aligned(one.select(kept)), count)
        for measure, within, surrogate in (
            (ALIGNED, one.together, "subspaces drawn from the covariance of both epochs"), (ANYWHERE, None, "subspaces drawn from all directions"),
        ):  # fmt: skip
            scores.append(cs.Score(measure=measure, estimate=_aligned(one), better="lower", identical=0.0, null=_chance(one, within, seed, draws),
                                surrogate=surrogate, interval=interval, **shared))  # fmt: skip
        for muscle in one.muscles:
            for way, ridge in {BOTH: None, **{ALONE[ridge]: ridge for ridge in RIDGES}}.items():
                scores.append(
                    cs.Score(
                        measure=RATIO.format(muscle, way),
                        estimate=_ratio(one, muscle, ridge),
                        better="higher",
                        identical=1.0,
                        null=_random_ratios(one, _spaces(one, muscle, ridge), seed, draws),
                        surrogate="as many random directions of the same six",
                        interval=cs.statistics.jackknifed(
                            lambda kept, one=one, muscle=muscle, ridge=ridge: _ratio(one.select(kept), muscle, ridge), count
                        ),
                        **shared,
                    )
                )
        for part in cs.analysis.variance_shares(one.rates):
            scores.append(
                cs.Score(
                    measure=f"variance of movement by {part}",
                    estimate=cs.analysis.variance_shares(one.rates)[part],
                    better="closer",
                    identical=cs.analysis.variance_shares(found[CIRCUIT].rates)[part],
                    null=None,
                    surrogate="shares add up to 1; the others are beside it",
                    interval=cs.statistics.jackknifed(lambda kept, one=one, part=part: cs.analysis.variance_shares(one.rates[kept])[part], count),
                    **shared,
                )
            )
    order = list(dict.fromkeys(score.measure for score in scores))
    return sorted(scores, key=lambda score: order.index(score.measure))


def _aligned(one: Epochs) -> float:
    return cs.measures.alignment_index(one.preparation, one.movement, AXES)


def _spaces(one: Epochs, muscle: str, ridge: float | None) -> cs.analysis.PotentAndNull:
    """From both epochs, or from movement alone with this penalty."""
    output = one.muscles[muscle]
    if ridge is None:
        return cs.analysis.potent_and_null(one.together, output)
    return cs.analysis.potent_and_null(one.movement, output[:, -one.movement.shape[1] :], within=one.together, ridge=ridge)


def _ratio(one: Epochs, muscle: str, ridge: float | None) -> float:
    return cs.analysis.tuning_ratio(one.preparation, one.movement, _spaces(one, muscle, ridge))


def _random_ratios(one: Epochs, known: cs.analysis.PotentAndNull, seed: int, draws: int) -> np.ndarray:
    rng = cs.stream(seed, "null", "random subspaces")
    return np.array([cs.analysis.tuning_ratio(one.preparation, one.movement, known.turned(rng)) for _ in range(draws)])


def _curves(test: cs.Trials, seed: int, draws: int) -> dict[str, np.ndarray]:
    """Alignment of the circuit's movement with its preparation, and both kinds of chance, by the start of the movement window."""
    lines: dict[str, list[float]] = {CIRCUIT: [], "by chance, covariance of both epochs": [], "by chance, all directions": []}
    for start in STARTS:
        one = Epochs.of(test, (BEFORE, (start, AFTER[1])), {})
        values = [_aligned(one), *(_chance(one, within, seed, draws).mean() for within in (one.together, None))]
        for line, value in zip(lines.values(), values, strict=True):
            line.append(float(value))
    return {name: np.array([line]) for name, line in lines.items()}


def _chance(one: Epochs, within: np.ndarray | None, seed: int, draws: int) -> np.ndarray:
    return cs.analysis.chance_alignment(one.movement, AXES, within=within, count=draws, rng=cs.stream(seed, "null", "chance alignment"))


def _planted(seed: int) -> list[cs.Claim]:
    """Two epochs of ten dimensions each in twenty used ones of a hundred, and three hidden directions beside three that move muscles."""
    rng = cs.stream(seed, "task", "planted subspaces")
    axes = np.linalg.qr(rng.standard_normal((100, 20)))[0]

    def white(columns: np.ndarray) -> np.ndarray:
        x = rng.standard_normal((27 * 30, columns.shape[1]))
        return np.linalg.qr(x - x.mean(axis=0))[0] @ columns.T

    a, b = white(axes[:, :10]), white(axes[:, 10:])
    chances = [cs.analysis.chance_alignment(b, 10, within=within, count=DRAWS, rng=rng) for within in (np.concatenate([a, b]), None)]
    wide = [STANDARD * one.std() / np.sqrt(DRAWS) for one in chances]
    movement = white(axes[:, :6]).reshape(27, 30, 100)
    preparation = white(axes[:, :6] * np.sqrt([1, 1, 1, HIDDEN, HIDDEN, HIDDEN])).reshape(27, 30, 100)
    ratio = cs.analysis.tuning_ratio(
        preparation, movement, cs.analysis.potent_and_null(movement, movement @ axes[:, :3] @ rng.standard_normal((3, MUSCLES)))
    )
    off = HIDDEN * STANDARD * np.sqrt(4 / (3 * 30 * 26))
    closed = "closed form"
    return [
        cs.Claim("planted, orthogonal subspaces: alignment", cs.measures.alignment_index(a, b, 10), -1e-9, 1e-9, closed),
        cs.Claim("planted, one subspace: alignment", cs.measures.alignment_index(a, white(axes[:, :10]), 10), 1 - 1e-9, 1 + 1e-9, closed),
        cs.Claim("planted, 10 of 20 used dimensions: alignment by chance", chances[0].mean(), 0.5 - wide[0], 0.5 + wide[0], f"{closed}: 10/20"),
        cs.Claim("planted, the same by chance in all 100 directions", chances[1].mean(), 0.1 - wide[1], 0.1 + wide[1], f"{closed}: 10/100"),
        cs.Claim(f"planted, variance hidden {HIDDEN:g}:1: tuning ratio", ratio, HIDDEN - off, HIDDEN + off, f"planted, {STANDARD} standard errors"),
    ]


def _factors(training: cs.Trials, test: cs.Trials, seed: int) -> dict[str, float]:
    """How much larger tuning ratios are for silent muscles than for random ones, by way of regressing: medians over sets of muscles."""
    sets = [_epochs(test, _weights(training, seed, number)) for number in range(SETS)]
    return {way: float(np.median([_ratio(one, SILENT, ridge) / _ratio(one, OTHERS, ridge) for one in sets]))
            for way, ridge in {BOTH: None, ALONE[RIDGES[0]]: RIDGES[0]}.items()}  # fmt: skip


def _claims(scores: Sequence[cs.Score], factors: Mapping[str, float]) -> list[cs.Claim]:
    value = {(score.measure, score.student): score for score in scores}
    aligned = value[ALIGNED, CIRCUIT]
    assert aligned.null is not None
    return [
        cs.Claim(f"{CIRCUIT}: {ALIGNED}", aligned.estimate, 0.0, 0.03, "independent implementation: 0.005 to 0.010 in other circuits; within 0.02"),
        cs.Claim(f"{CIRCUIT}: the same, p-value", cs.statistics.p_value(aligned.estimate, aligned.null, better="lower"), 0.0, 0.05, BOUND),
        *(
            cs.Claim(f"{CIRCUIT}: tuning ratio of {SILENT} over {OTHERS}, {way}, median of {SETS} sets", factors[way], *bounds)
            for way, bounds in {
                BOTH: (5.0, np.inf, f"{BOUND}: planted, the others are not silent"),
                ALONE[RIDGES[0]]: (0.5, 2.0, f"{BOUND}: they cannot be told apart"),
            }.items()
        ),
    ]


def _answer(scores: Sequence[cs.Score]) -> str:
    value = {(score.measure, score.student): score for score in scores}
    names = list(dict.fromkeys(score.student for score in scores))
    told = ", ".join(f"{name} {value[ALIGNED, name].estimate:.3f} ({_mean(value[ALIGNED, name]):.2f})" for name in names)
    ratios = "; ".join(f"{way} {' and '.join(f'{value[RATIO.format(muscle, way), CIRCUIT].estimate:.1f}' for muscle in (SILENT, OTHERS))}"
                       for way in (BOTH, *ALONE.values()))  # fmt: skip
    return (
        f"Alignment of movement with preparation, and in parentheses by chance in directions where there is activity: {told}. Tuning ratios of the "
        f"circuit for muscles that are silent in preparation, and for random ones: {ratios}."
    )


def _mean(score: cs.Score) -> float:
    return float("nan") if score.null is None else float(score.null.mean())


def _pictures(scores: Sequence[cs.Score], curves: Mapping[str, np.ndarray], circuit: Epochs) -> dict[str, cs.Picture]:
    names = list(dict.fromkeys(score.student for score in scores))
    value = {(score.measure, score.student): score.estimate for score in scores}
    parts = [score.measure for score in scores if score.student == names[0] and score.measure.startswith("variance")]
    shares = np.array([[value[part, name] for part in parts] for name in names])
    lines = {name: ([1e3 * start for start in STARTS], one) for name, one in curves.items()}
    return {
        "windows": cs.Picture(
            cs.figures.over_settings({"alignment index": lines}, xlabel="start of the movement window after the go cue (ms)"),
            "The window decides, and so does what chance is taken to be",
            f"Share of the variance of movement, until {AFTER[1] * 1e3:g} ms, along {AXES} leading axes of preparation, relative to the most that as "
            "many can hold. Subspaces drawn from all directions look as orthogonal as anything; those drawn where the activity is do not.",
        ),
        "ratios": cs.Picture(
            cs.figures.over_settings(
                {"tuning ratio": _by_penalty(circuit)}, xlabel="penalty of the regression, relative to the mean variance", log=True
            ),
            "What preparation would do to muscles, told from movement alone and from both epochs",
            "Variance in null over potent directions, in preparation relative to movement; circuit. Regressed over both epochs, muscles that are "
            "silent in preparation are told from others; movement alone, as published, gives for both what the penalty makes of them.",
        ),
        "shares": cs.Picture(
            cs.figures.annotated(shares, names, [part.removeprefix("variance of movement ") for part in parts], label="share of variance", low=0.0),
            "What the variance of movement is about",
            "By time: the same in all conditions; by condition: lasting differences; the rest depends on both.",
        ),
    }


def _by_penalty(circuit: Epochs) -> dict[str, cs.figures.Line]:
    """Tuning ratios for either kind of muscles, regressed over both epochs and over movement alone."""
    found: dict[str, cs.figures.Line] = {}
    for muscle, output in circuit.muscles.items():
        both = [
            cs.analysis.tuning_ratio(circuit.preparation, circuit.movement, cs.analysis.potent_and_null(circuit.together, output, ridge=ridge))
            for ridge in PENALTIES
        ]
        alone = [_ratio(circuit, muscle, ridge) for ridge in PENALTIES]
        found |= {f"{muscle}, both epochs": (PENALTIES, np.array([both])), f"{muscle}, movement": (PENALTIES, np.array([alone]))}
    return found


def _methods() -> str:
    return f"""
    Preparation: {BEFORE[0] * 1e3:g} to {BEFORE[1] * 1e3:g} ms about the go cue, movement: {AFTER[0] * 1e3:g} to {AFTER[1] * 1e3:g} ms, of {TESTED}
    delayed reaches that nobody was taught, from mixtures of {cs.analysis.MIXED_STATES} states that the circuit amplifies; networks get the same
    preparatory currents. Recordings: {RECORDED[0][0] * 1e3:g} to {RECORDED[0][1] * 1e3:g} and {RECORDED[1][0] * 1e3:g} to {RECORDED[1][1] * 1e3:g} ms
    about movement onset. Units are divided by their range plus 5 Hz and the mean over conditions is removed at each time, except where shares of
    variance are told. The alignment index is the variance of movement along {AXES} leading axes of preparation over the most that as many axes can
    hold (Elsayed et al. 2016). Chance: {DRAWS} subspaces spanned by random vectors with the covariance of both epochs, or by random directions.

    Null and potent directions: {MUSCLES} muscles, random sums of the rates, silent in preparation where the weights leave out its axes; of a
    recording, place and velocity of the hand. Three components of them are regressed on six of the neurons in both epochs, with a ridge penalty; over
    movement alone as Kaufman et al. (2014) did, or over both epochs. The tuning ratio is the variance across conditions in null over potent
    directions in preparation, over the same in movement. Intervals leave out one condition at a time.
    """
