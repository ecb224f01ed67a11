"""Does a network that generates muscle activity rotate like motor cortex, and does it take a simple one?

Reproduces  Sussillo, Churchland, Kaufman & Shenoy (2015) Nat Neurosci 18:1025 on synthetic muscles: a network trained to turn preparatory input into
            muscle activity, with and without regularisers; tangling, Russo et al. (2018) Neuron 97:953; the modular network of Michaels et al.
            (2020) PNAS 117:32124.
Claim       every variant generates the muscle activity (normalised squared error at most 2 %) and is less tangled than it at more than 95 % of the
            times; if the preparatory input is withdrawn at the go cue, it rotates, other than if it went as well backwards. Whether only the
            regularised one rotates is tested and reported as found, beside untrained networks.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "sussillo_2015"
UNITS, SEEDS, EPOCHS, RATE, SMALL_EPOCHS = 100, 3, 900, 2e-3, 2  # of the small version that claims cite; of a smoke run
STRONG = {"penalty_rates": 0.1, "penalty_weights": 0.01, "penalty_jacobian": 0.1}  # chosen: what leaves the error below 2 %
VARIANTS: Mapping[str, tuple[float, float, bool]] = {  # g before training, share of the regularisers, whether the cues stay after the go cue
    "no regulariser": (1.5, 0.0, False), "a tenth of them": (1.5, 0.1, False), "regularised": (1.5, 1.0, False),
    "no regulariser, g = 0.5": (0.5, 0.0, False), "cues stay": (1.5, 1.0, True),
}  # fmt: skip
TURNING = (0.05, 0.35)  # s after the go cue, where rotations are looked for: after the first muscles move
EPOCHS_OF = {"preparation": (-0.4, 0.0), "movement": (0.05, 0.5)}  # s
RECORDED = (-0.4 - cs.tasks.REACTION, 0.5 - cs.tasks.REACTION)  # s about the recorded movement: the same
CUES, MUSCLES, MODULES, MODULAR_EPOCHS = 20, 50, 3, 1200  # of the modular network: visual features and muscles of the authors' code
NULLS, CUTS, SMALL_CUTS = 50, 20, 2  # draws; random lesions, and those of a smoke run
BOUND = "bound of this protocol"
SMALL = "independent small version of the network reached {}; bound of this protocol"
MEASURES = ("normalised squared error of the muscles", "jPCA R²(M_skew)", "times at which tangling is below that of the muscles", "alignment")
MODULAR, SPLIT = "modular", "all conditions, all of which were taught"


class Reading(NamedTuple):
    """Results for one network."""

    error: float  # squared, of the muscles, over their variance
    turning: cs.analysis.Rotations  # of its hidden rates in movement
    null: np.ndarray  # the rotational R² with contrasts of the conditions reversed in time at random
    tangled: float  # share of the times of movement at which its tangling is below that of the muscles
    curve: tuple[np.ndarray, np.ndarray]  # tangling of network and muscles, 90th percentile over conditions, by time of movement (1/s²)
    aligned: float  # alignment index of preparation with movement
    muscles: cs.Trials  # what it puts out
    wanted: cs.Trials  # what it should put out

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        """Return the results in the order of MEASURES."""
        return self.error, self.turning.r2_skew, self.tangled, self.aligned


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False, recording: cs.trials.Source | None = None) -> cs.Report:
    """Train variants of a network to generate muscle activity, and analyse how they do it.

    Args:
        model: leaky network that receives channels.
        seed: of every random choice; the seed of each network is derived from it.
        smoke: few epochs and seeds: shows that everything runs; its numbers mean nothing.
        recording: muscle averages, which all but the modular network generate instead of synthetic ones.
    """
    seconds: dict[str, float] = {}
    epochs = SMALL_EPOCHS if smoke else EPOCHS
    asked = cs.tasks.muscle_activity if recording is None else partial(cs.tasks.recorded_movement, cs.analysis.recorded_muscles(recording, RECORDED))
    task, modular = asked(seed=seed), cs.tasks.muscle_activity(seed=seed, cues=CUES, muscles=MUSCLES)
    tasks = {name: asked(seed=seed, stay=stay) for name, (_, _, stay) in VARIANTS.items()}
    seeds = [cs.seed_of(seed, "student", "network of muscles", number) for number in range(1 if smoke else SEEDS)]
    jobs = {name: [_job(model, tasks[name], name, own, epochs) for own in seeds] for name in VARIANTS}
    whole = SMALL_EPOCHS if smoke else MODULAR_EPOCHS
    plain = cs.Options(epochs=whole, batch=task.trials, rate=RATE, patience=MODULAR_EPOCHS, start="rest", validation=0)
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_groups(jobs | {MODULAR: [cs.fitting.Job(cs.load("michaels_2020"), modular.wanted, modular, seed, plain)]})
    first = {name: networks[0] for name, networks in fitted.items()}
    with cs.timed(seconds, "analysis"):
        found = {name: [_read(network.model, tasks[name], seed) for network in fitted[name]] for name in VARIANTS}
        found["untrained"] = [_read(network.start, task, seed) for network in fitted["no regulariser"]]
        cut = _cut(first[MODULAR].model, modular, seed, SMALL_CUTS if smoke else CUTS)
    scores = [score for name, readings in found.items() for score in _scores(name, readings, found["untrained"], seed)] + [_cut_score(cut)]
    return cs.Report(
        title=QUESTION, question=f"{model.title} ({model.paper}), {UNITS} units, {task.trials} conditions. {cs.tasks.muscles_said(task)}",
        answer=_answer(found, cut), claims=[] if smoke else _claims(found, cut), scores=scores,
        pictures=_pictures(scores, found, task) | cs.figures.learning_pictures(first),
        trials={name: readings[0].muscles for name, readings in found.items()}, models={name: network.model for name, network in first.items()},
        methods=_methods(task), facts={"seeds": str(len(seeds))}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _job(model: cs.Model, task: cs.Task, name: str, seed: int, epochs: int) -> cs.fitting.Job:
    gain, share, _ = VARIANTS[name]
    student = cs.edit.with_argument(model, cs.simulation.recurrent_projection(model), gain=gain).with_arrays({}, units=UNITS)
    penalties = {key: share * value for key, value in STRONG.items()}
    options = cs.Options(epochs=epochs, batch=task.trials, rate=RATE, patience=epochs, start="rest", validation=0, **penalties)
    return cs.fitting.Job(student, task.wanted, task, seed, options)


def _read(model: cs.Model, task: cs.Task, seed: int) -> Reading:
    wanted, out, hidden = task.wanted, cs.simulate(model, task), cs.hidden(model, task)
    rng = cs.stream(seed, "null", "reversed trials of muscles")  # the same for all networks, which may be alike
    turning, null = cs.analysis.rotations_and_null(hidden.window(*TURNING).rate, cs.tasks.BIN, rng=rng, draws=NULLS)
    before, after = (hidden.window(*span).rate for span in EPOCHS_OF.values())
    own, driven = (cs.analysis.tangling(rates, cs.tasks.BIN) for rates in (after, wanted.window(*EPOCHS_OF["movement"]).rate))
    curve = np.percentile(own, 90, axis=0), np.percentile(driven, 90, axis=0)
    return Reading(_error(out, wanted), turning, null, float((own < driven).mean()), curve, cs.measures.alignment_index(after, before), out, wanted)


def _error(out: cs.Trials, wanted: cs.Trials) -> float:
    return float(((out.rate - wanted.rate) ** 2).sum() / ((wanted.rate - wanted.rate.mean(axis=(0, 1))) ** 2).sum())


def _cut(model: cs.Model, task: cs.Task, seed: int, draws: int) -> dict[str, list[float]]:
    """Return errors of the modular network: intact, without weights between modules, and within; ``blind`` is that of the mean over conditions."""
    recurrent = cs.simulation.recurrent_projection(model)
    W, module = model.arrays()[recurrent], np.arange(model.units) * MODULES // model.units
    between = (module[:, None] != module[None, :]) & (W != 0)
    within = np.flatnonzero((module[:, None] == module[None, :]) & (W != 0))
    rng = cs.stream(seed, "analysis", "weights cut in muscles")

    def without(places: np.ndarray) -> float:
        changed = W.copy()
        changed.flat[places] = 0
        return _error(cs.simulate(model.with_arrays({recurrent: changed}), task), task.wanted)

    removed = [without(rng.choice(within, between.sum(), replace=False)) for _ in range(draws)]
    wanted = task.wanted.rate
    blind = ((wanted - wanted.mean(axis=0)) ** 2).sum() / ((wanted - wanted.mean(axis=(0, 1))) ** 2).sum()
    return {"blind": [float(blind)], "whole": [without(np.array([], dtype=int))], "between": [without(np.flatnonzero(between))], "within": removed}


def _scores(name: str, found: Sequence[Reading], untrained: Sequence[Reading], seed: int) -> list[cs.Score]:
    """Return the four measures of one variant, with intervals over seeds."""
    rng, wanted = cs.stream(seed, "null", "permuted outputs of muscles"), found[0].wanted
    outputs = [(one.muscles.rate, one.muscles.time) for one in found]
    mixed = cs.statistics.reordered(lambda order: np.mean([_error(cs.Trials.from_arrays(out[order], time), wanted) for out, time in outputs]),
                                    len(wanted.rate), rng=rng, draws=NULLS)  # fmt: skip
    values, bare = (list(zip(*(reading.numbers for reading in each), strict=True)) for each in (found, untrained))
    nulls = (mixed, np.mean([reading.null for reading in found], axis=0),
             *(cs.statistics.exchanged(own, other, rng=rng, draws=NULLS) for own, other in zip(values[2:], bare[2:], strict=True)))  # fmt: skip
    mixing = [f"{how}; mean over seeds" for how in ("conditions of the output permuted", "contrasts of the conditions reversed in time at random")]
    surrogates = [*mixing, *2 * ["networks exchanged with untrained ones; mean over seeds"]]
    rows = zip(MEASURES, values, ("lower", "higher", "higher", "lower"), (0.0, 1.0, 1.0, 0.0), nulls, surrogates, strict=True)
    return [
        cs.Score(measure, name, SPLIT, float(np.mean(each)), better, identical, null, surrogate, cs.statistics.mean_interval(each),
                 "seeds" if len(found) > 1 else "one seed; run more", ceiling_reason="the muscles are given without noise")
        for measure, each, better, identical, null, surrogate in rows
    ]  # fmt: skip


def _cut_score(cut: Mapping[str, list[float]]) -> cs.Score:
    compared = f"a comparison: {min(cut['within']):.3f} to {max(cut['within']):.3f} without as many random weights within modules"
    return cs.Score("error without the weights between modules", MODULAR, SPLIT, cut["between"][0], "lower", cut["whole"][0], None, compared,
                    None, "one network", ceiling_reason="no noise")  # fmt: skip


def _claims(found: Mapping[str, list[Reading]], cut: Mapping[str, list[float]]) -> list[cs.Claim]:
    trained = [reading for name in VARIANTS for reading in found[name]]
    worst, least = max(reading.error for reading in trained), min(reading.tangled for reading in trained)
    p = [cs.statistics.p_value(one.turning.r2_skew, one.null) for name, (_, _, stay) in VARIANTS.items() if not stay for one in found[name]]
    return [
        cs.Claim("largest normalised squared error of a variant", worst, 0.0, 0.02, SMALL.format("0.005 to 0.011")),
        cs.Claim("largest p-value of the rotational R², reversed in time, cues withdrawn", max(p), 0.0, 0.05, BOUND),
        cs.Claim("smallest share of times less tangled than the muscles", least, 0.95, 1.0, SMALL.format("1")),
        cs.Claim("modular network: error", cut["whole"][0], 0.0, 0.05, BOUND),
        cs.Claim("modular network: error without the weights between modules, relative to the least without knowing the condition",
              cut["between"][0] / cut["blind"][0], 1.0, np.inf, "the third module hears of the condition through the others alone"),
    ]  # fmt: skip


def _answer(found: Mapping[str, list[Reading]], cut: Mapping[str, list[float]]) -> str:
    mean = {name: np.mean([(reading.error, reading.turning.r2_skew) for reading in readings], axis=0) for name, readings in found.items()}
    told = "; ".join(f"{name}: error {error:.3f}, rotational R² {turning:.2f}" for name, (error, turning) in mean.items())
    simple, free = ([reading.turning.r2_skew for reading in found[name]] for name in ("regularised", "no regulariser"))
    clear, none = "Regularised networks rotate more at every seed.", "Regularised or not, they rotate: there is no clear contrast."
    verdict = clear if min(simple) > max(free) else none
    verdict += f" An independent small version reached 0.72 to 0.83; networks never trained reach {mean['untrained'][1]:.2f}."
    return (
        f"{told}. {verdict} The modular network's error is {cut['whole'][0]:.3f}, {cut['between'][0]:.2f} without the weights between its modules "
        f"(at least {cut['blind'][0]:.2f} if it does not know the condition) and {np.mean(cut['within']):.2f} without as many within them."
    )


def _pictures(scores: Sequence[cs.Score], found: Mapping[str, Sequence[Reading]], task: cs.Task) -> dict[str, cs.Picture]:
    muscles = {name: readings[0].muscles.rate for name, readings in found.items()}
    time = task.wanted.window(*EPOCHS_OF["movement"]).time
    curves = {"muscles": found["regularised"][0].curve[1]} | {name: readings[0].curve[0] for name, readings in found.items()}
    return {
        "scores": cs.Picture(
            cs.figures.score_panels([score for score in scores if score.student != MODULAR], MEASURES[:2]),
            "How well the muscles are generated, and how much the network rotates",
            "Dots: mean over seeds; lines: 95 % interval; grey bands: 95 % of the surrogates.",
        ),
        "muscles": cs.Picture(
            cs.figures.example_units(task.targets.values, muscles, task.time, [0, 2, 4, 6], [0, task.trials // 2], ylabel="activity", event="go cue"),
            "Muscles", "Activity of four muscles (as a share of each one's peak) in two conditions; thick: target.",
        ),
        "rotations": cs.Picture(
            cs.figures.rotation_planes({name: readings[0].turning for name, readings in found.items()}), "Rotations of the hidden rates (jPCA)",
            f"The plane of most rotation, {TURNING[0] * 1e3:g} to {TURNING[1] * 1e3:g} ms after the go cue; first seed.",
        ),
        "tangling": cs.Picture(
            cs.figures.curves(time * 1e3, {name: np.log10(line) for name, line in curves.items()}, xlabel="time from go cue (ms)",
                           ylabel="log10 of tangling (1/s²)"),
            "Tangling", "90th percentile over conditions, first seed. A system that drives itself should be less tangled than its outputs.",
        ),
    }  # fmt: skip


def _methods(task: cs.Task) -> str:
    strong = ", ".join(f"{name} {value:g}" for name, value in STRONG.items())
    return f"""
    {cs.tasks.muscles_said(task)} Networks of {UNITS} units start from rest, receive the cues and a hold signal until the go cue (one variant receives
    the cues to the end), and were trained on all conditions by back-propagation through time; the paper used Hessian-free optimisation, recorded
    muscles and 300 units. Regularisers: {strong} (full), a tenth of them, or none. The modular network has synthetic muscles.

    Rotations: jPCA on six components of the hidden rates after removal of the mean over conditions, without soft normalisation. Tangling: eight
    components. Alignment: of preparatory activity with the ten leading components of movement activity. Untrained networks are shown beside the
    trained ones: properties that both share have nothing to do with the muscles.
    """
