"""Does a network that matches the activity of motor cortex also work like it?

Reproduces  preparatory states released into movement, Hennequin, Vogels & Gerstner (2014) Neuron 82:1394, as delayed centre-out reaches of
            the simulated circuit; rotations, Churchland et al. (2012) Nature 487:51, by jPCA.
Claim       the best student explains at least 95 % of held-out rates, and the student of the circuit's own class, taught from states that
            span the state space, also explains unseen pushes (R2 > 0.97) and silencing (R2 > 0.9).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TESTED, TRAINING = 27, 330  # conditions that students are compared on, and taught
TURNING = (0.0, 0.2)  # s after the go cue, where rotations are looked for
GAP = 0.1  # of R², between rates and push, that is worth saying
JUMP = 4.0  # Hz that a push moves a unit by, in PUSHED["duration"] s
PUSHED = {"fraction": 0.1, "start": 0.1, "duration": 0.02}  # of the units; s after the go cue
SILENCED = {"fraction": 0.2, "start": 0.1, "duration": 0.1}
SMALL = 60  # training conditions of a smoke run
SPANS = {kind: (how["start"], how["start"] + how["duration"]) for kind, how in (("push", PUSHED), ("silencing", SILENCED))}
DRAWS = 3  # of the pushed and of the silenced units
HIDDEN = 150  # units of a student of a recording
RECORDED, RECORDED_TURNING = (-0.3, 0.4), (-0.05, 0.16)  # s from movement onset; the latter includes the bin at 150 ms

OWN, CONTROL = "own gain", "positive control"
TAUGHT = {
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=25, rate=5e-3)),
    "Dale": ("leaky_dale", cs.Options(epochs=25, rate=5e-3)),
    "hidden units": ("leaky_readout", cs.Options(epochs=60, rate=5e-3)),
    "GRU": ("gru", cs.Options(epochs=60, rate=5e-3)),
}
CHEAP = ("leaky tanh", "Dale")
TAUGHT_RECORDED = {  # few conditions make one step an epoch; rates tried out on hatsopoulos2007
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=300, rate=5e-3, patience=100, closed_form=False)),
    "Dale": ("leaky_dale", cs.Options(epochs=300, rate=5e-3, patience=100, closed_form=False)),
    "hidden units": ("leaky_readout", cs.Options(epochs=150, rate=1e-2, patience=100, closed_form=False)),
    "GRU": ("gru", cs.Options(epochs=150, rate=1e-2, patience=100, closed_form=False)),
}
CHEAP_RECORDED = ("leaky tanh", "hidden units")
SHUFFLED, SHUFFLED_RECORDED = cs.Options(epochs=15, rate=5e-3, closed_form=False), cs.Options(epochs=60, rate=5e-3, closed_form=False)
REFERENCES = ("cosine tuning", "mean of the others")
BOUND = "bound of this protocol"
CONTROLS = ("untrained", "shuffled", CONTROL)
ABSENT = (
    "Responses to a push or to silencing, and spectra: nobody pushed this cortex while it was recorded, so there is nothing to compare with. "
    "Run the same protocol on a circuit (without --recording) to see whether students like these respond as their teacher does.",
    "A noise ceiling: the recording holds condition averages, not single trials.",
)
PUSHES = ("response to push, R²", "response to silencing, R²")
ACTIVITY = ("R² of rates", "Procrustes angle (rad)", "linear CKA, debiased")


def run(
    model: cs.Model | cs.SpikingModel, *, seed: int = 0, smoke: bool = False, recording: str | Path | None = None, students: str = "default"
) -> cs.Report:
    """Teach networks the activity of a circuit, or of a recording, and compare what they do and how they do it.

    A spiking circuit is taught by the smoothed spikes of a few of its neurons, as the protocol match_spiking says.

    Args:
        model: circuit to be matched.
        seed: of every random choice; the circuit's own weights follow ``model.seed``.
        smoke: few units, conditions and epochs: shows that everything runs, its numbers mean nothing.
        recording: condition averages to match instead of the circuit.
        students: ``"default"``, the cheapest that answer the question, or ``"all"``.

    Raises:
        OptionError: students is neither.
    """
    if isinstance(model, cs.SpikingModel):
        if recording is not None or students != "default":
            raise cs.errors.OptionError(f"{model.name}: is a spiking circuit, which is matched without --recording and --students.")
        report: cs.Report = cs.cards.catalogue.protocol("match_spiking").run(model, seed=seed, smoke=smoke)
        return report
    if students not in ("default", "all"):
        raise cs.errors.OptionError(f"students {students!r} is unknown. {cs.errors.suggestion(students, ('default', 'all'))}")
    if recording is not None:
        return match_recording(Path(recording), TAUGHT if students == "all" else CHEAP_RECORDED, seed, smoke)
    return match_circuit(model, TAUGHT if students == "all" else CHEAP, seed, smoke)


def training_data(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> tuple[cs.Model, cs.Trials, cs.Task, cs.Options]:
    """A student, the reaches it is trained on, and the options, for searching better options."""
    model = _small(model) if smoke else model
    training, _ = cs.analysis.delayed_reaches(model, (SMALL if smoke else TRAINING, TESTED), seed=seed)
    card, options = TAUGHT["hidden units"]
    return cs.fitting.with_time_constant_of(cs.load(card), model), training.trials, training.task, options


@dataclass(frozen=True)
class Battery:
    """What students are taught, what they are asked, and how the circuit answers pushes that nobody was taught."""

    split: str
    training: cs.analysis.Side
    test: cs.analysis.Side
    pushes: Mapping[str, list[cs.Task]]
    responses: Mapping[str, list[np.ndarray]]


def match_circuit(model: cs.Model, names: Iterable[str], seed: int, smoke: bool) -> cs.Report:
    """Match a circuit that is simulated here, then push both sides."""
    seconds: dict[str, float] = {}
    if model.initial or model.size("observed") != model.units:
        raise cs.errors.OptionError(f"{model.name}: its units are hidden behind a readout; match needs a circuit whose units are the observed ones.")
    model = _small(model) if smoke else model
    with cs.timed(seconds, "circuit"):
        preferred = cs.analysis.preferred_states(model)
    with cs.timed(seconds, "simulation"):
        trained, draws = (SMALL, 1) if smoke else (TRAINING, DRAWS)
        reaching = _battery(
            model, f"{TESTED} held-out reaches", cs.analysis.delayed_reaches(model, (trained, TESTED), seed=seed, preferred=preferred), draws, seed
        )
        spanning = _battery(model, f"{TESTED} held-out states that span state space", _free_runs(model, preferred, trained, seed), draws, seed)
    with cs.timed(seconds, "training"):
        jobs = {OWN: cs.fitting.Job(cs.fitting.own_class(model), reaching.training.trials, reaching.training.task, seed, cs.Options(epochs=0))}
        students = {name: (cs.fitting.with_time_constant_of(cs.load(TAUGHT[name][0]), model), TAUGHT[name][1]) for name in names}
        jobs |= cs.fitting.with_controls(students, reaching.training.trials, reaching.training.task, shuffled=SHUFFLED, seed=seed)
        jobs[CONTROL] = cs.fitting.Job(cs.fitting.own_class(model), spanning.training.trials, spanning.training.task, seed, cs.Options(epochs=0))
        fitted = cs.fitting.train_many(_shortened(jobs, 2) if smoke else jobs)
    batteries = {name: spanning if name == CONTROL else reaching for name in fitted}
    with cs.timed(seconds, "comparison"):
        copies = {name: cs.simulate(one.model, batteries[name].test.task, seed=seed) for name, one in fitted.items()}
        found = {name: _responses(one.model, batteries[name].test.task, batteries[name].pushes, seed) for name, one in fitted.items()}
        flows = {"teacher": cs.analysis.spectrum(model)} | {name: cs.analysis.spectrum(one.model) for name, one in fitted.items()}
        scores = cs.Comparison(())
        for name, battery in batteries.items():
            spread = np.ptp(battery.training.trials.rate, axis=(0, 1))
            shared = {"name": name, "split": battery.split, "seed": seed, "nulls": 20 if smoke else cs.measures.NULLS}
            scores += cs.compare(battery.test.trials, copies[name], training=battery.training.trials, window=TURNING, spread=spread, **shared)
            scores += cs.Comparison(
                tuple(cs.measures.response_score(kind, battery.responses[kind], found[name][kind], **shared) for kind in battery.pushes)
            )
            scores += cs.Comparison((cs.measures.compare_spectra(flows["teacher"], fitted[name].model, name=name, seed=seed),))
    shown = {name: copy for name, copy in copies.items() if name != CONTROL}
    spread, time = np.ptp(reaching.training.trials.rate, axis=(0, 1)), reaching.test.trials.time
    pictures = cs.figures.activity_pictures(
        tuple(scores), reaching.test.trials, shown, measures=(*ACTIVITY, *PUSHES), spread=spread, window=TURNING, event="go cue"
    )
    pictures |= cs.figures.mechanism_pictures(
        reaching.responses, {name: found[name] for name in shown}, flows, time, SPANS
    ) | cs.figures.learning_pictures(fitted)
    return cs.Report(
        title=QUESTION, question=f"Teacher: {model.title} ({model.paper}).", answer=_answer(scores),
        claims=_claims(scores) + ([] if smoke else _full_claims(scores, preferred, model)),
        scores=tuple(scores), pictures=pictures, trials={"teacher": reaching.test.trials, "training": reaching.training.trials} | copies,
        models={"teacher": model} | {name: one.model for name, one in fitted.items()}, methods=_methods(model, preferred, fitted, draws),
        facts={"teacher": f"{model.name}, {model.units} units, in Brian2"} | _facts(fitted, f"{TESTED} held-out reaches")
        | {"units that vary": _active({"teacher": reaching.test.trials} | shown, reaching.training.trials)},
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def match_recording(path: Path, names: Iterable[str], seed: int, smoke: bool) -> cs.Report:
    """Match condition averages of a recording; every condition is held out once."""
    seconds: dict[str, float] = {}
    whole = cs.read(path)
    if "rate" not in whole.dataset:
        advice = "average it first: read(path).smoothed(0.025).averaged().save('averages.nc')"
        raise cs.errors.OptionError(f"{path}: holds spikes of {whole.shape[0]} trials; match needs condition averages in 10 ms bins; {advice}.")
    try:
        cortex = whole.window(*RECORDED)
        cortex.window(*RECORDED_TURNING)
    except cs.errors.TrialsError as problem:
        raise cs.errors.TrialsError(f"{path}: {problem} This protocol needs the movement.") from None
    task = replace(_recorded_task(cortex), initial=cortex.rate[:, 0])
    everyone = np.arange(task.trials)
    with cs.timed(seconds, "training"):
        jobs, students = {}, {name: (_recorded_student(name), TAUGHT_RECORDED[name][1]) for name in names}
        for fold in everyone:
            rest = np.delete(everyone, fold)
            taught = cs.fitting.with_controls(students, cortex.select(rest), task.select(rest), shuffled=SHUFFLED_RECORDED, seed=seed)
            jobs |= {f"{name}, fold {fold + 1}": job for name, job in taught.items()}
        fitted = cs.fitting.train_many(_shortened(jobs, 2) if smoke else jobs)
    with cs.timed(seconds, "comparison"):
        copies = {}
        for name in dict.fromkeys(label.split(", fold")[0] for label in jobs):
            folds = [cs.simulate(fitted[f"{name}, fold {fold + 1}"].model, task.select([fold]), seed=seed).rate for fold in everyone]
            copies[name] = cs.Trials.from_arrays(np.concatenate(folds), cortex.time, condition=cortex.condition)
        copies |= {} if task.channels is None else {REFERENCES[0]: cs.measures.cosine_tuning(cortex, np.radians(cortex.condition))}
        copies[REFERENCES[1]] = cs.measures.mean_of_others(cortex)
        training = [cortex.select(np.delete(everyone, fold)) for fold in everyone]
        spread, scores = np.ptp(whole.rate, axis=(0, 1)), cs.Comparison(())
        for name, copy in copies.items():
            shared = {"name": name, "split": "each condition held out once", "seed": seed, "nulls": 20 if smoke else cs.measures.NULLS}
            scores += cs.compare(cortex, copy, training=training, window=RECORDED_TURNING, spread=spread, **shared)
    first = {name: fitted[f"{name}, fold 1"] for name in copies if f"{name}, fold 1" in fitted}
    pictures = cs.figures.activity_pictures(
        tuple(scores), cortex, copies, measures=ACTIVITY, spread=spread, window=RECORDED_TURNING, event="movement onset"
    )
    pictures |= cs.figures.learning_pictures(first)
    return cs.Report(
        title="Does a network that is taught the activity of motor cortex predict a reach it has never seen?",
        question=f"Teacher: the recording {path.name}.", answer=_recorded_answer(scores), claims=_claims(scores), scores=tuple(scores),
        pictures=pictures,
        trials={"teacher": cortex} | copies, models={name: one.model for name, one in first.items()},
        methods=_recorded_methods(cortex, first),
        facts={"teacher": f"{path.name}, {cortex.rate.shape[2]} units"} | _facts(first, f"{task.trials} conditions, each once")
        | {"units that vary": _active({"teacher": cortex} | copies, cortex)},
        absent=ABSENT, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _small(model: cs.Model) -> cs.Model:
    return model if model.weights else model.with_arrays({}, units=min(model.units, 50))


def _free_runs(model: cs.Model, preferred: cs.analysis.Preferred, trained: int, seed: int) -> list[cs.analysis.Side]:
    """The circuit left alone from states that span its state space: for training, and for the test."""
    drawn = cs.seed_of(seed, "task", "states that span state space")
    states = cs.analysis.mixtures(preferred, trained + TESTED, k=None, seed=drawn, sd=cs.analysis.STATE_SD)
    tasks = [cs.tasks.free_run(cs.simulation.rate_of(model, part), cs.analysis.AFTER_GO_CUE[1]) for part in np.split(states, [trained])]
    return [cs.analysis.Side(task, cs.simulate(model, task, seed=seed)) for task in tasks]


def _battery(model: cs.Model, split: str, sides: Sequence[cs.analysis.Side], draws: int, seed: int) -> Battery:
    training, test = sides
    pushes = _perturbed(model, test.task, draws, seed)
    return Battery(split, training, test, pushes, _responses(model, test.task, pushes, seed))


def _perturbed(model: cs.Model, task: cs.Task, draws: int, seed: int) -> dict[str, list[cs.Task]]:
    """Several draws of a push and of a silencing; nobody is trained on them."""
    amplitude = cs.simulation.push_amplitude(model, JUMP, PUSHED["duration"])
    units, silent = model.size("observed"), model.silent.si if model.silent else 0.0
    seeds = [cs.seed_of(seed, "task", "push of match", draw) for draw in range(draws)]
    return {
        "push": [cs.perturb.push(task, units, seed=drawn, amplitude=amplitude, **PUSHED) for drawn in seeds],
        "silencing": [cs.perturb.silence(task, units, seed=drawn, rate=silent, **SILENCED) for drawn in seeds],
    }


def _responses(model: cs.Model, task: cs.Task, pushes: Mapping[str, list[cs.Task]], seed: int) -> dict[str, list[np.ndarray]]:
    """Rates under each perturbation minus those without, both from the same start."""
    still = cs.simulate(model, task, seed=seed).rate
    return {kind: [cs.simulate(model, pushed, seed=seed).rate - still for pushed in tasks] for kind, tasks in pushes.items()}


def _shortened(jobs: Mapping[str, cs.fitting.Job], epochs: int) -> dict[str, cs.fitting.Job]:
    return {name: replace(job, options=replace(job.options, epochs=min(job.options.epochs, epochs))) for name, job in jobs.items()}


def _recorded_task(cortex: cs.Trials) -> cs.Task:
    """The task of a recording: target and hold channels where its conditions are directions, else nothing but the first bin."""
    start, stop = float(cortex.time[0]), float(cortex.time[-1] + cortex.bin)
    if cortex.provenance.get("condition") != cs.trials.DIRECTION:
        return cs.Task("recorded conditions", start, stop, cortex.condition)
    return cs.tasks.centre_out(cortex.condition, preparation=-start, movement=stop)


def _recorded_student(name: str) -> cs.Model:
    student = cs.load(TAUGHT_RECORDED[name][0])
    return student.with_arrays({}, units=HIDDEN) if name in ("hidden units", "GRU") else student


def _answer(scores: cs.Comparison) -> str:
    names = [name for name in dict.fromkeys(score.student for score in scores) if name not in CONTROLS]
    rates, pushed, silenced = ({name: scores.of(measure, name).estimate for name in (*names, *CONTROLS)} for measure in ("R² of rates", *PUSHES))
    best, loose = max(names, key=lambda name: rates[name]), max(names, key=lambda name: rates[name] - pushed[name])
    interval = scores.of("R² of rates", best).interval or (np.nan, np.nan)
    first = (
        f"The student {best!r} reproduces held-out reaches with R² {rates[best]:.3f} (95 % interval {interval[0]:.3f} to {interval[1]:.3f}; "
        f"untrained {rates['untrained']:.2f}, shuffled {rates['shuffled']:.2f}) and the response to a push it never saw with R² {pushed[best]:.2f}."
    )
    if rates[loose] - pushed[loose] < GAP:
        return f"{first} No trained student matches the rates without matching the push: the largest gap is {rates[loose] - pushed[loose]:.2f}."
    return (
        f"{first} Matching activity does not by itself match the mechanism: {loose!r} reaches R² {rates[loose]:.2f} on the rates but "
        f"{pushed[loose]:.2f} on the push and {silenced[loose]:.2f} on silencing."
    )


def _claims(scores: cs.Comparison) -> list[cs.Claim]:
    """What every run should show, however small."""
    r2 = {score.student: score.estimate for score in scores if score.measure == "R² of rates"}
    trained = [name for name in r2 if name not in (*CONTROLS, *REFERENCES)]
    beaten = np.mean([r2[name] > max(r2["untrained"], r2["shuffled"]) for name in trained])
    return [cs.Claim("share of trained students that beat the untrained and the shuffled one", float(beaten), 1.0, 1.0, BOUND)]


def _full_claims(scores: cs.Comparison, preferred: cs.analysis.Preferred, model: cs.Model) -> list[cs.Claim]:
    """What a run of full size should show, of the students and of the circuit."""
    trained = [score.estimate for score in scores if score.measure == "R² of rates" and score.student not in CONTROLS]
    rates, pushed, silenced = (scores.of(measure, CONTROL).estimate for measure in ("R² of rates", *PUSHES))
    tried = BOUND + "; an independent implementation reached {}"
    return [
        cs.Claim("R² of held-out rates, best student", max(trained), 0.95, 1.0, BOUND),
        cs.Claim("R² of held-out rates, positive control", rates, 0.999, 1.0, tried.format("0.9993 to 0.9997")),
        cs.Claim("R² of the response to a push, positive control", pushed, 0.97, 1.0, tried.format("0.99 to 1.00")),
        cs.Claim("R² of the response to silencing, positive control", silenced, 0.9, 1.0, tried.format("0.91 to 0.94")),
        *_circuit_claims(model, preferred),
    ]


def _circuit_claims(model: cs.Model, preferred: cs.analysis.Preferred) -> list[cs.Claim]:
    """Published properties of the stability-optimised circuit, where it is the one of the paper's size."""
    name, *others = cs.simulation.recurrent_projections(model) or [""]
    if not name or others or model.projections[name].rule != "stability_optimised" or model.units != 200 or preferred.energy is None:
        return []
    source = "authors' matrix (data.mat of Stroud et al. 2018): {}; band about it, narrower than the spread over random draws"
    return [
        cs.Claim("circuit: spectral abscissa", cs.cards.spectral_abscissa(model.arrays()[name]), 0.14, 0.15, source.format("0.14999")),
        cs.Claim("circuit: largest evoked energy", float(preferred.energy[0]), 10.5, 13.0, source.format("12.08")),
        cs.Claim(
            "circuit: directions that evoke more than an unconnected circuit", float((preferred.energy > 1).sum()), 122, 136, source.format("129")
        ),
        cs.Claim("circuit: mean evoked energy", float(preferred.energy.mean()), 2.2, 2.5, source.format("2.378")),
    ]


def _recorded_answer(scores: cs.Comparison) -> str:
    r2 = {score.student: score for score in scores if score.measure == "R² of rates"}
    references = [name for name in REFERENCES if name in r2]
    best = max((name for name in r2 if name not in (*CONTROLS, *references)), key=lambda name: r2[name].estimate)
    interval, reference = r2[best].interval or (np.nan, np.nan), r2[references[0]]
    verdict = "better than" if interval[0] > reference.estimate else "worse than" if interval[1] < reference.estimate else "no better than"
    return (
        f"The student {best!r} predicts the rates of a condition it has never seen with R² {r2[best].estimate:.2f} (95 % "
        f"interval {interval[0]:.2f} to {interval[1]:.2f}; untrained {r2['untrained'].estimate:.2f}, shuffled {r2['shuffled'].estimate:.2f}). "
        f"That is {verdict} {reference.student} (R² {reference.estimate:.2f}), which has no dynamics."
    )


def _facts(fitted: Mapping[str, cs.Fitted], compared: str) -> dict[str, str]:
    taught, checked = next(iter(fitted.values())).conditions
    return {"taught on": f"{taught} conditions, {checked} more for early stopping", "compared on": compared, "students": ", ".join(fitted)}


def _active(systems: Mapping[str, cs.Trials], training: cs.Trials) -> str:
    shares = {name: cs.measures.active_share(trials, training) for name, trials in systems.items()}
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share < 1) or "all, on every side"


def _taught(fitted: Mapping[str, cs.Fitted]) -> str:
    parts = "; ".join(f"{name}: {one}" for name, one in fitted.items())
    return f"Students: {parts}. Zero epochs: the closed-form regression of the student's own equation, or untrained weights."


def _methods(model: cs.Model, preferred: cs.analysis.Preferred, fitted: Mapping[str, cs.Fitted], draws: int) -> str:
    step, k, runs = f"{model.dt.value:g} {model.dt.unit}", min(cs.analysis.MIXED_STATES, model.units), fitted[CONTROL].conditions[0]
    return f"""
    The circuit was run in Brian2 (step {step}) on delayed reaches. Each preparatory state is a random mixture of the top k = {k} preferred states
    ({preferred.how}), scaled to a standard deviation over units of {cs.analysis.STATE_SD:g}, in the unit of the state; a current that grows as
    exp(t/400 ms) leads there and is withdrawn within 2 ms at the go cue. What the circuit did from then on is the teacher.

    Students start from the circuit's rates at the go cue, receive the same input, and run freely for {cs.analysis.AFTER_GO_CUE[1] * 1e3:g} ms; their
    error is the squared difference of rates over the variance of each unit. Conditions were split before anything was computed from the data; means
    and scales come from the conditions taught on.

    {_taught(fitted)}

    The untrained student has its random weights; the shuffled one was taught to go on from each condition's first bin as another condition does. The
    positive control has the circuit's own equations, learned in closed form from {runs} free runs whose starts span all of state space, and is asked
    such runs: if it fell short, the chain from simulation to score would be broken.

    Push: {PUSHED["fraction"]:.0%} of the units, random signs, a current that moves a unit by {JUMP:g} within {PUSHED["duration"] * 1e3:g} ms.
    Silencing: {SILENCED["fraction"]:.0%} of the units held at zero firing for {SILENCED["duration"] * 1e3:g} ms. Both start {PUSHED["start"] * 1e3:g}
    ms after the go cue, random draws of the units: {draws} each, the same on both sides. Where a student's units are no neurons, the least change of
    its state that changes the observed rates as asked takes their place.
    """


def _recorded_methods(cortex: cs.Trials, fitted: Mapping[str, cs.Fitted]) -> str:
    start, stop = cortex.time[0] * 1e3, (cortex.time[-1] + cortex.bin) * 1e3
    return f"""
    {len(cortex.rate)} condition averages of {cortex.rate.shape[2]} units, {start:g} to {stop:g} ms. Every condition was held out once: students were
    taught on the others, one more of which decided when to stop, then started from the held-out condition's first bin and ran freely. Learning rates
    were tried out on hatsopoulos2007 itself, which favours the networks a little there. Means and scales come from the conditions taught on; the
    range that jPCA divides by, from the whole recording.

    {_taught(fitted)} Numbers are those of the first of the folds.

    Where the conditions are directions, students receive the target's x and y and a hold signal that ends at movement onset. Cosine tuning is a
    regression of every unit in every bin on the cosine and sine of the direction, and knows no dynamics; it does not see the first bin.
    """
