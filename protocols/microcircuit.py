"""Does a cortical microcircuit at a tenth of its size fire as it does in NEST?

Reproduces  rates of the eight populations of Potjans & Diesmann (2014) Cereb Cortex 24:785 at scale 0.1, as NEST gives them (reference data of
            OpenSourceBrain/PotjansDiesmann2014 592a7df), and their order at full scale.
Claim       every rate within 20 % of NEST's (25 % in L5E, 0.15 Hz in L2/3E and L6E), in the published order.
"""

from itertools import pairwise

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "potjans_diesmann_2014"
SETTLING, DURATION, SMALL = 0.5, 4.5, 0.8  # s: left out at the start, whole run, and whole smoke run
NEST = {"L23E": 0.439, "L23I": 1.889, "L4E": 3.886, "L4I": 4.891, "L5E": 5.728, "L5I": 7.811, "L6E": 0.776, "L6I": 6.898}  # Hz, at scale 0.1
SCALE = 0.1  # that the rates above are for
TOLERANCE, LOOSE, SLOW = 0.2, {"L5E": 0.25}, {"L23E": 0.15, "L6E": 0.15}  # shares; Hz
ORDER = ("L5I", "L6I", ("L5E", "L4I"), "L4E", "L23I", "L6E", "L23E")  # fastest first; L5E and L4I in either order
NULLS = 500
SOURCE = "NEST at scale 0.1, 1 s (reference data of the PyNEST version); an independent implementation came within these bounds"


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Run the microcircuit and compare its rates with those of NEST.

    Args:
        model: a microcircuit with the eight populations.
        seed: of initial potentials and external input; connections follow ``model.seed``.
        smoke: a short run: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: the model has other populations.
    """
    if set(getattr(model, "populations", ())) != set(NEST):
        raise cs.errors.OptionError(f"{model.name}: this protocol needs the populations {', '.join(NEST)}.")
    seconds: dict[str, float] = {}
    with cs.timed(seconds, "simulation"):
        duration = SMALL if smoke else DURATION
        trials = cs.simulate(model, cs.tasks.spontaneous(duration), seed=seed).window(SETTLING, duration)
    with cs.timed(seconds, "statistics"):
        summary = cs.analysis.spike_statistics(trials, seed=seed).summary()
        score = _order_score(trials, seed)
    rates = {name: summary[name].rate for name in NEST}
    wanted = NEST if model.scale == SCALE else {name: part.rate.si for name, part in model.populations.items() if part.rate}
    worst = max(NEST, key=lambda name: abs(np.log(rates[name] / wanted[name])))
    return cs.Report(
        title=QUESTION, question=f"{model.title} ({model.paper}), {model.units} neurons.",
        answer=f"The rates follow the published order with a rank correlation of {score.estimate:.2f}; the one farthest from the reference is "
        f"{worst}, {rates[worst]:.2f} Hz against {wanted[worst]:.2f}.",
        claims=[] if smoke else [*_rate_claims(model, rates, wanted), _order_claim(rates)], scores=[score], pictures=_pictures(trials, rates, wanted),
        trials={"spikes": trials}, models={"microcircuit": model}, methods=_methods(model),
        facts={"neurons": f"{model.units}", "scale": f"{model.scale:g}", "biological time": f"{duration - SETTLING:g} s after {SETTLING:g} s"}
        | {f"CV2 of {name}": f"{summary[name].cv2:.2f}" for name in NEST if np.isfinite(summary[name].cv2)}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _rate_claims(model: cs.SpikingModel, rates: dict[str, float], wanted: dict[str, float]) -> list[cs.Claim]:
    """Return the reference rates at the same scale; there are none at other scales."""
    claims = []
    for name, reference in wanted.items() if model.scale in (SCALE, 1.0) else ():
        reach = SLOW.get(name, reference * LOOSE.get(name, TOLERANCE))
        claims.append(cs.Claim(f"rate of {name} (Hz)", rates[name], reference - reach, reference + reach, f"{reference:g} Hz; {SOURCE}"))
    return claims


def _order_claim(rates: dict[str, float]) -> cs.Claim:
    """Return a claim on the number of neighbours in the published order that are swapped."""
    places = [[rates[name] for name in ([place] if isinstance(place, str) else place)] for place in ORDER]
    wrong = sum(min(higher) <= max(lower) for higher, lower in pairwise(places))
    return cs.Claim("neighbours in the published order of rates that are the wrong way round", wrong, 0, 0, "order of the full-scale rates in NEST")


def _order_score(trials: cs.Trials, seed: int) -> cs.Score:
    """Return the rank correlation of the eight rates with NEST's; the null orders populations at random."""
    counts = np.bincount(trials.spikes.unit, minlength=trials.shape[2])
    a, b = np.array([counts[trials.population == name].mean() for name in NEST]), np.array(list(NEST.values()))
    rng = cs.stream(seed, "null", "permuted populations of microcircuit")

    def ranked(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.corrcoef(*(np.argsort(np.argsort(side)) for side in (x, y)))[0, 1])

    return cs.Score(
        "rank correlation of rates over populations", "microcircuit", "time averages of whole populations", ranked(a, b), "higher", 1.0,
        np.array([ranked(a, rng.permutation(b)) for _ in range(NULLS)]), "populations in random order",
        cs.statistics.jackknifed(lambda kept: ranked(a[kept], b[kept]), len(a)), "populations",
        ceiling_reason="averages over thousands of neurons; their noise is small beside the differences between populations",
    )  # fmt: skip


def _pictures(trials: cs.Trials, rates: dict[str, float], wanted: dict[str, float]) -> dict[str, cs.Picture]:
    spectra = {name: cs.analysis.population_spectrum(trials, population=name) for name in ("L23E", "L4E", "L5E", "L6E")}
    return {
        "rates": cs.Picture(cs.figures.rate_bars(rates, reference=wanted, tolerance=TOLERANCE, source="NEST"), "Rates of the eight populations",
                         "Bars: mean over neurons and time; the reference with the tolerance of the claims (0.15 Hz in L2/3E and L6E)."),
        "raster": cs.Picture(cs.figures.raster(trials), "Spikes", "Equal numbers of neurons from each population, drawn at random."),
        "spectra": cs.Picture(cs.figures.power_spectrum(spectra), "Power of the population rates", "Excitatory populations of the four layers."),
    }  # fmt: skip


def _methods(model: cs.SpikingModel) -> str:
    return f"""
    Current-based integrate-and-fire neurons with exponential synapses, integrated exactly in steps of {model.dt.value:g} {model.dt.unit}. At scale
    {model.scale:g} the in-degrees, external ones included, shrink with the scale, weights grow with its inverse square root, and a constant current
    replaces the missing mean input at the full-scale rates (van Albada, Helias & Diesmann 2015). External input is Poisson.

    CV2 over a few seconds is biased low: slow neurons have too few intervals to count. Rates depend slightly on the scale; the bounds are for scale
    0.1, and for the full circuit those of its own rates in NEST.
    """
