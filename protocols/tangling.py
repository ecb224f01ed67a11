"""Is a population less tangled than the muscles it drives, and does this show that it generates its movement by itself?

Reproduces  trajectory tangling (Russo et al. 2018 Neuron 97:953) on closed forms, on a stability-optimised circuit and its muscles, on networks that
            were trained on the circuit, and on tuned cells that have no dynamics; with a recording, motor cortex and the hand.
Claim       the closed forms are reproduced; the circuit is less tangled than its muscles most of the time, but nearly as often less tangled than
            random projections of it that are rectified as muscles are; the report says whether cells without dynamics pass as well.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TRAINING, TESTED, SMALL, SMALL_UNITS = 330, 27, (60, 6), 30  # reaches taught, reaches looked at; both of a smoke run, and units there
WINDOW = (-0.2, 0.4)  # s about movement onset, in a recording
MUSCLES, DRIVEN = 8, 50  # planted muscles, each driven by this many neurons
PROJECTIONS, SMOKE_PROJECTIONS = 100, 3  # sets of as many random projections
LATENCY, UNITS = 0.1, 60  # s, and tuned cells without dynamics
CIRCUIT, TUNED, RECORDING, MUSCLE = "circuit", "tuned cells ± 100 ms", "recording", "muscle"
STUDENTS = {
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=25, rate=5e-3)),
    "hidden units": ("leaky_readout", cs.Options(epochs=60, rate=5e-3)),
    "GRU": ("gru", cs.Options(epochs=60, rate=5e-3)),
}
BELOW, TOP = "share of times at which it is less tangled than its muscles", "90th percentile of tangling (1/s²)"
OUTPUT, TRANSFER = "R² of muscles", "R² of muscles through the circuit's decoder"
PERCENTILE, SAMPLES, CIRCLE, CROSSING, LIFTED = 90, 2000, 4 / 4.1, 40.0, 11.68  # of the closed forms
READINGS: Mapping[str, Callable[[cs.analysis.Tangled], float]] = {
    BELOW: lambda found: found.below_outputs, TOP: lambda found: float(np.nanpercentile(found.own, PERCENTILE)),
}  # fmt: skip
CLOSED, BOUND = "closed form", "bound of this protocol"
Source = cs.trials.Source


@threadpool_limits.wrap(limits=1)
def run(
    model: cs.Model, *, seed: int = 0, smoke: bool = False, recording: Source | None = None, muscles: Source | None = None, hand: str | None = None
) -> cs.Report:
    """Compare the tangling of populations with that of the muscles they drive.

    Args:
        model: circuit whose reaches are analysed and used for training.
        seed: of every random choice.
        smoke: few units, reaches and epochs: shows that everything runs; its numbers mean nothing.
        recording: condition averages around movement onset that cover the window, with muscles or, in their place, the hand.
        muscles: averages of muscles recorded elsewhere in the same number of conditions, instead of the recording's own.
        hand: series of the recording to use in place of muscles, such as hand_pos; without muscles, hand, hand_pos or pos if omitted.

    Raises:
        OptionError: muscles or a hand are given without a recording, or both.
    """
    if (muscles or hand) and recording is None:
        raise cs.errors.OptionError(f"tangling: {'muscles stand' if muscles else 'a hand stands'} beside a recording; give one with --recording.")
    seconds: dict[str, float] = {}
    recorded, beside = ({}, "") if recording is None else _recorded(cs.trials.Recording.of(recording), muscles, hand)
    model = cs.edit.shrunk(model, SMALL_UNITS) if smoke else model
    count = SMOKE_PROJECTIONS if smoke else PROJECTIONS
    with cs.timed(seconds, "circuit"):
        training, test = cs.analysis.delayed_reaches(model, SMALL if smoke else (TRAINING, TESTED), seed=seed)
    with cs.timed(seconds, "training"):
        students = {name: (cs.load(card), cs.Options(epochs=2) if smoke else options) for name, (card, options) in STUDENTS.items()}
        jobs = cs.fitting.students_of(model, students, training.trials, training.task, seed=seed)
        fitted = cs.fitting.train_many({name: jobs[name] for name in (list(jobs)[:2] if smoke else jobs)})
    runs = {CIRCUIT: test.trials} | {name: cs.simulate(student.model, test.task, seed=seed) for name, student in fitted.items()}
    drive = _drive(training.trials.rate, seed)
    systems = {name: (trials.rate, drive(trials.rate)) for name, trials in runs.items()} | {TUNED: _tuned(seed)} | recorded
    with cs.timed(seconds, "tangling"), cs.track("tangling") as report:
        found = {}
        for number, (name, (rates, driven, *lasting)) in enumerate(systems.items()):
            report(number / len(systems), name)
            how = {"rng": cs.stream(seed, "analysis", "projections of tangling"), "rectified": name != RECORDING or MUSCLE in beside}
            found[name] = cs.analysis.Tangled.of(rates, driven, cs.tasks.BIN, sets=count, lasting=lasting[0] if lasting else None, **how)
    with cs.timed(seconds, "scores"):
        scores = _scores(found) + _outputs({name: found[name] for name in runs}, seed, count)
    return cs.Report(
        title=QUESTION, question=f"Circuit: {model.title} ({model.paper}), {MUSCLES} muscles that it drives, and networks taught its reaches.",
        answer=_answer(found), claims=_closed_forms() + ([] if smoke else _claims(found)), scores=scores,
        pictures=_pictures(found, runs, beside) | cs.figures.learning_pictures(fitted), trials=runs,
        models={CIRCUIT: model} | {name: student.model for name, student in fitted.items()}, methods=_methods(),
        facts={"circuit": f"{model.name}, {model.units} units"} | {name: cs.trials.Recording.of(recording).looked_at(WINDOW) for name in recorded}
        | ({"beside the recording": beside} if recorded else {}), smoke=smoke, seed=seed, seconds=seconds,
        absent=[*cs.fitting.own_class_absent(model, fitted, ("own gain",)), *([] if recorded else ["A recording: give one with --recording."])],
    )  # fmt: skip


def _recorded(path: cs.trials.Recording, muscles: Source | None, hand: str | None) -> tuple[dict[str, tuple[np.ndarray, ...]], str]:
    """Return rates with muscles or the hand and the times at which both last, and which of them it is; movements may differ in length."""
    window = path.window(WINDOW)
    trials, (outputs, beside) = cs.trials.read_window(path, *window), cs.analysis.recorded_outputs(path, window, muscles, hand=hand)
    trials = trials.window(*window, short=True)
    if trials.shape[:2] != outputs.shape[:2]:
        raise cs.errors.TrialsError(f"{path}: {trials.shape[0]} conditions of rates and {outputs.shape[0]} of outputs last beyond {window[0]:g} s.")
    return {RECORDING: (trials.padded, outputs.padded, trials.lasting & outputs.lasting)}, beside


def _drive(trained: np.ndarray, seed: int) -> Any:
    """Return muscles: rectified sums of random neurons with random weights, with their mean over training reaches as threshold."""
    rng = cs.stream(seed, "task", "muscles of tangling")
    weights = cs.measures.driven_by_few(rng, units=trained.shape[2], outputs=MUSCLES, drivers=DRIVEN)
    mean, scale = (trained @ weights).mean(axis=(0, 1)), (trained @ weights).std(axis=(0, 1))
    return lambda rates: np.maximum((rates @ weights - mean) / scale, 0.0)


def _tuned(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cells tuned to velocity with various latencies, and muscles driven by them."""
    rng = cs.stream(seed, "analysis", "velocity-tuned cells of tangling")
    rates = cs.measures.velocity_tuned(rng, latency=LATENCY, conditions=TESTED, bins=60, units=UNITS, dt=cs.tasks.BIN)
    return rates, _drive(rates, seed)(rates)


def _scores(found: Mapping[str, cs.analysis.Tangled]) -> list[cs.Score]:
    scores = []
    for name, system in found.items():
        value, interval = {label: read(system) for label, read in READINGS.items()}, system.intervals(cs.tasks.BIN, READINGS)
        score = partial(cs.Score, student=name, split=f"{len(system.rates)} conditions", interval_over="subsets of the conditions")
        scores += [
            score(BELOW, estimate=value[BELOW], better="higher", identical=1.0, interval=interval[BELOW],
                  null=system.below_projections, surrogate="as many random projections of the population, rectified as muscles are",
                  ceiling_reason="a share of times; nothing is predicted"),
            score(TOP, estimate=value[TOP], better="closer", identical=READINGS[TOP](found[CIRCUIT]), interval=interval[TOP],
                  null=np.nanpercentile(system.projected, PERCENTILE, axis=(1, 2)), surrogate="random projections, as many as muscles",
                  ceiling_reason="one noiseless or averaged trial per condition"),
        ]  # fmt: skip
    return cs.statistics.by_measure(scores)


def _outputs(systems: Mapping[str, cs.analysis.Tangled], seed: int, nulls: int) -> list[cs.Score]:
    """Return how well students drive the circuit's muscles: by the circuit's own weights, and through a decoder fitted to the circuit."""
    truth, count = systems[CIRCUIT], len(systems[CIRCUIT].rates)
    middle = truth.outputs.mean(axis=(0, 1))
    measures: dict[str, Callable[[np.ndarray, cs.analysis.Tangled], float]] = {
        OUTPUT: lambda kept, student: cs.measures.response_r2(truth.outputs[kept] - middle, student.outputs - middle),
        TRANSFER: lambda kept, student: cs.measures.decoding_transfer(truth.rates[kept], student.rates, truth.outputs[kept], seed=seed),
    }
    rng, everyone = cs.stream(seed, "null", "permuted conditions of tangling"), np.arange(count)
    orders = [rng.permutation(count) for _ in range(nulls)]
    parts = cs.statistics.subsets(count, share=cs.statistics.LEARNED)
    return [
        cs.Score(label, name, f"{count} held-out reaches", measure(everyone, student), "higher", 1.0,
                 np.array([measure(everyone, student.select(order)) for order in orders]), cs.statistics.PERMUTATION,
                 cs.statistics.subsampled(lambda kept, student=student, measure=measure: measure(kept, student.select(kept)), count, parts),
                 "subsets of the conditions", ceiling=measure(everyone, truth))
        for label, measure in measures.items() for name, student in systems.items() if name != CIRCUIT
    ]  # fmt: skip


def _closed_forms() -> list[cs.Claim]:
    """Return claims on a circle, a figure of eight and the same lifted, once per second; their tangling in units of the squared angular frequency."""
    phase = 2 * np.pi * np.arange(SAMPLES) / SAMPLES

    def top(*coordinates: np.ndarray, dt: float = 1 / SAMPLES) -> float:
        inner = cs.analysis.tangling(np.stack(coordinates, axis=1)[None], dt)[0, 2:-2]  # one-sided derivatives at the ends
        return float(inner.max() / (2 * np.pi) ** 2)

    circle, eight = (np.cos(phase), np.sin(phase)), (np.sin(phase), np.sin(2 * phase))
    return [
        cs.Claim("tangling of a circle / ω²", top(*circle), 0.999 * CIRCLE, 1.001 * CIRCLE, f"{CLOSED}: 4/(4 + 0.1)"),
        cs.Claim("tangling of a figure of eight at its crossing / ω²", top(*eight), 0.999 * CROSSING, 1.001 * CROSSING, f"{CLOSED}: 4/(0.1 × 1)"),
        cs.Claim("the same, lifted by a third coordinate / ω²", top(*eight, np.cos(phase)), 0.997 * LIFTED, 1.003 * LIFTED, "another implementation"),
        cs.Claim("change of tangling by a factor of 7 in scale", top(*(7 * x for x in eight)) / top(*eight), 1 - 1e-9, 1 + 1e-9, f"{CLOSED}: none"),
        cs.Claim("change of tangling by a step twice as long", top(*eight, dt=2 / SAMPLES) / top(*eight), 0.25 - 1e-9, 0.25 + 1e-9, f"{CLOSED}: 1/4"),
    ]


def _claims(found: Mapping[str, cs.analysis.Tangled]) -> list[cs.Claim]:
    circuit = found[CIRCUIT]
    share = float(circuit.below_projections.mean() / circuit.below_outputs)
    return [
        cs.Claim(f"{CIRCUIT}: {BELOW}", circuit.below_outputs, 0.8, 1.0, f"{BOUND}; nearly all times in recordings (Russo et al. 2018)"),
        cs.Claim(
            f"{CIRCUIT}: how much of that rectified random projections of it reach", share, 0.8, np.inf, f"{BOUND}: rectification does most of it"
        ),
    ]


def _answer(found: Mapping[str, cs.analysis.Tangled]) -> str:
    told = [f"{name} {system.below_outputs:.0%} ({system.below_projections.mean():.0%})" for name, system in found.items()]
    return (
        f"Less tangled than the muscles, and in parentheses than as many random projections of itself, rectified alike: {', '.join(told)} of times. "
        "What random projections reach as well comes from being few and rectified; tuned cells have no dynamics at all."
    )


def _pictures(found: Mapping[str, cs.analysis.Tangled], runs: Mapping[str, cs.Trials], beside: str) -> dict[str, cs.Picture]:
    clouds = {name: (system.driven[system.there], system.own[system.there]) for name, system in found.items()}
    courses = {"muscles of the circuit": found[CIRCUIT].driven} | {name: found[name].own for name in runs}
    logs = {name: np.log10(np.percentile(course, PERCENTILE, axis=0)) for name, course in courses.items()}
    return {
        "clouds": cs.Picture(
            cs.figures.against(clouds, xlabel="tangling of muscles (1/s²)", ylabel="of the population (1/s²)"), "Population against muscles",
            "Every condition and time; below the dashed line the population is less tangled than the muscles it drives. In the recording, outputs "
            f"are: {beside or 'nothing'}.",
        ),
        "courses": cs.Picture(
            cs.figures.curves(runs[CIRCUIT].time * 1e3, logs, xlabel="time from the go cue (ms)", ylabel="log10 of tangling (1/s²)"),
            "Tangling over the reach", "90th percentile over conditions. Thick and pale: the muscles of the circuit; lines: populations.",
        ),
    }  # fmt: skip


def _methods() -> str:
    return f"""
    Tangling is Q(t) = max over t' of |dx(t) - dx(t')|² / (|x(t) - x(t')|² + ε) over all times and conditions, with ε a tenth of the mean squared norm
    of the centred state, on at most {cs.analysis.JPCA_AXES} principal components, for populations and muscles alike. {TESTED} held-out delayed
    reaches are analysed from the go cue on. Each of {MUSCLES} muscles is the rectified sum of {DRIVEN} random neurons with random weights,
    above its mean over training reaches. Networks drive the same muscles with their observed rates. Tuned cells follow the velocity of the hand with
    latencies of {LATENCY * 1e3:g} ms (s.d.) and have no dynamics.

    Null: random projections of the population, one per muscle, {PROJECTIONS} sets, rectified at their mean as muscles are
    (not for the hand of a recording): the comparison with any low-dimensional signal that is silent half of the time.
    Students are also judged by the muscles that they drive: by the circuit's own weights, and through a linear decoder that was fitted to the
    circuit's other reaches and is applied to the student. Intervals come from random subsets of the conditions: halves for
    tangling, which is computed anew in each, and three quarters for muscles.
    """
