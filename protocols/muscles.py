"""Does a network that generates muscle activity rotate like motor cortex, and does it take a simple one?

Reproduces  Sussillo, Churchland, Kaufman & Shenoy (2015) Nat Neurosci 18:1025 on synthetic muscles: a network trained to turn preparatory input into
            muscle activity, with and without regularisers; tangling, Russo et al. (2018) Neuron 97:953; the modular network of Michaels et al.
            (2020) PNAS 117:32124.
Claim       every variant generates the muscles (normalised squared error at most 2 %) and is less tangled than they are at more than 95 % of the
            times; where the preparatory input is withdrawn at the go cue it rotates more than its surrogates. That only the regularised one
            rotates is looked for and reported as found, beside untrained networks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "sussillo_2015"
UNITS, SEEDS, EPOCHS, RATE = 100, 3, 900, 2e-3  # of the small version whose numbers are in the claims' sources
STRONG = {"penalty_rates": 0.1, "penalty_weights": 0.01, "penalty_jacobian": 0.1}  # chosen: what leaves the error below 2 %
VARIANTS: Mapping[str, tuple[float, float, bool]] = {  # g before training, share of the regularisers, whether the cues stay after the go cue
    "no regulariser": (1.5, 0.0, False), "a tenth of them": (1.5, 0.1, False), "regularised": (1.5, 1.0, False),
    "no regulariser, g = 0.5": (0.5, 0.0, False), "cues stay": (1.5, 1.0, True),
}  # fmt: skip
TURNING = (0.05, 0.35)  # s after the go cue, where rotations are looked for: after the first muscles move
EPOCHS_OF = {"preparation": (-0.4, 0.0), "movement": (0.05, 0.5)}  # s
CUES, MUSCLES, MODULES, MODULAR_EPOCHS = 20, 50, 3, 500  # of the modular network: visual features and muscles of the authors' code
NULLS = 50
PUBLISHED = "0.72 to 0.83"  # rotational R² of an independent small version with other muscles
BOUND = "bound of this protocol"
SMALL = "independent small version of the network reached {}; bound of this protocol"
MEASURES = ("normalised squared error of the muscles", "jPCA R²(M_skew)", "times at which tangling is below that of the muscles", "alignment")


@dataclass(frozen=True)
class Reading:
    """What is read off one network.

    Attributes:
        error: squared error of the muscles over their variance.
        turning: jPCA of its hidden rates in movement.
        null: the rotational R² with the conditions of each axis permuted.
        tangled: share of the times of movement at which its tangling is below that of the muscles.
        curve: tangling of network and muscles, 90th percentile over conditions, by time of movement (1/s²).
        aligned: alignment index of preparation with movement.
        muscles: what it puts out.
    """

    error: float
    turning: cs.analysis.Rotations
    null: np.ndarray
    tangled: float
    curve: tuple[np.ndarray, np.ndarray]
    aligned: float
    muscles: cs.Trials


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train variants of a network to generate muscle activity and look at how they do it.

    Args:
        model: leaky network that hears channels.
        seed: of every random choice; each network has a seed of its own made from it.
        smoke: few epochs and seeds: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    task, modular = cs.tasks.muscle_activity(seed=seed), cs.tasks.muscle_activity(seed=seed, cues=CUES, muscles=MUSCLES)
    tasks = {name: cs.tasks.muscle_activity(seed=seed, stay=stay) for name, (_, _, stay) in VARIANTS.items()}
    seeds = [cs.seed_of(seed, "student", "network of muscles", number) for number in range(1 if smoke else SEEDS)]
    jobs = {(name, one): _job(model, tasks[name], name, one, 2 if smoke else EPOCHS) for name in VARIANTS for one in seeds}
    whole = cs.load("michaels_2020")
    plain = cs.Options(epochs=2 if smoke else MODULAR_EPOCHS, batch=task.trials, rate=RATE, patience=EPOCHS, start="rest", validation=0)
    named = {f"{name}, seed {one}": job for (name, one), job in jobs.items()} | {
        "modular": cs.fitting.Job(whole, modular.wanted, modular, seed, plain)
    }
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many(named)
    with cs.timed(seconds, "analysis"):
        found = {name: [_read(fitted[f"{name}, seed {one}"].model, tasks[name], one) for one in seeds] for name in VARIANTS}
        found["untrained"] = [_read(fitted[f"no regulariser, seed {one}"].start, task, one) for one in seeds]
        cut = _cut(fitted["modular"].model, modular, seed, 2 if smoke else 20)
    scores = [score for name, readings in found.items() for score in _scores(name, readings, found["untrained"], seed)] + [_cut_score(cut)]
    first = {name: fitted[f"{name}, seed {seeds[0]}"] for name in VARIANTS}
    return cs.Report(
        title=QUESTION, question=f"{model.title} ({model.paper}), {UNITS} units, {task.trials} conditions, synthetic muscles.",
        answer=_answer(found, cut), claims=[] if smoke else _claims(found, cut), scores=scores,
        pictures=_pictures(scores, found, task, first | {"modular": fitted["modular"]}),
        trials={name: one[0].muscles for name, one in found.items()},
        models={name: one.model for name, one in first.items()} | {"modular": fitted["modular"].model},
        methods=_methods(), facts={"seeds": str(len(seeds))}, smoke=smoke,
        seed=seed, seconds=seconds,
    )  # fmt: skip


def _job(model: cs.Model, task: cs.Task, name: str, seed: int, epochs: int) -> cs.fitting.Job:
    gain, share, _ = VARIANTS[name]
    recurrent = next(iter(model.parsed.called() & model.projections.keys()))
    projections = {key: part.model_dump() for key, part in model.projections.items()}
    projections[recurrent]["arguments"]["gain"]["value"] = gain
    student = model.with_arrays({}, units=UNITS, projections=projections)
    penalties = {key: share * value for key, value in STRONG.items()}
    options = cs.Options(epochs=epochs, batch=task.trials, rate=RATE, patience=epochs, start="rest", validation=0, **penalties)
    return cs.fitting.Job(student, task.wanted, task, seed, options)


def _read(model: cs.Model, task: cs.Task, seed: int) -> Reading:
    wanted, out = task.wanted, cs.simulate(model, task)
    rates = cs.simulation.rate_of(model, cs.simulation.trajectory(cs.simulation.Problem(model, model.arrays(), task)))
    hidden = cs.Trials.from_arrays(rates, task.time, units="1")
    turning = hidden.window(*TURNING).rate
    states = cs.analysis.principal_components(turning - turning.mean(axis=0), cs.analysis.JPCA_AXES)
    rng = cs.stream(seed, "null", "permuted trials of muscles")
    null = np.array([cs.analysis.jpca(cs.statistics.permuted_conditions(states, rng), cs.tasks.BIN).r2_skew for _ in range(NULLS)])
    parts = {name: hidden.window(*span).rate for name, span in EPOCHS_OF.items()}
    own, driven = (cs.analysis.tangling(one, cs.tasks.BIN) for one in (parts["movement"], wanted.window(*EPOCHS_OF["movement"]).rate))
    curve = tuple(np.percentile(one, 90, axis=0) for one in (own, driven))
    aligned = cs.measures.alignment_index(parts["movement"], parts["preparation"])
    return Reading(
        _error(out, wanted), cs.analysis.jpca(states, cs.tasks.BIN), null, float((own < driven).mean()), (curve[0], curve[1]), aligned, out
    )


def _error(out: cs.Trials, wanted: cs.Trials) -> float:
    return float(((out.rate - wanted.rate) ** 2).sum() / ((wanted.rate - wanted.rate.mean(axis=(0, 1))) ** 2).sum())


def _cut(model: cs.Model, task: cs.Task, seed: int, draws: int) -> dict[str, list[float]]:
    """Error of the modular network whole, without the weights between modules, and without as many random weights within them.

    ``blind`` is the least error of an output that does not know the condition: that of the mean over conditions.
    """
    (recurrent,) = cs.simulation.recurrent_projections(model)
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


def _scores(name: str, found: list[Reading], untrained: list[Reading], seed: int) -> list[cs.Score]:
    """The four measures of one variant, with intervals over seeds."""
    noiseless, split = "the muscles are given without noise", "all conditions, all of which were taught"
    rng = cs.stream(seed, "null", "permuted outputs of muscles")
    out = found[0].muscles
    mixed = [_error(out, cs.Trials.from_arrays(out.rate[cs.trials.derangement(len(out.rate), rng)], out.time)) for _ in range(NULLS)]
    turned = np.concatenate([one.null for one in found])
    rows: list[tuple[str, Callable[[Reading], float], str, float, np.ndarray, str]] = [
        (MEASURES[0], lambda one: one.error, "lower", 0.0, np.array(mixed), "conditions of the output permuted"),
        (MEASURES[1], lambda one: one.turning.r2_skew, "higher", 1.0, turned, "conditions of each axis permuted"),
        (MEASURES[2], lambda one: one.tangled, "higher", 1.0, np.array([one.tangled for one in untrained * 2]), "untrained networks"),
        (MEASURES[3], lambda one: one.aligned, "lower", 0.0, np.array([one.aligned for one in untrained * 2]), "untrained networks"),
    ]
    return [
        cs.Score(measure, name, split, float(np.mean([read(one) for one in found])), better, identical, null, surrogate,  # type: ignore[arg-type]
              _interval([read(one) for one in found]), "seeds" if len(found) > 1 else "one seed; run more", ceiling_reason=noiseless)
        for measure, read, better, identical, null, surrogate in rows
    ]  # fmt: skip


def _interval(values: list[float]) -> tuple[float, float] | None:
    """95 % interval of the mean over seeds, by Student's t."""
    if len(values) < 2:
        return None
    reach = float(student_t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - reach, float(np.mean(values)) + reach


def _cut_score(cut: Mapping[str, list[float]]) -> cs.Score:
    return cs.Score(
        "error without the weights between modules", "modular", "all conditions, all of which were taught", cut["between"][0], "lower",
        cut["whole"][0], np.array(cut["within"]), "as many random weights within modules removed", None, "one network", ceiling_reason="no noise",
    )  # fmt: skip


def _claims(found: Mapping[str, list[Reading]], cut: Mapping[str, list[float]]) -> list[cs.Claim]:
    trained = [one for name in VARIANTS for one in found[name]]
    beyond = [one.turning.r2_skew - float(one.null.max()) for name, (_, _, stay) in VARIANTS.items() if not stay for one in found[name]]
    return [
        cs.Claim("largest normalised squared error of a variant", max(one.error for one in trained), 0.0, 0.02, SMALL.format("0.005 to 0.011")),
        cs.Claim("smallest excess of the rotational R² over the largest surrogate, cues withdrawn", min(beyond), 0.0, 1.0, BOUND),
        cs.Claim("smallest share of times less tangled than the muscles", min(one.tangled for one in trained), 0.95, 1.0, SMALL.format("1")),
        cs.Claim("modular network: error", cut["whole"][0], 0.0, 0.05, BOUND),
        cs.Claim("modular network: error without the weights between modules, relative to the least without knowing the condition",
              cut["between"][0] / cut["blind"][0], 1.0, np.inf, "the third module hears of the condition through the others alone"),
    ]  # fmt: skip


def _answer(found: Mapping[str, list[Reading]], cut: Mapping[str, list[float]]) -> str:
    mean = {name: np.mean([(one.error, one.turning.r2_skew) for one in readings], axis=0) for name, readings in found.items()}
    told = "; ".join(f"{name}: error {error:.3f}, rotational R² {turning:.2f}" for name, (error, turning) in mean.items())
    simple, free = ([one.turning.r2_skew for one in found[name]] for name in ("regularised", "no regulariser"))
    clear, none = "Regularised networks rotate more at every seed.", "Regularised or not, they rotate: there is no clear contrast."
    verdict = clear if min(simple) > max(free) else none
    verdict += f" An independent small version reached {PUBLISHED}; networks that were never trained reach {mean['untrained'][1]:.2f}."
    return (
        f"{told}. {verdict} The modular network's error is {cut['whole'][0]:.3f}, {cut['between'][0]:.2f} without the weights between its modules "
        f"(at least {cut['blind'][0]:.2f} if it does not know the condition) and {np.mean(cut['within']):.2f} without as many within them."
    )


def _pictures(scores: list[cs.Score], found: Mapping[str, list[Reading]], task: cs.Task, fitted: Mapping[str, cs.Fitted]) -> dict[str, cs.Picture]:
    muscles = {name: readings[0].muscles.rate for name, readings in found.items()}
    time = task.wanted.window(*EPOCHS_OF["movement"]).time
    curves = {"muscles": found["regularised"][0].curve[1]} | {name: readings[0].curve[0] for name, readings in found.items()}
    assert task.targets is not None
    return {
        "scores": cs.Picture(
            cs.figures.score_panels([s for s in scores if s.student != "modular"], MEASURES[:2]),
            "How well the muscles are generated, and how much the network rotates",
            "Dots: mean over seeds; lines: 95 % interval; grey bands: 95 % of the surrogates.",
        ),
        "muscles": cs.Picture(
            cs.figures.example_units(task.targets.values, muscles, task.time, [0, 2, 4, 6], [0, 13], ylabel="activity", event="go cue"),
            "Muscles", "Activity of four muscles (as a share of each one's peak) in two conditions; thick: asked for.",
        ),
        "rotations": cs.Picture(
            cs.figures.rotation_planes({name: readings[0].turning for name, readings in found.items()}), "Rotations of the hidden rates (jPCA)",
            f"The plane with the fastest rotation, {TURNING[0] * 1e3:g} to {TURNING[1] * 1e3:g} ms after the go cue; first seed.",
        ),
        "tangling": cs.Picture(
            cs.figures.curves(time * 1e3, {name: np.log10(line) for name, line in curves.items()}, xlabel="time from go cue (ms)",
                           ylabel="log10 of tangling (1/s²)"),
            "Tangling", "90th percentile over conditions, first seed. A system that drives itself should be less tangled than what it drives.",
        ),
    } | cs.figures.learning_pictures(fitted)  # fmt: skip


def _methods() -> str:
    return f"""
    Muscles are sums of four Gaussian bumps in time whose heights are random linear functions of six cues. Networks of {UNITS} units start from rest,
    hear the cues and a hold signal until the go cue (one variant hears the cues to the end), and were taught all conditions by back-propagation
    through time; the paper used Hessian-free optimisation, recorded muscles and 300 units.

    Regularisers: {", ".join(f"{name} {value:g}" for name, value in STRONG.items())} (full), a tenth of them, or none.

    Rotations: jPCA on six components of the hidden rates after removal of the mean over conditions, without soft normalisation. Tangling: eight
    components. Alignment: of preparatory activity with the ten leading components of movement activity.

    Untrained networks stand beside the trained ones: what they show as well has nothing to do with the muscles.
    """
