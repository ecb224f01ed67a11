"""Does a simulated motor cortex fire like a recorded one?

Reproduces  rates and asynchronous irregular firing of the layered motor cortex of Dura-Bernal et al. (2023) Cell Reports 42:112574, as a network
            of integrate-and-fire neurons; statistics of spikes of a recording beside it, where one is given.
Claim       every population fires within a factor of two of the calibration, irregularly (CV2 above 0.5), and without population bursts (Fano
            factor of the network's count in 5 ms bins below 10, where the published gains give 300 and more).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "dura_bernal_2023_lif"
TRIALS, DURATION = 20, 1.5  # trials, and s of each
SMALL = (2, 1.1)  # trials and s of a smoke run
TRANSIENT = 0.3  # s at the start of each simulated trial that are not looked at
COUNTING = 0.4  # s that spikes are counted in, on both sides: the delay of the Shenoy lab's recording
UNITS, SLOWEST = 61, 0.5  # units drawn from the simulation, and the rate in Hz they fire at or above, where no recording says so
NULLS, SMOKE_NULLS, SMOOTHED_NULLS = 20, 3, 10  # the last of co-smoothing
DEEP = "5B"  # ending of the populations that an electrode in layer 5B would meet

RECORDING, LAYERS, LAYER = "recording", "simulated, all layers", "simulated, layer 5B"
MEASURES = {"mean rate (Hz)": "rate", "CV2": "cv2", "Fano factor": "fano", "count correlation": "correlation"}
CO_SMOOTHING = "co-smoothing (bits per spike)"
SYNCHRONY, NETWORK = "5 ms synchrony", "5 ms synchrony of whole populations"
INDEPENDENT = {"CV2": 1.0, "Fano factor": 1.0, "count correlation": 0.0, SYNCHRONY: 1.0}
SURROGATE = "Poisson units of the same rates in each condition"
SAME = "a surrogate of the same rates has the same rate"
NO_CEILING = "nothing is predicted trial by trial; the recording's own value has its interval beside it"

FACTOR = 2.0  # between the rate of a population and the calibration's: 0.57 to 1.35 in four draws of the network, one trial each
BURSTS = 10.0  # Fano factor of the whole network's count in 5 ms
IRREGULAR = (0.5, 1.5)  # CV2
CALIBRATED = "calibration run of the card (an independent implementation, another draw of the network), within a factor of two"
ASYNCHRONOUS = "calibration run of the card: 2.4; with stronger excitation the same network bursts at 300 to 5000"
BETWEEN = "bound of this protocol: nearer to a Poisson process (1) than to a clock (0)"
CLOSED = "closed form: 1 for Poisson units, give or take five standard errors"


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False, recording: str | Path | None = None) -> cs.Report:
    """Simulate spontaneous activity, draw as many units as were recorded, and put the statistics of their spikes side by side.

    Args:
        model: spiking circuit.
        seed: of every random choice; the circuit's own connections follow ``model.seed``.
        smoke: few and short trials: shows that everything runs, its numbers mean nothing.
        recording: spikes of single trials to be compared with.

    Raises:
        OptionError: the model does not spike.
        TrialsError: the recording holds no spikes.
    """
    seconds: dict[str, float] = {}
    draws = SMOKE_NULLS if smoke else NULLS
    with cs.timed(seconds, "simulation"):
        simulated = _simulated(model, seed, smoke)
    recorded = None if recording is None else _recorded(Path(recording))
    with cs.timed(seconds, "statistics"):
        sides = _matched(simulated, recorded, seed)
        found = {name: cs.analysis.spike_statistics(trials, seed=seed) for name, trials in sides.items()}
        wanted = INDEPENDENT if recorded is None else _estimates(found[RECORDING])
        scores = [score for name in sides for score in _scores(name, sides[name], found[name], wanted, draws, seed)]
        whole = cs.analysis.spike_statistics(simulated, seed=seed)
        scores += _network_scores(simulated, whole, draws, seed)
    with cs.timed(seconds, "co-smoothing"):
        scores += _co_smoothed(sides, seed)
    claims = _control(simulated, seed) + (_claims(model, whole, smoke) if model.name == MODEL else [])
    return cs.Report(
        title=QUESTION, question=f"Simulated: {model.title} ({model.paper}).", answer=_answer(found, whole), claims=claims, scores=scores,
        pictures=_pictures(model, simulated, sides, found, scores, seed),
        trials={"simulated": simulated} | ({} if recorded is None else {RECORDING: recorded}), models={"circuit": model},
        methods=_methods(sides), facts=_facts(model, simulated, sides, found), smoke=smoke, absent=_absent(recorded), seed=seed, seconds=seconds,
    )  # fmt: skip


def _simulated(model: cs.SpikingModel, seed: int, smoke: bool) -> cs.Trials:
    """Spikes of the circuit left to itself, once it has settled."""
    if model.kind != "spiking":
        raise cs.errors.OptionError(f"{model.name}: is of kind {model.kind!r}; this protocol needs a spiking circuit, such as {MODEL}.")
    trials, duration = SMALL if smoke else (TRIALS, DURATION)
    return cs.simulate(model, cs.tasks.spontaneous(duration, trials), seed=seed).window(TRANSIENT, duration)


def _recorded(path: Path) -> cs.Trials:
    """The start of every recorded trial."""
    trials = cs.read(path)
    if "spike_time" not in trials.dataset:
        raise cs.errors.TrialsError(f"{path}: holds rates; this protocol needs the time of every spike in single trials.")
    start = float(trials.time[0])
    return trials.window(start, min(start + COUNTING, float(trials.stop.min())))


def _matched(simulated: cs.Trials, recorded: cs.Trials | None, seed: int) -> dict[str, cs.Trials]:
    """As many units on every side, in trials of one length; a neuron slower than any recorded one would not have been recorded."""
    duration = COUNTING if recorded is None else recorded.time.size * recorded.bin
    number, slowest = (
        (UNITS, SLOWEST) if recorded is None else (recorded.shape[2], float(cs.analysis.spike_statistics(recorded, paired=2).rate.min()))
    )
    pieces, rng = _cut(simulated, duration), cs.stream(seed, "analysis", "pieces of a recording")
    fast = np.bincount(pieces.spikes.unit, minlength=pieces.shape[2]) >= max(slowest * duration * pieces.shape[0], 1)
    deep = np.char.endswith(pieces.population.astype(str), DEEP)
    sides = {} if recorded is None else {RECORDING: recorded}
    for name, members in ((LAYERS, np.ones(len(deep), dtype=bool)), (LAYER, deep)):
        eligible = np.flatnonzero(fast & members)
        if eligible.size:
            sides[name] = pieces.units(np.sort(rng.choice(eligible, min(number, eligible.size), replace=False)))
    return sides


def _cut(trials: cs.Trials, duration: float) -> cs.Trials:
    """Consecutive pieces of every trial, as trials of their own."""
    start, bins = float(trials.time[0]), round(duration / trials.bin)
    pieces = max(1, int((trials.stop.min() - start) / duration + 1e-6))
    when, unit, trial = trials.spikes
    place = np.floor((when - start) / duration + 1e-9).astype(int)
    kept = place < pieces
    where = ((when - start - place * duration)[kept], unit[kept], (trial * pieces + place)[kept])
    return cs.Trials.from_spikes(
        where, trials.bin * np.arange(bins), units=trials.shape[2], condition=np.repeat(trials.condition, pieces), population=trials.population,
        provenance=trials.provenance | {"pieces": pieces},
    )  # fmt: skip


def _estimates(found: cs.analysis.SpikeStatistics) -> dict[str, float]:
    return {label: found.mean(key) for label, key in MEASURES.items()} | {SYNCHRONY: found.synchrony[cs.analysis.ALL_UNITS]}


def _surrogate(trials: cs.Trials, seed: int, draw: int) -> cs.Trials:
    return cs.statistics.poisson_surrogate(trials, seed=cs.seed_of(seed, "null", "surrogates of spike_statistics", draw))


def _scores(name: str, trials: cs.Trials, found: cs.analysis.SpikeStatistics, wanted: Mapping[str, float], draws: int, seed: int) -> list[cs.Score]:
    """Every statistic of one side; ``wanted`` names those that there is a value to be close to."""
    null = [_estimates(cs.analysis.spike_statistics(_surrogate(trials, seed, draw), seed=seed)) for draw in range(draws)]
    scores = []
    for label, estimate in _estimates(found).items():
        if label not in wanted:
            continue
        over, having, evaluate = _left_out(label, trials, found)
        surrogates = None if label == "mean rate (Hz)" else np.array([one[label] for one in null])
        interval = cs.statistics.jackknifed(evaluate, having) if having >= 3 else None
        scores.append(cs.Score(
            label, name, f"{trials.shape[0]} trials of {trials.time.size * trials.bin * 1e3:g} ms", estimate, "closer", wanted[label],
            surrogates, SAME if surrogates is None else SURROGATE, interval, over if interval else f"{having} {over} have one; 3 are needed",
            ceiling_reason=NO_CEILING, settings={"drawn": trials.shape[2], over: having},
        ))  # fmt: skip
    return scores


def _left_out(label: str, trials: cs.Trials, found: cs.analysis.SpikeStatistics) -> tuple[str, int, Callable[[np.ndarray], float]]:
    """What is left out in turn for the interval of a statistic, how many of them there are, and the statistic of those that are kept."""
    if label == SYNCHRONY:
        return "trials", trials.shape[0], lambda kept: cs.analysis.population_synchrony(trials.select(kept))
    key = MEASURES[label]
    values = found.correlation if key == "correlation" else np.atleast_2d(getattr(found, key))
    having = np.flatnonzero(np.isfinite(values).any(axis=0))
    having = found.paired[having] if key == "correlation" else having
    return "units", len(having), lambda kept: found.mean(key, having[kept])


def _network_scores(simulated: cs.Trials, whole: cs.analysis.SpikeStatistics, draws: int, seed: int) -> list[cs.Score]:
    """Synchrony of whole populations, with trials left out in turn."""
    surrogates = [_surrogate(simulated, seed, draw) for draw in range(draws)]
    count, scores = simulated.shape[0], []
    shorter = [simulated.select(np.delete(np.arange(count), left)) for left in range(count)]
    for name, estimate in whole.synchrony.items():
        null = np.array([cs.analysis.population_synchrony(one, population=name) for one in surrogates])
        without = [cs.analysis.population_synchrony(one, population=name) for one in shorter]

        def evaluate(kept: np.ndarray, without: Sequence[float] = without, estimate: float = estimate) -> float:
            return estimate if len(kept) == count else without[np.setdiff1d(np.arange(count), kept)[0]]

        interval, over = (cs.statistics.jackknifed(evaluate, count), "trials") if count >= 3 else (None, f"{count} trials; 3 are needed")
        units = int(((simulated.population == name) | (name == cs.analysis.ALL_UNITS)).sum())
        scores.append(cs.Score(
            NETWORK, name, f"{count} trials", estimate, "closer", 1.0, null, SURROGATE, interval, over, ceiling_reason=NO_CEILING,
            settings={"units": units},
        ))  # fmt: skip
    return scores


def _co_smoothed(sides: Mapping[str, cs.Trials], seed: int) -> list[cs.Score]:
    """What three quarters of the units tell of the spikes of the rest; sides with too few trials to leave some out have none."""
    enough = {name: one for name, one in sides.items() if np.unique(one.condition, return_counts=True)[1].min() >= cs.analysis.DECODING_FOLDS}
    found = {name: cs.analysis.co_smoothing(trials, seed=seed) for name, trials in enough.items()}
    return [
        cs.Score(
            CO_SMOOTHING,
            name,
            f"{len(one.gain)} trials",
            one.bits,
            "closer",
            found[RECORDING].bits if RECORDING in found else 0.0,
            np.array([cs.analysis.co_smoothing(_surrogate(enough[name], seed, draw), seed=seed).bits for draw in range(SMOOTHED_NULLS)]),
            SURROGATE,
            cs.statistics.jackknifed(one.of, len(one.gain)),
            "trials",
            ceiling_reason="other units' spikes are no model of the rates",
        )
        for name, one in found.items()
    ]


def _claims(model: cs.SpikingModel, whole: cs.analysis.SpikeStatistics, smoke: bool) -> list[cs.Claim]:
    """What the calibrated motor cortex should do; another circuit makes no such claims."""
    summary = whole.summary()
    factors = {name: max(summary[name].rate / rate, rate / max(summary[name].rate, 1e-9)) for name, rate in _reference(model).items()}
    worst = max(factors, key=lambda name: factors[name])
    rates = cs.Claim(
        f"simulated: largest factor between a population's rate and the calibration's ({worst})", factors[worst], 1.0, FACTOR, CALIBRATED
    )
    return [
        cs.Claim(
            "simulated: synchrony of the whole network (Fano factor in 5 ms bins)", whole.synchrony[cs.analysis.ALL_UNITS], 0.5, BURSTS, ASYNCHRONOUS
        ),
        cs.Claim("simulated: mean CV2", whole.mean("cv2"), *IRREGULAR, BETWEEN),
    ] + ([] if smoke else [rates])


def _control(simulated: cs.Trials, seed: int) -> list[cs.Claim]:
    """What must come out for the surrogate, or the chain from spikes to numbers is broken."""
    found = cs.analysis.spike_statistics(cs.statistics.poisson_surrogate(simulated, seed=seed), paired=2)
    bins = simulated.shape[0] * round(simulated.time.size * simulated.bin / cs.analysis.SYNCHRONY_BIN)
    cells = max(1, np.isfinite(found.fano).sum())
    errors = {"synchrony": float(np.sqrt(2 / (bins - 1))), "Fano factor": float(np.sqrt(2 / (simulated.shape[0] - 1) / cells))}
    values = {"synchrony": found.synchrony[cs.analysis.ALL_UNITS], "Fano factor": found.mean("fano")}
    return [cs.Claim(f"surrogate: {name}", values[name], 1 - 5 * error, 1 + 5 * error, CLOSED) for name, error in errors.items()]


def _reference(model: cs.SpikingModel) -> dict[str, float]:
    return {name: float(part.rate.si) for name, part in model.populations.items() if part.rate is not None}


def _pictures(
    model: cs.SpikingModel,
    simulated: cs.Trials,
    sides: Mapping[str, cs.Trials],
    found: Mapping[str, cs.analysis.SpikeStatistics],
    scores: Sequence[cs.Score],
    seed: int,
) -> dict[str, cs.Picture]:
    summary = cs.analysis.spike_statistics(simulated, paired=2).summary()
    rates = {name: one.rate for name, one in summary.items() if name != cs.analysis.ALL_UNITS or len(summary) == 1}
    first = next(iter(sides))
    shown = dict(found) | {f"{first}, Poisson surrogate": cs.analysis.spike_statistics(cs.statistics.poisson_surrogate(sides[first], seed=seed))}
    drawn = [score for score in scores if score.measure != NETWORK]
    busy = [name for name in summary if name.endswith(DEEP)] or [cs.analysis.ALL_UNITS]
    spectra = {name: cs.analysis.population_spectrum(simulated, population=name) for name in busy}
    flat = {name: 2 * summary[name].rate / summary[name].units for name in busy}
    return {
        "scores": cs.Picture(
            cs.figures.score_panels(drawn, list(dict.fromkeys(s.measure for s in drawn))),
            "Statistics side by side",
            "Dots: mean over units, or Fano factor of their summed count; lines: 95 % jackknife interval over units, or trials; grey bands: 95 % of "
            f"the surrogates ({SURROGATE}); dashed: {'the recording' if RECORDING in found else 'independent Poisson units'}.",
        ),
        "distributions": cs.Picture(
            cs.figures.distributions(shown),
            "Every unit",
            "Cumulative distributions over units (Fano factors: units and conditions; correlations: pairs); dots: medians; dotted: Poisson. CV2 of "
            f"units with {cs.analysis.CORRELATED_PAIRS} pairs of intervals or more, Fano factors where the mean count is above "
            f"{cs.analysis.COUNT_WINDOW:g}.",
        ),
        "rates": cs.Picture(
            cs.figures.rate_bars(rates, reference=_reference(model), tolerance=0.25, source="card"),
            "Rates of the populations",
            "Bars: mean over all neurons and trials; lines: the rate that the card gives for the population, with a quarter of it shaded.",
        ),
        "raster": cs.Picture(
            cs.figures.raster(simulated, seed=seed), "Simulated spikes", "One trial; neurons drawn at random, as many of each population."
        ),
        "rhythm": cs.Picture(
            cs.figures.power_spectrum(spectra, flat=flat),
            "Rhythms of the population rate",
            f"Welch's method on the mean rate in {cs.analysis.SPECTRUM_BIN * 1e3:g} ms bins, averaged over trials; "
            "dashed: independent Poisson units.",
        ),
    }


def _answer(found: Mapping[str, cs.analysis.SpikeStatistics], whole: cs.analysis.SpikeStatistics) -> str:
    def line(name: str) -> str:
        one = found[name]
        return f"{one.mean('rate'):.1f} Hz, CV2 {one.mean('cv2'):.2f}, Fano factor {one.mean('fano'):.2f}, correlation {one.mean('correlation'):.3f}"

    synchrony = f"The Fano factor of the whole network's count in {whole.bin * 1e3:g} ms bins is {whole.synchrony[cs.analysis.ALL_UNITS]:.1f}."
    if RECORDING not in found:
        return f"Units drawn from all layers fire at {line(LAYERS)}; independent Poisson units have CV2 1, Fano factor 1, correlation 0. {synchrony}"
    return f"Recorded units fire at {line(RECORDING)}; as many drawn from all simulated layers at {line(LAYERS)}. {synchrony}"


def _facts(
    model: cs.SpikingModel, simulated: cs.Trials, sides: Mapping[str, cs.Trials], found: Mapping[str, cs.analysis.SpikeStatistics]
) -> dict[str, str]:
    (count, bins, units), width = simulated.shape, simulated.bin
    facts = {"simulated": f"{model.name}, {units} neurons, {count} trials of {bins * width:g} s"}
    for name, one in found.items():
        facts[name] = f"{sides[name].shape[2]} units, {sides[name].shape[0]} trials; "
        facts[name] += f"medians: CV2 {cs.report.number(one.median('cv2'))}, Fano factor {cs.report.number(one.median('fano'))}"
    return facts


def _absent(recorded: cs.Trials | None) -> tuple[str, ...]:
    movement = "Decoding of the movement, and tuning: the circuit is left to itself, so its trials have one condition."
    if recorded is not None:
        return (movement,)
    return (
        "A recording: none was given, so the null is all there is to compare with. --recording takes a table of spikes (.npz) or NWB; with it, as "
        "many units are drawn from the circuit as were recorded, and counted in the same window.",
        movement,
    )


def _methods(sides: Mapping[str, cs.Trials]) -> str:
    first = next(iter(sides.values()))
    return f"""
    The circuit was left to itself in Brian2; the first {TRANSIENT * 1e3:g} ms of each trial were dropped. To measure both sides alike, simulated
    trials were cut into pieces of {first.time.size * first.bin * 1e3:g} ms, and of the neurons that fire at least as fast as the slowest recorded
    unit (without a recording: {SLOWEST:g} Hz) as many were drawn at random as were recorded (without: {UNITS}).

    Statistics are elephant's. CV2 is pooled over trials and never reaches across the end of one, so of a slow neuron that fires in bursts short
    pieces hold the pairs within bursts, which makes it lower than over whole trials; for Poisson units it is 1 in both. Fano factors are of counts
    over the trials of one condition, with the unbiased variance; correlations are of counts with the mean of each condition removed. Synchrony is the
    Fano factor of the summed count in {cs.analysis.SYNCHRONY_BIN * 1e3:g} ms bins, so it grows with the number of units: compare sides of equal size
    only. Whatever changes rates from trial to trial or over time adds to Fano factors and synchrony; the surrogate keeps the rate of each unit in
    each condition and nothing else. Co-smoothing: a quarter of the units is predicted from the smoothed spikes of the others, by Poisson regressions
    on other trials; bits per spike beyond the mean rate of each unit.
    """
