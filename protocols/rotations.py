"""Do rotations in a population show that it is a dynamical system, or does a sequence of tuned neurons rotate as well?

Reproduces  jPCA (Churchland, Cunningham et al. 2012 Nature 487:51) on a stability-optimised circuit and on activity whose dynamics are known,
            including its false positives (Michaels et al. 2016; Lebedev et al. 2019), against the surrogates of both sides of the debate.
Claim       a planted rotation is found with its frequency, and a circuit released from preferred states rotates; smooth noise has a high ratio
            R²(M_skew)/R²(M) without rotating; tuned cells without dynamics rotate if their latencies vary, which no test of rotation exposes,
            since they do rotate, and the peak-sequence control does.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
CONDITIONS, BINS, UNITS, MANY, SMALL_UNITS = 27, 21, 60, 200, 30  # units of planted activity, of the random network, and of a smoke run
WINDOW = (-0.05, 0.15)  # s about movement onset, in a recording
FREQUENCY, NOISE, WIDTH = 1.5, 0.02, 0.04  # Hz; relative to a unit's s.d.; s
GAIN, TAU = 0.9, 0.2  # of the random network, s
LATENCIES = (0.0, 0.05, 0.1)  # s, standard deviations over units
MIXED = (2, 6, 20)  # k, preferred states that starting states are mixtures of
DRAWS, NULLS, SMOKE_NULLS = 8, 200, 5
ROTATION, DECAY, SMOOTH, PEAKS, RECORDING = "planted rotation", "random network, decay", "smooth noise", "sequence of peaks", "recording"
TUNED = {latency: f"tuned cells ± {latency * 1e3:g} ms" for latency in LATENCIES}
CIRCUIT = {k: f"circuit, k = {k}" for k in MIXED}
PERMUTED, INVERTED = f"{CIRCUIT[6]}, permuted", f"{CIRCUIT[6]}, half inverted"
SKEW, LINEAR, RATIO, SHARE = "R²(M_skew)", "R²(M)", "R²(M_skew)/R²(M)", "variance in the first plane"
READINGS: Mapping[str, Callable[[cs.analysis.Rotations], float]] = {
    SKEW: lambda found: found.r2_skew, LINEAR: lambda found: found.r2, RATIO: lambda found: found.ratio,
    SHARE: lambda found: float(found.variance[0]) if found.variance.size else 0.0,
}  # fmt: skip
DRAWN = (ROTATION, CIRCUIT[2], CIRCUIT[6], TUNED[0.1], PEAKS, RECORDING)  # whose planes are drawn and whose numbers are told
NOT_TESTED = {"null": None, "surrogate": "surrogates are compared by R²(M_skew)"}
INDEPENDENT = "independent implementation: {}; within {}"


@threadpool_limits.wrap(limits=1)
def run(model: cs.Model, *, seed: int = 0, smoke: bool = False, recording: cs.trials.Source | None = None) -> cs.Report:
    """Test for rotations where they are known to exist, where they are known not to, and in a recording.

    Args:
        model: circuit to release from its preferred states.
        seed: of every random choice.
        smoke: few units and surrogates: shows that everything runs; its numbers mean nothing.
        recording: condition averages around movement onset that cover the window, its own if it has one.
    """
    seconds: dict[str, float] = {}
    model = cs.edit.shrunk(model, SMALL_UNITS) if smoke else model
    recorded = {} if recording is None else {RECORDING: _recorded(cs.trials.Recording.of(recording))}
    with cs.timed(seconds, "data"), cs.track("data") as report:
        circuits, trials = _circuits(model, seed, 1 if smoke else DRAWS)
        draws = []
        for number, states in enumerate(circuits):
            report(number / len(circuits), "")
            draws.append(_planted(cs.stream(seed, "null", "planted activity of rotations", number), states))
    first = draws[0] | recorded
    with cs.timed(seconds, "surrogates"), cs.track("surrogates") as report:
        turning = {}
        for number, (name, states) in enumerate(first.items()):
            report(number / len(first), name)
            rng_of = partial(cs.stream, seed, "null", "surrogates of rotations")
            turning[name] = cs.measures.rotations_against_surrogates(states, cs.tasks.BIN, rng_of=rng_of, draws=SMOKE_NULLS if smoke else NULLS)
    with cs.timed(seconds, "draws"):
        found = {name: [cs.analysis.jpca_spanned(draw[name], cs.tasks.BIN) for draw in draws] for name in draws[0]}
    with cs.timed(seconds, "scores"):
        scores = _scores(turning)
    return cs.Report(
        title=QUESTION, question=f"Circuit: {model.title} ({model.paper}), and activity whose dynamics were put there or left out.",
        answer=_answer(turning), claims=[] if smoke else _claims(turning, found), scores=scores, pictures=_pictures(turning),
        trials=trials, models={"circuit": model}, methods=_methods(),
        facts={"circuit": f"{model.name}, {model.units} units"} | {name: cs.trials.Recording.of(recording).looked_at(WINDOW) for name in recorded},
        smoke=smoke,
        absent=() if recorded else ("A recording: give one with --recording.",), seed=seed, seconds=seconds,
    )  # fmt: skip


def _recorded(path: cs.trials.Recording) -> np.ndarray:
    start, stop = path.window(WINDOW)[0], path.window(WINDOW)[1] + cs.tasks.BIN
    trials = cs.trials.read_window(path, start, stop)
    return cs.analysis.soft_normalised(trials.window(start, stop).rate, np.ptp(trials.rate, axis=(0, 1)))


def _circuits(model: cs.Model, seed: int, draws: int) -> tuple[list[dict[str, np.ndarray]], dict[str, cs.Trials]]:
    """Return normalised rates of the circuit from mixtures of few and of many preferred states, for every draw, and the first of them raw."""
    preferred = cs.analysis.preferred_states(model)
    states: list[dict[str, np.ndarray]] = [{} for _ in range(draws)]
    trials = {}
    for k in MIXED:
        starts = cs.analysis.mixtures(preferred, CONDITIONS * draws, k=min(k, model.units), seed=seed, sd=cs.analysis.STATE_SD)
        runs = cs.simulate(model, cs.tasks.free_run(starts, BINS * cs.tasks.BIN), seed=seed)
        trials[CIRCUIT[k]] = runs.select(np.arange(CONDITIONS))
        for draw, rates in zip(states, np.split(runs.rate, draws), strict=True):
            draw[CIRCUIT[k]] = cs.analysis.soft_normalised(rates, np.ptp(rates, axis=(0, 1)))
    return states, trials


def _planted(rng: np.random.Generator, circuit: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return activity with known answers, its mean over conditions removed."""
    size = {"conditions": CONDITIONS, "bins": BINS, "units": UNITS, "dt": cs.tasks.BIN}
    six = circuit[CIRCUIT[6]]
    made = {ROTATION: cs.measures.planted_rotation(rng, frequency=FREQUENCY, noise=NOISE, **size)} | dict(circuit)
    made[PERMUTED], made[INVERTED] = cs.statistics.permuted_conditions(six, rng), cs.statistics.half_inverted(six, rng)
    made[DECAY] = cs.measures.random_decay(rng, gain=GAIN, tau=TAU, **(size | {"units": MANY}))
    made[SMOOTH] = cs.measures.smooth_noise(rng, width=WIDTH, **size)
    made |= {TUNED[latency]: cs.measures.velocity_tuned(rng, latency=latency, **size) for latency in LATENCIES}
    made[PEAKS] = cs.measures.peak_sequence(rng, **size)
    return {name: states - states.mean(axis=0) for name, states in made.items()}


def _scores(turning: Mapping[str, cs.measures.Turning]) -> list[cs.Score]:
    scores = []
    for name, data in turning.items():
        intervals = cs.analysis.rotation_intervals(cs.measures.principal_part(data.states), cs.tasks.BIN, READINGS)
        score = partial(cs.Score, student=name, split="all conditions", better="higher", identical=1.0, interval_over="subsets of the conditions",
                        ceiling_reason="a description of one data set; nothing is predicted")  # fmt: skip
        for label, read in READINGS.items():
            nulls = {f"{label}, {name}": null for name, null in data.told().items()} if label == SKEW else {label: NOT_TESTED}
            scores += [score(measure, estimate=read(data.found), interval=intervals[label], **null) for measure, null in nulls.items()]
    return cs.statistics.by_measure(scores)


def _claims(turning: Mapping[str, cs.measures.Turning], found: Mapping[str, Sequence[cs.analysis.Rotations]]) -> list[cs.Claim]:
    """Return claims on means over draws where results are random, and on surrogates of the first draw."""
    share = {name: float(data.nulls[cs.measures.ONE_COURSE][0]) / data.found.r2_skew for name, data in turning.items() if data.found.r2_skew > 0}

    def mean(name: str, reading: str = SKEW, said: str = "") -> tuple[str, float]:
        return f"{name}: {reading}{said}", float(np.mean([READINGS[reading](draw) for draw in found[name]]))

    left = "share of R²(M_skew) left with one course a unit"
    return [
        cs.Claim(*mean(ROTATION), 0.952, 1.0, INDEPENDENT.format("0.976", 0.024)),
        cs.Claim(f"{ROTATION}: frequency (Hz)", turning[ROTATION].found.main_frequency, 1.44, 1.56, f"planted: {FREQUENCY} Hz, within 4 %"),
        cs.Claim(*mean(CIRCUIT[2]), 0.66, 0.91, INDEPENDENT.format("0.76, 0.81 (two circuits)", 0.1)),
        cs.Claim(*mean(CIRCUIT[6]), 0.15, 0.45, INDEPENDENT.format("0.29, 0.31 (two circuits)", 0.15)),
        cs.Claim(*mean(CIRCUIT[20]), 0.1, 0.25, INDEPENDENT.format("0.18, 0.16 (two circuits)", 0.08)),
        cs.Claim(*mean(PERMUTED), 0.0, 0.04, INDEPENDENT.format("0.02", 0.02)),
        cs.Claim(*mean(DECAY), 0.0, 0.03, INDEPENDENT.format("0.014", 0.01)),
        cs.Claim(*mean(SMOOTH), 0.0, 0.1, INDEPENDENT.format("0.051", 0.05)),
        cs.Claim(*mean(SMOOTH, RATIO, ", although nothing rotates"), 0.65, 0.95, INDEPENDENT.format("0.80", 0.15)),
        cs.Claim(*mean(TUNED[0.0]), -1e-3, 1e-3, "closed form: 0, states and velocities are parallel"),
        cs.Claim(*mean(TUNED[0.05]), 0.436, 0.736, INDEPENDENT.format("0.586", 0.15)),
        cs.Claim(*mean(TUNED[0.1]), 0.809, 1.0, INDEPENDENT.format("0.909", 0.1)),
        cs.Claim(
            f"{TUNED[0.1]}: p-value by permuting conditions, although nothing drives anything",
            turning[TUNED[0.1]].p(cs.measures.SHUFFLED),
            0.0,
            0.05,
            "they follow one hand, so that units are not independent, which is what it tests",
        ),
        *(
            cs.Claim(f"{name}: p-value by reversing time", turning[name].p(cs.measures.REVERSED), 0.0, 0.05, source)
            for name, source in ((ROTATION, "planted: all conditions rotate in one direction"), (TUNED[0.1], "they do rotate, without dynamics"))
        ),
        *(cs.Claim(f"{name}: {left}", share[name], 1 - 1e-6, 1 + 1e-6, "closed form: nothing else is in it") for name in (TUNED[0.1], PEAKS)),
        cs.Claim(f"{ROTATION}: {left}", share[ROTATION], 0.0, 0.1, "a unit in a plane has two courses, cos, sin"),
    ]


def _answer(turning: Mapping[str, cs.measures.Turning]) -> str:
    def told(name: str) -> str:
        data = turning[name]
        return f"{name} {data.found.r2_skew:.2f}, {data.nulls[cs.measures.ONE_COURSE][0]:.2f}, {data.nulls[cs.measures.ENTROPY].mean():.2f}"

    names = [name for name in DRAWN if name in turning]
    largest = {kind: max(turning[name].p(kind) for name in names) for kind in (cs.measures.SHUFFLED, cs.measures.REVERSED)}
    return (
        f"R²(M_skew) found, left when every unit has but one time course, and of tensor maximum entropy surrogates: {'; '.join(map(told, names))}. "
        f"Where the second is as large as the first, rotation is no evidence of dynamics. That units are independent (conditions permuted) has "
        f"p ≤ {largest[cs.measures.SHUFFLED]:.2g} for all, that conditions are normal draws, alike forwards and backwards, "
        f"p ≤ {largest[cs.measures.REVERSED]:.2g}."
    )


def _pictures(turning: Mapping[str, cs.measures.Turning]) -> dict[str, cs.Picture]:
    names = list(turning)
    skews = np.array([[data.found.r2_skew, *(null.mean() for null in data.nulls.values())] for data in turning.values()])
    values = np.array([[read(data.found) for read in READINGS.values()] for data in turning.values()])
    surrogates = list(next(iter(turning.values())).nulls)
    return {
        "surrogates": cs.Picture(
            cs.figures.annotated(skews, names, ["found", *surrogates], label="R²(M_skew)", low=0.0), "Rotation, and what is left of it in surrogates",
            "Share of the flow that is rotation, in each data set and on average in its surrogates. One course a unit: every unit keeps its best "
            "single time course, scaled by condition, so that units peak one after another and no state drives the next.",
        ),
        "readings": cs.Picture(
            cs.figures.annotated(values, names, list(READINGS), label="share of variance", low=0.0), "Never the ratio alone",
            "All readings of jPCA: smooth noise and permuted conditions have as high a ratio as a rotation, of a flow that explains nothing.",
        ),
        "planes": cs.Picture(
            cs.figures.rotation_planes({name: turning[name].found for name in DRAWN if name in turning}), "What rotations look like",
            "The plane of most rotation. Of what was simulated only the first three are dynamical systems.",
        ),
    }  # fmt: skip


def _methods() -> str:
    return f"""
    Every data set has {CONDITIONS} conditions, {BINS} bins of {cs.tasks.BIN * 1e3:g} ms; a recording has its own conditions, from
    {WINDOW[0] * 1e3:g} to {WINDOW[1] * 1e3:g} ms around movement onset if no window is given. Units of circuits and recordings are divided by their
    range plus {cs.analysis.SOFT_SHARE:g} of the
    median range; the mean over conditions is removed at each time; {cs.analysis.JPCA_AXES} principal components of the window, or as many as are
    spanned, are analysed. Velocities are forward differences; the rotational flow is the exact least-squares one. The circuit is released from random
    mixtures of the k states it amplifies most (s.d. {cs.analysis.STATE_SD:g} Hz over units). Tuned cells are scaled by the cosine of direction and
    follow the speed of the hand, with latencies of the standard deviation given.

    Surrogates with a p-value: conditions permuted for each unit (null: units are independent of each other); contrasts of the conditions reflected
    about their first state (activity sets out from a state in either direction alike) or reversed in time (it is as likely forwards as backwards, as
    if nothing rotates in a direction that conditions share), each with probability 1/2. Both tests of contrasts are exact if conditions vary about
    their mean as independent draws from one normal distribution. Surrogates that are compared with and give none: phases of the Fourier components
    of a condition randomised, the same for all units, treating the window as one period; the maximum-entropy distribution with the covariances over
    conditions, over times and over units (Elsayed & Cunningham 2017), fitted to the analysed states; and every unit reduced to one time course scaled
    by condition. {NULLS} draws of each except the last, which is deterministic. Intervals come from random subsets of
    three quarters of the conditions, with axes and flow found anew in each. Claims on random data are on means of {DRAWS} draws.
    """
