"""Do thalamic and premotor inputs to a layered motor cortex become a reach that can be read out from its output layer?

Reproduces  cell counts, connection probabilities and long-range inputs of Dura-Bernal et al. (2023) Cell Reports 42:112574, as a network of
            integrate-and-fire neurons whose gains are calibrated here; modulation of layer 5B by movement-related input.
Claim       the published structure is reproduced exactly, rates and synchrony are in range, the input drives layer 5B, and the spikes of PT5B, read
            out linearly, give the hand position in reaches that were not used to fit the readout.
"""

from dataclasses import replace

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray
from sklearn.linear_model import RidgeCV

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "dura_bernal_2023_lif"
SETTLING, RESTING = 0.3, 3.3  # s: left out at the start, and whole run at rest
DIRECTIONS, REPEATS, HELD_OUT = 8, 8, 2  # reaches, trials of each, and those that the readout is tested on
PREPARATION, MOVEMENT = 0.6, 0.6  # s
THALAMUS, PREMOTOR = 1.0, 1.0  # largest relative change of the rates of thalamic and premotor afferents, averaged over preferred directions
SD = 0.05  # s of the smoothing kernel
PENALTIES = tuple(np.logspace(3, 7, 9))  # Hz^2, of the readout, chosen among by leaving one sample out of those taught on
OUTPUT, DEEP = "PT5B", ("IT5B", "PT5B")
CELLS = 10_073  # published number of neurons
FACTOR, BURSTS = 2.0, 10.0  # from the calibrated rate; Fano factor of the network's count in 5 ms
NULLS = 100
FEW = 1000  # neurons of a smoke run
LIKELY = {  # source and target: published probability, averaged over depth
    ("IT2", "IT5A"): 0.122, ("IT2", "PT5B"): 0.097, ("IT2", "SOM5A"): 0.117, ("IT2", "SOM5B"): 0.117, ("IT2", "PV5A"): 0.003, ("IT2", "PV5B"): 0.003,
    ("IT5B", "PV5B"): 0.117, ("PT5B", "PV5B"): 0.117, ("IT5B", "SOM5B"): 0.003, ("PT5B", "SOM5B"): 0.003,
}  # fmt: skip
TABLES = "tables of the published model (conn.pkl), averaged over depth"


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Check the structure, run the circuit at rest and through reaches, and decode the hand from its output neurons.

    Args:
        model: layered motor cortex.
        seed: of every random choice; connections follow ``model.seed``.
        smoke: few and short trials of few neurons: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: the model lacks populations of the published one.
    """
    if not {OUTPUT, *DEEP} <= set(getattr(model, "populations", ())):
        raise cs.errors.OptionError(
            f"{model.name}: this protocol needs a layered motor cortex with the populations {', '.join(dict.fromkeys((OUTPUT, *DEEP)))}."
        )
    seconds: dict[str, float] = {}
    repeats, circuit = (3, cs.edit.shrunk(model, FEW)) if smoke else (REPEATS, model)
    with cs.timed(seconds, "structure"):
        found = cs.cards.connection_probabilities(model)
    with cs.timed(seconds, "rest"):
        duration = 0.4 if smoke else RESTING
        rest = cs.simulate(circuit, cs.tasks.spontaneous(duration), seed=seed).window(SETTLING, duration)
    with cs.timed(seconds, "reaches"):
        task = _reaches(circuit, 3 if smoke else DIRECTIONS, repeats, seed)
        trials = cs.simulate(circuit, task, seed=cs.seed_of(seed, "circuit", "reaches of layered_motor_cortex"))
    with cs.timed(seconds, "readout"):
        output = trials.units(np.flatnonzero(trials.population == OUTPUT)).smoothed(SD)
        hand, wanted, tested = _read_out(output, task, repeats)
        score = _readout_score(hand, wanted, task.condition[tested], seed)
    summary, rates = cs.analysis.spike_statistics(rest, seed=seed).summary(), _rates(trials)
    error = float(np.linalg.norm(hand[:, -1] - wanted[:, -1], axis=1).mean())
    moving = {name: rates[name][1] / rates[name][0] for name in DEEP}
    return cs.Report(
        title=QUESTION, question=f"{model.title} ({model.paper}).",
        answer=_answer(score, error, moving),
        claims=_structure(model, found) + ([] if smoke else _range(model, summary) + _movement(moving[OUTPUT], score, error)), scores=[score],
        pictures=_pictures(model, rest, trials, (hand, wanted, task.condition[tested]), summary), trials={"rest": rest, "output": output.averaged()},
        models={"motor cortex": model}, methods=_methods(repeats),
        facts={"neurons": str(model.units), "reaches": f"{task.trials} trials, {len(tested)} held out"}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _answer(score: cs.Score, error: float, moving: dict[str, float]) -> str:
    rates = " and ".join(f"{name} fires {ratio:.1f} times as fast as at rest" for name, ratio in moving.items())
    return (
        f"Read out linearly, {OUTPUT} gives the hand position of held-out reaches with R² {score.estimate:.2f} and ends {error:.1f} cm from the "
        f"target, {cs.tasks.REACH_DISTANCE:g} cm away. During the movement {rates}."
    )


def _reaches(model: cs.SpikingModel, directions: int, repeats: int, seed: int) -> cs.Task:
    """Return premotor input that ramps up until the go cue, and thalamic input that then follows the movement; neurons have preferred directions."""
    task = cs.tasks.centre_out(np.repeat(np.arange(directions) * 360.0 / directions, repeats), preparation=PREPARATION, movement=MOVEMENT)
    preferred = cs.stream(seed, "task", "preferred directions of layered_motor_cortex").uniform(0, 2 * np.pi, model.units)
    tuning = 1 + np.cos(np.radians(task.condition)[:, None] - preferred)
    time = task.fine_time
    ramp = np.where(time < 0, np.exp(np.minimum(time, 0) / cs.tasks.CURRENT_RISE), np.exp(-np.maximum(time, 0) / (cs.tasks.CURRENT_RISE / 4)))
    follow = cs.tasks.minimum_jerk((time - cs.tasks.REACH_WINDOW[0]) / (cs.tasks.REACH_WINDOW[1] - cs.tasks.REACH_WINDOW[0]))
    premotor = cs.tasks.Drive(PREMOTOR * tuning, ramp, "premotor ramp", into="premotor")
    return replace(task, channels=None, drives=(premotor, cs.tasks.Drive(THALAMUS * tuning, follow, "thalamic ramp", into="thalamus")))


def _read_out(output: cs.Trials, task: cs.Task, repeats: int) -> tuple[Float[ndarray, "trial time 2"], Float[ndarray, "trial time 2"], ndarray]:
    """Fit hand position by ridge regression on the rates of most trials; return prediction and truth, in cm, for the others."""
    number = np.arange(task.trials) % repeats
    tested, taught = np.flatnonzero(number >= repeats - HELD_OUT), np.flatnonzero(number < repeats - HELD_OUT)
    assert isinstance(task.targets, xr.DataArray)
    moving, targets = output.time >= 0, task.targets.values
    mean = output.rate[taught][:, moving].mean(axis=(0, 1))

    def flat(which: ndarray) -> ndarray:
        return (output.rate[which][:, moving] - mean).reshape(-1, output.shape[2])

    readout = RidgeCV(alphas=PENALTIES).fit(flat(taught), targets[taught][:, moving].reshape(-1, 2))
    shape = (len(tested), int(moving.sum()), 2)
    return readout.predict(flat(tested)).reshape(shape), targets[tested][:, moving], tested


def _readout_score(hand: ndarray, wanted: ndarray, condition: ndarray, seed: int) -> cs.Score:
    """Return R² of the hand position; the null assigns held-out trials to wrong directions."""
    rng = cs.stream(seed, "null", "permuted directions of layered_motor_cortex")

    def explained(a: ndarray, b: ndarray) -> float:
        return float(1 - ((a - b) ** 2).sum() / ((b - b.mean(axis=(0, 1))) ** 2).sum())

    null = np.array([explained(hand[rng.permutation(len(hand))], wanted) for _ in range(NULLS)])
    labels = np.unique(condition)
    interval = cs.statistics.jackknifed(lambda kept: explained(*(side[np.isin(condition, labels[kept])] for side in (hand, wanted))), len(labels))
    return cs.Score(
        "R² of hand position", f"{OUTPUT}, linear readout", f"{len(hand)} held-out trials", explained(hand, wanted), "higher", 1.0, null,
        "directions of held-out trials permuted", interval, "directions", ceiling_reason="hand positions are prescribed, without noise",
        settings={"smoothing_s": SD},
    )  # fmt: skip


def _rates(trials: cs.Trials) -> dict[str, tuple[float, float]]:
    """Return rates of the deep populations before the premotor ramp is high, and during the movement, Hz."""
    rest, moving = (cs.analysis.population_rates(trials, span) for span in ((-PREPARATION + 0.1, -PREPARATION + 0.3), (0.2, MOVEMENT)))
    return {name: (rest[name], moving[name]) for name in DEEP}


def _structure(model: cs.SpikingModel, found: dict[tuple[str, str], float]) -> list[cs.Claim]:
    """Return claims on counts and probabilities of the simulated network, within four standard errors of the draw and the rounding of the table."""
    claims = [cs.Claim("number of neurons", model.units, CELLS, CELLS, "published; at scale 1")]
    absent = sum(found["PT5B", target] for target in ("IT2", "IT4", "IT5A", "IT5B", "IT6"))
    claims.append(cs.Claim("connections from PT5B to IT populations", absent, 0, 0, TABLES))
    claims.append(cs.Claim("largest probability from layer 6 to IT2", max(found[a, "IT2"] for a in ("IT6", "CT6")), 0, 0.01, TABLES))
    for (a, b), p in LIKELY.items():
        reach = 4 * np.sqrt(p * (1 - p) / (model.size(a) * model.size(b))) + 0.0005
        claims.append(cs.Claim(f"connection probability from {a} to {b}", found[a, b], p - reach, p + reach, TABLES))
    return claims


def _range(model: cs.SpikingModel, summary: dict[str, cs.analysis.SpikeSummary]) -> list[cs.Claim]:
    calibration = "calibration of the card, not published"
    claims = [cs.Claim(f"rate of {name} over that of the calibration", summary[name].rate / rate, 1 / FACTOR, FACTOR, calibration)
              for name, rate in cs.cards.calibrated_rates(model).items()]  # fmt: skip
    source = "2.4 in the calibration; with stronger excitation the same network bursts at 300 to 5000"
    return [*claims, cs.Claim("Fano factor of the network's spikes in 5 ms", summary["all"].synchrony, 0.5, BURSTS, source)]


def _movement(ratio: float, score: cs.Score, error: float) -> list[cs.Claim]:
    bound = "bound of this protocol"
    wider = f"{bound}, wider than a first one ({{}}), which one seed of eight missed"
    return [
        cs.Claim(f"rate of {OUTPUT} during the movement over that at rest", ratio, 1.2, 10, bound),
        cs.Claim("R² of the hand position of held-out reaches", score.estimate, 0.7, 1.0, wider.format("0.8")),
        cs.Claim(
            "mean distance of the hand from the target at the end (cm)", error, 0, cs.tasks.REACH_DISTANCE / 2.5, wider.format("a third of the reach")
        ),
    ]


def _pictures(
    model: cs.SpikingModel, rest: cs.Trials, trials: cs.Trials, hands: tuple[ndarray, ndarray, ndarray], summary: dict[str, cs.analysis.SpikeSummary]
) -> dict[str, cs.Picture]:
    wanted = cs.cards.calibrated_rates(model)
    rates = {name: summary[name].rate for name in wanted}
    spectra = {name: cs.analysis.population_spectrum(rest, population=name) for name in ("IT2", *DEEP)}
    return {
        "hands": cs.Picture(cs.figures.hand_paths(*hands), "Hand paths read out of PT5B", "Held-out trials, a colour per direction; dashed: target."),
        "raster": cs.Picture(
            cs.figures.raster(trials), "One reach", "One trial: the premotor ramp peaks at the go cue, 0; the hand moves from 0.1 to 0.5 s."
        ),
        "rates": cs.Picture(cs.figures.rate_bars(rates, reference=wanted, source="calibration"), "Rates at rest", "Mean over neurons and time."),
        "spectra": cs.Picture(cs.figures.power_spectrum(spectra), "Power of the population rates at rest", "Flat where neurons fire independently."),
    }


def _methods(repeats: int) -> str:
    return f"""
    Fifteen populations with the published numbers of cells and connection probabilities (averaged over depth), as current-based integrate-and-fire
    neurons. Gains, threshold and a factor for each population's long-range input are calibrated by us, since the published strengths are those of
    multi-compartment neurons.

    Movement: {DIRECTIONS} directions, {repeats} trials each. Every neuron has a random preferred direction. The rate of its premotor afferents
    ramps up as exp(t/400 ms) until the go cue and falls within 100 ms; the rate of its thalamic afferents then follows the course of the reach. Both
    are modulated by 1 + cos of the angle between reach and preferred direction. This modulation and its strength are our choice.

    Readout: hand position (minimum jerk, {cs.tasks.REACH_DISTANCE:g} cm) by ridge regression on the rates of {OUTPUT}, smoothed with {SD * 1e3:g} ms,
    fitted on {repeats - HELD_OUT} trials of each direction and tested on the other {HELD_OUT}.
    """
