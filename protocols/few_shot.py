"""Does predicting neurons that were held out find the dynamics, or also dynamics that are not there?

Reproduces  the claim of Dabholkar & Barak (2025) PLoS Comput Biol 21:e1013789: latent models that predict held-out neurons equally well may contain
            extraneous dynamics, and predict them worse when few trials teach the decoder. There with hidden Markov models and networks that were
            trained; here with circuits whose two dimensions are known, so that what is extraneous is known.
Claim       with many trials both models predict alike, to a hundredth of the variance; with one trial the model with extraneous dynamics is worse.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "murphy_miller_2009"  # linear; its connections are replaced
UNITS, HEARD, CIRCUITS = 40, 30, 8  # of a circuit; of these, those whose states are the latent model's; draws
GROWTH, TURN, OTHER = 0.9, 1.2, (0.5, 0.8, 1.1, 1.4, 1.7)  # of the plane in which states rotate, 1/tau; of circuits beside it
TRIALS, LASTS, STEPS, EVERY = 120, 6, 20, 5  # of each circuit; duration in tau; steps in a tau, and steps in a bin
SPREAD, NOISE = 10.0, 2.0  # Hz: of initial states over trials, and of the observation of every unit
SHOTS = (1, 2, 4, 8, 16, 32, 64)
MINIMAL, EXTRANEOUS = "the circuit's dimensions", "with extraneous dynamics"
OWN = "bound of this protocol, set beforehand"


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Decode held-out units from the two dimensions of a circuit, alone and beside those of other circuits that move none of its units.

    Args:
        model: linear circuit with one recurrent projection; its connections are replaced.
        seed: of circuits, initial states, noise and draws of trials.
        smoke: two circuits; its numbers mean nothing.

    Raises:
        OptionError: the circuit has no such projection, or several states.
    """
    recurrent = [] if model.is_map or model.readout else cs.simulation.recurrent_projections(model)
    if len(recurrent) != 1 or len(model.parsed.states) != 1:
        raise cs.errors.OptionError(f"{model.name}: should be a linear circuit with one recurrent projection, such as {MODEL}.")
    seconds: dict[str, float] = {}
    found: dict[str, list[ndarray]] = {MINIMAL: [], EXTRANEOUS: []}
    chance: dict[str, list[ndarray]] = {MINIMAL: [], EXTRANEOUS: []}
    with cs.timed(seconds, "circuits and decoders"):
        for draw in range(2 if smoke else CIRCUITS):
            sides = [_simulated(model, recurrent[0], turn, seed, f"{draw} {turn}") for turn in (TURN, *OTHER)]
            rates = sides[0][1].rate
            own = _plane(rates[:, :, :HEARD])
            latents = {MINIMAL: own, EXTRANEOUS: np.concatenate([own, *(_plane(beside.rate) for _, beside in sides[1:])], axis=2)}
            for name, states in latents.items():
                options = {"shots": SHOTS, "seed": cs.seed_of(seed, "analysis", "trials of few_shot", draw)}
                found[name].append(cs.measures.few_shot_co_smoothing(states, rates[:, :, HEARD:], **options))
                chance[name].append(cs.measures.few_shot_co_smoothing(np.roll(states, 1, axis=0), rates[:, :, HEARD:], **options))
    values = {name: np.array(each) for name, each in found.items()}
    scores = [_score(name, place, each[:, place], np.array(chance[name])[:, place]) for place in range(len(SHOTS)) for name, each in values.items()]
    few, many = (values[MINIMAL][:, place] - values[EXTRANEOUS][:, place] for place in (0, -1))
    means = {name: each.mean(axis=0) for name, each in values.items()}
    return cs.Report(
        title=QUESTION, question=f"{len(few)} circuits of {UNITS} units and two dimensions, of which {UNITS - HEARD} units are held out.",
        answer=f"Taught by {SHOTS[-1]} trials, the circuit's two dimensions explain {means[MINIMAL][-1]:.3f} of held-out units, and beside "
        f"{2 * len(OTHER)} that move none, {means[EXTRANEOUS][-1]:.3f}; by one trial, {means[MINIMAL][0]:.2f} and {means[EXTRANEOUS][0]:.2f}. "
        "Prediction with many trials does not tell the models apart; with few it does.",
        claims=_claims(few, many, smoke), scores=scores, pictures=_pictures(means), models={"circuit": sides[0][0]}, trials={"circuit": sides[0][1]},
        methods=_methods(), smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _simulated(model: cs.Model, projection: str, turn: float, seed: int, name: str) -> tuple[cs.Model, cs.Trials]:
    """Return a circuit that rotates states in a random plane, and noisy rates of trials from random states within it."""
    tau, rng = float(np.median(cs.simulation.time_constant(model))), cs.stream(seed, "circuit", "circuits of few_shot", name)
    W = cs.cards.turning_plane(UNITS, rng, GROWTH, turn)
    circuit = cs.edit.with_step(model, 1e3 * tau / STEPS).with_arrays({projection: W}, units=UNITS)
    starts = SPREAD * rng.standard_normal((TRIALS, UNITS)) @ W.T / np.hypot(GROWTH, turn)
    whole = cs.simulate(circuit, cs.tasks.free_run(starts, LASTS * tau, bin=tau / STEPS))
    rates = whole.rate[:, ::EVERY]
    return circuit, cs.Trials.from_arrays(rates + NOISE * rng.standard_normal(rates.shape), whole.time[::EVERY], units="Hz")


def _plane(rates: Float[ndarray, "trial bin unit"]) -> Float[ndarray, "trial bin 2"]:
    """Return the two leading components, of variance 1."""
    centred = rates - rates.mean(axis=(0, 1))
    axes = np.linalg.svd(centred.reshape(-1, centred.shape[2]), full_matrices=False)[2][:2].T
    states = centred @ axes
    return states / states.std(axis=(0, 1))


def _score(name: str, place: int, values: Float[ndarray, " circuit"], chance: Float[ndarray, " circuit"]) -> cs.Score:
    shots = SHOTS[place]
    return cs.Score(
        f"R² of held-out units, {shots} trial{'s' * (shots > 1)}", name, f"{TRIALS // 4} of {TRIALS} trials of each circuit", better="higher",
        identical=1.0, null=np.full(1, chance.mean()), surrogate="latent states of the trial before",
        ceiling_reason="noise of the units is not known to a decoder",
        **cs.statistics.mean_over("circuits", values),
    )  # fmt: skip


def _claims(few: Float[ndarray, " circuit"], many: Float[ndarray, " circuit"], smoke: bool) -> list[cs.Claim]:
    equal = cs.Claim(f"{SHOTS[-1]} trials: R² of the circuit's dimensions minus with extraneous dynamics", float(many.mean()), -0.001, 0.01, OWN)
    interval = cs.statistics.mean_interval(few)
    assert interval is not None
    text = "one trial: R² of the circuit's dimensions minus with extraneous dynamics, lower end of the interval over circuits"
    return [equal] if smoke else [equal, cs.Claim(text, interval[0], 0.0, np.inf, "Dabholkar & Barak (2025): extraneous dynamics do worse")]


def _pictures(means: Mapping[str, ndarray]) -> dict[str, cs.Picture]:
    few = {name: np.maximum(each, -1.0) for name, each in means.items()}
    drawn = cs.figures.curves(np.log2(SHOTS), few, xlabel="trials that teach the decoder (log2)", ylabel="R² of held-out units")
    return {"shots": cs.Picture(drawn, "Held-out units by trials", "Mean over circuits; below -1, -1 is shown.")}


def _methods() -> str:
    return f"""
    Circuits rotate states in a random plane by {TURN} rad per time constant, from random states; units are observed with noise of {NOISE:g}
    Hz (s.d.). The latent states of the first model are the two leading components of {HEARD} units. The second has beside them those of
    {len(OTHER)} other circuits of the same class, which rotate by {", ".join(f"{turn:g}" for turn in OTHER)} rad and move no unit. A linear
    decoder of the other {UNITS - HEARD} units learns from so many trials, drawn fifty times, and is tested on a quarter of the trials that
    no draw holds.
    """
