"""Does one thalamic unit set what movement a cortex makes, and one preparatory loop link any two movements?

Reproduces  the claims of Logiaco, Abbott & Escola (2021) Cell Rep 35:109090: few disinhibited thalamic units control cortical dynamics to make one
            motif robustly, and a single preparatory network lets any motif follow any other. A linear random cortex; loops through one unit that
            impose the modes of an output and are least disturbed by noise; a preparatory loop with which states decay fastest.
Claim       loops through one unit each make outputs with an R² of at least 0.9, with noise of a twentieth of the states too; after 100 ms of the one
            preparatory loop at least nine tenths of all ordered pairs of motifs do so, with a third at most of the error that is left without it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "murphy_miller_2009"  # linear, its connections are replaced
ABSCISSA, TAU, SHARE = 0.95, 0.01, 0.05  # of the connections, about 1 in the authors' code; time constant, s; step over it
MODES, RELAYS = 5, 0.1  # pairs of modes of a motif; units of the preparatory loop over those of cortex
LASTS, WIDTH = 0.3, 0.04  # s of a motif, and of the Gaussian process that outputs are
PREPARED, NOISE, NOISY = (0.02, 0.05, 0.1, 0.2), 0.05, 20  # s of preparation; s.d. of noise over the r.m.s. of the states, and its draws
FULL = {"circuits": 3, "motifs": 5, "units": 200, "steps": 100}  # the last: of optimisation of a loop, at most; twice as many for preparation
SMALL = {"circuits": 2, "motifs": 2, "units": 40, "steps": 5}  # in a smoke run
LOOPED, ALONE = "preparatory loop", "cortex alone"
FOLLOWED = "R² of a motif that follows another, after {:g} ms of preparation"
OWN, READ = "bound of this protocol, set before it was run", "Logiaco et al. (2021), abstract"


class Circuit(NamedTuple):
    """One cortex and its loops.

    Attributes:
        J: connections of the cortex.
        prepared: with the preparatory loop.
        readout: weights of the output on units.
        wanted: output of each motif.
        loops: of each motif.
        missed: largest distance of a wanted eigenvalue from the nearest of the connections with its loop.
    """

    J: Float[ndarray, "unit unit"]
    prepared: Float[ndarray, "unit unit"]
    readout: Float[ndarray, " unit"]
    wanted: Float[ndarray, "motif step"]
    loops: list[cs.analysis.MotifLoop]
    missed: float


class Found(NamedTuple):
    """What one cortex did.

    Attributes:
        own: R² of each motif from its own initial state.
        noisy: the same with noise, (motif, draw).
        followed: R² of the next motif by preparation and its length, (previous, next), NaN on the diagonal.
        outputs: of motifs from their own initial states.
        trials: rates of these.
    """

    own: Float[ndarray, " motif"]
    noisy: Float[ndarray, "motif draw"]
    followed: dict[tuple[str, float], Float[ndarray, "motif motif"]]
    outputs: Float[ndarray, "motif step"]
    trials: cs.Trials


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Build cortices with a loop for each motif and one that prepares, and let every motif follow every other.

    Args:
        model: linear circuit with one recurrent projection; its connections are replaced.
        seed: of connections, outputs and starts of optimisation.
        smoke: few and small: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: the circuit has no such projection, or several states.
    """
    recurrent = [] if model.is_map or model.readout else cs.simulation.recurrent_projections(model)
    if len(recurrent) != 1 or len(model.parsed.states) != 1:
        raise cs.errors.OptionError(f"{model.name}: should be a linear circuit with one recurrent projection, such as {MODEL}.")
    size = SMALL if smoke else FULL
    seconds: dict[str, float] = {}
    with cs.timed(seconds, "loops"):
        circuits = [_circuit(size, seed, number) for number in range(size["circuits"])]
    with cs.timed(seconds, "simulation"):
        found = [_found(model, recurrent[0], circuit, cs.stream(seed, "task", "noise of motif_loops", n)) for n, circuit in enumerate(circuits)]
    scores = [_score(found, name, lasts) for name in (LOOPED, ALONE) for lasts in PREPARED]
    value = cs.statistics.estimates(scores)
    return cs.Report(
        title=QUESTION, question=f"{len(circuits)} linear cortices of {size['units']} units, {size['motifs']} motifs each.",
        answer=f"From their own initial states motifs have an R² of {min(each.own.min() for each in found):.3f} or more, with noise "
        f"{np.median([each.noisy for each in found]):.3f} (median). Following any other: "
        + "; ".join(f"{value[FOLLOWED.format(1e3 * lasts), LOOPED]:.2f} after {1e3 * lasts:g} ms of the preparatory loop "
                    f"({value[FOLLOWED.format(1e3 * lasts), ALONE]:.2f} without)" for lasts in PREPARED) + " (median over pairs).",
        claims=_claims(circuits, found, smoke), scores=scores, pictures=_pictures(circuits, found),
        models={"first motif": _with(model, recurrent[0], _looped(circuits[0], 0))}, trials={"motifs": found[0].trials}, methods=_methods(),
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _circuit(size: Mapping[str, int], seed: int, number: int) -> Circuit:
    units, rng = size["units"], cs.stream(seed, "circuit", "cortices of motif_loops", number)
    J, readout = rng.standard_normal((units, units)), rng.standard_normal(units) / np.sqrt(units)
    J *= ABSCISSA / cs.cards.spectral_abscissa(J)
    time = TAU * SHARE * np.arange(round(LASTS / TAU / SHARE))
    wanted = cs.tasks.smooth_courses(time, size["motifs"], width=WIDTH, rng=cs.stream(seed, "task", "motifs of motif_loops", number))
    modes = [cs.analysis.fitted_modes(each, MODES, share=SHARE, rng=rng) for each in wanted]
    loops = [cs.analysis.motif_loop(J, readout, each, rng=rng, steps=size["steps"]) for each in modes]
    values = [np.linalg.eigvals(J + np.outer(loop.out, loop.into)) for loop in loops]
    missed = max(np.abs(each[:, None] - mode.eigenvalues).min(axis=0).max() for each, mode in zip(values, modes, strict=True))
    U, V = cs.analysis.preparatory_loop(J, round(RELAYS * units), steps=2 * size["steps"])
    return Circuit(J, J + U @ V, readout, wanted, loops, float(missed))


def _looped(circuit: Circuit, motif: int) -> Float[ndarray, "unit unit"]:
    """Return the connections while this motif's unit is disinhibited."""
    return circuit.J + np.outer(*circuit.loops[motif][:2])


def _with(model: cs.Model, projection: str, W: Float[ndarray, "unit unit"]) -> cs.Model:
    """Return the circuit with these connections; the card has its own time constant, and a step is a share of it."""
    step = 1e3 * SHARE * float(np.median(cs.simulation.time_constant(model)))
    return cs.edit.with_step(model, step).with_arrays({projection: W}, units=len(W))


def _simulated(circuit: cs.Model, starts: ndarray, steps: int, held: ndarray | None = None) -> cs.Trials:
    """Return rates from these states at every step, from the first on to that after the last, under a constant input."""
    bare = cs.Task("motif", 0.0, (steps + 1) * circuit.dt.si, np.arange(len(starts)), initial=starts, bin=circuit.dt.si, step=circuit.dt.si)
    drives = () if held is None else (cs.tasks.Drive(held, np.ones(steps + 1), "input of the next motif"),)
    return cs.simulate(circuit, replace(bare, drives=drives), backend="torch")


def _found(model: cs.Model, projection: str, circuit: Circuit, rng: np.random.Generator) -> Found:
    """Simulate motifs from their own initial states, preparation from the end of each for each other, and what follows."""
    count, steps = circuit.wanted.shape
    cards, starts = [_with(model, projection, _looped(circuit, motif)) for motif in range(count)], np.stack([loop.start for loop in circuit.loops])
    runs = [_simulated(card, starts[[motif]], steps) for motif, card in enumerate(cards)]
    rates = np.concatenate([each.rate for each in runs])
    noise = NOISE * np.sqrt((rates**2).mean(axis=(1, 2)))[:, None, None] * rng.standard_normal((count, NOISY, rates.shape[2]))
    noisy = [_r2(_simulated(card, starts[motif] + noise[motif], steps).rate[:, :-1] @ circuit.readout, circuit.wanted[motif])
             for motif, card in enumerate(cards)]  # fmt: skip
    outputs, ends = rates[:, :-1] @ circuit.readout, np.repeat(rates[:, -1], count, axis=0)
    goals, lengths, followed = np.tile(starts, (count, 1)), [round(lasts / TAU / SHARE) for lasts in PREPARED], {}
    for name, W in ((LOOPED, circuit.prepared), (ALONE, circuit.J)):
        prepared = _simulated(_with(model, projection, W), ends, max(lengths), goals - goals @ W.T).rate
        for lasts, states in [(0.0, ends), *zip(PREPARED, prepared[:, lengths].transpose(1, 0, 2), strict=True)]:
            made = np.full((count, count), np.nan)
            for motif, card in enumerate(cards):
                last = [other for other in range(count) if other != motif]
                made[last, motif] = _r2(_simulated(card, states.reshape(count, count, -1)[last, motif], steps).rate[:, :-1] @ circuit.readout,
                                        circuit.wanted[motif])  # fmt: skip
            followed[name, lasts] = made
    trials = cs.Trials.from_arrays(rates, runs[0].time, condition=np.arange(count), units="Hz")
    return Found(_r2(outputs, circuit.wanted), np.array(noisy), followed, outputs, trials)


def _r2(made: Float[ndarray, "trial step"], wanted: ndarray) -> Float[ndarray, " trial"]:
    spread = ((wanted - wanted.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return np.asarray(1 - ((made - wanted) ** 2).sum(axis=-1) / spread)


def _score(found: list[Found], name: str, lasts: float) -> cs.Score:
    medians = {each: np.array([np.nanmedian(one.followed[name, each]) for one in found]) for each in (0.0, lasts)}
    return cs.Score(
        FOLLOWED.format(1e3 * lasts), name, f"{len(found)} cortices, all ordered pairs of motifs", better="higher", identical=1.0,
        null=np.full(1, medians[0.0].mean()), surrogate="no preparation", ceiling=float(np.mean([np.median(one.own) for one in found])),
        settings={"ceiling": "from its own initial state"}, **cs.statistics.mean_over("cortices", medians[lasts]),
    )  # fmt: skip


def _claims(circuits: list[Circuit], found: list[Found], smoke: bool) -> list[cs.Claim]:
    exact = cs.Claim(
        "largest distance of an eigenvalue from that wanted", max(each.missed for each in circuits), 0, 1e-6, "by construction; round-off"
    )
    if smoke:
        return [exact]
    at = {name: np.concatenate([one.followed[name, 0.1][~np.isnan(one.followed[name, 0.1])] for one in found]) for name in (LOOPED, ALONE)}
    faster = np.array([(1 - cs.cards.spectral_abscissa(each.prepared)) / (1 - cs.cards.spectral_abscissa(each.J)) for each in circuits])
    errors = [float(np.median(1 - at[name])) for name in (ALONE, LOOPED)]
    return [
        exact,
        cs.Claim("motifs through one unit: smallest R² of the output", float(min(each.own.min() for each in found)), 0.9, 1, f"{READ}; {OWN}"),
        cs.Claim("motifs, noise of a twentieth of the states: median R²", float(np.median([one.noisy for one in found])), 0.9, 1, f"{READ}; {OWN}"),
        cs.Claim("preparatory loop: slowest decay over that of cortex alone, smallest", float(faster.min()), 1.5, np.inf, OWN),
        cs.Claim("all ordered pairs, 100 ms of preparation: median R²", float(np.median(at[LOOPED])), 0.9, 1, f"{READ}; {OWN}"),
        cs.Claim("all ordered pairs, 100 ms of preparation: share with an R² of 0.9", float((at[LOOPED] >= 0.9).mean()), 0.9, 1, f"{READ}; {OWN}"),
        cs.Claim("error without the preparatory loop over that with it, 100 ms, medians", errors[0] / errors[1], 3, np.inf, OWN),
    ]  # fmt: skip


def _pictures(circuits: list[Circuit], found: list[Found]) -> dict[str, cs.Picture]:
    wanted, outputs = circuits[0].wanted, found[0].outputs
    time = 1e3 * TAU * SHARE * np.arange(wanted.shape[1])
    lines = {"wanted": wanted[0], "first motif": outputs[0], "second, wanted": wanted[1], "second motif": outputs[1]}
    lengths = 1e3 * np.array((0.0, *PREPARED))
    errors = {name: (lengths, np.array([[np.nanmedian(1 - one.followed[name, each]) for each in (0.0, *PREPARED)] for one in found]))
              for name in (LOOPED, ALONE)}  # fmt: skip
    return {
        "motifs": cs.Picture(cs.figures.curves(time, lines, xlabel="time (ms)", ylabel="output"), "Two motifs", "Each by a loop through one unit."),
        "transitions": cs.Picture(cs.figures.over_settings({"1 − R² of the motif that follows": errors}, xlabel="preparation (ms)"),
                                  "From any motif to any other", "Median over ordered pairs; one dot a cortex."),
    }  # fmt: skip


def _methods() -> str:
    return f"""
    Cortex is linear, with Gaussian connections scaled to a spectral abscissa of {ABSCISSA:g} (1 on average in the authors' code), a time constant of
    {1e3 * TAU:g} ms and Euler steps of {SHARE:g} of it. Outputs are smooth random functions of {1e3 * LASTS:g} ms, fitted by {MODES} decaying
    oscillations. A loop through one unit imposes their eigenvalues; the initial state is the sum of their eigenvectors. Its weights on the cortex,
    random at first, are optimised against noise of the initial state that is in proportion to the states of the motif. The preparatory loop goes
    through a tenth as many units as the cortex has, with weights of length 1, and minimises the squared state, integrated over time and averaged over
    all states that it may begin from; a smooth output meanwhile is not asked for. While it acts, a constant input makes the next motif's initial
    state the place of rest; so without the loop. The card has another time constant, of which steps are the same share.
    """
