"""What does a trained network do, and do the tools that explain it say the same of the network as of the cortex it was trained on?

Reproduces  the usual explanations of a trained network (fixed points and linearised flow, Sussillo & Barak 2013 Neural Comput 25:626; ablation of
            units; integrated gradients, Sundararajan et al. 2017) on students of a circuit, and on the circuit itself, which is the planted truth.
Claim       attributions are complete, the circuit's only fixed point is its rest, a bistable circuit's three are found in closed form's places,
            and the student of the circuit's own class is explained as the circuit is; the report says how far the others are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from scipy.optimize import brentq

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
TRAINING, TESTED, SMALL = 330, 8, 120  # conditions taught, conditions explained, conditions taught in a smoke run
OWN, UNTRAINED = "own gain", "untrained"
STUDENTS = {
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=25, rate=5e-3)),
    "hidden units": ("leaky_readout", cs.Options(epochs=60, rate=5e-3)),
    "GRU": ("gru", cs.Options(epochs=60, rate=5e-3)),
}
MOMENTS = (0.0, 0.1, 0.2, 0.3)  # s after the go cue, where the flow is linearised
LOOKED = 0.2  # s after the go cue: the output whose origin is looked for
MUSCLES, DRIVEN = 2, 50  # planted outputs, each driven by this many neurons
ABLATED = 60  # units silenced one at a time
NULLS, SHUFFLES = 100, 5
WELLS, DURATION = {"units": 64, "conditions": 60}, 1.0  # the bistable circuit and its runs, s
STRENGTH = 2.0  # its weights are W = strength m m'/N with |m_i| = 1
BISTABLE = "bistable: "
BOUND = "bound of this protocol"
ATTRIBUTION, ABLATION = "attribution, correlation", "effect of an ablation, R²"
FLOW, POINTS = "slowest modes on the way, distance (1/s)", "fixed points near the reach"


@dataclass(frozen=True)
class Wells:
    """The bistable circuit, its students, and the fixed points found in each."""

    systems: Mapping[str, cs.Model]
    trials: cs.Trials
    points: Mapping[str, list[cs.analysis.Point]]
    places: Mapping[str, list[np.ndarray]]
    kappa: float
    scores: list[cs.Score]
    pictures: Mapping[str, cs.Picture]


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Explain students of a circuit and the circuit itself by the same tools.

    Args:
        model: circuit whose units are the observed ones.
        seed: of every random choice.
        smoke: few units, conditions and epochs: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    model = model.with_arrays({}, units=min(model.units, 30)) if smoke and not model.weights else model
    with cs.timed(seconds, "circuit"):
        training, test = cs.analysis.delayed_reaches(model, (SMALL if smoke else TRAINING, TESTED), seed=seed)
    with cs.timed(seconds, "training"):
        students = {
            name: (cs.fitting.with_time_constant_of(cs.load(card), model), options)
            for name, (card, options) in STUDENTS.items()
            if not smoke or name == "leaky tanh"
        }
        jobs = {OWN: cs.fitting.Job(cs.fitting.own_class(model), training.trials, training.task, seed, cs.Options(epochs=0))}
        jobs |= {
            name: cs.fitting.Job(card, training.trials, training.task, seed, _short(options, smoke)) for name, (card, options) in students.items()
        }
        jobs[UNTRAINED] = cs.fitting.Job(
            cs.fitting.with_time_constant_of(cs.load("leaky_tanh"), model),
            training.trials,
            training.task,
            seed,
            cs.Options(epochs=0, closed_form=False),
        )
        bistable, runs = _bistable(seed)
        pupil = {
            name: cs.fitting.own_class(bistable) if name == OWN else cs.fitting.with_time_constant_of(job.model, bistable)
            for name, job in jobs.items()
        }
        jobs |= {BISTABLE + name: replace(job, model=pupil[name], trials=runs.trials, task=runs.task) for name, job in jobs.items()}
        everyone = cs.fitting.train_many(jobs)
    fitted = {name: one for name, one in everyone.items() if not name.startswith(BISTABLE)}
    systems = {"teacher": model} | {name: one.model for name, one in fitted.items()}
    questions = _questions(model, training.trials, test.task, seed, 4 if smoke else ABLATED)
    with cs.timed(seconds, "explanation"), cs.track("explaining") as report:
        found = {}
        for number, (name, one) in enumerate(systems.items()):
            found[name] = cs.analysis.explain(
                one, questions, lambda done, text, at=number, who=name: report((at + done) / len(systems), f"{who}: {text}")
            )
    with cs.timed(seconds, "comparison"):
        scores = [*chain(*(_scores(name, systems[name], found, questions) for name in fitted))]
    with cs.timed(seconds, "bistable circuit"):
        pupils = {name: everyone[BISTABLE + name].model for name in fitted}
        wells = _wells({"teacher": bistable} | pupils, runs, seed)
    copies = {name: cs.simulate(one, test.task, seed=seed) for name, one in systems.items()}
    return cs.Report(
        title=QUESTION,
        question=f"Teacher: {model.title} ({model.paper}); students that were taught its reaches.",
        answer=_answer(scores, wells),
        claims=_claims(found) + ([] if smoke else _full_claims(scores, found, wells)),
        scores=scores + wells.scores,
        pictures=_pictures(scores, found, copies, systems) | cs.figures.learning_pictures(fitted) | wells.pictures,
        trials=copies | {"bistable": wells.trials},
        models=systems | {f"bistable {name}": one for name, one in wells.systems.items()},
        methods=_methods(),
        facts={"teacher": f"{model.name}, {model.units} units"},
        smoke=smoke,
        seed=seed,
        seconds=seconds,
    )


def _short(options: cs.Options, smoke: bool) -> cs.Options:
    return cs.Options(epochs=2, rate=options.rate) if smoke else options


def _questions(model: cs.Model, training: cs.Trials, task: cs.Task, seed: int, ablated: int) -> cs.analysis.Questions:
    """Two outputs, each driven by random neurons with random weights and of unit variance over the training reaches; random units to silence."""
    rng = cs.stream(seed, "task", "weights of the questions")
    units = training.rate.shape[2]
    weights = np.zeros((units, MUSCLES))
    for muscle in weights.T:
        chosen = rng.choice(units, min(DRIVEN, units), replace=False)
        muscle[chosen] = rng.standard_normal(len(chosen))
    weights /= (training.rate @ weights).std(axis=(0, 1))
    silenced = np.sort(cs.stream(seed, "task", "units ablated").permutation(units)[:ablated])
    return cs.analysis.Questions(task, weights, MOMENTS, LOOKED, silenced, model.silent.si if model.silent else 0.0, seed)


def _scores(name: str, student: cs.Model, found: Mapping[str, cs.analysis.Explanation], test: cs.analysis.Questions) -> list[cs.Score]:
    """How like the circuit's explanations a student's are."""
    truth, own, seed, split = found["teacher"], found[name], test.seed, f"{TESTED} held-out reaches"
    a, b = (np.moveaxis(one.attribution, 1, 0) for one in (truth, own))  # units first: they are what the null permutes
    effects = truth.ablation, own.ablation
    distance = _distances(truth, own)
    rng = cs.stream(seed, "null", "permuted weights of explain")
    null = []
    for arrays in (cs.analysis.shuffled_weights(student, rng) for _ in range(SHUFFLES)):
        flows = [cs.analysis.flow_modes(student, arrays, own.states[0, moment]) for moment in test.bins()]
        null.append(np.mean([cs.analysis.modal_distance(*pair) for pair in zip(truth.modes[0], flows, strict=True)]))
    exact = "the circuit's own explanation has no noise"
    return [
        cs.Score(
            ATTRIBUTION,
            name,
            split,
            _correlation(a, b),
            "higher",
            1.0,
            cs.statistics.permuted(_correlation, a, b, seed=seed, count=NULLS),
            "units of the student permuted",
            cs.statistics.jackknifed(lambda kept: _correlation(a[:, kept], b[:, kept]), a.shape[1]),
            "conditions",
            ceiling_reason=exact,
        ),
        cs.Score(
            ABLATION,
            name,
            split,
            cs.measures.response_r2(*effects),
            "higher",
            1.0,
            cs.statistics.permuted(cs.measures.response_r2, *effects, seed=seed, count=NULLS),
            "units of the student permuted",
            cs.statistics.jackknifed(lambda kept: cs.measures.response_r2(effects[0][kept], effects[1][kept]), len(effects[0])),
            "ablated units",
            ceiling_reason=exact,
        ),
        cs.Score(
            FLOW,
            name,
            split,
            float(distance.mean()),
            "lower",
            0.0,
            np.array(null),
            "entries of the recurrent weights in random places",
            cs.statistics.jackknifed(lambda kept: float(distance[kept].mean()), len(distance)),
            "conditions",
            ceiling_reason=exact,
            settings={"moments_s": list(MOMENTS)},
        ),
        cs.Score(
            POINTS,
            name,
            split,
            float(len(own.points.fixed)),
            "closer",
            float(len(truth.points.fixed)),
            None,
            "a count; the untrained one is beside it",
            None,
            "one network a student; run other seeds",
            ceiling_reason=exact,
            settings={"coverage": own.points.coverage},
        ),
    ]


def _distances(truth: cs.analysis.Explanation, own: cs.analysis.Explanation) -> np.ndarray:
    """Distance of the slowest modes at each condition and moment, 1/s."""
    return np.array([[cs.analysis.modal_distance(*pair) for pair in zip(*pairs, strict=True)] for pairs in zip(truth.modes, own.modes, strict=True)])


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _bistable(seed: int) -> tuple[cs.Model, cs.analysis.Side]:
    """A circuit with two stable states and a saddle between them, and its runs from random states into either."""
    units, conditions = WELLS["units"], WELLS["conditions"]
    rng = cs.stream(seed, "task", "starts in two wells")
    m = rng.choice([-1.0, 1.0], units)
    circuit = _slow(cs.load("sompolinsky_1988").with_arrays({"J": STRENGTH * np.outer(m, m) / units}, units=units))
    task = cs.tasks.free_run(0.9 * np.tanh(rng.standard_normal((conditions, units)) + rng.normal(size=(conditions, 1)) * m), DURATION)
    return circuit, cs.analysis.Side(task, cs.simulate(circuit, task, seed=seed))


def _wells(systems: Mapping[str, cs.Model], runs: cs.analysis.Side, seed: int) -> Wells:
    """Do students of the bistable circuit have its fixed points?"""
    kappa = brentq(lambda k: STRENGTH * np.tanh(k) - k, 0.5, 2 * STRENGTH)
    points, places, paths = {}, {}, {}
    for name, one in systems.items():
        states = cs.simulation.trajectory(cs.simulation.Problem(one, one.arrays(), runs.task))
        points[name] = cs.analysis.fixed_points(one, states.reshape(-1, states.shape[2]), seed=seed).fixed
        places[name] = [cs.analysis.observed_rates(one, point.state) for point in points[name]]
        paths[name] = cs.simulate(one, runs.task, seed=seed).rate
    marks = {name: [(place, point.unstable) for place, point in zip(places[name], points[name], strict=True)] for name in systems}
    caption = "Trajectories and fixed points, filled where stable, on the teacher's principal components."
    pictures = {"bistable": cs.Picture(cs.figures.portraits(paths, marks, unit="dimensionless"), "A bistable circuit and its students", caption)}
    scores = [
        cs.Score(
            "bistable circuit: fixed points", name, "states visited in training", float(len(points[name])), "closer", 3.0, None,
            "a count; the untrained one is beside it", None, "one network a student; run other seeds", ceiling_reason="nothing is noisy",
        )
        for name in systems if name != "teacher"
    ]  # fmt: skip
    return Wells(systems, runs.trials, points, places, kappa, scores, pictures)


def _slow(circuit: cs.Model) -> cs.Model:
    """Give a circuit the time constant of the students' cards, 200 ms."""
    name = cs.simulation.drive_parameter(circuit)
    tau = circuit.parameters[name].model_dump() | {"value": 200, "source": "chosen: that of the students"}
    return circuit.with_arrays({}, parameters={name: tau}, dt=circuit.dt.model_dump() | {"value": 1})


def _claims(found: Mapping[str, cs.analysis.Explanation]) -> list[cs.Claim]:
    missed = max(one.missed for one in found.values())
    return [cs.Claim("largest miss of an attribution's sum, relative to the spread of the output", missed, 0.0, 1e-2, "completeness, by definition")]


def _full_claims(scores: list[cs.Score], found: Mapping[str, cs.analysis.Explanation], wells: Wells) -> list[cs.Claim]:
    """What is known of the circuits, and of the student of the circuit's own class."""
    value = {(score.measure, score.student): score.estimate for score in scores}
    truth = wells.points["teacher"]
    places = np.sort([np.mean(np.abs(np.arctanh(np.clip(place, -1 + 1e-12, 1 - 1e-12)))) for place in wells.places["teacher"]])
    error = float(np.abs(places - [0.0, wells.kappa, wells.kappa]).max()) if len(places) == 3 else np.inf
    return [
        cs.Claim("fixed points of the circuit near its reaches", float(len(found["teacher"].points.fixed)), 1, 1, "stable at rest by construction"),
        cs.Claim("bistable circuit: stable points", float(sum(not point.unstable for point in truth)), 2, 2, "closed form: kappa = 2 tanh(kappa)"),
        cs.Claim("bistable circuit: largest error of kappa", error, 0.0, 1e-9, "closed form, to round-off"),
        cs.Claim(f"{OWN}: {ATTRIBUTION}", value[ATTRIBUTION, OWN], 0.9, 1.0, BOUND),
        cs.Claim(f"{OWN}: {ABLATION}", value[ABLATION, OWN], 0.5, 1.0, BOUND),
        cs.Claim(f"{OWN} over {UNTRAINED}: {FLOW}", value[FLOW, OWN] / value[FLOW, UNTRAINED], 0.0, 0.5, BOUND),
    ]


def _answer(scores: list[cs.Score], wells: Wells) -> str:
    value = {(score.measure, score.student): score.estimate for score in scores}
    names = [name for name in dict.fromkeys(score.student for score in scores) if name != UNTRAINED]
    told = "; ".join(f"{name} {value[ATTRIBUTION, name]:.2f} and {value[ABLATION, name]:.2f}" for name in (*names, UNTRAINED))
    counts = ", ".join(f"{name} {len(points)}" for name, points in wells.points.items() if name not in ("teacher", UNTRAINED))
    return (
        f"Attributions of the movement to preparatory rates (correlation with the circuit's) and effects of ablating a unit (R²): {told}. "
        f"Of a bistable circuit with 3 fixed points, its students have: {counts}."
    )


def _pictures(
    scores: list[cs.Score], found: Mapping[str, cs.analysis.Explanation], copies: Mapping[str, cs.Trials], systems: Mapping[str, cs.Model]
) -> dict[str, cs.Picture]:
    truth, students = found["teacher"], {name: one for name, one in found.items() if name != "teacher"}
    value = {(score.measure, score.student): score.estimate for score in scores}
    marks = {
        name: [(cs.analysis.observed_rates(systems[name], point.state), point.unstable) for point in one.points.fixed] for name, one in found.items()
    }
    along = {name: _distances(truth, one).mean(axis=0) for name, one in students.items()}
    attributed, ablated = ({name: getattr(one, part).ravel() for name, one in students.items()} for part in ("attribution", "ablation"))
    said = {measure: {name: f"{what} {value[measure, name]:.2f}" for name in students} for measure, what in ((ATTRIBUTION, "r"), (ABLATION, "R²"))}
    return {
        "scores": cs.Picture(
            cs.figures.score_panels(scores, (ATTRIBUTION, ABLATION, FLOW)), "How like the circuit's explanation each student's is",
            "Dots: estimate; lines: 95 % jackknife interval; grey bands: 95 % of the surrogates; dashed: value of two identical systems.",
        ),
        "portraits": cs.Picture(
            cs.figures.portraits({name: copies[name].rate for name in found}, marks, unit="Hz"), "Reaches and fixed points",
            "Held-out reaches on the teacher's principal components; fixed points filled where stable, open where unstable. Points beyond the "
            "axes are counted.",
        ),
        "flow": cs.Picture(
            cs.figures.along(np.array(MOMENTS), along, ylabel="distance of the slowest modes (1/s)", event="the go cue"),
            "The linearised flow along the reach", "Mean distance of each student's slowest eigenvalues from the circuit's at the same moment.",
        ),
        "attribution": cs.Picture(
            cs.figures.scatters(truth.attribution.ravel(), attributed, quantity="attribution (s.d. of the output)", said=said[ATTRIBUTION]),
            "Where the movement comes from",
            f"Integrated gradients of two planted muscles {LOOKED * 1e3:g} ms after the go cue by each neuron's rate at the go cue.",
        ),
        "ablation": cs.Picture(
            cs.figures.scatters(truth.ablation.ravel(), ablated, quantity="change (s.d. of the output)", said=said[ABLATION]),
            "What silencing one neuron does", "Change of the two planted muscles at every moment of every reach; one neuron silenced at a time.",
        ),
    }  # fmt: skip


def _methods() -> str:
    rule = f"W = {STRENGTH:g} m m'/N with |m| = 1, whose fixed points x = kappa m obey kappa = {STRENGTH:g} tanh(kappa)"
    return f"""
    The circuit ran delayed reaches from random mixtures of its preferred states; students were taught {TRAINING} of them, {TESTED} others are
    explained. Every tool is used on the circuit itself too, whose equations are differentiable as they stand: that is the planted truth.

    Fixed points: Levenberg-Marquardt searches of |dx/dt|² from visited states with noise added, to round-off. Linearised flow: eigenvalues of one
    step at the state that each system visits at that moment, as rates in 1/s.

    Two planted muscles, each driven by {DRIVEN} random neurons with random weights, are the output that is explained. Attribution: integrated
    gradients from rest (captum). Ablation: one neuron is held at zero firing for the whole movement.

    Bistable circuit: {rule}; students see runs from random states into either well.
    """
