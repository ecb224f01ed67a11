"""What does a trained network do, and do the tools that explain it give the same answer as for the cortex on which it was trained?

Reproduces  the usual explanations of a trained network (fixed points and linearised flow, Sussillo & Barak 2013 Neural Comput 25:626; ablation of
            units; integrated gradients, Sundararajan et al. 2017) on students of a circuit, and on the circuit itself, which is the planted truth.
Claim       attributions are complete, the circuit's only fixed point is its rest, the three of a bistable circuit are where the closed form says,
            and the student of the circuit's own class has the same explanation as the circuit; the report says how far the others deviate.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TRAINING, TESTED, SMALL, SMALL_UNITS = 330, 8, 120, 30  # conditions taught, conditions explained; conditions taught in a smoke run, and units
TEACHER, OWN, UNTRAINED = "teacher", "own gain", "untrained"
STUDENTS = {
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=25, rate=5e-3)),
    "hidden units": ("leaky_readout", cs.Options(epochs=60, rate=5e-3)),
    "GRU": ("gru", cs.Options(epochs=60, rate=5e-3)),
}
MOMENTS = (0.0, 0.1, 0.2, 0.3)  # s after the go cue, where the flow is linearised
LOOKED = 0.2  # s after the go cue: the output whose origin is looked for
MUSCLES, DRIVEN = 2, 50  # planted outputs, each driven by this many neurons
ABLATED, SMALL_ABLATED = 60, 4  # units silenced one at a time, and in a smoke run
NULLS, SHUFFLES = 100, 19
WELL_UNITS, WELL_RUNS, DURATION = 64, 60, 1.0  # of the bistable circuit; its runs last so many s
STRENGTH, TAU, STEP = 2.0, 200, 1  # its weights are W = strength m m'/N with |m_i| = 1; its time constant and step, ms
BISTABLE, BOUND, COMPLETE = "bistable: ", "bound of this protocol", "completeness, by definition"
ATTRIBUTION, ABLATION = "attribution, correlation", "effect of an ablation, R²"
FLOW, POINTS = "slowest modes on the way, distance (1/s)", "fixed points near the reach"
WELLS, COUNTED, SINGLE = "bistable circuit: fixed points", "a count; the untrained one is beside it", "one network a student; run other seeds"


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Explain students of a circuit and the circuit itself with the same tools.

    Args:
        model: circuit whose units are the observed ones.
        seed: of every random choice.
        smoke: few units, conditions and epochs: shows that everything runs; its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    model = cs.edit.shrunk(model, SMALL_UNITS) if smoke else model
    with cs.timed(seconds, "circuit"):
        training, test = cs.analysis.delayed_reaches(model, (SMALL if smoke else TRAINING, TESTED), seed=seed)
        bistable, runs = _bistable(seed)
    with cs.timed(seconds, "training"):
        students = {name: (cs.load(card), options) for name, (card, options) in STUDENTS.items() if not smoke or name == "leaky tanh"}
        jobs = cs.fitting.students_of(model, students, training.trials, training.task, seed=seed)
        others = cs.fitting.students_of(bistable, students, runs.trials, runs.task, seed=seed)
        jobs |= {BISTABLE + name: job for name, job in others.items()}
        everyone = cs.fitting.train_many(cs.fitting.shortened(jobs, 2) if smoke else jobs)
    fitted = {name: everyone[name] for name in others if name in everyone}
    systems = {TEACHER: model} | {name: student.model for name, student in fitted.items()}
    wells = {TEACHER: bistable} | {name: everyone[BISTABLE + name].model for name in fitted}
    questions = _questions(model, training.trials, test.task, seed, SMALL_ABLATED if smoke else ABLATED)
    with cs.timed(seconds, "explanation"):
        found = cs.analysis.explain_all(systems, questions)
        points = {name: _points(circuit, runs.task, seed) for name, circuit in wells.items()}
    with cs.timed(seconds, "comparison"):
        scores = [score for name in fitted for score in _scores(name, systems[name], found, questions)]
        scores += [cs.Score(WELLS, name, "states visited in training", float(len(points[name])), "closer", 3.0, None, COUNTED, None, SINGLE,
                            ceiling_reason="nothing is noisy") for name in fitted]  # fmt: skip
        missed = max(system.missed for system in found.values())
    copies = {name: cs.simulate(system, test.task, seed=seed) for name, system in systems.items()}
    paths = {name: trials.rate for name, trials in copies.items()}
    reaches = cs.figures.fixed_point_portraits(paths, systems, {name: system.points.fixed for name, system in found.items()}, unit="Hz")
    paths = {name: cs.simulate(circuit, runs.task, seed=seed).rate for name, circuit in wells.items()}
    falls = cs.figures.fixed_point_portraits(paths, wells, points, unit="dimensionless")
    return cs.Report(
        title=QUESTION, question=f"Teacher: {model.title} ({model.paper}); students that were taught its reaches.", answer=_answer(scores),
        claims=[] if smoke else [
            cs.Claim("largest miss of an attribution's sum, relative to the spread of the output", missed, 0.0, 1e-2, COMPLETE),
            *_claims(scores, found, bistable, points[TEACHER]),
        ], scores=scores,
        pictures=_pictures(scores, found, reaches, falls) | cs.figures.learning_pictures(fitted),
        trials=copies | {"bistable": runs.trials}, models=systems | {f"bistable {name}": circuit for name, circuit in wells.items()},
        methods=_methods(), facts={"teacher": f"{model.name}, {model.units} units"}, smoke=smoke, seed=seed, seconds=seconds,
        absent=cs.fitting.own_class_absent(model, fitted, (OWN,)),
    )  # fmt: skip


def _bistable(seed: int) -> tuple[cs.Model, cs.analysis.Side]:
    """Return a circuit with two stable states and a saddle between them, and its runs from random states into both."""
    rng = cs.stream(seed, "task", "starts in two wells")
    m = rng.choice([-1.0, 1.0], WELL_UNITS)
    circuit = cs.measures.two_wells(m, strength=STRENGTH, tau=TAU, step=STEP)
    task = cs.measures.well_runs(m, conditions=WELL_RUNS, duration=DURATION, rng=rng)
    return circuit, cs.analysis.Side(task, cs.simulate(circuit, task, seed=seed))


def _points(circuit: cs.Model, task: cs.Task, seed: int) -> list[cs.analysis.Point]:
    states = np.concatenate(cs.simulation.trajectory(cs.simulation.Problem(circuit, circuit.arrays(), task)))
    return cs.analysis.fixed_points(circuit, states, seed=seed).fixed


def _questions(model: cs.Model, training: cs.Trials, task: cs.Task, seed: int, ablated: int) -> cs.analysis.Questions:
    """Return two outputs, each driven by random neurons with random weights, of unit variance over the training reaches; random units to silence."""
    rng, units = cs.stream(seed, "task", "weights of the questions"), training.rate.shape[2]
    weights = cs.measures.driven_by_few(rng, units=units, outputs=MUSCLES, drivers=DRIVEN)
    weights /= (training.rate @ weights).std(axis=(0, 1))
    silenced = np.sort(cs.stream(seed, "task", "units ablated").permutation(units)[:ablated])
    silent, baseline = model.silent.si if model.silent else 0.0, training.rate.mean(axis=(0, 1))
    return cs.analysis.Questions(task, weights, MOMENTS, LOOKED, silenced, silent, seed, baseline)


def _scores(name: str, student: cs.Model, found: Mapping[str, cs.analysis.Explanation], test: cs.analysis.Questions) -> list[cs.Score]:
    """Return how similar a student's explanations are to the circuit's."""
    truth, own = found[TEACHER], found[name]
    a, b = (np.moveaxis(system.attribution, 1, 0) for system in (truth, own))  # units first: they are what the null permutes
    effects, distance = (truth.ablation, own.ablation), cs.analysis.mode_distances(truth, own)
    rng = cs.stream(test.seed, "null", "permuted weights of explain")
    null = cs.analysis.mode_distances_by_chance(truth, student, test, rng=rng, draws=SHUFFLES)
    permuted = partial(cs.statistics.permuted, seed=test.seed, count=NULLS)
    over, mixed = cs.statistics.estimated_over, "units of the student permuted"
    score = partial(cs.Score, student=name, split=f"{TESTED} held-out reaches", ceiling_reason="the circuit's own explanation has no noise")
    return [
        score(ATTRIBUTION, better="higher", identical=1.0, null=permuted(_correlation, a, b), surrogate=mixed,
              **over("conditions", a.shape[1], lambda kept: _correlation(a[:, kept], b[:, kept]))),
        score(ABLATION, better="higher", identical=1.0, null=permuted(cs.measures.response_r2, *effects), surrogate=mixed,
              **over("ablated units", len(effects[0]), lambda kept: cs.measures.response_r2(effects[0][kept], effects[1][kept]))),
        score(FLOW, better="lower", identical=0.0, null=null, surrogate="entries of the recurrent weights in random places",
              settings={"moments_s": list(MOMENTS)}, **over("conditions", len(distance), lambda kept: float(distance[kept].mean()))),
        score(POINTS, better="closer", identical=float(len(truth.points.fixed)), null=None, surrogate=COUNTED, estimate=float(len(own.points.fixed)),
              interval=None, interval_over=SINGLE, settings={"coverage": own.points.coverage}),
    ]  # fmt: skip


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _claims(
    scores: Sequence[cs.Score], found: Mapping[str, cs.analysis.Explanation], bistable: cs.Model, points: list[cs.analysis.Point]
) -> list[cs.Claim]:
    """Return claims about known facts of the circuits, and about the student of the circuit's own class."""
    value, kappa = cs.statistics.estimates(scores), cs.measures.well_depth(STRENGTH)
    told = [OWN] if (ATTRIBUTION, OWN) in value else []
    rates = [np.clip(cs.analysis.observed_rates(bistable, point.state), -1 + 1e-12, 1 - 1e-12) for point in points]
    places = np.sort([np.mean(np.abs(np.arctanh(rate))) for rate in rates])
    error = float(np.abs(places - [0.0, kappa, kappa]).max()) if len(places) == 3 else np.inf
    return [
        cs.Claim("fixed points of the circuit near its reaches", float(len(found[TEACHER].points.fixed)), 1, 1, "stable at rest by construction"),
        cs.Claim("bistable circuit: stable points", float(sum(not point.unstable for point in points)), 2, 2, "closed form: kappa = 2 tanh(kappa)"),
        cs.Claim("bistable circuit: largest error of kappa", error, 0.0, 1e-9, "closed form, to round-off"),
        *(cs.Claim(f"{own}: {ATTRIBUTION}", value[ATTRIBUTION, own], 0.9, 1.0, BOUND) for own in told),
        *(cs.Claim(f"{own}: {ABLATION}", value[ABLATION, own], 0.5, 1.0, BOUND) for own in told),
        *(cs.Claim(f"{own} over {UNTRAINED}: {FLOW}", value[FLOW, own] / value[FLOW, UNTRAINED], 0.0, 0.5, BOUND) for own in told),
    ]


def _answer(scores: Sequence[cs.Score]) -> str:
    value = cs.statistics.estimates(scores)
    names = [name for measure, name in value if measure == WELLS and name != UNTRAINED]
    told = "; ".join(f"{name} {value[ATTRIBUTION, name]:.2f} and {value[ABLATION, name]:.2f}" for name in (*names, UNTRAINED))
    counts = ", ".join(f"{name} {value[WELLS, name]:g}" for name in names)
    return (
        f"Attributions of the movement to preparatory rates (correlation with the circuit's) and effects of ablating a unit (R²): {told}. "
        f"Of a bistable circuit with 3 fixed points, its students have: {counts}."
    )


def _pictures(scores: Sequence[cs.Score], found: Mapping[str, cs.analysis.Explanation], reaches: Any, wells: Any) -> dict[str, cs.Picture]:
    truth, students, value = found[TEACHER], {name: system for name, system in found.items() if name != TEACHER}, cs.statistics.estimates(scores)
    along = {name: cs.analysis.mode_distances(truth, system).mean(axis=0) for name, system in students.items()}

    def beside(part: str, measure: str, what: str, quantity: str) -> Any:
        each = {name: getattr(system, part).ravel() for name, system in students.items()}
        said = {name: f"{what} {value[measure, name]:.2f}" for name in students}
        return cs.figures.scatters(getattr(truth, part).ravel(), each, quantity=quantity, said=said)

    return {
        "scores": cs.Picture(
            cs.figures.score_panels(scores, (ATTRIBUTION, ABLATION, FLOW)), "How similar each student's explanation is to the circuit's",
            "Dots: estimate; lines: 95 % interval over conditions; grey bands: 95 % of the surrogates; dashed: value of two identical systems.",
        ),
        "portraits": cs.Picture(
            reaches, "Reaches and fixed points",
            "Held-out reaches on the teacher's principal components; fixed points filled where stable, open where unstable. Points beyond the "
            "axes are counted.",
        ),
        "flow": cs.Picture(
            cs.figures.along(np.array(MOMENTS), along, ylabel="distance of the slowest modes (1/s)", event="the go cue"),
            "The linearised flow along the reach", "Mean distance of each student's slowest eigenvalues from the circuit's at the same time.",
        ),
        "attribution": cs.Picture(
            beside("attribution", ATTRIBUTION, "r", "attribution (s.d. of the output)"), "Where the movement comes from",
            f"Integrated gradients of two planted muscles {LOOKED * 1e3:g} ms after the go cue by each neuron's rate at the go cue.",
        ),
        "ablation": cs.Picture(
            beside("ablation", ABLATION, "R²", "change (s.d. of the output)"), "What silencing one neuron does",
            "Change of the two planted muscles at every time in every reach; one neuron silenced at a time.",
        ),
        "bistable": cs.Picture(
            wells, "A bistable circuit and its students",
            "Trajectories and fixed points, filled where stable, on the teacher's principal components.",
        ),
    }  # fmt: skip


def _methods() -> str:
    rule = f"W = {STRENGTH:g} m m'/N with |m| = 1, whose fixed points x = kappa m obey kappa = {STRENGTH:g} tanh(kappa)"
    return f"""
    The circuit ran delayed reaches from random mixtures of its preferred states; students were trained on {TRAINING} of them, {TESTED} others are
    explained. Every tool is also applied to the circuit itself, whose equations are differentiable as they stand: that is the planted truth.

    Fixed points: Levenberg-Marquardt searches of |dx/dt|² from visited states with noise added, to round-off. Linearised flow: eigenvalues of one
    step at the state that each system visits at that time, as rates in 1/s. Two planted muscles, each driven by {DRIVEN} random neurons with random
    weights, are the outputs to explain. Attribution: integrated gradients from mean rates. Ablation: one neuron is clamped to zero firing for
    the whole movement.

    Bistable circuit: {rule}; students see runs from random states into either well.
    """
