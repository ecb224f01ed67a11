"""Do gains that make one movement each combine into other movements?

Reproduces  the claim of Stroud, Porter, Hennequin & Vogels (2018) Nat Neurosci 21:1774 that novel movements can be assembled from learned primitives:
            patterns of gains, each of which makes one output of a circuit with fixed connections and a fixed readout, are combined with weights of
            sum 1 that are not negative, and make about the same combination of outputs.
Claim       half of each of two patterns misses half of each of their outputs by a fifth of the variance, with units permuted by three times as
            much; errors of new movements follow those of the fit, and fall with the library; for gains near 1, as the authors' are, and free ones.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
DRAWS, LIBRARY, PAIRS, NEW, GROUPS = 3, (5, 10, 20), 40, 20, 40  # of readout, groups and movements; patterns, pairs of them, new movements; groups
SMALL = {"draws": 2, "library": (3, 6), "pairs": 6, "new": 4, "steps": 5}  # in a smoke run
NEAR, FREE = "gains near 1", "free gains"
KINDS = {NEAR: 0.3, FREE: None}  # how far a gain may depart from 1; the authors' end between 0.73 and 1.26
ENOUGH, STEPS = 0.03, 200  # mean error at which learning ends: what gains by trial and error leave (gain_groups); steps at most
STATE, STEP, LASTS, WIDTH = 0.075, 2.5, 0.5, 0.05  # s.d. of the initial state; ms; s of a movement, and of the Gaussian process that outputs are
TIME = cs.tasks.BIN * np.arange(round(LASTS / cs.tasks.BIN))
PENALTY = 1e-4  # of the readout's regression, relative to the largest variance
NULLS = 50
OWN, READ = "bound of this protocol, set before it was run", "Stroud et al. (2018), abstract: novel movements are assembled from primitives"
COMBINED, FRESH = "error of combined gains, relative to combined outputs", "error of new movements"


class Draw(NamedTuple):
    """One readout and what it was asked.

    Attributes:
        circuit: connections, readout and initial state.
        library: learned patterns of gains.
        errors: of each, relative to the variance of its movement.
        pairs: patterns that are combined, (pair, 2).
        combined: error of half of each, relative to the variance of half of each output.
        permuted: median of these with units of all patterns permuted, one a permutation.
        fit: error of new movements that outputs of the library leave, by its size.
        made: error of the outputs of gains with the same weights.
    """

    circuit: cs.analysis.GainedCircuit
    library: Float[ndarray, "pattern unit"]
    errors: Float[ndarray, " pattern"]
    pairs: ndarray
    combined: Float[ndarray, " pair"]
    permuted: Float[ndarray, " permutation"]
    fit: dict[int, Float[ndarray, " movement"]]
    made: dict[int, Float[ndarray, " movement"]]


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Learn a library of gains for each of several readouts, combine two at a time, and fit new movements from the library.

    Args:
        model: circuit with one recurrent projection, whose connections are taken.
        seed: of readouts, movements, groups and pairs.
        smoke: few and short: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: it has no such projection, or several states.
    """
    recurrent = [] if model.is_map or model.readout else cs.simulation.recurrent_projections(model)
    if len(recurrent) != 1 or len(model.parsed.states) != 1:
        raise cs.errors.OptionError(f"{model.name}: should be a circuit with one recurrent projection and one state, such as {MODEL}.")
    W, tau = model.arrays()[recurrent[0]], float(np.median(cs.simulation.time_constant(model)))
    size: Mapping[str, Any] = SMALL if smoke else {"draws": DRAWS, "library": LIBRARY, "pairs": PAIRS, "new": NEW, "steps": STEPS}
    seconds: dict[str, float] = {}
    with cs.timed(seconds, "learning and combining"), cs.track("libraries of gains") as shown:
        circuits = [_circuit(W, tau, seed, number) for number in range(size["draws"])]
        draws: dict[str, list[Draw]] = {}
        for kind, within in KINDS.items():
            draws[kind] = [_draw(circuit, size, within, seed=seed, number=number) for number, circuit in enumerate(circuits)]
            shown(len(draws) / len(KINDS), kind)
    network, output, apart = _simulated(draws[NEAR][0], tau)
    scores = [score for kind, each in draws.items() for score in (_combined(kind, each), *(_fresh(kind, each, n) for n in size["library"]))]
    value, largest = cs.statistics.estimates(scores), size["library"][-1]
    return cs.Report(
        title=QUESTION, question=f"{model.title} with fixed connections; {largest} patterns of gains, {size['draws']} readouts.",
        answer=" ".join(f"With {kind}, learned movements are missed by {np.median([draw.errors for draw in each]):.2f} of the variance (median). The "
                        f"mean of two patterns misses the mean of their outputs by {value[COMBINED, kind]:.2f}; {largest} patterns miss new ones "
                        f"by {value[FRESH, f'{kind}, {largest} patterns']:.2f}, the fit by {np.median(_pooled(each, largest)[0]):.2f}."
                        for kind, each in draws.items()),
        claims=_claims(draws, scores, apart, smoke), scores=scores, pictures=_pictures(draws), methods=_methods(tau),
        models={"half of each of two": network}, trials={"half of each of two": output}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _circuit(W: Float[ndarray, "unit unit"], tau: float, seed: int, number: int) -> cs.analysis.GainedCircuit:
    """Return the circuit, released from its first preferred state, with a readout of half of the units that makes one movement with gains of 1."""
    units, half, bins = len(W), len(W) // 2, len(TIME)
    own = cs.tasks.smooth_courses(TIME, 1, width=WIDTH, rng=cs.stream(seed, "task", "first movement of gain_primitives", number))[0]
    start, every = STATE * np.sqrt(units) * cs.cards.evoked_energy(W)[1][:, 0], round(1e3 * cs.tasks.BIN / STEP)
    bare = cs.analysis.GainedCircuit(W, start, 1e-3 * STEP / tau, every, bins, np.eye(units), np.zeros(units))
    rates = cs.analysis.outputs_with_gains(bare, np.ones((1, units)))[0, :, :half]
    U, S, V = np.linalg.svd(rates - rates.mean(axis=0), full_matrices=False)
    weights = V.T @ (S / (S**2 + PENALTY * S[0] ** 2) * (U.T @ (own - own.mean())))
    offset = np.array([own.mean() - rates.mean(axis=0) @ weights])
    return bare._replace(readout=np.concatenate([weights, np.zeros(units - half)])[None], offset=offset)


def _draw(circuit: cs.analysis.GainedCircuit, size: Mapping[str, Any], within: float | None, *, seed: int, number: int) -> Draw:
    """Learn the library, combine pairs of its patterns, and fit new movements."""
    units, count, rng = len(circuit.W), size["library"][-1], cs.stream(seed, "task", "movements of gain_primitives", number)
    wanted, fresh = np.split(cs.tasks.smooth_courses(TIME, count + size["new"], width=WIDTH, rng=rng)[..., None], [count])
    groups = rng.permutation(np.arange(units) % min(GROUPS, units))
    library = cs.analysis.learned_gains(circuit, wanted, groups=groups, enough=ENOUGH, within=within, steps=size["steps"])
    outputs = cs.analysis.outputs_with_gains(circuit, library)
    pairs = np.array([rng.choice(count, 2, replace=False) for _ in range(size["pairs"])])
    null = cs.stream(seed, "null", "permuted units of gain_primitives", number)
    combined, permuted = _halves(circuit, library, pairs, wanted=outputs[pairs].mean(axis=1), rng=null)
    fit, made = {}, {}
    for patterns in size["library"]:
        weights = np.array([cs.analysis.convex_weights(outputs[:patterns, :, 0], new[:, 0]) for new in fresh])
        spread = ((fresh - fresh.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
        fit[patterns] = ((np.einsum("np,pbo->nbo", weights, outputs[:patterns]) - fresh) ** 2).sum(axis=(1, 2)) / spread
        made[patterns] = cs.analysis.gain_errors(circuit, weights @ library[:patterns], fresh)[0]
    errors = cs.analysis.gain_errors(circuit, library, wanted)[0]
    return Draw(circuit, library, errors, pairs, combined, permuted, fit, made)


def _halves(
    circuit: cs.analysis.GainedCircuit, library: ndarray, pairs: ndarray, *, wanted: ndarray, rng: np.random.Generator
) -> tuple[Float[ndarray, " pair"], Float[ndarray, " permutation"]]:
    """Return the error of half of each of two patterns, for every pair, and the median of these with units permuted alike in all patterns."""
    gains = library[pairs].mean(axis=1)
    shuffled = (gains[:, rng.permutation(gains.shape[1])] for _ in range(NULLS))
    permuted = np.array([np.median(cs.analysis.gain_errors(circuit, each, wanted)[0]) for each in shuffled])
    return cs.analysis.gain_errors(circuit, gains, wanted)[0], permuted


def _simulated(draw: Draw, tau: float) -> tuple[cs.Model, cs.Trials, float]:
    """Return the network with half of each of two patterns, its simulated output, and the largest difference from the one that is reported."""
    circuit, gains = draw.circuit, draw.library[draw.pairs[0]].mean(axis=0)
    begun = {"x": {"value": circuit.start.tolist(), "meaning": "the first preferred state", "over": "units", "source": "evoked energy"}}
    card = cs.load("leaky_gain")
    assert isinstance(card, cs.Model)
    arrays = {"W": circuit.W, "C": circuit.readout, "d": circuit.offset, "g": gains}
    card = cs.edit.with_values(cs.edit.with_step(card, STEP), {"tau": 1e3 * tau})
    network = card.with_arrays(arrays, units=len(circuit.W), observed=1, channels=1, initial_values=begun)
    task = cs.tasks.from_inputs(np.zeros((1, circuit.bins, 1)), bin=cs.tasks.BIN)
    output = cs.simulate(network, task, backend="brian")
    return network, output, float(np.abs(output.rate[0] - cs.analysis.outputs_with_gains(circuit, gains[None])[0]).max())


def _pooled(draws: list[Draw], patterns: int) -> tuple[Float[ndarray, " movement"], Float[ndarray, " movement"]]:
    """Return errors of the fit and of outputs, over all draws."""
    return np.concatenate([draw.fit[patterns] for draw in draws]), np.concatenate([draw.made[patterns] for draw in draws])


def _combined(kind: str, draws: list[Draw]) -> cs.Score:
    return cs.Score(
        COMBINED, kind, f"{len(draws)} readouts, {len(draws[0].pairs)} pairs each", better="lower", identical=0.0,
        null=np.mean([draw.permuted for draw in draws], axis=0), surrogate="units of all patterns permuted", ceiling=0.0,
        settings={"ceiling": "combined outputs"}, **cs.statistics.mean_over("readouts", np.array([np.median(draw.combined) for draw in draws])),
    )  # fmt: skip


def _fresh(kind: str, draws: list[Draw], patterns: int) -> cs.Score:
    fit, _ = _pooled(draws, patterns)
    return cs.Score(
        FRESH, f"{kind}, {patterns} patterns", f"{len(draws)} readouts, {len(draws[0].fit[patterns])} movements each", better="lower", identical=0.0,
        null=None, surrogate="the mean of the movement has an error of 1", ceiling=float(np.median(fit)), settings={"ceiling": "the fit itself"},
        **cs.statistics.mean_over("readouts", np.array([np.median(draw.made[patterns]) for draw in draws])),
    )  # fmt: skip


def _claims(draws: Mapping[str, list[Draw]], scores: list[cs.Score], apart: float, smoke: bool) -> list[cs.Claim]:
    claims = [cs.Claim("largest difference of a simulated output from the one that is reported", apart, 0, 1e-9, "round-off")]
    value, smallest, largest = cs.statistics.estimates(scores), LIBRARY[0], LIBRARY[-1]
    for kind, each in draws.items() if not smoke else ():
        fit, made = _pooled(each, largest)
        permuted = float(np.mean([draw.permuted for draw in each])) / value[COMBINED, kind]
        ratio, worst = (value[FRESH, f"{kind}, {largest} patterns"] / value[FRESH, f"{kind}, {smallest} patterns"],
                        float(max(draw.errors.mean() for draw in each)))  # fmt: skip
        claims += [
            cs.Claim(f"{kind}: mean error of the movements of a library, largest over readouts", worst, 0, 0.1, OWN),
            cs.Claim(f"{kind}: error of half of each of two, median over pairs, mean over readouts", value[COMBINED, kind], 0, 0.2, f"{READ}; {OWN}"),
            cs.Claim(f"{kind}: error of half of each of two with units permuted over that without", permuted, 3, np.inf, OWN),
            cs.Claim(f"{kind}, new movements: correlation of errors of outputs and fit", float(np.corrcoef(fit, made)[0, 1]), 0.5, 1, OWN),
            cs.Claim(f"{kind}, new movements: error with {largest} patterns over that with {smallest}", ratio, 0, 0.8, OWN),
        ]
    return claims


def _pictures(draws: Mapping[str, list[Draw]]) -> dict[str, cs.Picture]:
    first, *_ = draws[NEAR]
    one, other = first.library[first.pairs[0]]
    outputs = cs.analysis.outputs_with_gains(first.circuit, np.stack([one, other, (one + other) / 2]))[..., 0]
    lines = {
        "half of each output": outputs[:2].mean(axis=0),
        "output of half of each": outputs[2],
        "one pattern": outputs[0],
        "the other": outputs[1],
    }
    sizes = np.array(list(first.made), dtype=float)
    curves = {f"{what}, {kind}": (sizes, np.array([[np.median(errors) for errors in getattr(draw, part).values()] for draw in each]))
              for kind, each in draws.items() for what, part in (("combined", "made"), ("fit", "fit"))}  # fmt: skip
    return {
        "pair": cs.Picture(cs.figures.curves(TIME, lines, xlabel="time (s)", ylabel="output"),
                           "Two patterns of gains near 1, and half of each", "One pair."),
        "library": cs.Picture(cs.figures.over_settings({"error over variance": curves}, xlabel="patterns in the library"),
                              "New movements from a library", "Outputs of combined gains, and the fit; median over movements, one dot a readout."),
    }  # fmt: skip


def _methods(tau: float) -> str:
    return f"""
    Connections are the circuit's, units are r = tanh(g x) with gain g, time constant {1e3 * tau:g} ms and Euler steps of {STEP:g} ms, released from
    the first preferred state (s.d. {STATE:g}). A ridge regression of the excitatory units makes one random smooth movement with gains of 1. Patterns
    of gains, one for each of {GROUPS} random groups of units, are learned for other movements by L-BFGS from gains of 1, until the mean error over
    variance is {ENOUGH:g}: gains that stay within {KINDS[NEAR]:g} of 1, and free ones, which were tried first. New movements are fitted in squared
    error by outputs of a library, with weights of sum 1 that are not negative; the patterns are then combined with these weights.
    """
