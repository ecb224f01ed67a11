"""Does a network that matches the activity of motor cortex also work like it?

Reproduces  preparatory states released into movement, Hennequin, Vogels & Gerstner (2014) Neuron 82:1394, as delayed centre-out reaches of
            the simulated circuit; rotations, Churchland et al. (2012) Nature 487:51, by jPCA.
Claim       the best student explains at least 95 % of held-out rates, and the student of the circuit's own class, trained on states that
            span the state space, also explains unseen pushes (R² > 0.97) and silencing (R² > 0.8).
"""

from collections.abc import Mapping, Sequence

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TESTED, TRAINING = 27, 330  # conditions that students are compared on, and taught
TURNING = (0.0, 0.2)  # s after the go cue, where rotations are looked for
GAP = 0.1  # of R², between rates and push, that is worth saying
SMALL, FEW = 60, 50  # training conditions and units of a smoke run
DRAWS = 3  # of each kind of push, and of the silenced units

OWN, CONTROL, ALONE, RIDGE = "own gain", "positive control", "without connections", "ridge from the first bin"
CONTROLS = ("untrained", "shuffled", ALONE, CONTROL, RIDGE)
TAUGHT = {
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=25, rate=5e-3)),
    "Dale": ("leaky_dale", cs.Options(epochs=25, rate=5e-3)),
    "hidden units": ("leaky_readout", cs.Options(epochs=16, batch=32, rate=1.5e-3, hidden_start=True)),
    "GRU": ("gru", cs.Options(epochs=60, rate=5e-3)),
}
CHEAP = ("leaky tanh", "Dale")
SHUFFLED = cs.Options(epochs=15, rate=5e-3, closed_form=False)
BOUND = "bound of this protocol"
R2, PUSHES = "R² of rates", tuple(f"response to {kind}, R²" for kind in cs.measures.SPANS)
REACHED = {
    R2: ("R² of held-out rates", 0.999, "0.9993 to 0.9997"),
    PUSHES[0]: ("R² of the response to a push", 0.97, "0.99 to 1.00"),
}
NO_MODES = "Spectrum, {}: no modes, since its activity vanishes within a step or grows without bound."
ACTIVITY = (R2, "Procrustes angle (rad)", "linear CKA, debiased")


def run(
    model: cs.Model | cs.SpikingModel | None,
    *,
    seed: int = 0,
    smoke: bool = False,
    recording: cs.trials.Source | None = None,
    students: Sequence[str | cs.Model] | str = "default",
    perturbed: str | None = None,
    pushed: tuple[float, float] | None = None,
) -> cs.Report:
    """Train networks on the activity of a circuit, or of a recording, and compare activity and mechanism.

    A spiking circuit is matched by the smoothed spikes of a few of its neurons, as in the protocol match_spiking, and a recording by its condition
    averages, as in match_recording.

    Args:
        model: circuit to match; with a recording, a model to compare with it too, or None.
        seed: of every random choice; the circuit's own weights follow ``model.seed``.
        smoke: few units, conditions and epochs: shows that everything runs; its numbers mean nothing.
        recording: condition averages to match instead of the circuit, or spikes, which are averaged.
        students: "default", the cheapest that answer the question; "all"; or, separated by commas, names of these, of shipped cards of kind rnn, and
            paths of cards and weights of your own (.toml, .pt, .safetensors), which go on learning from their weights; from Python, models too.
        perturbed: which trials of the recording are perturbed, as for the protocol match_pushed_recording: students are taught the others.
        pushed: start and stop of that push, s.

    Raises:
        OptionError: students are unknown or cannot be taught, units are hidden behind a readout, or there are perturbed trials without a recording.
    """
    if (perturbed is None and pushed is not None) or (recording is None and perturbed is not None):
        raise cs.errors.OptionError("match: perturbed says which trials of a recording are pushed, and pushed when; give both with a recording.")
    if isinstance(model, cs.SpikingModel) and perturbed is not None:
        why = "a push on recorded units cannot be given to them. Leave out --perturbed, or give a model that observes the recorded units"
        raise cs.errors.OptionError(f"{model.name}: is a spiking circuit, whose neurons are not the recorded ones, so that {why}.")
    if isinstance(model, cs.SpikingModel) and recording is None:
        if students not in ("default", ("default",)):
            raise cs.errors.OptionError(
                f"{model.name}: is a spiking circuit, which match_spiking matches with its own students. Leave out --students."
            )
        return cs.run("match_spiking", model, seed=seed, smoke=smoke)
    if recording is not None or model is None:
        how = {"seed": seed, "smoke": smoke, "recording": recording, "students": students}
        if perturbed is not None:
            return cs.run("match_pushed_recording", model, perturbed=perturbed, pushed=pushed, **how)
        return cs.run("match_recording", model, **how)
    if model.initial or model.size("observed") != model.units:
        raise cs.errors.OptionError(f"{model.name}: its units are hidden behind a readout; match needs a circuit whose units are the observed ones.")
    model = cs.edit.shrunk(model, FEW) if smoke else model
    chosen = cs.fitting.asked_students(students, TAUGHT, CHEAP, observed=model.units, taken=(OWN, *CONTROLS))
    with cs.runtime.workers.together("cortex_sim.fitting._training", "cortex_sim.comparison._examined"):
        return _matched(model, chosen, seed, smoke)


def training_data(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> tuple[cs.Model, cs.Trials, cs.Task, cs.Options]:
    """Return a student, its training reaches, and the options, to search for better options."""
    model = cs.edit.shrunk(model, FEW) if smoke else model
    training, _ = cs.analysis.delayed_reaches(model, (SMALL if smoke else TRAINING, TESTED), seed=seed)
    return cs.fitting.with_time_constant_of(cs.load("leaky_readout"), model), training.trials, training.task, cs.Options(epochs=60, rate=5e-3)


def _matched(model: cs.Model, chosen: Mapping[str, tuple[cs.Model, cs.Options]], seed: int, smoke: bool) -> cs.Report:
    seconds: dict[str, float] = {}
    trained, draws, nulls, shuffles = (SMALL, 1, 20, 5) if smoke else (TRAINING, DRAWS, cs.measures.NULLS, cs.measures.WEIGHT_SHUFFLES)
    with cs.timed(seconds, "circuit"):
        preferred = cs.analysis.preferred_states(model)
    with cs.timed(seconds, "simulation"):
        how = {"draws": draws, "seed": seed, "preferred": preferred, "each": 2 if smoke else 1}
        reaching, spanning = cs.measures.reaching_and_spanning(model, (trained, TESTED), **how)
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many(_jobs(model, chosen, reaching.training, spanning.training, seed, smoke))
        students = {name: student.model for name, student in fitted.items()} | {ALONE: cs.edit.unconnected(cs.fitting.own_class(model))}
    with cs.timed(seconds, "comparison"):
        batteries = {name: spanning if name == CONTROL else reaching for name in students}
        examination = cs.measures.Examination(cs.analysis.spectrum(model), TURNING, seed, nulls, shuffles)
        asked = {name: (student, batteries[name]) for name, student in students.items()} | {RIDGE: (cs.measures.ridge_from_first_bin, reaching)}
        found = examination.of(asked)
        copies, responses = ({name: getattr(one, part) for name, one in found.items()} for part in ("copy", "responses"))
        flows = {"teacher": examination.flow} | {name: one.flow for name, one in found.items() if one.flow}
        scores = sum((one.scores for one in found.values()), cs.Comparison())
        modeless = [name for name, flow in flows.items() if not len(flow.eigenvalues)]
    shown = {name: copy for name, copy in copies.items() if name != CONTROL}
    spread, test, training = np.ptp(reaching.training.trials.rate, axis=(0, 1)), reaching.test.trials, reaching.training.trials
    pictures = (
        cs.figures.activity_pictures(tuple(scores), test, shown, measures=(*ACTIVITY, *PUSHES), spread=spread, window=TURNING, event="go cue")
        | cs.figures.mechanism_pictures(
            reaching.responses, {name: responses[name] for name in shown if responses[name]}, flows, test.time, cs.measures.SPANS
        )
        | cs.figures.learning_pictures(fitted)
    )
    facts = {"teacher": f"{model.name}, {model.units} units, in Brian2", "compared on": reaching.split} | cs.fitting.facts(fitted)
    facts["units that vary"] = cs.measures.units_that_vary({"teacher": test} | shown, training)
    return cs.Report(
        title=QUESTION, question=f"Teacher: {model.title} ({model.paper}).", answer=_answer(scores),
        claims=_claims(scores) + ([] if smoke else _full_claims(scores, preferred, model)), scores=tuple(scores), pictures=pictures,
        trials={"teacher": test, "training": training} | copies, models={"teacher": model} | students,
        methods=_methods(model, preferred, fitted, draws), facts=facts, smoke=smoke, seed=seed, seconds=seconds,
        absent=[*cs.fitting.own_class_absent(model, fitted, (OWN, CONTROL)), *(NO_MODES.format(name) for name in modeless)],
    )  # fmt: skip


def _jobs(
    model: cs.Model, chosen: Mapping[str, tuple[cs.Model, cs.Options]], reaching: cs.analysis.Side, spanning: cs.analysis.Side, seed: int, smoke: bool
) -> dict[str, cs.fitting.Job]:
    """Return the circuit's own class, fitted in closed form to reaches and to states that span state space, the students, and their controls."""
    closed, possible = cs.Options(epochs=0), not cs.fitting.not_own_class(model)
    students = {name: (cs.fitting.with_time_constant_of(card, model), options) for name, (card, options) in chosen.items()}
    jobs = {OWN: cs.fitting.Job(cs.fitting.own_class(model), reaching.trials, reaching.task, seed, closed)} if possible else {}
    jobs |= cs.fitting.with_controls(students, reaching.trials, reaching.task, shuffled=SHUFFLED, seed=seed)
    if possible:
        jobs[CONTROL] = cs.fitting.Job(cs.fitting.own_class(model), spanning.trials, spanning.task, seed, closed)
    return cs.fitting.shortened(jobs, 2) if smoke else jobs


def _answer(scores: cs.Comparison) -> str:
    rates, pushed, within, silenced = (scores.estimates(measure) for measure in (R2, *PUSHES))
    names = [name for name in rates if name not in CONTROLS]
    best, loose = max(names, key=lambda name: rates[name]), max(names, key=lambda name: rates[name] - pushed[name])
    low, high = scores.of(R2, best).interval or (np.nan, np.nan)
    first = (
        f"The student {best!r} reproduces held-out reaches with R² {rates[best]:.3f} (95 % interval {low:.3f} to {high:.3f}; "
        f"untrained {rates['untrained']:.2f}, shuffled {rates['shuffled']:.2f}, {RIDGE} {rates[RIDGE]:.2f}), the response to a push of random units, "
        f"which it never saw, with R² {pushed[best]:.2f}, and to one within the six leading components with {within[best]:.2f}."
    )
    if rates[loose] - pushed[loose] < GAP:
        return f"{first} No trained student matches the rates without matching the push: the largest gap is {rates[loose] - pushed[loose]:.2f}."
    return (
        f"{first} Matching activity does not by itself match the mechanism away from it: {loose!r} reaches R² {rates[loose]:.2f} on the rates and "
        f"{within[loose]:.2f} on a push within the components, but {pushed[loose]:.2f} on one of random units, {silenced[loose]:.2f} on silencing; "
        f"a student without connections reaches {pushed[ALONE]:.2f}, {within[ALONE]:.2f} and {silenced[ALONE]:.2f}."
    )


def _claims(scores: cs.Comparison) -> list[cs.Claim]:
    """Return claims that every run should meet, however small."""
    r2 = scores.estimates(R2)
    beaten = np.mean([r2[name] > max(r2["untrained"], r2["shuffled"]) for name in r2 if name not in CONTROLS])
    return [cs.Claim("share of trained students that beat the untrained and the shuffled one", float(beaten), 1.0, 1.0, BOUND)]


def _full_claims(scores: cs.Comparison, preferred: cs.analysis.Preferred, model: cs.Model) -> list[cs.Claim]:
    """Return claims that a run of full size should meet, on students and circuit."""
    best = max(estimate for name, estimate in scores.estimates(R2).items() if name not in CONTROLS)
    claims = [cs.Claim("R² of held-out rates, best student", best, 0.95, 1.0, BOUND)]
    for measure, (text, low, tried) in REACHED.items() if CONTROL in scores.estimates(R2) else ():
        reached = scores.of(measure, CONTROL).estimate
        claims.append(cs.Claim(f"{text}, positive control", reached, low, 1.0, f"{BOUND}; an independent implementation reached {tried}"))
    return claims + cs.studies.published_properties(model, preferred)


def _methods(model: cs.Model, preferred: cs.analysis.Preferred, fitted: Mapping[str, cs.Fitted], draws: int) -> str:
    pushed, silenced = cs.measures.SPANS["push"], cs.measures.SPANS["silencing"]
    step, k, runs = f"{model.dt.value:g} {model.dt.unit}", min(cs.analysis.MIXED_STATES, model.units), [f.conditions[0] for f in fitted.values()][-1]
    control = f"""The positive control has the circuit's own equations, fitted in closed form to {runs} free runs whose initial states span state
    space, and is tested on such runs: if it failed, there would be a fault between simulation and score.""" * (CONTROL in fitted)
    return f"""
    The circuit was run in Brian2 (step {step}) on delayed reaches. Each preparatory state is a random mixture of the top k = {k} preferred states
    ({preferred.how}), scaled to a standard deviation over units of {cs.analysis.STATE_SD:g}, in the unit of the state; a current that grows as
    exp(t/400 ms) leads to it and is withdrawn within 2 ms at the go cue. The circuit's activity from then on is the teacher.

    Students start from the circuit's rates at the go cue, receive the same input, and run freely for {cs.analysis.AFTER_GO_CUE[1] * 1e3:g} ms; their
    error is the squared difference of rates over the variance of each unit. Conditions were split before anything was computed from the data; means
    and scales come from the training conditions.

    {cs.fitting.summary(fitted)}

    The untrained student has its random weights; the shuffled one was trained to continue from each condition's first bin as another condition does.
    {control}

    Pushes are currents of {1e3 * (pushed[1] - pushed[0]):g} ms from {1e3 * pushed[0]:g} ms after the go cue: with random signs into
    {cs.measures.SHARES["push"]:.0%} of the units, each strong enough to move it by {cs.measures.MOVED:g}; or in random directions within the
    {cs.measures.LEADING} leading principal components of the training rates, equally strong over all units. Silencing:
    {cs.measures.SHARES["silencing"]:.0%} of the units clamped to zero firing for {1e3 * (silenced[1] - silenced[0]):g} ms; the others are compared.
    {draws} draws each, the same on both sides. If a student's units do not correspond to neurons, it receives the smallest change of its state that
    changes the observed rates as required. Without connections: the circuit's own equations with recurrent weights 0. Ridge from the first bin: a
    linear map from the rates at the go cue to those of every later bin.
    """
