"""Does a network trained on the activity of motor cortex predict a reach that it has never seen?

Reproduces  the setting of Churchland et al. (2012) Nature 487:51: condition averages of recorded neurons, here with each condition held out once.
Claim       every trained student predicts held-out conditions better than the untrained and the shuffled one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
WINDOW, TURNING = (-0.3, 0.4), (-0.05, 0.16)  # s from movement onset; the latter includes the bin at 150 ms
HIDDEN = 150  # units of a student that has hidden ones
TAUGHT = {  # few conditions make one step an epoch; rates tried out on hatsopoulos2007
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=300, rate=5e-3, patience=100, closed_form=False)),
    "Dale": ("leaky_dale", cs.Options(epochs=300, rate=5e-3, patience=100, closed_form=False)),
    "hidden units": ("leaky_readout", cs.Options(epochs=150, rate=1e-2, patience=100, closed_form=False)),
    "GRU": ("gru", cs.Options(epochs=150, rate=1e-2, patience=100, closed_form=False)),
}
CHEAP = ("leaky tanh", "hidden units")
SHUFFLED = cs.Options(epochs=60, rate=5e-3, closed_form=False)
CONTROLS, REFERENCES = ("untrained", "shuffled"), ("cosine tuning", "mean of the others", "ridge from the first bin")
NEURONS, SLOWEST = 200, 2.0  # of a spiking circuit that are measured, drawn among those that fire at this rate in Hz or faster
SMOOTHED, REPEATS = 0.025, 10  # s, and trials of each condition, of a spiking circuit
BOUND = "bound of this protocol"
MEASURES = ("R² of rates", "Procrustes angle (rad)", "linear CKA, debiased")
ABSENT = (
    "Responses to a push or to silencing, and spectra: nobody pushed this cortex while it was recorded, so there is nothing to compare with. "
    "Run the same protocol on a circuit (without --recording) to see whether students like these respond as their teacher does.",
    "A noise ceiling: students are taught and compared with condition averages, not with single trials.",
)


def run(
    model: cs.Model | cs.SpikingModel | None = None,
    *,
    recording: cs.trials.Source,
    seed: int = 0,
    smoke: bool = False,
    students: Sequence[str | cs.Model] | str = "default",
) -> cs.Report:
    """Train networks on the condition averages of a recording, each condition held out once, and compare them with it.

    Args:
        model: a network or circuit, trained or not, to compare with the recording too: given target and hold, which an untrained network gets
            weights for. It starts from the recording's first bin if its number of units matches; if not, and it hears no channels, currents
            prepare a state that turns with the direction. A spiking circuit reaches in the recorded directions, ten trials of each; the spikes of
            200 of its neurons are smoothed by 25 ms and averaged. None corresponds to a recorded unit, so nothing is compared unit by unit.
        recording: condition averages, or spikes of single trials, which are smoothed by 25 ms and averaged.
        seed: of every random choice.
        smoke: few epochs: shows that everything runs; its numbers mean nothing.
        students: "default", the cheapest that answer the question; "all"; or, separated by commas, names of these, of shipped cards of kind rnn, and
            paths of cards and weights of your own (.toml, .pt, .safetensors), which go on learning from their weights; from Python, models too.

    Raises:
        OptionError: students are unknown or cannot be taught.
        TrialsError: the recording lacks the movement.
        TaskError: the model receives no input from the task, or does nothing with it.
        OptionError: a spiking circuit has no inputs that move it, or the recorded conditions are no directions.
    """
    seconds: dict[str, float] = {}
    path = cs.trials.Recording.of(recording)
    whole = cs.read(path)
    whole = whole if "rate" in whole.dataset else cs.trials.averages(path, *path.window(WINDOW))
    cortex = _averages(whole, path)
    asked = cs.fitting.asked_students(students, TAUGHT, CHEAP, observed=cortex.shape[2], taken=(*CONTROLS, *REFERENCES))
    task = cs.tasks.recorded_conditions(cortex)
    everyone = np.arange(task.trials)
    training = [cortex.select(np.delete(everyone, fold)) for fold in everyone]
    made = None if model is None else _made(model, task, cortex.shape[2], seed=seed, smoke=smoke)
    with cs.timed(seconds, "training"):
        cards, jobs = {name: (_sized(name, card), options) for name, (card, options) in asked.items()}, {}
        for fold in everyone:
            taught = cs.fitting.with_controls(cards, training[fold], task.select(np.delete(everyone, fold)), shuffled=SHUFFLED, seed=seed)
            jobs |= {(name, fold): job for name, job in taught.items()}
        labelled = {f"{name}, fold {fold + 1}": job for (name, fold), job in jobs.items()}
        fitted = dict(zip(jobs, cs.fitting.train_many(cs.fitting.shortened(labelled, 2) if smoke else labelled).values(), strict=True))
    with cs.timed(seconds, "comparison"):
        copies = {}
        for name in dict.fromkeys(name for name, _ in jobs):
            rates = [cs.simulate(fitted[name, fold].model, task.select([fold]), seed=seed).rate for fold in everyone]
            copies[name] = cs.Trials.from_arrays(np.concatenate(rates), cortex.time, condition=cortex.condition)
        copies |= {} if task.channels is None else {REFERENCES[0]: cs.measures.cosine_tuning(cortex, np.radians(cortex.condition))}
        copies[REFERENCES[1]] = cs.measures.mean_of_others(cortex)
        ridge = [cs.measures.ridge_from_first_bin(training[fold], cortex.select([fold])).rate for fold in everyone]
        copies[REFERENCES[2]] = cs.Trials.from_arrays(np.concatenate(ridge), cortex.time, condition=cortex.condition)
        spread, scores = np.ptp(whole.rate, axis=(0, 1)), cs.Comparison()
        for name, copy in copies.items():
            shared = {"name": name, "split": "each condition held out once", "seed": seed, "nulls": 20 if smoke else cs.measures.NULLS}
            scores += cs.compare(cortex, copy, training=training, window=TURNING, spread=spread, **shared)
        if made is not None:
            scores += cs.compare(
                cortex, made, window=TURNING, name=str(made.provenance["model"]), split="every condition; taught none of them", seed=seed
            )
    first = {name: student for (name, fold), student in fitted.items() if fold == 0}
    pictures = cs.figures.activity_pictures(tuple(scores), cortex, copies, measures=MEASURES, spread=spread, window=TURNING, event="movement onset")
    facts = {"teacher": f"{path.name}, {cortex.rate.shape[2]} units", "compared on": f"{task.trials} conditions, each once"}
    facts |= cs.fitting.facts(first) | {"units that vary": cs.measures.units_that_vary({"teacher": cortex} | copies, cortex)}
    return cs.Report(
        title=QUESTION, question=f"Teacher: the recording {path.name}.", answer=_answer(scores), claims=[] if smoke else _claims(scores),
        scores=tuple(scores), pictures=pictures | cs.figures.learning_pictures(first), trials={"teacher": cortex} | copies,
        models={name: student.model for name, student in first.items()} | ({} if model is None else {model.name: model}),
        methods=_methods(cortex, first), facts=facts, absent=ABSENT,
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _made(model: cs.Model | cs.SpikingModel, task: cs.Task, units: int, *, seed: int, smoke: bool) -> cs.Trials:
    """Return what a model makes of the task that was recorded; a circuit without channels that cannot start from its rates is prepared instead."""
    if isinstance(model, cs.SpikingModel):
        return _spiked(model, task, units, seed=seed, smoke=smoke)
    listens, starts = any(item.listens for item in model.inputs.values()), model.size("observed") == units
    if task.channels is not None and not model.channels and listens:
        model = model.with_arrays({}, channels=task.channels.shape[2])
    if task.channels is not None and not listens and not starts:
        task = cs.analysis.turned_reaches(model, task.condition, preparation=-task.start, movement=task.stop, seed=seed)
    made = cs.simulate(model, task if starts else replace(task, initial=None), seed=seed)
    if not np.ptp(made.rate, axis=(0, 1)).any():
        raise cs.errors.TaskError(f"{model.name}: no unit varies over conditions and time in this task, so there is nothing to compare.")
    return made


def _spiked(model: cs.SpikingModel, task: cs.Task, units: int, *, seed: int, smoke: bool) -> cs.Trials:
    """Return condition averages of the smoothed spikes of a spiking circuit's neurons, in the directions that were recorded."""
    if task.channels is None:
        raise cs.errors.OptionError(
            f"{model.name}: the recorded conditions are no directions, so that nothing says what a spiking circuit should do in each. Give a "
            "recording with direction_deg, or compare a rate circuit with as many units, which starts from the first bin."
        )
    span = (task.start - 4 * SMOOTHED, task.stop)
    reaches = cs.analysis.turned_spiking_reaches(model, task.condition, span=span, repeats=2 if smoke else REPEATS, seed=seed)
    spikes = cs.simulate(model, reaches, seed=cs.seed_of(seed, "circuit", "spikes beside a recording"))
    rate = np.bincount(spikes.spikes.unit, minlength=spikes.shape[2]) / spikes.shape[0] / (spikes.stop[0] - spikes.time[0])
    fast = np.flatnonzero(rate >= SLOWEST)
    count = min(NEURONS, fast.size)
    count -= count == units  # neurons correspond to no recorded unit, and sides of as many units would be compared unit by unit
    chosen = np.sort(cs.stream(seed, "analysis", "neurons beside a recording").choice(fast, count, replace=False))
    return spikes.units(chosen).smoothed(SMOOTHED).window(task.start, task.stop).averaged()


def _averages(whole: cs.Trials, path: cs.trials.Recording) -> cs.Trials:
    """Return condition averages aligned to movement."""
    try:
        cortex = whole.window(*WINDOW)
        cortex.window(*TURNING)
    except cs.errors.TrialsError as problem:
        raise cs.errors.TrialsError(f"{path}: {problem} This protocol needs the movement.") from None
    return cortex


def _sized(name: str, student: cs.Model) -> cs.Model:
    return student.with_arrays({}, units=HIDDEN) if name in ("hidden units", "GRU") else student


def _answer(scores: cs.Comparison) -> str:
    r2 = scores.estimates(MEASURES[0])
    best = scores.of(MEASURES[0], max((name for name in r2 if name not in (*CONTROLS, *REFERENCES)), key=lambda name: r2[name]))
    reference = next(name for name in REFERENCES if name in r2)
    low, high = best.interval or (np.nan, np.nan)
    verdict = "better than" if low > r2[reference] else "worse than" if high < r2[reference] else "no better than"
    return (
        f"The student {best.student!r} predicts the rates of a condition it has never seen with R² {best.estimate:.2f} (95 % "
        f"interval {low:.2f} to {high:.2f}; untrained {r2['untrained']:.2f}, shuffled {r2['shuffled']:.2f}). "
        f"That is {verdict} {reference} (R² {r2[reference]:.2f}), which has no dynamics."
    )


def _claims(scores: cs.Comparison) -> list[cs.Claim]:
    r2 = scores.estimates(MEASURES[0])
    beaten = np.mean([r2[name] > max(r2["untrained"], r2["shuffled"]) for name in r2 if name not in (*CONTROLS, *REFERENCES)])
    return [cs.Claim("share of trained students that beat the untrained and the shuffled one", float(beaten), 1.0, 1.0, BOUND)]


def _methods(cortex: cs.Trials, fitted: Mapping[str, cs.Fitted]) -> str:
    start, stop = cortex.time[0] * 1e3, (cortex.time[-1] + cortex.bin) * 1e3
    return f"""
    {len(cortex.rate)} condition averages of {cortex.rate.shape[2]} units, {start:g} to {stop:g} ms. Every condition was held out once: students were
    trained on the others, one of which decided when to stop, then started from the held-out condition's first bin and ran freely. Learning rates
    were chosen on hatsopoulos2007 itself, which slightly favours the networks there. Means and scales come from the training conditions; the
    range for jPCA comes from the whole recording.

    {cs.fitting.summary(fitted)} Numbers are those of the first of the folds.

    Where the conditions are directions, students receive the target's x and y and a hold signal that ends at movement onset. Cosine tuning is a
    regression of every unit in every bin on the cosine and sine of the direction, without dynamics; it does not use the first bin. The ridge
    regression maps the rates of the first bin, the only rates given to students, to those of every later one.
    """
