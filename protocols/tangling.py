"""Is a population less tangled than the muscles it drives, and does that say that it generates its movement by itself?

Reproduces  trajectory tangling (Russo et al. 2018 Neuron 97:953) on closed forms, on a stability-optimised circuit and its muscles, on networks that
            were taught the circuit, and on tuned cells that have no dynamics; a recording of motor cortex and the hand beside them, where given.
Claim       the closed forms come out; the circuit is less tangled than its muscles most of the time, more often so than as many random projections of
            it, which shows how much of that the muscles' few dimensions do; the report says whether cells without dynamics pass as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TRAINING, TESTED, SMALL = 330, 27, (60, 6)  # reaches taught, reaches looked at, both of a smoke run
WINDOW = (-0.2, 0.4)  # s about movement onset, in a recording
MUSCLES, DRIVEN = 8, 50  # planted muscles, each driven by this many neurons
PROJECTIONS, SMOKE_PROJECTIONS = 100, 3  # sets of as many random projections
LATENCY, UNITS = 0.1, 60  # s, and tuned cells without dynamics
CIRCUIT, OWN, UNTRAINED, TUNED, RECORDING = "circuit", "own gain", "untrained", "tuned cells ± 100 ms", "recording"
STUDENTS = {
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=25, rate=5e-3)),
    "hidden units": ("leaky_readout", cs.Options(epochs=60, rate=5e-3)),
    "GRU": ("gru", cs.Options(epochs=60, rate=5e-3)),
}
BELOW, TOP = "share of times at which it is less tangled than its muscles", "90th percentile of tangling (1/s²)"
OUTPUT, TRANSFER = "R² of muscles", "R² of muscles through the circuit's decoder"
PERCENTILE, SAMPLES = 90, 2000  # of the closed forms
CIRCLE, CROSSING, LIFTED = 4 / 4.1, 40.0, 11.68
CLOSED = "closed form"
BOUND = "bound of this protocol"


@dataclass(frozen=True)
class Tangled:
    """Rates of a population, the muscles it drives, and the tangling of both and of sets of random projections of the population."""

    rates: np.ndarray
    muscles: np.ndarray
    own: np.ndarray
    driven: np.ndarray
    projected: np.ndarray

    def select(self, kept: np.ndarray) -> "Tangled":
        """Some of the conditions, or another order; tangling is not computed again."""
        return Tangled(self.rates[kept], self.muscles[kept], self.own[kept], self.driven[kept], self.projected[:, kept])


@threadpool_limits.wrap(limits=1)
def run(model: cs.Model, *, seed: int = 0, smoke: bool = False, recording: str | Path | None = None) -> cs.Report:
    """Compare the tangling of populations with that of the muscles they drive.

    Args:
        model: circuit whose reaches are looked at and taught.
        seed: of every random choice.
        smoke: few units, reaches and epochs: shows that everything runs, its numbers mean nothing.
        recording: condition averages about movement onset, with positions of the hand in the place of muscles.

    Raises:
        TrialsError: the recording does not cover the window, or holds no hand.
    """
    seconds: dict[str, float] = {}
    recorded = None if recording is None else _recorded(Path(recording))
    model = model.with_arrays({}, units=min(model.units, 30)) if smoke and not model.weights else model
    with cs.timed(seconds, "circuit"):
        training, test = cs.analysis.delayed_reaches(model, SMALL if smoke else (TRAINING, TESTED), seed=seed)
    with cs.timed(seconds, "training"):
        jobs = {OWN: cs.fitting.Job(cs.fitting.own_class(model), training.trials, training.task, seed, cs.Options(epochs=0))}
        for name, (card, options) in STUDENTS.items():
            jobs[name] = cs.fitting.Job(
                cs.fitting.with_time_constant_of(cs.load(card), model),
                training.trials,
                training.task,
                seed,
                cs.Options(epochs=2) if smoke else options,
            )
        jobs[UNTRAINED] = cs.fitting.Job(
            cs.fitting.with_time_constant_of(cs.load("leaky_tanh"), model),
            training.trials,
            training.task,
            seed,
            cs.Options(epochs=0, closed_form=False),
        )
        fitted = cs.fitting.train_many({name: jobs[name] for name in ((OWN, "leaky tanh") if smoke else jobs)})
    runs = {CIRCUIT: test.trials} | {name: cs.simulate(one.model, test.task, seed=seed) for name, one in fitted.items()}
    drive = _drive(training.trials.rate, seed)
    systems = {name: (trials.rate, drive(trials.rate)) for name, trials in runs.items()} | {TUNED: _tuned(seed)}
    systems |= {} if recorded is None else {RECORDING: recorded}
    with cs.timed(seconds, "tangling"), cs.track("tangling") as report:
        found = {}
        for number, (name, (rates, muscles)) in enumerate(systems.items()):
            report(number / len(systems), name)
            found[name] = _tangled(rates, muscles, seed, SMOKE_PROJECTIONS if smoke else PROJECTIONS)
    with cs.timed(seconds, "scores"):
        scores = _scores(found) + _outputs({name: found[name] for name in runs}, seed, SMOKE_PROJECTIONS if smoke else PROJECTIONS)
    return cs.Report(
        title=QUESTION, question=f"Circuit: {model.title} ({model.paper}), {MUSCLES} muscles that it drives, and networks taught its reaches.",
        answer=_answer(found), claims=_closed_forms() + ([] if smoke else _claims(found)), scores=scores,
        pictures=_pictures(found, runs) | cs.figures.learning_pictures(fitted), trials=runs,
        models={CIRCUIT: model} | {name: one.model for name, one in fitted.items()}, methods=_methods(),
        facts={"circuit": f"{model.name}, {model.units} units"}, smoke=smoke,
        absent=() if recorded is not None else ("A recording: give one with --recording.",), seed=seed, seconds=seconds,
    )  # fmt: skip


def _recorded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rates, and the hand's place and velocity, each over its own spread."""
    trials, place = cs.read(path), cs.trials.hand(path)
    if trials.time[0] > WINDOW[0] + cs.tasks.BIN / 2 or trials.time[-1] < WINDOW[1] - cs.tasks.BIN:
        raise cs.errors.TrialsError(f"{path}: should reach from {WINDOW[0] * 1e3:g} to {WINDOW[1] * 1e3:g} ms about movement onset.")
    kept = (trials.time > WINDOW[0] - cs.tasks.BIN / 2) & (trials.time < WINDOW[1] - cs.tasks.BIN / 2)
    moved = np.concatenate([one / one[:, kept].std() for one in (place, np.gradient(place, cs.tasks.BIN, axis=1))], axis=2)
    return trials.rate[:, kept], moved[:, kept]


def _drive(trained: np.ndarray, seed: int) -> Any:
    """Muscles: rectified sums of random neurons with random weights, about the mean of training reaches; what falls below it is silent."""
    rng = cs.stream(seed, "task", "muscles of tangling")
    units = trained.shape[2]
    weights = np.zeros((units, MUSCLES))
    for muscle in weights.T:
        chosen = rng.choice(units, min(DRIVEN, units), replace=False)
        muscle[chosen] = rng.standard_normal(len(chosen))
    mean, scale = (trained @ weights).mean(axis=(0, 1)), (trained @ weights).std(axis=(0, 1))
    return lambda rates: np.maximum((rates @ weights - mean) / scale, 0.0)


def _tuned(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells tuned to velocity with spread latencies, and muscles driven by them."""
    rng = cs.stream(seed, "analysis", "velocity-tuned cells of tangling")
    size: dict[str, Any] = {"conditions": TESTED, "bins": 60, "units": UNITS, "dt": cs.tasks.BIN}
    rates = cs.measures.velocity_tuned(rng, latency=LATENCY, **size)
    return rates, _drive(rates, seed)(rates)


def _tangled(rates: np.ndarray, muscles: np.ndarray, seed: int, count: int) -> Tangled:
    """Random projections are as many as the muscles, of units scaled to one variance, without a threshold."""
    scaled = (rates - rates.mean(axis=(0, 1))) / np.maximum(rates.std(axis=(0, 1)), 1e-9)
    rng = cs.stream(seed, "analysis", "projections of tangling")
    weights = rng.standard_normal((count, rates.shape[2], muscles.shape[2]))
    projected = np.array([cs.analysis.tangling(scaled @ one, cs.tasks.BIN) for one in weights])
    return Tangled(rates, muscles, cs.analysis.tangling(rates, cs.tasks.BIN), cs.analysis.tangling(muscles, cs.tasks.BIN), projected)


def _scores(found: Mapping[str, Tangled]) -> list[cs.Score]:
    shares, tops = [], []
    for name, one in found.items():
        without = cs.statistics.remembered(
            lambda kept, one=one: (cs.analysis.tangling(one.rates[kept], cs.tasks.BIN), cs.analysis.tangling(one.muscles[kept], cs.tasks.BIN))
        )
        count, split = len(one.rates), f"{len(one.rates)} conditions"
        shares.append(cs.Score(
            BELOW, name, split, float((one.own < one.driven).mean()), "higher", 1.0, (one.own < one.projected).mean(axis=(1, 2)),
            "as many random projections of the population in place of muscles",
            cs.statistics.jackknifed(lambda kept, without=without: float((without(kept)[0] < without(kept)[1]).mean()), count), "conditions",
            ceiling_reason="a share of times; nothing is predicted",
        ))  # fmt: skip
        tops.append(cs.Score(
            TOP, name, split, float(np.percentile(one.own, PERCENTILE)), "closer", float(np.percentile(found[CIRCUIT].own, PERCENTILE)),
            np.percentile(one.projected, PERCENTILE, axis=(1, 2)), "random projections of the population, as many as muscles",
            cs.statistics.jackknifed(lambda kept, without=without: float(np.percentile(without(kept)[0], PERCENTILE)), count), "conditions",
            ceiling_reason="one noiseless or averaged trial per condition",
        ))  # fmt: skip
    return shares + tops


def _outputs(systems: Mapping[str, Tangled], seed: int, nulls: int) -> list[cs.Score]:
    """How well students move the circuit's muscles: by the circuit's own weights, and through a decoder learned on the circuit."""
    truth = systems[CIRCUIT]
    split, count = f"{len(truth.rates)} held-out reaches", len(truth.rates)
    measures: dict[str, Callable[[np.ndarray, Tangled], float]] = {
        OUTPUT: lambda kept, one: cs.measures.response_r2(
            truth.muscles[kept] - truth.muscles.mean(axis=(0, 1)), one.muscles - truth.muscles.mean(axis=(0, 1))
        ),
        TRANSFER: lambda kept, one: cs.measures.decoding_transfer(truth.rates[kept], one.rates, truth.muscles[kept], seed=seed),
    }
    rng, everyone = cs.stream(seed, "null", "permuted conditions of tangling"), np.arange(count)
    orders = [cs.trials.derangement(count, rng) for _ in range(nulls)]
    return [
        cs.Score(
            label,
            name,
            split,
            measure(everyone, one),
            "higher",
            1.0,
            np.array([measure(everyone, one.select(order)) for order in orders]),
            cs.statistics.PERMUTATION,
            cs.statistics.jackknifed(lambda kept, one=one, measure=measure: measure(kept, one.select(kept)), count),
            "conditions",
            ceiling=measure(everyone, truth),
        )
        for label, measure in measures.items()
        for name, one in systems.items()
        if name != CIRCUIT
    ]


def _closed_forms() -> list[cs.Claim]:
    """A circle, a figure of eight and the same lifted, once a second; their tangling in units of the squared angular frequency."""
    phase = 2 * np.pi * np.arange(SAMPLES) / SAMPLES

    def top(*coordinates: np.ndarray, dt: float = 1 / SAMPLES) -> float:
        return float(
            cs.analysis.tangling(np.stack(coordinates, axis=1)[None], dt)[0, 2:-2].max() / (2 * np.pi) ** 2
        )  # one-sided derivatives at the ends

    circle, eight = (np.cos(phase), np.sin(phase)), (np.sin(phase), np.sin(2 * phase))
    return [
        cs.Claim("tangling of a circle / ω²", top(*circle), 0.999 * CIRCLE, 1.001 * CIRCLE, f"{CLOSED}: 4/(4 + 0.1)"),
        cs.Claim("tangling of a figure of eight at its crossing / ω²", top(*eight), 0.999 * CROSSING, 1.001 * CROSSING, f"{CLOSED}: 4/(0.1 × 1)"),
        cs.Claim("the same, lifted by a third coordinate / ω²", top(*eight, np.cos(phase)), 0.997 * LIFTED, 1.003 * LIFTED, "another implementation"),
        cs.Claim("change of tangling by a factor of 7 in scale", top(*(7 * x for x in eight)) / top(*eight), 1 - 1e-9, 1 + 1e-9, f"{CLOSED}: none"),
        cs.Claim("change of tangling by a step twice as long", top(*eight, dt=2 / SAMPLES) / top(*eight), 0.25 - 1e-9, 0.25 + 1e-9, f"{CLOSED}: 1/4"),
    ]


def _claims(found: Mapping[str, Tangled]) -> list[cs.Claim]:
    one = found[CIRCUIT]
    beyond = float((one.own < one.driven).mean() - (one.own < one.projected).mean())
    return [
        cs.Claim(
            f"{CIRCUIT}: {BELOW}", float((one.own < one.driven).mean()), 0.9, 1.0, f"{BOUND}; nearly all times in recordings (Russo et al. 2018)"
        ),
        cs.Claim(f"{CIRCUIT}: the same, beyond random projections", beyond, 0.0, 1.0, f"{BOUND}: muscles are no mere projections"),
    ]


def _answer(found: Mapping[str, Tangled]) -> str:
    told = [f"{name} {(one.own < one.driven).mean():.0%} ({(one.own < one.projected).mean():.0%})" for name, one in found.items()]
    return (
        f"Less tangled than the muscles, and in parentheses than as many random projections of itself: {', '.join(told)} of times. "
        "What random projections reach as well comes from having few outputs; tuned cells have no dynamics at all."
    )


def _pictures(found: Mapping[str, Tangled], runs: Mapping[str, cs.Trials]) -> dict[str, cs.Picture]:
    clouds = {name: (one.driven.ravel(), one.own.ravel()) for name, one in found.items()}
    courses = {"muscles of the circuit": found[CIRCUIT].driven} | {name: found[name].own for name in runs}
    logs = {name: np.log10(np.percentile(one, PERCENTILE, axis=0)) for name, one in courses.items()}
    return {
        "clouds": cs.Picture(
            cs.figures.against(clouds, xlabel="tangling of muscles (1/s²)", ylabel="of the population (1/s²)"), "Population against muscles",
            "Every condition and time; below the dashed line the population is less tangled than the muscles it drives. In the recording, place "
            "and velocity of the hand stand in for muscles.",
        ),
        "courses": cs.Picture(
            cs.figures.curves(runs[CIRCUIT].time * 1e3, logs, xlabel="time from the go cue (ms)", ylabel="log10 of tangling (1/s²)"),
            "Tangling over the reach", "90th percentile over conditions. Thick and pale: the muscles of the circuit; lines: populations.",
        ),
    }  # fmt: skip


def _methods() -> str:
    return f"""
    Tangling is Q(t) = max over t' of |dx(t) - dx(t')|² / (|x(t) - x(t')|² + ε) over all times and conditions, with ε a tenth of the mean squared norm
    of the centred state, on at most {cs.analysis.JPCA_AXES} principal components, of populations and muscles alike. {TESTED} delayed reaches that
    nobody was taught are looked at from the go cue on. Each of {MUSCLES} muscles is the rectified sum of {DRIVEN} random neurons with random weights,
    above its mean over training reaches. Networks drive the same muscles with their observed rates. Tuned cells follow the velocity of the hand with
    latencies of {LATENCY * 1e3:g} ms (s.d.) and have no dynamics.

    Null: as many random projections of the population as there are muscles, {PROJECTIONS} sets, without a threshold: how untangled a population is
    beside anything of so few dimensions. Students are also judged by what becomes of the circuit's muscles: by its own weights, and through a linear
    decoder that was learned on the circuit's other reaches and hears the student. Intervals leave out one condition at a time.
    """
