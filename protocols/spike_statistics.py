"""Does a simulated motor cortex fire like a recorded one?

Reproduces  rates and asynchronous irregular firing of the layered motor cortex of Dura-Bernal et al. (2023) Cell Reports 42:112574, as a network
            of integrate-and-fire neurons; with a recording, its spike statistics for comparison.
Claim       every population fires within a factor of two of the calibration, irregularly (CV2 above 0.5), and without population bursts (Fano
            factor of the network's count in 5 ms bins below 10, where the published gains give 300 and more).
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "dura_bernal_2023_lif"
TRIALS, DURATION = 20, 1.5  # trials, and s of each
SMALL = (2, 1.1)  # trials and s of a smoke run
TRANSIENT = 0.3  # s at the start of each simulated trial that are not looked at
COUNTING = 0.4  # s that spikes are counted in, on both sides: the delay of the Shenoy lab's recording
UNITS, SLOWEST = 61, 0.5  # units drawn from the simulation, and the rate in Hz they fire at or above, where no recording says so
NULLS, SMOKE_NULLS = 20, 3
DEEP = "5B"  # ending of the populations that an electrode in layer 5B would meet
RECORDING, LAYERS, LAYER = "recording", "simulated, all layers", "simulated, layer 5B"
FACTOR = 2.0  # between the rate of a population and the calibration's: 0.57 to 1.35 in four draws of the network, one trial each
BURSTS = 10.0  # Fano factor of the whole network's count in 5 ms
IRREGULAR = (0.5, 1.5)  # CV2
CALIBRATED = "calibration run of the card (an independent implementation, another draw of the network), within a factor of two"
ASYNCHRONOUS = "calibration run of the card: 2.4; with stronger excitation the same network bursts at 300 to 5000"
BETWEEN = "bound of this protocol: nearer to a Poisson process (1) than to a clock (0)"
CLOSED = "closed form: 1 for Poisson units, give or take five standard errors"


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False, recording: cs.trials.Source | None = None) -> cs.Report:
    """Simulate spontaneous activity, draw as many units as were recorded, and compare their spike statistics.

    Args:
        model: spiking circuit.
        seed: of every random choice; the circuit's own connections follow ``model.seed``.
        smoke: few and short trials: shows that everything runs; its numbers mean nothing.
        recording: spikes of single trials, for comparison.

    Raises:
        OptionError: the model does not spike.
        TrialsError: the recording contains no spikes.
    """
    seconds: dict[str, float] = {}
    draws = SMOKE_NULLS if smoke else NULLS
    recorded = {} if recording is None else {RECORDING: _recorded(cs.trials.Recording.of(recording))}
    with cs.timed(seconds, "simulation"):
        simulated = _simulated(model, seed, smoke)
    with cs.timed(seconds, "statistics"):
        sides = recorded | _matched(simulated, recorded.get(RECORDING), seed)
        found = {name: cs.analysis.spike_statistics(trials, seed=seed) for name, trials in sides.items()}
        wanted = cs.measures.spike_estimates(found[RECORDING]) if recorded else cs.measures.INDEPENDENT
        drawn = [score for name in sides
                 for score in cs.measures.spike_scores(name, sides[name], found[name], wanted=wanted, draws=draws, seed=seed)]  # fmt: skip
        whole = cs.analysis.spike_statistics(simulated, seed=seed)
        network = cs.measures.synchrony_scores(simulated, draws=draws, seed=seed)
    with cs.timed(seconds, "co-smoothing"):
        predicted = cs.measures.co_smoothing_scores(sides, RECORDING, seed=seed)
    return cs.Report(
        title=QUESTION, question=f"Simulated: {model.title} ({model.paper}).", answer=_answer(found, whole),
        claims=_control(simulated, seed) + (_claims(model, whole, smoke) if model.name == MODEL else []), scores=[*drawn, *network, *predicted],
        pictures=_beside(sides, found, [*drawn, *predicted], seed) | _of_the_circuit(model, simulated, seed),
        trials={"simulated": simulated} | recorded, models={"circuit": model}, methods=_methods(sides),
        facts=_facts(model, simulated, sides, found), smoke=smoke, absent=_absent(bool(recorded), sides, drawn, wanted), seed=seed,
        seconds=seconds,
    )  # fmt: skip


def _simulated(model: cs.SpikingModel, seed: int, smoke: bool) -> cs.Trials:
    """Return spikes of the spontaneously active circuit, once it has settled."""
    if model.kind != "spiking":
        raise cs.errors.OptionError(f"{model.name}: is of kind {model.kind!r}; this protocol needs a spiking circuit, such as {MODEL}.")
    trials, duration = SMALL if smoke else (TRIALS, DURATION)
    return cs.simulate(model, cs.tasks.spontaneous(duration, trials), seed=seed).window(TRANSIENT, duration)


def _recorded(path: cs.trials.Recording) -> cs.Trials:
    """Return the initial part of every recorded trial."""
    if "bin" in path.options:
        raise cs.errors.OptionError(f"{path}: bin does not apply; every statistic of spikes has a width of its own. Leave it out.")
    trials = cs.read(path)
    if "spike_time" not in trials.dataset:
        raise cs.errors.TrialsError(f"{path}: holds rates; this protocol needs the time of every spike in single trials.")
    return cs.trials.of_one_length(cs.trials.complete(trials), COUNTING)


def _matched(simulated: cs.Trials, recorded: cs.Trials | None, seed: int) -> dict[str, cs.Trials]:
    """Return as many units as were recorded, in trials of equal length; a neuron slower than any recorded one would not have been recorded."""
    duration, number, slowest = COUNTING, UNITS, SLOWEST
    if recorded is not None:
        duration, number = recorded.time.size * recorded.bin, recorded.shape[2]
        slowest = float(cs.analysis.spike_statistics(recorded, paired=2).rate.min())
    pieces, rng = cs.trials.pieces(simulated, duration), cs.stream(seed, "analysis", "pieces of a recording")
    fast = np.bincount(pieces.spikes.unit, minlength=pieces.shape[2]) >= max(slowest * duration * pieces.shape[0], 1)
    deep = np.char.endswith(pieces.population.astype(str), DEEP)
    eligible = {LAYERS: np.flatnonzero(fast), LAYER: np.flatnonzero(fast & deep)}
    return {name: pieces.units(np.sort(rng.choice(units, min(number, units.size), replace=False))) for name, units in eligible.items() if units.size}


def _claims(model: cs.SpikingModel, whole: cs.analysis.SpikeStatistics, smoke: bool) -> list[cs.Claim]:
    """Return claims on the calibrated motor cortex; there are none for another circuit."""
    found = {name: max(summary.rate, 1e-9) for name, summary in whole.summary().items()}
    factors = {name: max(found[name] / rate, rate / found[name]) for name, rate in cs.cards.calibrated_rates(model).items()}
    worst = max(factors, key=lambda name: factors[name])
    synchrony, rate = "synchrony of the whole network (Fano factor in 5 ms bins)", "largest factor between a population's rate and the calibration's"
    return [
        cs.Claim(f"simulated: {synchrony}", whole.synchrony[cs.analysis.ALL_UNITS], 0.5, BURSTS, ASYNCHRONOUS),
        cs.Claim("simulated: mean CV2", whole.mean("cv2"), *IRREGULAR, BETWEEN),
        *([] if smoke else [cs.Claim(f"simulated: {rate} ({worst})", factors[worst], 1.0, FACTOR, CALIBRATED)]),
    ]


def _control(simulated: cs.Trials, seed: int) -> list[cs.Claim]:
    """Return claims on the surrogate, which hold unless there is a fault between spikes and numbers."""
    found = cs.analysis.spike_statistics(cs.statistics.poisson_surrogate(simulated, seed=seed), paired=2)
    bins = simulated.shape[0] * round(simulated.time.size * simulated.bin / cs.analysis.SYNCHRONY_BIN)
    cells = max(1, np.isfinite(found.fano).sum())
    errors = {"synchrony": float(np.sqrt(2 / (bins - 1))), "Fano factor": float(np.sqrt(2 / (simulated.shape[0] - 1) / cells))}
    values = {"synchrony": found.synchrony[cs.analysis.ALL_UNITS], "Fano factor": found.mean("fano")}
    return [cs.Claim(f"surrogate: {name}", values[name], 1 - 5 * error, 1 + 5 * error, CLOSED) for name, error in errors.items()]


def _beside(
    sides: Mapping[str, cs.Trials], found: Mapping[str, cs.analysis.SpikeStatistics], scores: Sequence[cs.Score], seed: int
) -> dict[str, cs.Picture]:
    first, reference = next(iter(sides)), "the recording" if RECORDING in found else "independent Poisson units"
    surrogate = cs.analysis.spike_statistics(cs.statistics.poisson_surrogate(sides[first], seed=seed))
    return {
        "scores": cs.Picture(
            cs.figures.score_panels(scores, list(dict.fromkeys(score.measure for score in scores))), "Statistics side by side",
            "Dots: mean over units, or Fano factor of their summed count; lines: 95 % jackknife interval over units and trials; grey bands: 95 % of "
            f"the surrogates ({cs.measures.POISSON}); dashed: {reference}.",
        ),
        "distributions": cs.Picture(
            cs.figures.distributions(dict(found) | {f"{first}, Poisson surrogate": surrogate}), "Every unit",
            "Cumulative distributions over units (Fano factors: units and conditions; correlations: pairs); dots: medians; dotted: Poisson. CV2 of "
            f"units with {cs.analysis.CORRELATED_PAIRS} pairs of intervals or more, Fano factors where the mean count is above "
            f"{cs.analysis.COUNT_WINDOW:g}.",
        ),
    }  # fmt: skip


def _of_the_circuit(model: cs.SpikingModel, simulated: cs.Trials, seed: int) -> dict[str, cs.Picture]:
    summary, everyone = cs.analysis.spike_statistics(simulated, paired=2).summary(), cs.analysis.ALL_UNITS
    rates = {name: part.rate for name, part in summary.items() if name != everyone or len(summary) == 1}
    busy = [name for name in summary if name.endswith(DEEP)] or [everyone]
    spectra = {name: cs.analysis.population_spectrum(simulated, population=name) for name in busy}
    flat = {name: 2 * summary[name].rate / summary[name].units for name in busy}
    return {
        "rates": cs.Picture(
            cs.figures.rate_bars(rates, reference=cs.cards.calibrated_rates(model), tolerance=0.25, source="card"), "Rates of the populations",
            "Bars: mean over all neurons and trials; lines: the rate in the card for the population, with a quarter of it shaded.",
        ),
        "raster": cs.Picture(
            cs.figures.raster(simulated, seed=seed), "Simulated spikes", "One trial; equal numbers of neurons from each population, drawn at random.",
        ),
        "rhythm": cs.Picture(
            cs.figures.power_spectrum(spectra, flat=flat), "Rhythms of the population rate",
            f"Welch's method on the mean rate in {cs.analysis.SPECTRUM_BIN * 1e3:g} ms bins, averaged over trials; "
            "dashed: independent Poisson units.",
        ),
    }  # fmt: skip


def _answer(found: Mapping[str, cs.analysis.SpikeStatistics], whole: cs.analysis.SpikeStatistics) -> str:
    def line(name: str) -> str:
        rate, cv2, fano, correlation = (found[name].mean(measure) for measure in cs.measures.SPIKE_MEASURES.values())
        return f"{rate:.1f} Hz, CV2 {cv2:.2f}, Fano factor {fano:.2f}, correlation {correlation:.3f}".replace("nan", "–")

    synchrony = f"The Fano factor of the whole network's count in {whole.bin * 1e3:g} ms bins is {whole.synchrony[cs.analysis.ALL_UNITS]:.1f}."
    if RECORDING not in found:
        return f"Units drawn from all layers fire at {line(LAYERS)}; independent Poisson units have CV2 1, Fano factor 1, correlation 0. {synchrony}"
    return f"Recorded units fire at {line(RECORDING)}; as many drawn from all simulated layers at {line(LAYERS)}. {synchrony}"


def _facts(
    model: cs.SpikingModel, simulated: cs.Trials, sides: Mapping[str, cs.Trials], found: Mapping[str, cs.analysis.SpikeStatistics]
) -> dict[str, str]:
    (count, bins, units), width = simulated.shape, simulated.bin
    facts = {"simulated": f"{model.name}, {units} neurons, {count} trials of {bins * width:g} s"}
    for name, statistics in found.items():
        cv2, fano = (cs.report.number(statistics.median(measure)) for measure in ("cv2", "fano"))
        facts[name] = f"{sides[name].shape[2]} units, {sides[name].shape[0]} trials; medians: CV2 {cv2}, Fano factor {fano}"
    return facts


def _absent(recorded: bool, sides: Mapping[str, cs.Trials], scores: Sequence[cs.Score], wanted: Mapping[str, float]) -> tuple[str, ...]:
    movement = "Decoding of the movement, and tuning: the circuit is left to itself, so its trials have one condition."
    known, asked = cs.statistics.named(scores), product(wanted, sides)
    silent = tuple(
        f"{label} of {name}: no unit has enough spikes, there or in what it is compared with." for label, name in asked if (label, name) not in known
    )
    none = (
        "A recording: none was given, so the null is all there is to compare with. --recording takes a table of spikes (.npz) or NWB; with it, as "
        "many units are drawn from the circuit as were recorded, and counted in the same window."
    )
    layer = () if LAYER in sides else (f"{LAYER}: no population whose name ends in {DEEP!r} has units as fast as that.",)
    return (movement, *silent, *layer) if recorded else (none, *silent, *layer, movement)


def _methods(sides: Mapping[str, cs.Trials]) -> str:
    first = next(iter(sides.values()))
    return f"""
    Spontaneous activity was simulated in Brian2; the first {TRANSIENT * 1e3:g} ms of each trial were dropped. To measure both sides alike, simulated
    trials were cut into pieces of {first.time.size * first.bin * 1e3:g} ms. Of the neurons that fire at least as fast as the slowest recorded
    unit (without a recording: {SLOWEST:g} Hz), as many were drawn at random as were recorded (without: {UNITS}).

    Statistics are elephant's. CV2 is pooled over trials and never spans two trials. For a slow neuron that fires in bursts, short
    pieces contain mostly the pairs within bursts, which lowers it compared with whole trials; for Poisson units it is 1. Fano factors are of counts
    over the trials of one condition, with the unbiased variance; correlations are of counts with the mean of each condition removed. Synchrony is the
    Fano factor of the summed count in {cs.analysis.SYNCHRONY_BIN * 1e3:g} ms bins, so it grows with the number of units: compare sides of equal size
    only. Rate changes between trials or over time increase Fano factors and synchrony; the surrogate keeps the rate of each unit in
    each condition and nothing else. Co-smoothing: a quarter of the units is predicted from the smoothed spikes of the others, by Poisson regressions
    on other trials; bits per spike relative to the mean rate of each unit.
    """
